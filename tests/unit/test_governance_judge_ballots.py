"""The judge where electors decide: what a certificate carries out, who is on the roll afterwards,
and every way of using one for something else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from folkmoot.governance import (
    PRESETS,
    Admission,
    Charter,
    Electors,
    MeetingExtension,
    Relay,
    Share,
)
from folkmoot.governance.evidence import (
    Certificate,
    CommitEvidence,
    Evidence,
    make_farewell,
    make_sponsor,
)
from folkmoot.governance.judge import Change, Newcomer, RosterEntry, Verdict, judge
from folkmoot.governance.motion import Motion, MotionKind
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.governance.roll import Elector, Roll
from folkmoot.governance.seat import seat_of
from folkmoot.governance.terms import Pairs, Terms
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError
from unit.governance_parts import (
    CIRCLE,
    GROUP,
    KEYS,
    TICK,
    certificate,
    everyone,
    in_lines,
    key,
    motion,
    seat,
)

RELAY = Relay(RelayAddress("192.0.2.1", 443, b"p" * 32))
OTHER_RELAY = Relay(RelayAddress("192.0.2.2", 443, b"q" * 32))
LINES = dataclasses.replace(CIRCLE, lineage=True)
ASSEMBLY = PRESETS["assembly"]
BY_BALLOT = dataclasses.replace(CIRCLE, admission=Admission.BALLOT)
NEW = Newcomer(b"r" * 32, seat_of(KEYS[seat(9)]), KEYS[seat(9)])


class Place:
    """A parent: a charter, who is on the roster, and who of them votes."""

    def __init__(self, charter: Charter, members: int, recorded: Roll | None = None) -> None:
        self.terms = Terms(MeetingExtension(charter, (RELAY,)), recorded)
        self.roster = [
            RosterEntry(n, seat(n), KEYS[seat(n)], b"leaf %d" % n) for n in range(members)
        ]
        self.roll = self.terms.roll({entry.seat for entry in self.roster})

    def motion(self, kind: MotionKind, subject: bytes, **options: Any) -> Motion:
        options.setdefault("roll", self.roll)
        return motion(kind, subject, charter=self.terms.charter, **options)

    def proof(self, one: Motion, voters: Iterable[int]) -> Certificate:
        made = certificate(one, voters, opening=self.roll, now=self.roll)
        return Certificate(made.encode())

    def decide(
        self,
        *evidence: Evidence,
        adds: tuple[Newcomer, ...] = (),
        removes: tuple[int, ...] = (),
        after: Terms | None = None,
        extensions: Pairs | None = None,
        committer: int = 0,
        tick: int = TICK,
    ) -> Verdict:
        data = CommitEvidence(tick, evidence).encode()
        pairs = extensions if after is None else after.extensions()
        return judge(
            Change(committer, data, adds, removes, None, pairs),
            group_id=GROUP,
            roster=self.roster,
            terms=self.terms,
            parent_tick=TICK,
        )

    def with_charter(self, charter: Charter) -> Terms:
        meeting = dataclasses.replace(self.terms.meeting, charter=charter)
        return dataclasses.replace(self.terms, meeting=meeting)

    def with_roll(self, roll: Roll) -> Terms:
        return dataclasses.replace(self.terms, recorded=roll)


def refused(place: Place, rule: Rule, *evidence: Evidence, **options: Any) -> Refusal:
    with pytest.raises(Refusal) as caught:
        place.decide(*evidence, **options)
    assert caught.value.rule is rule, str(caught.value)
    return caught.value


FIVE = Place(CIRCLE, 5)
REMOVAL = FIVE.motion(MotionKind.REMOVE, seat(3))
PROOF = FIVE.proof(REMOVAL, (0, 1, 2, 4))
# Founder 0, whom it raised 1 and 2, whom 1 raised 4; 3 and 5 are guests, 8 is gone.
RAISED = in_lines((0,), (1, 4), (2,), (8,))
HALL = Place(ASSEMBLY, 6, RAISED)


def test_a_certificate_takes_a_seat_away() -> None:
    verdict = FIVE.decide(PROOF, removes=(3,))
    assert verdict.removed == seat(3)
    assert verdict.takes_away
    assert (verdict.joined, verdict.left, verdict.readmitted) == ((), (), ())
    assert verdict.carried is not None
    assert verdict.carried.motion == REMOVAL
    assert verdict.carried.motion_hash == REMOVAL.hash(GROUP)
    assert verdict.carried.voters == tuple(seat(n) for n in (0, 1, 2, 4))
    assert verdict.terms == FIVE.terms


def test_a_guest_is_removed_by_the_electors_and_has_no_say() -> None:
    four = Place(ASSEMBLY, 6, in_lines((0,), (1,), (2,), (4,)))
    one = four.motion(MotionKind.REMOVE, seat(3))
    assert four.decide(four.proof(one, (0, 1, 2)), removes=(3,)).removed == seat(3)
    refused(four, Rule.BALLOT_VOTER, four.proof(one, (0, 1, 2, 5)), removes=(3,))
    refused(four, Rule.BALLOTS_FEW, four.proof(one, (0, 1)), removes=(3,))
    by_guest = four.motion(MotionKind.REMOVE, seat(3), mover=5)
    refused(four, Rule.MOTION_MOVER, four.proof(by_guest, (0, 1, 2)), removes=(3,))


@pytest.mark.parametrize(
    ("evidence", "options", "rule"),
    [
        # Something else than the motion says.
        ((PROOF,), {"removes": (2,)}, Rule.CERTIFICATE_CHANGE),
        ((PROOF,), {"removes": (3, 2)}, Rule.CERTIFICATE_CHANGE),
        ((PROOF,), {}, Rule.CERTIFICATE_CHANGE),
        ((PROOF,), {"removes": (3,), "adds": (NEW,)}, Rule.CERTIFICATE_CHANGE),
        ((PROOF,), {"removes": (3,), "committer": 3}, Rule.REMOVES_COMMITTER),
        (
            (FIVE.proof(FIVE.motion(MotionKind.REMOVE, seat(7)), (0, 1, 2, 4)),),
            {"removes": (3,)},
            Rule.REMOVES_NOBODY,
        ),
        # With something beside it.
        ((PROOF, PROOF), {"removes": (3,)}, Rule.CERTIFICATE_ALONE),
        (
            (PROOF, FIVE.proof(FIVE.motion(MotionKind.REMOVE, seat(2)), (0, 1, 3, 4))),
            {"removes": (3, 2)},
            Rule.CERTIFICATE_ALONE,
        ),
        (
            (make_farewell(key(2), GROUP, seat(2), FIVE.roster[2].leaf_hash), PROOF),
            {"removes": (3, 2)},
            Rule.CERTIFICATE_ALONE,
        ),
        ((PROOF,), {"removes": (3,), "after": FIVE.with_charter(BY_BALLOT)}, Rule.CONTEXT),
        # A motion of another kind is no removal, and the reverse.
        (
            (FIVE.proof(FIVE.motion(MotionKind.AMEND, BY_BALLOT.encode()), (0, 1, 2, 4)),),
            {"removes": (3,)},
            Rule.CERTIFICATE_CHANGE,
        ),
        ((PROOF,), {"after": FIVE.with_charter(BY_BALLOT)}, Rule.CERTIFICATE_CHANGE),
        # After its end.
        ((PROOF,), {"removes": (3,), "tick": TICK + 121}, Rule.MOTION_TIME),
    ],
)
def test_a_certificate_is_for_nothing_else(
    evidence: tuple[Evidence, ...], options: dict[str, Any], rule: Rule
) -> None:
    refused(FIVE, rule, *evidence, **options)


def test_the_electors_admit_where_the_charter_says_so() -> None:
    place = Place(BY_BALLOT, 4)
    one = place.motion(MotionKind.ADMIT, NEW.reference)
    proof = place.proof(one, (0, 1, 2))
    verdict = place.decide(proof, adds=(NEW,))
    assert verdict.joined == (NEW.seat,)
    assert verdict.removed is None
    assert not verdict.takes_away
    refused(place, Rule.BALLOTS_FEW, place.proof(one, (0, 1)), adds=(NEW,))
    other = dataclasses.replace(NEW, reference=b"s" * 32)
    for adds in ((other,), (NEW, other), ()):
        refused(place, Rule.CERTIFICATE_CHANGE, proof, adds=adds)
    refused(place, Rule.CERTIFICATE_CHANGE, proof, adds=(NEW,), removes=(3,))
    for others in (seat(2), seat(8)):
        refused(place, Rule.SEAT_KEY, proof, adds=(dataclasses.replace(NEW, seat=others),))
    left = Roll.of([*everyone(4).electors, Elector(NEW.seat)])
    place_left = Place(dataclasses.replace(BY_BALLOT, lineage=True), 4, left)
    again = place_left.proof(place_left.motion(MotionKind.ADMIT, NEW.reference), (0, 1, 2))
    refused(place_left, Rule.SEAT_TAKEN, again, adds=(NEW,))
    refused(place, Rule.SEAT_SIZE, proof, adds=(dataclasses.replace(NEW, seat=b"short"),))
    keyless = dataclasses.replace(NEW, signature_key=bytes(32))
    refused(place, Rule.NEWCOMER_KEY, proof, adds=(keyless,))
    sponsor = make_sponsor(key(1), GROUP, seat(1), NEW.reference, TICK + 60)
    refused(place, Rule.BALLOT, sponsor, adds=(NEW,))
    by_sponsor = FIVE.proof(FIVE.motion(MotionKind.ADMIT, NEW.reference), (0, 1, 2, 4))
    refused(FIVE, Rule.BALLOT_UNWANTED, by_sponsor, adds=(NEW,))


def test_a_guest_is_raised_into_the_line_of_its_mover() -> None:
    for mover, line in ((0, seat(3)), (1, seat(1)), (4, seat(1))):
        one = HALL.motion(MotionKind.RAISE, seat(3), mover=mover)
        proof = HALL.proof(one, (0, 1, 2, 4))
        stayed = RAISED.among({seat(n) for n in range(6)})
        after = HALL.with_roll(Roll.of([*stayed.electors, Elector(seat(3), line)]))
        verdict = HALL.decide(proof, after=after)
        assert verdict.terms == after
        # Into no other line, under no other charter, with no other elector, and not in silence.
        wrong = [
            None,
            HALL.terms,
            HALL.with_roll(Roll.of([*stayed.electors, Elector(seat(3), seat(2))])),
            HALL.with_roll(Roll.of([*after.recorded.electors, Elector(seat(5), seat(5))])),  # type: ignore[union-attr]
            dataclasses.replace(
                after, meeting=dataclasses.replace(after.meeting, relays=(OTHER_RELAY,))
            ),
        ]
        for other in wrong:
            refused(HALL, Rule.CONTEXT, proof, after=other)
        beside = (*after.extensions(), (5, b"external senders"))
        refused(HALL, Rule.CONTEXT, proof, extensions=beside)
        refused(HALL, Rule.CONTEXT, proof, extensions=after.extensions()[::-1])
    assert seat(8) not in after.recorded  # type: ignore[operator]


def test_nobody_is_raised_who_is_no_guest() -> None:
    for subject in (seat(2), seat(8), seat(11)):
        one = HALL.motion(MotionKind.RAISE, subject)
        refused(HALL, Rule.RAISES_NOBODY, HALL.proof(one, (0, 1, 2, 4)))
    lines = Place(LINES, 5, in_lines((0,), (1,), (2,), (3,)))
    one = lines.motion(MotionKind.RAISE, seat(4))
    refused(lines, Rule.RAISES_NOBODY, lines.proof(one, (0, 1, 2, 3)))


def test_guests_do_not_admit_commit_or_vote() -> None:
    refused(HALL, Rule.COMMITTER_GUEST, committer=3)
    HALL.decide(committer=4)
    closed = Place(dataclasses.replace(ASSEMBLY, admission=Admission.SPONSOR), 6, RAISED)
    by_guest = make_sponsor(key(3), GROUP, seat(3), NEW.reference, TICK + 60)
    refused(closed, Rule.NOT_ADMITTED, by_guest, adds=(NEW,))
    by_elector = make_sponsor(key(4), GROUP, seat(4), NEW.reference, TICK + 60)
    verdict = closed.decide(by_elector, adds=(NEW,))
    assert verdict.terms == closed.terms  # a guest, until it is raised


def test_who_comes_in_where_lines_count_is_in_its_sponsors() -> None:
    roll = in_lines((0,), (1, 4), (2,), (8,))
    place = Place(LINES, 5, roll)
    for by, line in ((0, NEW.seat), (4, seat(1)), (2, seat(2))):
        sponsor = make_sponsor(key(by), GROUP, seat(by), NEW.reference, TICK + 60)
        stayed = roll.among({seat(n) for n in range(5)})
        after = place.with_roll(Roll.of([*stayed.electors, Elector(NEW.seat, line)]))
        assert place.decide(sponsor, adds=(NEW,), after=after).terms == after
        refused(place, Rule.CONTEXT, sponsor, adds=(NEW,))
        forged = place.with_roll(Roll.of([*stayed.electors, Elector(NEW.seat, bytes(16))]))
        refused(place, Rule.CONTEXT, sponsor, adds=(NEW,), after=forged)


def test_the_seat_of_an_elector_who_left_is_not_taken_again() -> None:
    left = Place(ASSEMBLY, 6, Roll.of([*RAISED.electors, Elector(NEW.seat)]))
    refused(left, Rule.SEAT_TAKEN, adds=(NEW,))
    assert HALL.decide(adds=(NEW,)).joined == (NEW.seat,)


def test_the_roll_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folkmoot.governance.roll.ROLL_MAX", 5)
    place = Place(LINES, 5, in_lines((0,), (1,), (2,), (3,), (4,)))
    sponsor = make_sponsor(key(0), GROUP, seat(0), NEW.reference, TICK + 60)
    refused(place, Rule.ROLL_FULL, sponsor, adds=(NEW,))


def amendment(place: Place, to: Charter, voters: Iterable[int] = range(4)) -> Certificate:
    return place.proof(place.motion(MotionKind.AMEND, to.encode()), voters)


def test_the_charter_is_amended_by_its_own_fraction() -> None:
    proof = amendment(FIVE, BY_BALLOT)
    after = FIVE.with_charter(BY_BALLOT)
    assert FIVE.decide(proof, after=after).terms.charter == BY_BALLOT
    refused(FIVE, Rule.CONTEXT, proof)
    refused(FIVE, Rule.CONTEXT, proof, after=FIVE.with_charter(PRESETS["unremovable"]))
    refused(FIVE, Rule.BALLOTS_FEW, amendment(FIVE, BY_BALLOT, range(3)), after=after)
    strict = Place(dataclasses.replace(CIRCLE, amendment=Share(1, 1)), 5)
    refused(strict, Rule.BALLOTS_FEW, amendment(strict, CIRCLE), after=strict.with_charter(CIRCLE))
    verdict = strict.decide(amendment(strict, CIRCLE, range(5)), after=strict.with_charter(CIRCLE))
    assert verdict.terms.charter == CIRCLE


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (CIRCLE, CIRCLE, Rule.AMENDMENT),
        (CIRCLE, LINES, Rule.AMENDMENT),
        (CIRCLE, dataclasses.replace(CIRCLE, electors=Electors.VOUCHED), Rule.AMENDMENT),
        (PRESETS["unremovable"], CIRCLE, Rule.AMENDMENT),
        (dataclasses.replace(CIRCLE, amendment=None), BY_BALLOT, Rule.MOTION_IMPOSSIBLE),
    ],
)
def test_some_things_no_majority_may_change(before: Charter, after: Charter, rule: Rule) -> None:
    place = Place(before, 5)
    refused(place, rule, amendment(place, after, range(5)), after=place.with_charter(after))


def test_relays_and_lanes_change_beside_the_charter() -> None:
    meeting = dataclasses.replace(FIVE.terms.meeting, relays=(OTHER_RELAY,))
    after = dataclasses.replace(FIVE.terms, meeting=meeting)
    proof = FIVE.proof(FIVE.motion(MotionKind.RELAYS, meeting.encode()), range(4))
    assert FIVE.decide(proof, after=after).terms == after
    refused(FIVE, Rule.CONTEXT, proof)
    same = FIVE.motion(MotionKind.RELAYS, FIVE.terms.meeting.encode())
    refused(FIVE, Rule.RELAYS_SAME, FIVE.proof(same, range(4)))


def test_without_a_certificate_the_context_stays() -> None:
    for pairs in ((), FIVE.terms.extensions(), FIVE.with_charter(BY_BALLOT).extensions()):
        refused(FIVE, Rule.CONTEXT, extensions=pairs)


def test_terms_are_read_as_they_are_written() -> None:
    for terms in (FIVE.terms, HALL.terms):
        assert Terms.of(terms.extensions()) == terms
    assert Terms.founded(HALL.terms.meeting, seat(0)).recorded == Roll((Elector(seat(0)),))
    assert Terms.founded(FIVE.terms.meeting, seat(0)).recorded is None
    for pairs in (
        HALL.terms.extensions()[:1],
        (*FIVE.terms.extensions(), (0xF0A3, everyone(2).encode())),
        (),
    ):
        with pytest.raises(DecodeError, match=r"roll|wanted"):
            Terms.of(pairs)
