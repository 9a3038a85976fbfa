"""What must hold in every meeting, checked after every step.

Each check names itself, so that what a broken product breaks can be told. Where the design allows
an exception, the exception is a condition that is recognised, counted and printed, never a seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from folkmoot import mls
from folkmoot.cells import council
from folkmoot.governance.seat import seat_of
from folkmoot.meeting import events
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.epochs import PARENT_KEPT_S
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.presence import AWAY_AFTER_S
from folkmoot.meeting.records import Content
from folkmoot.meeting.save import Saved
from folkmoot.meeting.secrets import STEPS_AHEAD_MAX, step
from folkmoot.meeting.ticks import TICK_AHEAD_S
from folkmoot.wire import codec
from simulation.electing import Electing
from simulation.meeting_world import WALL_S, Member, World
from simulation.watch import Epoch, EpochWatch, Settled

STEPS_AHEAD = 48  # further than any member looks
ERASED_AFTER_S = PARENT_KEPT_S + 2.0  # a machine wakes every 125 ms at least; links may hold it up
SAVED_WITHIN_S = 1.0
CLOCKS_WRONG_S = 20.0  # by more no clock of a story is wrong
CALM_AFTER_S = 8.0  # presence is judged by the last 3 s, rounds by the last 6
HELD_BACK_S = 7.0  # what a relay may hold a beacon back, in these stories


class Violation(AssertionError):
    """An invariant does not hold."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"{invariant}: {detail}")
        self.invariant = invariant


@dataclass
class Said:
    """One chat message."""

    text: str
    seat: bytes
    at: float
    epoch: bytes


@dataclass
class Facts:
    """What the people of the story did, as opposed to what their agents say."""

    asked_to_leave: set[bytes] = field(default_factory=set)
    people: set[bytes] = field(default_factory=set)  # seats of everybody who ever knocked
    unwanted: set[bytes] = field(default_factory=set)  # of those whom nobody let in
    insiders: set[bytes] = field(default_factory=set)  # who break the rules on purpose
    said: dict[str, Said] = field(default_factory=dict)
    spoken: dict[bytes, bytes] = field(default_factory=dict)  # a voice payload: whose it is
    disturbed_at: float = 0.0
    disturbing: int = 0  # lines cut or hung, agents dead and not back
    silent_since: dict[bytes, float] = field(default_factory=dict)  # dead, or without a line
    hostile_relays: bool = False
    wrong_clocks: bool = False
    electing: Electing | None = None  # where people are removed by ballots

    def may_be_out(self, seat: bytes, before: Collection[bytes]) -> bool:
        """Whether this seat may be gone from a roster of these seats."""
        electing = self.electing
        return seat in self.asked_to_leave or (
            electing is not None and electing.may_be_out(seat, before)
        )


