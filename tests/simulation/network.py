"""Relays and links of the world: the real relay core, the agents' real link machines, and between
them streams that delay, hang and break, as TCP's do.

What a stream delivers is in order and whole; all that may happen to single cells is a relay's doing
(`relay_conduct`). Time is the world's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from folkmoot.governance import Relay
from folkmoot.meeting.events import OpenRoom
from folkmoot.wire import link_events as told
from folkmoot.wire.lanes import Direction
from folkmoot.wire.link import LinkMachine
from folkmoot.wire.relay_core import TICK_S, RelayCore, Shut
from simulation.relay_conduct import CELLS, Conduct

HANDSHAKE_TRIPS = 6  # one-way trips of TCP, TLS and WebSocket before the first message
HANDSHAKE_S = 0.02  # and what it costs to compute
# As in folkmoot.agent.links, which drives the same machine with real sockets.
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 2.0
JITTER = 0.5
SILENCE_S = 6.0
ROOM_RETRY_S = (1.0, 2.0, 5.0)
REJECTED_MAX = 32
BUFFER_BYTES = 65_536  # of a stream that hangs, before the relay's shell says that it is full


class Clock(Protocol):
    """What relays and links need of the world."""

    now: float
    random: random.Random
    delay_s: float

    def at(self, when: float, action: Callable[[], None]) -> None: ...
    def note(self, what: str, who: str, data: bytes) -> None: ...


class Connection:
    """One WebSocket: two ordered streams."""

    def __init__(self, clock: Clock, relay: SimRelay, link: AgentLink) -> None:
        self._clock = clock
        self.relay = relay
        self.link = link
        self.number = -1  # as the relay calls it
        self.open = True
        self.hung = False
        self._held: list[Callable[[], None]] = []
        self._held_bytes = 0
        self._up_at = self._down_at = 0.0

    def _delay(self) -> float:
        return self._clock.delay_s / 2 * (0.5 + self._clock.random.random())

    def up(self, data: bytes) -> None:
        """From the agent to the relay."""
        self._up_at = max(self._up_at, self._clock.now + self._delay())
        self._carry(self._up_at, lambda: self.relay.receive(self, data), 0)

    def down(self, data: tuple[bytes, ...], delay_s: float = 0.0) -> None:
        """From the relay to the agent; with a delay of the relay's own it is overtaken."""
        due = self._clock.now + delay_s + self._delay()
        if not delay_s:
            due = self._down_at = max(self._down_at, due)
        self._carry(due, lambda: self.link.receive(self, data), sum(map(len, data)))

    def _carry(self, when: float, arrive: Callable[[], None], size: int) -> None:
        def arrived() -> None:
            if self.hung:
                self._held.append(arrive)
                self._held_bytes += size
                if self._held_bytes > BUFFER_BYTES:
                    self.relay.paused(self)
            else:
                arrive()

        self._clock.at(when, arrived)

    def hang(self, hung: bool) -> None:
        """Nothing gets through for a while; what was sent arrives afterwards, all at once."""
        self.hung = hung
        if not hung:
            held, self._held = self._held, []
            self._held_bytes = 0
            for arrive in held:
                arrive()
            self.relay.resumed(self)

    def cut(self) -> None:
        """The connection breaks, and both ends see it."""
        if self.open:
            self.open = False
            self._clock.at(self._clock.now + self._delay(), lambda: self.relay.gone(self))
            self.link.lost(self)


