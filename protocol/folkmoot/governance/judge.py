"""Whether a staged Commit is one that the members agreed to when they joined (architecture §6).

The judge sees a Commit that is correct MLS and has changed nothing yet, and answers from the
parent's roster, the charter and the evidence in the Commit alone, so every honest member comes to
the same answer whatever it saw before. What it does not know it refuses: only Adds and Removes by
the committer itself pass, each with exactly one piece of evidence; everything else RFC 9420 allows
(external commits and proposals, updates by reference, re-initialisation, pre-shared keys,
extension changes) has no place in a meeting yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from folkmoot.governance.charter import Admission, Charter
from folkmoot.governance.evidence import (
    ADMISSION_S,
    SEAT_BYTES,
    CommitEvidence,
    Farewell,
    Readmission,
    Sponsor,
    decode_commit_evidence,
    farewell_content,
    readmission_content,
    sponsor_content,
)
from folkmoot.governance.refusals import Refusal, Rule
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
    """A staged Commit as the judge needs it: who made it, what it adds and whom it removes, and
    what else in it has no place in a meeting (`other`, or None)."""

    committer: int | None
    authenticated_data: bytes
    adds: tuple[Newcomer, ...]
    removes: tuple[int, ...]
    other: Refusal | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """An allowed change: seats that join for the first time, leave, and come back on a fresh
    leaf."""

    tick: int
    joined: tuple[bytes, ...]
    left: tuple[bytes, ...]
    readmitted: tuple[bytes, ...]


def judge(
    change: Change,
    *,
    group_id: bytes,
    roster: Sequence[RosterEntry],
    charter: Charter,
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
    sorted_out = _sort_evidence(evidence)
    left: list[bytes] = []
    returning: dict[bytes, Readmission] = {}
    for leaf in change.removes:
        entry = by_leaf.get(leaf)
        if entry is None:
            raise Refusal(Rule.REMOVES_NOBODY)
        if leaf == change.committer:
            raise Refusal(Rule.REMOVES_COMMITTER)
        one = sorted_out.departures.pop(entry.seat, None)
        if one is None:
            raise Refusal(Rule.REMOVE_UNPROVEN)
        _check_departure(one, entry, group_id)
        if isinstance(one, Farewell):
            left.append(entry.seat)
        else:
            returning[one.reference] = one
    joined: list[bytes] = []
    readmitted: list[bytes] = []
    for newcomer in change.adds:
        if len(newcomer.seat) != SEAT_BYTES:
            raise Refusal(Rule.SEAT_SIZE)
        if load_public_key(newcomer.signature_key) is None:
            raise Refusal(Rule.NEWCOMER_KEY)
        back = returning.pop(newcomer.reference, None)
        if back is not None:
            if back.seat != newcomer.seat:
                raise Refusal(Rule.READMISSION_SEAT)
            if by_seat[back.seat].signature_key != newcomer.signature_key:
                raise Refusal(Rule.READMISSION_KEY)
            readmitted.append(newcomer.seat)
            continue
        if newcomer.seat in by_seat or newcomer.seat in joined:
            raise Refusal(Rule.SEAT_TAKEN)
        _check_admission(sorted_out, newcomer, charter, by_seat, group_id, evidence.tick)
        joined.append(newcomer.seat)
    if returning:
        raise Refusal(Rule.READMISSION_ALONE)
    if sorted_out.departures or sorted_out.sponsors:
        raise Refusal(Rule.EVIDENCE_LEFT)
    return Verdict(evidence.tick, tuple(joined), tuple(left), tuple(readmitted))


@dataclass(slots=True)
class _Sorted:
    sponsors: dict[bytes, Sponsor]
    departures: dict[bytes, Farewell | Readmission]


def _sort_evidence(evidence: CommitEvidence) -> _Sorted:
    """Evidence by what it is for; one piece for each, and no certificates before there are
    motions."""
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
        else:
            raise Refusal(Rule.CERTIFICATE)
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
    evidence: _Sorted,
    newcomer: Newcomer,
    charter: Charter,
    by_seat: dict[bytes, RosterEntry],
    group_id: bytes,
    tick: int,
) -> None:
    sponsor = evidence.sponsors.pop(newcomer.reference, None)
    if charter.admission is Admission.OPEN:
        if sponsor is not None:
            raise Refusal(Rule.SPONSOR_UNWANTED)
        return
    if charter.admission is not Admission.SPONSOR:
        raise Refusal(Rule.BALLOT)
    entry = None if sponsor is None else by_seat.get(sponsor.seat)
    key = None if entry is None else load_public_key(entry.signature_key)
    if sponsor is None or key is None:
        raise Refusal(Rule.NOT_ADMITTED)
    if not tick <= sponsor.until <= tick + ADMISSION_S:
        raise Refusal(Rule.ADMISSION_TIME)
    content = sponsor_content(group_id, sponsor.seat, newcomer.reference, sponsor.until)
    if not verify(key, Sign.ADMISSION, content, sponsor.signature):
        raise Refusal(Rule.ADMISSION_SIGNATURE)


def electors(roster: Iterable[RosterEntry]) -> tuple[bytes, ...]:
    """The seats that may commit, name and admit, in the order of their ids: everyone, until guests
    exist."""
    return tuple(sorted(entry.seat for entry in roster))
