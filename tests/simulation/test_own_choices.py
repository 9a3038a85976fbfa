"""What a member chose for itself, or answered, is there when its agent is started again."""

from __future__ import annotations

from folkmoot.meeting import events
from folkmoot.meeting.names import member_id
from simulation.meeting_world import World, agreed
from simulation.moot import gather, move_out, vote
from simulation.test_meeting import meet, speak


def test_who_was_muted_or_hidden_stays_so() -> None:
    world = World(61)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    world.do(ann, lambda m: m.mute(member_id(bob.meeting.seat), True, world.now))
    world.do(ann, lambda m: m.hide(member_id(cy.meeting.seat), True, world.now))
    again = world.restart(ann)
    world.run_until(lambda: bool(again.of(events.Joined)) and agreed([again, bob, cy]), 20)
    views = {view.seat: view for view in again.meeting.roster(world.now)}
    assert (views[bob.meeting.seat].muted, views[bob.meeting.seat].hidden) == (True, False)
    assert (views[cy.meeting.seat].muted, views[cy.meeting.seat].hidden) == (False, True)
    for one in (bob, cy):
        speak(world, one, 1.0)
    world.run(3)
    assert {event.seat for event in again.of(events.FrameReceived)} == {cy.meeting.seat}
    # Those who are muted come back on a fresh leaf, and are so still.
    back = world.restart(bob)
    world.run_until(lambda: bool(back.of(events.Joined)) and agreed([again, back, cy]), 20)
    speak(world, back, 1.0)
    world.run(3)
    assert bob.meeting.seat not in {event.seat for event in again.of(events.FrameReceived)}
    world.do(again, lambda m: m.mute(member_id(bob.meeting.seat), False, world.now))
    speak(world, back, 1.0)
    world.run(3)
    assert bob.meeting.seat in {event.seat for event in again.of(events.FrameReceived)}


def test_what_it_answered_is_known_to_it() -> None:
    """The others have its ballot, and it hears that from them: it cannot answer otherwise now."""
    world = World(62)
    ann, bob, cy, dee, eve = members = gather(world, 5)
    motion = move_out(world, ann, eve)
    vote(world, motion, yes=[bob, cy])
    world.run(1)
    again = world.restart(bob)
    here = [again, *(one for one in members if one is not bob)]
    world.run_until(lambda: bool(again.of(events.Joined)) and agreed(here), 20)
    world.run_until(lambda: [view.own for view in again.meeting.motions(world.now)] == [True], 10)
    (view,) = again.meeting.motions(world.now)
    assert not view.may_vote
    world.run_until(lambda: again.meeting.motions(world.now)[0].have == 2, 10)
    vote(world, motion, yes=[ann, dee])
    world.run_until(lambda: all(one.of(events.MemberOut) for one in (ann, again, cy, dee)), 10)
