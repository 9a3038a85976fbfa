"""Whether a staged Commit is one that the members agreed to when they joined (architecture §6).

The judge sees a Commit that is correct MLS and has changed nothing yet, and answers from the
parent's roster and terms and the evidence in the Commit alone, so every honest member comes to the
same answer whatever it saw before. What it does not know it refuses. There are two kinds of commits
that pass, both by electors only:

- by *consent*: Adds and Removes, each with exactly one piece of evidence by whoever had the right
  to ask for it;
- by *certificate*: one, alone, and the commit does what its motion says and nothing else.

The GroupContext's extensions afterwards are exactly what follows from that evidence, byte for byte.
Everything else that RFC 9420 allows (external commits and proposals, updates by reference,
re-initialisation, pre-shared keys, other extensions) has no place in a meeting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from folkmoot.governance import certificate as certificates
from folkmoot.governance.certificate import check_certificate
from folkmoot.governance.charter import Admission, Charter, Electors, amendment_refused
from folkmoot.governance.evidence import (
    ADMISSION_S,
    SEAT_BYTES,
    Certificate,
    CommitEvidence,
    Farewell,
    Readmission,
    Sponsor,
    decode_commit_evidence,
    farewell_content,
    readmission_content,
    sponsor_content,
)
from folkmoot.governance.extension import MeetingExtension
from folkmoot.governance.motion import Motion, MotionKind
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.governance.roll import Roll
from folkmoot.governance.seat import seat_of
from folkmoot.governance.standing import Standing
from folkmoot.governance.terms import Pairs, Terms
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import Sign, load_public_key, verify


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """One member in the parent: leaf index, seat (16 bytes), Ed25519 key (32), encoded leaf
    node."""

    leaf: int
    seat: bytes
    signature_key: bytes
    leaf_node: bytes

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256 of the encoded leaf node, 32 bytes."""
        return hashlib.sha256(self.leaf_node).digest()


@dataclass(frozen=True, slots=True)
class Newcomer:
    """One Add: reference of its key package, the seat it names and its Ed25519 key."""

    reference: bytes
    seat: bytes
    signature_key: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """A staged Commit as the judge needs it: who made it, what it adds and whom it removes, the
    GroupContext's extensions if it sets them, and what else in it has no place in a meeting
    (`other`, or None)."""

    committer: int | None
    authenticated_data: bytes
    adds: tuple[Newcomer, ...]
    removes: tuple[int, ...]
    other: Refusal | None
    extensions: Pairs | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """What was voted on, by whose yes, and how it stood."""

    motion: Motion
    motion_hash: bytes
    voters: tuple[bytes, ...]
    standing: Standing


@dataclass(frozen=True, slots=True)
class Verdict:
    """An allowed change: seats that join for the first time, leave, and come back on a fresh leaf;
    the terms afterwards; and the motion that it carries out, if it is by certificate."""

    tick: int
    joined: tuple[bytes, ...]
    left: tuple[bytes, ...]
    readmitted: tuple[bytes, ...]
    terms: Terms
    carried: Carried | None = None

    @property
    def removed(self) -> bytes | None:
        """The seat that is taken away by ballots."""
        one = None if self.carried is None else self.carried.motion
        return one.subject if one is not None and one.kind is MotionKind.REMOVE else None

    @property
    def gone(self) -> tuple[bytes, ...]:
        """The seats of all who are out afterwards."""
        return self.left if self.removed is None else (*self.left, self.removed)

    @property
    def takes_away(self) -> bool:
        """Whether a member is out afterwards."""
        return bool(self.gone)


@dataclass(frozen=True, slots=True)
class _Parent:
    """What a commit is judged against."""

    group_id: bytes
    by_leaf: dict[int, RosterEntry]
    by_seat: dict[bytes, RosterEntry]
    terms: Terms
    roll: Roll

    @property
    def charter(self) -> Charter:
        return self.terms.charter


def judge(
    change: Change,
    *,
    group_id: bytes,
    roster: Sequence[RosterEntry],
    terms: Terms,
    parent_tick: int,
) -> Verdict:
    """The verdict on an allowed change; raises Refusal with the reason for any other."""
    if change.committer is None:
        raise Refusal(Rule.EXTERNAL_COMMIT)
    if change.other is not None:
        raise change.other
    try:
        evidence = decode_commit_evidence(change.authenticated_data)
    except DecodeError as error:
        raise Refusal(Rule.EVIDENCE, str(error)) from None
    if evidence.tick < parent_tick:
        raise Refusal(Rule.TICK)
    by_leaf = {entry.leaf: entry for entry in roster}
    by_seat = {entry.seat: entry for entry in roster}
    parent = _Parent(group_id, by_leaf, by_seat, terms, terms.roll(by_seat))
    if by_leaf[change.committer].seat not in parent.roll:
        raise Refusal(Rule.COMMITTER_GUEST)
    by_ballots = any(isinstance(one, Certificate) for one in evidence.evidence)
    decide = _judge_certificate if by_ballots else _judge_consent
    try:
        verdict = decide(change, evidence, parent)
    except DecodeError as error:  # of a roll that would be too long
        raise Refusal(Rule.ROLL_FULL, str(error)) from None
    expected = None if verdict.terms == terms else verdict.terms.extensions()
    if change.extensions != expected:
        raise Refusal(Rule.CONTEXT)
    return verdict


