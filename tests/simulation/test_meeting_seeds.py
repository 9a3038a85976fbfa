"""Seeded bad luck: people come, leave, crash, are cut off, on a lossy network; then all heals.

After every step: members with the same epoch authenticator have the same roster, nobody's seat is
gone that did not say farewell, and no (key, nonce) of a cell is used twice. After healing: one
epoch, all chat delivered. `FOLKMOOT_SEEDS=200 pytest tests/simulation/test_meeting_seeds.py` runs
more of them; a failure names its seed.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field

import pytest

from folkmoot.cells.media import LaneId, MediaKeys
from folkmoot.meeting import events
from simulation.meeting_world import Member, World, agreed

SEEDS = int(os.environ.get("FOLKMOOT_SEEDS", "12"))
STEPS = 16
MEMBERS_MAX = 6
HEALED_WITHIN_S = 60.0


@dataclass
class Story:
    """One seed's run and what must hold in it."""

    seed: int
    world: World = field(init=False)
    chance: random.Random = field(init=False)
    left: set[bytes] = field(default_factory=set)
    said: dict[bytes, list[str]] = field(default_factory=dict)
    cut: list[Member] = field(default_factory=list)
    dead: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        loss = self.chance.choice([0.0, 0.05, 0.2])
        delay_s = self.chance.choice([0.01, 0.05, 0.2])
        self.world = World(self.seed, loss=loss, delay_s=delay_s)
        self.world.found("M0")
        self.world.run(1)

    def inside(self) -> list[Member]:
        return [one for one in self.world.members if one.meeting.phase.value == "in"]

    def step(self, number: int) -> None:
        here = [one for one in self.inside() if one not in self.cut]
        what = self.chance.choice(["join", "join", "chat", "chat", "leave", "crash", "cut", "mend"])
        if what == "join" and here and len(self.world.members) < MEMBERS_MAX:
            host = self.chance.choice(here)
            self.world.join(f"M{number + 1}", host.meeting.invite_text())
        elif what == "chat" and here:
            speaker = self.chance.choice(here)
            if speaker.meeting._inside is not None and not speaker.meeting._inside.needs_leaf:
                self.world.do(speaker, lambda m: m.chat(f"{m.name}: {number}", self.world.now))
        elif what == "leave" and len(here) > 2:
            leaver = self.chance.choice(here)
            self.left.add(leaver.meeting.seat)
            self.world.do(leaver, lambda m: m.leave(self.world.now))
        elif what == "crash" and len(here) > 1 and here:
            victim = self.chance.choice(here)
            if victim.saved and victim.meeting.seat not in self.left:
                self.world.kill(victim)
                self.dead.append(victim)
        elif what == "cut" and len(here) > 2:
            victim = self.chance.choice(here)
            self.cut.append(victim)
            self.world.set_link(victim, False)
        elif what == "mend":
            self.mend()
        self.world.run(self.chance.uniform(0.2, 5.0))

    def mend(self) -> None:
        for one in self.cut:
            if one.alive:
                self.world.set_link(one, True)
        self.cut.clear()
        for one in self.dead:
            self.world.restart(one)
        self.dead.clear()

    def check(self) -> None:
        rosters: dict[str, frozenset[bytes]] = {}
        for one in self.inside():
            roster = frozenset(view.seat for view in one.meeting.roster(self.world.now))
            assert rosters.setdefault(one.meeting.safety_code, roster) == roster
            for gone in one.of(events.MemberOut):
                assert gone.seat in self.left, f"seed {self.seed}: {gone.name} was taken out"

    def heal(self) -> float:
        self.world.loss = 0.0
        self.mend()

        def done() -> bool:
            self.check()
            members = [
                one
                for one in self.world.members
                if one.meeting.seat not in self.left and one.meeting.phase.value != "left"
            ]
            seats = {view.seat for one in members for view in one.meeting.roster(self.world.now)}
            return (
                bool(members)
                and agreed(members)
                and self.all_well(members)
                and not seats & self.confirmed_out()
            )

        return self.world.run_until(done, HEALED_WITHIN_S)

    def confirmed_out(self) -> set[bytes]:
        """Who left and saw it committed; of others' farewells nobody may ever have heard."""
        return {
            one.meeting.seat
            for one in self.world.members
            if any(event.why == "You left the meeting." for event in one.of(events.Left))
        }

    def all_well(self, members: list[Member]) -> bool:
        now = self.world.now
        insides = [one.meeting._inside for one in members]
        return all(inside is not None and inside.is_well(now) for inside in insides)


@pytest.fixture
def no_counter_twice(monkeypatch: pytest.MonkeyPatch) -> set[tuple[bytes, LaneId, int, int]]:
    """Fails when a media cell is sealed a second time under the same key and counter."""
    used: dict[tuple[bytes, LaneId, int, int], bytes] = {}
    original = MediaKeys.seal

    def seal(self: MediaKeys, lane: LaneId, leaf: int, counter: int, plaintext: bytes) -> bytes:
        key = (self._copy_key, lane, leaf, counter)
        assert used.setdefault(key, plaintext) == plaintext, "a counter used twice"
        return original(self, lane, leaf, counter, plaintext)

    monkeypatch.setattr(MediaKeys, "seal", seal)
    return set(used)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_seed(seed: int, no_counter_twice: object) -> None:
    story = Story(seed)
    for number in range(STEPS):
        story.step(number)
        story.check()
    took = story.heal()
    print(f"seed {seed}: {len(story.world.members)} members, healed in {took:.1f} s")
    here = story.inside()
    speaker = here[0]
    story.world.do(speaker, lambda m: m.chat("the end", story.world.now))
    story.world.run_until(
        lambda: all(
            "the end" in [one.text for one in member.of(events.ChatReceived)] for member in here
        ),
        20,
    )
