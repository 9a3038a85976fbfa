"""The relay's own key: P-256, as browsers refuse Ed25519 there, with a certificate that only
carries it.

Agents check the pin, the SHA-256 of the key's SubjectPublicKeyInfo, and nothing else of the
certificate, so it names nobody, has no end, and can be made again at any time from the same key.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from folkmoot.relay.errors import RelayError

KEY_FILE = "key.pem"
CERTIFICATE_FILE = "certificate.pem"
_PEM_BYTES_MAX = 1 << 20
_NAME = "folkmoot relay"


@dataclass(frozen=True, slots=True)
class Identity:
    """`pin`: 32 bytes; `key` and `chain`: PEM, the chain with the relay's own certificate first."""

    pin: bytes
    key: bytes
    chain: bytes


def _pin(certificate: x509.Certificate) -> bytes:
    public_key = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(public_key).digest()


def _self_signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _NAME)])
    always = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    never = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)  # RFC 5280 §4.1.2.5
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(always)
        .not_valid_after(never)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def _identity(key: ec.EllipticCurvePrivateKey) -> Identity:
    certificate = _self_signed(key)
    return Identity(
        _pin(certificate),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        certificate.public_bytes(serialization.Encoding.PEM),
    )


def make_identity() -> Identity:
    """A new key that is kept nowhere."""
    return _identity(ec.generate_private_key(ec.SECP256R1()))


def write_private(path: Path, data: bytes) -> None:
    """Writes a file of mode 0600 that is there as a whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:  # mode 0600
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def kept_identity(folder: Path) -> Identity:
    """The key kept in this folder, made there on first start."""
    key_file = folder / KEY_FILE
    try:
        if key_file.exists():
            key_file.chmod(0o600)
            key = serialization.load_pem_private_key(_read(key_file), None)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ValueError("another kind of key")
        else:
            key = ec.generate_private_key(ec.SECP256R1())
        identity = _identity(key)
        if not key_file.exists():
            write_private(key_file, identity.key)
        write_private(folder / CERTIFICATE_FILE, identity.chain)
    except (ValueError, TypeError) as error:
        raise RelayError(
            f"The relay's key in {key_file} cannot be read. Put a copy of it back, or move it away"
            " to start with a new key, which gives the relay a new address."
        ) from error
    except OSError as error:
        raise RelayError(
            f"The relay's key cannot be kept in {folder}: {error.strerror}."
        ) from error
    return identity


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_PEM_BYTES_MAX)


def given_identity(certificate_file: Path, key_file: Path) -> Identity:
    """An operator's own certificate (with its chain) and key."""
    for path in (certificate_file, key_file):
        if not path.is_file():
            raise RelayError(f"There is no file {path}.")
    try:
        chain, key_bytes = _read(certificate_file), _read(key_file)
        certificates = x509.load_pem_x509_certificates(chain)
        key = serialization.load_pem_private_key(key_bytes, None)
    except OSError as error:
        raise RelayError(f"{error.filename} cannot be read: {error.strerror}.") from error
    except TypeError as error:
        raise RelayError(
            f"The key in {key_file} is locked with a password, and a relay cannot ask for it."
        ) from error
    except ValueError as error:
        raise RelayError(
            f"{certificate_file} and {key_file} are not a certificate and a key in PEM form."
        ) from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificates[0].public_key().public_bytes(*form):
        raise RelayError(f"The key in {key_file} does not belong to {certificate_file}.")
    return Identity(_pin(certificates[0]), key_bytes, chain)


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path under which OpenSSL can read these bytes: in memory where the system has that."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("folkmoot", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory() as folder:  # mode 0700
        path = Path(folder) / "pem"
        write_private(path, data)
        yield str(path)


def tls_context(identity: Identity) -> ssl.SSLContext:
    """TLS 1.3 and nothing older; no session tickets, as they would tie two links to one person."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        with _as_file(identity.chain) as chain, _as_file(identity.key) as key:
            context.load_cert_chain(chain, key)
    except ssl.SSLError as error:
        raise RelayError(f"The certificate cannot be used: {error.reason}.") from error
    return context