class SimRelay:
    """A real relay core, and its conduct."""

    def __init__(
        self,
        clock: Clock,
        number: int,
        relay: Relay,
        *,
        chance: random.Random,
        tick_s: float = TICK_S,
        conduct: Conduct | None = None,
    ) -> None:
        self.number = number
        self.address = relay
        self.up = False
        self._clock = clock
        self._chance = chance
        self._tick_s = tick_s
        self._run = 0
        self._timer: float | None = None
        self._ends: dict[int, Connection] = {}
        self.conduct = conduct or Conduct()
        self.start()

    def start(self) -> None:
        """A fresh process: no rooms, no links."""
        if self.up:
            return
        self._run += 1
        self.up = True
        self._timer = None
        entropy = self._chance.randbytes
        self.core = RelayCore(
            self.address.address.pin, entropy, self._clock.now, tick_s=self._tick_s
        )
        self.conduct.begin(self)

    def stop(self) -> None:
        """kill -9."""
        self.up = False
        self._run += 1
        ends, self._ends = self._ends, {}
        for end in ends.values():
            end.cut()

    def take_up(self, conduct: Conduct) -> None:
        """Behaves like this from now on."""
        self._run += 1
        self.conduct = conduct
        self._timer = None
        if self.up:
            conduct.begin(self)
            self._pump()

    # -- what a conduct may do

    def links(self) -> list[int]:
        return list(self._ends)

    def shut(self, link: int) -> None:
        end = self._ends.get(link)
        if end is not None:
            end.cut()

    def room_of(self, number: int) -> tuple[int, list[int]] | None:
        """Cell size and receivers of a room."""
        for room in self.core._rooms.values():
            if room.number == number:
                return room.rule.cell_bytes, sorted(room.receivers)
        return None

    def say(self, link: int, message: bytes, delay_s: float) -> None:
        if link in self._ends:
            self._ends[link].down((message,), delay_s)

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        run = self._run
        self._clock.at(self._clock.now + delay_s, lambda: action() if run == self._run else None)

    # -- connections

    def accept(self, end: Connection) -> None:
        end.number = self.core.link_opened(self._clock.now)
        self._ends[end.number] = end
        self._pump()

    def gone(self, end: Connection) -> None:
        if self._ends.pop(end.number, None) is end:
            self.core.link_closed(end.number)
            self._pump()

    def paused(self, end: Connection) -> None:
        if self._ends.get(end.number) is end:
            self.core.paused(end.number, self._clock.now)

    def resumed(self, end: Connection) -> None:
        if self._ends.get(end.number) is end:
            self.core.resumed(end.number)
            self._pump()

    def receive(self, end: Connection, data: bytes) -> None:
        if self._ends.get(end.number) is not end:
            return
        self._clock.note("up", str(self.number), data)
        for delay_s, message in self.conduct.into(self, end.number, data):
            self._take(end, message, delay_s)

    def _take(self, end: Connection, message: bytes, delay_s: float) -> None:
        def arrive() -> None:
            if self._ends.get(end.number) is end:
                self.core.receive(end.number, message, self._clock.now)
                self._pump()

        if delay_s:
            self.at(delay_s, arrive)
        else:
            arrive()

    def _pump(self) -> None:
        while (out := self.core.next_outgoing()) is not None:
            if isinstance(out, Shut):
                end = self._ends.pop(out.link, None)
                if end is not None:
                    self._clock.note("shut", str(self.number), out.sentence.encode())
                    end.cut()
                continue
            for link in out.links:
                end = self._ends.get(link)
                if end is not None:
                    self._send(end, link, out.messages)
        self._set_timer()

    def _send(self, end: Connection, link: int, outgoing: tuple[bytes, ...]) -> None:
        if not self.conduct.hostile:
            end.down(outgoing)
            return
        for message in outgoing:
            for delay_s, changed in self.conduct.out(self, link, message):
                end.down((changed,), delay_s)

    def _set_timer(self) -> None:
        due = self.core.next_timer()
        if due is None or (self._timer is not None and self._timer <= due):
            return
        self._timer = due
        core = self.core

        def fire() -> None:
            if self.core is core and self.up and self._timer == due:
                self._timer = None
                core.handle_timer(self._clock.now)
                self._pump()

        self._clock.at(max(due, self._clock.now), fire)


@dataclass
class _Room:
    wanted: OpenRoom
    is_open: bool = False
    asked: bool = False
    refusals: int = 0


