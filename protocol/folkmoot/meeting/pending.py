"""What waits for the next commit: newcomers let in, members who leave, members who come back.

Everybody holds the same list, since each item travels as a logged record with its evidence; so
whoever's turn it is can commit it, and nobody depends on the one who asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from folkmoot import mls
from folkmoot.governance.charter import Admission, Charter
from folkmoot.governance.evidence import (
    Certificate,
    CommitEvidence,
    Evidence,
    Farewell,
    Readmission,
    Sponsor,
    farewell_content,
    read_evidence,
    readmission_content,
    sponsor_content,
)
from folkmoot.governance.judge import terms_after
from folkmoot.governance.motion import MOTION_S_MAX, MotionKind
from folkmoot.governance.refusals import Refusal
from folkmoot.governance.roll import ROLL_MAX
from folkmoot.governance.seat import seat_of
from folkmoot.governance.terms import Terms
from folkmoot.meeting.door import KEY_PACKAGE_BYTES_MAX
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.motions import Decision
from folkmoot.wire import codec
from folkmoot.wire.labels import Sign, load_public_key, verify

PENDING_MAX = 256  # of each kind
# So that a commit and its Welcome stay small enough for the council: newcomers and members who come
# back together, each with a key package of 720 bytes at most; and members who leave.
COMMIT_ADDS_MAX = 32
COMMIT_FAREWELLS_MAX = 64
SPONSORED_MAX = 128  # by one member: who lets in hundreds keeps nobody else's newcomers out
PENDING_AGE_S = 120.0
ASK_AGE_S = MOTION_S_MAX + 60.0  # as long as a motion may be open about them
SPOILT_MAX = 64
USED_MAX = 4096


@dataclass(frozen=True, slots=True)
class Request:
    """A key package that asks for a leaf, with the evidence for it (None: the charter asks for
    none)."""

    key_package: bytes
    evidence: Sponsor | Readmission | None

    def encode(self) -> bytes:
        evidence = None if self.evidence is None else self.evidence.encode()
        return codec.opaque(self.key_package) + codec.optional(evidence)

    @classmethod
    def read(cls, reader: codec.Reader) -> Request:
        key_package = reader.opaque(KEY_PACKAGE_BYTES_MAX)
        evidence = reader.optional(read_evidence)
        if evidence is not None and not isinstance(evidence, Sponsor | Readmission):
            raise codec.DecodeError("evidence that asks for nothing")
        return cls(key_package, evidence)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that was checked: its reference, seat and key, and when it came."""

    request: Request
    reference: bytes
    seat: bytes
    signature_key: bytes
    since: float


@dataclass(frozen=True, slots=True)
class Plan:
    """The next commit: proposals and the evidence that goes with them. `takes_away`: a member is
    out afterwards; `by_ballots`: because the electors removed it."""

    proposals: tuple[mls.Proposal, ...]
    evidence: tuple[Evidence, ...]
    takes_away: bool = False
    by_ballots: bool = False
    motion: bytes | None = None  # the hash of the motion that it carries out

    @property
    def only_adds(self) -> bool:
        """Whether it does nothing but let people in."""
        return self.motion is None and not any(isinstance(x, mls.Remove) for x in self.proposals)

    def authenticated_data(self, tick: int) -> bytes:
        return CommitEvidence(tick, self.evidence).encode()


