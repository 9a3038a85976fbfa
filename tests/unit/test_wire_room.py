"""A room's queue: fair between links, bounded, shuffled."""

from __future__ import annotations

import dataclasses
from collections import Counter

from folkmoot.wire.lanes import LaneSlot
from folkmoot.wire.limits import TICK_CELLS_MAX, RelayLimits
from folkmoot.wire.room import Room, shuffled
from unit.wire_world import seeded

LIMITS = RelayLimits()


def room(slot: LaneSlot = LaneSlot.VOICE, limits: RelayLimits = LIMITS) -> Room:
    return Room(b"k" * 32, slot, 1, limits, 0.0)


def test_a_tick_takes_everything_when_it_fits() -> None:
    one = room()
    for link in range(3):
        for index in range(4):
            assert one.push(link, bytes((link, index)), 1)
    assert sorted(one.take(0.0)) == sorted(
        bytes((link, index)) for link in range(3) for index in range(4)
    )
    assert one.queued == 0
    assert one.take(0.0) == []


def test_a_tick_has_a_maximum_and_serves_links_in_turn() -> None:
    one = room()
    for index in range(600):
        one.push(1, b"many%d" % index, 1)
    one.push(2, b"few", 1)
    first = one.take(0.0)
    assert len(first) == TICK_CELLS_MAX
    assert b"few" in first[:2]
    assert [cell for cell in first if cell != b"few"] == [b"many%d" % i for i in range(255)]
    assert one.queued == 601 - TICK_CELLS_MAX


def test_over_its_share_a_room_drops_in_turn_and_the_oldest_first() -> None:
    limits = dataclasses.replace(LIMITS, room_queue_cells=10, room_queue_cells_least=1)
    one = room(limits=limits)
    kept = [one.push(1, b"a%d" % index, 1) for index in range(8)]
    kept += [one.push(2, b"b%d" % index, 1) for index in range(6)]
    assert kept == [True] * 10 + [False] * 4
    cells = one.take(0.0)
    assert len(cells) == 10
    assert {b"a7", b"b5"} <= set(cells)
    assert not {b"a0", b"a1", b"b0", b"b1"} & set(cells)


def test_a_flood_by_many_links_leaves_each_other_link_its_turn() -> None:
    one = room(LaneSlot.DOOR)
    now, heard = 0.0, Counter[int]()
    for _step in range(
        500
    ):  # five seconds of a flood by 100 links, and one that knocks each second
        for link in range(100):
            one.push(link, b"%d" % link, 1)
        if _step % 100 == 0:
            one.push(999, b"999", 1)
        now += 0.010
        heard.update(int(cell) for cell in one.take(now))
    assert heard[999] >= 3
    assert sum(heard.values()) <= LIMITS.door_burst_cells + 5 * LIMITS.door_cells_per_s + 1


def test_many_rooms_share_what_the_relay_has() -> None:
    one = room()
    for index in range(500):
        one.push(1, b"%d" % index, LIMITS.rooms)
    assert one.queued == LIMITS.room_queue_cells_least


def test_shuffling_keeps_every_cell_and_follows_its_entropy() -> None:
    cells = [b"%d" % index for index in range(50)]
    one, again, other = (shuffled(cells, seeded(seed)) for seed in (1, 1, 2))
    assert one == again != other
    assert sorted(one) == sorted(cells) != one


def test_shuffling_prefers_no_place() -> None:
    entropy, first = seeded(3), Counter[bytes]()
    for _ in range(6000):
        first[shuffled([b"a", b"b", b"c"], entropy)[0]] += 1
    assert all(1850 < count < 2150 for count in first.values())  # four standard deviations
