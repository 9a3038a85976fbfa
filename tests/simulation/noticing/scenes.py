"""What is played: honest relays with bad luck and with liars, of which none may be named; and
relays that keep a voice back, which must be."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from folkmoot.meeting.noticing import NoticeKind
from folkmoot.meeting.records import Receipt
from simulation.noticing.world import Luck, Person, World

CALM = Luck(slow_uplinks=0, hangs=0, agents_end=0, relays_end=0, joins=0)
SETTLED_S = 8.0
LATEST_S = 3.0


def named(world: World, since_s: float = 0.0) -> list[str]:
    """Who named which relay for whom, in words."""
    return [
        f"{one.at_s:.2f} s: {one.by} names {one.notice.relay[1]} for {one.notice.seat[-1]}"
        for one in world.named
        if one.notice.kind is NoticeKind.WITHHELD and one.at_s >= since_s
    ]


def honest(seed: int, members: int, seconds: float) -> list[str]:
    """Nobody lies and no relay keeps anything back; all else goes wrong."""
    chance = random.Random(seed)
    loss = chance.choice((0.0, 0.01, 0.05))
    world = World(seed, members, chance.choice((1, 2, 2, 3)), Luck(loss=loss))
    world.run(seconds)
    return named(world)


# -- liars, with honest relays

Receipts = tuple[Receipt, ...]
Liars = Callable[[World], None]


def _misses(mark: bytes) -> Callable[[Person, Receipts], Receipts]:
    """Says that it misses somebody at the first relay."""

    def lies(_person: Person, receipts: Receipts) -> Receipts:
        return (replace(receipts[0], missed=(mark,)), *receipts[1:])

    return lies


def _hears(_person: Person, receipts: Receipts) -> Receipts:
    """Says that it hears everybody, and comes back, at the first relay."""
    return (replace(receipts[0], echo=True, missed=()), *receipts[1:])


def _first_shuns(world: World) -> None:
    liar = world.people[0]
    liar.shuns, liar.lies = frozenset((0,)), _hears


def pair_misses(world: World) -> None:
    """Two say that they miss a third, who is heard."""
    for one in world.people[1:3]:
        one.lies = _misses(world.people[0].seat[:4])


def sends_nothing(world: World) -> None:
    """One sends a relay nothing and says that it comes back."""
    _first_shuns(world)


def pair_hears(world: World) -> None:
    """As before, and two say that they hear it."""
    _first_shuns(world)
    for one in world.people[1:3]:
        one.lies = _hears


def pair_wavers(world: World) -> None:
    """As before, and the three change what they do every few seconds."""
    first = world.people[0]

    def wavers(person: Person, receipts: Receipts) -> Receipts:
        turn = world.step // 14 % 3
        first.shuns = frozenset((0,)) if world.step // 10 % 2 else frozenset()
        if turn == 0 and person is not first:
            return _misses(first.seat[:4])(person, receipts)
        return _hears(person, receipts)

    for one in world.people[:3]:
        one.lies = wavers


def twin(world: World) -> None:
    """One whose seat begins as another's sends nothing, and two say that they hear all."""
    last = world.people[-1]
    last.shuns, last.lies = frozenset((0,)), _hears
    for one in world.people[1:3]:
        one.lies = _hears


LIARS: tuple[Liars, ...] = (pair_misses, sends_nothing, pair_hears, pair_wavers, twin)


def lied(
    seed: int, liars: Liars, members: int, seconds: float, luck: Luck | None = None
) -> list[str]:
    """Honest relays, and members who want one named."""
    world = World(seed, members, 2, luck, twin=liars is twin)
    world.run(SETTLED_S)
    liars(world)
    world.run(seconds)
    return named(world)


# -- relays that keep something back


@dataclass(frozen=True)
class Noticed:
    """`took_s`: of each member who had to name the relay; `wrong`: what else was named."""

    took_s: list[float]
    missing: list[int]
    wrong: list[str]


def withheld(seed: int, members: int, share: float) -> Noticed:
    """A relay keeps the voice of one from this share of the others (1: from all but itself)."""
    world = World(seed, members, 2 + seed % 2, CALM)
    chance = random.Random(seed)
    victim = chance.randrange(members)
    others = [one for one in range(members) if one != victim]
    from_whom = set(chance.sample(others, max(2, round(share * len(others)))))
    world.run(SETTLED_S + chance.random() * 2)
    began = world.now
    world.keeps[0] = lambda sender, receiver: sender == victim and receiver in from_whom
    world.run(5)
    hear, miss = len(others) - len(from_whom), len(from_whom)
    knowing = {victim} if miss > 2 else set()
    if hear > 2:
        knowing |= from_whom
    if miss > 2:
        knowing |= set(others) - from_whom
    took = {one.by: one.at_s - began for one in reversed(world.named)
            if one.notice.kind is NoticeKind.WITHHELD and one.notice.relay == world.relays[0]
            and one.notice.seat == world.people[victim].seat}  # fmt: skip
    wrong = [one for one in named(world) if f"names 0 for {victim}" not in one]
    missing = sorted(knowing - took.keys())
    return Noticed([took[one] for one in sorted(knowing & took.keys())], missing, wrong)


def deafened(seed: int, members: int) -> Noticed:
    """A relay keeps everybody's voice from one."""
    world = World(seed, members, 2, CALM)
    world.run(SETTLED_S)
    began, victim = world.now, seed % members
    world.keeps[0] = lambda _, receiver: receiver == victim
    world.run(6)
    took = {one.by: one.at_s - began for one in reversed(world.named)
            if one.notice.kind is NoticeKind.DEAFENED}  # fmt: skip
    others = [f"{one} is deafened" for one in took if one != victim]
    missing = [] if victim in took else [victim]
    return Noticed(
        [at for one, at in took.items() if one == victim], missing, named(world) + others
    )
