"""A removal while a relay keeps two sides of the meeting apart: each side commits the certificate
by itself, so each has rooms, keys and a door that the other does not know. When the relay mends,
all of them meet again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from folkmoot.meeting import events
from folkmoot.meeting.epochs import PARENT_KEPT_S
from simulation.meeting_world import WALL_S, Member, World, agreed
from simulation.moot import gather, inside, move_out, outs, vote
from simulation.relay_conduct import Conduct, Later, Parting, Relaying
from simulation.test_meeting import say, texts

MEET_AGAIN_S = 25.0


class Parted(Parting):
    """The links of these members hear nothing of the others', and the other way round."""

    def __init__(self, side: Sequence[Member]) -> None:
        super().__init__(random.Random(0))
        self._side = side

    def begin(self, relay: Relaying) -> None:
        links = [link for one in self._side for link in one.links.values()]
        self._half = {link.connection.number for link in links if link.connection is not None}

    def into(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        self.begin(relay)  # who came back has another number
        yield from super().into(relay, link, message)


def carried_apart(
    world: World, victim: Member, side: Sequence[Member], others: Sequence[Member]
) -> None:
    """Two sides, each of which holds the certificate and settles a commit with it."""
    everybody, last = [*side, *others], others[-1]
    motion = move_out(world, side[0], victim)
    needed = side[0].meeting.motions(world.now)[0].needed
    vote(world, motion, yes=everybody[: needed - 1])
    world.run(2)
    assert not any(outs(one) for one in everybody)
    world.sim_relays[0].take_up(Parted([*side, victim]))
    vote(world, motion, yes=[last])
    (asked,) = inside(last).motions.open.values()
    ballot = asked.ballots[last.meeting.seat].encode()
    for one in side:  # the last that got through
        state, wall_s = inside(one).epochs.current, int(WALL_S + world.now)
        inside(one).motions.receive_ballot(ballot, state, wall_s)
    world.run_until(lambda: all(map(outs, everybody)), 15)
    assert agreed(list(side))
    assert agreed(list(others))
    assert not agreed(everybody)


@pytest.mark.parametrize("apart_s", [0.0, PARENT_KEPT_S + 20])
@pytest.mark.parametrize(("count", "in_side"), [(5, 2), (6, 1), (8, 4)])
def test_sides_that_removed_somebody_apart_meet_again(
    count: int, in_side: int, apart_s: float
) -> None:
    world = World(930 + count, delay_s=0.1)
    members = gather(world, count)
    victim, stay = members[-1], members[:-1]
    side, others = stay[:in_side], stay[in_side:]
    carried_apart(world, victim, side, others)
    world.run(apart_s)
    world.sim_relays[0].take_up(Conduct())
    # (In one epoch and with nothing to ask for: a leaf that was asked for before may still come.)
    world.run_until(
        lambda: agreed(stay) and all(inside(one).is_well(world.now) for one in stay), MEET_AGAIN_S
    )
    for one in stay:
        say(world, one, f"{one.name} is here")
    world.run(5)
    for one in stay:
        assert {f"{other.name} is here" for other in stay} <= set(texts(one))
        assert len(one.meeting.roster(world.now)) == count - 1
        assert outs(one) == [(victim.name, "removed")]
    world.run_until(lambda: bool(victim.of(events.Left)), 10)
