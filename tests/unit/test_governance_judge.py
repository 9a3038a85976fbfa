"""The judge: what an allowed commit looks like, and every way of making one that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.governance import PRESETS, Admission
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
from folkmoot.governance.judge import Change, Newcomer, Refusal, RosterEntry, Verdict, judge

GROUP = b"g" * 16
TICK = 1000
CHARTER = PRESETS["unremovable"]
OPEN = replace(CHARTER, admission=Admission.OPEN)
KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([i]) * 32) for i in range(6)]
SEATS = [bytes([i]) * 16 for i in range(6)]
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
    other: str | None = None,
    tick: int = TICK,
    charter: object = CHARTER,
    data: bytes | None = None,
) -> Verdict:
    authenticated = CommitEvidence(tick, evidence).encode() if data is None else data
    change = Change(committer, authenticated, adds, removes, other)
    return judge(change, group_id=GROUP, roster=ROSTER, charter=charter, parent_tick=TICK)  # type: ignore[arg-type]


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
    assert verdict == Verdict(TICK, (), (), (SEATS[2],))


def test_a_commit_without_proposals_is_allowed() -> None:
    assert decide() == Verdict(TICK, (), (), ())


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
    ("arguments", "why"),
    [
        ({"removes": (2,)}, "without a farewell"),
        ({"evidence": (Certificate(b"ballots"),), "removes": (2,)}, "nobody can be removed"),
        ({"evidence": (STALE,), "removes": (2,)}, "stale"),
        ({"evidence": (BY_ANOTHER,), "removes": (2,)}, "did not sign"),
        ({"evidence": (farewell(),), "removes": (3,)}, "without a farewell"),
        ({"evidence": (farewell(),)}, "does not do"),
        ({"evidence": (farewell(), farewell()), "removes": (2,)}, "two reasons"),
        ({"evidence": (farewell(),), "removes": (2, 2)}, "without a farewell"),
        ({"evidence": (comeback(),), "removes": (2,)}, "adds no new one"),
        ({"evidence": (farewell(0),), "removes": (0,)}, "its own committer"),
        ({"removes": (9,)}, "removes nobody"),
        ({"evidence": (comeback(),), "removes": (2,), "adds": (NEW,)}, "another seat"),
        (
            {
                "evidence": (comeback(),),
                "removes": (2,),
                "adds": (replace(returning(), signature_key=NEW.signature_key),),
            },
            "another key",
        ),
        ({"adds": (NEW,)}, "nobody admitted|no elector admitted"),
        ({"evidence": (OLD,), "adds": (NEW,)}, "too old"),
        ({"evidence": (LONG,), "adds": (NEW,)}, "too long"),
        ({"evidence": (FORGED,), "adds": (NEW,)}, "did not sign"),
        ({"evidence": (OTHER_GROUP,), "adds": (NEW,)}, "did not sign"),
        ({"evidence": (STRANGER,), "adds": (NEW,)}, "no elector admitted"),
        ({"evidence": (NOT_HIS_SEAT,), "adds": (NEW,)}, "did not sign"),
        ({"evidence": (SPONSOR,), "adds": (replace(NEW, seat=SEATS[1]),)}, "taken"),
        ({"evidence": (SPONSOR,), "adds": (NEW, NEW)}, "taken"),
        ({"evidence": (SPONSOR, SPONSOR), "adds": (NEW,)}, "two sponsors"),
        ({"evidence": (SPONSOR,)}, "does not do"),
        ({"evidence": (SPONSOR,), "adds": (NEW,), "charter": OPEN}, "asks for none"),
        ({"adds": (replace(NEW, seat=b"short"),), "charter": OPEN}, "wrong size"),
        ({"adds": (replace(NEW, signature_key=bytes(32)),), "charter": OPEN}, "held to"),
        ({"committer": None}, "external"),
        ({"other": "a ReInit"}, "a ReInit"),
        ({"tick": TICK - 1}, "before"),
        ({"data": b""}, "cannot be read"),
        ({"data": CommitEvidence(TICK, ()).encode() + b"x"}, "cannot be read"),
        ({"data": b"\x02" + CommitEvidence(TICK, ()).encode()[1:]}, "cannot be read"),
        (
            {"adds": (NEW,), "charter": replace(CHARTER, admission=Admission.BALLOT)},
            "by ballot",
        ),
    ],
)
def test_anything_else_is_refused(arguments: dict[str, object], why: str) -> None:
    with pytest.raises(Refusal, match=why):
        decide(**arguments)  # type: ignore[arg-type]
