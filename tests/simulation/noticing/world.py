"""A meeting of which nothing is left but who hears how much of whom through which relay, and when:
the real detector of each member, and lines, relays and liars made up around it.

Time goes in steps of a quarter of a second. Each line has a delay of its own, loses cells, and
hangs now and then; uplinks become slow; agents and relays end and start again; people come. A relay
gives all it gets to everybody in its rooms, unless its `keeps` says otherwise.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from folkmoot.meeting.beacons import MISSED_BEACON_S, beacon_period
from folkmoot.meeting.noticing import Notice, Noticing
from folkmoot.meeting.records import Beacon, Receipt, Showing

STEP_S = 0.25
PACE = 25  # voice cells a second of each member
HISTORY = 64  # steps that a relay's output is remembered for late lines
LOOK_STEPS = 2  # while nobody misses anybody

Keeps = Callable[[int, int], bool]  # sender, receiver: whether the relay keeps this cell from it
Lies = Callable[["Person", tuple[Receipt, ...]], tuple[Receipt, ...]]


def keeps_nothing(_sender: int, _receiver: int) -> bool:
    return False


@dataclass
class Luck:
    """How often things happen to one member (or relay), in times an hour, and how bad lines are."""

    loss: float = 0.05
    slow_uplinks: float = 6
    hangs: float = 6
    agents_end: float = 1
    relays_end: float = 1
    joins: float = 1


@dataclass
class Person:
    """One member. `up`, `down`: seconds to and from each relay; `to`, `at`: the step from which
    each relay has it in the room again."""

    number: int
    seat: bytes
    noticing: Noticing
    up: list[float]
    down: list[float]
    clock_s: float
    phase_s: float
    there: list[int]
    alive_from: int = 0
    slow_until: int = 0
    slow_share: float = 1.0
    hang_until: list[int] = field(default_factory=list)
    backlog: list[int] = field(default_factory=list)
    beacon_at: float = 0.0
    beacon_last: float = -10.0
    epoch: bytes = b""
    shuns: frozenset[int] = frozenset()  # relays that it sends no voice to
    lies: Lies | None = None


@dataclass(frozen=True)
class Named:
    at_s: float
    by: int
    notice: Notice


class World:
    """`members` in a meeting with so many relays; `seed` tells all that happens. `twin`: the last
    one's seat begins as the first one's does."""

    def __init__(
        self, seed: int, members: int, relays: int = 2, luck: Luck | None = None, twin: bool = False
    ) -> None:
        self.chance = random.Random(seed)
        self.dice = np.random.default_rng(seed)
        self.luck = Luck() if luck is None else luck
        self.relays = [bytes((200, number)) * 4 for number in range(relays)]
        self.keeps: list[Keeps] = [keeps_nothing] * relays
        self.step = 0
        self.epoch = 1
        self.people: list[Person] = []
        self.named: list[Named] = []
        self._out = np.zeros((relays, HISTORY, 64), dtype=np.int64)
        self._mail: dict[int, list[tuple[float, int, Beacon]]] = {}
        self._relay_from = [0] * relays
        self._settles: dict[int, list[tuple[int, bytes]]] = {}
        for number in range(members):
            like_first = twin and number == members - 1
            self._add(bytes(8) + bytes((number,)) * 8 if like_first else None)
        for one in self.people:
            self._settle(one, self._authenticator())

    @property
    def now(self) -> float:
        return self.step * STEP_S

    def _authenticator(self) -> bytes:
        return self.epoch.to_bytes(32, "big")

    def _add(self, seat: bytes | None = None) -> Person:
        number, relays = len(self.people), len(self.relays)
        seat = bytes((number,)) * 16 if seat is None else seat
        line = self.chance.uniform(0.01, 0.15)
        person = Person(
            number,
            seat,
            Noticing(seat),
            up=[line + self.chance.uniform(0.0, 0.1) for _ in range(relays)],
            down=[line + self.chance.uniform(0.0, 0.1) for _ in range(relays)],
            clock_s=self.chance.uniform(-200, 200),
            phase_s=self.chance.uniform(0.0, STEP_S * 0.99),
            there=[self.step + self.chance.randrange(8) for _ in range(relays)],
            hang_until=[0] * relays,
            backlog=[0] * relays,
            beacon_at=self.now + self.chance.random(),
        )
        self.people.append(person)
        return person

    def _settle(self, person: Person, authenticator: bytes) -> None:
        now = self.now + person.phase_s
        seats = [one.seat for one in self.people]
        period = beacon_period(len(seats))
        person.noticing.settled(authenticator, seats, lambda _: None, PACE, period, now)
        person.epoch = authenticator

    # -- what happens to people

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds / STEP_S)):
            self._luck()
            self._carry()
            for person in self.people:
                if person.alive_from <= self.step:
                    self._live(person)
            self.step += 1

    def _happens(self, times_an_hour: float, those: int = 1) -> bool:
        return self.chance.random() < times_an_hour * those * STEP_S / 3600

    def _luck(self) -> None:
        luck, people, step = self.luck, self.people, self.step
        for number, authenticator in self._settles.pop(step, []):
            self._settle(people[number], authenticator)
        if self._happens(luck.slow_uplinks, len(people)):
            slow = self.chance.choice(people)
            slow.slow_until = step + self.chance.randrange(4, 120)
            slow.slow_share = self.chance.uniform(0.1, 0.95)
        if self._happens(luck.hangs, len(people)):
            hung, relay = self.chance.choice(people), self.chance.randrange(len(self.relays))
            whole = self.chance.random() < 0.5
            for one in range(len(self.relays)):
                if whole or one == relay:
                    hung.hang_until[one] = step + self.chance.randrange(1, 16)
        if self._happens(luck.agents_end, len(people)):
            ended = self.chance.choice(people)
            ended.alive_from = step + self.chance.randrange(8, 80)
            ended.noticing = Noticing(ended.seat)
            ended.there = [ended.alive_from + self.chance.randrange(6) for _ in self.relays]
            self._settle(ended, self._authenticator())
        if self._happens(luck.relays_end, len(self.relays)):
            relay = self.chance.randrange(len(self.relays))
            self._relay_from[relay] = step + self.chance.randrange(2, 20)
            for person in people:
                back = self._relay_from[relay] + self.chance.randrange(16)
                person.there[relay] = max(person.there[relay], back)
        if self._happens(luck.joins) and len(people) < 60:
            self._join()

    def _join(self) -> None:
        self.epoch += 1
        newcomer = self._add()
        self._settle(newcomer, self._authenticator())
        for person in self.people[:-1]:
            late = self.chance.randrange(1, 4) if self.chance.random() < 0.95 else 20
            self._settles.setdefault(self.step + late, []).append(
                (person.number, self._authenticator())
            )

    # -- cells

    def _carry(self) -> None:
        """What each relay has to give out of this step."""
        base = PACE // 4 + (self.step % 4 == 0)
        for relay in range(len(self.relays)):
            row = self._out[relay, self.step % HISTORY]
            row[:] = 0
            for one in self.people:
                if one.alive_from > self.step or relay in one.shuns:
                    continue
                if self.step < max(one.there[relay], self._relay_from[relay]):
                    one.backlog[relay] = 0
                    continue
                cells = base
                if self.step < one.slow_until:
                    cells = int(self.dice.binomial(cells, one.slow_share))
                if self.step < one.hang_until[relay]:
                    one.backlog[relay] = min(60, one.backlog[relay] + cells)
                    continue
                row[one.number] = cells + one.backlog[relay]
                one.backlog[relay] = 0
            row[:] = self.dice.binomial(row, 1 - self.luck.loss)

    def _live(self, one: Person) -> None:
        now = self.now + one.phase_s
        count = len(self.people)
        for relay, name in enumerate(self.relays):
            if self.step < max(one.there[relay], self._relay_from[relay]):
                continue
            if self.step < one.hang_until[relay]:
                continue
            keeps = self.keeps[relay]
            got = self.dice.binomial(self._row(one, relay)[:count], 1 - self.luck.loss).tolist()
            for other, cells in zip(self.people, got, strict=True):
                if cells and not keeps(other.number, one.number):
                    one.noticing.heard_cells(name, other.seat, now, cells)
        for at, sender, beacon in self._mail.pop(one.number, []):
            if at <= now:
                one.noticing.hear(beacon, now)
            else:
                self._mail.setdefault(one.number, []).append((at, sender, beacon))
        if one.noticing.contested or (self.step + one.number) % LOOK_STEPS == 0:
            there = [
                name
                for relay, name in enumerate(self.relays)
                if self.step >= max(one.there[relay], self._relay_from[relay])
            ]
            for notice in one.noticing.look(self.relays, there, now):
                self.named.append(Named(now, one.number, notice))
        period = beacon_period(count)
        if one.noticing.contested:
            wait = min(period / 2, MISSED_BEACON_S if one.noticing.own_contested else period)
            one.beacon_at = min(one.beacon_at, max(now, one.beacon_last + wait))
        if now >= one.beacon_at:
            one.beacon_at, one.beacon_last = now + period, now
            self._say(one, now)

    def _row(self, one: Person, relay: int) -> npt.NDArray[np.int64]:
        """What the relay gave out when what arrives now left it. (Ways up are part of the way: the
        same for everybody, and so of no account.)"""
        late = int((one.down[relay] + one.phase_s) / STEP_S)
        row: npt.NDArray[np.int64] = self._out[relay, (self.step - late) % HISTORY]
        return row

    def _say(self, one: Person, now: float) -> None:
        receipts = tuple(
            Receipt(name, one.noticing.echoes(name, now), one.noticing.missed(name, now))
            for name in self.relays
        )
        if one.lies is not None:
            receipts = one.lies(one, receipts)
        beacon = Beacon(
            seat=one.seat,
            at_ms=int((now + one.clock_s + 1000) * 1000),
            epoch=self.epoch,
            authenticator=one.epoch,
            showing=Showing(0),
            name="",
            digest=b"",
            receipts=receipts,
        )
        wait = self.chance.uniform(0.0, 0.125 if len(self.people) <= 12 else 0.25)
        for other in self.people:
            if other is one or other.alive_from > self.step:
                continue
            ways = [
                one.up[relay] + other.down[relay]
                for relay in range(len(self.relays))
                if self.step >= max(one.there[relay], other.there[relay], self._relay_from[relay])
                and self.step >= one.hang_until[relay]
                and self.chance.random() > self.luck.loss
            ]
            if ways:
                self._mail.setdefault(other.number, []).append(
                    (now + wait + min(ways), one.number, beacon)
                )
