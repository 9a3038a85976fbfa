"""Marks against relays: which hostile conduct earns which, within how long, and that honest relays
have none, whatever luck their members have (claim C7). `test_relays` has that none costs a frame.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from folkmoot.agent import notices
from folkmoot.cells.media import VOICE, Opened
from folkmoot.meeting import copies, epoch_media, events, marks, secrets
from folkmoot.meeting.marks import MarkKind, Marks
from folkmoot.wire.lanes import LANE_RULES, LaneSlot
from simulation.meeting_world import Member, agreed
from simulation.patches import Patches, remember
from simulation.relay_conduct import (
    Bending,
    Closing,
    Conduct,
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
    """Does one thing to one voice cell in five that it gives to anybody but who sent it: so no echo
    shows it. A relay knows from which link a cell came."""

    def __init__(self, chance: random.Random, much: float = 0.2) -> None:
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


@pytest.fixture(autouse=True)
def _remembered() -> Iterator[None]:
    with Patches() as patches:
        remember(patches)
        yield


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
    (BendingLate, BENDS, 7),
    (RepeatingOthers, REPEATS, 4),
]


@pytest.mark.parametrize(
    ("conduct", "kind", "within_s"), EARNED, ids=[one[0].name for one in EARNED]
)
def test_what_a_relay_does_to_cells_is_a_mark_against_it_alone(
    conduct: type[Hostile], kind: MarkKind, within_s: float
) -> None:
    moot = play(conduct)
    moot.world.run(within_s)
    for one in moot.members:
        assert (0, kind) in told(one), f"{one.name}: {told(one)}"
    moot.world.run(9 - within_s)
    for one in moot.members:
        assert {relay for relay, _ in told(one)} == {0}
        assert len(told(one)) == len(set(told(one))), "told once"
        assert kind in one.meeting.marks(moot.world.now)[moot.world.relays[0].address]
    moot.no_frame_is_lost()
    assert agreed(moot.members)


def test_who_bends_what_it_brings_before_all_others_is_found_when_they_bring_it() -> None:
    moot = play(BendingBodies, 705)
    for other in moot.world.sim_relays[1:]:
        other.take_up(HoldingALittle(moot.world.chance("slow")))
    moot.world.run(5)
    assert all(told(one) == [(0, BENDS)] for one in moot.members)


@pytest.mark.parametrize("conduct", [Losing, Withholding, Parting, Closing, HoldingALittle])
def test_what_lines_do_as_well_is_no_mark(conduct: type[Hostile]) -> None:
    moot = play(conduct, 710)
    moot.world.run(7)
    assert not any(told(one) for one in moot.members)


def test_what_goes_from_room_to_room_comes_twice() -> None:
    moot = play(Crossing, 711)
    moot.world.run(4)
    assert all(told(one) == [(0, REPEATS)] for one in moot.members)


def test_a_mark_is_over_a_minute_after_it_was_earned_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marks, "LASTS_S", 4.0)
    moot = play(Repeating, 712)
    first = moot.world.sim_relays[0]
    moot.world.run(3)
    assert all(one.meeting.marks(moot.world.now) for one in moot.members)
    first.take_up(Conduct())
    moot.world.run(marks.STEPS_KEPT + 5 + 4)  # what it held back came until five seconds later
    assert not any(one.meeting.marks(moot.world.now) for one in moot.members)
    first.take_up(Repeating(moot.world.chance("again")))
    moot.world.run(3)
    assert all(told(one) == [(0, REPEATS)] * 2 for one in moot.members)


# -- members: honest relays


def listen(moot: Moot, member: Member, heard: Callable[[events.OpenRoom, bytes], None]) -> None:
    """What comes to a member in voice rooms of the first relay."""
    receive = member.meeting.receive

    def received(room: int, cells: Sequence[bytes], now: float) -> None:
        opened = member.rooms.get(room)
        if opened is not None and opened.relay == 0 and opened.slot is LaneSlot.VOICE:
            for cell in cells:
                heard(opened, cell)
        receive(room, cells, now)

    setattr(member.meeting, "receive", received)  # noqa: B010


def test_who_repeats_or_bends_what_others_say_makes_marks_that_say_so() -> None:
    for kind, seed in ((REPEATS, 720), (BENDS, 721)):
        moot = Moot(seed, FEW)
        eve, seen = moot.members[4], set[bytes]()

        def again(opened: events.OpenRoom, cell: bytes, kind: MarkKind = kind) -> None:
            if cell not in seen and len(seen) < 40:  # noqa: B023
                bent = cell[:20] + bytes((cell[20] ^ 1,)) + cell[21:]
                said = cell if kind is REPEATS else bent
                seen.update((cell, said))  # noqa: B023
                eve.meeting._context.send(opened.room, (said,))  # noqa: B023

        listen(moot, eve, again)
        moot.world.run(4)
        assert any(told(one) == [(0, kind)] for one in moot.members[:4])
        assert all(set(told(one)) <= {(0, kind)} for one in moot.members)
        # Nobody can tell her from the relay, and the words do not.
        assert "or somebody in the meeting" in notices.MARKS[kind]
        moot.world.run(6)
        moot.no_frame_is_lost()


def test_who_fills_the_gap_of_a_relay_makes_a_mark_that_says_so() -> None:
    moot = Moot(725, FEW, relays=2)
    world, eve, first = moot.world, moot.members[4], moot.world.sim_relays[0]
    assert eve.meeting._inside is not None
    media, missed = eve.meeting._inside.media, list[tuple[epoch_media.EpochMedia, Opened]]()
    receive = media._receive_voice

    def received(
        relay: int, root: bytes, held: epoch_media.EpochMedia, cell: bytes, opened: Opened, *of: Any
    ) -> None:
        if not first.up:
            missed.append((held, opened))
        receive(relay, root, held, cell, opened, *of)

    def fill() -> None:
        rooms = [one.room for one in eve.rooms.values()
                 if one.relay == 0 and one.slot is LaneSlot.VOICE]  # fmt: skip
        if missed and rooms:
            held, opened = missed.pop()
            cell = held.keys[0].seal(VOICE, opened.leaf, opened.counter, opened.plaintext)
            eve.meeting._context.send(rooms[0], (cell,))
        world.at(world.now + 0.1, fill)

    setattr(media, "_receive_voice", received)  # noqa: B010
    first.stop()
    world.run(4)
    first.start()
    world.at(world.now + 2.5, fill)
    world.run(9)
    # Nothing came twice, and nobody can tell her from the relay.
    assert all(told(one) == [(0, REORDERS)] for one in moot.members[:4])
    assert "or somebody in the meeting" in notices.MARKS[REORDERS]


def test_what_means_nothing_is_no_mark() -> None:
    moot = Moot(722, FEW)
    eve, chance = moot.members[4], moot.world.chance("nonsense")

    def nonsense(opened: events.OpenRoom, cell: bytes) -> None:
        eve.meeting._context.send(opened.room, (chance.randbytes(VOICE_BYTES),))

    listen(moot, eve, nonsense)
    moot.world.run(6)
    assert not any(told(one) for one in moot.members)


@pytest.mark.parametrize("late_s", [1.6, None], ids=["late", "in disorder"])
def test_two_who_hold_back_what_they_say_themselves_make_no_mark(late_s: float | None) -> None:
    moot = Moot(723, FEW)
    world, act, chance = moot.world, moot.world._act, moot.world.chance("late")

    def acts(member: Member, action: events.Outgoing) -> None:
        room = member.rooms.get(action.room) if isinstance(action, events.SendCells) else None
        if member in moot.members[3:] and room and room.relay == 0 and room.slot is LaneSlot.VOICE:
            wait_s = late_s or chance.uniform(0.0, 0.6)
            world.at(world.now + wait_s, lambda: act(member, action))
        else:
            act(member, action)

    setattr(world, "_act", acts)  # noqa: B010
    world.run(10)
    assert not any(told(one) for one in moot.members[:3])


def test_who_leaves_makes_no_mark_although_all_is_said_in_two_rooms_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secrets, "ROOM_ROOT_INTERVAL_S", 0)
    moot = Moot(724, FEW)
    before = {one.room for one in moot.members[0].rooms.values() if one.slot is LaneSlot.VOICE}
    moot.world.do(moot.members[4], lambda meeting: meeting.leave(moot.world.now))
    staying = moot.members[:4]
    moot.world.run_until(lambda: all(one.of(events.MemberOut) for one in staying), 10)
    after = {one.room for one in moot.members[0].rooms.values() if one.slot is LaneSlot.VOICE}
    assert after - before, "there are new rooms"
    moot.world.run(4)
    assert not any(told(one) for one in staying)


def test_bad_luck_is_no_mark() -> None:
    # (As `python -m tests.simulation.noticing --whole HOURS` plays for as long as one likes.)
    assert bad_luck(513, 1, FEW)[1] == []


# -- each rule, broken on purpose


def _nothing_known_is_opened(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(copies, "OPENED_PER_S", 0.0)
    patches.setattr(copies, "CLOSELY_PER_S", 0.0)


def _whatever_does_not_open_is_bent(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(copies, "ALIKE_SHARE", 0.0)


def _what_came_too_early_is_forgotten(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(copies, "BROKEN_S", 0.0)


def _one_is_enough(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(Marks, "_are_enough", lambda self, *lines: any(lines))


def _all_rooms_are_one(patches: pytest.MonkeyPatch) -> None:
    came = epoch_media.Through.came_before
    patches.setattr(
        epoch_media.Through, "came_before", lambda self, root, *cell: came(self, b"", *cell)
    )


def _no_order(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(epoch_media, "OVERTAKEN_S", 1e9)


def _mark(conduct: type[Hostile]) -> Callable[[], None]:
    kind, within_s = next((kind, at) for one, kind, at in EARNED if one is conduct)
    return lambda: test_what_a_relay_does_to_cells_is_a_mark_against_it_alone(
        conduct, kind, within_s
    )


def _leaves() -> None:
    with pytest.MonkeyPatch.context() as patches:
        test_who_leaves_makes_no_mark_although_all_is_said_in_two_rooms_then(patches)


@pytest.mark.parametrize(
    ("breaks", "notices_it"),
    [
        (_nothing_known_is_opened, _mark(RepeatingOthers)),
        (_nothing_known_is_opened, _mark(BendingLate)),
        (_whatever_does_not_open_is_bent, test_what_means_nothing_is_no_mark),
        (
            _what_came_too_early_is_forgotten,
            test_who_bends_what_it_brings_before_all_others_is_found_when_they_bring_it,
        ),
        (_no_order, _mark(Reordering)),
        (
            _all_rooms_are_one,
            _leaves,
        ),
        (
            _one_is_enough,
            lambda: test_two_who_hold_back_what_they_say_themselves_make_no_mark(None),
        ),
    ],
)
def test_a_rule_that_is_broken_is_noticed(
    breaks: Callable[[pytest.MonkeyPatch], None],
    notices_it: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaks(monkeypatch)
    with pytest.raises(AssertionError):
        notices_it()
