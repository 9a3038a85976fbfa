"""What electors decide besides removals: who comes in, who votes, and the rules; lines counted or
not; on bad networks."""

from __future__ import annotations

import pytest

from folkmoot.governance import from_mapping
from folkmoot.meeting import UsageError, events
from folkmoot.meeting.names import member_id
from simulation.meeting_world import World, agreed
from simulation.moot import (
    ASSEMBLY,
    BY_BALLOT,
    LINES,
    decided,
    gather,
    inside,
    move,
    move_out,
    outs,
    vote,
)


def test_who_knocks_is_let_in_by_a_vote() -> None:
    world = World(421)
    ann = world.found("Ann", BY_BALLOT)
    ann.admits = False
    world.run(0.5)
    members = [ann]
    for name in ("Bob", "Cy"):
        one = world.join(name, ann.meeting.invite_text())
        one.admits = False
        world.run_until(lambda: bool(ann.meeting.knocks()), 10)
        (knock,) = ann.meeting.knocks()
        with pytest.raises(UsageError, match="by a vote"):
            ann.meeting.admit(knock.knock, world.now)
        motion = move(world, ann, "admit", knock.knock)
        vote(world, motion, yes=members)
        members.append(one)
        world.run_until(lambda: agreed(members), 20)
    dee = world.join("Dee", ann.meeting.invite_text())
    world.run_until(lambda: all(one.meeting.knocks() for one in members), 10)
    motion = move(world, members[1], "admit", members[1].meeting.knocks()[0].knock)
    vote(world, motion, yes=members[:2])
    world.run(3)
    assert dee.meeting.phase.value == "knocking"  # all three are more than two thirds of three
    vote(world, motion, no=members[2:])
    world.run_until(lambda: all(False in decided(one) for one in members), 5)
    assert dee.meeting.phase.value == "knocking"


def test_guests_are_raised_and_vote_from_then_on() -> None:
    world = World(422)
    ann, bob, cy, dee, eve = members = gather(world, 5, ASSEMBLY)
    assert [one.meeting.votes for one in members] == [True, False, False, False, False]
    with pytest.raises(UsageError, match="guest"):
        move_out(world, bob, ann)
    electors = [ann]
    for one in (bob, cy):
        motion = move(world, ann, "raise", member_id(one.meeting.seat))
        vote(world, motion, yes=electors)
        world.run_until(lambda one=one: one.meeting.votes, 15)  # type: ignore[misc]
        electors.append(one)
    motion = move(world, bob, "raise", member_id(dee.meeting.seat))
    vote(world, motion, yes=electors)
    world.run_until(lambda: dee.meeting.votes and agreed(members), 15)
    # A newcomer sees who votes, and in which line: Dee is in Bob's, who moved it.
    fay = world.join("Fay", ann.meeting.invite_text())
    world.run_until(lambda: agreed([*members, fay]), 30)
    world.run(2)
    for one in (ann, eve, fay):
        seen = {view.name: (view.elector, view.line) for view in one.meeting.roster(world.now)}
        bobs = member_id(bob.meeting.seat)
        assert seen["Dee"] == seen["Bob"] == (True, bobs)
        assert seen["Cy"] == (True, member_id(cy.meeting.seat))
        assert seen["Fay"] == (False, "")
    # Three lines: Ann's, Cy's, and that of Bob and Dee, which one of them does not speak for.
    motion = move_out(world, ann, eve)
    vote(world, motion, yes=[ann, cy, bob])
    world.run(3)
    (view,) = fay.meeting.motions(world.now)
    assert (view.needed, view.have, view.lines_needed, view.lines_have) == (3, 3, 3, 2)
    assert not outs(ann)
    vote(world, motion, yes=[dee])
    stay = [ann, bob, cy, dee, fay]
    world.run_until(lambda: all(outs(one) == [("Eve", "removed")] for one in stay), 15)
    assert agreed(stay)
    world.run_until(lambda: bool(eve.of(events.Left)), 15)  # a guest is told, too
    assert "Ann moved it" in eve.of(events.Left)[0].why


