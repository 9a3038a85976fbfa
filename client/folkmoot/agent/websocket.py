"""One WebSocket (RFC 6455) over a stream that is secured already: messages in, messages out.

The handshake's headers are the same for every agent and system: no User-Agent, no extensions, no
languages. What the other side can force an answer to (ping, close) is answered on the agent's own
100 ms grid (architecture §4), so that nobody measures how far away it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

import anyio
from anyio.abc import ByteStream
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from folkmoot.agent.pinned import NoRelay, why_broken
from folkmoot.wire.grid import Grid
from folkmoot.wire.link import printable

HANDSHAKE_TIMEOUT_S = 10.0
GOODBYE_TIMEOUT_S = 0.2
READ_BYTES = 65_536
# Answers to control frames that wait for the grid. A relay that pings faster than this is no relay.
HELD_BYTES_MAX = 4_096

# What a broken connection raises; reading and writing of TLS may each notice it in their own way,
# and a relay may even make us read and write at once (a key update), which costs it the link.
_BROKEN = (
    anyio.EndOfStream,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.BusyResourceError,
)

_SILENT = logging.getLogger("folkmoot.agent.websocket.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False  # its debug lines would print every frame
_SILENT.setLevel(logging.CRITICAL)


class WebSocketClosed(OSError):
    """The relay ended the link; the text is its own sentence, where it gave one."""

    def __init__(self, sentence: str, code: int = 1006) -> None:
        super().__init__(sentence)
        self.code = code


class WebSocket:
    """Messages over `stream`. One task receives, one task sends; both may run at once."""

    def __init__(
        self,
        stream: ByteStream,
        *,
        host: str,
        port: int,
        path: str,
        message_bytes_max: int,
        grid: Grid,
    ) -> None:
        uri = WebSocketURI(True, f"[{host}]" if ":" in host else host, port, path, "")
        self._stream = stream
        self._protocol = ClientProtocol(uri, max_size=message_bytes_max, logger=_SILENT)
        self._grid = grid
        self._held = bytearray()
        self.answers_at: float | None = None  # when to call send_answers

    async def open(self) -> None:
        """The handshake; raises NoRelay when the other side does not take it."""
        request = self._protocol.connect()
        self._protocol.send_request(request)
        try:
            with anyio.fail_after(HANDSHAKE_TIMEOUT_S):
                await self._stream.send(b"".join(self._protocol.data_to_send()))
                while self._protocol.state is State.CONNECTING:
                    if self._protocol.handshake_exc is not None:
                        raise NoRelay(self._refusal())
                    await self._feed()
        except TimeoutError:
            raise NoRelay("what answers there is slower than a relay") from None
        except _BROKEN as error:
            otherwise = "what answers there closed before the link was open"
            raise NoRelay(why_broken(error, otherwise)) from None

    def _refusal(self) -> str:
        for event in self._protocol.events:
            if isinstance(event, Response):
                if event.status_code == 404:
                    return "the relay speaks another version of the protocol, or it is no relay"
                return f"what answers there takes no links (HTTP status {event.status_code})"
        return "what answers there is not a relay"

    async def _feed(self) -> None:
        data = await self._stream.receive(READ_BYTES)
        self._protocol.receive_data(data)
        for answer in self._protocol.data_to_send():
            self._held += answer
            if self.answers_at is None:
                self.answers_at = self._grid.after(now())
        if len(self._held) > HELD_BYTES_MAX:
            raise WebSocketClosed("the relay sends control frames without end")

    async def receive(self) -> list[bytes]:
        """The messages in the next bytes, or none; raises WebSocketClosed at the end."""
        messages = self._messages()
        if messages:
            return messages
        try:
            await self._feed()
        except _BROKEN as error:
            raise WebSocketClosed(why_broken(error, "the connection broke off")) from None
        messages = self._messages()
        if not messages and self._protocol.state is not State.OPEN:
            raise self._closed()
        return messages

    def _messages(self) -> list[bytes]:
        messages = []
        for event in self._protocol.events_received():
            if not isinstance(event, Frame):
                continue
            if event.opcode is Opcode.TEXT or event.opcode is Opcode.CONT or not event.fin:
                # Ours are binary and whole: fragments would only be a way to hold memory.
                raise WebSocketClosed("the relay sent what no relay sends")
            if event.opcode is Opcode.BINARY:
                messages.append(bytes(event.data))
        return messages

    def _closed(self) -> WebSocketClosed:
        received = self._protocol.close_rcvd
        if received is not None and received.reason:
            return WebSocketClosed(printable(received.reason), received.code)
        if received is not None:
            return WebSocketClosed("the relay closed the link", received.code)
        return WebSocketClosed("the relay sent what no relay sends")

    async def send(self, message: bytes) -> None:
        """Sends one binary message, and whatever answers are due; raises WebSocketClosed."""
        if self._protocol.state is not State.OPEN:
            raise self._closed()
        self._protocol.send_binary(message)
        await self._write(b"".join(self._protocol.data_to_send()))

    async def send_answers(self) -> None:
        """Sends the answers to control frames that were held."""
        answers, self._held, self.answers_at = bytes(self._held), bytearray(), None
        await self._write(answers)

    async def _write(self, data: bytes) -> None:
        try:
            await self._stream.send(data)
        except _BROKEN as error:
            raise WebSocketClosed(why_broken(error, "the connection broke off")) from None

    async def close(self) -> None:
        """Says goodbye and closes the connection, on the grid: the other side may have caused
        it."""
        try:
            moment = now()
            await asyncio.sleep(self._grid.after(moment) - moment)
            if self._protocol.state is State.OPEN:
                self._protocol.send_close(1000)
                self._held += b"".join(self._protocol.data_to_send())
            if self._held:
                with anyio.move_on_after(GOODBYE_TIMEOUT_S), contextlib.suppress(OSError):
                    await self.send_answers()
        finally:
            await anyio.aclose_forcefully(self._stream)


def now() -> float:
    """The clock of all links: seconds, never set back."""
    return time.monotonic()
