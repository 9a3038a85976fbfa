"""A small world in which members agree on one commit: seeded, on a virtual clock, with a network
that loses, delays, duplicates and reorders. Nothing but the agreement is real here; a commit is a
name, and its parent's members hear of it again and again as the council's records are."""

from __future__ import annotations

import hashlib
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from folkmoot.agreement import Agreement, CommitNow, Naming, SendNaming, Settled

PARENT = hashlib.sha256(b"parent").digest()
BEACON_S = 1.0
COMMIT_MAKING_S = 0.01
SLOW_S = 2.5
HEARD_AGAIN_S = 2.0  # so long after healing some still act on what they heard before


def child_of(committer: bytes, number: int = 0) -> bytes:
    return hashlib.sha256(b"child" + committer + bytes([number])).digest()


@dataclass
class Scenario:
    """What happens to whom, drawn from a seed."""

    seed: int
    members: int
    loss: float
    delay_s: float
    faults: tuple[str, ...] = ()
    heal_at: float = 0.0

    @classmethod
    def draw(cls, seed: int, faults: tuple[str, ...] | None = None) -> Scenario:
        draw = random.Random(seed)
        members = draw.choice((2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 12))
        if faults is None:
            kinds = ("crash", "equivocate", "absent", "offline", "leave", "late")
            faults = tuple(kind for kind in kinds if draw.random() < 0.2)
        return cls(
            seed,
            members,
            loss=draw.choice((0.0, 0.1, 0.3)),
            delay_s=draw.choice((0.02, 0.1, 0.3)),
            faults=faults,
        )


@dataclass
class Member:
    seat: bytes
    machine: Agreement
    skew: float  # its clock began at another time
    honest: bool = True
    alive: bool = True
    online: bool = True
    side: int = 0
    born_side: int = 0  # where it was before the network healed
    settled: bytes | None = None
    settled_at: float | None = None
    known: dict[bytes, bytes] = field(default_factory=dict)  # child: committer
    timer: float | None = None
    wants: bool = False


Factory = Callable[..., Agreement]


