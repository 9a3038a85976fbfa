"""What must be so when everything has mended: one epoch, all chat delivered, nothing going on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from folkmoot.meeting import events
from folkmoot.meeting.door import VOID
from folkmoot.meeting.hearing import ROOMS_OPEN_S
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.relay_book import RESERVE_KEPT_S
from folkmoot.meeting.steps import Candidate
from folkmoot.meeting.ways import SEARCH_S
from simulation.invariants import Facts, Invariants, Said, Violation
from simulation.meeting_world import Member, World, agreed
from simulation.patches import council_pace
from simulation.watch import EpochWatch

HEALED_WITHIN_S = 60.0
QUIET_FOR_S = 11.0
DELIVERED_WITHIN_S = 20.0
OUTBOX_BYTES_QUIET = 2048
# Of more than so many, what the first few heard alone is asked of them for a minute by the others.
FEW = 12


@dataclass
class Aftermath:
    """Judges a world in which every line is mended and every relay is honest."""

    world: World
    watch: EpochWatch
    facts: Facts
    invariants: Invariants
    say: Callable[[Member, str], None]
    voice_per_s: int
    unheld: set[tuple[bytes, str]] = field(default_factory=set)  # chat of an epoch one never held
    void: set[bytes] = field(default_factory=set)  # seats of those whose invite is void

    def heal(self) -> float:
        """How long it takes until all is well."""
        begun = self.world.now
        while why_not := self.why_not_well():
            if self.world.now - begun > HEALED_WITHIN_S:
                raise Violation("healing", why_not)
            self.world.run(0.25)
            self.invariants.check()
        return self.world.now - begun

    def staying(self) -> list[Member]:
        """Who must be in one epoch in the end: everybody who did not leave and was let in."""
        return [
            one
            for one in self.world.members
            if one.meeting.phase.value != "left"
            and one.meeting.seat not in self.facts.asked_to_leave
            and one.meeting.seat not in self.facts.unwanted
            and not self._lost_with_its_branch(one)
            and not self._removed_insider(one)
            and not self._invite_is_void(one)
        ]

    @staticmethod
    def _invite_is_void(member: Member) -> bool:
        """Whether it came with an invite from before a removal, and knows that it needs another."""
        told = {one.why for one in member.of(events.Refused)}
        return member.meeting.phase.value == "knocking" and VOID in told

    def _removed_insider(self, member: Member) -> bool:
        """One whose commits went past its own agent: that can see no valid removal of it."""
        electing, seat = self.facts.electing, member.meeting.seat
        return electing is not None and seat in electing.removed and seat in self.facts.insiders

    def _lost_with_its_branch(self, member: Member) -> bool:
        """The condition of which issue 4 makes an end: two sides settled apart, the one that lost
        had let somebody in, and the winners' door says that they are no member and must be invited
        anew. It counts only if that is what happened: the seat is on no roster of the others."""
        told = any("no such member" in one.why for one in member.of(events.Refused))
        apart = bool(self.invariants.conditions["sides settled apart"])
        seat = member.meeting.seat
        code = member.meeting.safety_code  # whoever was let in there with it is lost with it
        others = [
            one for one in self.world.members if one.inside and one.meeting.safety_code != code
        ]
        absent = all(
            seat not in {view.seat for view in one.meeting.roster(self.world.now)}
            for one in others
            if one.meeting.seat not in self.facts.asked_to_leave
        )
        return told and apart and bool(others) and absent

    def gone(self) -> set[bytes]:
        """Who left and was told that the others know; others' farewells nobody may have heard."""
        return {
            one.meeting.seat
            for one in [*self.world.members, *self.world.former]
            if any(event.why == events.LEFT_WELL for event in one.of(events.Left))
        }

    def why_not_well(self) -> str:
        now, staying = self.world.now, self.staying()
        for one in self.world.members:
            inside = one.meeting._inside
            if one.inside and inside is not None and inside.departure_deadline is not None:
                return f"{one.name} is leaving"
        if not agreed(staying):
            epochs = [(one.name, one.meeting.phase.value, one.meeting.epoch) for one in staying]
            return f"not in one epoch: {epochs}"
        if not staying:
            return ""
        for one in staying:
            inside = one.meeting._inside
            if inside is None or not inside.is_well(now) or one.meeting._outside is not None:
                return f"{one.name} is not well"
            if not all(room.is_open for link in one.links.values() for room in link.rooms.values()):
                return f"{one.name} has rooms that are not open"
            if self._has_plan(inside) or self._open_candidates(inside):
                return f"{one.name} has something to commit"
        if self.facts.electing and (undone := self.facts.electing.why_not_done(staying)):
            return undone
        seats = {view.seat for view in staying[0].meeting.roster(now)}
        if missing := {one.meeting.seat for one in staying} - seats:
            return f"{len(missing)} have no seat"
        if kept := {
            one for one in seats & self.gone() if not self._left_elsewhere(one, staying[0])
        }:
            return f"{len(kept)} seats of those who were told that they are out"
        return ""

    def _left_elsewhere(self, seat: bytes, member: Member) -> bool:
        """Whether all who settled its farewell, and told it so, did that apart from the others, and
        were removed by them: nobody is left who could repeat it."""
        inside = member.meeting._inside
        assert inside is not None
        now = inside.epochs.current.authenticator
        heard = {one.child for one in self.watch.settled if seat in one.verdict.left}
        return bool(heard) and not any(one == now or self.watch.follows(now, one) for one in heard)

    def _open_candidates(self, inside: Inside) -> list[Candidate]:
        """Commits that may still count. Those of an insider that nobody names (two on one parent,
        one from the future) stay to be seen as void until the next commit, and harm nobody."""
        found = inside.epochs._candidates.values()
        return [
            one
            for one in found
            if one.committer not in self.facts.insiders
            and not self._left_before(one.verdict.joined)
        ]

    def _has_plan(self, inside: Inside) -> bool:
        """Whether there is anything to commit that could settle."""
        plan = inside.epochs.pending.plan(inside.epochs.current)
        if plan is None:
            return False
        waiting = (one.seat for one in inside.epochs.pending.adds.values())
        return not (plan.only_adds and self._left_before(waiting))

    def _left_before(self, joining: Iterable[bytes]) -> bool:
        """Whether somebody among those who are to come in has been in and left. One who came in
        since cannot know that, and may use the admission again; the others never name the commit,
        which is void with the next one that settles."""
        left = {seat for one in self.watch.settled for seat in one.verdict.left}
        return not left.isdisjoint(joining)

    # -- afterwards

    def finish(self) -> None:
        """All chat was delivered, the past and the future are closed, and nothing goes on."""
        staying = self.staying()
        for one in [one for one in self.world.members if self._invite_is_void(one)]:
            self.void.add(one.meeting.seat)
            self.world.kill(one)
        for one in [one for one in self.world.members if self._lost_with_its_branch(one)]:
            self.invariants.conditions["let in by a side that lost"] += 1
            self.world.kill(one)  # it was told to be invited anew, and knocks no more
        for one in [one for one in self.world.members if self._removed_insider(one)]:
            self.world.kill(one)  # it knocks, and is answered as slowly as anybody
        if not staying:
            return
        for one in staying:
            self.say(one, f"the end, {one.name}")
        began = self.world.now
        while undelivered := self._undelivered(staying):
            if self.world.now - began > DELIVERED_WITHIN_S:
                raise Violation("chat delivered", undelivered[0])
            self.world.run(0.25)
        for member in [*self.world.members, *self.world.former]:
            self.invariants.check_closed(member)
        self._check_quiet(staying)
        self._check_mouths(staying)

    def _undelivered(self, staying: list[Member]) -> list[str]:
        """What somebody lacks who was in its epoch, lived since, and could hear it."""
        missing = []
        for said in self.facts.said.values():
            if not self._was_heard(said):
                continue
            epochs = set(self.watch.chats.get(said.text, ()))
            for member in staying:
                seat = member.meeting.seat
                texts = {one.text for one in member.of(events.ChatReceived)}
                if said.text in texts or not self._lived_since(member, said):
                    continue
                if epochs & self.invariants.was_in(seat, said.at):
                    missing.append(f"{member.name} lacks {said.text!r} of {said.at:.1f}")
                elif any(seat in self.watch.epochs[one].seats for one in epochs):
                    # It was elsewhere while this epoch came and went, or had left it for a later
                    # one when its sender, whom nobody had told yet, said something in it.
                    self.unheld.add((seat, said.text))
        return missing

    def _was_heard(self, said: Said) -> bool:
        """Whether anybody but its sender has it: else nobody could repeat it."""
        return any(
            said.text in {one.text for one in member.of(events.ChatReceived)}
            for member in self.world.members
            if member.meeting.seat != said.seat
        )

    def _lived_since(self, member: Member, said: Said) -> bool:
        """Whether this very agent was a member when it was said."""
        joined = member.joined_at
        return joined is not None and joined <= said.at

    def _check_quiet(self, staying: list[Member]) -> None:
        world, electing = self.world, self.facts.electing
        if world.named > world.in_use:
            # Whoever went a moment ago is looked for on the reserve, and that stays open a while.
            world.run(SEARCH_S + RESERVE_KEPT_S + 3)
        world.run(ROOMS_OPEN_S)  # for so long both rooms are spoken in after somebody went
        removals, settled = len(electing.removed) if electing else 0, len(self.watch.settled)
        before = {one.name: (one.meeting.epoch, one.sent) for one in staying}
        world.run(QUIET_FOR_S)
        self.invariants.check()
        if electing and len(electing.removed) > removals:
            # A motion by a clock that is ahead opened only now.
            self._check_quiet(self.staying())
            return
        settled_late = self.watch.settled[settled:]
        insiders = self.facts.insiders
        if any(insiders & {one.committer, *one.verdict.readmitted} for one in settled_late):
            # One that an insider published long before, and that came round only now, past its own
            # agent, which then has to be readmitted. (Those that are open are not waited for: it
            # may keep them open as long as it likes.)
            self._check_quiet(staying)
            return
        late = [one.verdict for one in settled_late]
        if any(self.void.intersection(one.joined) or one.left or one.readmitted for one in late):
            # Let in by a side on which its invite was good, told so by another, and gone; or a
            # farewell of one who went unheard, or a claim to a seat by one who has found its way
            # since, whose record came round only now.
            self._check_quiet(staying)
            return
        for one in staying:
            inside = one.meeting._inside
            assert inside is not None
            epoch, sent = before[one.name]
            if one.meeting.epoch != epoch:
                raise Violation("quiet", f"{one.name} went on to epoch {one.meeting.epoch}")
            book = one.meeting._context.relays
            cells = (one.sent - sent) / len(book.in_use) / QUIET_FOR_S
            pace = council_pace(len(inside.epochs.current.roster)) + self.voice_per_s
            # Who misses somebody asks for them at every door now and then, once a second.
            heard = inside.presence.heard_count(world.now)
            away = heard < len(inside.epochs.current.roster)
            knocks = float(len(inside.entrance.doors)) if away else 0.0
            # And the doors of the reserve are open, too.
            knocks *= len(book.doors) / len(book.in_use)
            if not pace - 0.5 <= cells <= pace + 0.5 + knocks:
                raise Violation("quiet", f"{one.name} sends {cells:.1f} cells a second")
            few = len(inside.epochs.current.roster) <= FEW
            waiting = few and inside.council.waiting > OUTBOX_BYTES_QUIET
            if waiting or inside.laggards._cells:
                raise Violation("quiet", f"{one.name} has {inside.council.waiting} B waiting")
            if inside.entrance.lane.waiting and not away:
                raise Violation("quiet", f"{one.name} speaks at the door")
            if inside.epochs.kept or self._open_candidates(inside):
                raise Violation("quiet", f"{one.name} still hears other epochs")
        for relay in world.sim_relays:
            if relay.up and any(room.queued > 64 for room in relay.core._rooms.values()):
                raise Violation("quiet", "a relay's queue grows")

    def _check_mouths(self, staying: list[Member]) -> None:
        """Everybody hears everybody."""
        for one in staying:
            heard = {event.seat for event in one.of(events.FrameReceived)}
            inside = one.meeting._inside
            assert inside is not None
            for other in staying:
                confirmed = other.meeting.confirmed and one.meeting.confirmed
                if other is not one and confirmed and other.meeting.seat not in heard:
                    raise Violation("voice arrives", f"{one.name} never heard {other.name}")
        if self.world.rejected:
            raise Violation("honest relays", self.world.rejected[0])
