"""Walking out when lines are bad, people are slow, and two call at once."""

from __future__ import annotations

import functools

import pytest

from folkmoot.meeting import Meeting, UsageError, calls, events
from folkmoot.meeting.calls import call_id
from folkmoot.meeting.names import member_id
from simulation.meeting_world import Member, World, agreed
from simulation.test_meeting import meet, speak
from simulation.test_secession import TEN, answer, call, in_another


def all_say_yes(world: World, members: list[Member]) -> None:
    """As soon as they are asked."""

    def told(member: Member, event: events.Event) -> None:
        if member not in members or not isinstance(event, events.Called):
            return
        name = call_id(event.name)
        if event.seat != member.meeting.seat:
            yes = functools.partial(Meeting.answer_call, call=name, yes=True, now=world.now)
            world.at(world.now, lambda: world.do(member, yes))

    world.watchers.append(told)


def walk_out(world: World, members: list[Member]) -> str:
    all_say_yes(world, members)
    return call(world, members[0], *members[1:])


@pytest.mark.parametrize(("seed", "stay"), [(37, 3), (38, 0)])
def test_whoever_said_yes_gets_there_on_a_bad_network(seed: int, stay: int) -> None:
    """Those who go first have left by the time that the last hear of the way."""
    world = World(seed, loss=0.25)
    members = meet(world, *TEN[:7])
    going, staying = members[: 7 - stay], members[7 - stay :]
    group_id = members[0].meeting.group_id
    walk_out(world, going)
    world.run_until(lambda: in_another(going, group_id), 40)
    for one in going:
        assert len(one.meeting.roster(world.now)) == len(going)
    world.run_until(lambda: all(one.meeting._departing is None for one in going), 20)
    world.run_until(lambda: agreed(staying) if staying else True, 20)
    for one in staying:
        assert not one.of(events.WalkedOut)


def test_a_caller_whose_line_broke_takes_them_along_afterwards() -> None:
    world = World(39)
    members = meet(world, *TEN[:5])
    going = members[:4]
    group_id = members[0].meeting.group_id
    walk_out(world, going)
    world.run_until(lambda: in_another(going[:1], group_id), 5)
    world.set_link(going[0], False)  # before its word was out
    world.run(20)
    assert all(one.meeting.group_id == group_id for one in going[1:])
    world.set_link(going[0], True)
    world.run_until(lambda: in_another(going, group_id), 15)
    world.run_until(lambda: len(members[4].meeting.roster(world.now)) == 1, 15)


def test_a_caller_that_dies_once_its_word_is_out_leaves_nobody_without_a_voice() -> None:
    world = World(46)
    members = meet(world, *TEN[:5])
    caller, *others = going = members[:4]
    group_id = caller.meeting.group_id

    def dies(member: Member, event: events.Event) -> None:
        if member is not caller and isinstance(event, events.WalkedOut):
            world.at(world.now, lambda: world.kill(caller))

    world.watchers.append(dies)
    walk_out(world, going)
    world.run_until(lambda: in_another(others, group_id), 5)
    assert not caller.alive
    for one in others:
        speak(world, one, 3.0)
    world.run(3)
    for one in others:
        voices = {event.seat for event in one.of(events.FrameReceived)}
        assert {other.meeting.seat for other in others if other is not one} <= voices


def test_who_said_yes_and_was_cut_off_follows_when_the_others_have_left() -> None:
    world = World(44)
    members = meet(world, *TEN[:6])
    going, staying = members[:4], members[4:]
    group_id = members[0].meeting.group_id
    walk_out(world, going)
    late = going[-1]
    world.run_until(lambda: in_another(going[:1], group_id), 5)
    world.set_link(late, False)
    world.run_until(lambda: in_another(going[:3], group_id), 5)
    world.run_until(lambda: agreed(staying) and len(staying[0].meeting.roster(world.now)) == 3, 30)
    assert late.meeting.group_id == group_id
    world.set_link(late, True)
    world.run_until(lambda: in_another(going, group_id), 20)
    assert not late.of(events.Refused)
    world.run_until(lambda: len(staying[0].meeting.roster(world.now)) == 2, 20)


