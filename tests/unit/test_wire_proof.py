"""The proof that opens a room, and the work that a crowded one asks for."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.wire import proof
from folkmoot.wire.lanes import Direction, LaneSlot

PIN, SEED, CHALLENGE = b"p" * 32, b"s" * 32, b"c" * 32


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    key, signature = proof.sign_proof(SEED, PIN, LaneSlot.VOICE, Direction.SEND, CHALLENGE)
    assert key == Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    room_id = hashlib.sha256(b"Folkmoot 1 room id" + key).digest()
    content = PIN + room_id + b"\x02\x02" + CHALLENGE
    label = b"Folkmoot 1 room proof"
    signed = bytes((len(label),)) + label + b"\x40\x62" + content  # RFC 9420 SignContent
    Ed25519PrivateKey.from_private_bytes(SEED).public_key().verify(signature, signed)


def test_a_proof_is_for_one_room_one_relay_one_lane_one_direction_and_one_challenge() -> None:
    key, signature = proof.sign_proof(SEED, PIN, LaneSlot.VOICE, Direction.BOTH, CHALLENGE)
    other_key, _ = proof.sign_proof(b"t" * 32, PIN, LaneSlot.VOICE, Direction.BOTH, CHALLENGE)
    right = (PIN, key, LaneSlot.VOICE, Direction.BOTH, CHALLENGE, signature)
    assert proof.verify_proof(*right)
    wrong = (
        b"q" * 32,
        other_key,
        LaneSlot.COUNCIL,
        Direction.SEND,
        b"d" * 32,
        signature[:-1] + bytes((signature[-1] ^ 1,)),
    )
    for place, value in enumerate(wrong):
        changed = [*right]
        changed[place] = value
        assert not proof.verify_proof(*changed)  # type: ignore[arg-type]


def test_a_key_that_is_none_proves_nothing() -> None:
    for signature in (bytes(64), b"\xff" * 64):
        assert not proof.verify_proof(
            PIN, b"\xff" * 32, LaneSlot.VOICE, Direction.BOTH, CHALLENGE, signature
        )


def test_work_is_found_in_slices_and_is_worth_its_bits() -> None:
    key = b"k" * 32
    work = proof.Work(CHALLENGE, key, 10)
    nonce = None
    for _ in range(1000):
        nonce = work.search(64)
        if nonce is not None:
            break
    assert nonce is not None
    assert proof.work_is_enough(CHALLENGE, key, nonce, 10)
    digest = hashlib.sha256(
        b"Folkmoot 1 room work" + CHALLENGE + key + nonce.to_bytes(8, "big")
    ).digest()
    assert int.from_bytes(digest[:2], "big") < 1 << 6
    assert not proof.work_is_enough(b"d" * 32, key, nonce, 10)
    assert not proof.work_is_enough(CHALLENGE, b"l" * 32, nonce, 10)


def test_no_work_is_asked_of_most() -> None:
    assert proof.work_is_enough(CHALLENGE, b"k" * 32, 0, 0)
