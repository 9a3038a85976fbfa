"""One link: a connection to one relay for one purpose, made again whenever it breaks, with its
rooms."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from folkmoot.agent import pinned, route
from folkmoot.agent.send_queue import SendQueue
from folkmoot.agent.websocket import WebSocket, WebSocketClosed, now
from folkmoot.wire import link_events as told
from folkmoot.wire import messages
from folkmoot.wire.address import RelayAddress, format_host_port
from folkmoot.wire.lanes import Direction, LaneSlot
from folkmoot.wire.limits import AGENT_MESSAGE_CELLS_MAX
from folkmoot.wire.link import ROOMS_MAX, LinkMachine
from folkmoot.wire.link_events import UsageError

# Short enough that a relay that was restarted is back before anybody asks, long enough that a
# thousand agents do not keep it down; each is stretched by up to half of itself, at random.
BACKOFF_FIRST_S = 0.2
BACKOFF_MAX_S = 2.0  # a relay that restarts in mid-call is missed; longer spares it little
JITTER = 0.5
# A relay with a wrong pin may be somebody in between, or one that was set up anew: seldom is
# enough.
WRONG_PIN_BACKOFF_S = 20.0
STEADY_S = 10.0  # a link that held so long begins its backoff anew
# Our own cells come back with the relay's next tick. A link on which nothing comes at all for so
# long, though we send, leads nowhere: a laptop that slept, a router that forgot the connection.
SILENCE_S = 6.0
ROOM_RETRY_S = (1.0, 2.0, 5.0)  # after a refusal; the last for ever
REJECTED_MAX = 32  # messages that no relay sends, before the link is given up

Key = tuple[RelayAddress, str]  # a link: its relay, and its purpose
Room = tuple[int, LaneSlot, bytes, Direction]  # its handle, and what is opened


class Reports(Protocol):
    """To whom a link says what happens, and what it asks; `links.Links` is one."""

    entropy: Callable[[int], bytes]

    def route_for(self, relay: RelayAddress, purpose: str, /) -> route.Via: ...
    def on_cells(self, handle: int, cells: list[bytes], /) -> None: ...
    def on_room(self, handle: int, is_open: bool, reason: str, /) -> None: ...
    def on_link(self, relay: RelayAddress, purpose: str, up: bool, sentence: str, /) -> None: ...
    def on_way(
        self, relay: RelayAddress, purpose: str, via: route.Via | None, worked: bool | None, /
    ) -> None: ...


@dataclass(slots=True)
class _Room:
    handle: int
    slot: LaneSlot
    seed: bytes = field(repr=False)
    direction: Direction
    is_open: bool = False
    asked: bool = False  # the machine of the present connection has it
    refusals: int = 0
    retry_at: float = 0.0
    said: str = ""


class Link:
    """One relay for one purpose, for as long as it has rooms."""

    def __init__(self, reports: Reports, relay: RelayAddress, purpose: str) -> None:
        self.relay = relay
        self.purpose = purpose
        self.queue = SendQueue()
        self.reports = reports  # another's for the time of a move
        self._place = format_host_port(relay.host, relay.port)
        self._rooms: dict[int, _Room] = {}
        self._machine: LinkMachine | None = None
        self._wake = asyncio.Event()  # something to send, or a timer that moved
        self._stopping = asyncio.Event()
        self._renewing = False
        self._said: tuple[bool, str] | None = None
        self.via: route.Via | None = None  # of the present connection, or the last
        self._rejected = 0
        self._first_unheard: float | None = None
        self.task = asyncio.create_task(self._run(), name=f"link {purpose}")
        self.task.add_done_callback(report)

    # Rooms

    def open_room(self, wanted: Room) -> None:
        if len(self._rooms) >= ROOMS_MAX:
            raise UsageError(f"more than {ROOMS_MAX} rooms on a link")
        room = self._rooms[wanted[0]] = _Room(*wanted)
        self._ask(room)

    @property
    def rooms(self) -> list[Room]:
        return [(one.handle, one.slot, one.seed, one.direction) for one in self._rooms.values()]

    @property
    def open_rooms(self) -> set[int]:
        return {handle for handle, room in self._rooms.items() if room.is_open}

    def succeed(self, old: Link) -> None:
        """Takes the place of another, which may be down at the moment."""
        self._said = old._said
        self._say(True, "")

    def remove(self, handle: int) -> bool:
        """Whether it was the last one, so that the link ends."""
        room = self._rooms.pop(handle)
        if room.asked and self._machine is not None:
            self.queue.forget(handle)
            # The machine may have given the room up just now, and its event wait to be handled.
            with contextlib.suppress(UsageError):
                self._machine.close_room(handle, now())
            self._drain()
        if not self._rooms:
            self.stop()
        return not self._rooms

    def send(self, handle: int, cells: Sequence[bytes]) -> None:
        room = self._rooms[handle]
        if not room.is_open or self._machine is None:
            return
        for start in range(0, len(cells), AGENT_MESSAGE_CELLS_MAX):
            self._machine.send(handle, cells[start : start + AGENT_MESSAGE_CELLS_MAX])
            while (message := self._machine.next_outgoing()) is not None:
                self.queue.put_cells(room.slot, handle, message)
        if room.direction & Direction.RECEIVE and self._first_unheard is None:
            self._first_unheard = now()
        self._wake.set()

    def stop(self) -> None:
        """Ends the link as soon as its task runs."""
        self._stopping.set()
        self._wake.set()

    def renew(self) -> None:
        """Breaks the present connection, if it is up."""
        self._renewing = self._machine is not None

    def _ask(self, room: _Room) -> None:
        if self._machine is not None and not room.asked:
            room.asked = True
            self._machine.open_room(room.handle, room.seed, room.slot, room.direction, now())
            self._drain()

    def _drain(self) -> None:
        """Moves what the machine wants to say about rooms into the queue. (Cells are moved by
        `send`.)"""
        assert self._machine is not None
        while (message := self._machine.next_outgoing()) is not None:
            self.queue.put_control(message)
        self._wake.set()

    # Life

    async def _run(self) -> None:
        delay = BACKOFF_FIRST_S
        while not self._stopping.is_set():
            began, longest = now(), BACKOFF_MAX_S
            try:
                await self._until_stopped(self._connect_and_carry())
            except OSError as error:
                held = self._machine is not None and now() - began > STEADY_S
                self._went(False)
                self._lost(f"{self._place}: {error or 'the connection broke off'}")
                delay = BACKOFF_FIRST_S if held else delay
                if isinstance(error, pinned.WrongPin):
                    delay = longest = WRONG_PIN_BACKOFF_S
            if not self._stopping.is_set():
                pause = asyncio.sleep(delay * (1 + JITTER * random.SystemRandom().random()))
                await self._until_stopped(pause)
                delay = min(longest, delay * 2)
        self._lost("")

    async def _until_stopped(self, work: object) -> None:
        """Awaits `work` (a coroutine), or cuts it short when the link is to end."""
        assert asyncio.iscoroutine(work)
        await _first_of(work, self._stopping.wait())

    async def _connect_and_carry(self) -> None:
        self.via = None
        if self._stopping.is_set():  # before this began: its way is no longer asked for
            return
        self.via = via = self.reports.route_for(self.relay, self.purpose)
        if route.sees_both(via, self.relay):
            raise route.RouteError("it is the entry too, and would see both address and room")
        stream = await route.connect(via, self.relay.host, self.relay.port)
        try:
            tls, pin = await pinned.secure(stream, self.relay.pin)
        except pinned.WrongPin:
            if via.entry is None:
                raise
            # An entry that lies must not make a good relay look false, nor cost a long wait.
            why = f"another relay answers: the address is out of date, or {via} leads elsewhere"
            raise route.EntryFailed(why) from None
        machine = LinkMachine(pin, self.reports.entropy, now())
        socket = WebSocket(
            tls,
            host=self.relay.host,
            port=self.relay.port,
            path=messages.link_path(),
            message_bytes_max=messages.RELAY_MESSAGE_BYTES_MAX,
            grid=machine.grid,
        )
        try:
            await socket.open()
            self._machine, self.queue = machine, SendQueue()
            self._rejected, self._first_unheard, self._renewing = 0, None, False
            for room in self._rooms.values():
                room.asked = False
                self._ask(room)
            await _first_of(self._read(socket), self._write(socket), self._keep_time(socket))
        finally:
            await socket.close()

    async def _read(self, socket: WebSocket) -> None:
        assert self._machine is not None
        while True:
            for message in await socket.receive():
                self._first_unheard = None
                self._machine.receive(message, now())
                self._handle_events()
            self._wake.set()

    async def _write(self, socket: WebSocket) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (message := self.queue.get()) is not None:
                await socket.send(message)
            if socket.answers_at is not None and now() >= socket.answers_at:
                await socket.send_answers()

    async def _keep_time(self, socket: WebSocket) -> None:
        """Runs the machine's timers, the retries of refused rooms, and the watch for silence."""
        while True:
            assert self._machine is not None
            moment = now()
            due = self._machine.next_timer()
            if due is not None and due <= moment:
                self._machine.handle_timer(moment)
                self._handle_events()
                await asyncio.sleep(0)
                continue
            for room in self._rooms.values():
                if not room.asked and room.retry_at <= moment:
                    self._ask(room)
            if self._renewing:
                raise WebSocketClosed("nothing comes from the relay: connecting anew")
            if self.queue.overflowed:
                raise WebSocketClosed("the relay does not take what it asks for")
            if self._first_unheard is not None and moment - self._first_unheard > SILENCE_S:
                raise WebSocketClosed("the relay went silent")
            if socket.answers_at is not None and socket.answers_at <= moment:
                self._wake.set()
            # The machine has no way to say that its timer moved, and its grid is 100 ms: looking
            # five times as often keeps its answers near the grid's points, which only the relay
            # can see.
            wait_s = 0.02 if due is not None or socket.answers_at is not None else 0.1
            await asyncio.sleep(wait_s if due is None else max(0.0, min(wait_s, due - moment)))

    # What the machine says

    def _handle_events(self) -> None:
        machine = self._machine
        if machine is None:
            return
        self._drain()
        while (event := machine.next_event()) is not None:
            if isinstance(event, told.CellsArrived):
                if event.handle in self._rooms:
                    self.reports.on_cells(event.handle, event.cells)
            elif isinstance(event, told.Ready):
                self._went(True)
                self._say(True, "")
            elif isinstance(event, told.RoomOpened):
                self._opened(event.handle)
            elif isinstance(event, told.RoomRefused):
                self._refused(event)
            elif isinstance(event, told.RelayLeaving | told.LinkBroken):
                raise WebSocketClosed(event.sentence)
            else:
                self._rejected += 1
                if self._rejected > REJECTED_MAX:
                    raise WebSocketClosed("the relay sends what no relay sends")

    def _went(self, worked: bool) -> None:
        # What ends by our own wish was said when it was wished, and another may be in its place.
        if not self._stopping.is_set():
            self.reports.on_way(self.relay, self.purpose, self.via, worked)

    def _opened(self, handle: int) -> None:
        room = self._rooms.get(handle)
        if room is not None:
            room.is_open, room.refusals, room.said = True, 0, ""
            self.reports.on_room(handle, True, "")

    def _refused(self, event: told.RoomRefused) -> None:
        room = self._rooms.get(event.handle)
        if room is None:
            return
        room.asked = room.is_open = False
        room.retry_at = now() + ROOM_RETRY_S[min(room.refusals, len(ROOM_RETRY_S) - 1)]
        room.refusals += 1
        sentence = "" if event.sentence == room.said else event.sentence
        room.said = event.sentence
        self.reports.on_room(event.handle, False, sentence)

    def _lost(self, sentence: str) -> None:
        self._machine = None
        self.queue = SendQueue()
        for room in list(self._rooms.values()):
            was_open, room.is_open, room.asked = room.is_open, False, False
            if was_open and room.handle in self._rooms:
                self.reports.on_room(room.handle, False, "")
        if not self._stopping.is_set():
            self._say(False, sentence)

    def _say(self, up: bool, sentence: str) -> None:
        if self._said != (up, sentence):
            self._said = up, sentence
            self.reports.on_link(self.relay, self.purpose, up, sentence)


async def _first_of(*works: object) -> None:
    """Runs coroutines side by side until one ends, cancels the others, and raises what the one
    raised."""
    tasks = [asyncio.ensure_future(work) for work in works if asyncio.iscoroutine(work)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def report(task: asyncio.Task[None]) -> None:
    """A link that ends by itself ended by our own mistake: it must not pass in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
        task.get_loop().call_exception_handler(context)
