"""An agent that dies and comes back uses no key, nonce or counter a second time.

Everything that is sealed in a meeting passes through four places: SFrame's media cells, the ratchet
of MLS's private messages, the AEADs of MLS and HPKE, and council cells. All of them are watched
while agents are killed at awkward moments; and the watch is shown to see a state used twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from folkmoot import mls
from folkmoot.cells.media import VOICE, MediaKeys
from folkmoot.meeting import events
from folkmoot.meeting.save import Saved
from simulation.meeting_world import Member, World, agreed
from simulation.patches import Patches
from simulation.test_meeting import meet, say, speak, texts
from simulation.watch import Watch

# How long after it was started again an agent is killed once more, in seconds: before its link is
# up, before it is let in again, around the commit that does it, and when it speaks as before.
LIVES_S = (0.0, 0.05, 0.15, 0.3, 0.6, 1.0, 1.5, 3.0, 8.0)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Watches every seal of every member; all members live in this process."""
    with Patches() as patches:
        watch = Watch()
        watch.install(patches)
        yield watch


def _back(world: World, member: Member, others: list[Member]) -> None:
    world.run_until(lambda: agreed([member, *others]) and bool(member.of(events.Joined)), 40)


def test_one_who_dies_again_and_again_seals_nothing_under_an_old_key(watch: Watch) -> None:
    world = World(31)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    seat = cy.meeting.seat
    speak(world, cy, 3)
    speak(world, ann, 3)
    world.run(1)
    for number, life_s in enumerate(LIVES_S):
        if cy.of(events.Joined):
            say(world, cy, f"before {number}")
        say(world, ann, f"ann {number}")
        world.run(0.04)  # the message is under way
        cy = world.restart(cy)
        if not cy.meeting._inside or not cy.meeting._inside.needs_leaf:
            raise AssertionError("it would seal in the epoch that it saved")
        speak(world, cy, 2)
        world.run(life_s)
    _back(world, cy, [ann, bob])
    assert cy.meeting.seat == seat
    say(world, cy, "after all")
    world.run_until(lambda: "after all" in texts(ann) and "after all" in texts(bob), 20)
    heard = len(bob.of(events.FrameReceived))
    speak(world, cy, 2)
    world.run(4)
    assert len(bob.of(events.FrameReceived)) >= heard + 90
    assert not ann.of(events.MemberOut)
    for kind in ("media", "message", "aead", "council"):
        assert watch.count(kind) > 0, kind
    assert watch.twice == []


def test_all_at_once_die_and_come_back(watch: Watch) -> None:
    world = World(32)
    members = meet(world, "Ann", "Bob", "Cy")
    for one in members:
        speak(world, one, 2)
        say(world, one, f"{one.name} before")
    world.run(1)
    members = [world.restart(one) for one in members]
    for one in members:
        speak(world, one, 2)
    world.run_until(lambda: agreed(members) and all(one.of(events.Joined) for one in members), 120)
    for one in members:
        say(world, one, f"{one.name} after")
    after = {f"{one.name} after" for one in members}
    world.run_until(lambda: all(after <= set(texts(one)) for one in members), 20)
    assert watch.twice == []


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_committer_who_dies_with_its_commit_under_way(watch: Watch, after_s: float) -> None:
    """Its saved state is the parent's, in which its commit was sealed already."""
    world = World(33)
    ann, bob = meet(world, "Ann", "Bob")
    speak(world, ann, 4)
    parent = ann.meeting.epoch
    dee = world.join("Dee", ann.meeting.invite_text())

    def committed() -> bool:
        insides = [one.meeting._inside for one in (ann, bob)]
        offered = any(inside is not None and inside.epochs._candidates for inside in insides)
        return offered or ann.meeting.epoch > parent

    world.run_until(committed, 20)
    world.run(after_s)
    again = world.restart(ann)
    world.run_until(lambda: agreed([again, bob, dee]), 60)
    say(world, again, "back")
    world.run_until(lambda: "back" in texts(bob) and "back" in texts(dee), 20)
    assert watch.twice == []


def test_the_watch_sees_a_state_that_is_used_twice(watch: Watch) -> None:
    world = World(34)
    _, bob = meet(world, "Ann", "Bob")
    saved = Saved.decode(bob.saved)
    for number in range(2):
        group = mls.Group.load(saved.group)
        group.seal(b"message %d" % number, entropy=world.entropy)
        MediaKeys(bytes(32), 1, bytes(32)).seal(VOICE, 1, 7, b"cell %d" % number)
    assert {key[0] for key in watch.twice} == {"message", "media"}
