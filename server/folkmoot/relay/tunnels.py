"""The relay as an entry: drives the tunnels' machines between two connections each.

Like a link's, a tunnel's bytes go straight from transport to transport. No address of either end
is read, kept or printed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections import Counter
from typing import Protocol, cast

from folkmoot.relay.shell import SUMS_AGE_S, Socket, binary_frame
from folkmoot.relay.targets import NoTarget, Targets
from folkmoot.wire.entry_messages import ENTRY_SENTENCES, ENTRY_VERSION, EntryClosing, Target
from folkmoot.wire.entry_tunnel import EntryLimits, Look, Shut, ToClient, ToTarget, Tunnel
from folkmoot.wire.limits import Bucket

# As for links: above the first an end counts as full, below the second it takes more.
WRITE_BUFFER_HIGH_BYTES = 65_536
WRITE_BUFFER_LOW_BYTES = 16_384
# What was written to a target whose client is gone (a goodbye) has so long to get there.
FLUSH_S = 5.0


class TunnelSocket(Socket, Protocol):
    """What is needed of a tunnel's WebSocket."""

    def read_on(self, wanted: bool) -> None:
        """Goes on reading, or stops for now."""

    def waiting_bytes(self) -> int:
        """What is written and not taken yet."""


@dataclasses.dataclass(slots=True)
class EntrySums:
    """Sums over all tunnels since the start."""

    opened: int = 0
    carried: int = 0  # those that found their relay
    up_bytes: int = 0
    down_bytes: int = 0
    closed: Counter[EntryClosing] = dataclasses.field(default_factory=Counter)


class _End(asyncio.Protocol):
    """The connection to the target."""

    def __init__(self, tunnels: Tunnels, number: int) -> None:
        self._tunnels = tunnels
        self._number = number
        self._transport: asyncio.Transport | None = None
        self._early: bytes | None = b""  # until the tunnel stands

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands, and is not read before the tunnel wants it."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER_HIGH_BYTES, WRITE_BUFFER_LOW_BYTES)
        self._transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        """Bytes of the target."""
        if self._early is None:
            self._tunnels.from_target(self._number, data)
            return
        # No relay speaks first, and what does is found out by what it says. uvloop reads once
        # though it was asked not to; it is asked again, so this holds one read.
        self._early += data
        if self._transport is not None:
            self._transport.pause_reading()

    def begin(self) -> None:
        """The tunnel stands."""
        early, self._early = self._early, None
        if early:
            self._tunnels.from_target(self._number, early)

    def connection_lost(self, exc: Exception | None) -> None:
        """The target is gone."""
        self._tunnels.target_gone(self._number)

    def pause_writing(self) -> None:
        """The target does not take what is written."""
        self._tunnels.target_paused(self._number)

    def resume_writing(self) -> None:
        """It takes it again."""
        self._tunnels.target_resumed(self._number)


class _Carried:
    """One tunnel with its two ends."""

    def __init__(self, machine: Tunnel, socket: TunnelSocket) -> None:
        self.machine = machine
        self.socket = socket
        self.target: asyncio.Transport | None = None
        self.looking: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        # Kept beside the handle: for what is due already, uvloop gives one that knows no moment.
        self.timer_due: float | None = None
        self.reads_client = True
        self.reads_target = False


