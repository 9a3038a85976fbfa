"""An agent's end of its links: what folkmoot.agent.links does with real sockets, on the world's
clock, driving the same machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from folkmoot.meeting.events import OpenRoom
from folkmoot.wire import link_events as told
from folkmoot.wire.lanes import Direction
from folkmoot.wire.link import LinkMachine
from simulation.relay_conduct import CELLS

if TYPE_CHECKING:
    from simulation.network import Clock, Connection, SimRelay

HANDSHAKE_TRIPS = 6  # one-way trips of TCP, TLS and WebSocket before the first message
HANDSHAKE_S = 0.02  # and what it costs to compute
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 2.0
JITTER = 0.5
SILENCE_S = 6.0
ROOM_RETRY_S = (1.0, 2.0, 5.0)
REJECTED_MAX = 32


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
        self.connection = self.relay.connect(self)
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