@dataclass(slots=True)
class Pending:
    """The items of one meeting; `own_seat` never commits its own departure."""

    charter: Charter
    own_seat: bytes
    adds: dict[bytes, Waiting] = field(default_factory=dict)
    returns: dict[bytes, Waiting] = field(default_factory=dict)  # by seat: the newest counts
    farewells: dict[bytes, Farewell] = field(default_factory=dict)  # by seat
    used: dict[bytes, None] = field(default_factory=dict)
    # Who asks where the electors admit: committed with a certificate only.
    asks: dict[bytes, Waiting] = field(default_factory=dict)
    certified: list[Decision] = field(default_factory=list)  # motions carried, the next one first
    spoilt: dict[bytes, None] = field(default_factory=dict)  # of those, what could not be committed
    left: dict[bytes, None] = field(default_factory=dict)  # seats

    def ask(self, request: Request, state: EpochState, *, wall_s: int, now: float) -> str | None:
        """Takes a request in if its evidence is good now; else says why not."""
        try:
            view = mls.parse_key_package(request.key_package)
        except mls.MlsError as error:
            return f"its key package is not valid: {error}"
        if view.suite != state.group.suite:
            return "its key package is for another kind of meeting"
        if load_public_key(view.signature_key) is None:
            return "its key is not one that anybody can be held to"
        if view.identity != seat_of(view.signature_key):
            return "its seat is not the one of its key"
        if not view.not_before <= wall_s <= view.not_after:
            # Who commits must not put in what is out of date (RFC 9420 §7.3). Ours hold for ever:
            # a newcomer's clock may be wrong, and an admission soon ends by its sponsor's clock.
            return "its key package is not for this time"
        waiting = Waiting(request, view.ref, view.identity, view.signature_key, now)
        evidence = request.evidence
        if isinstance(evidence, Readmission):
            return self._ask_return(waiting, evidence, state)
        if state.entry_of(view.identity) is not None or view.ref in self.used:
            return "its seat is taken, or was"
        if view.identity in self.left:
            # Its admission may still be good, and the record of it come late: nobody would be there
            # in the seat, and nobody could take it away.
            return "its member left"
        if evidence is None:
            if self.charter.admission is Admission.SPONSOR:
                return "nobody let it in"
        elif self.charter.admission is not Admission.SPONSOR:
            return "no one member lets people in here"
        elif not self._sponsored(evidence, view.ref, state):
            return "who let it in is not a member who votes"
        elif evidence.until < wall_s:
            return "that was too long ago"
        if not state.terms.takes(view.identity):
            return "its seat is taken, or was"
        rivals = (*self.adds.values(), *self.asks.values(), *self.returns.values())
        if state.has_key(view.signature_key) or any(
            one.reference != view.ref
            and (one.seat == view.identity or one.signature_key == view.signature_key)
            for one in rivals
        ):
            # Two of them in one commit would spoil it for everybody else in it.
            return "its seat or key is another's"
        if self.charter.admission is Admission.BALLOT:
            if view.ref not in self.asks and len(self.asks) >= PENDING_MAX:
                return "too many wait already"
            self.asks.setdefault(view.ref, waiting)
            return None
        if view.ref not in self.adds and not self._has_room(evidence):
            return "too many wait already"
        self.adds.setdefault(view.ref, waiting)
        return None

    def _has_room(self, evidence: Sponsor | None) -> bool:
        if len(self.adds) >= PENDING_MAX:
            return False
        if evidence is None:
            return True
        sponsors = [one.request.evidence for one in self.adds.values()]
        theirs = [one for one in sponsors if isinstance(one, Sponsor) and one.seat == evidence.seat]
        return len(theirs) < SPONSORED_MAX

    def _ask_return(self, waiting: Waiting, one: Readmission, state: EpochState) -> str | None:
        entry = state.entry_of(one.seat)
        if entry is None or waiting.seat != one.seat or waiting.reference != one.reference:
            return "there is no such seat"
        if one.reference in self.used:
            return "it has that leaf already"
        if entry.leaf_hash != one.leaf_hash or entry.signature_key != waiting.signature_key:
            return "that leaf is not in the tree now"
        key = load_public_key(entry.signature_key)
        content = readmission_content(
            state.group.group_id, one.seat, one.leaf_hash, waiting.reference
        )
        if key is None or not verify(key, Sign.READMISSION, content, one.signature):
            return "the readmission is not signed by its member"
        if one.seat not in self.returns and len(self.returns) >= PENDING_MAX:
            return "too many wait already"
        self.returns[one.seat] = waiting
        return None

    def _sponsored(self, evidence: Sponsor, reference: bytes, state: EpochState) -> bool:
        entry = state.entry_of(evidence.seat)
        key = None if entry is None else load_public_key(entry.signature_key)
        if key is None or evidence.reference != reference or evidence.seat not in state.roll:
            return False
        content = sponsor_content(state.group.group_id, evidence.seat, reference, evidence.until)
        return verify(key, Sign.ADMISSION, content, evidence.signature)

    def grants(self, request: Request) -> bool:
        """Whether a request that was taken in needs nothing more than a commit: where the electors
        admit it waits for their certificate."""
        return request.evidence is not None or self.charter.admission is not Admission.BALLOT

    def certify(self, decisions: list[Decision]) -> bool:
        """These motions are carried; whether they are others than before."""
        before = [one.name for one in self.certified]
        self.certified = [one for one in decisions if one.name not in self.spoilt]
        return before != [one.name for one in self.certified]

    def say_farewell(self, farewell: Farewell, state: EpochState) -> bool:
        """Whether this farewell is good now; it waits for the next commit then."""
        entry = state.entry_of(farewell.seat)
        key = None if entry is None else load_public_key(entry.signature_key)
        if entry is None or key is None or entry.leaf_hash != farewell.leaf_hash:
            return False
        content = farewell_content(state.group.group_id, farewell.seat, farewell.leaf_hash)
        if not verify(key, Sign.FAREWELL, content, farewell.signature):
            return False
        self.farewells[farewell.seat] = farewell
        return True

    def give_up(self, plan: Plan) -> None:
        """This cannot be committed: the motion in it goes, or else the request that came last."""
        if plan.motion is not None:
            if len(self.spoilt) >= SPOILT_MAX:
                self.spoilt.pop(next(iter(self.spoilt)))
            self.spoilt[plan.motion] = None
            self.certified = [one for one in self.certified if one.name != plan.motion]
            return
        self.drop_newest()

    def drop_newest(self) -> None:
        """Gives up the request that came last."""
        waiting = self.adds or self.returns
        if waiting:
            del waiting[next(reversed(waiting))]

    def close_door(self) -> None:
        """Somebody was removed, and there is a new door: who was let in at the old one asks
        anew."""
        self.adds.clear()
        self.asks.clear()

    def done(self, references: Iterable[bytes]) -> None:
        """These key packages were added: none of them is ever added again."""
        for reference in references:
            if len(self.used) >= USED_MAX:
                self.used.pop(next(iter(self.used)))
            self.used[reference] = None

    def gone(self, seats: Iterable[bytes]) -> None:
        """The members in these seats left: nobody sits there ever again."""
        for seat in seats:
            if len(self.left) >= USED_MAX:
                self.left.pop(next(iter(self.left)))
            self.left[seat] = None
            for reference in [one.reference for one in self.adds.values() if one.seat == seat]:
                del self.adds[reference]

    def came_back(self) -> None:
        """Those who asked to be let in while we were away were decided upon without us, and may
        have left since; who let them in asks again if they still wait."""
        self.adds = {
            reference: one
            for reference, one in self.adds.items()
            if isinstance(one.request.evidence, Sponsor)
            and one.request.evidence.seat == self.own_seat
        }

    def prune(self, state: EpochState, *, wall_s: int, now: float) -> None:
        """Drops what the epoch of `state` has done already, what no longer holds, and what is too
        old."""
        for reference, one in list(self.adds.items()):
            sponsor = one.request.evidence
            gone = isinstance(sponsor, Sponsor) and (
                sponsor.seat not in state.roll or sponsor.until < wall_s
            )
            if (
                gone
                or reference in self.used
                or state.entry_of(one.seat) is not None
                or now - one.since > PENDING_AGE_S
            ):
                del self.adds[reference]
        for reference, one in list(self.asks.items()):
            there = state.entry_of(one.seat) is not None
            if reference in self.used or there or now - one.since > ASK_AGE_S:
                del self.asks[reference]
        for seat, one in list(self.returns.items()):
            entry, claim = state.entry_of(seat), one.request.evidence
            assert isinstance(claim, Readmission)
            if entry is None or entry.leaf_hash != claim.leaf_hash:
                del self.returns[seat]
        for seat, farewell in list(self.farewells.items()):
            entry = state.entry_of(seat)
            if entry is None or entry.leaf_hash != farewell.leaf_hash:
                del self.farewells[seat]

    def plan(self, state: EpochState) -> Plan | None:
        """The next commit of ours, or None when there is nothing that we can commit. What the
        electors decided goes first, and alone."""
        for decision in self.certified:
            decided = self._plan_decision(decision, state)
            if decided is not None:
                return decided
        proposals: list[mls.Proposal] = []
        evidence: list[Evidence] = []
        takes_away = False
        for seat, farewell in list(self.farewells.items())[:COMMIT_FAREWELLS_MAX]:
            entry = state.entry_of(seat)
            if entry is not None and seat != self.own_seat:
                proposals.append(mls.Remove(entry.leaf))
                evidence.append(farewell)
                takes_away = True
        leaving = {one.seat for one in evidence if isinstance(one, Farewell)}
        room = COMMIT_ADDS_MAX
        for seat, waiting in self.returns.items():
            entry, claim = state.entry_of(seat), waiting.request.evidence
            staying = entry is not None and seat != self.own_seat and seat not in leaving
            if entry is not None and staying and claim and room:
                proposals.append(mls.Remove(entry.leaf))
                proposals.append(mls.Add(waiting.request.key_package))
                evidence.append(claim)
                room -= 1
        newcomers: list[tuple[bytes, bytes]] = []
        if state.terms.recorded is not None:
            room = min(room, ROLL_MAX - len(state.terms.recorded))
        for waiting in list(self.adds.values())[:room]:
            sponsor = waiting.request.evidence
            proposals.append(mls.Add(waiting.request.key_package))
            if sponsor is not None:
                evidence.append(sponsor)
                newcomers.append((waiting.seat, sponsor.seat))
        if not proposals:
            return None
        stayed = {entry.seat for entry in state.roster} - leaving
        proposals += change_of_terms(state.terms, state.terms.joined(stayed, newcomers))
        return Plan(tuple(proposals), tuple(evidence), takes_away)

    def _plan_decision(self, one: Decision, state: EpochState) -> Plan | None:
        """A commit that carries out a motion; None when we are not the ones to do it."""
        motion, seats = one.signed.motion, {entry.seat for entry in state.roster}
        proposals: list[mls.Proposal] = []
        removal = motion.kind is MotionKind.REMOVE
        if removal:
            entry = state.entry_of(motion.subject)
            if entry is None or motion.subject == self.own_seat:
                return None
            proposals.append(mls.Remove(entry.leaf))
        elif motion.kind is MotionKind.ADMIT:
            waiting = self.asks.get(motion.subject)
            if waiting is None:
                return None
            proposals.append(mls.Add(waiting.request.key_package))
            after = state.terms.joined(seats, [(waiting.seat, motion.mover)])
            proposals += change_of_terms(state.terms, after)
        else:
            try:
                after = terms_after(motion, state.terms, seats)
            except (Refusal, codec.DecodeError):
                return None
            proposals += change_of_terms(state.terms, after)
        evidence = Certificate(one.certificate(state.roll).encode())
        return Plan(tuple(proposals), (evidence,), removal, removal, one.name)


def change_of_terms(before: Terms, after: Terms) -> list[mls.Proposal]:
    """The proposal that leads from the one to the other; none where nothing changes."""
    if before == after:
        return []
    return [mls.GroupContextExtensions([mls.Extension(*pair) for pair in after.extensions()])]