def test_who_is_an_epoch_behind_goes_when_it_is_there() -> None:
    world = World(40)
    ann, bob = meet(world, "Ann", "Bob")
    assert bob.meeting._inside is not None
    assert ann.meeting._inside is not None
    before = bob.meeting._inside.epochs.current
    cy = world.join("Cy", ann.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, cy]), 10)
    world.do(ann, lambda m: m.call([member_id(bob.meeting.seat)], None, world.now))
    world.run_until(lambda: bool(bob.meeting.calls()), 5)
    (asked,) = bob.meeting.calls()
    reply = bob.meeting._inside.secession.answer(asked.name, True, world.now)
    caller, called = ann.meeting._inside.secession, bob.meeting._inside.secession
    caller.hear_reply(reply, world.now)
    now = ann.meeting._inside.epochs.current
    gone = caller.go(caller.open[asked.name], now)
    assert gone is not None
    assert called.hear_go(gone[0], before, world.now) is None
    assert called.catch_up(before, world.now) is None
    assert bob.meeting.calls()
    there = called.catch_up(bob.meeting._inside.epochs.current, world.now)
    assert there is not None
    assert there.state.authenticator == gone[1].state.authenticator
    assert not bob.of(events.Refused)


def test_the_way_is_good_when_who_called_has_left() -> None:
    world = World(45)
    ann, bob, cy, dee = meet(world, "Ann", "Bob", "Cy", "Dee")
    name = call(world, ann, bob, cy, dee)
    answer(world, name, True, bob, cy)
    world.run(1)
    assert ann.meeting._inside is not None
    assert bob.meeting._inside is not None
    caller, state = ann.meeting._inside.secession, ann.meeting._inside.epochs.current
    (one,) = caller.open.values()
    gone = caller.go(one, state)
    assert gone is not None
    for first in (ann, cy):
        world.do(first, lambda m: m.leave(world.now))
        world.run_until(lambda first=first: bool(first.of(events.Left)), 10)  # type: ignore[misc]
    world.run_until(lambda: len(bob.meeting.roster(world.now)) == 2, 10)
    there = bob.meeting._inside.secession.hear_go(
        gone[0], bob.meeting._inside.epochs.current, world.now
    )
    assert there is not None
    assert {x.seat for x in there.state.roster} == {x.meeting.seat for x in (ann, bob, cy)}


def test_nobody_goes_two_ways() -> None:
    world = World(41)
    ann, bob, cy, dee = members = meet(world, "Ann", "Bob", "Cy", "Dee")
    group_id = ann.meeting.group_id
    first = call(world, ann, cy, dee)
    second = call(world, bob, cy)
    answer(world, first, True, cy)
    world.run(1)
    with pytest.raises(UsageError, match="come along with others"):
        cy.meeting.answer_call(second, True, world.now)
    with pytest.raises(UsageError, match="come along with others"):
        cy.meeting.call([member_id(dee.meeting.seat)], None, world.now)
    answer(world, first, False, dee)
    world.run_until(lambda: in_another([ann, cy], group_id), 5)
    world.run_until(lambda: agreed([bob, dee]), 15)
    assert bob.meeting.group_id == group_id
    assert not agreed(members)


def test_no_call_looks_like_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A yes is to a call by its short name, of which somebody may have made a double."""
    world = World(42)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    first = call(world, ann, cy)
    world.run_until(lambda: bool(cy.meeting.calls()), 5)
    with monkeypatch.context() as patch:
        patch.setattr(calls, "CALL_CHARACTERS", 0)
        call(world, bob, cy)
        world.run(5)
    assert [call_id(one.name) for one in cy.meeting.calls()] == [first]
