"""A link's WebSocket: uvicorn does the handshake, then messages go straight between transport and
core.

The way round ASGI is what makes a relay in Python fast enough: a tick is one frame, built once and
written to the transport of each receiver. No peer's address is read, kept or printed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.server import ServerProtocol

from folkmoot.relay.shell import Carrier, Relay
from folkmoot.relay.tunnels import Tunnels
from folkmoot.wire.limits import Bucket
from folkmoot.wire.messages import AGENT_MESSAGE_BYTES_MAX

EXTENSION = "folkmoot.link"
CLOSE_WAIT_S = 5.0
# Above the first a link counts as full and its ticks wait in the core, below the second it takes
# them again.
WRITE_BUFFER_HIGH_BYTES = 65_536
WRITE_BUFFER_LOW_BYTES = 16_384
# Parsed at a time. One read may hold 256 KiB, which is more than a tenth of a second's work in
# frames of a few bytes: who floods is told to go after the first piece of it.
PIECE_BYTES = 1024
# What a link may still send after it was told to go, as it cannot know yet; more is a flood.
CLOSING_BYTES_MAX = 65_536
CLOSING_FRAMES_MAX = 64
# Agents send no pings and no pongs; whoever pings gets an answer once a second.
PINGS_PER_S = 1.0
PINGS_BURST = 10.0

# What websockets would say of a link (headers, frames) is not for anybody's eyes.
_SILENT = logging.getLogger("folkmoot.relay.silent")
_SILENT.disabled = True


class Link(WebSocketsSansIOProtocol):
    """One WebSocket from its HTTP request on; a link of the relay, or a tunnel of the entry, once
    `attach` was called."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.conn = ServerProtocol(extensions=[], max_size=AGENT_MESSAGE_BYTES_MAX, logger=_SILENT)
        self.finished = asyncio.Event()
        self._carrier: Carrier | None = None
        self._number = 0
        self._pings = Bucket(PINGS_PER_S, PINGS_BURST, self.loop.time())
        self._last_call: asyncio.TimerHandle | None = None
        self._closing_bytes = 0
        self._closing_frames = 0

    def attach(self, carrier: Relay | Tunnels, version: int) -> None:
        """The WebSocket is accepted: from now on it is a link, or a tunnel."""
        self.transport.set_write_buffer_limits(WRITE_BUFFER_HIGH_BYTES, WRITE_BUFFER_LOW_BYTES)
        self._carrier = carrier
        self._number = carrier.opened(self, version)

    # What the relay does

    def write(self, frame: bytes) -> None:
        """Writes whole frames, as Relay.pump builds them."""
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(frame)

    def read_on(self, wanted: bool) -> None:
        """Goes on reading, or stops for now."""
        if self.transport.is_closing():
            return
        if wanted:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def waiting_bytes(self) -> int:
        """What is written and not taken yet."""
        return self.transport.get_write_buffer_size()

    def close_with(self, code: int, sentence: str) -> None:
        """Sends a close frame; the connection goes when the agent answers, or soon without."""
        if self.close_sent or self.transport.is_closing():
            return
        try:
            self.conn.send_close(code, sentence)
        except InvalidState:
            return  # the agent was quicker
        self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._end_soon()

    def _end_soon(self) -> None:
        """A connection that is full never flushes, so it gets a time and no more."""
        if self._last_call is None:
            self._last_call = self.loop.call_later(CLOSE_WAIT_S, self.transport.abort)

    # What the transport does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As the base class, but without asking who is there."""
        self.transport = cast(asyncio.Transport, transport)
        self.connections.add(self)
        self.server = get_local_addr(self.transport)
        self.client = None
        self.scheme = "wss"

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        super().connection_lost(exc)
        if self._last_call is not None:
            self._last_call.cancel()
        self.finished.set()
        if self._carrier is not None:
            self._carrier.closed(self._number)

    def pause_writing(self) -> None:
        """The write buffer is full."""
        super().pause_writing()
        if self._carrier is not None:
            self._carrier.paused(self._number)

    def resume_writing(self) -> None:
        """The write buffer has room again."""
        super().resume_writing()
        if self._carrier is not None:
            self._carrier.resumed(self._number)

    def shutdown(self) -> None:
        """The server ends and this link still hangs on."""
        self.transport.abort()

    # What the agent sends

    def data_received(self, data: bytes) -> None:
        """Bytes of the connection."""
        for start in range(0, len(data), PIECE_BYTES):
            if self.transport.is_closing():
                return
            piece = data[start : start + PIECE_BYTES]
            if self.close_sent:
                self._closing_bytes += len(piece)
                if self._closing_bytes > CLOSING_BYTES_MAX:
                    self.transport.abort()
                    return
            super().data_received(piece)

    async def run_asgi(self) -> None:
        """Hands this object to the application, beside what ASGI has."""
        extensions = cast(dict[str, Any], self.scope["extensions"])
        extensions[EXTENSION] = self
        await super().run_asgi()

    def handle_bytes(self, event: Frame) -> None:
        """A binary frame, whole or the first of several."""
        if self._is_over():
            return
        if self._carrier is None:
            self.transport.abort()  # it cannot know yet that it may send
        elif event.fin:
            self._carrier.received(self._number, bytes(event.data))
        else:
            self._carrier.malformed(self._number)

    def handle_text(self, event: Frame) -> None:
        """There are no text messages."""
        self._malformed()

    def handle_cont(self, event: Frame) -> None:
        """There are no fragments."""
        self._malformed()

    def _malformed(self) -> None:
        if self._is_over():
            return
        if self._carrier is None:
            self.transport.abort()
        else:
            self._carrier.malformed(self._number)

    def handle_ping(self) -> None:
        """Answers, as RFC 6455 wants it, at a rate that costs nothing."""
        output = b"".join(self.conn.data_to_send())
        if self._is_over():
            return
        if self._pings.take(1, self.loop.time()) >= 0:
            self.write(output)
        elif self._carrier is not None:
            self._carrier.too_fast(self._number)

    def handle_pong(self, event: Frame) -> None:
        """Nobody asked for it; a flood of them is a flood."""
        if self._is_over():
            return
        if self._pings.take(1, self.loop.time()) < 0 and self._carrier is not None:
            self._carrier.too_fast(self._number)

    def _is_over(self) -> bool:
        """Whether this frame is one of those that come after the link was told to go."""
        if not self.close_sent:
            return False
        self._closing_frames += 1
        if self._closing_frames > CLOSING_FRAMES_MAX:
            self.transport.abort()
        return True

    def handle_close(self, event: Frame) -> None:
        """The agent closes, or answers our closing."""
        output = b"".join(self.conn.data_to_send())
        if not self.transport.is_closing():
            if output:
                self.transport.write(output)
            self.transport.close()
        self._end_soon()

    def handle_parser_exception(self) -> None:
        """What came is no WebSocket frame, or a longer one than any message is."""
        super().handle_parser_exception()
        self._end_soon()
