"""How long things take in a sound meeting of 2, 5, 12 and 50: what the paces and time-outs are made
from (protocol/README.md, "Paces and time-outs").

A line of 50 ms one way, half of it up or down at random, and a relay that ticks each 10 ms (40 ms
in the large meeting, to save work). Admission is given at once: nobody's hand is measured.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from folkmoot.governance import PRESETS, Admission
from folkmoot.meeting import events
from simulation.meeting_world import Member, World, agreed
from simulation.patches import Patches, remember, thin_media

SIZES = (2, 5, 12, 50)
SAMPLES = {2: 20, 5: 20, 12: 10, 50: 3}
DELAY_S = 0.1  # from member to member, by way of the relay
CUT_S = 20.0
RESTART_S = 1.0
PATIENCE_S = 120.0
STEP_S = 0.02
NAMES = (
    "join: from the knock to being in",
    "settle: from letting in to the last member's new epoch",
    "heal: after 20 s without a line",
    "heal: after the relay was restarted (1 s)",
    "gather: all but one at once, until all are in one epoch",
)


@dataclass
class Measured:
    """Seconds, by what was measured."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def row(self, name: str) -> str:
        """Least, median, nine of ten, most."""
        found = sorted(self.times[name])
        ninth = found[min(len(found) - 1, int(len(found) * 0.9))]
        return f"{found[0]:6.2f} {statistics.median(found):6.2f} {ninth:6.2f} {found[-1]:6.2f}"


class Meeting:
    """A meeting of `size` members that has come to rest, but for the last of them."""

    def __init__(self, size: int, seed: int) -> None:
        self.world = World(seed, delay_s=DELAY_S, tick_s=0.01 if size <= 12 else 0.04)
        open_door = replace(PRESETS["unremovable"], admission=Admission.OPEN)
        charter = open_door if size > 12 else PRESETS["unremovable"]
        founder = self.world.found("M0", charter)
        self.members = [founder]
        self.changed_at: dict[str, float] = {}
        self.world.run(0.5)
        for number in range(1, size - 1):
            self.members.append(self.world.join(f"M{number}", founder.meeting.invite_text()))
        self.gathered_s = self._until(lambda: agreed(self.members))
        self.world.run(5 + self.world.random.random())

    def _until(self, done: Callable[[], bool]) -> float:
        begun = self.world.now
        while not done():
            if self.world.now - begun > PATIENCE_S:
                raise AssertionError(f"not done after {PATIENCE_S} s")
            self.world.run(STEP_S)
        return self.world.now - begun

    def join(self, measured: Measured) -> None:
        let_in: list[float] = []
        self.world.watchers.append(
            lambda member, event: (
                let_in.append(self.world.now) if isinstance(event, events.KnockGone) else None
            )
        )
        epoch, begun = self.members[0].meeting.epoch, self.world.now
        newcomer = self.world.join("last", self.members[0].meeting.invite_text())
        joined = self._until(lambda: newcomer.inside)
        self._until(lambda: all(one.meeting.epoch > epoch for one in self.members))
        settled_at = max(self.changed_at[one.name] for one in self.members)
        self.members.append(newcomer)
        measured.times[NAMES[0]].append(joined)
        measured.times[NAMES[1]].append(settled_at - (let_in[0] if let_in else begun))
        self._until(lambda: agreed(self.members))
        self.world.run(12)

    def watch_changes(self) -> None:
        """Notes when each member was last told of a new epoch."""

        def told(member: Member, event: events.Event) -> None:
            if isinstance(event, events.EpochChanged):
                self.changed_at[member.name] = self.world.now

        self.world.watchers.append(told)

    def _well(self, text: str, among: Sequence[Member]) -> bool:
        now = self.world.now
        return all(
            text in {event.text for event in one.of(events.ChatReceived)}
            and one.meeting._inside is not None
            and one.meeting._inside.is_well(now)
            and one.meeting._outside is None
            for one in among
        ) and agreed(self.members)

    def cut(self, measured: Measured) -> None:
        victim = self.members[-1]
        self.world.set_link(victim, False)
        self.world.run(CUT_S / 2)
        self.world.do(self.members[0], lambda m: m.chat("meanwhile", self.world.now))
        self.world.run(CUT_S / 2)
        self.world.set_link(victim, True)
        measured.times[NAMES[2]].append(self._until(lambda: self._well("meanwhile", [victim])))
        self.world.run(12)

    def restart(self, measured: Measured) -> None:
        (relay,) = self.world.sim_relays
        relay.stop()
        self.world.do(self.members[0], lambda m: m.chat("in between", self.world.now))
        self.world.run(RESTART_S)
        relay.start()
        measured.times[NAMES[3]].append(self._until(lambda: self._well("in between", self.members)))


def measure(size: int, samples: int) -> Measured:
    """So many meetings of this size, each from its own seed."""
    measured = Measured()
    for seed in range(samples):
        with Patches() as patches:
            remember(patches)
            thin_media(patches)
            meeting = Meeting(size, 1000 * size + seed)
            measured.times[NAMES[4]].append(meeting.gathered_s)
            meeting.watch_changes()
            meeting.join(measured)
            meeting.cut(measured)
            meeting.restart(measured)
    return measured


def print_distributions(sizes: Sequence[int] = SIZES) -> int:
    """The table, in seconds."""
    print(f"{'seconds':55} {'least':>6} {'median':>6} {'9/10':>6} {'most':>6}")
    for size in sizes:
        measured = measure(size, SAMPLES[size])
        for name in NAMES:
            print(f"{size:3} members, {name:42} {measured.row(name)}", flush=True)
    return 0
