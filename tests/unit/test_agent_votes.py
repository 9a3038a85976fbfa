"""What the page is told of votes: the protocol's numbers, and words that outlast a removal."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.agent.votes import Votes, voting_of
from folkmoot.governance import PRESETS, Charter, sentences
from folkmoot.governance.motion import MOTION_S, MOTION_S_MIN, MotionKind
from folkmoot.governance.sentences import rules_of
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.names import member_id
from simulation.meeting_world import Member, World
from simulation.moot import (
    ASSEMBLY,
    BY_BALLOT,
    CIRCLE,
    LINES,
    gather,
    inside,
    knows,
    move,
    move_out,
    vote,
)
from unit.meeting_parts import RELAYS, WALL_S, entropy_of

UNREMOVABLE = PRESETS["unremovable"]


class _Watched:
    """Five members, and what the page of each is told."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.votes: dict[str, Votes] = {}
        self.world.watchers.append(self._note)
        self.members = gather(self.world, 5)

    def _note(self, member: Member, event: events.Event) -> None:
        votes = self.votes.setdefault(member.name, Votes())
        votes.note(member.meeting, event, self.world.now)

    def page(self, index: int) -> dict[str, Any]:
        member = self.members[index]
        return self.votes[member.name].shown(member.meeting, self.world.now)


def _alone(charter: Charter) -> Meeting:
    return Meeting.found(
        name="Ada", charter=charter, relays=RELAYS, now=1.0, wall_s=WALL_S,
        entropy=entropy_of("votes"),
    )  # fmt: skip


def test_a_removal_is_shown_to_all_and_its_rule_stays_after_it() -> None:
    watched = _Watched(21)
    ann, bob, cy, dee, eve = watched.members
    world = watched.world
    voting = watched.page(1)["voting"]
    assert (voting["used"], voting["votes"], voting["electors"], voting["here"]) == (
        True, True, 5, 5
    )  # fmt: skip
    assert voting["remove"] == {
        "needed": 4, "needed_of_guest": 4, "lines": 0, "rules": [sentences(CIRCLE)[2]],
    }  # fmt: skip
    motion = move_out(world, bob, eve)
    vote(world, motion, yes=[bob, cy], no=[])
    world.run(2)
    (shown,) = watched.page(0)["motions"]
    assert (shown["motion"], shown["kind"], shown["by_name"]) == (motion, "remove", "Bob")
    assert (shown["subject"], shown["subject_name"]) == (member_id(eve.meeting.seat), "Eve")
    assert (shown["have"], shown["needed"], shown["electors"], shown["here"]) == (2, 4, 5, 5)
    assert 0 < shown["ends_in_s"] < MOTION_S
    assert (shown["own"], shown["may_vote"], shown["about_me"]) == ("", True, False)
    (own,) = watched.page(1)["motions"]
    assert (own["own"], own["may_vote"]) == ("yes", False)
    (accused,) = watched.page(4)["motions"]
    assert (accused["about_me"], accused["may_vote"]) == (True, False)

    vote(world, motion, yes=[ann, dee])
    world.run(8)
    (decided,) = watched.page(0)["decided"]
    assert (decided["outcome"], decided["subject_name"]) == ("carried", "Eve")
    assert (decided["have"], decided["needed"]) == (4, 4)
    assert decided["rules"] == [sentences(CIRCLE)[2]]
    assert watched.page(0)["motions"] == []
    (left,) = eve.of(events.Left)
    assert left.removal is not None
    assert "Bob moved it, and 4 said yes where 4 were needed" in left.removal.how
    assert left.removal.rules == (sentences(CIRCLE)[2],)
    assert watched.page(0)["voting"]["electors"] == 4


def test_a_name_that_comes_after_its_motion_is_in_the_decision() -> None:
    watched = _Watched(23)
    ann, bob, cy, _dee, eve = watched.members
    world, names = watched.world, inside(ann).presence.members
    name, names[eve.meeting.seat].name = names[eve.meeting.seat].name, ""
    votes, motion = watched.votes["Ann"], move_out(world, bob, eve)
    world.run_until(lambda: knows(ann, motion, world), 10)
    names[eve.meeting.seat].name = name
    assert [one["subject_name"] for one in votes.shown(ann.meeting, world.now)["motions"]] == [
        "Eve"
    ]
    vote(world, motion, no=[ann, cy])
    world.run(3)
    assert [one["subject_name"] for one in watched.page(0)["decided"]] == ["Eve"]


def test_what_is_not_carried_says_whether_its_time_was_over() -> None:
    watched = _Watched(22)
    ann, bob, cy, _dee, eve = watched.members
    world = watched.world
    motion = move_out(world, bob, eve)
    vote(world, motion, no=[ann, cy])
    world.run(3)
    assert [one["outcome"] for one in watched.page(0)["decided"]] == ["failed"]
    whom = member_id(eve.meeting.seat)
    world.do(bob, lambda meeting: meeting.move("remove", whom, world.now, MOTION_S_MIN))
    world.run(MOTION_S_MIN + 10)
    assert [one["outcome"] for one in watched.page(0)["decided"]] == ["failed", "expired"]
    move(world, bob, "amend", "unremovable")
    world.run(2)
    (amend,) = watched.page(0)["motions"]
    assert amend["subject"] == ""
    [change] = amend["changes"]
    assert change["before"].startswith("Somebody is removed only when")
    assert change["after"] == "Nobody can be removed by anybody, and no vote can change that."
    assert amend["rules"] == [sentences(CIRCLE)[3]]


@pytest.mark.parametrize(
    ("charter", "used", "asks"),
    [
        (UNREMOVABLE, False, set()),
        (CIRCLE, True, {"remove"}),
        (ASSEMBLY, True, {"remove", "raise"}),
        (BY_BALLOT, True, {"remove", "admit"}),
    ],
)
def test_what_a_charter_has_votes_on(charter: Charter, used: bool, asks: set[str]) -> None:
    voting = voting_of(_alone(charter), 1.0)
    assert voting["used"] is used
    assert {one for one in ("remove", "raise", "admit") if voting[one] is not None} == asks
    if "remove" in asks:  # one alone removes nobody
        assert voting["remove"]["needed"] is None


def test_who_knocks_is_shown_no_vote() -> None:
    host = _alone(CIRCLE)
    newcomer = Meeting.join(
        Invite.parse(host.invite_text()), name="Bob", now=1.0, wall_s=WALL_S,
        entropy=entropy_of("knocks"),
    )  # fmt: skip
    shown = Votes().shown(newcomer, 1.0)
    assert (shown["motions"], shown["decided"]) == ([], [])
    assert (shown["voting"]["votes"], shown["voting"]["electors"]) == (False, 0)


def test_every_kind_of_motion_has_its_rule() -> None:
    for kind in MotionKind:
        (rule,) = rules_of(CIRCLE, kind)
        assert "more than two thirds of all who vote say yes" in rule
        assert rules_of(LINES, kind) == [rule, sentences(LINES)[-1]]
    assert rules_of(UNREMOVABLE, MotionKind.REMOVE) == [sentences(UNREMOVABLE)[2]]