def _judge_consent(change: Change, evidence: CommitEvidence, parent: _Parent) -> Verdict:
    """A commit of what its subjects asked for themselves, and sponsors for newcomers."""
    sorted_out = _sort_evidence(evidence)
    left, returning = _judge_removes(change, sorted_out, parent)
    joined: dict[bytes, bytes] = {}  # and who brought them in
    readmitted: list[bytes] = []
    for newcomer in change.adds:
        back = returning.pop(newcomer.reference, None)
        if back is not None:
            if back.seat != newcomer.seat:
                raise Refusal(Rule.READMISSION_SEAT)
            if parent.by_seat[back.seat].signature_key != newcomer.signature_key:
                raise Refusal(Rule.READMISSION_KEY)
        _check_newcomer(newcomer)
        if back is not None:
            readmitted.append(newcomer.seat)
            continue
        if newcomer.seat in joined:
            raise Refusal(Rule.SEAT_TAKEN)
        _check_seat_free(newcomer, parent)
        by = _check_admission(sorted_out, newcomer, parent, evidence.tick)
        joined[newcomer.seat] = newcomer.seat if by is None else by
    if returning:
        raise Refusal(Rule.READMISSION_ALONE)
    if sorted_out.departures or sorted_out.sponsors:
        raise Refusal(Rule.EVIDENCE_LEFT)
    stayed = parent.by_seat.keys() - set(left)
    terms = parent.terms.joined(stayed, joined.items())
    return Verdict(evidence.tick, tuple(joined), tuple(left), tuple(readmitted), terms)


def _judge_removes(
    change: Change, evidence: _Sorted, parent: _Parent
) -> tuple[list[bytes], dict[bytes, Readmission]]:
    """Who leaves, and who comes back by which key package."""
    left: list[bytes] = []
    returning: dict[bytes, Readmission] = {}
    for leaf in change.removes:
        entry = parent.by_leaf.get(leaf)
        if entry is None:
            raise Refusal(Rule.REMOVES_NOBODY)
        if leaf == change.committer:
            raise Refusal(Rule.REMOVES_COMMITTER)
        one = evidence.departures.pop(entry.seat, None)
        if one is None:
            raise Refusal(Rule.REMOVE_UNPROVEN)
        _check_departure(one, entry, parent.group_id)
        if isinstance(one, Farewell):
            left.append(entry.seat)
        else:
            returning[one.reference] = one
    return left, returning


def _check_newcomer(newcomer: Newcomer) -> None:
    if len(newcomer.seat) != SEAT_BYTES:
        raise Refusal(Rule.SEAT_SIZE)
    if load_public_key(newcomer.signature_key) is None:
        raise Refusal(Rule.NEWCOMER_KEY)
    if newcomer.seat != seat_of(newcomer.signature_key):
        raise Refusal(Rule.SEAT_KEY)


def _check_seat_free(newcomer: Newcomer, parent: _Parent) -> None:
    if newcomer.seat in parent.by_seat or not parent.terms.takes(newcomer.seat):
        raise Refusal(Rule.SEAT_TAKEN)


def _judge_certificate(change: Change, evidence: CommitEvidence, parent: _Parent) -> Verdict:
    """A commit of what the electors decided."""
    one = evidence.evidence[0]
    if len(evidence.evidence) > 1 or not isinstance(one, Certificate):
        raise Refusal(Rule.CERTIFICATE_ALONE)
    try:
        proof = certificates.Certificate.decode(one.data)
    except DecodeError as error:
        raise Refusal(Rule.CERTIFICATE, str(error)) from None
    stands = check_certificate(
        proof,
        group_id=parent.group_id,
        tick=evidence.tick,
        charter=parent.charter,
        roll=parent.roll,
        keys={seat: entry.signature_key for seat, entry in parent.by_seat.items()},
    )
    motion = proof.moved.motion
    voters = tuple(seat for seat, _ in proof.ballots)
    carried = Carried(motion, motion.hash(parent.group_id), voters, stands)
    if motion.kind is MotionKind.REMOVE:
        _check_removal(change, motion, parent)
        return Verdict(evidence.tick, (), (), (), parent.terms, carried)
    if motion.kind is MotionKind.ADMIT:
        newcomer = _check_admitted(change, motion, parent)
        terms = parent.terms.joined(parent.by_seat.keys(), [(newcomer.seat, motion.mover)])
        return Verdict(evidence.tick, (newcomer.seat,), (), (), terms, carried)
    if change.adds or change.removes:
        raise Refusal(Rule.CERTIFICATE_CHANGE)
    terms = terms_after(motion, parent.terms, parent.by_seat.keys())
    return Verdict(evidence.tick, (), (), (), terms, carried)