def test_the_rules_are_amended_by_a_vote_and_newcomers_are_asked() -> None:
    world = World(423)
    ann, bob, cy, dee = members = gather(world, 4)
    word = ann.meeting.invite_text()
    stricter = from_mapping({"preset": "circle", "removal": "9/10", "amendment": "9/10"})
    motion = move(world, ann, "amend", stricter.encode().hex())
    other = move_out(world, bob, dee)
    vote(world, other, yes=[bob])
    vote(world, motion, yes=[ann, bob, cy])
    world.run_until(lambda: all(one.meeting.charter == stricter for one in members), 15)
    assert agreed(members)
    # What was moved under the old rules is over.
    world.run_until(lambda: all(sorted(decided(one)) == [False, True] for one in members), 5)
    why = "Nobody can be removed here"  # nine tenths of four are four, and one has no ballot
    with pytest.raises(UsageError, match=why):
        move_out(world, ann, dee)
    eve = world.join("Eve", word)
    world.run_until(lambda: bool(eve.of(events.CharterDiffers)), 20)
    (differs,) = eve.of(events.CharterDiffers)
    assert any("nine tenths" in sentence for sentence in differs.sentences)
    assert eve.meeting.phase.value == "knocking"
    world.do(eve, lambda meeting: meeting.accept_charter(world.now))
    world.run_until(lambda: agreed([*members, eve]), 20)


def test_lines_follow_who_let_somebody_in() -> None:
    """Bob's friends come in by Ann's invite, which is shown around, and Bob lets them in."""
    world = World(424)
    ann, bob, cy, dee = members = gather(world, 4, LINES)
    for one in members:
        one.admits = one is bob
    for name in ("Eve", "Fay", "Gus"):
        members.append(world.join(name, ann.meeting.invite_text()))
        members[-1].admits = False
        world.run_until(lambda: agreed(members), 30)
    friends = members[4:]
    alone = dict.fromkeys((one.meeting.seat for one in (ann, cy, dee)), 1)
    for one in members:
        lines = inside(one).epochs.current.roll.lines()
        assert lines == {**alone, bob.meeting.seat: 4}
    motion = move_out(world, bob, cy)
    vote(world, motion, yes=[bob, *friends])
    world.run(3)
    (view,) = cy.meeting.motions(world.now)
    assert (view.needed, view.have, view.lines_needed, view.lines_have) == (5, 4, 3, 1)
    assert not any(outs(one) for one in members)


@pytest.mark.parametrize("seed", range(2))
def test_on_a_bad_network_it_takes_effect_at_everybody_or_at_nobody(seed: int) -> None:
    """Cells are lost, somebody joins meanwhile, one is cut off; in one run one who said yes leaves,
    and those who stay are too few of those who were there."""
    world = World(430 + seed, loss=0.15)
    ann, bob, cy, dee, eve, fay = gather(world, 6)
    motion = move_out(world, ann, eve)
    world.set_link(fay, False)
    gus = world.join("Gus", bob.meeting.invite_text())
    enough = seed % 2 == 0
    vote(world, motion, yes=[ann, bob, cy])
    if seed == 1:
        world.run_until(
            lambda: bool(dee.of(events.MotionMade)), 10
        )  # else it is told nothing of it
        world.do(cy, lambda meeting: meeting.leave(world.now))
        world.run_until(lambda: bool(cy.of(events.Left)), 20)
        world.run_until(lambda: decided(ann) == decided(dee) == [False], 20)
    else:
        vote(world, motion, yes=[dee])
    if enough:
        world.set_link(fay, True)
        vote(world, motion, yes=[fay])
    stay = [one for one in (ann, bob, cy, dee, fay) if not one.of(events.Left)]
    world.set_link(fay, True)
    if enough:
        world.run_until(lambda: all(("Eve", "removed") in outs(one) for one in stay), 60)
        world.run_until(lambda: bool(eve.of(events.Left)), 30)
    world.run_until(lambda: agreed(stay), 60)
    world.run(5)
    assert agreed(stay)
    seats = {view.seat for view in ann.meeting.roster(world.now)}
    assert (eve.meeting.seat in seats) == (not enough)
    assert bool(eve.of(events.Left)) == enough
    del gus


def test_the_accused_cannot_hold_up_its_removal() -> None:
    """Of four, one voted and is away since; the accused is here, and names nothing."""
    world = World(440)
    ann, bob, cy, dee = gather(world, 4)
    motion = move_out(world, ann, dee)
    vote(world, motion, yes=[cy, ann])
    world.run(2)
    world.set_link(cy, False)
    world.run(5)
    vote(world, motion, yes=[bob])
    took = world.run_until(lambda: all(outs(one) for one in (ann, bob)), 15)
    assert took < 3, took
    assert outs(ann) == outs(bob) == [("Dee", "removed")]
    world.run_until(lambda: bool(dee.of(events.Left)), 15)
    world.set_link(cy, True)
    world.run_until(lambda: agreed([ann, bob, cy]), 40)
