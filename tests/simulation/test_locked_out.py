"""A committer whose update path is bent for some: any of the others, many of them, again and again.
Whoever is locked out comes back by itself, keeps its seat and its voice; nobody else waits."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from folkmoot.meeting import events, locked_out, ticks
from folkmoot.mls import path, tree_math
from simulation.hostile_member import Hostile
from simulation.meeting_world import Member, World, agreed
from simulation.patches import Patches, remember
from simulation.test_meeting import meet, say, speak, texts

NAMES = ("Ann", "Bob", "Cy", "Dee", "Eve")
BACK_S = 10.0
FRAMES = 450  # of 20 ms: longer than to be locked out and back


@pytest.fixture(autouse=True)
def _fast() -> Any:
    with Patches() as patches:
        remember(patches)
        yield


def bend_paths(monkeypatch: pytest.MonkeyPatch, leaves: Collection[int]) -> None:
    """From now on nobody at these leaves can open what an update path has for it, nor can who
    shares a key with them."""

    def create_path(suite: Any, tree: Any, leaf: int, *rest: Any) -> Any:
        made = path.create_path(suite, tree, leaf, *rest)
        nodes = []
        copath = [beside for _, beside in tree.filtered_direct_path(leaf)]
        for beside, node in zip(copath, made.update_path.nodes, strict=True):
            secrets = [
                replace(one, ciphertext=bytes(len(one.ciphertext)))
                if any(tree_math.in_subtree(2 * bent, target) for bent in leaves)
                else one
                for target, one in zip(
                    tree.resolution(beside), node.encrypted_path_secret, strict=True
                )
            ]
            nodes.append(replace(node, encrypted_path_secret=tuple(secrets)))
        return replace(made, update_path=replace(made.update_path, nodes=tuple(nodes)))

    monkeypatch.setattr("folkmoot.mls.committing.create_path", create_path)


class Scene:
    """Five honest members and Mallory, who is the last to have come."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        *self.honest, self.mal = meet(self.world, *NAMES, "Mallory")
        self.mallory = Hostile(self.world, self.mal)

    def lock_out(self, victims: Sequence[Member]) -> bytes:
        """The epoch of a commit that they cannot process."""
        with pytest.MonkeyPatch.context() as patch:
            bend_paths(patch, [self.mallory.leaf_of(one) for one in victims])
            child = self.mallory.commit().child
        assert child is not None
        return child

    def refused(self) -> set[str]:
        """Who could not process a commit."""
        return {
            one.name
            for one in self.honest
            if any("HPKE" in event.why for event in one.of(events.Refused))
        }

    def settled(self, child: bytes) -> bool:
        """Whether anybody honest moved to this epoch."""
        return any(
            event.authenticator == child
            for one in self.honest
            for event in one.of(events.EpochChanged)
        )

    def all_well(self) -> bool:
        now = self.world.now
        return agreed(self.honest) and all(
            one.meeting._inside is not None
            and one.meeting._inside.is_well(now)
            and one.meeting._outside is None
            for one in self.honest
        )

    def carries_on(self) -> None:
        """A newcomer comes in, everybody reads everybody, and nobody was taken out."""
        world = self.world
        fay = world.join("Fay", self.honest[0].meeting.invite_text())
        world.run_until(lambda: agreed([*self.honest, fay]), 20)
        for one in self.honest:
            say(world, one, f"still here, {one.name}")
        wanted = {f"still here, {name}" for name in NAMES}
        world.run_until(lambda: all(wanted <= set(texts(one)) for one in self.honest), 20)
        assert not any(one.of(events.MemberOut) for one in self.honest)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_whoever_is_locked_out_comes_back(count: int) -> None:
    """Every choice of so many of the five."""
    settled = 0
    for seed, names in enumerate(itertools.combinations(NAMES, count), 1):
        scene = Scene(10 * count + seed)
        child = scene.lock_out([one for one in scene.honest if one.name in names])
        scene.world.run(1.5)
        assert set(names) <= scene.refused()
        back = scene.world.run_until(scene.all_well, BACK_S)
        settled += scene.settled(child)
        print(f"without {', '.join(names)}: together after {1.5 + back:.1f} s")
        scene.carries_on()
    # With a third or more of the six locked out it settles nowhere.
    assert settled == 0 if count > 1 else settled > 0


def _one_who_is_locked_out(seed: int) -> tuple[Scene, Member]:
    scene = Scene(seed)
    victim = scene.honest[-1]  # beside Mallory in the tree, so that the others can go on
    return scene, victim


def test_what_it_says_meanwhile_is_heard_without_a_gap() -> None:
    scene, victim = _one_who_is_locked_out(1)
    scene.world.run(2)
    speak(scene.world, victim, FRAMES * 0.02)
    scene.world.run(1)
    child = scene.lock_out([victim])
    scene.world.run(FRAMES * 0.02)
    assert scene.settled(child)
    assert scene.all_well()
    for one in scene.honest[:-1]:
        heard = [
            event.frame.payloads[0][1]
            for event in one.of(events.FrameReceived)
            if event.seat == victim.meeting.seat
        ]
        assert heard == [number % 251 for number in range(FRAMES)]


def test_without_the_rule_it_waits_until_it_is_noticed_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The control: what is measured above is due to that."""
    monkeypatch.setattr(locked_out, "SURE_AFTER_S", 1e9)
    scene, victim = _one_who_is_locked_out(1)
    scene.lock_out([victim])
    scene.world.run(BACK_S)
    assert not scene.all_well()


def _locks_out_again_and_again(seed: int) -> int:
    """How often that comes to anything in half a minute."""
    scene, victim = _one_who_is_locked_out(seed)
    children = []
    for _ in range(6):
        scene.world.run_until(scene.all_well, 30)
        scene.world.run_until(lambda: agreed([*scene.honest, scene.mal]), 30)
        children.append(scene.lock_out([victim]))
        scene.world.run(5)
    scene.world.run_until(scene.all_well, 30)
    scene.carries_on()
    return sum(map(scene.settled, children))


def test_nobody_does_it_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _locks_out_again_and_again(7) == 1
    monkeypatch.setattr(ticks, "EMPTY_EVERY_S", 0)
    assert _locks_out_again_and_again(7) > 1