class World:
    def __init__(self, scenario: Scenario, factory: Factory = Agreement) -> None:
        self.scenario = scenario
        self.random = random.Random(scenario.seed + 1)
        self.now = 0.0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self.messages = 0
        self.heard_to_say: dict[tuple[bytes, int], bytes | None] = {}
        self.partitioned = False
        self.crashed_committer = False
        seats = [self.random.randbytes(16) for _ in range(scenario.members)]
        self.members: dict[bytes, Member] = {}
        last = self.random.choice([None, *seats])
        for seat in seats:
            skew = self.random.uniform(0, 1e6)
            machine = factory(
                own=seat, electors=seats, last_committer=last, parent=PARENT, now=skew
            )
            self.members[seat] = Member(seat, machine, skew)
        self._draw_faults()
        for member in self.members.values():
            self.at(self.random.uniform(0, BEACON_S), partial(self._beacon, member))

    # -- the clock

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (when, next(self._count), what))

    def run(self, until: float) -> None:
        while self._queue and self._queue[0][0] <= until:
            self.now, _, what = heapq.heappop(self._queue)
            what()
            if all(one.settled or not one.alive or not one.honest for one in self.everybody()):
                return
        self.now = max(self.now, until) if not self._queue else self.now

    def everybody(self) -> list[Member]:
        return list(self.members.values())

    def survivors(self) -> list[Member]:
        return [one for one in self.everybody() if one.alive and one.honest]

    def something_to_do(self) -> bool:
        """Whether an honest member wants a commit or made one that others know."""
        return any(
            one.wants or any(self.members[by].honest for by in one.known.values())
            for one in self.survivors()
        )

    # -- faults

    def _draw_faults(self) -> None:
        scenario, draw = self.scenario, self.random
        everybody = self.everybody()
        self.healed_at = 0.0
        if "absent" in scenario.faults and len(everybody) > 2:
            for member in draw.sample(everybody, draw.randint(1, len(everybody) - 2)):
                member.alive = False
        alive = [one for one in everybody if one.alive]
        # Fewer than a third of those who stay, one who crashes or leaves may be among them.
        going = sum(fault in scenario.faults for fault in ("crash", "leave", "offline"))
        liars = max(len(alive) - going - 1, 0) // 3
        if "equivocate" in scenario.faults and liars:
            liar = draw.choice(alive)
            liar.honest = False
            self.at(draw.uniform(0, 0.5), partial(self._equivocate, liar))
        if "two-faced" in scenario.faults and liars:
            for liar in draw.sample(alive, liars):
                liar.honest = False
        if "offline" in scenario.faults and len(alive) > 2:
            member = draw.choice(alive)
            self.at(draw.uniform(0, 1.0), partial(self._switch, member, online=False))
            back = draw.uniform(2.0, 8.0)
            self.at(back, partial(self._switch, member, online=True))
            self.healed_at = back
        if "partition" in scenario.faults:
            self.partitioned = True
            for member in everybody:
                member.side = member.born_side = draw.randint(0, 1)
            self.healed_at = draw.uniform(1.0, 8.0)
            self.at(self.healed_at, self._heal)
        if "leave" in scenario.faults and len(alive) > 2:
            leaver = draw.choice(alive)
            self.at(draw.uniform(0, 1.0), partial(self._leave, leaver))
        honest = [one for one in alive if one.honest]
        wanting = draw.sample(honest, 1) if "late" in scenario.faults else alive
        for member in wanting:
            self.at(draw.uniform(0, 0.3), partial(self._want, member))
        if "together" in scenario.faults:  # several commit at once, whoever's turn it is
            for member in draw.sample(honest, min(3, len(honest))):
                self.at(draw.uniform(0, 0.05), partial(self._commit, member))

    def _heal(self) -> None:
        for member in self.everybody():
            member.side = 0

    def _switch(self, member: Member, *, online: bool) -> None:
        member.online = online
        member.machine.set_online(online, self._local(member))
        self._pump(member)

    def _want(self, member: Member) -> None:
        member.wants = True
        member.machine.want_commit(self._local(member))
        self._pump(member)

    def _leave(self, leaver: Member) -> None:
        leaver.alive = False

        def arrive(to: Member) -> None:
            to.machine.leave(leaver.seat)

        for other in self.everybody():
            for again in range(12):  # a farewell is a record that reaches everybody
                say = partial(self._send, leaver, other, arrive, dead=True)
                self.at(self.now + again * 0.5, say)

    def _equivocate(self, liar: Member) -> None:
        others = [one for one in self.everybody() if one is not liar]
        for number in (0, 1):
            child = child_of(liar.seat, number)
            for other in others:
                if self.random.random() < 0.5:
                    self._tell_candidate(liar, other, child, liar.seat)

    # -- what members do

    def _local(self, member: Member) -> float:
        return self.now + member.skew

    def _beacon(self, member: Member) -> None:
        if not member.alive:
            return
        self.at(self.now + BEACON_S, partial(self._beacon, member))
        if not member.online:
            return
        for other in self.everybody():
            if other is member:
                continue
            for child, committer in list(member.known.items()):
                self._tell_candidate(member, other, child, committer)
            if not member.honest:
                self._lie(member, other)
            elif member.settled is not None:
                self._send(member, other, partial(self._hear_moved, member.seat, member.settled))
            else:
                self._send(member, other, lambda to: to.machine.hear(member.seat, self._local(to)))

    def _hear_moved(self, seat: bytes, child: bytes, to: Member) -> None:
        to.machine.moved(seat, child, self._local(to))

    def _lie(self, liar: Member, other: Member) -> None:
        """Says to everybody something else, locked and all."""
        self._send(liar, other, lambda to: to.machine.hear(liar.seat, self._local(to)))
        if "two-faced" in self.scenario.faults and liar.known:
            # The best lie is to agree with whoever listens: it makes up quorums on two sides.
            number = other.machine.round + self.random.choice((0, 0, 0, 1))
            said = self.heard_to_say.get((other.seat, number))
            child = said or self.random.choice(list(liar.known))
            naming = Naming(PARENT, number, child, self.random.random() < 0.7)
            self._send(
                liar, other,
                lambda to: to.machine.receive_naming(liar.seat, naming, self._local(to)),
            )  # fmt: skip

    def _tell_candidate(self, sender: Member, other: Member, child: bytes, by: bytes) -> None:
        def arrive(to: Member) -> None:
            to.known.setdefault(child, by)
            to.machine.add_candidate(child, by, self._local(to))

        if child not in other.known:
            self._send(sender, other, arrive)

    def _commit(self, member: Member) -> None:
        child = child_of(member.seat)
        if not member.alive or child in member.known or member.settled:
            return
        if "crash" in self.scenario.faults and not self.crashed_committer:
            self.crashed_committer = True
            for other in self.everybody():
                if self.random.random() < 0.5:
                    self._tell_candidate(member, other, child, member.seat)
            member.alive = False
            return
        member.known[child] = member.seat
        member.machine.add_candidate(child, member.seat, self._local(member))
        if member.online:
            for other in self.everybody():
                self._tell_candidate(member, other, child, member.seat)
        self._pump(member)

    def _send(
        self,
        sender: Member,
        other: Member,
        what: Callable[[Member], None],
        *,
        dead: bool = False,
    ) -> None:
        if other is sender or not (sender.alive or dead):
            return

        def arrive() -> None:
            if not other.alive or not other.online or sender.side != other.side:
                return
            what(other)
            self._pump(other)

        for _ in range(2 if self.random.random() < 0.05 else 1):
            self.messages += 1
            if self.random.random() < self.scenario.loss:
                continue
            delay = self.random.uniform(0.01, self.scenario.delay_s)
            if "slow" in self.scenario.faults:
                delay = self.random.choice((0.05, 0.5, self.random.uniform(0.5, SLOW_S)))
            if self.random.random() < 0.03:
                delay += self.random.uniform(0.2, 2.0)
            self.at(self.now + delay, arrive)

    def _pump(self, member: Member) -> None:
        if not member.alive or member.settled is not None:
            return
        for _ in range(100):
            action = member.machine.next_action()
            if action is None:
                break
            if not member.honest:
                continue
            if isinstance(action, SendNaming):
                if member.online:
                    self._tell_naming(member, action.naming)
            elif isinstance(action, CommitNow):
                self.at(self.now + COMMIT_MAKING_S, partial(self._commit, member))
            else:
                assert isinstance(action, Settled)
                member.settled, member.settled_at = action.child, self.now
        else:
            raise AssertionError("a machine that never stops acting")
        due = member.machine.next_timer()
        if due is not None and due != member.timer:
            member.timer = due
            self.at(due - member.skew + 1e-6, partial(self._fire, member))

    def _fire(self, member: Member) -> None:
        if member.alive:
            member.timer = None
            member.machine.handle_timer(self._local(member))
            self._pump(member)

    def _tell_naming(self, member: Member, naming: Naming) -> None:
        # Bytes and back, so that the codec is part of what is simulated.
        data = naming.encode()
        self.heard_to_say[member.seat, naming.round] = naming.child
        for other in self.everybody():
            self._send(
                member,
                other,
                lambda to: to.machine.receive_naming(
                    member.seat, Naming.decode(data), self._local(to)
                ),
            )