@dataclass
class Invariants:
    """Checks a world; `facts` are the story's."""

    world: World
    watch: EpochWatch
    facts: Facts
    conditions: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    _held: dict[bytes, dict[bytes, float]] = field(default_factory=dict)  # seat: epoch: until when
    _was_in: dict[bytes, dict[bytes, float]] = field(default_factory=dict)  # likewise, settled
    _kept_since: dict[tuple[int, bytes], float] = field(default_factory=dict)
    _heard_chat: dict[int, Counter[str]] = field(default_factory=dict)
    _heard_voice: dict[int, set[bytes]] = field(default_factory=dict)
    _first_told: dict[str, float] = field(default_factory=dict)
    _settled_seen: int = 0
    _children: dict[bytes, dict[bytes, float]] = field(default_factory=dict)
    lost_branches: set[bytes] = field(default_factory=set)

    def was_in(self, seat: bytes, since: float) -> set[bytes]:
        """Every epoch that the agents of this seat were in at some time after `since`. (A parent's
        keys they have for 10 s more: where a relay parts them that may be too short.)"""
        return {one for one, until in self._was_in.get(seat, {}).items() if until >= since}

    # -- what members are told

    def told(self, member: Member, event: events.Event) -> None:
        """An event as it happens."""
        if isinstance(event, events.MemberOut):
            self._check_settled()
            electing = self.facts.electing
            removed = electing is not None and event.seat in electing.removed
            if event.seat not in self.facts.asked_to_leave and not removed:
                raise Violation("no removal", f"{member.name} saw {event.name} taken out")
        elif isinstance(event, events.ChatReceived):
            self._told_chat(member, event)
        elif isinstance(event, events.FrameReceived):
            self._told_voice(member, event)
        if isinstance(event, events.EpochChanged | events.Joined | events.Left):
            self.check()

    def _told_chat(self, member: Member, event: events.ChatReceived) -> None:
        said = self.facts.said.get(event.text)
        if said is None or said.seat != event.seat:
            raise Violation("true words", f"{member.name} read {event.text!r} of another")
        heard = self._heard_chat.setdefault(id(member), Counter())
        heard[event.text] += 1
        if heard[event.text] > 1:
            raise Violation("chat once", f"{member.name} read {event.text!r} twice")
        seat = member.meeting.seat
        sealed = [self.watch.epochs[one] for one in self.watch.chats.get(event.text, ())]
        if event.seat == seat:
            return
        if not any(seat in one.seats for one in sealed):
            raise Violation("past and future closed", f"{member.name} read {event.text!r}")
        first_told = self._first_told.setdefault(event.text, self.world.now)
        if self.facts.wrong_clocks:
            return  # what is later is judged by clocks
        came = [one.made_at for one in self.watch.epochs.values() if seat in one.seats]
        # What nobody had heard before may be said anew; and clocks are read in whole seconds.
        if said.at + 1 < min(came) and first_told < min(came):
            raise Violation("past and future closed", f"{member.name} read of before it came")

    def _told_voice(self, member: Member, event: events.FrameReceived) -> None:
        payload = event.frame.payloads[0]
        if self.facts.spoken.get(payload) != event.seat:
            raise Violation("true voices", f"{member.name} heard another's words in a voice")
        heard = self._heard_voice.setdefault(id(member), set())
        if payload in heard:
            raise Violation("voice once", f"{member.name} heard {payload!r} twice")
        heard.add(payload)

    # -- after every step

    def check(self) -> None:
        """Everything that can be checked at any moment."""
        self.checks += 1
        watch = self.watch
        if watch.twice:
            raise Violation("no key twice", str(watch.twice[0][0]))
        if watch.differing:
            raise Violation("one epoch, one roster", watch.differing[0].hex()[:8])
        if watch.replayed:
            raise Violation("beacons once", f"an old beacon of {watch.replayed[0].hex()[:8]}")
        self._check_settled()
        for member in self.world.members:
            inside = member.meeting._inside
            if inside is not None and member.inside:
                self._check_member(member, inside)

    def _check_settled(self) -> None:
        watch, facts = self.watch, self.facts
        for one in watch.settled[self._settled_seen :]:
            before, after = watch.epochs[one.parent].seats, watch.epochs[one.child].seats
            if out := {one for one in before - after if not facts.may_be_out(one, before)}:
                raise Violation("no removal", f"{len(out)} seats are gone that did not leave")
            for seat, _, key in watch.epochs[one.child].roster:
                if seat != seat_of(key):
                    raise Violation("own seats", f"one sits in {seat.hex()[:8]} who is another")
            if (ghosts := after - facts.people) or (ghosts := after & facts.unwanted):
                raise Violation("no ghosts", f"{len(ghosts)} seats that nobody let in")
            self._check_time(one)
            children = self._children.setdefault(one.parent, {})
            children.setdefault(one.child, one.at)
            if len(children) > 1 and one.seat not in facts.insiders:
                if self._calm_at(min(children.values())) and self._calm_at(max(children.values())):
                    raise Violation("one successor", f"{len(children)} commits on one parent")
                self.conditions["sides settled apart"] += one.child not in self.lost_branches
                self.lost_branches.add(one.child)
        self._settled_seen = len(watch.settled)

    def _check_time(self, one: Settled) -> None:
        """Nobody can set the meeting's time far ahead: all later commits would be bound by it."""
        parent, child = (self.watch.epochs[name].secrets.tick for name in (one.parent, one.child))
        if child > max(parent, WALL_S + one.at + TICK_AHEAD_S + CLOCKS_WRONG_S):
            if self._calm_at(one.at):
                raise Violation("true times", f"a commit {child - WALL_S - one.at:.0f} s ahead")
            self.conditions["a commit from the future was settled"] += 1

    def _calm_at(self, at: float) -> bool:
        """Whether nothing had happened to anybody's line or agent for a while."""
        facts = self.facts
        quiet = not facts.disturbing and at > facts.disturbed_at + CALM_AFTER_S
        return quiet and not facts.hostile_relays

    def _check_member(self, member: Member, inside: Inside) -> None:
        now, seat = self.world.now, member.meeting.seat
        states = list(inside.epochs.states())
        held = self._held.setdefault(seat, {})
        self._was_in.setdefault(seat, {})[inside.epochs.current.authenticator] = now
        for state in states:
            held[state.authenticator] = now
            if state.entry_of(seat) is None:
                raise Violation("past and future closed", f"{member.name} holds a foreign epoch")
        self._check_erased(member, inside, states)
        for other in inside.presence.members.values():
            since = self.facts.silent_since.get(other.seat)
            stale_s = AWAY_AFTER_S * other.patience + HELD_BACK_S
            if since is not None and now - since > stale_s and other.here(now):
                raise Violation("away is shown", f"{member.name} sees one who is away for long")

    def _check_erased(self, member: Member, inside: Inside, states: list[EpochState]) -> None:
        """Old keys are gone 10 s after the next epoch settled: in memory and on disk."""
        now, current = self.world.now, inside.epochs.current
        for kept in inside.epochs.kept:
            key = id(member), kept.state.authenticator
            since = self._kept_since.setdefault(key, now)
            if now - since > ERASED_AFTER_S:
                raise Violation("erasure", f"{member.name} keeps a parent {now - since:.1f} s")
        here = {state.authenticator for state in states}
        if set(inside.media._epochs) - here:
            raise Violation("erasure", f"{member.name} keeps media keys of a forgotten epoch")
        near = set(inside.signalling._near)
        for state in states:
            secret = state.secrets.signalling
            near.discard(secret)
        ahead = current.secrets.signalling
        for _ in range(STEPS_AHEAD_MAX):
            ahead = step(ahead)
            near.discard(ahead)
        if near:
            raise Violation("erasure", f"{member.name} listens with a forgotten secret")
        settled_at = self.watch.epochs[current.authenticator].settled_at or 0.0
        if member.saved and inside.departure_deadline is None and now - settled_at > SAVED_WITHIN_S:
            saved = Saved.decode(member.saved)
            if saved.secrets.signalling not in {one.secrets.signalling for one in states}:
                raise Violation("erasure", f"{member.name} has a forgotten epoch on disk")

    # -- past and future

    def check_closed(self, member: Member) -> None:
        """One who came, or went: of every epoch before and after it opens nothing, with all cells
        of all epochs in its hands."""
        seat, watch = member.meeting.seat, self.watch
        held = self._held.get(seat, {})
        if not held:
            return
        lines = {one: {epoch.authenticator for epoch in watch.ancestors(one)} for one in held}
        secrets = self._reachable(held)
        inside = member.meeting._inside
        for epoch in watch.epochs.values():
            if seat in epoch.seats or (epoch.settled_at is None and not epoch.media):
                continue  # its own, or nobody ever was in it
            if epoch.secrets.signalling not in secrets or not epoch.sealed:
                if inside is not None:
                    self._try(member, inside, epoch)
                continue
            name = epoch.authenticator
            came_from = {one.authenticator for one in watch.ancestors(name)}
            before = [one for one in held if name in lines[one]]
            after = [one for one in held if one in came_from]
            if epoch.secrets.signalling in self._reachable([*before, *after]):
                when = "before it came" if before else "after it left"
                what = f"{member.name} opens cells of epoch {epoch.number} {when}"
                raise Violation("past and future closed", what)
            self.conditions["a sibling branch's council can be heard"] += 1

    def _reachable(self, held: Iterable[bytes]) -> set[bytes]:
        """Every signalling secret that these epochs lead to, by steps of additions."""
        secrets: set[bytes] = set()
        for one in held:
            secret = self.watch.epochs[one].secrets.signalling
            for _ in range(STEPS_AHEAD):
                if secret in secrets:
                    break
                secrets.add(secret)
                secret = step(secret)
        return secrets

    def _try(self, member: Member, inside: Inside, epoch: Epoch) -> None:
        """Gives it what was recorded of one epoch."""
        listening = [*inside.signalling._near, *inside.signalling._far[:4]]
        for cell in epoch.cells[:1]:
            if any(council.open(secret, cell) is not None for secret in listening):
                raise Violation("past and future closed", f"{member.name} opens a council cell")
        for lane, cell in epoch.media[:2]:
            for relay in range(len(member.meeting.relays)):
                if inside.media._open(relay, lane, b"", cell, self.world.now) is not None:
                    raise Violation("past and future closed", f"{member.name} opens a voice cell")
        states = list(inside.epochs.states())
        for body in epoch.contents[:1]:
            message = codec.decode(Content.read, body).message
            for state in states[:2]:
                if self._opens(state, message):
                    raise Violation("past and future closed", f"{member.name} opens a message")
        for message in epoch.handshakes[:1]:
            for state in states[:2]:
                if self._opens(state, message):
                    raise Violation("past and future closed", f"{member.name} opens a commit")

    @staticmethod
    def _opens(state: EpochState, message: bytes) -> bool:
        try:
            state.group.receive(message)
        except mls.MlsError:
            return False
        return True
