"""Motions and ballots as one member has them: what is asked, who answered, what is to be committed
(architecture §6, "Ballots").

Nothing here decides who is in the meeting: that is the judge's, of the commit that carries the
certificate. Here an honest member keeps to what no commit can show: it takes each elector's first
answer and no other, one open yes to a removal from each, and it answers no motion that names other
electors than there were at its opening. Motions and ballots are logged records, so that all have
them, whoever repeats them; what cannot be judged yet (another's epoch, a motion that comes after
its ballots) waits.

**One yes at a time.** Records come in any order, so who counts may not yet know that the motion of
an earlier yes is over. Every yes is kept, therefore, and of an elector's yeses to removals that are
open here that counts which opened first, of equal ones that with the lower hash; when that motion
is over the next does. Likewise a motion waits that is one too many only because others are still
open here. So all who have the same records count the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from folkmoot.governance.ballot import Ballot
from folkmoot.governance.certificate import Certificate
from folkmoot.governance.charter import Admission
from folkmoot.governance.judge import Carried, terms_after
from folkmoot.governance.motion import MOTION_S_MAX, Motion, MotionKind, SignedMotion
from folkmoot.governance.refusals import Refusal
from folkmoot.governance.roll import Roll
from folkmoot.governance.standing import Standing, standing, voters
from folkmoot.meeting.early_votes import (
    BALLOTS_OF_SEAT_MAX,
    MOTIONS_OF_SEAT_MAX,
    Early,
    EarlyVotes,
)
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import BallotCast, Decided, Event, MotionMade, Refused
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import load_public_key

MOTIONS_MAX = 64  # open at the same time
MOTIONS_OF_MEMBER_MAX = 3  # of those, by one member
ROLLS_MAX = 16  # of the last epochs
KEPT_MAX = 256  # motions that are over, so that no record opens them again
# A flood is refused with a reason, which is said once a while and not once a record.
SAID_EVERY_S = 30
SAID_MAX = 256
# A motion's opening is by its mover's clock; people's clocks are often half a minute off.
CLOCK_S = 45
# A commit may settle a few seconds after the last tick at which its certificate is good.
DECIDE_AFTER_S = 5


@dataclass(slots=True)
class OpenMotion:
    """One motion; `name` is its hash, `opening` the roll that it names."""

    signed: SignedMotion
    name: bytes
    opening: Roll
    ballots: dict[bytes, Ballot] = field(default_factory=dict)
    bound: set[bytes] = field(default_factory=set)  # seats whose yes is another motion's for now
    told: set[bytes] = field(default_factory=set)  # of whose answers we were told

    @property
    def counted(self) -> dict[bytes, Ballot]:
        """The ballots that count."""
        return {seat: one for seat, one in self.ballots.items() if seat not in self.bound}

    @property
    def motion(self) -> Motion:
        return self.signed.motion

    @property
    def yes(self) -> list[bytes]:
        return [seat for seat, ballot in self.counted.items() if ballot.yes]

    def stands(self, state: EpochState) -> Standing | None:
        """How it stands in this epoch."""
        return standing(state.terms.charter, self.motion, self.opening, state.roll, self.yes)

    def voters(self, state: EpochState) -> frozenset[bytes]:
        return voters(self.motion, self.opening, state.roll)


@dataclass(frozen=True, slots=True)
class Decision:
    """A motion that is carried and waits to be committed."""

    name: bytes
    signed: SignedMotion
    opening: Roll
    ballots: dict[bytes, Ballot]

    def certificate(self, now: Roll) -> Certificate:
        """Its certificate, for a commit on a parent with the roll `now`: of those whose ballots
        still count."""
        counted = voters(self.signed.motion, self.opening, now)
        yes = {seat: one for seat, one in self.ballots.items() if one.yes and seat in counted}
        return Certificate.of(self.signed, self.opening, now, yes)


@dataclass(slots=True)
class _Roll:
    """A roll of ours, and from when to when, in wall seconds."""

    roll: Roll
    since: int
    until: int | None


class Motions:
    """The motions of one meeting."""

    def __init__(self, group_id: bytes, own_seat: bytes, tell: Callable[[Event], None]) -> None:
        self._group_id = group_id
        self._own = own_seat
        self._tell = tell
        self.open: dict[bytes, OpenMotion] = {}
        self._over: dict[bytes, None] = {}
        self._early_motions = EarlyVotes(MOTIONS_OF_SEAT_MAX)
        self._early_ballots = EarlyVotes(BALLOTS_OF_SEAT_MAX)
        self._rolls: dict[bytes, _Roll] = {}
        self._said: dict[tuple[bytes, str], int] = {}  # reasons, of whose, and when
        self._closed = False  # a motion, since what waits was last looked at

    # -- the epoch changed

    def follow(self, state: EpochState, wall_s: int) -> None:
        """A new epoch: its roll is remembered, and what waited for it is looked at again."""
        name = state.roll.hash
        for other, one in self._rolls.items():
            if other != name and one.until is None:
                one.until = wall_s
        known = self._rolls.pop(name, None)
        # What the roll was before we came we cannot know; who came with us has no vote on it.
        since = wall_s if self._rolls else 0
        self._rolls[name] = _Roll(state.roll, since if known is None else known.since, None)
        while len(self._rolls) > ROLLS_MAX:
            self._rolls.pop(next(iter(self._rolls)))
        self._retry(state, wall_s)

    def _retry(self, state: EpochState, wall_s: int) -> None:
        for one in self._early_motions.take_all():
            self.receive_motion(one.body, state, wall_s, one)
        for one in self._early_ballots.take_all():
            self.receive_ballot(one.body, state, wall_s, one)

    def carried_out(self, carried: Carried) -> None:
        """A commit with this motion's certificate settled."""
        self._close(carried.motion_hash)
        self._tell(Decided(carried.motion_hash, carried.motion, True))

    def _refuse(self, what: str, why: str, seat: bytes, wall_s: int) -> None:
        before = self._said.pop((seat, why), None)
        if before is not None and wall_s - before < SAID_EVERY_S:
            self._said[seat, why] = before
            return
        if len(self._said) >= SAID_MAX:
            self._said.pop(next(iter(self._said)))
        self._said[seat, why] = wall_s
        self._tell(Refused(what, why, seat))

    def _close(self, name: bytes) -> None:
        self.open.pop(name, None)
        self._note_over(name)
        self._closed = True
        self._count()

    def _count(self) -> None:
        """Which yes of each elector counts."""
        given: set[bytes] = set()
        for one in sorted(self.open.values(), key=lambda one: (one.motion.opens, one.name)):
            if one.motion.kind is MotionKind.REMOVE:
                yes = {seat for seat, ballot in one.ballots.items() if ballot.yes}
                one.bound = yes & given
                given |= yes
            for seat, ballot in one.counted.items():
                if seat not in one.told:
                    one.told.add(seat)
                    self._tell(BallotCast(one.name, seat, ballot.yes))

    def _note_over(self, name: bytes) -> None:
        if len(self._over) >= KEPT_MAX:
            self._over.pop(next(iter(self._over)))
        self._over[name] = None

    # -- hearing

    def _signer(
        self, one: SignedMotion | Ballot, seat: bytes, state: EpochState, early: Early | None
    ) -> tuple[bytes | None, bool]:
        """The key that this seat signs with, None when there is no such seat; and whether it may
        have signed this, which waited as `early`."""
        entry = state.entry_of(seat)
        key = None if entry is None else load_public_key(entry.signature_key)
        if entry is None or key is None:
            return None, True
        looked_at = early is not None and early.key == entry.signature_key
        return entry.signature_key, looked_at or one.verified(key, self._group_id)

    def receive_motion(
        self, body: bytes, state: EpochState, wall_s: int, early: Early | None = None
    ) -> None:
        """A MOTION record, which waited as `early`."""
        try:
            signed = codec.decode(SignedMotion.read, body)
        except DecodeError:
            return
        motion = signed.motion
        name = motion.hash(self._group_id)
        if name in self.open or name in self._over or wall_s > motion.ends:
            return
        key, genuine = self._signer(signed, motion.mover, state, early)
        if not genuine:
            return
        # One that opens in years must not wait for them.
        until = min(motion.ends, wall_s + MOTION_S_MAX) if early is None else early.until
        waits = Early(body, name, motion.mover, key, until)
        known = self._rolls.get(motion.roll_hash)
        if key is None or known is None or motion.charter_hash != state.terms.charter.hash:
            self._early_motions.add(waits)
            return
        why = self._why_not(motion, known, state, wall_s)
        too_many = self._too_many(motion.mover)
        if why is None and too_many is None:
            self._take(OpenMotion(signed, name, known.roll), state, wall_s)
            return
        if why is None and self._early_motions.count_of(motion.mover) < MOTIONS_OF_MEMBER_MAX:
            self._early_motions.add(waits)
        else:
            self._note_over(name)
        self._refuse("motion", why or too_many or "", motion.mover, wall_s)

    def _too_many(self, mover: bytes) -> str | None:
        """Why one more motion of this member has no place now, in a sentence."""
        moved = sum(one.motion.mover == mover for one in self.open.values())
        if moved >= MOTIONS_OF_MEMBER_MAX:
            return f"One member has at most {MOTIONS_OF_MEMBER_MAX} motions open at a time."
        if len(self.open) >= MOTIONS_MAX:
            return f"There are {MOTIONS_MAX} motions open already."
        return None

    def _take(self, one: OpenMotion, state: EpochState, wall_s: int) -> None:
        self.open[one.name] = one
        stands = one.stands(state)
        assert stands is not None  # `_why_not` looked
        self._tell(MotionMade(one.name, one.motion, stands.needed))
        for early in self._early_ballots.take_about(one.name):
            self.receive_ballot(early.body, state, wall_s, early)

    def _why_not(self, motion: Motion, known: _Roll, state: EpochState, wall_s: int) -> str | None:
        """Why this motion is not taken up, in a sentence."""
        if motion.mover not in known.roll or motion.mover not in state.roll:
            return "A guest moved something: guests do not vote."
        if motion.opens > wall_s + CLOCK_S:
            return "A motion opens later than now."
        until = wall_s if known.until is None else known.until
        if not known.since - CLOCK_S <= motion.opens <= until + CLOCK_S:
            return "A motion names other electors than there were at its opening."
        return why_impossible(motion, known.roll, state)

    def receive_ballot(
        self, body: bytes, state: EpochState, wall_s: int, early: Early | None = None
    ) -> None:
        """A BALLOT record, which waited as `early`. The first answer of an elector counts and
        stays."""
        try:
            ballot = codec.decode(Ballot.read, body)
        except DecodeError:
            return
        if ballot.motion in self._over:
            return
        key, genuine = self._signer(ballot, ballot.seat, state, early)
        if not genuine:
            return
        one = self.open.get(ballot.motion)
        if one is None:
            until = wall_s + MOTION_S_MAX if early is None else early.until
            self._early_ballots.add(Early(body, ballot.motion, ballot.seat, key, until))
            return
        if key is None:
            return
        why = self._why_not_ballot(one, ballot, state, wall_s)
        if why is not None:
            if why:
                self._refuse("ballot", why, ballot.seat, wall_s)
            return
        one.ballots[ballot.seat] = ballot
        self._count()
        if ballot.seat in one.bound:
            why = "One member has one open yes to a removal at a time."
            self._refuse("ballot", why, ballot.seat, wall_s)

    def _why_not_ballot(
        self, one: OpenMotion, ballot: Ballot, state: EpochState, wall_s: int
    ) -> str | None:
        """Why this answer is not counted; empty when there is nothing to say about it."""
        if wall_s > one.motion.ends:
            return ""
        if one.motion.kind is MotionKind.REMOVE and ballot.seat == one.motion.subject:
            return "Who is to be removed has no ballot."
        if ballot.seat not in one.voters(state):
            return "A ballot by somebody who does not vote on this."
        first = one.ballots.get(ballot.seat)
        if first is not None:
            return "" if first.yes == ballot.yes else "A ballot was changed: the first one counts."
        return None

    def _bound(self, seat: bytes, one: OpenMotion) -> bool:
        """Whether this elector's yes to a removal is given to another motion."""
        if one.motion.kind is not MotionKind.REMOVE:
            return False
        return any(
            other is not one
            and other.motion.kind is MotionKind.REMOVE
            and seat in other.ballots
            and other.ballots[seat].yes
            for other in self.open.values()
        )

    # -- answering

    def why_not_vote(
        self, one: OpenMotion, yes: bool, state: EpochState, wall_s: int
    ) -> str | None:
        """Why we cannot answer so, in a sentence for us, or None when we can."""
        if wall_s > one.motion.ends:
            return "The time to vote on this is over."
        if one.motion.kind is MotionKind.REMOVE and one.motion.subject == self._own:
            return "You have no vote on your own removal."
        if self._own not in one.voters(state):
            return "You have no vote on this."
        if self._own in one.ballots:
            return "You have voted on this already, and votes are final."
        if yes and self._bound(self._own, one):
            return "You have said yes to another removal that is still open: one at a time."
        return None

    # -- deciding

    def ready(self, state: EpochState, wall_s: int) -> list[Decision]:
        """Motions that are carried and can be committed now, those that end first first."""
        found = []
        for one in self.open.values():
            stands = one.stands(state)
            in_time = one.motion.opens <= wall_s <= one.motion.ends
            if in_time and stands is not None and stands.carried:
                found.append(Decision(one.name, one.signed, one.opening, one.counted))
        return sorted(found, key=lambda one: (one.signed.motion.ends, one.name))

    def handle_timer(self, state: EpochState, wall_s: int) -> None:
        """Motions whose time is over, or that nothing can carry any more, have failed."""
        for name, one in list(self.open.items()):
            if wall_s > one.motion.ends + DECIDE_AFTER_S or self._is_lost(one, state):
                self._close(name)
                self._tell(Decided(name, one.motion, False))
        if self._closed:
            self._closed = False
            self._retry(state, wall_s)
        self._early_motions.forget(wall_s)
        self._early_ballots.forget(wall_s)

    @staticmethod
    def _is_lost(one: OpenMotion, state: EpochState) -> bool:
        if one.motion.charter_hash != state.terms.charter.hash:
            return True  # the rules that it was moved under are gone
        no = {seat for seat, ballot in one.ballots.items() if not ballot.yes}
        could = one.voters(state) - no
        best = standing(state.terms.charter, one.motion, one.opening, state.roll, could)
        return (
            best is None
            or not best.carried
            or why_impossible(one.motion, one.opening, state) is not None
        )


def why_impossible(motion: Motion, opening: Roll, state: EpochState) -> str | None:
    """Why a motion cannot be carried out in this epoch whatever the ballots, in a sentence."""
    seats: Iterable[bytes] = {entry.seat for entry in state.roster}
    removal = motion.kind is MotionKind.REMOVE
    everybody = voters(motion, opening, state.roll)
    best = standing(state.terms.charter, motion, opening, state.roll, everybody)
    if best is None or not best.carried:
        if removal:
            return "Nobody can be removed here: the charter says never, or too few vote."
        return "The charter says that this can never be changed."
    if removal:
        return None if motion.subject in set(seats) else "There is no such member."
    if motion.kind is MotionKind.ADMIT:
        by_ballot = state.terms.charter.admission is Admission.BALLOT
        return None if by_ballot else "This meeting does not let people in by a vote."
    try:
        terms_after(motion, state.terms, set(seats))
    except Refusal as refusal:
        return refusal.detail or f"It cannot be done: {refusal.rule.sentence}."
    except DecodeError:
        return "More electors than a meeting can have."
    return None
