"""Meetings that vote, for tests: moving, answering, and what each member was told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from folkmoot.governance import PRESETS, Admission, Charter
from folkmoot.meeting import events
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.names import member_id
from simulation.meeting_world import Member, World, agreed

CIRCLE = PRESETS["circle"]
ASSEMBLY = PRESETS["assembly"]
BY_BALLOT = replace(CIRCLE, admission=Admission.BALLOT)
LINES = replace(CIRCLE, lineage=True)
NAMES = ("Ann", "Bob", "Cy", "Dee", "Eve", "Fay", "Gus", "Hal")


def gather(world: World, count: int, charter: Charter = CIRCLE) -> list[Member]:
    """So many members in one meeting, all invited by the first."""
    members = [world.found(NAMES[0], charter)]
    world.run(0.5)
    for name in NAMES[1:count]:
        members.append(world.join(name, members[0].meeting.invite_text()))
    world.run_until(lambda: agreed(members), 40)
    world.run(2)
    return members


def inside(member: Member) -> Inside:
    found = member.meeting._inside
    assert found is not None
    return found


def move(world: World, by: Member, kind: str, subject: str) -> str:
    names: list[str] = []
    world.do(by, lambda meeting: names.append(meeting.move(kind, subject, world.now)))
    return names[0]


def move_out(world: World, by: Member, whom: Member) -> str:
    return move(world, by, "remove", member_id(whom.meeting.seat))


def vote(world: World, motion: str, yes: Sequence[Member] = (), no: Sequence[Member] = ()) -> None:
    for voters, choice in ((yes, True), (no, False)):
        for one in voters:
            world.run_until(lambda one=one: knows(one, motion, world), 10)  # type: ignore[misc]
            world.do(one, lambda meeting, choice=choice: meeting.vote(motion, choice, world.now))  # type: ignore[misc]


def knows(member: Member, motion: str, world: World) -> bool:
    return any(view.motion == motion for view in member.meeting.motions(world.now))


def decided(member: Member) -> list[bool]:
    return [one.carried for one in member.of(events.Decided)]


def outs(member: Member) -> list[tuple[str, str]]:
    return [(one.name, one.cause) for one in member.of(events.MemberOut)]
