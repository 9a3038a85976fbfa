"""Where what a member says goes: the newest rooms, and for a moment those before."""

from __future__ import annotations

from folkmoot.meeting.context import Context
from folkmoot.meeting.rooms import COUNCIL, DOOR, VOICE, Lane, Wanted
from folkmoot.wire.lanes import Direction
from unit.meeting_parts import RELAYS, People

NEW, OLD = b"n" * 32, b"o" * 32


def with_rooms(lanes: tuple[Lane, ...], roots: tuple[bytes, ...]) -> Context:
    """Ada, with these rooms open at both relays: those of the first relay first, by lane, then by
    root."""
    context = People("ada").context("ada")
    wanted = [
        Wanted(relay, lane, root, Direction.BOTH, "main")
        for relay in range(len(RELAYS))
        for lane in lanes
        for root in roots
    ]
    for action in context.rooms.want(wanted):
        context.rooms.changed(action.room, True)
    return context


def test_each_relay_has_its_cell_once() -> None:
    context = with_rooms((COUNCIL,), (NEW, OLD))
    assert context.ways_out(COUNCIL, [NEW, OLD], (0, 1)) == [(0, 1), (1, 3)]


def test_the_former_rooms_have_council_and_voice_too_and_nothing_else() -> None:
    context = with_rooms((COUNCIL, VOICE, DOOR), (NEW, OLD))
    context.former_root = OLD
    assert context.ways_out(COUNCIL, [NEW, OLD], (0,)) == [(0, 1), (0, 2)]
    assert context.ways_out(VOICE, [NEW, OLD], (0,)) == [(0, 3), (0, 4)]
    assert context.ways_out(DOOR, [NEW, OLD], (0,)) == [(0, 5)]


def test_a_room_that_is_both_has_one_cell() -> None:
    context = with_rooms((COUNCIL,), (OLD,))
    context.former_root = OLD
    assert context.ways_out(COUNCIL, [NEW, OLD], (0,)) == [(0, 1)]
    context.rooms.changed(1, False)
    assert context.ways_out(COUNCIL, [NEW, OLD], (0,)) == []
