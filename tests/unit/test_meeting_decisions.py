"""From what was decided to a commit that the judge allows, and the doors after a removal."""

from __future__ import annotations

import dataclasses
import os

import pytest

from folkmoot.governance import PRESETS, Admission, Charter, Relay
from folkmoot.governance.ballot import make_ballot
from folkmoot.governance.evidence import (
    TICK_MAX,
    CommitEvidence,
    decode_commit_evidence,
    make_sponsor,
)
from folkmoot.governance.judge import Verdict, judge
from folkmoot.governance.motion import MOTION_S, Motion, MotionKind, sign_motion
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.meeting import Meeting
from folkmoot.meeting.deciding import NAMES_MAX, why_removed
from folkmoot.meeting.epoch_state import change_of
from folkmoot.meeting.motions import Decision
from folkmoot.meeting.pending import Pending, Plan, Request
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError
from unit.meeting_parts import GROUP, TICK, People, seat_of

CIRCLE = PRESETS["circle"]
NAMES = ("ada", "bob", "cy", "dee", "eve")
WALL_S = TICK + 50


class Table:
    """Five members, what waits at ada's, and what the electors decided."""

    def __init__(self, charter: Charter = CIRCLE) -> None:
        self.people = People(*NAMES, charter=charter)
        self.pending = Pending(charter, seat_of("ada"))

    def decide(self, kind: MotionKind, subject: bytes, voters: tuple[str, ...]) -> Decision:
        state = self.people["ada"].state
        motion = Motion(
            seat_of("ada"), kind, subject, self.people.charter.hash, state.roll.hash,
            WALL_S, WALL_S + MOTION_S,
        )  # fmt: skip
        name = motion.hash(GROUP)
        ballots = {
            seat_of(by): make_ballot(self.people[by].key, GROUP, seat_of(by), name, True)
            for by in voters
        }
        signed = sign_motion(self.people["ada"].key, GROUP, motion)
        decision = Decision(name, signed, state.roll, ballots)
        self.pending.certified.append(decision)
        return decision

    def plan(self) -> Plan:
        plan = self.pending.plan(self.people["ada"].state)
        assert plan is not None
        return plan

    def verdict(self) -> Verdict:
        """What bob's judge says of the commit that ada makes of her plan."""
        plan = self.plan()
        data = plan.authenticated_data(WALL_S)
        ada, bob = self.people["ada"].state, self.people["bob"].state
        made = ada.group.commit(
            plan.proposals, authenticated_data=data, tree_extension=False,
            entropy=self.people.entropy,
        )  # fmt: skip
        return judge(
            change_of(bob.group.stage(made.message)),
            group_id=GROUP, roster=bob.roster, terms=bob.terms, parent_tick=bob.secrets.tick,
        )  # fmt: skip


def test_a_removal_is_committed_before_all_else_and_alone() -> None:
    table = Table()
    bundle = table.people.bundle("frank")
    sponsor = make_sponsor(table.people["cy"].key, GROUP, seat_of("cy"), bundle.ref, WALL_S + 60)
    request = Request(bundle.key_package, sponsor)
    state = table.people["ada"].state
    assert table.pending.ask(request, state, wall_s=WALL_S, now=1.0) is None
    assert table.verdict().joined == (seat_of("frank"),)
    decision = table.decide(MotionKind.REMOVE, seat_of("eve"), ("ada", "bob", "cy", "dee"))
    plan = table.plan()
    assert plan.takes_away
    assert plan.by_ballots
    assert plan.motion == decision.name
    verdict = table.verdict()
    assert (verdict.removed, verdict.joined) == (seat_of("eve"), ())
    # Who was let in at the old door asks anew at the new one.
    table.pending.close_door()
    assert not table.pending.adds


def test_nobody_commits_its_own_removal() -> None:
    table = Table()
    table.decide(MotionKind.REMOVE, seat_of("ada"), ("bob", "cy", "dee", "eve"))
    assert table.pending.plan(table.people["ada"].state) is None