class Tunnels:
    """All tunnels of one relay process. Must be made inside a running event loop."""

    def __init__(self, targets: Targets, limits: EntryLimits | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._targets = targets
        self.limits = limits or EntryLimits()
        self._tunnels: dict[int, _Carried] = {}
        self._numbers = itertools.count(1)
        self._looks = Bucket(self.limits.looks_per_s, self.limits.looks_burst, self._loop.time())
        self._looking = 0
        self._leaving = False
        self._sums = EntrySums()
        self._shown = self._snapshot()
        self._shown_at = self._loop.time()

    @property
    def open(self) -> int:
        """Tunnels that are there now, whether or not they have found their target."""
        return len(self._tunnels)

    # What the client's WebSocket reports

    def opened(self, socket: TunnelSocket, version: int) -> int:
        """A tunnel's WebSocket is up; its number from now on."""
        number = next(self._numbers)
        machine = Tunnel(self.limits, self._loop.time())
        if version != ENTRY_VERSION:
            machine.end(EntryClosing.WRONG_VERSION)
        elif self._leaving:
            machine.end(EntryClosing.LEAVING)
        elif len(self._tunnels) >= self.limits.tunnels:
            machine.end(EntryClosing.FULL)  # the newest gives way, never the oldest
        self._tunnels[number] = _Carried(machine, socket)
        self._sums.opened += 1
        self._pump(number)
        return number

    def received(self, number: int, message: bytes) -> None:
        """A binary message of the client."""
        if (carried := self._tunnels.get(number)) is not None:
            carried.machine.receive(message, self._loop.time())
            self._pump(number)

    def malformed(self, number: int) -> None:
        """The client sent something that is no binary message in one frame."""
        self._end(number, EntryClosing.BAD_MESSAGE)

    def too_fast(self, number: int) -> None:
        """Control frames arrive faster than any client sends them."""
        self._end(number, EntryClosing.TOO_FAST)

    def paused(self, number: int) -> None:
        """The client does not take what is written. May be called while `_pump` runs."""
        if (carried := self._tunnels.get(number)) is not None:
            carried.machine.client_full(self._loop.time())
            self._loop.call_soon(self._pump, number)

    def resumed(self, number: int) -> None:
        """It takes it again."""
        if (carried := self._tunnels.get(number)) is not None:
            carried.machine.client_ready()
            self._loop.call_soon(self._pump, number)

    def closed(self, number: int) -> None:
        """The client is gone, and with it the tunnel."""
        self._forget(number)

    # What the target's connection reports

    def from_target(self, number: int, data: bytes) -> None:
        """Bytes of the target."""
        if (carried := self._tunnels.get(number)) is not None:
            carried.machine.receive_from_target(data, self._loop.time())
            self._pump(number)

    def target_gone(self, number: int) -> None:
        """The target is gone."""
        if (carried := self._tunnels.get(number)) is not None:
            carried.machine.target_ended()
            self._loop.call_soon(self._pump, number)

    def target_paused(self, number: int) -> None:
        """The target does not take what is written. May be called while `_pump` runs."""
        if (carried := self._tunnels.get(number)) is not None:
            carried.machine.target_full(self._loop.time())
            self._loop.call_soon(self._pump, number)

    def target_resumed(self, number: int) -> None:
        """It takes it again."""
        if (carried := self._tunnels.get(number)) is not None:
            carried.machine.target_ready()
            self._loop.call_soon(self._pump, number)

    # Stopping

    def leave(self) -> None:
        """Opens no more tunnels. Those that stand go on: nothing can be said inside them."""
        self._leaving = True

    def shut_all(self) -> None:
        """Ends all tunnels."""
        for number in list(self._tunnels):
            self._end(number, EntryClosing.LEAVING)

    # Sums

    def _snapshot(self) -> tuple[EntrySums, int]:
        return dataclasses.replace(self._sums, closed=self._sums.closed.copy()), self.open

    def sums(self) -> tuple[EntrySums, int]:
        """Sums and tunnels open, as of at most a second ago."""
        if self._loop.time() - self._shown_at >= SUMS_AGE_S:
            self._shown, self._shown_at = self._snapshot(), self._loop.time()
        return self._shown

    # The pump

    def _end(self, number: int, closing: EntryClosing) -> None:
        if (carried := self._tunnels.get(number)) is not None:
            carried.machine.end(closing)
            self._pump(number)

    def _pump(self, number: int) -> None:
        """Carries out what a tunnel's machine wants, and sets its timer."""
        carried = self._tunnels.get(number)
        if carried is None:
            return
        machine = carried.machine
        while (out := machine.next_outgoing()) is not None:
            if isinstance(out, ToClient):
                carried.socket.write(binary_frame(out.message))
                machine.buffered(carried.socket.waiting_bytes())
            elif isinstance(out, ToTarget):
                if carried.target is not None:
                    carried.target.write(out.data)
                    machine.buffered(carried.target.get_write_buffer_size())
            elif isinstance(out, Look):
                self._look(number, carried, out.target)
            else:
                self._shut(number, carried, out)
                return
        self._read(carried)
        self._set_timer(number, carried)

    def _read(self, carried: _Carried) -> None:
        if carried.reads_client != carried.machine.reads_client:
            carried.reads_client = carried.machine.reads_client
            carried.socket.read_on(carried.reads_client)
        if carried.target is not None and carried.reads_target != carried.machine.reads_target:
            carried.reads_target = carried.machine.reads_target
            if carried.reads_target:
                carried.target.resume_reading()
            else:
                carried.target.pause_reading()

    def _set_timer(self, number: int, carried: _Carried) -> None:
        due = carried.machine.next_timer()
        if carried.timer is not None:
            # It only ever moves on while bytes pass: one that is early looks again, and setting
            # it anew for each read would cost more than that.
            set_for = carried.timer_due
            if due is not None and set_for is not None and set_for <= due:
                return
            carried.timer.cancel()
        carried.timer_due = due
        carried.timer = None if due is None else self._loop.call_at(due, self._on_timer, number)

    def _on_timer(self, number: int) -> None:
        if (carried := self._tunnels.get(number)) is not None:
            carried.timer = None
            carried.machine.handle_timer(self._loop.time())
            self._pump(number)

    def _look(self, number: int, carried: _Carried, target: Target) -> None:
        # Whether there is room is said at once, as it says nothing about the target.
        room = self._looking < self.limits.looks
        if not room or self._looks.level(self._loop.time()) < 1:
            carried.machine.end(EntryClosing.BUSY)
            return
        self._looks.take(1, self._loop.time())
        self._looking += 1
        carried.looking = self._loop.create_task(self._reach(number, target))
        carried.looking.add_done_callback(self._looked)

    def _looked(self, task: asyncio.Task[None]) -> None:
        self._looking -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            context = {"message": "looking for a target failed", "exception": error}
            self._loop.call_exception_handler(context)

    async def _reach(self, number: int, target: Target) -> None:
        """Until the target is found; cancelled when the tunnel's machine gives it up."""
        end = _End(self, number)
        try:
            found = await self._targets.reach(target, lambda: end)
        except (OSError, NoTarget):  # among them TimeoutError and ssl.SSLError
            return
        carried = self._tunnels.get(number)
        if carried is None or not carried.machine.found(self._loop.time()):
            found.abort()
            return
        carried.target = found
        self._sums.carried += 1
        end.begin()
        if found.is_closing():
            carried.machine.target_ended()
        self._pump(number)

    def _shut(self, number: int, carried: _Carried, out: Shut) -> None:
        self._sums.closed[out.closing] += 1
        if not carried.reads_client:
            carried.socket.read_on(True)  # so that the answer to the closing is seen
        carried.socket.close_with(out.closing, ENTRY_SENTENCES[out.closing])
        self._forget(number)

    def _forget(self, number: int) -> None:
        carried = self._tunnels.pop(number, None)
        if carried is None:
            return
        self._sums.up_bytes += carried.machine.up_bytes
        self._sums.down_bytes += carried.machine.down_bytes
        if carried.timer is not None:
            carried.timer.cancel()
        if carried.looking is not None:
            carried.looking.cancel()
        if carried.target is not None:
            carried.target.close()
            self._loop.call_later(FLUSH_S, carried.target.abort)
