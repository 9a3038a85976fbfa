"""A relay that keeps somebody's voice from others, in whole meetings: who is told what, and when
(claim C6). The rule itself is played through in `simulation.noticing`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator

import pytest

from folkmoot.cells.duplicates import DuplicateFilter
from folkmoot.meeting import events
from folkmoot.meeting.noticing import NoticeKind
from folkmoot.meeting.relay_watch import RelayWatch
from folkmoot.wire.lanes import LANE_RULES, LaneSlot
from simulation.meeting_world import Member, World, agreed
from simulation.relay_conduct import CELLS, HEAD, Conduct, Hostile, Later, Relaying
from simulation.test_meeting import meet, speak
from simulation.test_relays import heard

NAMES = ("Ann", "Bob", "Cy", "Dee", "Eve", "Fay", "Gus")
VOICE_BYTES = LANE_RULES[LaneSlot.VOICE].cell_bytes
NOTICED_S = 3.0
REMEMBERED = 400  # cells of the victim, of which the relay knows that they are its


class KeepingVoice(Hostile):
    """Gives what one link says to all but some: it comes back to who said it, so that it notices
    nothing by itself."""

    name = "keeping voice"

    def __init__(self, victim: int, kept_from: Collection[int]) -> None:
        self.victim, self.kept_from = victim, kept_from
        self._said: deque[bytes] = deque(maxlen=REMEMBERED)

    def into(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        if link == self.victim and message[:1] == CELLS:
            starts = range(HEAD, len(message), VOICE_BYTES)
            self._said.extend(message[start : start + VOICE_BYTES] for start in starts)
        yield 0.0, message

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        if link not in self.kept_from or cell not in self._said:
            yield 0.0, cell


class Deafening(Hostile):
    """Gives nothing to one link."""

    name = "deafening"

    def __init__(self, victim: int) -> None:
        self.victim = victim

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        if link != self.victim:
            yield 0.0, cell


class Moot:
    """Seven people and three relays, if not told otherwise; Bob speaks."""

    def __init__(
        self,
        seed: int,
        names: tuple[str, ...] = NAMES,
        loss: float = 0.0,
        relays: int = 3,
        reserve: int = 0,
    ) -> None:
        self.world = World(seed, relays=relays, reserve=reserve)
        self.members = meet(self.world, *names)
        self.world.loss = loss
        self.bob = self.members[1]
        self.world.run(8)
        speak(self.world, self.bob, 12)

    def link(self, member: Member) -> int:
        """At the first relay."""
        first = self.world.sim_relays[0]
        ends = [one.connection for (_, purpose), one in member.links.items()
                if one.relay is first and purpose == "main"]  # fmt: skip
        assert ends[0] is not None
        return ends[0].number

    def keep_bob_from(self, *kept_from: Member) -> None:
        links = {self.link(one) for one in kept_from}
        self.world.sim_relays[0].take_up(KeepingVoice(self.link(self.bob), links))

    def told(self, member: Member) -> set[NoticeKind]:
        """What it was told of the first relay; it must have been about Bob."""
        notices = member.of(events.Noticed)
        first = self.world.relays[0].address
        assert all(one.relay == first for one in notices)
        assert all(one.seat == self.bob.meeting.seat for one in notices)
        return {one.kind for one in notices}

    def no_frame_is_lost(self) -> None:
        for one in self.members:
            numbers = heard(one, self.bob.meeting.seat)
            if one is not self.bob:
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
                assert len(numbers) > 400


WITHHELD, UNREACHED, DEAFENED = NoticeKind.WITHHELD, NoticeKind.UNREACHED, NoticeKind.DEAFENED


def test_one_who_is_kept_from_all_is_told_by_their_word() -> None:
    moot = Moot(500)
    others = [one for one in moot.members if one is not moot.bob]
    moot.keep_bob_from(*others)
    moot.world.run(NOTICED_S)
    assert moot.told(moot.bob) == {WITHHELD}
    moot.world.run(7)
    # To the others it may be Bob that lies, or whose line is bad there.
    assert all(moot.told(one) == {UNREACHED} for one in others)
    moot.no_frame_is_lost()
    assert agreed(moot.members)


def test_those_from_whom_one_is_kept_know_it_by_the_others() -> None:
    moot = Moot(501)
    kept_from = moot.members[2:4]
    moot.keep_bob_from(*kept_from)
    moot.world.run(NOTICED_S)
    assert all(moot.told(one) == {WITHHELD} for one in kept_from)
    moot.world.run(7)
    for one in moot.members:
        if one not in kept_from:
            assert moot.told(one) <= {UNREACHED}
    moot.no_frame_is_lost()


def test_a_room_that_is_split_is_noticed_on_both_sides() -> None:
    moot = Moot(502)
    moot.keep_bob_from(*moot.members[4:])
    moot.world.run(NOTICED_S)
    assert all(moot.told(one) == {WITHHELD} for one in moot.members)
    moot.world.run(7)
    moot.no_frame_is_lost()


def test_one_that_is_deafened_notices_it_itself() -> None:
    moot = Moot(503)
    moot.world.sim_relays[0].take_up(Deafening(moot.link(moot.bob)))
    moot.world.run(4)
    assert moot.told(moot.bob) == {DEAFENED}
    assert not any(one.of(events.Noticed) for one in moot.members if one is not moot.bob)
    moot.world.run(6)
    assert agreed(moot.members)


def test_one_who_is_kept_from_all_everywhere_is_heard_on_the_reserve() -> None:
    moot = Moot(505, NAMES[:5], relays=1, reserve=1)
    others = [one for one in moot.members if one is not moot.bob]
    moot.keep_bob_from(*others)
    moot.world.run(6)
    before = [len(heard(one, moot.bob.meeting.seat)) for one in others]
    moot.world.run(4)
    for one, count in zip(others, before, strict=True):
        assert len(heard(one, moot.bob.meeting.seat)) - count > 190
    moot.world.sim_relays[0].take_up(Conduct())
    moot.world.run(50)
    lanes = {action.slot.name for action in moot.bob.rooms.values()
             if moot.world._place(moot.bob, action.relay) == 1}  # fmt: skip
    assert lanes == {"DOOR"}, "and the reserve is left again"


def test_in_a_meeting_of_four_nobody_is_named() -> None:
    moot = Moot(504, NAMES[:4])
    moot.keep_bob_from(*moot.members[2:])
    moot.world.run(10)
    assert all(moot.told(one) <= {UNREACHED} for one in moot.members)
    moot.no_frame_is_lost()


def _nothing_is_counted(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(DuplicateFilter, "accepted", lambda self, epoch, leaf, counter: False)


def _nobody_is_missed(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(RelayWatch, "missed", lambda self, relay, now: ())


@pytest.mark.parametrize("break_it", [_nothing_is_counted, _nobody_is_missed])
def test_what_is_not_counted_or_not_said_is_noticed(
    break_it: Callable[[pytest.MonkeyPatch], None],
) -> None:
    with pytest.MonkeyPatch.context() as patches:
        break_it(patches)
        with pytest.raises(AssertionError):
            test_those_from_whom_one_is_kept_know_it_by_the_others()


def bad_luck(seed: int, rounds: int, names: tuple[str, ...] = NAMES) -> tuple[float, list[str]]:
    """Honest relays, lines that lose one cell in twenty, and relays, agents' lines and sockets that
    stop and hang: seconds that were played, and whoever was blamed, or marked, all the same."""
    moot = Moot(seed, names, loss=0.05)
    world, chance = moot.world, moot.world.chance("luck")
    began = world.now
    for number in range(rounds):
        relay, unlucky = chance.choice(world.sim_relays), chance.choice(moot.members)
        relay.stop()
        world.run(chance.uniform(0.2, 4))
        relay.start()
        world.run(chance.uniform(2, 10))
        world.hang(unlucky, True)
        world.run(chance.uniform(0.2, 2.5))
        world.hang(unlucky, False)
        world.run(chance.uniform(2, 10))
        world.set_link(unlucky, False)
        world.run(chance.uniform(0.2, 3))
        world.set_link(unlucky, True)
        world.cut_off(chance.choice(moot.members), [chance.randrange(3)] if number % 2 else [])
        world.run(15)
    notices = [one for member in moot.members for one in member.of(events.Noticed)]
    wrong = [str(one) for one in notices if one.kind is not UNREACHED]
    wrong += [str(one) for member in moot.members for one in member.of(events.Marked)]
    return world.now - began, wrong


def test_bad_luck_names_nobody() -> None:
    # (`python -m tests.simulation.noticing --whole HOURS` plays as long as one likes.)
    assert bad_luck(510, 1, NAMES[:5])[1] == []
