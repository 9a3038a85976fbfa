"""The cipher suites of RFC 9420 and all that they do with labels (§5.1, §5.2, §8, §9).

Suites 1, 2 and 3 all hash with SHA-256. Keys are loaded once and kept as objects: loading a private
key costs as much as using it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from folkmoot.mls import hpke
from folkmoot.mls.errors import Check, CryptoError, MlsError
from folkmoot.mls.hpke import HASH_BYTES, Entropy, HpkePrivateKey, HpkePublicKey
from folkmoot.wire import codec

LABEL_PREFIX = b"MLS 1.0 "
SUITE_X25519_AES128 = 1
SUITE_P256_AES128 = 2
SUITE_X25519_CHACHA20 = 3
PRIVATE_KEY_BYTES = 32  # of every kind of private key in these suites
# A scalar drawn from 32 random bytes is refused once in 2^32; the bound only ends a broken source.
_SCALAR_DRAWS_MAX = 128


class SignaturePublicKey(Protocol):
    """A loaded key that verifies; `data` are its bytes as in a leaf node."""

    @property
    def data(self) -> bytes: ...
    def verify(self, content: bytes, signature: bytes) -> bool: ...


class SignaturePrivateKey(Protocol):
    """A loaded key that signs; `data` are its 32 secret bytes."""

    @property
    def data(self) -> bytes: ...
    @property
    def public(self) -> SignaturePublicKey: ...
    def sign(self, content: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class _Ed25519Public:
    data: bytes  # 32 bytes
    key: Ed25519PublicKey = field(repr=False, compare=False)

    def verify(self, content: bytes, signature: bytes) -> bool:
        try:
            self.key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Ed25519Private:
    data: bytes = field(repr=False)  # 32 bytes: the seed
    public: _Ed25519Public
    key: Ed25519PrivateKey = field(repr=False, compare=False)

    def sign(self, content: bytes) -> bytes:
        return self.key.sign(content)


# Deterministic (RFC 6979): signing takes no randomness, so a seed replays a run.
_ECDSA_SIGN = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
_ECDSA_VERIFY = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class _P256Public:
    data: bytes  # 65 bytes, uncompressed
    key: ec.EllipticCurvePublicKey = field(repr=False, compare=False)

    def verify(self, content: bytes, signature: bytes) -> bool:
        try:
            self.key.verify(signature, content, _ECDSA_VERIFY)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _P256Private:
    data: bytes = field(repr=False)  # 32 bytes, big-endian
    public: _P256Public
    key: ec.EllipticCurvePrivateKey = field(repr=False, compare=False)

    def sign(self, content: bytes) -> bytes:
        return self.key.sign(content, _ECDSA_SIGN)  # DER, 72 bytes at most (RFC 9420 §5.1.2)


def _labeled(label: str, content: bytes) -> bytes:
    """`opaque label<V> = "MLS 1.0 " + label; opaque content<V>`: SignContent, EncryptContext."""
    return codec.opaque(LABEL_PREFIX + label.encode("ascii")) + codec.opaque(content)


def ref_hash(label: str, value: bytes) -> bytes:
    """RefHash (RFC 9420 §5.2), 32 bytes; `label` is the whole label, prefix included."""
    data = codec.opaque(label.encode("ascii")) + codec.opaque(value)
    return hashlib.sha256(data).digest()


@dataclass(frozen=True, slots=True)
class CipherSuite:
    """One suite: `nh` bytes of hash and secret, AEAD keys of `nk` bytes and nonces of `nn`."""

    id: int
    name: str
    hpke: hpke.HpkeSuite = field(repr=False)
    ecdsa: bool = field(repr=False)
    nh: int = HASH_BYTES

    @property
    def nk(self) -> int:
        return self.hpke.aead.nk

    @property
    def nn(self) -> int:
        return self.hpke.aead.nn

    # Hash and MAC

    def hash(self, data: bytes) -> bytes:
        """`nh` bytes."""
        return hashlib.sha256(data).digest()

    def mac(self, key: bytes, data: bytes) -> bytes:
        """HMAC, `nh` bytes."""
        return hmac.digest(key, data, "sha256")

    def verify_mac(self, key: bytes, data: bytes, tag: bytes) -> bool:
        """Whether `tag` is the MAC; takes the same time wherever they differ."""
        return hmac.compare_digest(hmac.digest(key, data, "sha256"), tag)

    def ref_hash(self, label: str, value: bytes) -> bytes:
        """RefHash (§5.2)."""
        return ref_hash(label, value)

    def make_key_package_ref(self, key_package: bytes) -> bytes:
        """MakeKeyPackageRef of an encoded KeyPackage (§5.2), `nh` bytes."""
        return ref_hash("MLS 1.0 KeyPackage Reference", key_package)

    def make_proposal_ref(self, authenticated_content: bytes) -> bytes:
        """MakeProposalRef of an encoded AuthenticatedContent (§5.2), `nh` bytes."""
        return ref_hash("MLS 1.0 Proposal Reference", authenticated_content)

    # Key derivation

    def extract(self, salt: bytes, ikm: bytes) -> bytes:
        """KDF.Extract, `nh` bytes."""
        return hpke.extract(salt, ikm)

    def expand_with_label(self, secret: bytes, label: str, context: bytes, length: int) -> bytes:
        """ExpandWithLabel (§8): `length` bytes."""
        return hpke.expand(secret, codec.u16(length) + _labeled(label, context), length)

    def derive_secret(self, secret: bytes, label: str) -> bytes:
        """DeriveSecret (§8): `nh` bytes."""
        return self.expand_with_label(secret, label, b"", self.nh)

    def derive_tree_secret(self, secret: bytes, label: str, generation: int, length: int) -> bytes:
        """DeriveTreeSecret (§9): `length` bytes."""
        return self.expand_with_label(secret, label, codec.u32(generation), length)

    # Signatures

    def load_signature_public(self, data: bytes) -> SignaturePublicKey:
        """A key of 32 bytes (Ed25519) or 65 (P-256); raises CryptoError."""
        if self.ecdsa:
            return _P256Public(data, hpke.load_p256_public(data))
        try:
            return _Ed25519Public(data, Ed25519PublicKey.from_public_bytes(data))
        except ValueError:
            raise CryptoError(Check.PUBLIC_KEY, "Ed25519 keys have 32 bytes") from None

    def load_signature_private(self, data: bytes) -> SignaturePrivateKey:
        """A key of 32 bytes; raises CryptoError."""
        if self.ecdsa:
            scalar = hpke.load_p256_private(data)
            point = scalar.public_key()
            return _P256Private(data, _P256Public(hpke.p256_point(point), point), scalar)
        try:
            key = Ed25519PrivateKey.from_private_bytes(data)
        except ValueError:
            raise CryptoError(Check.PRIVATE_KEY, "Ed25519 keys have 32 bytes") from None
        public = key.public_key()
        return _Ed25519Private(data, _Ed25519Public(public.public_bytes_raw(), public), key)

    def generate_signature_key(self, entropy: Entropy) -> SignaturePrivateKey:
        """A fresh signature key."""
        for _ in range(_SCALAR_DRAWS_MAX):
            drawn = entropy(PRIVATE_KEY_BYTES)
            if not self.ecdsa or 0 < int.from_bytes(drawn, "big") < hpke.P256_ORDER:
                return self.load_signature_private(drawn)
        raise AssertionError("the source of randomness is broken")

    def sign_with_label(self, key: SignaturePrivateKey, label: str, content: bytes) -> bytes:
        """SignWithLabel (§5.1.2): 64 bytes of Ed25519, or DER of ECDSA."""
        return key.sign(_labeled(label, content))

    def verify_with_label(
        self, key: SignaturePublicKey, label: str, content: bytes, signature: bytes
    ) -> bool:
        """VerifyWithLabel (§5.1.2); never raises."""
        return key.verify(_labeled(label, content), signature)

    # HPKE

    def load_hpke_public(self, data: bytes) -> HpkePublicKey:
        """A key of 32 bytes (X25519) or 65 (P-256); raises CryptoError."""
        return self.hpke.kem.load_public(data)

    def load_hpke_private(self, data: bytes) -> HpkePrivateKey:
        """A key of 32 bytes; raises CryptoError."""
        return self.hpke.kem.load_private(data)

    def derive_key_pair(self, ikm: bytes) -> HpkePrivateKey:
        """KEM.DeriveKeyPair, which every node secret goes through (§7.4)."""
        return self.hpke.kem.derive_key_pair(ikm)

    def generate_hpke_key(self, entropy: Entropy) -> HpkePrivateKey:
        """A fresh HPKE key."""
        return self.hpke.kem.derive_key_pair(entropy(PRIVATE_KEY_BYTES))

    def encrypt_with_label(
        self, key: HpkePublicKey, label: str, context: bytes, plaintext: bytes, entropy: Entropy
    ) -> tuple[bytes, bytes]:
        """EncryptWithLabel (§5.1.3): (kem_output, ciphertext)."""
        return self.hpke.seal(key, _labeled(label, context), b"", plaintext, entropy)

    def decrypt_with_label(
        self, key: HpkePrivateKey, label: str, context: bytes, kem_output: bytes, ciphertext: bytes
    ) -> bytes:
        """DecryptWithLabel (§5.1.3): the plaintext; raises CryptoError."""
        return self.hpke.open(kem_output, key, _labeled(label, context), b"", ciphertext)

    # AEAD

    def aead_seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        """The ciphertext, 16 bytes longer than the plaintext."""
        return self.hpke.aead.seal(key, nonce, aad, plaintext)

    def aead_open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """The plaintext; raises CryptoError."""
        return self.hpke.aead.open(key, nonce, aad, ciphertext)


SUITES = {
    suite.id: suite
    for suite in (
        CipherSuite(
            SUITE_X25519_AES128,
            "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
            hpke.HpkeSuite(hpke.KEM_X25519, hpke.AES_128_GCM),
            ecdsa=False,
        ),
        CipherSuite(
            SUITE_P256_AES128,
            "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
            hpke.HpkeSuite(hpke.KEM_P256, hpke.AES_128_GCM),
            ecdsa=True,
        ),
        CipherSuite(
            SUITE_X25519_CHACHA20,
            "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
            hpke.HpkeSuite(hpke.KEM_X25519, hpke.CHACHA20_POLY1305),
            ecdsa=False,
        ),
    )
}


def suite_of(suite_id: int) -> CipherSuite:
    """The suite with this number; raises MlsError when it is none of 1, 2, 3."""
    suite = SUITES.get(suite_id)
    if suite is None:
        raise MlsError(Check.SUITE, str(suite_id))
    return suite
