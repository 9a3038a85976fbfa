"""Marks against relays: which hostile conduct earns which, within how long, and that honest relays
have none, whatever luck their members have (claim C7). `test_relays` has that none costs a frame.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from folkmoot.meeting import copies, events, marks
from folkmoot.meeting.copies import Copies
from folkmoot.meeting.marks import MarkKind, Marks
from folkmoot.meeting.signalling import Signalling
from folkmoot.wire.lanes import LANE_RULES, LaneSlot
from simulation.meeting_world import Member, agreed
from simulation.relay_conduct import (
    Bending,
    Closing,
    Crossing,
    Delaying,
    Hostile,
    Later,
    Losing,
    Parting,
    Relaying,
    Reordering,
    Repeating,
    Replaying,
    Withholding,
)
from simulation.test_meeting import speak
from simulation.test_noticing_whole import NAMES, Moot, bad_luck

REPEATS, BENDS = MarkKind.REPEATS, MarkKind.BENDS
LATE, REORDERS = MarkKind.LATE, MarkKind.REORDERS
VOICE_BYTES = LANE_RULES[LaneSlot.VOICE].cell_bytes
FEW = NAMES[:5]


class HoldingAll(Hostile):
    """Hands everything on two seconds late, in its order."""

    name = "holding all"
    late_s = 2.0

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        yield self.late_s, cell


class HoldingALittle(HoldingAll):
    """As much as lines do."""

    name = "holding a little"
    late_s = 0.6


class OneEach(Hostile):
    """Does one thing to one voice cell in ten that it gives to anybody but who sent it: so no echo
    shows it. A relay knows from which link a cell came."""

    def __init__(self, chance: random.Random, much: float = 0.1) -> None:
        super().__init__(chance, much)
        self._senders: dict[bytes, int] = {}

    def into(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        if len(self._senders) > 2000:
            self._senders.clear()
        for start in range(5, len(message), VOICE_BYTES):
            self._senders[message[start : start + VOICE_BYTES]] = link
        yield 0.0, message

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        others = len(cell) == VOICE_BYTES and self._senders.get(cell) != link
        if others and self.chance.random() < self.much:
            yield from self.to_others(cell)
        else:
            yield 0.0, cell

    def to_others(self, cell: bytes) -> Iterator[Later]:
        yield 0.0, cell


class BendingBodies(OneEach):
    """Turns over a bit of what is sealed, never of what the header is masked with."""

    name = "bending bodies"

    def to_others(self, cell: bytes) -> Iterator[Later]:
        place = self.chance.randrange(9, VOICE_BYTES - 16)
        yield 0.0, cell[:place] + bytes((cell[place] ^ 1,)) + cell[place + 1 :]


class BendingLate(BendingBodies):
    """The same of copies that come after those of the other relays."""

    name = "bending late bodies"

    def to_others(self, cell: bytes) -> Iterator[Later]:
        for _, bent in super().to_others(cell):
            yield 0.3, bent


class RepeatingOthers(OneEach):
    name = "repeating others"

    def to_others(self, cell: bytes) -> Iterator[Later]:
        yield 0.0, cell
        yield 0.5, cell


def told(member: Member) -> list[tuple[int, MarkKind]]:
    """What it was told: the relay's place, and which mark."""
    places = {one.address: place for place, one in enumerate(member.meeting.relays)}
    return [(places[one.relay], one.kind) for one in member.of(events.Marked)]


def play(conduct: type[Hostile], seed: int = 700, names: tuple[str, ...] = FEW) -> Moot:
    """The first of three relays takes a conduct up."""
    moot = Moot(seed, names)
    first = moot.world.sim_relays[0]
    first.take_up(conduct(moot.world.chance("hostile")))
    return moot


EARNED: list[tuple[type[Hostile], MarkKind, float]] = [
    (Repeating, REPEATS, 3),
    (Replaying, REPEATS, 4),
    (Bending, BENDS, 4),
    (Reordering, REORDERS, 5),
    (Delaying, REORDERS, 5),
    (HoldingAll, LATE, 7),
    (BendingBodies, BENDS, 6),
    (BendingLate, BENDS, 6),
    (RepeatingOthers, REPEATS, 4),
]


@pytest.mark.parametrize(("conduct", "kind", "within_s"), EARNED, ids=lambda one: getattr(one, "name", ""))
def test_what_a_relay_does_to_cells_is_a_mark_against_it_alone(
    conduct: type[Hostile], kind: MarkKind, within_s: float
) -> None:
    moot = play(conduct)
    moot.world.run(within_s)
    for one in moot.members:
        assert (0, kind) in told(one), f"{one.name}: {told(one)}"
    moot.world.run(10 - within_s)
    for one in moot.members:
        assert {relay for relay, _ in told(one)} == {0}
        assert len(told(one)) == len(set(told(one))), "told once"
        assert kind in one.meeting.marks(moot.world.now)[moot.world.relays[0].address]
    moot.no_frame_is_lost()
    assert agreed(moot.members)
