"""A hostile scheduler for the agreement's safety: no clock binds it, every message waits for as
long as it likes, and fewer than a third of the electors say what suits it best to each listener.

Everybody hears that everybody is there; only what they name is held back. Two rules of the
agreement rest on time (who is mute for three rounds, locks that conflict for four), so they are off
here.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from folkmoot.agreement import Agreement, Naming, SendNaming, Settled, agreement, votes
from simulation.agreement_world import PARENT, Factory, child_of

STEPS = 400


@dataclass
class Honest:
    seat: bytes
    machine: Agreement
    side: int
    now: float = 0.0
    settled: bytes | None = None
    said: dict[int, bytes | None] = field(default_factory=dict)


def off_the_clock(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(agreement, "STALE_ROUNDS", 10**6)
    patch.setattr(votes, "MUTE_ROUNDS", 10**6)


class Schedule:
    def __init__(self, seed: int, factory: Factory = Agreement) -> None:
        self.random = random.Random(seed)
        count = self.random.choice((4, 4, 5, 7, 7, 10))
        seats = [self.random.randbytes(16) for _ in range(count)]
        self.liars = seats[: (count - 1) // 3]
        self.seats = seats
        self.honest = {
            seat: Honest(
                seat,
                factory(own=seat, electors=seats, last_committer=None, parent=PARENT, now=0.0),
                self.random.randint(0, 1),
            )
            for seat in seats[len(self.liars) :]
        }
        committers = self.random.sample(seats, 2)
        self.candidates = [(child_of(seat), seat) for seat in committers]
        self.sent: list[tuple[bytes, Naming]] = []
        self.across = self.random.choice((0.05, 0.2, 1.0))  # how much gets to the other side

    def run(self) -> set[bytes]:
        """What honest electors settled."""
        for one in self.honest.values():
            # Who is on a side hears of its candidate first.
            child, committer = self.candidates[one.side]
            one.machine.add_candidate(child, committer, one.now)
            self._pump(one)
        for _ in range(STEPS):
            waiting = [one for one in self.honest.values() if one.settled is None]
            if not waiting:
                break
            self._step(self.random.choice(waiting))
        return {one.settled for one in self.honest.values() if one.settled is not None}

    def _step(self, one: Honest) -> None:
        chance = self.random.random()
        if chance < 0.15:
            one.now += self.random.choice((0.1, 0.7, 2.5))
            for seat in self.seats:
                one.machine.hear(seat, one.now)
            one.machine.handle_timer(one.now)
        elif chance < 0.25:
            child, committer = self.random.choice(self.candidates)
            one.machine.add_candidate(child, committer, one.now)
        elif chance < 0.4 and self.liars:
            self._lie(one)
        elif chance < 0.45:
            other = self.random.choice(list(self.honest.values()))
            if other.settled is not None and self._passes(one, other):
                one.machine.moved(other.seat, other.settled, one.now)
        elif self.sent:
            # What was said last matters most, and old things arrive as well.
            newest = self.random.random() < 0.7
            seat, naming = self.random.choice(self.sent[-12:] if newest else self.sent)
            if self._passes(one, self.honest[seat]):
                one.machine.receive_naming(seat, naming, one.now)
        self._pump(one)

    def _passes(self, one: Honest, other: Honest) -> bool:
        return one.side == other.side or self.random.random() < self.across

    def _lie(self, one: Honest) -> None:
        liar = self.random.choice(self.liars)
        number = max(0, one.machine.round + self.random.choice((-1, 0, 0, 0, 1)))
        child = one.said.get(number) or self.random.choice(self.candidates)[0]
        if self.random.random() < 0.02:
            one.machine.moved(liar, child, one.now)
        else:
            locked = self.random.random() < 0.6
            one.machine.receive_naming(liar, Naming(PARENT, number, child, locked), one.now)

    def _pump(self, one: Honest) -> None:
        while (action := one.machine.next_action()) is not None:
            if isinstance(action, SendNaming):
                naming = action.naming
                if one.said.get(naming.round) != naming.child or naming.locked:
                    self.sent.append((one.seat, naming))
                one.said[naming.round] = naming.child
            elif isinstance(action, Settled):
                one.settled = action.child