def _check_removal(change: Change, motion: Motion, parent: _Parent) -> None:
    entry = parent.by_seat.get(motion.subject)
    if entry is None:
        raise Refusal(Rule.REMOVES_NOBODY)
    if entry.leaf == change.committer:
        raise Refusal(Rule.REMOVES_COMMITTER)
    if change.adds or change.removes != (entry.leaf,):
        raise Refusal(Rule.CERTIFICATE_CHANGE)


def _check_admitted(change: Change, motion: Motion, parent: _Parent) -> Newcomer:
    if parent.charter.admission is not Admission.BALLOT:
        raise Refusal(Rule.BALLOT_UNWANTED)
    if change.removes or len(change.adds) != 1 or change.adds[0].reference != motion.subject:
        raise Refusal(Rule.CERTIFICATE_CHANGE)
    newcomer = change.adds[0]
    _check_newcomer(newcomer)
    _check_seat_free(newcomer, parent)
    return newcomer


def terms_after(motion: Motion, terms: Terms, seats: Collection[bytes]) -> Terms:
    """The terms once a motion to raise somebody, to amend the charter or to change relays or lanes
    is carried out, where `seats` are on the roster; raises Refusal when it cannot be."""
    if motion.kind is MotionKind.RAISE:
        guest = motion.subject in seats and motion.subject not in terms.roll(seats)
        if terms.charter.electors is not Electors.VOUCHED or not guest:
            raise Refusal(Rule.RAISES_NOBODY)
        return terms.raised(seats, motion.subject, motion.mover)
    if motion.kind is MotionKind.AMEND:
        charter = Charter.decode(motion.subject)
        why = amendment_refused(terms.charter, charter)
        if why is not None:
            raise Refusal(Rule.AMENDMENT, why)
        return replace(terms, meeting=replace(terms.meeting, charter=charter))
    assert motion.kind is MotionKind.RELAYS  # the others do not change the terms by themselves
    after = replace(terms, meeting=MeetingExtension.decode(motion.subject))
    if after == terms:
        raise Refusal(Rule.RELAYS_SAME)
    return after


@dataclass(slots=True)
class _Sorted:
    sponsors: dict[bytes, Sponsor]
    departures: dict[bytes, Farewell | Readmission]


def _sort_evidence(evidence: CommitEvidence) -> _Sorted:
    """Evidence by what it is for; one piece for each."""
    result = _Sorted({}, {})
    for one in evidence.evidence:
        if isinstance(one, Sponsor):
            if one.reference in result.sponsors:
                raise Refusal(Rule.SPONSOR_TWICE)
            result.sponsors[one.reference] = one
        elif isinstance(one, Farewell | Readmission):
            if one.seat in result.departures:
                raise Refusal(Rule.SEAT_TWICE)
            result.departures[one.seat] = one
    return result


def _check_departure(one: Farewell | Readmission, entry: RosterEntry, group_id: bytes) -> None:
    if one.leaf_hash != entry.leaf_hash:
        raise Refusal(Rule.LEAF_STALE)
    key = load_public_key(entry.signature_key)
    if isinstance(one, Farewell):
        label, content = Sign.FAREWELL, farewell_content(group_id, entry.seat, one.leaf_hash)
    else:
        label = Sign.READMISSION
        content = readmission_content(group_id, entry.seat, one.leaf_hash, one.reference)
    if key is None or not verify(key, label, content, one.signature):
        raise Refusal(Rule.DEPARTURE_SIGNATURE)


def _check_admission(
    evidence: _Sorted, newcomer: Newcomer, parent: _Parent, tick: int
) -> bytes | None:
    """Who let this newcomer in; None where nobody needs to."""
    sponsor = evidence.sponsors.pop(newcomer.reference, None)
    admission = parent.charter.admission
    if admission is Admission.OPEN:
        if sponsor is not None:
            raise Refusal(Rule.SPONSOR_UNWANTED)
        return None
    if admission is not Admission.SPONSOR:
        raise Refusal(Rule.BALLOT)
    entry = None if sponsor is None else parent.by_seat.get(sponsor.seat)
    key = None if entry is None else load_public_key(entry.signature_key)
    if sponsor is None or key is None or sponsor.seat not in parent.roll:
        raise Refusal(Rule.NOT_ADMITTED)
    if not tick <= sponsor.until <= tick + ADMISSION_S:
        raise Refusal(Rule.ADMISSION_TIME)
    content = sponsor_content(parent.group_id, sponsor.seat, newcomer.reference, sponsor.until)
    if not verify(key, Sign.ADMISSION, content, sponsor.signature):
        raise Refusal(Rule.ADMISSION_SIGNATURE)
    return sponsor.seat
