"""A world for whole meetings: real members, links and relay cores, a virtual clock, bad luck.

Everything follows from the seed: what happens, when, and every random byte of every agent and
relay. What happened is hashed as it happens, so two runs can be compared to the byte.
"""

from __future__ import annotations

import functools
import hashlib
import heapq
import random
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from folkmoot.governance import PRESETS, Charter, Relay
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.save import Saved
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.relay_core import TICK_S
from simulation.agent_link import AgentLink
from simulation.network import SimRelay
from simulation.relay_conduct import Conduct, Losing

T = TypeVar("T")
WALL_S = 1_800_000_000.0
EVENTS_MAX = 20_000_000
TRACE_LINES_MAX = 2_000_000


@dataclass(eq=False)
class Member:
    """One agent of the world."""

    name: str
    meeting: Meeting
    entropy: Callable[[int], bytes]
    wall_offset_s: float = 0.0
    told: list[events.Event] = field(default_factory=list)
    saved: bytes = b""
    rooms: dict[int, events.OpenRoom] = field(default_factory=dict)
    links: dict[tuple[int, str], AgentLink] = field(default_factory=dict)
    up: bool = True  # its line
    cut_from: set[int] = field(default_factory=set)  # relays that its provider does not reach
    hung: bool = False
    alive: bool = True
    admits: bool = True
    timer: float | None = None
    sent: int = 0
    joined_at: float | None = None

    def of(self, kind: type[T]) -> list[T]:
        """What it was told of this kind."""
        return [one for one in self.told if isinstance(one, kind)]

    @property
    def inside(self) -> bool:
        return self.meeting.phase.value == "in"


class Trace:
    """What happened, as one hash; with `lines` also to be read."""

    def __init__(self, lines: bool = False) -> None:
        self._hash = hashlib.sha256()
        self.lines: list[str] | None = [] if lines else None
        self.count = 0

    def note(self, now: float, what: str, who: str, data: bytes) -> None:
        self.count += 1
        self._hash.update(struct.pack(">d", now) + f"{what} {who} {len(data)} ".encode() + data)
        if self.lines is not None and len(self.lines) < TRACE_LINES_MAX:
            digest = hashlib.sha256(data).hexdigest()[:12]
            text = data.decode(errors="replace") if what in ("told", "step") else digest
            self.lines.append(f"{now:12.6f} {what:5} {who:8} {len(data):6} {text}")

    @property
    def hex(self) -> str:
        return self._hash.hexdigest()


