"""Computers whose wall clock is an hour off, from the beginning or from a restart on: they are in
the meeting like everybody else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from folkmoot.meeting.committing import make_commit
from folkmoot.meeting.secrets import MeetingSecrets
from simulation.meeting_world import Member, World, agreed
from simulation.moot import gather, inside, move_out, vote
from simulation.test_meeting import meet, say, speak, texts

HOUR_S = 3600.0


def here(listener: Member, other: Member, world: World) -> bool:
    """Whether the listener's page shows the other as there."""
    rows = listener.meeting.roster(world.now)
    return any(one.seat == other.meeting.seat and one.here for one in rows)


def all_are_well(world: World, members: list[Member]) -> None:
    world.run_until(lambda: agreed(members), 30)
    for number, one in enumerate(members):
        say(world, one, f"{number} at {world.now:.0f}")
        world.run(0.5)
    said = {f"{number} at" for number in range(len(members))}
    world.run_until(
        lambda: all(
            said <= {text.rpartition(" ")[0] for text in texts(one)[-len(members) :]}
            for one in members
        ),
        20,
    )
    world.run_until(
        lambda: all(here(one, other, world) for one in members for other in members), 10
    )
    for one in members:
        speak(world, one, 0.5)


@pytest.mark.parametrize("off_s", [-HOUR_S, HOUR_S])
def test_one_whose_clock_was_set_while_its_agent_was_dead_is_back(off_s: float) -> None:
    world = World(71)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    world.run(30)
    bob.wall_offset_s = off_s
    again = world.restart(bob)
    world.run_until(lambda: agreed([ann, again, cy]), 30)
    world.run(5)
    all_are_well(world, [ann, again, cy])


@pytest.mark.parametrize("off_s", [-HOUR_S, HOUR_S])
def test_a_newcomer_with_a_clock_an_hour_off_is_one_of_them(off_s: float) -> None:
    world = World(72)
    ann, bob = meet(world, "Ann", "Bob")
    world.run(10)
    cy = world.join("Cy", ann.meeting.invite_text(), wall_offset_s=off_s)
    world.run_until(lambda: agreed([ann, bob, cy]), 30)
    all_are_well(world, [ann, bob, cy])
    # Whoever's turn it is lets the next one in; and who has the wrong clock leaves properly.
    dee = world.join("Dee", cy.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, cy, dee]), 30)
    all_are_well(world, [ann, bob, cy, dee])
    cy.meeting.leave(world.now)
    world.run_until(lambda: agreed([ann, bob, dee]), 20)


def test_who_is_let_in_by_one_who_lies_about_the_time_is_there_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The commit is dated as it should be, and the Welcome an hour later: the newcomer would say
    what nobody takes, and see no motion."""
    world = World(61)
    *members, mal = gather(world, 4)
    encode = MeetingSecrets.encode

    def make(*args: Any, seat: bytes, **more: Any) -> Any:
        with monkeypatch.context() as patch:
            if seat == mal.meeting.seat:
                late = int(HOUR_S)
                patch.setattr(
                    MeetingSecrets,
                    "encode",
                    lambda self: encode(replace(self, tick=self.tick + late)),
                )
            return make_commit(*args, seat=seat, **more)

    monkeypatch.setattr("folkmoot.meeting.epochs.make_commit", make)
    with monkeypatch.context() as patch:
        for one in members:
            patch.setattr(inside(one).epochs, "commit", lambda **_: None)  # Mallory is first
        gus = world.join("Gus", members[0].meeting.invite_text())
        world.run_until(lambda: gus.inside and gus.meeting.confirmed, 30)
    world.run(2)
    say(world, members[0], "hello")
    say(world, gus, "I am here")
    world.run_until(lambda: "hello" in texts(gus), 10)
    world.run_until(lambda: all("I am here" in texts(one) for one in members), 10)
    motion = move_out(world, members[0], mal)
    vote(world, motion, yes=[*members, gus])
    world.run_until(lambda: agreed(members) and len(members[0].meeting.roster(world.now)) == 4, 20)
    world.run_until(lambda: agreed([*members, gus]), 60)
