"""A small world for whole meetings: real members, a relay that shuffles ticks, a virtual clock,
bad luck.

The relay here is what architecture §4 says a relay does with cells and nothing else; the real
relay core has its own tests, and the end-to-end tests use real processes.
"""

from __future__ import annotations

import functools
import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.governance import PRESETS, Charter, Relay
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.save import Saved
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import Direction

T = TypeVar("T")
WALL_S = 1_800_000_000.0
TICK_S = 0.01
OPEN_S = 0.12
EVENTS_MAX = 2_000_000


@dataclass(eq=False)
class Member:
    """One agent of the world."""

    name: str
    meeting: Meeting
    told: list[events.Event] = field(default_factory=list)
    saved: bytes = b""
    rooms: dict[int, tuple[int, bytes, Direction]] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    up: bool = True  # its link
    alive: bool = True
    admits: bool = True
    timer: float | None = None
    sent: int = 0

    def of(self, kind: type[T]) -> list[T]:
        """What it was told of this kind."""
        return [one for one in self.told if isinstance(one, kind)]


class World:
    """Everything that happens, in the order of a virtual clock."""

    def __init__(
        self, seed: int, *, loss: float = 0.0, delay_s: float = 0.02, relays: int = 1
    ) -> None:
        self.random = random.Random(seed)
        self.loss = loss
        self.delay_s = delay_s
        self.now = 100.0
        self.members: list[Member] = []
        self.relays = [
            Relay(RelayAddress("127.0.0.1", 4000 + n, bytes([n + 1]) * 32)) for n in range(relays)
        ]
        self.relay_up = [True] * relays
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.cells: list[bytes] = []

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._heap, (when, self._count, action))

    def entropy(self, length: int) -> bytes:
        return self.random.randbytes(length)

    # -- members

    def found(self, name: str, charter: Charter = PRESETS["unremovable"]) -> Member:
        meeting = Meeting.found(
            name=name,
            charter=charter,
            relays=self.relays,
            now=self.now,
            wall_s=WALL_S + self.now,
            entropy=self.entropy,
        )
        return self._add(name, meeting)

    def join(self, name: str, word: str) -> Member:
        meeting = Meeting.join(
            Invite.parse(word),
            name=name,
            now=self.now,
            wall_s=WALL_S + self.now,
            entropy=self.entropy,
        )
        return self._add(name, meeting)

    def restart(self, member: Member) -> Member:
        """Kills the member's agent, if it lives, and starts it again from what it saved."""
        self.kill(member)
        meeting = Meeting.restore(
            Saved.decode(member.saved),
            name=None,
            now=self.now,
            wall_s=WALL_S + self.now,
            entropy=self.entropy,
        )
        again = self._add(member.name, meeting)
        again.saved = member.saved
        return again

    def kill(self, member: Member) -> None:
        member.alive = False
        if member in self.members:
            self.members.remove(member)

    def _add(self, name: str, meeting: Meeting) -> Member:
        member = Member(name, meeting)
        self.members.append(member)
        self._pump(member)
        return member

    # -- links and relays

    def set_link(self, member: Member, up: bool) -> None:
        member.up = up
        for handle in list(member.rooms):
            if up:
                self._open_later(member, handle)
            elif handle in member.open:
                member.open.discard(handle)
                member.meeting.room_changed(handle, False, self.now)
        self._pump(member)

    def _open_later(self, member: Member, handle: int) -> None:
        def opened() -> None:
            relay = member.rooms.get(handle, (0,))[0]
            if member.alive and member.up and handle in member.rooms and self.relay_up[relay]:
                member.open.add(handle)
                member.meeting.room_changed(handle, True, self.now)
                self._pump(member)

        self.at(self.now + OPEN_S, opened)

    def _act(self, member: Member, action: events.Outgoing) -> None:
        if isinstance(action, events.Save):
            member.saved = action.data
        elif isinstance(action, events.OpenRoom):
            key = Ed25519PrivateKey.from_private_bytes(action.seed).public_key().public_bytes_raw()
            member.rooms[action.room] = (action.relay, key, action.direction)
            self._open_later(member, action.room)
        elif isinstance(action, events.CloseRoom):
            member.rooms.pop(action.room, None)
            member.open.discard(action.room)
        elif action.room in member.open:
            self._carry(member, action.room, action.cells)

    def _carry(self, sender: Member, room: int, cells: tuple[bytes, ...]) -> None:
        relay, key, _ = sender.rooms[room]
        sender.sent += len(cells)
        for receiver in list(self.members):
            if not receiver.up or self.random.random() < self.loss:
                continue
            delay = self.delay_s * (0.5 + self.random.random()) + TICK_S

            def arrive(receiver: Member = receiver) -> None:
                if not receiver.alive or not receiver.up:
                    return
                for handle in list(receiver.open):
                    if receiver.rooms[handle][:2] != (relay, key):
                        continue
                    if receiver.rooms[handle][2] & Direction.RECEIVE:
                        receiver.meeting.receive(handle, list(cells), self.now)
                self._pump(receiver)

            self.at(self.now + delay, arrive)

    # -- time

    def _pump(self, member: Member) -> None:
        while True:
            action = member.meeting.next_outgoing()
            if action is not None:
                self._act(member, action)
                continue
            event = member.meeting.next_event()
            if event is None:
                break
            member.told.append(event)
            if isinstance(event, events.Knocked) and member.admits:
                self.at(self.now + 0.01, functools.partial(self._admit, member, event.knock))
        self._set_timer(member)

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