def test_what_cannot_be_committed_is_given_up_and_the_rest_goes_on() -> None:
    table = Table()
    table.decide(MotionKind.REMOVE, seat_of("eve"), ("ada", "bob"))
    with pytest.raises(Refusal) as caught:
        table.verdict()
    assert caught.value.rule is Rule.BALLOTS_FEW
    good = table.decide(MotionKind.REMOVE, seat_of("dee"), ("ada", "bob", "cy", "eve"))
    table.pending.give_up(table.plan())
    assert table.pending.certified == [good]
    assert table.verdict().removed == seat_of("dee")


def test_the_rules_and_the_admitted_change_as_was_decided() -> None:
    stricter = dataclasses.replace(CIRCLE, admission=Admission.BALLOT)
    table = Table()
    table.decide(MotionKind.AMEND, stricter.encode(), ("ada", "bob", "cy", "dee"))
    assert table.verdict().terms.charter == stricter
    table = Table(stricter)
    bundle = table.people.bundle("frank")
    request = Request(bundle.key_package, None)
    state = table.people["ada"].state
    assert table.pending.ask(request, state, wall_s=WALL_S, now=1.0) is None
    assert not table.pending.adds
    assert table.pending.plan(state) is None  # nobody decided yet
    table.decide(MotionKind.ADMIT, bundle.ref, ("ada", "bob", "cy", "dee"))
    assert table.verdict().joined == (seat_of("frank"),)
    table.pending.done([bundle.ref])
    table.pending.prune(state, wall_s=WALL_S, now=2.0)
    assert not table.pending.asks
    sponsor = make_sponsor(table.people["cy"].key, GROUP, seat_of("cy"), b"r" * 32, WALL_S + 60)
    other = Request(table.people.bundle("gus").key_package, sponsor)
    assert table.pending.ask(other, state, wall_s=WALL_S, now=1.0) is not None


def test_who_is_removed_is_told_by_whom_and_by_which_rule() -> None:
    table = Table()
    table.decide(MotionKind.REMOVE, seat_of("eve"), ("ada", "bob", "cy", "dee"))
    names = {seat_of(name): name.title() for name in NAMES}
    told = why_removed(table.verdict(), CIRCLE, names)
    assert "Ada moved it, and 4 said yes where 4 were needed (Ada, Bob, Cy, Dee)" in told.how
    (rule,) = told.rules
    assert rule.startswith("Somebody is removed only when more than two thirds of all who vote")
    verdict = table.verdict()
    assert verdict.carried is not None
    many = tuple(bytes([n]) * 16 for n in range(20))
    crowd = dataclasses.replace(verdict, carried=dataclasses.replace(verdict.carried, voters=many))
    assert f"and {20 - NAMES_MAX} more)" in why_removed(crowd, CIRCLE, {}).how


def test_evidence_of_a_commit_is_read_back() -> None:
    table = Table()
    table.decide(MotionKind.REMOVE, seat_of("eve"), ("ada", "bob", "cy", "dee"))
    data = table.plan().authenticated_data(WALL_S)
    assert CommitEvidence(WALL_S, table.plan().evidence).encode() == data
    assert len(data) < 700


def test_a_clock_at_the_end_of_time_stops_nothing() -> None:
    """What a clock far ahead, or an insider's commit, leads to: the latest tick that there is."""
    meeting = Meeting.found(
        name="Ada",
        charter=CIRCLE,
        relays=[Relay(RelayAddress("127.0.0.1", 4000, bytes(32)))],
        now=0.0,
        wall_s=float(1 << 33),
        entropy=os.urandom,
    )
    assert meeting.move("amend", "unremovable", 1.0)
    latest = CommitEvidence(TICK_MAX, ()).encode()
    assert decode_commit_evidence(latest).tick == TICK_MAX
    with pytest.raises(DecodeError):
        decode_commit_evidence(CommitEvidence(TICK_MAX + 1, ()).encode())
