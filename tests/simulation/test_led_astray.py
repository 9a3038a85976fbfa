"""Nobody can be led astray: whatever one insider with all the keys answers at the door and says in
its beacons, no member ends up in a meeting of ghosts. (Claim C4.)
"""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.meeting import UsageError, events
from folkmoot.meeting.names import member_id
from folkmoot.meeting.presence import Presence
from folkmoot.meeting.witnesses import Witnesses
from simulation.meeting_world import Member, World, agreed
from simulation.patches import Patches, remember, thin_media
from simulation.relay_conduct import Conduct
from simulation.shadow import Shadow
from simulation.test_meeting import meet, speak
from simulation.test_removal_apart import Parted
from simulation.test_secession import call

VOICE_PER_S = 2  # cells
NAMES = ("Ann", "Bob", "Cy", "Dee", "Eve", "Fay")


@pytest.fixture(autouse=True)
def _fast() -> Any:
    with Patches() as patches:
        remember(patches)
        thin_media(patches, VOICE_PER_S)
        yield


def scene(seed: int, honest: int) -> tuple[World, list[Member], Member]:
    world = World(seed, tick_s=0.1)
    *members, mal = meet(world, *NAMES[:honest], "Mallory")
    return world, members, mal


def watch(world: World, shadow: Shadow, members: list[Member], seconds: float) -> set[str]:
    """Who was in the meeting of ghosts at any time."""
    led: set[str] = set()
    for _ in range(round(seconds * 4)):
        world.run(0.25)
        led |= {one.name for one in members if one.inside and shadow.has(one)}
    return led


@pytest.mark.parametrize("honest", [2, 3, 5])
def test_beacons_of_an_epoch_that_nobody_has_lead_nobody_there(honest: int) -> None:
    world, members, mal = scene(1, honest)
    shadow = Shadow(world, mal, spared=members[-1:])
    shadow.answer_nobody()
    shadow.lie_in_beacons()
    led = watch(world, shadow, members, 40)
    print("led", led)
    assert not led
    assert agreed(members)


def _any_welcome(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Witnesses, "vouch", lambda *_: True)


def test_without_witnesses_they_are_led_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what is shown above is due to them."""
    world, members, mal = scene(1, 3)
    shadow = Shadow(world, mal, spared=members[-1:])
    shadow.answer_nobody()
    shadow.lie_in_beacons()
    _any_welcome(monkeypatch)
    monkeypatch.setattr(Presence, "hears_most", lambda *_: False)
    assert watch(world, shadow, members, 15) == {members[-1].name}


def test_without_witnesses_a_seat_that_is_taken_up_again_is_led_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control."""
    world, members, mal = scene(3, 3)
    shadow = Shadow(world, mal, spared=members[-1:])
    shadow.answer_nobody()
    _any_welcome(monkeypatch)
    members[-1] = world.restart(members[-1])
    assert watch(world, shadow, members, 10) == {members[-1].name}


@pytest.mark.parametrize("honest", [2, 3, 5])
def test_a_seat_that_is_taken_up_again_is_not_led_away(honest: int) -> None:
    world, members, mal = scene(3, honest)
    shadow = Shadow(world, mal, spared=members[-1:])
    shadow.answer_nobody()
    members[-1] = world.restart(members[-1])
    led = watch(world, shadow, members, 30)
    print("led", led)
    assert not led
    world.run_until(lambda: agreed(members), 30)


def test_a_newcomer_whom_the_insider_answers_first_finds_who_invited_it() -> None:
    world, members, mal = scene(3, 3)
    shadow = Shadow(world, mal, spared=members[:1])
    shadow.answer_nobody()
    for one in members:
        one.admits = False  # its person is slow
    gus = world.join("Gus", members[0].meeting.invite_text())
    world.run_until(lambda: gus.inside, 5)
    assert shadow.has(gus)
    assert not gus.meeting.confirmed  # so nothing of it is heard there, or seen
    world.run(20)
    assert shadow.has(gus)
    assert not gus.meeting.confirmed
    (knock,) = members[0].meeting.knocks()
    world.do(members[0], lambda m: m.admit(knock.knock, world.now))
    world.run_until(lambda: agreed([*members, gus]) and gus.meeting.confirmed, 15)
    led = watch(world, shadow, [*members, gus], 20)
    assert not led