@dataclass
class Result:
    """`settled`: the children that were settled, by the part of the network they were settled in;
    part None is the whole. `took_s`: from healing to the last."""

    seed: int
    settled: dict[int | None, set[bytes]]
    unsettled: int
    took_s: float
    messages: int
    rounds: int

    @property
    def split(self) -> bool:
        """Whether two settled apart who could hear each other all the time."""
        return any(len(children) > 1 for children in self.settled.values())


def simulate(scenario: Scenario, factory: Factory = Agreement, limit_s: float = 40.0) -> Result:
    world = World(scenario, factory)
    world.run(limit_s)
    survivors = world.survivors()
    settled: dict[int | None, set[bytes]] = {}
    after: set[bytes] = set()
    for one in survivors:
        if one.settled is not None and one.settled_at is not None:
            part = one.born_side if world.partitioned else None
            if not world.partitioned or one.settled_at <= world.healed_at:
                settled.setdefault(part, set()).add(one.settled)
            elif one.settled_at > world.healed_at + HEARD_AGAIN_S:
                after.add(one.settled)
    # Where a part settled before healing the rest follow a part, and the parts compare branches.
    settled = settled or {None: after}
    return Result(
        scenario.seed,
        settled,
        unsettled=sum(one.settled is None for one in survivors) if world.something_to_do() else 0,
        took_s=max(
            (one.settled_at - world.healed_at for one in survivors if one.settled_at), default=0.0
        ),
        messages=world.messages,
        rounds=max((one.machine.round for one in survivors), default=0),
    )
