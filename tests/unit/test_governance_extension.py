"""What stands in the group's context: charter, relays, lanes."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.governance.charter import PRESETS
from folkmoot.governance.extension import (
    DEFAULT_LANES,
    MEMBERS_UNBOUNDED,
    LanePlan,
    MeetingExtension,
    Pace,
    Relay,
)
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import LaneSlot


def relay(number: int, host: str = "192.0.2.1", label: str = "") -> Relay:
    return Relay(RelayAddress(host, 4430 + number, bytes([number]) * 32), label)


CIRCLE = PRESETS["circle"]
MEETING = MeetingExtension(
    CIRCLE, (relay(1, label="Ada"), relay(2, "2001:db8::1")), (relay(3, "relay.example"),)
)


def test_it_survives_encoding() -> None:
    assert MeetingExtension.decode(MEETING.encode()) == MEETING
    assert len(MEETING.encode()) < 250


def test_relays_and_lanes_do_not_change_the_charter() -> None:
    moved = dataclasses.replace(MEETING, relays=(relay(9),))
    assert moved.charter.hash == MEETING.charter.hash
    assert moved.encode() != MEETING.encode()


def test_the_pace_of_the_council_falls_as_the_meeting_grows() -> None:
    council, voice = MEETING.lane(LaneSlot.COUNCIL), MEETING.lane(LaneSlot.VOICE)
    assert council is not None
    assert voice is not None
    members = (1, 12, 13, 50, 51, 70_000)
    assert [council.cells_per_s(count) for count in members] == [8, 8, 4, 4, 2, 2]
    assert voice.cells_per_s(1000) == 25
    assert MEETING.lane(LaneSlot.PICTURE, 2) is None


@given(st.binary(max_size=200))
def test_whatever_bytes_arrive_only_the_canonical_ones_decode(data: bytes) -> None:
    try:
        meeting = MeetingExtension.decode(data)
    except DecodeError:
        return
    assert meeting.encode() == data


@given(st.integers(0, len(MEETING.encode()) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_another_meeting(place: int, value: int) -> None:
    data = bytearray(MEETING.encode())
    data[place] = value
    try:
        meeting = MeetingExtension.decode(bytes(data))
    except DecodeError:
        return
    assert meeting.encode() == bytes(data)


def lanes(*plans: LanePlan) -> dict[str, object]:
    return {"lanes": plans}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"relays": ()}, "no relays"),
        ({"relays": tuple(relay(number) for number in range(4))}, "too many"),
        ({"reserve": tuple(relay(number) for number in range(10, 19))}, "too many"),
        ({"reserve": (relay(1),)}, "a relay twice"),
        ({"lanes": ()}, "council or voice"),
        ({"lanes": DEFAULT_LANES[::-1]}, "out of order"),
        ({"lanes": (*DEFAULT_LANES, DEFAULT_LANES[-1])}, "out of order"),
        ({"lanes": DEFAULT_LANES[:1]}, "council or voice"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        dataclasses.replace(MEETING, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("slot", "quality", "cell_bytes", "paces"),
    [
        (LaneSlot.DOOR, 0, 1152, ((MEMBERS_UNBOUNDED, 1),)),
        (LaneSlot.VOICE, 0, 385, ((MEMBERS_UNBOUNDED, 25),)),
        (LaneSlot.VOICE, 1, 384, ((MEMBERS_UNBOUNDED, 25),)),
        (LaneSlot.VOICE, 0, 384, ()),
        (LaneSlot.VOICE, 0, 384, ((50, 25),)),
        (LaneSlot.VOICE, 0, 384, ((50, 25), (50, 20), (MEMBERS_UNBOUNDED, 5))),
        (LaneSlot.VOICE, 0, 384, ((0, 25), (MEMBERS_UNBOUNDED, 5))),
        (LaneSlot.VOICE, 0, 384, ((MEMBERS_UNBOUNDED, 0),)),
        (LaneSlot.VOICE, 0, 384, ((MEMBERS_UNBOUNDED, 31),)),  # above the relay's limit
        (LaneSlot.PICTURE, 4, 1152, ((MEMBERS_UNBOUNDED, 60),)),
    ],
)
def test_a_lane_that_no_relay_carries_is_refused(
    slot: LaneSlot, quality: int, cell_bytes: int, paces: tuple[tuple[int, int], ...]
) -> None:
    with pytest.raises(DecodeError):
        LanePlan(slot, quality, cell_bytes, tuple(Pace(*pace) for pace in paces))


@pytest.mark.parametrize(
    "address",
    [
        RelayAddress("Relay.example", 443, bytes(32)),
        RelayAddress("a b", 443, bytes(32)),
        RelayAddress("relay.example", 0, bytes(32)),
        RelayAddress("", 1, bytes(32)),
        RelayAddress("2001:0db8::1", 443, bytes(32)),
    ],
)
def test_an_address_has_one_form(address: RelayAddress) -> None:
    with pytest.raises(DecodeError):
        Relay(address)


def test_a_label_is_short() -> None:
    with pytest.raises(DecodeError):
        relay(1, label="ä" * 33)
