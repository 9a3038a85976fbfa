"""What names a member from joining to leaving, and whose it is (architecture §6, "Seat").

A seat is bound to the Ed25519 key of its leaf. A knock shows every member the seat that a newcomer
is about to have; were it any 16 bytes, a member that hears the knock could have a guest of its own
let in there first, and the newcomer would be refused for good. As it is, nobody can name a seat who
does not hold its key: 2^128 tries find another key for it.

The group's id is not in it. Who walks out with others takes seat and key along (meeting.secession),
so that all know each other in the new group; and a key is made for one meeting and for those that
come of it, so no seat is in two others. Nor does the hash keep somebody from having two keys for
one seat, after 2^64 tries: therefore a readmission and a new leaf must keep the key as well.
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.governance.evidence import SEAT_BYTES

_HASH_PREFIX = b"Folkmoot 1 seat"


def seat_of(signature_key: bytes) -> bytes:
    """The seat (16 bytes) of who signs under this Ed25519 public key (32 bytes)."""
    return hashlib.sha256(_HASH_PREFIX + signature_key).digest()[:SEAT_BYTES]


def seat_of_private(key: bytes) -> bytes:
    """The seat (16 bytes) of who holds this Ed25519 private key (32 bytes)."""
    return seat_of(Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw())
