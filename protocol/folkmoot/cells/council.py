"""Council cells: 16 random bytes, then AES-128-GCM under a key made of them (architecture §5).

Nothing to mask, no counter, nothing reused after a restart. 1,152 bytes: salt (16) ‖ ciphertext
(1,120) ‖ tag (16). The door's cells are the same under the door's own secret.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from folkmoot.cells.errors import UsageError
from folkmoot.wire import labels
from folkmoot.wire.lanes import LANE_RULES, LaneSlot

CELL_BYTES = LANE_RULES[LaneSlot.COUNCIL].cell_bytes
SALT_BYTES = 16
TAG_BYTES = 16
KEY_BYTES = 16
NONCE_BYTES = 12
PLAINTEXT_BYTES = CELL_BYTES - SALT_BYTES - TAG_BYTES


def _key(secret: bytes, salt: bytes) -> tuple[AESGCM, bytes]:
    # A key for each cell: with the salt as its whole context, neither key nor nonce ever comes
    # again, whoever else seals under the same secret.
    derived = labels.derive(secret, labels.Derive.COUNCIL_CELL, salt, KEY_BYTES + NONCE_BYTES)
    return AESGCM(derived[:KEY_BYTES]), derived[KEY_BYTES:]


def seal(secret: bytes, plaintext: bytes, entropy: Callable[[int], bytes]) -> bytes:
    """1,152 bytes. `plaintext`: at most 1,120 bytes, padded with zeros."""
    if len(plaintext) > PLAINTEXT_BYTES:
        raise UsageError(f"{len(plaintext)} bytes do not fit {PLAINTEXT_BYTES}")
    salt = entropy(SALT_BYTES)
    aead, nonce = _key(secret, salt)
    return salt + aead.encrypt(nonce, plaintext.ljust(PLAINTEXT_BYTES, b"\0"), None)


def open(secret: bytes, cell: bytes) -> bytes | None:
    """The 1,120 bytes that were sealed, padding included, or None."""
    if len(cell) != CELL_BYTES:
        return None
    aead, nonce = _key(secret, cell[:SALT_BYTES])
    try:
        return aead.decrypt(nonce, cell[SALT_BYTES:], None)
    except InvalidTag:
        return None
