"""HPKE in base mode (RFC 9180): DHKEM over X25519 and P-256, HKDF-SHA256, seal, open and export.

The ephemeral key comes from injected entropy, so that a seed replays a run; `cryptography`'s own
HPKE is one-shot, draws its own ephemeral and has no Export, which ExternalInit needs
(RFC 9420 §8.3). A test holds the two against each other.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from folkmoot.mls.errors import Check, CryptoError, UsageError
from folkmoot.wire import codec

Entropy = Callable[[int], bytes]

HASH_BYTES = 32  # Nh of HKDF-SHA256
SECRET_KEY_BYTES = 32  # Nsk of both KEMs
SHARED_SECRET_BYTES = 32  # Nsecret of both KEMs
KDF_ID = 0x0001  # HKDF-SHA256
EXPAND_BYTES_MAX = 255 * HASH_BYTES
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_POINT_BYTES = 65
# RFC 9180 §7.1.3 gives up after 256 candidates; one in 2^32 is refused.
P256_CANDIDATES_MAX = 256
_MODE_BASE = b"\x00"


def extract(salt: bytes, ikm: bytes) -> bytes:
    """HKDF-Extract with SHA-256: 32 bytes (RFC 5869 §2.2)."""
    return hmac.digest(salt, ikm, "sha256")


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand with SHA-256: `length` bytes, at most 8,160 (RFC 5869 §2.3)."""
    if length <= HASH_BYTES:  # nearly every call: one block
        return hmac.digest(prk, info + b"\x01", "sha256")[:length]
    if length > EXPAND_BYTES_MAX:
        raise UsageError(f"{length} bytes cannot be expanded, {EXPAND_BYTES_MAX} can")
    block, out = b"", b""
    for counter in range(1, -(-length // HASH_BYTES) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), "sha256")
        out += block
    return out[:length]


def _labeled_extract(suite_id: bytes, salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return extract(salt, b"HPKE-v1" + suite_id + label + ikm)


def _labeled_expand(suite_id: bytes, prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return expand(prk, length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + info, length)


class HpkePublicKey(Protocol):
    """A loaded public key; `data` are its bytes as in RFC 9180 §7.1.1."""

    @property
    def data(self) -> bytes: ...


class HpkePrivateKey(Protocol):
    """A loaded private key with the bytes of both halves; loading costs more than using it."""

    @property
    def data(self) -> bytes: ...
    @property
    def public(self) -> HpkePublicKey: ...
    def exchange(self, public: HpkePublicKey) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _X25519Public:
    data: bytes  # 32 bytes
    key: X25519PublicKey = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _X25519Private:
    data: bytes = field(repr=False)  # 32 bytes
    public: _X25519Public
    key: X25519PrivateKey = field(repr=False, compare=False)

    def exchange(self, public: HpkePublicKey) -> bytes:
        assert isinstance(public, _X25519Public)
        try:
            return self.key.exchange(public.key)
        except ValueError:  # a point of low order: the secret would be zero (RFC 9180 §7.1.4)
            raise CryptoError(Check.PUBLIC_KEY, "of low order") from None


@dataclass(frozen=True, slots=True)
class _P256Public:
    data: bytes  # 65 bytes, uncompressed
    key: ec.EllipticCurvePublicKey = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _P256Private:
    data: bytes = field(repr=False)  # 32 bytes, big-endian
    public: _P256Public
    key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    def exchange(self, public: HpkePublicKey) -> bytes:
        assert isinstance(public, _P256Public)
        return self.key.exchange(ec.ECDH(), public.key)


def load_p256_public(data: bytes) -> ec.EllipticCurvePublicKey:
    """An uncompressed point of 65 bytes, checked to be on the curve; raises CryptoError."""
    # from_encoded_point would take compressed points too: one key must have one encoding.
    if len(data) != P256_POINT_BYTES or data[0] != 4:
        raise CryptoError(Check.PUBLIC_KEY, "not an uncompressed point of P-256")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError:
        raise CryptoError(Check.PUBLIC_KEY, "not on P-256") from None


def load_p256_private(data: bytes) -> ec.EllipticCurvePrivateKey:
    """A scalar of 32 bytes, big-endian, from 1 to the order less 1; raises CryptoError."""
    value = int.from_bytes(data, "big")
    if len(data) != SECRET_KEY_BYTES or not 0 < value < P256_ORDER:
        raise CryptoError(Check.PRIVATE_KEY, "not a scalar of P-256")
    return ec.derive_private_key(value, ec.SECP256R1())


def p256_point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The 65 bytes of an uncompressed point."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class Kem:
    """What DHKEM of both curves shares (RFC 9180 §4.1)."""

    __slots__ = ("id", "suite_id")

    def __init__(self, kem_id: int) -> None:
        self.id = kem_id
        self.suite_id = b"KEM" + kem_id.to_bytes(2, "big")

    def load_public(self, data: bytes) -> HpkePublicKey:
        """DeserializePublicKey; raises CryptoError."""
        raise NotImplementedError

    def load_private(self, data: bytes) -> HpkePrivateKey:
        """DeserializePrivateKey of 32 bytes; raises CryptoError."""
        raise NotImplementedError

    def _derive_private(self, dkp_prk: bytes) -> bytes:
        raise NotImplementedError

    def derive_key_pair(self, ikm: bytes) -> HpkePrivateKey:
        """DeriveKeyPair (RFC 9180 §7.1.3) from at least 32 uniformly random or secret bytes."""
        if len(ikm) < SECRET_KEY_BYTES:
            raise UsageError(f"{len(ikm)} bytes are too few to derive a key pair")
        return self.load_private(
            self._derive_private(_labeled_extract(self.suite_id, b"", b"dkp_prk", ikm))
        )

    def _shared_secret(self, dh: bytes, kem_output: bytes, public: bytes) -> bytes:
        prk = _labeled_extract(self.suite_id, b"", b"eae_prk", dh)
        context = kem_output + public
        return _labeled_expand(self.suite_id, prk, b"shared_secret", context, SHARED_SECRET_BYTES)

    def encap(self, public: HpkePublicKey, entropy: Entropy) -> tuple[bytes, bytes]:
        """Encap: (shared secret of 32 bytes, kem_output of 32 or 65 bytes)."""
        ephemeral = self.derive_key_pair(entropy(SECRET_KEY_BYTES))
        kem_output = ephemeral.public.data
        dh = ephemeral.exchange(public)
        return self._shared_secret(dh, kem_output, public.data), kem_output

    def decap(self, kem_output: bytes, private: HpkePrivateKey) -> bytes:
        """Decap: the shared secret of 32 bytes; raises CryptoError."""
        dh = private.exchange(self.load_public(kem_output))
        return self._shared_secret(dh, kem_output, private.public.data)


# The points of X25519 whose product with any private key is zero (RFC 7748 §6.1), less the top bit,
# which does not count. A leaf or an init key of this kind would load and then fail whoever encrypts
# to it: one member could keep all others from committing. So they are no keys from the beginning.
_LOW_ORDER = frozenset(
    value.to_bytes(32, "little")
    for value in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        2**255 - 20,
        2**255 - 19,
        2**255 - 18,
    )
)


class _KemX25519(Kem):
    __slots__ = ()

    def load_public(self, data: bytes) -> HpkePublicKey:
        if data[:31] + bytes(byte & 0x7F for byte in data[31:]) in _LOW_ORDER:
            raise CryptoError(Check.PUBLIC_KEY, "of low order")
        try:
            return _X25519Public(data, X25519PublicKey.from_public_bytes(data))
        except ValueError:
            raise CryptoError(Check.PUBLIC_KEY, "X25519 keys have 32 bytes") from None

    def load_private(self, data: bytes) -> HpkePrivateKey:
        try:
            key = X25519PrivateKey.from_private_bytes(data)
        except ValueError:
            raise CryptoError(Check.PRIVATE_KEY, "X25519 keys have 32 bytes") from None
        public = key.public_key()
        return _X25519Private(data, _X25519Public(public.public_bytes_raw(), public), key)

    def _derive_private(self, dkp_prk: bytes) -> bytes:
        return _labeled_expand(self.suite_id, dkp_prk, b"sk", b"", SECRET_KEY_BYTES)


class _KemP256(Kem):
    __slots__ = ()

    def load_public(self, data: bytes) -> HpkePublicKey:
        return _P256Public(data, load_p256_public(data))

    def load_private(self, data: bytes) -> HpkePrivateKey:
        key = load_p256_private(data)
        public = key.public_key()
        return _P256Private(data, _P256Public(p256_point(public), public), key)

    def _derive_private(self, dkp_prk: bytes) -> bytes:
        for counter in range(P256_CANDIDATES_MAX):
            candidate = _labeled_expand(
                self.suite_id, dkp_prk, b"candidate", bytes([counter]), SECRET_KEY_BYTES
            )
            if 0 < int.from_bytes(candidate, "big") < P256_ORDER:
                return candidate
        raise UsageError("no key pair can be derived from this")  # once in 2^8192 tries


KEM_P256 = _KemP256(0x0010)
KEM_X25519 = _KemX25519(0x0020)


@dataclass(frozen=True, slots=True)
class HPKECiphertext:
    """What RFC 9420 §7.6 sends of a sealed secret: KEM output (32 or 65 bytes) and ciphertext."""

    kem_output: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, reader: codec.Reader) -> HPKECiphertext:
        return cls(reader.opaque(), reader.opaque())

    def encode(self) -> bytes:
        return codec.opaque(self.kem_output) + codec.opaque(self.ciphertext)


AeadKey = AESGCM | ChaCha20Poly1305


@dataclass(frozen=True, slots=True)
class Aead:
    """An AEAD by its number in RFC 9180 §7.3: key of `nk` bytes, nonce of 12, tag of 16."""

    id: int
    nk: int
    load: Callable[[bytes], AeadKey] = field(repr=False)
    nn: int = 12
    tag_bytes: int = 16

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """The ciphertext, 16 bytes longer than the plaintext."""
        return self.load(key).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """The plaintext; raises CryptoError when the tag does not verify."""
        try:
            return self.load(key).decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError):
            raise CryptoError(Check.AEAD_OPEN) from None


AES_128_GCM = Aead(0x0001, 16, AESGCM)
CHACHA20_POLY1305 = Aead(0x0003, 32, ChaCha20Poly1305)


@dataclass(frozen=True, slots=True)
class Context:
    """What KeySchedule gives in base mode; for one message, as MLS uses it (sequence number 0)."""

    suite: HpkeSuite
    key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)
    exporter_secret: bytes = field(repr=False)

    def export(self, exporter_context: bytes, length: int) -> bytes:
        """Context.Export (RFC 9180 §5.3)."""
        return _labeled_expand(
            self.suite.suite_id, self.exporter_secret, b"sec", exporter_context, length
        )


