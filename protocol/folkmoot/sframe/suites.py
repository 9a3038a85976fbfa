"""The SFrame cipher suites and the AEAD built of AES-CTR and HMAC (RFC 9605 §4.5).

Suites 1 to 5 are the RFC's; 6 to 8 are the 256-bit ones that draft-barnes-sframe-iana-256 adds and
that the published vectors hold.
"""

from __future__ import annotations

import enum
import hmac
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12  # Nn of every suite


class SuiteId(enum.IntEnum):
    AES_128_CTR_HMAC_SHA256_80 = 1
    AES_128_CTR_HMAC_SHA256_64 = 2
    AES_128_CTR_HMAC_SHA256_32 = 3
    AES_128_GCM_SHA256_128 = 4
    AES_256_GCM_SHA512_128 = 5
    AES_256_CTR_HMAC_SHA512_80 = 6
    AES_256_CTR_HMAC_SHA512_64 = 7
    AES_256_CTR_HMAC_SHA512_32 = 8


@dataclass(frozen=True, slots=True)
class Suite:
    """Sizes in bytes: `hash_bytes` is Nh, `cipher_key_bytes` Nka (the AES key alone),
    `key_bytes` Nk (AES key and, for CTR, the HMAC key), `tag_bytes` Nt."""

    id: SuiteId
    hash_name: str
    hash_bytes: int
    cipher_key_bytes: int
    key_bytes: int
    tag_bytes: int

    def hash_algorithm(self) -> hashes.HashAlgorithm:
        return hashes.SHA256() if self.hash_name == "sha256" else hashes.SHA512()


def _gcm(number: SuiteId, hash_name: str, hash_bytes: int, key_bytes: int) -> Suite:
    return Suite(number, hash_name, hash_bytes, key_bytes, key_bytes, 16)


def _ctr(number: SuiteId, hash_name: str, hash_bytes: int, cipher_bytes: int, tag: int) -> Suite:
    return Suite(number, hash_name, hash_bytes, cipher_bytes, cipher_bytes + hash_bytes, tag)


SUITES = {
    suite.id: suite
    for suite in (
        _ctr(SuiteId.AES_128_CTR_HMAC_SHA256_80, "sha256", 32, 16, 10),
        _ctr(SuiteId.AES_128_CTR_HMAC_SHA256_64, "sha256", 32, 16, 8),
        _ctr(SuiteId.AES_128_CTR_HMAC_SHA256_32, "sha256", 32, 16, 4),
        _gcm(SuiteId.AES_128_GCM_SHA256_128, "sha256", 32, 16),
        _gcm(SuiteId.AES_256_GCM_SHA512_128, "sha512", 64, 32),
        _ctr(SuiteId.AES_256_CTR_HMAC_SHA512_80, "sha512", 64, 32, 10),
        _ctr(SuiteId.AES_256_CTR_HMAC_SHA512_64, "sha512", 64, 32, 8),
        _ctr(SuiteId.AES_256_CTR_HMAC_SHA512_32, "sha512", 64, 32, 4),
    )
}


class Aead(Protocol):
    """RFC 5116's two functions; the tag is the end of the ciphertext."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class AesCtrHmac:
    """AES-CTR, then HMAC over lengths, nonce, associated data and ciphertext (RFC 9605 §4.5.1)."""

    def __init__(self, suite: Suite, key: bytes) -> None:
        """`key`: `suite.key_bytes` bytes, the AES key first."""
        self._suite = suite
        self._cipher_key = algorithms.AES(key[: suite.cipher_key_bytes])
        self._tag_key = key[suite.cipher_key_bytes :]

    def _crypt(self, nonce: bytes, data: bytes) -> bytes:
        return Cipher(self._cipher_key, modes.CTR(nonce + bytes(4))).encryptor().update(data)

    def _tag(self, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        lengths = b"".join(
            number.to_bytes(8, "big")
            for number in (len(associated_data), len(ciphertext), self._suite.tag_bytes)
        )
        message = lengths + nonce + associated_data + ciphertext
        return hmac.digest(self._tag_key, message, self._suite.hash_name)[: self._suite.tag_bytes]

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        ciphertext = self._crypt(nonce, data)
        return ciphertext + self._tag(nonce, ciphertext, associated_data or b"")

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes:
        """Raises `cryptography`'s InvalidTag, as its own AEADs do."""
        split = len(data) - self._suite.tag_bytes
        if split < 0:
            raise InvalidTag
        ciphertext, tag = data[:split], data[split:]
        if not hmac.compare_digest(tag, self._tag(nonce, ciphertext, associated_data or b"")):
            raise InvalidTag
        return self._crypt(nonce, ciphertext)


def make_aead(suite: Suite, key: bytes) -> Aead:
    """The AEAD of `suite` under `key`, `suite.key_bytes` long; made once for each key."""
    if len(key) != suite.key_bytes:
        raise ValueError(f"a key of {suite.key_bytes} bytes is wanted")
    return AESGCM(key) if suite.key_bytes == suite.cipher_key_bytes else AesCtrHmac(suite, key)
