"""Drives the relay core with asyncio: one timer, and a WebSocket frame built once for all that get
it."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from typing import Protocol

from folkmoot.wire.relay_core import Deliver, RelayCore, Sums

# Sums are shown as of the last full second, so that whoever asks for them often learns no moments.
SUMS_AGE_S = 1.0


class Socket(Protocol):
    """What the shell needs of a link's WebSocket."""

    def write(self, frame: bytes) -> None:
        """Writes these bytes, which are whole WebSocket frames."""

    def close_with(self, code: int, sentence: str) -> None:
        """Closes with this code and sentence, and does not wait long for the other side."""


class Carrier(Protocol):
    """What takes over a WebSocket once it is accepted: the rooms for a link, or the tunnels.

    `paused` and `resumed` are about its write buffer, and may be called while it writes."""

    def received(self, number: int, message: bytes) -> None:
        """A binary message has arrived."""

    def malformed(self, number: int) -> None:
        """Something has arrived that is no binary message in one frame."""

    def too_fast(self, number: int) -> None:
        """Control frames arrive faster than any agent sends them."""

    def paused(self, number: int) -> None:
        """The write buffer is full."""

    def resumed(self, number: int) -> None:
        """The write buffer has room again."""

    def closed(self, number: int) -> None:
        """The connection is gone."""


def binary_frame(message: bytes) -> bytes:
    """The unmasked WebSocket frame of one binary message (RFC 6455 §5.2): the same for every
    receiver."""
    size = len(message)
    if size < 126:
        return bytes((0x82, size)) + message
    if size < 1 << 16:
        return b"\x82\x7e" + size.to_bytes(2, "big") + message
    return b"\x82\x7f" + size.to_bytes(8, "big") + message


class Relay:
    """One relay process's rooms. Must be made inside a running event loop."""

    def __init__(self, pin: bytes, tick_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.core = RelayCore(pin, os.urandom, self._loop.time(), tick_s=tick_s)
        self._sockets: dict[int, Socket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due: float | None = None
        self._sums = self._snapshot()
        self._sums_at = self._loop.time()

    # What links report

    def opened(self, socket: Socket, version: int) -> int:
        """A link's WebSocket is up; its number from now on."""
        number = self.core.link_opened(self._loop.time(), version)
        self._sockets[number] = socket
        self.pump()
        return number

    def received(self, number: int, message: bytes) -> None:
        """A binary message has arrived."""
        self.core.receive(number, message, self._loop.time())
        self.pump()

    def malformed(self, number: int) -> None:
        """Something has arrived that is no binary message in one frame."""
        self.core.malformed(number)
        self.pump()

    def too_fast(self, number: int) -> None:
        """Control frames arrive faster than any agent sends them."""
        self.core.too_fast(number)
        self.pump()

    def paused(self, number: int) -> None:
        """The link's write buffer is full. May be called while `pump` runs, so it must not pump."""
        self.core.paused(number, self._loop.time())

    def resumed(self, number: int) -> None:
        """The link's write buffer has room again. May be called while `pump` runs."""
        self.core.resumed(number)
        self._loop.call_soon(self.pump)

    def closed(self, number: int) -> None:
        """The link's connection is gone."""
        self._sockets.pop(number, None)
        self.core.link_closed(number)
        self.pump()

    # Stopping

    def leave(self) -> None:
        """Tells all links to move on."""
        self.core.leave()
        self.pump()

    def shut_all(self) -> None:
        """Closes all links."""
        self.core.shut_all()
        self.pump()

    # Sums

    def _snapshot(self) -> tuple[Sums, int, int]:
        sums = dataclasses.replace(
            self.core.sums,
            closed=self.core.sums.closed.copy(),
            refused=self.core.sums.refused.copy(),
        )
        return sums, self.core.links_open, self.core.rooms_open

    def sums(self) -> tuple[Sums, int, int]:
        """Sums, links open and rooms open, as of at most a second ago."""
        if self._loop.time() - self._sums_at >= SUMS_AGE_S:
            self._sums, self._sums_at = self._snapshot(), self._loop.time()
        return self._sums

    # The pump

    def pump(self) -> None:
        """Carries out what the core wants, and sets the timer for what it wants next."""
        while (out := self.core.next_outgoing()) is not None:
            if isinstance(out, Deliver):
                frames = b"".join([binary_frame(message) for message in out.messages])
                for number in out.links:
                    socket = self._sockets.get(number)
                    if socket is not None:
                        socket.write(frames)
            elif (socket := self._sockets.pop(out.link, None)) is not None:
                socket.close_with(out.code, out.sentence)
        due = self.core.next_timer()
        if self._timer is not None:
            if due == self._timer_due:
                return
            self._timer.cancel()
        # Kept beside the handle: for what is due already, uvloop gives one that knows no moment.
        self._timer_due = due
        self._timer = None if due is None else self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.core.handle_timer(self._loop.time())
        self.pump()
