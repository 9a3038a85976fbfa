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

from folkmoot.wire.limits import Bucket

HANDSHAKE_S = 10.0
SHUTDOWN_S = 2.0
# Connections that are no link yet and have no answer yet. Over it the one that is at it for longest
# gives way: an honest agent needs a moment, and who only keeps the place waits longest.
HALF_OPEN_MAX = 512
# Connections taken a second, a handshake each: a fifth of a core. More wait in the kernel's queue,
# so that a flood of them costs newcomers time and the meetings that are open nothing.
ACCEPTS_PER_S = 200.0
ACCEPTS_BURST = 400.0
# From the end of the TLS handshake to the upgrade to a link, or to the end of the answer.
REQUEST_S = 20.0
ACCEPT_AGAIN_S = 0.1


class Requests(H11Protocol):
    """HTTP on one connection: one page, or the request that becomes a link."""

    _by: asyncio.TimerHandle | None = None
    on_done: Callable[[], None] | None = None

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

    def on_response_complete(self) -> None:
        """One answer a connection: what pages cost is then bounded by how many are accepted."""
        self.transport.close()
        super().on_response_complete()

    def _release(self) -> None:
        if self._by is not None:
            self._by.cancel()
            self._by = None
        if self.on_done is not None:
            self.on_done()
            self.on_done = None


class _HalfOpen:
    """A connection that is no link yet: first a handshake's task, then a request's protocol."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.requests: Requests | None = None

    def drop(self) -> None:
        """Ends it without a word."""
        if self.requests is not None:
            self.requests.transport.abort()
        elif self.task is not None:
            self.task.cancel()


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
        self._half_open: dict[_HalfOpen, None] = {}  # oldest first
        self._accepting: list[asyncio.Task[None]] = []

    def open(self, listeners: Sequence[socket.socket]) -> None:
        """Starts to accept; the sockets do not block, and belong to this object from now on."""
        loop = asyncio.get_running_loop()
        self._accepting = [loop.create_task(self._accept(listener)) for listener in listeners]
        for task in self._accepting:
            task.add_done_callback(_report)

    async def close(self) -> None:
        """Accepts no more, and gives up what is still in its handshake."""
        tasks = [*self._accepting, *self._handshakes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        pace = Bucket(ACCEPTS_PER_S, ACCEPTS_BURST, loop.time())
        with listener:
            while True:
                try:
                    connection, _ = await loop.sock_accept(listener)  # who it is, is not looked at
                except OSError:  # out of files, or the connection is gone already
                    await asyncio.sleep(ACCEPT_AGAIN_S)
                    continue
                if len(self._handshakes) + self._connections_open() >= self._connections_max:
                    connection.close()  # the newest gives way, never the oldest
                else:
                    self._begin(connection)
                if (tokens := pace.take(1, loop.time())) < 0:
                    await asyncio.sleep(-tokens / ACCEPTS_PER_S)

    def _begin(self, connection: socket.socket) -> None:
        if len(self._half_open) >= HALF_OPEN_MAX:
            oldest = next(iter(self._half_open))
            del self._half_open[oldest]
            oldest.drop()
        fresh = _HalfOpen()
        self._half_open[fresh] = None
        fresh.task = asyncio.get_running_loop().create_task(self._secure(connection, fresh))
        self._handshakes.add(fresh.task)
        fresh.task.add_done_callback(self._handshakes.discard)

    async def _secure(self, connection: socket.socket, half_open: _HalfOpen) -> None:
        requests = self._make_requests()
        requests.on_done = lambda: self._half_open.pop(half_open, None)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: requests,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
            half_open.requests = requests
        except (OSError, EOFError):  # among them ssl.SSLError and TimeoutError
            connection.close()
            self._half_open.pop(half_open, None)
        except asyncio.CancelledError:
            connection.close()
            raise


def _report(task: asyncio.Task[None]) -> None:
    """A relay that accepts nobody any more, by our own mistake, must not do so in silence."""
    if not task.cancelled() and (error := task.exception()) is not None:
        context = {"message": "the relay accepts nobody any more", "exception": error}
        task.get_loop().call_exception_handler(context)
