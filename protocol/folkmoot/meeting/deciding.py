"""A member's part in what the electors decide: moving, answering, and what becomes of one who is
removed (architecture §6, "Ballots").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from folkmoot.governance.ballot import make_ballot
from folkmoot.governance.charter import Admission, Charter
from folkmoot.governance.judge import Verdict
from folkmoot.governance.motion import MOTION_S, Motion, MotionKind, sign_motion
from folkmoot.governance.sentences import rules_of
from folkmoot.meeting.context import UsageError
from folkmoot.meeting.events import Decided, Left, Removal
from folkmoot.meeting.hearing import Hearing
from folkmoot.meeting.motions import MOTIONS_OF_MEMBER_MAX, OpenMotion, why_impossible
from folkmoot.meeting.pending import Request
from folkmoot.meeting.records import RecordKind
from folkmoot.wire.codec import DecodeError

MOTION_CHARACTERS = 16
# For the others' namings to tell one who is removed that it is out; a certificate is no less valid
# if they do not arrive.
REMOVED_WAIT_S = 6.0
NAMES_MAX = 12  # of those who said yes, in the sentence for who is removed


def motion_id(name: bytes) -> str:
    """The short string by which programs name a motion (its hash, 32 bytes)."""
    return name.hex()[:MOTION_CHARACTERS]


@dataclass(frozen=True, slots=True)
class MotionView:
    """An open motion as a person sees it. `have` of `needed` said yes, `lines_have` of
    `lines_needed` lines (0 where lines do not count), `here` of `electors` are here now; `own`: our
    answer, if we gave one; `may_vote`: whether we can."""

    motion: str
    asked: Motion
    needed: int
    have: int
    lines_needed: int
    lines_have: int
    electors: int
    here: int
    ends_in_s: float
    own: bool | None
    may_vote: bool


class Deciding(Hearing):
    """The parts of one member's meeting that have to do with votes."""

    _expelled: tuple[Verdict, float] | None = None  # the verdict on us, and when we saw it

    # -- moving and answering

    def _now(self, now: float) -> int:
        return max(self.context.wall_s(now), self.epochs.current.secrets.tick)

    def move(self, kind: MotionKind, subject: bytes, now: float, seconds: int = MOTION_S) -> str:
        """Asks all electors; the motion's id. UsageError with a sentence when it cannot be asked.
        `seconds`: how long it is open. Moving is not answering: the mover has a ballot like
        everybody else."""
        state = self.epochs.current
        if not self.epochs.votes:
            raise UsageError("You are a guest here: those who vote can move something.")
        if not self.epochs.seals or self.evicted:
            raise UsageError("You are not back in the meeting yet: wait a moment.")
        own = [one for one in self.motions.open.values() if one.motion.mover == self.context.seat]
        if len(own) >= MOTIONS_OF_MEMBER_MAX:
            raise UsageError(f"You have {MOTIONS_OF_MEMBER_MAX} motions open: wait for one to end.")
        opens = self._now(now)
        try:
            motion = Motion(
                mover=self.context.seat,
                kind=kind,
                subject=subject,
                charter_hash=state.terms.charter.hash,
                roll_hash=state.roll.hash,
                opens=opens,
                ends=opens + seconds,
            )
        except DecodeError as error:
            raise UsageError(f"This cannot be moved: {error}.") from None
        why = why_impossible(motion, state.roll, state)
        if why is not None:
            raise UsageError(why)
        signed = sign_motion(self.context.key, self.context.group_id, motion)
        self.publish(RecordKind.MOTION, signed.encode(), now)
        self.motions.receive_motion(signed.encode(), state, self.context.wall_s(now))
        self.act(now)
        return motion_id(motion.hash(self.context.group_id))

    def move_admission(self, knock: str, now: float, seconds: int = MOTION_S) -> str:
        """Asks all electors to let in who knocks."""
        key_package, reference = self.entrance.knocking(knock)
        request = Request(key_package, None)
        if self.epochs.charter.admission is not Admission.BALLOT:
            raise UsageError("This meeting does not let people in by a vote.")
        why = self.epochs.ask(request, now)
        if why is not None:
            raise UsageError(f"They cannot come in: {why}.")
        self.publish(RecordKind.REQUEST, request.encode(), now)
        return self.move(MotionKind.ADMIT, reference, now, seconds)

    def _look_after_calls(self, now: float) -> None:
        """Goes with a call of ours once it was answered."""
        self.secession.handle_timer(now)
        if self.walked is not None:
            return
        self.walked = self.secession.catch_up(self.epochs.current, now)
        one = self.secession.ready(now)
        if one is not None and self.walked is None and not self.evicted:
            gone = self.secession.go(one, self.epochs.current)
            if gone is not None:
                record, self.walked = gone
                self.publish(RecordKind.CALL_GO, record, now)

    def vote(self, motion: str, yes: bool, now: float) -> None:
        """Answers a motion, finally; UsageError with a sentence when we cannot."""
        one = self._motion(motion)
        state, wall_s = self.epochs.current, self.context.wall_s(now)
        why = self.motions.why_not_vote(one, yes, state, wall_s)
        if why is not None:
            raise UsageError(why)
        ballot = make_ballot(
            self.context.key, self.context.group_id, self.context.seat, one.name, yes
        )
        self.publish(RecordKind.BALLOT, ballot.encode(), now)
        self.motions.receive_ballot(ballot.encode(), state, wall_s)
        self.act(now)

    def _motion(self, motion: str) -> OpenMotion:
        for name, one in self.motions.open.items():
            if motion_id(name) == motion:
                return one
        raise UsageError("There is no such motion, or it is over.")

    def motion_views(self, now: float) -> list[MotionView]:
        """All open motions, that which ends first first."""
        state, wall_s = self.epochs.current, self.context.wall_s(now)
        here = sum(
            seat == self.context.seat or one.here(now)
            for seat, one in self.presence.members.items()
            if seat in state.roll
        )
        views = []
        for one in self.motions.open.values():
            stands = one.stands(state)
            if stands is None:
                continue
            own = one.ballots.get(self.context.seat)
            views.append(
                MotionView(
                    motion=motion_id(one.name),
                    asked=one.motion,
                    needed=stands.needed,
                    have=stands.have,
                    lines_needed=stands.lines_needed,
                    lines_have=stands.lines_have,
                    electors=max(len(one.opening), len(state.roll)),
                    here=here,
                    ends_in_s=max(0.0, one.motion.ends - self.context.wall_ms(now) / 1000),
                    own=None if own is None else own.yes,
                    may_vote=self.motions.why_not_vote(one, False, state, wall_s) is None,
                )
            )
        return sorted(views, key=lambda view: (view.ends_in_s, view.motion))

    # -- what was decided

    def decide(self, now: float) -> None:
        """Hands on what is carried to be committed."""
        ready = self.motions.ready(self.epochs.current, self.context.wall_s(now))
        self.epochs.decide(ready, now)

    def expel(self, verdict: Verdict, now: float) -> None:
        """A commit by certificate takes our own seat away. It counts once the others settled it;
        its certificate is good until then, so nothing but its end can change that."""
        if self._expelled is None:
            self._expelled = verdict, now

    def check_expelled(self, now: float) -> None:
        """Whether the others have gone on without us."""
        if self._expelled is None:
            return
        verdict, since = self._expelled
        held = {one.authenticator for one in self.epochs.states()}
        others = any(one.here_in(held, now) for one in self.presence.others())
        gone = now - since >= REMOVED_WAIT_S and not others
        if not gone and not self.epochs.others_moved:
            return
        self._expelled = None
        assert verdict.carried is not None
        self.context.save(b"")
        self.context.tell(Decided(verdict.carried.motion_hash, verdict.carried.motion, True))
        names = self.presence.names(self.name)
        removal = why_removed(verdict, self.epochs.charter, names)
        self.context.tell(Left(f"{removal.how} {' '.join(removal.rules)}", removal))


def why_removed(verdict: Verdict, charter: Charter, names: Mapping[bytes, str]) -> Removal:
    """What one who is removed is told: by whom the rule was applied, and which rule."""
    assert verdict.carried is not None
    carried = verdict.carried
    said = sorted(names.get(seat, "somebody") for seat in carried.voters)
    more = f" and {len(said) - NAMES_MAX} more" if len(said) > NAMES_MAX else ""
    mover = names.get(carried.motion.mover, "somebody")
    how = (
        f"You were removed from the meeting by a vote: {mover} moved it, and "
        f"{carried.standing.have} said yes where {carried.standing.needed} were needed "
        f"({', '.join(said[:NAMES_MAX])}{more}). The rule that you agreed to when you came in:"
    )
    return Removal(how, tuple(rules_of(charter, MotionKind.REMOVE)))
