"""Those behind are told the way where they cannot find it, and no more often than a second."""

from __future__ import annotations

from folkmoot.cells.records import Inbox
from folkmoot.cells.reliable import decode_record
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.laggards import ANSWER_EVERY_S, ANSWERS_MAX, PATH_MAX, Laggards
from folkmoot.meeting.records import Handshake, ItemKind, split_item
from folkmoot.wire import codec
from unit.meeting_parts import TICK, People


def told(laggards: Laggards) -> list[tuple[EpochState, Handshake]]:
    inbox, found = Inbox(1 << 20), []
    while (cell := laggards.next_cell()) is not None:
        for data in inbox.receive(cell[1], 0.0):
            kind, body = split_item(data)
            assert kind is ItemKind.LOGGED
            record = decode_record(body)
            assert record is not None
            assert record.tick == TICK
            found.append((cell[0], codec.decode(Handshake.read, record.body)))
    return found


def left() -> tuple[People, EpochState, Laggards]:
    """Bob is where it was before eve left and cleo came."""
    people, laggards = People("ada", "bob", "eve"), Laggards()
    behind = people["bob"].state
    people.remove("ada", "eve")
    people.add("ada", "cleo")
    for handshake in people.handshakes:
        laggards.settled(handshake)
    return people, behind, laggards


def test_who_missed_a_departure_is_told_the_commits_since_in_order() -> None:
    people, behind, laggards = left()
    laggards.answer(behind, people["ada"].state, 0.0, TICK)
    assert told(laggards) == [(behind, one) for one in people.handshakes[-2:]]
    assert laggards.next_cell() is None


def test_who_missed_additions_only_finds_the_way_alone() -> None:
    people, laggards = People("ada", "bob"), Laggards()
    behind = people["bob"].state
    people.add("ada", "cleo")
    laggards.settled(people.handshakes[-1])
    laggards.answer(behind, people["ada"].state, 0.0, TICK)
    assert told(laggards) == []
    assert laggards.way_from(behind.authenticator) == people.handshakes[-1:]


def test_it_is_told_once_a_second() -> None:
    people, behind, laggards = left()
    for now, count in ((0.0, 2), (ANSWER_EVERY_S - 0.01, 0), (ANSWER_EVERY_S, 2)):
        laggards.answer(behind, people["ada"].state, now, TICK)
        assert len(told(laggards)) == count


def test_an_unknown_epoch_has_no_way() -> None:
    assert left()[2].way_from(b"x" * 32) == []


def test_way_and_cells_are_bounded() -> None:
    people, behind, laggards = left()
    chain = [Handshake(bytes((number,)) * 32, b"m" * 3000, b"") for number in range(PATH_MAX + 1)]
    for one in chain:
        laggards.settled(one)
    assert laggards.way_from(chain[0].parent) == []
    assert laggards.way_from(chain[1].parent) == chain[1:]
    for _ in range(2):
        laggards.settled(Handshake(behind.authenticator, b"m" * 60_000, b"w" * 5_000))
    laggards.answer(behind, people["ada"].state, 0.0, TICK)
    count = 0
    while laggards.next_cell() is not None:
        count += 1
    assert count == ANSWERS_MAX
