"""One seed's story: people come, speak, leave, crash and are cut off, relays misbehave, somebody
may break the rules on purpose; then all of it stops, and everything must be well again.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from folkmoot.cells.frames import VOICE_FRAME_US, Codec, EncodedFrame, MediaKind
from folkmoot.governance import PRESETS, Admission
from folkmoot.meeting import events
from simulation.aftermath import Aftermath
from simulation.electing import Electing
from simulation.insider import Insider
from simulation.invariants import Facts, Invariants, Said, Violation
from simulation.meeting_world import Member, World, agreed
from simulation.patches import Patches, remember, thin_media
from simulation.relay_conduct import HOSTILE, Conduct
from simulation.setting import Setting
from simulation.watch import EpochWatch

GATHERED_WITHIN_S = 40.0  # measured: protocol/README.md, "Paces and time-outs"
UNDER_WAY_S = 5.0  # more than any line and any relay that holds back takes
OPUS_20_MS = b"\x78"  # how a frame of 20 ms begins (RFC 6716 §3.1); others are left out
WEIGHTS = {
    "join": 4.0, "chat": 6.0, "leave": 1.5, "crash": 2.0, "cut": 1.5, "hang": 1.0, "relay": 0.5,
    "stranger": 0.4, "mend": 4.0,
}  # fmt: skip
WITH_VOTES = {"move": 12.0}
WITH_INSIDER = {**WEIGHTS, "leave": 0.4, "crash": 0.8, "cut": 0.8, "hang": 0.5, "evil": 9.0}


@dataclass
class Outcome:
    """What a seed came to."""

    seed: int
    setting: Setting
    violation: Violation | None = None
    trace: str = ""
    events: int = 0
    members: int = 0
    healed_s: float = 0.0
    conditions: Counter[str] = field(default_factory=Counter)
    steps: Counter[str] = field(default_factory=Counter)
    lines: list[str] | None = None


class Story:
    """See the module."""

    def __init__(self, seed: int, watch: EpochWatch, *, trace: bool = False) -> None:
        self.seed = seed
        self.chance = random.Random(f"story {seed}")
        self.setting = Setting.of(seed)
        Setting.draw(self.chance)  # what follows is drawn after it
        setting = self.setting
        self.world = World(
            seed,
            delay_s=setting.delay_s,
            relays=setting.relays,
            reserve=setting.reserve,
            tick_s=setting.tick_s,
            trace=trace,
        )
        self.facts = Facts(
            hostile_relays=any(one != "honest" for one in setting.conducts),
            wrong_clocks=setting.wrong_clocks,
        )
        watch.clock = lambda: self.world.now
        self.invariants = Invariants(self.world, watch, self.facts)
        self.world.watchers.append(self._told)
        self.world.lets_in = lambda _, event: not event.name.startswith("Stranger")
        if setting.votes:
            self.facts.electing = Electing(self.world, self.facts, seed)
        self.watch = watch
        self.steps: Counter[str] = Counter()
        self.cut: list[Member] = []
        self.hung: list[Member] = []
        self.dead: list[Member] = []
        self.down: list[int] = []
        self.insiders: list[Insider] = []
        self.frames = 0
        self.aftermath = Aftermath(
            self.world, watch, self.facts, self.invariants, self.say, setting.voice_per_s
        )
        self.number = 0

    # -- the people

    def _told(self, member: Member, event: events.Event) -> None:
        if isinstance(event, events.Knocked) and event.name.startswith("Stranger"):
            # Its invite went astray: whoever is asked says no.
            self.world.at(self.world.now, lambda: self._say_no(member, event.knock))
        if self.facts.electing is not None:
            self.facts.electing.told(member, event)
        self.invariants.told(member, event)
        if isinstance(event, events.Joined) and len(member.of(events.Joined)) == 1:
            self.invariants.check_closed(member)

    def _say_no(self, member: Member, knock: str) -> None:
        if member.alive and any(one.knock == knock for one in member.meeting.knocks()):
            self.world.do(member, lambda m: m.refuse(knock, self.world.now))

    def inside(self) -> list[Member]:
        return [one for one in self.world.members if one.inside]

    def here(self) -> list[Member]:
        """Who is in, on a line, and knows its way."""
        return [
            one
            for one in self.inside()
            if one not in self.cut
            and one not in self.hung
            and one.meeting.seat not in self.facts.asked_to_leave
            and one.meeting._inside is not None
            and not one.meeting._inside.needs_leaf
        ]

    def begin(self) -> None:
        charter = PRESETS["circle" if self.setting.votes else "unremovable"]
        if self.setting.open_door:
            charter = replace(charter, admission=Admission.OPEN)
        founder = self.world.found("M0", charter)
        self.facts.people.add(founder.meeting.seat)
        self._hear_voice(founder)
        self.world.run(1)
        self._gather()
        for relay, name in zip(self.world.sim_relays, self.setting.conducts, strict=False):
            kind = next((one for one in HOSTILE if one.name == name), None)
            if kind is not None:
                much = self.chance.choice((0.05, 0.15, 0.3))
                relay.take_up(kind(self.world.chance(f"conduct {relay.number}"), much))
        if self.setting.crowd:
            return
        # Most stories are about a meeting, so there is one to begin with.
        some = 4 if self.setting.insider or self.setting.votes else self.chance.choice((1, 2, 3))
        for number in range(some):
            self.join(f"First{number}")
            self.world.run(self.chance.uniform(0.1, 2.0))
        self.world.run(self.chance.uniform(2.0, 5.0))

    def _gather(self) -> None:
        """A crowd comes at once, by one invite, while the relays still do as they should."""
        began = self.world.now
        for number in range(1, self.setting.crowd):
            self.join(f"C{number}")
        while not agreed(self.world.members):
            if self.world.now - began > GATHERED_WITHIN_S:
                raise Violation("gathering", f"not {self.setting.crowd} in one epoch")
            self.world.run(0.25)
            self.invariants.check()

    def _hear_voice(self, member: Member) -> None:
        """Its microphone is on, and it says something each second or so, which nobody else says."""
        self.world.do(member, lambda m: m.microphone(True, self.world.now))

        def speak() -> None:
            if not member.alive or member.meeting.phase.value == "left":
                return
            for place in range(2):
                self.frames += 1
                payload = OPUS_20_MS + self.frames.to_bytes(4, "big") + member.meeting.seat * 3
                self.facts.spoken[payload] = member.meeting.seat
                stamp = int(self.world.now * 1_000_000) + place * VOICE_FRAME_US
                frame = EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, stamp, (payload,))
                self.world.do(member, lambda m, f=frame: m.voice(f, self.world.now))  # type: ignore[misc]
            self.world.at(self.world.now + 1 / self.setting.voice_per_s, speak)

        speak()

    # -- what happens

    def step(self) -> None:
        self.number += 1
        weights = WITH_INSIDER if self.setting.insider else WEIGHTS
        if self.setting.votes:
            weights = {**weights, **WITH_VOTES}
        what = self.chance.choices(list(weights), list(weights.values()))[0]
        self.world.note("step", what, str(self.number).encode())
        done = getattr(self, f"_step_{what}")()
        self.steps[what] += bool(done)
        self.world.run(self.chance.choice((0.05, 0.3, 1.0, 2.0, 4.0, 6.0)))
        self.invariants.check()

    def _disturb(self) -> None:
        facts = self.facts
        facts.disturbed_at = self.world.now
        facts.disturbing = len(self.cut) + len(self.hung) + len(self.dead) + len(self.down)

    def _step_join(self) -> bool:
        here = self.here()
        if not here or len(self.world.members) + len(self.dead) >= self.setting.members_max:
            return False
        self.join(f"M{self.number}")
        return True

    def join(self, name: str) -> Member:
        host = self.chance.choice(self.here() or self.world.members)
        offset_s = self.chance.uniform(-18, 18) if self.setting.wrong_clocks else 0.0
        member = self.world.join(name, host.meeting.invite_text(), wall_offset_s=offset_s)
        self.facts.people.add(member.meeting.seat)
        self.world.at(self.world.now, lambda: self._when_in(member))
        return member

    def _when_in(self, member: Member) -> None:
        if member.alive and not member.inside:
            self.world.at(self.world.now + 0.5, lambda: self._when_in(member))
        elif member.alive:
            self._hear_voice(member)

    def _step_move(self) -> bool:
        electing = self.facts.electing
        return electing is not None and electing.move(self.here())

    def _step_stranger(self) -> bool:
        here = self.here()
        if not here or self.setting.open_door or self.facts.unwanted:
            return False
        word = self.chance.choice(here).meeting.invite_text()
        stranger = self.world.join("Stranger", word)
        self.facts.people.add(stranger.meeting.seat)
        self.facts.unwanted.add(stranger.meeting.seat)
        return True

    def _step_chat(self) -> bool:
        here = self.here()
        if not here:
            return False
        self.say(self.chance.choice(here), f"{self.number}: {self.chance.random():.6f}")
        return True

    def say(self, member: Member, text: str) -> None:
        inside = member.meeting._inside
        assert inside is not None
        self.facts.said[text] = Said(
            text, member.meeting.seat, self.world.now, inside.epochs.current.authenticator
        )
        self.world.do(member, lambda m: m.chat(text, self.world.now))

    def _step_leave(self) -> bool:
        lying = [one.who for one in self.insiders]
        here = [one for one in self.here() if one not in lying]
        if len(here) < 3:
            return False
        self.leave(self.chance.choice(here))
        return True

    def leave(self, member: Member) -> None:
        self.facts.asked_to_leave.add(member.meeting.seat)
        self.world.do(member, lambda m: m.leave(self.world.now))

    def _step_crash(self) -> bool:
        victims = [one for one in self.here() if one.saved]
        if len(victims) < 2:
            return False
        self._crash(self.chance.choice(victims))
        if self.chance.random() < 0.3:
            self._step_mend()  # at once
        return True

    def _crash(self, victim: Member) -> None:
        self.world.kill(victim)
        self.facts.silent_since[victim.meeting.seat] = self.world.now
        self.dead.append(victim)
        self._disturb()

    def _step_cut(self) -> bool:
        return self._trouble(self.cut, lambda one: self.world.set_link(one, False))

    def _step_hang(self) -> bool:
        return self._trouble(self.hung, lambda one: self.world.hang(one, True))

    def _trouble(self, among: list[Member], do: Callable[[Member], None]) -> bool:
        here = self.here()
        if len(here) < 2:
            return False
        victim = self.chance.choice(here)
        self.facts.silent_since[victim.meeting.seat] = self.world.now
        among.append(victim)
        self._disturb()
        do(victim)
        return True

    def _step_relay(self) -> bool:
        up = [relay.number for relay in self.world.sim_relays if relay.up]
        if not up:
            return False
        number = self.chance.choice(up)
        self.down.append(number)
        self._disturb()
        self.world.sim_relays[number].stop()
        return True

    def _step_mend(self) -> bool:
        self.facts.silent_since.clear()
        for one in self.cut:
            if one.alive:
                self.world.set_link(one, True)
        for one in self.hung:
            if one.alive:
                self.world.hang(one, False)
        for number in self.down:
            self.world.sim_relays[number].start()
        for one in self.dead:
            self._hear_voice(self.world.restart(one))
        any_of_it = bool(self.cut or self.hung or self.down or self.dead)
        for trouble in (self.cut, self.hung, self.down, self.dead):
            trouble.clear()
        if any_of_it:
            self._disturb()
        return any_of_it

    def _step_evil(self) -> bool:
        self.insiders = [one for one in self.insiders if one.who.alive]
        while len(self.insiders) < self.setting.insiders_max:
            lying = [one.who for one in self.insiders]
            honest = [one for one in self.here() if one not in lying]
            if len(honest) + len(lying) <= 3 * (len(lying) + 1):  # fewer than a third may lie
                break
            self.insiders.append(Insider(self.world, self.chance.choice(honest[1:]), self.chance))
        if not self.insiders:
            return False
        self.facts.insiders = {one.who.meeting.seat for one in self.insiders}
        done = False
        for _ in range(2):
            here = self.here()
            present = [one for one in self.insiders if one.who in here]
            others = [one for one in here if one.meeting.seat not in self.facts.insiders]
            if present and len(others) > 2 * len(present):
                for insider in present:
                    done |= insider.attack(others, self.facts)
                self.world.run(2.0)
        return done

    # -- healing

    def heal(self) -> float:
        """Everything mends, and every relay is honest; how long it takes until all is well."""
        self.world.note("step", "heal", b"")
        for relay in self.world.sim_relays:
            relay.take_up(Conduct())
        self._step_mend()
        if self.facts.electing is not None:
            self.facts.electing.over = True
        for one in [one for one in self.world.members if one.meeting.seat in self.facts.unwanted]:
            self.world.kill(one)  # it gives up
        # What a relay bent before it mended is still under way for a while.
        self.world.at(self.world.now + UNDER_WAY_S, self.world.rejected.clear)
        return self.aftermath.heal()


def run_seed(
    seed: int, *, trace: bool = False, mutate: Callable[[Patches], None] | None = None
) -> Outcome:
    """Plays one seed; a violation is in the outcome, not raised."""
    with Patches() as patches:
        remember(patches)
        thin_media(patches, Setting.of(seed).voice_per_s)
        if mutate is not None:
            mutate(patches)
        watch = EpochWatch()
        watch.install(patches)
        story = Story(seed, watch, trace=trace)
        outcome = Outcome(seed, story.setting)
        try:
            story.begin()
            for _ in range(story.setting.steps):
                story.step()
            outcome.healed_s = story.heal()
            story.aftermath.finish()
        except Violation as violation:
            outcome.violation = violation
        world = story.world
        outcome.trace = world.trace.hex
        outcome.events = world.trace.count
        outcome.lines = world.trace.lines
        outcome.members = len(story.facts.people)
        story.invariants.conditions["said in an epoch that one had left, or never had"] += len(
            story.aftermath.unheld
        )
        if story.facts.electing is not None:
            outcome.steps["removed"] = len(story.facts.electing.removed)
        outcome.conditions = +story.invariants.conditions
        outcome.steps.update(story.steps)
    return outcome