class World:
    """Everything that happens, in the order of a virtual clock."""

    def __init__(
        self,
        seed: int,
        *,
        loss: float = 0.0,
        delay_s: float = 0.02,
        relays: int = 1,
        reserve: int = 0,
        unnamed: int = 0,
        tick_s: float = TICK_S,
        trace: bool = False,
    ) -> None:
        """`loss`: part of all cells that relays lose; `delay_s`: from member to member, about."""
        self.seed = seed
        self.random = random.Random(seed)
        self.entropy: Callable[[int], bytes] = self.random.randbytes
        self.delay_s = delay_s
        self.now = 100.0
        self.trace = Trace(trace)
        self.members: list[Member] = []
        self.former: list[Member] = []  # agents that were killed
        self.watchers: list[Callable[[Member, events.Event], None]] = []
        self.rejected: list[str] = []
        self.lets_in: Callable[[Member, events.Knocked], bool] = lambda member, _: member.admits
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._chances = 0
        self.relays = [
            Relay(RelayAddress("127.0.0.1", 4000 + n, bytes([n + 1]) * 32))
            for n in range(relays + reserve + unnamed)
        ]
        # Of a new meeting: the first ones, and its reserve; the others are named by nobody yet.
        self.in_use, self.named = relays, relays + reserve
        self.sim_relays = [
            SimRelay(self, number, relay, chance=self.chance(f"relay {number}"), tick_s=tick_s)
            for number, relay in enumerate(self.relays)
        ]
        self.loss = loss

    def chance(self, name: str) -> random.Random:
        """A source of chance of its own, so that nobody's draws shift another's."""
        return random.Random(f"{self.seed} {name}")

    def _fresh(self, name: str) -> Callable[[int], bytes]:
        self._chances += 1
        return self.chance(f"member {name} {self._chances}").randbytes

    @property
    def loss(self) -> float:
        return self._loss

    @loss.setter
    def loss(self, loss: float) -> None:
        self._loss = loss
        for relay in self.sim_relays:
            lossy = Losing(self.chance(f"loss {relay.number}"), loss)
            relay.take_up(lossy if loss else Conduct())

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, action))

    def note(self, what: str, who: str, data: bytes) -> None:
        self.trace.note(self.now, what, who, data)

    # -- members

    def found(self, name: str, charter: Charter = PRESETS["unremovable"]) -> Member:
        entropy = self._fresh(name)
        meeting = Meeting.found(
            name=name,
            charter=charter,
            relays=self.relays[: self.in_use],
            reserve=self.relays[self.in_use : self.named],
            now=self.now,
            wall_s=WALL_S + self.now,
            entropy=entropy,
        )
        return self._add(Member(name, meeting, entropy))

    def join(self, name: str, word: str, *, wall_offset_s: float = 0.0) -> Member:
        """`wall_offset_s`: by how much its wall clock is wrong."""
        entropy = self._fresh(name)
        meeting = Meeting.join(
            Invite.parse(word),
            name=name,
            now=self.now,
            wall_s=WALL_S + self.now + wall_offset_s,
            entropy=entropy,
        )
        return self._add(Member(name, meeting, entropy, wall_offset_s))

    def restart(self, member: Member) -> Member:
        """Kills the member's agent, if it lives, and starts it again from what it saved."""
        self.kill(member)
        entropy = self._fresh(member.name)
        meeting = Meeting.restore(
            Saved.decode(member.saved),
            name=None,
            now=self.now,
            wall_s=WALL_S + self.now + member.wall_offset_s,
            entropy=entropy,
        )
        again = Member(member.name, meeting, entropy, member.wall_offset_s, saved=member.saved)
        return self._add(again)

    def kill(self, member: Member) -> None:
        member.alive = False
        if member in self.members:
            self.members.remove(member)
            self.former.append(member)
        for link in list(member.links.values()):
            link.set_usable(False)

    def _add(self, member: Member) -> Member:
        self.members.append(member)
        self.note("new", member.name, member.meeting.seat)
        self._pump(member)
        return member

    # -- links and relays

    def set_link(self, member: Member, up: bool) -> None:
        """Breaks the member's line, or mends it; its agent sees that at once."""
        member.up = up
        for (relay, _), link in list(member.links.items()):
            link.set_usable(up and self._place(member, relay) not in member.cut_from)
        self._pump(member)

    def cut_off(self, member: Member, relays: Iterable[int]) -> None:
        """From now on the member reaches all relays but these."""
        member.cut_from = set(relays)
        for (relay, _), link in list(member.links.items()):
            link.set_usable(member.up and self._place(member, relay) not in member.cut_from)
        self._pump(member)

    def _place(self, member: Member, number: int) -> int:
        """Which of the world's relays has this number at a member."""
        return self.relays.index(member.meeting.relays[number])

    def hang(self, member: Member, hung: bool) -> None:
        """Nothing gets through the member's line for a while, and nobody is told."""
        member.hung = hung
        for link in list(member.links.values()):
            link.hang(hung)

    def _link_of(self, member: Member, action: events.OpenRoom) -> AgentLink:
        link = member.links.get((action.relay, action.purpose))
        if link is None:
            link = AgentLink(
                self,
                self.sim_relays[self._place(member, action.relay)],
                member.name,
                member.entropy,
                on_cells=functools.partial(self._cells, member),
                on_room=functools.partial(self._room, member),
                pump=functools.partial(self._pump, member),
                on_rejected=self.rejected.append,
                usable=member.up and self._place(member, action.relay) not in member.cut_from,
                hung=member.hung,
            )
            member.links[action.relay, action.purpose] = link
        return link

    def _cells(self, member: Member, room: int, cells: list[bytes]) -> None:
        if member.alive:
            member.meeting.receive(room, cells, self.now)

    def _room(self, member: Member, room: int, is_open: bool) -> None:
        if member.alive:
            member.meeting.room_changed(room, is_open, self.now)

    def _act(self, member: Member, action: events.Outgoing) -> None:
        if isinstance(action, events.Save):
            member.saved = action.data
            self.note("save", member.name, action.data)
        elif isinstance(action, events.OpenRoom):
            member.rooms[action.room] = action
            self._link_of(member, action).open(action)
        elif isinstance(action, events.CloseRoom):
            opened = member.rooms.pop(action.room, None)
            if opened is not None:
                self._link_of(member, opened).close(action.room)
        elif action.room in member.rooms:
            link = self._link_of(member, member.rooms[action.room])
            member.sent += len(action.cells)
            link.send(action.room, action.cells)

    # -- time

    def _pump(self, member: Member) -> None:
        if not member.alive:
            return
        meeting = member.meeting
        while True:
            action = meeting.next_outgoing()
            if action is not None:
                self._act(member, action)
                continue
            event = meeting.next_event()
            if event is None:
                break
            self._tell(member, event)
        self._set_timer(member)

    def _tell(self, member: Member, event: events.Event) -> None:
        member.told.append(event)
        if isinstance(event, events.Joined) and member.joined_at is None:
            member.joined_at = self.now
        self.note("told", member.name, repr(event).encode())
        if isinstance(event, events.Knocked) and self.lets_in(member, event):
            self.at(self.now + 0.01, functools.partial(self._admit, member, event.knock))
        for watcher in self.watchers:
            watcher(member, event)

    def _admit(self, member: Member, knock: str) -> None:
        if member.alive and any(one.knock == knock for one in member.meeting.knocks()):
            member.meeting.admit(knock, self.now)
            self._pump(member)

    def do(self, member: Member, action: Callable[[Meeting], object]) -> None:
        action(member.meeting)
        self._pump(member)

    def _set_timer(self, member: Member) -> None:
        due = member.meeting.next_timer()
        if due is None or (member.timer is not None and member.timer <= due):
            return
        member.timer = due

        def fire() -> None:
            if member.timer != due or not member.alive:
                return
            member.timer = None
            member.meeting.handle_timer(self.now)
            self._pump(member)

        self.at(max(due, self.now), fire)

    def run(self, seconds: float) -> None:
        """Lets so much time pass."""
        end = self.now + seconds
        for _ in range(EVENTS_MAX):
            if not self._heap or self._heap[0][0] > end:
                break
            when, _, action = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            action()
        self.now = end

    def run_until(self, done: Callable[[], bool], seconds: float) -> float:
        """How long it took until `done`; AssertionError after `seconds`."""
        start = self.now
        while not done():
            assert self.now - start < seconds, f"not done after {seconds} s"
            self.run(0.05)
        return self.now - start


def agreed(members: list[Member]) -> bool:
    """All are in, in one epoch, with one roster."""
    if not all(one.meeting.phase.value == "in" for one in members):
        return False
    codes = {one.meeting.safety_code for one in members}
    return len(codes) == 1
