"""DTLS server for one page (RFC 6347, RFC 5763, RFC 5764): proves the fingerprint and hands out the
SRTP keys."""

from __future__ import annotations

import contextlib
import datetime
import enum
import hmac
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import Policy

DATAGRAM_BYTES = 1_200  # no path on one machine is narrower
CERTIFICATE_DAYS = 30
_RECORD_HEADER_BYTES = 13  # content type 1, version 2, epoch 2, sequence 6, length 2
_BIO_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Profile:
    """An SRTP protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2)."""

    name: bytes
    policy: int
    key_bytes: int
    salt_bytes: int


PROFILES = (
    Profile(b"SRTP_AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    # For browsers older than the ones we tried; both of those take the first.
    Profile(b"SRTP_AES128_CM_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
)


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Key ‖ salt for each direction: `browser` protects what the page sends, `agent` what we
    send."""

    profile: Profile
    browser: bytes
    agent: bytes


class Certificate:
    """A P-256 key and a self-signed certificate for one bridge: named by its fingerprint in the
    offer, nothing else."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(8))])
        now = datetime.datetime.now(datetime.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
            .sign(self.key, hashes.SHA256())
        )

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate, 32 bytes (RFC 8122)."""
        return self.certificate.fingerprint(hashes.SHA256())


class DtlsState(enum.Enum):
    HANDSHAKE = "handshake"
    # The handshake is done before the answer told us the page's fingerprint.
    VERIFYING = "verifying"
    CONNECTED = "connected"
    CLOSED = "closed"
    FAILED = "failed"


def split_datagrams(data: bytes, datagram_bytes: int = DATAGRAM_BYTES) -> list[bytes]:
    """Whole DTLS records, packed into datagrams: OpenSSL's memory BIO glues a flight together, and
    a record cut in two would be lost with both its halves."""
    datagrams: list[bytes] = []
    current = b""
    at = 0
    while at < len(data):
        if len(data) - at < _RECORD_HEADER_BYTES:
            raise ValueError("a DTLS record is torn")
        size = _RECORD_HEADER_BYTES + int.from_bytes(data[at + 11 : at + 13], "big")
        record = data[at : at + size]
        if current and len(current) + size > datagram_bytes:
            datagrams.append(current)
            current = b""
        current += record
        at += size
    return [*datagrams, current] if current else datagrams


class DtlsServer:
    """The agent's half; the page is the DTLS client (`a=setup:active` in its answer). No media
    passes before `expect` was called with the fingerprint of the answer and the certificate of the
    handshake has it."""

    def __init__(self, certificate: Certificate, send: Callable[[bytes], object]) -> None:
        context = SSL.Context(SSL.DTLS_SERVER_METHOD)
        # Any certificate passes here because a page's is self-signed; `_verify` compares its
        # fingerprint.
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        context.use_certificate(certificate.certificate)
        context.use_privatekey(certificate.key)
        context.set_tlsext_use_srtp(b":".join(profile.name for profile in PROFILES))
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._connection.set_ciphertext_mtu(DATAGRAM_BYTES)
        self._send = send
        self._expected: bytes | None = None
        self.state = DtlsState.HANDSHAKE
        self.reason = ""
        self.keys: SrtpKeys | None = None

    def expect(self, fingerprint: bytes) -> None:
        """`fingerprint`: SHA-256, 32 bytes, from the page's answer."""
        self._expected = fingerprint
        if self.state is DtlsState.VERIFYING:
            self._verify()

    def receive(self, datagram: bytes) -> None:
        """A datagram whose first byte is 20 to 63 (RFC 7983). Never raises; look at `state`
        afterwards."""
        if self.state in (DtlsState.CLOSED, DtlsState.FAILED):
            return
        try:
            self._connection.bio_write(datagram)
            if self.state is DtlsState.HANDSHAKE:
                self._handshake()
            else:
                # Data channels are not offered: read and forget.
                self._connection.recv(_BIO_BYTES_MAX)
        except SSL.WantReadError:
            pass
        except SSL.ZeroReturnError:
            self.state = DtlsState.CLOSED
        except SSL.Error:
            # After the handshake a record that does not decrypt is dropped by OpenSSL itself; an
            # error is final.
            self._fail("the page and the agent could not agree on keys")
        self._flush()

    def timeout(self) -> float | None:
        """Seconds until `handle_timer` is due (a flight may have been lost), None if nothing
        waits."""
        if self.state is not DtlsState.HANDSHAKE:
            return None
        left = self._connection.DTLSv1_get_timeout()
        return None if left is None else float(left)

    def handle_timer(self) -> None:
        if self.state is not DtlsState.HANDSHAKE:
            return
        try:
            self._connection.DTLSv1_handle_timeout()
        except SSL.Error:
            self._fail("the page stopped answering while keys were agreed on")
        self._flush()

    def close(self) -> None:
        if self.state in (DtlsState.CONNECTED, DtlsState.VERIFYING):
            with contextlib.suppress(SSL.Error):
                self._connection.shutdown()  # so that the page learns it at once
            self._flush()
        if self.state is not DtlsState.FAILED:
            self.state = DtlsState.CLOSED
        self.keys = None

    def _handshake(self) -> None:
        self._connection.do_handshake()
        self.state = DtlsState.VERIFYING
        if self._expected is not None:
            self._verify()

    def _verify(self) -> None:
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        found = b"" if certificate is None else certificate.fingerprint(hashes.SHA256())
        if self._expected is None or not hmac.compare_digest(found, self._expected):
            self._fail("the page's certificate is not the one that its answer named")
            return
        name = self._connection.get_selected_srtp_profile()
        profile = next((entry for entry in PROFILES if entry.name == name), None)
        if profile is None:
            self._fail("the page offers no media encryption that the agent knows")
            return
        key, salt = profile.key_bytes, profile.salt_bytes
        material = self._connection.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client_key, server_key, client_salt, server_salt = struct.unpack(
            f"{key}s{key}s{salt}s{salt}s", material
        )
        self.keys = SrtpKeys(profile, client_key + client_salt, server_key + server_salt)
        self.state = DtlsState.CONNECTED

    def _fail(self, reason: str) -> None:
        self.state, self.reason, self.keys = DtlsState.FAILED, reason, None

    def _flush(self) -> None:
        pending = b""
        while len(pending) < _BIO_BYTES_MAX:
            try:
                pending += self._connection.bio_read(_BIO_BYTES_MAX)
            except SSL.WantReadError:
                break
        for datagram in split_datagrams(pending):
            self._send(datagram)
