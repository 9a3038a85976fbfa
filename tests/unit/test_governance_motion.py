"""Motions and ballots as bytes: what they are for is in what is signed."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.governance import PRESETS, MeetingExtension, Relay
from folkmoot.governance.ballot import Ballot, make_ballot
from folkmoot.governance.motion import (
    MOTION_S_MAX,
    MOTION_S_MIN,
    Motion,
    MotionKind,
    SignedMotion,
)
from folkmoot.wire import codec
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError
from unit.governance_parts import CIRCLE, GROUP, TICK, key, motion, moved, seat

RELAY = Relay(RelayAddress("192.0.2.1", 443, b"p" * 32))
ALL = [
    motion(),
    motion(MotionKind.RAISE),
    motion(MotionKind.ADMIT, b"r" * 32),
    motion(MotionKind.AMEND, PRESETS["unremovable"].encode()),
    motion(MotionKind.RELAYS, MeetingExtension(CIRCLE, (RELAY,)).encode()),
]


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.kind.name.lower())
def test_motions_survive_encoding(one: Motion) -> None:
    signed = moved(one)
    assert codec.decode(SignedMotion.read, signed.encode()) == signed
    assert signed.encode()[:16] == one.mover
    assert signed.verified(key(0).public_key(), GROUP)
    assert not signed.verified(key(1).public_key(), GROUP)
    assert not signed.verified(key(0).public_key(), b"h" * 16)
    assert not replace(signed, motion=replace(one, ends=one.ends + 1)).verified(
        key(0).public_key(), GROUP
    )


def test_the_hash_names_group_and_every_field() -> None:
    one = ALL[0]
    others = [
        replace(one, mover=seat(1)),
        replace(one, kind=MotionKind.RAISE),
        replace(one, subject=seat(2)),
        replace(one, charter_hash=bytes(32)),
        replace(one, roll_hash=bytes(32)),
        replace(one, opens=one.opens + 1),
        replace(one, ends=one.ends + 1),
    ]
    hashes = {one.hash(GROUP), one.hash(b"h" * 16), *(other.hash(GROUP) for other in others)}
    assert len(hashes) == 9


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ends": TICK + MOTION_S_MIN - 1}, "not long enough"),
        ({"ends": TICK - 1}, "not long enough"),
        ({"ends": TICK + MOTION_S_MAX + 1}, "too long"),
        ({"subject": b"short"}, "nobody"),
        ({"subject": bytes(32)}, "nobody"),
        ({"kind": MotionKind.ADMIT}, "nobody"),
        ({"kind": MotionKind.AMEND}, "charter"),
        ({"kind": MotionKind.AMEND, "subject": bytes.fromhex("010201010203")}, "Two thirds"),
        ({"kind": MotionKind.RELAYS}, "meeting"),
        (
            {
                "kind": MotionKind.RELAYS,
                "subject": MeetingExtension(PRESETS["assembly"], (RELAY,)).encode(),
            },
            "another charter",
        ),
    ],
)
def test_what_makes_no_sense_cannot_be_moved(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        replace(ALL[0], **changes)  # type: ignore[arg-type]


@given(st.sampled_from(ALL), st.data())
def test_a_changed_byte_is_refused_or_another_motion(one: Motion, data: st.DataObject) -> None:
    changed = bytearray(one.encode())
    changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        other = codec.decode(Motion.read, bytes(changed))
    except DecodeError:
        return
    assert other.encode() == bytes(changed)
    assert (other == one) == (other.hash(GROUP) == one.hash(GROUP))


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert codec.decode(SignedMotion.read, data).encode() == data
    with contextlib.suppress(DecodeError):
        assert codec.decode(Ballot.read, data).encode() == data


def test_a_ballot_is_for_one_motion_of_one_group_and_one_choice() -> None:
    name = ALL[0].hash(GROUP)
    ballot = make_ballot(key(2), GROUP, seat(2), name, True)
    assert codec.decode(Ballot.read, ballot.encode()) == ballot
    assert len(ballot.encode()) == 113
    public = key(2).public_key()
    assert ballot.verified(public, GROUP)
    assert not ballot.verified(key(1).public_key(), GROUP)
    assert not ballot.verified(public, b"h" * 16)
    for changes in ({"yes": False}, {"motion": ALL[1].hash(GROUP)}, {"seat": seat(1)}):
        assert not replace(ballot, **changes).verified(public, GROUP)
