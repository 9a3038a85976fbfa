"""The judge: what an allowed commit looks like, and every way of making one that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.governance import PRESETS, Admission, Charter, MeetingExtension, Relay
from folkmoot.governance.evidence import (
    Certificate,
    CommitEvidence,
    Evidence,
    Farewell,
    Readmission,
    Sponsor,
    make_farewell,
    make_readmission,
    make_sponsor,
)
from folkmoot.governance.judge import Change, Newcomer, RosterEntry, Verdict, judge
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.governance.roll import Roll
from folkmoot.governance.seat import seat_of
from folkmoot.governance.terms import Pairs, Terms
from folkmoot.wire.address import RelayAddress

GROUP = b"g" * 16
TICK = 1000
CHARTER = PRESETS["unremovable"]
OPEN = replace(CHARTER, admission=Admission.OPEN)
RELAY = Relay(RelayAddress("192.0.2.1", 443, b"p" * 32))
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32) for i in range(6)]
SEATS = [seat_of(key.public_key().public_bytes_raw()) for key in KEYS]
ROSTER = tuple(
    RosterEntry(i, SEATS[i], KEYS[i].public_key().public_bytes_raw(), b"leaf %d" % i)
    for i in range(4)
)
NEW = Newcomer(b"r" * 32, SEATS[5], KEYS[5].public_key().public_bytes_raw())


def decide(
    evidence: tuple[Evidence, ...] = (),
    *,
    adds: tuple[Newcomer, ...] = (),
    removes: tuple[int, ...] = (),
    committer: int | None = 0,
    other: Refusal | None = None,
    tick: int = TICK,
    charter: Charter = CHARTER,
    data: bytes | None = None,
    recorded: Roll | None = None,
    extensions: Pairs | None = None,
) -> Verdict:
    authenticated = CommitEvidence(tick, evidence).encode() if data is None else data
    change = Change(committer, authenticated, adds, removes, other, extensions)
    terms = terms_of(charter, recorded)
    return judge(change, group_id=GROUP, roster=ROSTER, terms=terms, parent_tick=TICK)


def terms_of(charter: Charter, recorded: Roll | None = None) -> Terms:
    return Terms(MeetingExtension(charter, (RELAY,)), recorded)


def farewell(seat: int = 2) -> Farewell:
    return make_farewell(KEYS[seat], GROUP, SEATS[seat], ROSTER[seat].leaf_hash)


def comeback(seat: int = 2, reference: bytes = b"r" * 32) -> Readmission:
    return make_readmission(KEYS[seat], GROUP, SEATS[seat], ROSTER[seat].leaf_hash, reference)


def returning(seat: int = 2) -> Newcomer:
    return Newcomer(b"r" * 32, SEATS[seat], ROSTER[seat].signature_key)


def test_a_sponsor_lets_a_newcomer_in() -> None:
    sponsor = make_sponsor(KEYS[1], GROUP, SEATS[1], NEW.reference, TICK + 60)
    assert decide((sponsor,), adds=(NEW,)).joined == (SEATS[5],)


def test_an_open_meeting_asks_for_no_sponsor() -> None:
    assert decide(adds=(NEW,), charter=OPEN).joined == (SEATS[5],)


def test_who_says_farewell_is_taken_out() -> None:
    assert decide((farewell(),), removes=(2,)).left == (SEATS[2],)


def test_who_comes_back_gets_a_fresh_leaf() -> None:
    verdict = decide((comeback(),), adds=(returning(),), removes=(2,))
    assert verdict == Verdict(TICK, (), (), (SEATS[2],), terms_of(CHARTER))


def test_a_commit_without_proposals_is_allowed() -> None:
    assert decide() == Verdict(TICK, (), (), (), terms_of(CHARTER))


FORGED = Sponsor(NEW.reference, SEATS[1], TICK + 60, bytes(64))
OTHER_GROUP = make_sponsor(KEYS[1], b"h" * 16, SEATS[1], NEW.reference, TICK + 60)
STRANGER = make_sponsor(KEYS[5], GROUP, SEATS[5], NEW.reference, TICK + 60)
NOT_HIS_SEAT = make_sponsor(KEYS[1], GROUP, SEATS[3], NEW.reference, TICK + 60)
SPONSOR = make_sponsor(KEYS[1], GROUP, SEATS[1], NEW.reference, TICK + 60)
OLD = make_sponsor(KEYS[1], GROUP, SEATS[1], NEW.reference, TICK - 1)
LONG = make_sponsor(KEYS[1], GROUP, SEATS[1], NEW.reference, TICK + 121)
STALE = make_farewell(KEYS[2], GROUP, SEATS[2], b"x" * 32)
BY_ANOTHER = make_farewell(KEYS[3], GROUP, SEATS[2], ROSTER[2].leaf_hash)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"removes": (2,)}, Rule.REMOVE_UNPROVEN),
        ({"evidence": (Certificate(b"ballots"),), "removes": (2,)}, Rule.CERTIFICATE),
        ({"extensions": ()}, Rule.CONTEXT),
        ({"extensions": terms_of(CHARTER).extensions()}, Rule.CONTEXT),
        ({"extensions": terms_of(OPEN).extensions()}, Rule.CONTEXT),
        ({"evidence": (STALE,), "removes": (2,)}, Rule.LEAF_STALE),
        ({"evidence": (BY_ANOTHER,), "removes": (2,)}, Rule.DEPARTURE_SIGNATURE),
        ({"evidence": (farewell(),), "removes": (3,)}, Rule.REMOVE_UNPROVEN),
        ({"evidence": (farewell(),)}, Rule.EVIDENCE_LEFT),
        ({"evidence": (farewell(), farewell()), "removes": (2,)}, Rule.SEAT_TWICE),
        ({"evidence": (farewell(),), "removes": (2, 2)}, Rule.REMOVE_UNPROVEN),
        ({"evidence": (comeback(),), "removes": (2,)}, Rule.READMISSION_ALONE),
        ({"evidence": (farewell(0),), "removes": (0,)}, Rule.REMOVES_COMMITTER),
        ({"removes": (9,)}, Rule.REMOVES_NOBODY),
        ({"evidence": (comeback(),), "removes": (2,), "adds": (NEW,)}, Rule.READMISSION_SEAT),
        (
            {
                "evidence": (comeback(),),
                "removes": (2,),
                "adds": (replace(returning(), signature_key=NEW.signature_key),),
            },
            Rule.READMISSION_KEY,
        ),
        ({"adds": (NEW,)}, Rule.NOT_ADMITTED),
        ({"evidence": (OLD,), "adds": (NEW,)}, Rule.ADMISSION_TIME),
        ({"evidence": (LONG,), "adds": (NEW,)}, Rule.ADMISSION_TIME),
        ({"evidence": (FORGED,), "adds": (NEW,)}, Rule.ADMISSION_SIGNATURE),
        ({"evidence": (OTHER_GROUP,), "adds": (NEW,)}, Rule.ADMISSION_SIGNATURE),
        ({"evidence": (STRANGER,), "adds": (NEW,)}, Rule.NOT_ADMITTED),
        ({"evidence": (NOT_HIS_SEAT,), "adds": (NEW,)}, Rule.ADMISSION_SIGNATURE),
        ({"evidence": (SPONSOR,), "adds": (returning(1),)}, Rule.SEAT_TAKEN),
        # A guest in the seat of a member, or of one who is about to come, and a member's own key.
        ({"evidence": (SPONSOR,), "adds": (replace(NEW, seat=SEATS[1]),)}, Rule.SEAT_KEY),
        ({"evidence": (SPONSOR,), "adds": (replace(NEW, seat=SEATS[4]),)}, Rule.SEAT_KEY),
        ({"adds": (replace(NEW, seat=bytes(16)),), "charter": OPEN}, Rule.SEAT_KEY),
        ({"evidence": (SPONSOR,), "adds": (NEW, NEW)}, Rule.SEAT_TAKEN),
        ({"evidence": (SPONSOR, SPONSOR), "adds": (NEW,)}, Rule.SPONSOR_TWICE),
        ({"evidence": (SPONSOR,)}, Rule.EVIDENCE_LEFT),
        ({"evidence": (SPONSOR,), "adds": (NEW,), "charter": OPEN}, Rule.SPONSOR_UNWANTED),
        ({"adds": (replace(NEW, seat=b"short"),), "charter": OPEN}, Rule.SEAT_SIZE),
        ({"adds": (replace(NEW, signature_key=bytes(32)),), "charter": OPEN}, Rule.NEWCOMER_KEY),
        ({"committer": None}, Rule.EXTERNAL_COMMIT),
        ({"other": Refusal(Rule.PROPOSAL_KIND, "ReInit")}, Rule.PROPOSAL_KIND),
        ({"tick": TICK - 1}, Rule.TICK),
        ({"data": b""}, Rule.EVIDENCE),
        ({"data": CommitEvidence(TICK, ()).encode() + b"x"}, Rule.EVIDENCE),
        ({"data": b"\x02" + CommitEvidence(TICK, ()).encode()[1:]}, Rule.EVIDENCE),
        (
            {"adds": (NEW,), "charter": replace(CHARTER, admission=Admission.BALLOT)},
            Rule.BALLOT,
        ),
    ],
)
def test_anything_else_is_refused(arguments: dict[str, object], rule: Rule) -> None:
    with pytest.raises(Refusal) as caught:
        decide(**arguments)  # type: ignore[arg-type]
    assert caught.value.rule is rule, str(caught.value)


def test_what_a_refusal_says() -> None:
    refusal = Refusal(Rule.PROPOSAL_KIND, "ReInit")
    assert str(refusal) == "a proposal of a kind that has no place here: ReInit (check 303)"
    assert str(Refusal(Rule.TICK)) == (
        "its time is before that of the commit it follows (check 307)"
    )
