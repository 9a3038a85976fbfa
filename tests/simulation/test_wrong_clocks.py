"""Computers whose wall clock is an hour off, from the beginning or from a restart on: they are in
the meeting like everybody else."""

from __future__ import annotations

import pytest

from simulation.meeting_world import Member, World, agreed
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