@dataclass
class AgentLink:
    """One relay for one purpose, for as long as it has rooms: what folkmoot.agent.links does."""

    clock: Clock
    relay: SimRelay
    who: str
    entropy: Callable[[int], bytes]
    on_cells: Callable[[int, list[bytes]], None]
    on_room: Callable[[int, bool], None]
    pump: Callable[[], None]
    on_rejected: Callable[[str], None]
    usable: bool = True  # whether the member's line is there
    hung: bool = False
    rooms: dict[int, _Room] = field(default_factory=dict)
    machine: LinkMachine | None = None
    connection: Connection | None = None
    _connecting: bool = False
    _backoff_s: float = BACKOFF_FIRST_S
    _timer: float | None = None
    _unheard_since: float | None = None
    _rejected: int = 0

    # -- rooms

    def open(self, action: OpenRoom) -> None:
        room = self.rooms[action.room] = _Room(action)
        self._ask(room)
        self.connect()

    def close(self, handle: int) -> None:
        room = self.rooms.pop(handle, None)
        if room is not None and room.asked and self.machine is not None:
            self.machine.close_room(handle, self.clock.now)
            self._drain()
        if not self.rooms and self.connection is not None:
            self.connection.cut()

    def send(self, handle: int, cells: tuple[bytes, ...]) -> None:
        room = self.rooms.get(handle)
        if room is None or not room.is_open or self.machine is None:
            return
        self.machine.send(handle, cells)
        if room.wanted.direction & Direction.RECEIVE and self._unheard_since is None:
            self._unheard_since = self.clock.now
        elif (
            self._unheard_since is not None and self.clock.now - self._unheard_since > SILENCE_S
        ):  # nothing comes back: as good as cut
            self.clock.at(self.clock.now, self._give_up)
        self._drain()

    def _give_up(self) -> None:
        if self._unheard_since is not None and self.connection is not None:
            self.connection.cut()

    def _ask(self, room: _Room) -> None:
        if self.machine is not None and not room.asked:
            room.asked = True
            wanted = room.wanted
            self.machine.open_room(
                wanted.room, wanted.seed, wanted.slot, wanted.direction, self.clock.now
            )
            self._drain()

    # -- connection

    def connect(self, after_s: float = 0.0) -> None:
        if self._connecting or self.connection is not None or not self.rooms or not self.usable:
            return
        self._connecting = True
        trips = HANDSHAKE_TRIPS * self.clock.delay_s / 2 + HANDSHAKE_S
        self.clock.at(self.clock.now + after_s + trips, self._connected)

    def _connected(self) -> None:
        self._connecting = False
        if not self.rooms or not self.usable or self.connection is not None:
            return
        if not self.relay.up or self.hung:
            self._retry()
            return
        self.machine = LinkMachine(self.relay.address.address.pin, self.entropy, self.clock.now)
        self._timer, self._unheard_since, self._rejected = None, None, 0
        self.connection = Connection(self.clock, self.relay, self)
        self.relay.accept(self.connection)
        for room in self.rooms.values():
            room.asked = False
            self._ask(room)
        self._set_timer()

    def _retry(self) -> None:
        pause = self._backoff_s * (1 + JITTER * self.clock.random.random())
        self._backoff_s = min(BACKOFF_MAX_S, self._backoff_s * 2)
        self.connect(pause)

    def hang(self, hung: bool) -> None:
        self.hung = hung
        if self.connection is not None:
            self.connection.hang(hung)

    def set_usable(self, usable: bool) -> None:
        self.usable = usable
        if not usable and self.connection is not None:
            self.connection.cut()
        elif usable:
            self.connect()

    def lost(self, connection: Connection) -> None:
        if self.connection is not connection:
            return
        self.connection = self.machine = None
        for handle, room in list(self.rooms.items()):
            was_open, room.is_open, room.asked = room.is_open, False, False
            if was_open:
                self.on_room(handle, False)
        self.pump()
        self._retry()

    # -- what the machine says

    def receive(self, connection: Connection, data: tuple[bytes, ...]) -> None:
        if self.connection is not connection or self.machine is None:
            return
        self._unheard_since = None
        for message in data:
            self.clock.note("down", self.who, message)
            self.machine.receive(message, self.clock.now)
        if data[0][:1] == CELLS:
            self._backoff_s = BACKOFF_FIRST_S
        self._drain()
        self._tell()
        self.pump()

    def _drain(self) -> None:
        if self.machine is None or self.connection is None:
            return
        while (message := self.machine.next_outgoing()) is not None:
            self.connection.up(message)
        self._set_timer()

    def _tell(self) -> None:
        while self.machine is not None and (event := self.machine.next_event()) is not None:
            if isinstance(event, told.CellsArrived):
                if event.handle in self.rooms:
                    self.on_cells(event.handle, event.cells)
            elif isinstance(event, told.RoomOpened):
                room = self.rooms.get(event.handle)
                if room is not None:
                    room.is_open, room.refusals = True, 0
                    self.on_room(event.handle, True)
            elif isinstance(event, told.RoomRefused):
                self._refused(event.handle)
            elif isinstance(event, told.LinkBroken | told.RelayLeaving):
                if self.connection is not None:
                    self.connection.cut()
            elif isinstance(event, told.Rejected):
                self.on_rejected(event.reason)
                self._rejected += 1
                if self._rejected > REJECTED_MAX and self.connection is not None:
                    self.connection.cut()

    def _refused(self, handle: int) -> None:
        room = self.rooms.get(handle)
        if room is None:
            return
        room.asked = room.is_open = False
        wait_s = ROOM_RETRY_S[min(room.refusals, len(ROOM_RETRY_S) - 1)]
        room.refusals += 1
        self.on_room(handle, False)

        def again() -> None:
            if self.rooms.get(handle) is room:
                self._ask(room)

        self.clock.at(self.clock.now + wait_s, again)

    def _set_timer(self) -> None:
        machine = self.machine
        due = None if machine is None else machine.next_timer()
        if machine is None or due is None or (self._timer is not None and self._timer <= due):
            return
        self._timer = due

        def fire() -> None:
            if self.machine is machine and self._timer == due:
                self._timer = None
                machine.handle_timer(self.clock.now)
                self._drain()
                self._tell()
                self.pump()

        self.clock.at(max(due, self.clock.now), fire)
