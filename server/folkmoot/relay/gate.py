"""A fresh connection: TLS 1.3 within a time, then HTTP. Whatever fails here fails in silence."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import get_local_addr

HANDSHAKE_S = 10.0
SHUTDOWN_S = 2.0
# From the end of the TLS handshake to the upgrade to a link, or to the end of the answer.
REQUEST_S = 20.0
ACCEPT_AGAIN_S = 0.1


class Requests(H11Protocol):
    """HTTP on one connection: a page or two, or the request that becomes a link."""

    _by: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As the base class, but without asking who is there, and with an end."""
        self.connections.add(self)
        self.transport = transport
        self.flow = FlowControl(transport)
        self.server = get_local_addr(transport)
        self.client = None
        self.scheme = "https"
        self._by = self.loop.call_later(REQUEST_S, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._release()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        """The connection becomes a link's and is no concern of this object any more."""
        self._release()
        super().handle_websocket_upgrade(event)

    def _release(self) -> None:
        if self._by is not None:
            self._by.cancel()
            self._by = None


class Gates:
    """Accepts connections, at most `connections_max` of them at a time, and gives each its TLS.

    Not asyncio's own server: that accepts without limit while handshakes hang, and says who
    hangs."""

    def __init__(
        self,
        context: ssl.SSLContext,
        make_requests: Callable[[], Requests],
        connections_open: Callable[[], int],
        connections_max: int,
    ) -> None:
        self._context = context
        self._make_requests = make_requests
        self._connections_open = connections_open
        self._connections_max = connections_max
        self._handshakes: set[asyncio.Task[None]] = set()
        self._accepting: list[asyncio.Task[None]] = []

    def open(self, listeners: Sequence[socket.socket]) -> None:
        """Starts to accept; the sockets do not block, and belong to this object from now on."""
        loop = asyncio.get_running_loop()
        self._accepting = [loop.create_task(self._accept(listener)) for listener in listeners]

    async def close(self) -> None:
        """Accepts no more, and gives up what is still in its handshake."""
        tasks = [*self._accepting, *self._handshakes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)  # who it is, is not looked at
                except OSError:  # out of files, or the connection is gone already
                    await asyncio.sleep(ACCEPT_AGAIN_S)
                    continue
                if len(self._handshakes) + self._connections_open() >= self._connections_max:
                    connection.close()  # the newest gives way, never the oldest
                    continue
                task = loop.create_task(self._secure(connection))
                self._handshakes.add(task)
                task.add_done_callback(self._handshakes.discard)

    async def _secure(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._make_requests,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except (OSError, EOFError):  # among them ssl.SSLError and TimeoutError
            connection.close()
