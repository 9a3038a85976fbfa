"""How a link shows that it may open a room: possession of the room's key, and work when the room is
crowded.

All members hold the same room key, so a proof says "someone of this meeting" and never who.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.wire import codec, labels
from folkmoot.wire.lanes import Direction, LaneSlot

ROOM_ID_PREFIX = b"Folkmoot 1 room id"
ROOM_WORK_PREFIX = b"Folkmoot 1 room work"


def room_id(room_key: bytes) -> bytes:
    """32 bytes that name the room of this Ed25519 public key (32 bytes)."""
    return hashlib.sha256(ROOM_ID_PREFIX + room_key).digest()


def proof_content(
    pin: bytes, room_key: bytes, slot: LaneSlot, direction: Direction, challenge: bytes
) -> bytes:
    """98 bytes, all of fixed size: pin 32, room id 32, slot 1, direction 1, challenge 32. The pin
    is what the agent itself saw in the handshake, so a proof made for one relay is worth nothing at
    another."""
    return pin + room_id(room_key) + bytes((slot, direction)) + challenge


def sign_proof(
    seed: bytes, pin: bytes, slot: LaneSlot, direction: Direction, challenge: bytes
) -> tuple[bytes, bytes]:
    """Room key (32 bytes) and signature (64 bytes) of the room with this Ed25519 seed (32
    bytes)."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    room_key = key.public_key().public_bytes_raw()
    content = proof_content(pin, room_key, slot, direction, challenge)
    return room_key, labels.sign(key, labels.Sign.ROOM_PROOF, content)


def verify_proof(
    pin: bytes,
    room_key: bytes,
    slot: LaneSlot,
    direction: Direction,
    challenge: bytes,
    signature: bytes,
) -> bool:
    """Whether the signature is by the room's key over exactly this; never raises."""
    key = labels.load_public_key(room_key)
    if key is None:
        return False
    content = proof_content(pin, room_key, slot, direction, challenge)
    return labels.verify(key, labels.Sign.ROOM_PROOF, content, signature)


def work_is_enough(challenge: bytes, room_key: bytes, work: int, bits: int) -> bool:
    """Whether SHA-256(prefix, challenge, room key, nonce u64) begins with `bits` zero bits."""
    digest = hashlib.sha256(ROOM_WORK_PREFIX + challenge + room_key + codec.u64(work)).digest()
    return int.from_bytes(digest, "big") >> (256 - bits) == 0 if bits else True


class Work:
    """The search for a nonce, in slices, so that whoever drives it stays responsive."""

    def __init__(self, challenge: bytes, room_key: bytes, bits: int) -> None:
        self._prefix = hashlib.sha256(ROOM_WORK_PREFIX + challenge + room_key)
        self._below = 1 << (256 - bits)
        self._next = 0

    def search(self, tries: int) -> int | None:
        """The nonce, or None when it is not among the next `tries`."""
        for nonce in range(self._next, self._next + tries):
            digest = self._prefix.copy()
            digest.update(nonce.to_bytes(8, "big"))
            if int.from_bytes(digest.digest(), "big") < self._below:
                return nonce
        self._next += tries
        return None