@dataclass(frozen=True, slots=True)
class HpkeSuite:
    """A KEM, HKDF-SHA256 and an AEAD."""

    kem: Kem
    aead: Aead
    suite_id: bytes = field(init=False)
    _psk_id_hash: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        numbers = (self.kem.id, KDF_ID, self.aead.id)
        suite_id = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in numbers)
        object.__setattr__(self, "suite_id", suite_id)
        psk_id_hash = _labeled_extract(suite_id, b"", b"psk_id_hash", b"")
        object.__setattr__(self, "_psk_id_hash", psk_id_hash)

    def _key_schedule(self, shared_secret: bytes, info: bytes) -> Context:
        """KeySchedule<ROLE> with mode_base and no PSK (RFC 9180 §5.1)."""
        suite_id = self.suite_id
        info_hash = _labeled_extract(suite_id, b"", b"info_hash", info)
        context = _MODE_BASE + self._psk_id_hash + info_hash
        secret = _labeled_extract(suite_id, shared_secret, b"secret", b"")
        return Context(
            self,
            _labeled_expand(suite_id, secret, b"key", context, self.aead.nk),
            _labeled_expand(suite_id, secret, b"base_nonce", context, self.aead.nn),
            _labeled_expand(suite_id, secret, b"exp", context, HASH_BYTES),
        )

    def setup_sender(
        self, public: HpkePublicKey, info: bytes, entropy: Entropy
    ) -> tuple[bytes, Context]:
        """SetupBaseS: (kem_output, context)."""
        shared_secret, kem_output = self.kem.encap(public, entropy)
        return kem_output, self._key_schedule(shared_secret, info)

    def setup_receiver(self, kem_output: bytes, private: HpkePrivateKey, info: bytes) -> Context:
        """SetupBaseR; raises CryptoError."""
        return self._key_schedule(self.kem.decap(kem_output, private), info)

    def seal(
        self, public: HpkePublicKey, info: bytes, aad: bytes, plaintext: bytes, entropy: Entropy
    ) -> tuple[bytes, bytes]:
        """SealBase: (kem_output, ciphertext of 16 bytes more than the plaintext)."""
        kem_output, context = self.setup_sender(public, info, entropy)
        return kem_output, self.aead.seal(context.key, context.nonce, aad, plaintext)

    def open(
        self, kem_output: bytes, private: HpkePrivateKey, info: bytes, aad: bytes, ciphertext: bytes
    ) -> bytes:
        """OpenBase: the plaintext; raises CryptoError."""
        context = self.setup_receiver(kem_output, private, info)
        try:
            return self.aead.open(context.key, context.nonce, aad, ciphertext)
        except CryptoError:
            raise CryptoError(Check.HPKE_OPEN) from None


__all__ = [
    "AES_128_GCM",
    "CHACHA20_POLY1305",
    "HASH_BYTES",
    "KEM_P256",
    "KEM_X25519",
    "P256_ORDER",
    "SECRET_KEY_BYTES",
    "Aead",
    "Context",
    "Entropy",
    "HPKECiphertext",
    "HpkePrivateKey",
    "HpkePublicKey",
    "HpkeSuite",
    "Kem",
    "expand",
    "extract",
    "load_p256_private",
    "load_p256_public",
    "p256_point",
]
