"""SFrame keys, sealing and opening (RFC 9605 §4.4), and the MLS key scheme (§5.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hmac as hmac_module
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from folkmoot.sframe.header import FIELD_MAX, Header, decode_header, encode_header
from folkmoot.sframe.suites import NONCE_BYTES, Aead, Suite, make_aead
from folkmoot.wire.codec import DecodeError

MLS_EXPORTER_LABEL = "SFrame 1.0 Base Key"  # with an empty context (§5.2)


class Key:
    """What one sender's cells are sealed with: an AEAD made once, and a salt. Holds secrets, so
    it has no useful repr."""

    __slots__ = ("_salt", "aead", "key_id", "suite")

    def __init__(self, suite: Suite, key_id: int, aead: Aead, salt: bytes) -> None:
        self.suite = suite
        self.key_id = key_id
        self.aead = aead
        self._salt = int.from_bytes(salt, "big")

    def nonce(self, counter: int) -> bytes:
        """12 bytes: the salt with the counter laid over its end."""
        return (self._salt ^ counter).to_bytes(NONCE_BYTES, "big")


class Opened(NamedTuple):
    header: Header
    plaintext: bytes


def extract(suite: Suite, base_key: bytes) -> bytes:
    """`sframe_secret`: HKDF-Extract with an empty salt; `suite.hash_bytes` bytes."""
    mac = hmac_module.HMAC(bytes(suite.hash_bytes), suite.hash_algorithm())
    mac.update(base_key)
    return mac.finalize()


def derive_key_and_salt(suite: Suite, secret: bytes, key_id: int) -> tuple[bytes, bytes]:
    """`suite.key_bytes` bytes of key and 12 of salt, expanded from `extract`'s result."""
    suffix = key_id.to_bytes(8, "big") + suite.id.to_bytes(2, "big")

    def expand(label: bytes, length: int) -> bytes:
        return HKDFExpand(suite.hash_algorithm(), length, label + suffix).derive(secret)

    key = expand(b"SFrame 1.0 Secret key ", suite.key_bytes)
    return key, expand(b"SFrame 1.0 Secret salt ", NONCE_BYTES)


def derive_key(suite: Suite, base_key: bytes, key_id: int) -> Key:
    """The key that `key_id` names under `base_key` (any length, uniformly random)."""
    key, salt = derive_key_and_salt(suite, extract(suite, base_key), key_id)
    return Key(suite, key_id, make_aead(suite, key), salt)


def seal(key: Key, counter: int, metadata: bytes, plaintext: bytes) -> bytes:
    """Header, ciphertext and tag. The same counter twice under one key gives the plaintexts
    away: that it grows is the caller's duty."""
    header = encode_header(key.key_id, counter)
    return header + key.aead.encrypt(key.nonce(counter), plaintext, header + metadata)


def open(key_of: Callable[[int], Key | None], metadata: bytes, ciphertext: bytes) -> Opened | None:
    """What `seal` sealed, or None for anything else; `key_of` finds the key by its id."""
    try:
        header = decode_header(ciphertext)
    except DecodeError:
        return None
    key = key_of(header.key_id)
    if key is None:
        return None
    try:
        plaintext = key.aead.decrypt(
            key.nonce(header.counter),
            ciphertext[header.length :],
            ciphertext[: header.length] + metadata,
        )
    except InvalidTag:
        return None
    return Opened(header, plaintext)


class MlsKeyId(NamedTuple):
    """`epoch` is only the low bits of the epoch."""

    context: int
    leaf: int
    epoch: int


def mls_key_id(context: int, leaf: int, epoch: int, *, leaf_bits: int, epoch_bits: int) -> int:
    """context ‖ leaf ‖ low bits of the epoch (§5.2). The RFC lets each group choose `epoch_bits`,
    and `leaf_bits` be any that hold its leaves."""
    if not 0 <= leaf < 1 << leaf_bits:
        raise ValueError(f"leaf {leaf} does not fit {leaf_bits} bits")
    key_id = (context << leaf_bits | leaf) << epoch_bits | epoch & (1 << epoch_bits) - 1
    if not 0 <= key_id <= FIELD_MAX:
        raise ValueError("the context does not fit the key id")
    return key_id


def split_mls_key_id(key_id: int, *, leaf_bits: int, epoch_bits: int) -> MlsKeyId:
    """The parts that `mls_key_id` put together."""
    return MlsKeyId(
        key_id >> leaf_bits + epoch_bits,
        key_id >> epoch_bits & (1 << leaf_bits) - 1,
        key_id & (1 << epoch_bits) - 1,
    )
