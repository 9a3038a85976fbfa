"""TLS 1.3 to a relay that proves itself by its pin before a byte of HTTP is sent (§4).

No certificate authority takes part: whatever certificate the relay shows, the SHA-256 of its
SubjectPublicKeyInfo has to be the pin that the invite names. TLS itself makes the relay prove that
it holds that key, also with certificate checking off. No tickets: they would tie two links to one
person.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from typing import ClassVar

import anyio
from anyio.abc import ByteStream
from anyio.streams.tls import TLSAttribute, TLSStream
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HANDSHAKE_TIMEOUT_S = 10.0


class NoRelay(OSError):
    """What answers there is not a relay."""


class WrongPin(NoRelay):
    """This is not the relay that the invite names."""

    sentence: ClassVar[str] = "this is not the relay that the invite names"

    def __init__(self, pin: bytes) -> None:
        super().__init__(self.sentence)
        self.pin = pin


class WayBroken(OSError):
    """What carries the TLS of this connection (a tunnel) ended, and said why."""


def why_broken(error: BaseException, otherwise: str) -> str:
    """The sentence of the way below, where it gave one: TLS hides it behind an error of its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, WayBroken):
            return str(cause)
        cause = cause.__cause__
    return otherwise


def tls_context() -> ssl.SSLContext:
    """The same ClientHello for every agent: no server name, no protocol list, no session."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the pin is the check, and it is made by us below
    context.options |= ssl.OP_NO_TICKET
    return context


def pin_of(certificate: bytes) -> bytes:
    """32 bytes: SHA-256 of the SubjectPublicKeyInfo (DER) in an X.509 certificate (DER)."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise NoRelay("what answers there shows no certificate that can be read") from None
    info = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(info).digest()


async def secure(stream: ByteStream, pin: bytes | None) -> tuple[TLSStream, bytes]:
    """TLS over `stream`, and the 32-byte pin seen; with `pin` None any is taken (to look at it).

    Raises WrongPin, or NoRelay when TLS does not come about; `stream` is closed then.
    """
    try:
        with anyio.fail_after(HANDSHAKE_TIMEOUT_S):
            tls = await TLSStream.wrap(
                stream, server_side=False, ssl_context=tls_context(), standard_compatible=False
            )
        certificate = tls.extra(TLSAttribute.peer_certificate_binary)
        if not certificate:
            raise NoRelay("what answers there shows no certificate")
        seen = pin_of(certificate)
        if pin is not None and not hmac.compare_digest(seen, pin):
            raise WrongPin(seen)
    except BaseException as error:
        await anyio.aclose_forcefully(stream)
        if isinstance(error, TimeoutError):
            raise NoRelay(f"no TLS handshake within {HANDSHAKE_TIMEOUT_S:.0f} s") from None
        if isinstance(error, ssl.SSLError):
            raise NoRelay("what answers there does not speak TLS 1.3") from None
        if isinstance(error, anyio.EndOfStream | anyio.BrokenResourceError):
            otherwise = "the connection was closed in the TLS handshake"
            raise NoRelay(why_broken(error, otherwise)) from None
        raise
    return tls, seen
