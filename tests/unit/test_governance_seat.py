"""A seat is bound to its key."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.governance.seat import seat_of, seat_of_private

PRIVATE = b"k" * 32
PUBLIC = Ed25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()


def test_a_seat_is_what_the_protocol_says() -> None:
    assert seat_of(PUBLIC) == hashlib.sha256(b"Folkmoot 1 seat" + PUBLIC).digest()[:16]
    assert len(seat_of(PUBLIC)) == SEAT_BYTES
    assert seat_of_private(PRIVATE) == seat_of(PUBLIC)


def test_another_key_has_another_seat() -> None:
    seats = {
        seat_of(PUBLIC[:place] + bytes((PUBLIC[place] ^ 1,)) + PUBLIC[place + 1 :])
        for place in range(32)
    }
    assert len(seats | {seat_of(PUBLIC)}) == 33
