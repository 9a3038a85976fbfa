"""A tunnel through an entry: a byte stream to a relay that does not see where it comes from.

The entry is pinned like any relay. What goes through the tunnel is TLS with the relay behind it, so
the entry learns which relay, how much and when, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import anyio
from anyio.abc import ByteStream

from folkmoot.agent import pinned
from folkmoot.agent.websocket import WebSocket, WebSocketClosed, now
from folkmoot.wire.address import RelayAddress, format_host_port
from folkmoot.wire.entry_messages import (
    CARRYING,
    TUNNEL_MESSAGE_BYTES_MAX,
    EntryClosing,
    Target,
    entry_path,
)
from folkmoot.wire.grid import Grid

# Longer than any entry takes to say no (EntryLimits.answer_s), and a slow line on top.
ANSWER_TIMEOUT_S = 10.0
# Received and not yet read; one read of the connection below can hold a little more.
HELD_BYTES_MAX = 1 << 20


class EntryFailed(pinned.WayBroken):
    """The entry itself cannot be used: it does not answer, is another, is full, or went away."""


class EntryRefused(EntryFailed):
    """The entry works, and does not go to this relay."""


async def open_tunnel(stream: ByteStream, entry: RelayAddress, host: str, port: int) -> ByteStream:
    """A byte stream to the relay at `host`:`port` through `entry`, to which `stream` leads.

    Raises EntryFailed or EntryRefused with a sentence that names the entry; `stream` is closed
    then."""
    place = format_host_port(entry.host, entry.port)
    try:
        tls, _ = await pinned.secure(stream, entry.pin)
    except pinned.WrongPin:
        # Not to be taken for a wrong pin of the relay, which would be a far graver thing to say.
        raise EntryFailed(f"the entry {place} is not the one that its address names") from None
    except OSError as error:
        raise EntryFailed(f"the entry {place}: {error}") from None
    socket = WebSocket(
        tls,
        host=entry.host,
        port=entry.port,
        path=entry_path(),
        message_bytes_max=TUNNEL_MESSAGE_BYTES_MAX,
        grid=Grid(os.urandom, now()),
    )
    try:
        await socket.open()
        await socket.send(Target(host, port).encode())
        with anyio.fail_after(ANSWER_TIMEOUT_S):
            rest = await _answer(socket)
    except BaseException as error:
        await anyio.aclose_forcefully(tls)
        if isinstance(error, TimeoutError):
            why = f"it did not open a tunnel within {ANSWER_TIMEOUT_S:.0f} s"
            raise EntryFailed(f"the entry {place}: {why}") from None
        if isinstance(error, WebSocketClosed) and error.code == EntryClosing.NOT_A_RELAY:
            raise EntryRefused(
                f"the entry {place} does not get to a relay there: it is down, cannot be reached "
                "from the entry, or is where this entry does not go"
            ) from None
        if isinstance(error, pinned.NoRelay):
            raise EntryFailed(f"the entry {place} carries no tunnels ({error})") from None
        if isinstance(error, OSError):
            raise EntryFailed(f"the entry {place}: {error}") from None
        raise
    return TunnelStream(socket, tls, place, rest)


async def _answer(socket: WebSocket) -> list[bytes]:
    """Waits for CARRYING; what came with it."""
    while True:
        messages = await socket.receive()
        if messages:
            if messages[0] != CARRYING:
                raise WebSocketClosed("it says what no entry says")
            return messages[1:]


class TunnelStream(ByteStream):
    """The bytes in a tunnel. One task may receive while another sends."""

    def __init__(self, socket: WebSocket, below: ByteStream, place: str, rest: list[bytes]) -> None:
        self._socket = socket
        self._below = below
        self._place = place
        self._held = bytearray(b"".join(rest))

    async def receive(self, max_bytes: int = 65_536) -> bytes:
        """The next bytes; raises EntryFailed when the tunnel ended, with the entry's own words."""
        while not self._held:
            try:
                for message in await self._socket.receive():
                    self._held += message
            except WebSocketClosed as error:
                if error.code == EntryClosing.TARGET_ENDED:
                    raise anyio.EndOfStream from None
                raise self._failed(error) from None
            if len(self._held) > HELD_BYTES_MAX:
                raise EntryFailed(f"the entry {self._place} sends more than anybody asked for")
        data = bytes(self._held[:max_bytes])
        del self._held[:max_bytes]
        return data

    async def send(self, item: bytes) -> None:
        """Sends all bytes; waits while the way is full. Raises EntryFailed."""
        try:
            for start in range(0, len(item), TUNNEL_MESSAGE_BYTES_MAX):
                await self._socket.send(item[start : start + TUNNEL_MESSAGE_BYTES_MAX])
            # What the entry made us answer goes with what we send anyway, not before the grid.
            due = self._socket.answers_at
            if due is not None and now() >= due:
                await self._socket.send_answers()
        except WebSocketClosed as error:
            raise self._failed(error) from None

    def _failed(self, error: WebSocketClosed) -> EntryFailed:
        return EntryFailed(f"the entry {self._place}: {error}")

    async def send_eof(self) -> None:
        """There is no half-closing of a tunnel: the end is `aclose`."""

    async def aclose(self) -> None:
        """Ends the tunnel."""
        await self._socket.close()

    @property
    def extra_attributes(self) -> Mapping[Any, Any]:
        """None: the socket below is the entry's, and is tuned already."""
        return {}