def test_a_newcomer_among_ghosts_is_confirmed_neither_by_a_restart_nor_by_their_call() -> None:
    world, members, mal = scene(3, 3)
    shadow = Shadow(world, mal, spared=members[:1])
    shadow.answer_nobody()
    for one in members:
        one.admits = False
    gus = world.join("Gus", members[0].meeting.invite_text())
    world.run_until(lambda: gus.inside, 5)
    ghosts = shadow.members
    assert shadow.has(gus)

    name = call(world, ghosts[1], gus, ghosts[2])
    world.run_until(lambda: bool(gus.meeting.calls()), 5)
    with pytest.raises(UsageError, match="has not confirmed"):
        gus.meeting.answer_call(name, True, world.now)
    with pytest.raises(UsageError, match="has not confirmed"):
        gus.meeting.call([member_id(ghosts[1].meeting.seat)], None, world.now)
    world.do(gus, lambda m: m.answer_call(name, False, world.now))

    gus = world.restart(gus)
    world.run_until(lambda: bool(gus.of(events.Joined)), 20)
    assert shadow.has(gus)
    assert not gus.meeting.confirmed
    assert not gus.of(events.Confirmed)
    speak(world, gus, 3.0)
    world.run(4)
    assert not any(one.of(events.FrameReceived) for one in ghosts)


def test_a_member_from_whom_the_others_are_hidden_for_a_while_stays() -> None:
    world, members, mal = scene(4, 5)
    victim = members[-1]
    shadow = Shadow(world, mal, spared=[victim])
    shadow.answer_nobody()
    shadow.lie_in_beacons()
    world.sim_relays[0].take_up(Parted([victim, mal, *shadow.members]))
    led = watch(world, shadow, members, 14)
    world.sim_relays[0].take_up(Conduct())
    led |= watch(world, shadow, members, 20)
    assert not led
    world.run_until(lambda: agreed(members), 30)


def test_who_is_led_away_while_all_relays_hide_the_others_comes_back() -> None:
    """What is not prevented heals."""
    world, members, mal = scene(5, 5)
    victim = members[-1]
    shadow = Shadow(world, mal, spared=[victim])
    shadow.answer_nobody()
    shadow.lie_in_beacons()
    world.sim_relays[0].take_up(Parted([victim, mal, *shadow.members]))
    led = watch(world, shadow, members, 60)
    assert led == {victim.name}
    world.sim_relays[0].take_up(Conduct())
    took = world.run_until(lambda: agreed(members), 60)
    print(f"back after {took:.1f} s")
    assert not watch(world, shadow, members, 20)


def test_a_side_that_an_insider_filled_with_strangers_keeps_nobody() -> None:
    """While a relay hides the others it lets in as many as it likes, by all the rules."""
    world, members, victim = filled_with_strangers()
    took = world.run_until(lambda: agreed([*members, victim]), 60)
    print(f"back after {took:.1f} s")
    world.run(20)
    # (Those whom it let in knock at the other side, too, which has its word for them by then.)
    world.run_until(lambda: agreed([*members, victim]), 20)
    assert moved([*members, victim]) == {victim.name}


def test_without_those_whom_one_knew_it_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(Presence, "_look_for_base", lambda self, *_: self.rest())
    world, members, victim = filled_with_strangers()
    world.run(60)
    assert moved([*members, victim]) != {victim.name}


def moved(members: list[Member]) -> set[str]:
    """Who went over to another side, by a fresh leaf there."""
    return {one.name for one in members if len(one.of(events.Joined)) > 1}


def filled_with_strangers() -> tuple[World, list[Member], Member]:
    """Two sides, and the relay mended: the one with an insider and its strangers is larger."""
    world, members, mal = scene(6, 4)
    victim = members[-1]
    parted = [victim, mal]
    world.sim_relays[0].take_up(Parted(parted))
    world.run(12)
    for number in range(6):
        parted.append(world.join(f"Stranger{number}", mal.meeting.invite_text()))
    gus = world.join("Gus", members[0].meeting.invite_text())
    world.run_until(lambda: agreed(parted), 60)
    members = [*members[:-1], gus]
    world.run_until(lambda: agreed(members), 60)
    world.run(5)
    world.sim_relays[0].take_up(Conduct())
    return world, members, victim
