"""A relay that keeps somebody's voice from others, in whole meetings: who is told what, and when
(claim C6). The rule itself is played through in `simulation.noticing`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator

import pytest

from folkmoot.cells.duplicates import DuplicateFilter
from folkmoot.cells.media import VOICE
from folkmoot.meeting import events
from folkmoot.meeting.copies import Copies
from folkmoot.meeting.noticing import NoticeKind
from folkmoot.meeting.relay_watch import RelayWatch
from folkmoot.wire.lanes import LANE_RULES, LaneSlot
from simulation.meeting_world import Member, World, agreed
from simulation.network import Connection
from simulation.patches import Patches, remember, thin_media
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


class DeafeningVoice(Deafening):
    """Gives one link council, and no voice."""

    name = "deafening voice"

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        if link != self.victim or len(cell) != VOICE_BYTES:
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

    def link(self, member: Member, place: int = 0) -> int:
        """At the first relay, if not told otherwise."""
        relay = self.world.sim_relays[place]
        ends = [one.connection for (_, purpose), one in member.links.items()
                if one.relay is relay and purpose == "main"]  # fmt: skip
        assert ends[0] is not None
        return ends[0].number

    def keep_bob_from(self, *kept_from: Member, places: int = 1) -> None:
        for place in range(places):
            links = {self.link(one, place) for one in kept_from}
            keeping = KeepingVoice(self.link(self.bob, place), links)
            self.world.sim_relays[place].take_up(keeping)

    def loses_no_more(self, *listeners: Member, seconds: float) -> None:
        """After so long: each hears Bob again, and every frame."""
        self.world.run(seconds)
        before = [len(heard(one, self.bob.meeting.seat)) for one in listeners]
        self.world.run(4)
        for one, count in zip(listeners, before, strict=True):
            assert len(heard(one, self.bob.meeting.seat)) - count > 190

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


def test_one_voice_that_all_relays_keep_from_one_member_comes_by_the_reserve() -> None:
    """Nobody is named: there are no two who miss Bob. But Ann is here, and says so."""
    moot = Moot(507, relays=3, reserve=1)
    ann = moot.members[0]
    moot.keep_bob_from(ann, places=3)
    moot.loses_no_more(ann, seconds=4.0)
    assert not any(one.of(events.Noticed) for one in moot.members)
    assert agreed(moot.members)


def test_all_voices_that_all_relays_keep_from_one_member_come_by_the_reserve() -> None:
    moot = Moot(508, relays=3, reserve=1)
    ann = moot.members[0]
    for place, relay in enumerate(moot.world.sim_relays[:3]):
        relay.take_up(DeafeningVoice(moot.link(ann, place)))
    moot.loses_no_more(ann, seconds=6.0)
    assert agreed(moot.members)


def test_who_ended_is_not_taken_for_one_who_is_kept_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word is that it gets through, and is too old by the time that it counts."""
    found = []
    silenced = RelayWatch.silenced

    def seen(watch: RelayWatch, now: float) -> bool:
        found.append(silenced(watch, now))
        return found[-1]

    monkeypatch.setattr(RelayWatch, "silenced", seen)
    moot = Moot(509, NAMES[:4], relays=2, reserve=1)
    moot.world.kill(moot.bob)
    moot.world.run(10)
    assert found
    assert not any(found)


def test_in_a_meeting_of_four_nobody_is_named() -> None:
    moot = Moot(504, NAMES[:4])
    moot.keep_bob_from(*moot.members[2:])
    moot.world.run(10)
    assert all(moot.told(one) <= {UNREACHED} for one in moot.members)
    moot.no_frame_is_lost()


# -- one who lies: honest relays


def slow_down(patches: pytest.MonkeyPatch, slow: Collection[str], relay: int, by_s: float) -> None:
    """What comes from this relay to these members comes later, in its order."""
    real = Connection.down

    def down(self: Connection, data: tuple[bytes, ...], delay_s: float = 0.0) -> None:
        if self.link.who not in slow or self.relay.number != relay or delay_s:
            return real(self, data, delay_s)
        due = self._down_at = max(self._down_at, self._clock.now + by_s + self._delay())
        self._carry(due, lambda: self.link.receive(self, data), sum(map(len, data)))

    patches.setattr(Connection, "down", down)


def send_instead(
    moot: Moot, liar: Member, made: Callable[[bytes], bytes], relay: int, late_s: float
) -> None:
    """Of its voice, the liar sends one relay what is made of it, so much later, and says that its
    voice comes back from everywhere."""
    world, act = moot.world, moot.world._act

    def acts(member: Member, action: events.Outgoing) -> None:
        room = member.rooms.get(action.room) if isinstance(action, events.SendCells) else None
        if member is liar and room and room.relay == relay and room.slot is LaneSlot.VOICE:
            assert isinstance(action, events.SendCells)
            other = events.SendCells(action.room, tuple(map(made, action.cells)))
            world.at(world.now + late_s, lambda: act(member, other))
        else:
            act(member, action)

    setattr(world, "_act", acts)  # noqa: B010
    assert liar.meeting._inside is not None
    setattr(liar.meeting._inside.relay_watch, "echoes", lambda relay, now: True)  # noqa: B010


@pytest.mark.parametrize("what", ["garbage", "unsigned"])
def test_who_sends_one_relay_the_headers_of_its_voice_alone_has_it_not_named(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some have the right cells from the other relay by then, and some do not yet."""
    with Patches() as patches:
        remember(patches)
        thin_media(patches, 16)
        wrong = _lie(what, monkeypatch)
    assert wrong == []


def _lie(what: str, monkeypatch: pytest.MonkeyPatch) -> list[events.Noticed]:
    """What honest members were told."""
    moot = Moot(506, relays=2)
    gus, chance = moot.members[-1], moot.world.chance("lie")

    def garbage(cell: bytes) -> bytes:
        return cell[:9] + chance.randbytes(len(cell) - 25) + cell[-16:]

    def unsigned(cell: bytes) -> bytes:
        assert gus.meeting._inside is not None
        for held in gus.meeting._inside.media._order:
            opened = held.keys[0].open(VOICE, cell)
            if opened is not None:
                said = bytes(len(opened.plaintext))
                return held.keys[0].seal(VOICE, opened.leaf, opened.counter, said)
        raise AssertionError("it is no cell of its own")

    slow_down(monkeypatch, {one.name for one in moot.members[3:6]}, 1, 0.08)
    send_instead(moot, gus, garbage if what == "garbage" else unsigned, 0, 0.06)
    moot.world.run(8)
    return [notice for one in moot.members[:-1] for notice in one.of(events.Noticed)]


def _nothing_is_counted(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(DuplicateFilter, "accepted", lambda self, epoch, leaf, counter: False)


def _nobody_is_missed(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(RelayWatch, "missed", lambda self, relay, now: ())


def _what_came_too_early_is_not_counted(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(Copies, "_keep_broken", lambda self, relay, key, cell, now: None)


@pytest.mark.parametrize("what", ["garbage", "unsigned"])
def test_a_copy_that_counts_only_where_another_came_first_is_noticed(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _what_came_too_early_is_not_counted(monkeypatch)
    with pytest.raises(AssertionError):
        test_who_sends_one_relay_the_headers_of_its_voice_alone_has_it_not_named(what, monkeypatch)


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
