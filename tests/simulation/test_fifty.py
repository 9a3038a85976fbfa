"""Fifty, and some more: all come at once; one dies and comes back, one is cut off, one leaves."""

from __future__ import annotations

from dataclasses import replace

from folkmoot.governance import PRESETS, Admission
from folkmoot.meeting import events
from simulation.meeting_world import Member, World, agreed
from simulation.patches import Patches, remember, thin_media
from simulation.test_meeting import say, texts

FIFTY = 50
MORE = 54
QUIET_S = 11
GATHERED_S = 30.0  # measured: protocol/README.md, "Paces and time-outs"
HEALED_S = 8.0


def _together(members: list[Member], now: float) -> bool:
    return agreed(members) and all(
        one.meeting._outside is None
        and one.meeting._inside is not None
        and one.meeting._inside.is_well(now)
        and len(one.meeting.roster(now)) == len(members)
        for one in members
    )


def _gathered(world: World, size: int) -> list[Member]:
    members = [world.found("M0", replace(PRESETS["unremovable"], admission=Admission.OPEN))]
    world.run(0.5)
    invite = members[0].meeting.invite_text()
    members += [world.join(f"M{number}", invite) for number in range(1, size)]
    took = world.run_until(lambda: _together(members, world.now), GATHERED_S)
    print(f"{size} in one epoch after {took:.1f} s")
    return members


def test_fifty_come_at_once_and_go_on_whatever_happens_to_one_of_them() -> None:
    with Patches() as patches:
        remember(patches)
        thin_media(patches)
        world = World(50, delay_s=0.1, tick_s=0.04)
        members = _gathered(world, FIFTY)
        # However they came, nobody was ahead of the others by more than an epoch or two.
        assert members[0].meeting.epoch < 10

        world.run(5)
        dead = members.pop(7)
        world.kill(dead)
        cut = members[30]
        world.set_link(cut, False)
        world.run(10)
        say(world, members[0], "meanwhile")
        world.run(10)
        world.set_link(cut, True)
        world.run_until(lambda: "meanwhile" in texts(cut), HEALED_S)
        back = world.restart(dead)
        members.append(back)
        took = world.run_until(lambda: _together(members, world.now), HEALED_S)
        print(f"one that died and one that was cut off are back after {took:.1f} s")

        gone = members.pop(20)
        world.do(gone, lambda m: m.leave(world.now))
        world.run_until(
            lambda: _together(members, world.now) and bool(gone.of(events.Left)), HEALED_S
        )
        (left,) = gone.of(events.Left)
        assert left.why == events.LEFT_WELL
        say(world, back, "back again")
        world.run_until(lambda: all("back again" in texts(one) for one in members), HEALED_S)


def test_more_than_fifty_do_not_take_each_other_for_absent() -> None:
    with Patches() as patches:
        remember(patches)
        thin_media(patches)
        world = World(MORE, delay_s=0.1, tick_s=0.04)
        members = _gathered(world, MORE)
        world.run(5)
        here = []
        for _ in range(QUIET_S):
            world.run(1)
            here += [all(view.here for view in one.meeting.roster(world.now)) for one in members]
        assert all(here)
