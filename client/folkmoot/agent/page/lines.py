"""The connections to the page's server: how many there may be, and for how long without an errand.

Every user of the machine can connect to 127.0.0.1. Without limits a few hundred connections that
say nothing would take the agent's files, and with them its links to the relays.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUESTS_MAX: Final = 64  # connections that have not become a socket; the page needs six
# From connecting to the last answer, or to the upgrade to a socket. Browsers connect again.
REQUEST_S: Final = 10.0
# The open tabs, those that have not said the secret yet, and those that are about to close.
SOCKETS_MAX: Final = 24

Address = tuple[str, int]


class Lines:
    """All connections of one server, oldest first."""

    def __init__(self) -> None:
        self._requests: dict[Line, None] = {}
        self._sockets: dict[Address, asyncio.Transport] = {}
        self._known: set[Address] = set()

    def __len__(self) -> int:
        return len(self._requests) + len(self._sockets)

    def came(self, line: Line) -> None:
        """A connection: where there are too many, the oldest that asks for nothing goes."""
        self._requests[line] = None
        while len(self._requests) > REQUESTS_MAX:
            oldest = next((one for one in self._requests if not one.busy), None)
            self._drop(oldest or next(iter(self._requests)))

    def went(self, line: Line) -> None:
        self._requests.pop(line, None)

    def became_socket(self, line: Line) -> None:
        """The connection is a WebSocket's now: where there are too many, the oldest that has not
        said the secret goes."""
        self.went(line)
        self._sockets = {
            address: one for address, one in self._sockets.items() if not one.is_closing()
        }
        self._known &= self._sockets.keys()
        if line.client is not None:
            self._sockets[line.client] = line.transport
        while len(self._sockets) > SOCKETS_MAX:
            oldest = next((one for one in self._sockets if one not in self._known), None)
            if oldest is None:  # as many tabs as that are not let in
                return
            self._sockets.pop(oldest).abort()

    def knows(self, address: Address) -> None:
        """This socket has said the secret."""
        self._known.add(address)

    def _drop(self, line: Line) -> None:
        self.went(line)
        line.transport.abort()


class Line(H11Protocol):
    """HTTP on one connection: a file or two, or the request that becomes a socket."""

    _lines: Lines  # of its server
    _by: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._by = self.loop.call_later(REQUEST_S, transport.abort)
        self._lines.came(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        self._lines.went(self)
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._release()
        self._lines.became_socket(self)
        super().handle_websocket_upgrade(event)

    def _release(self) -> None:
        if self._by is not None:
            self._by.cancel()
            self._by = None


def line_of(lines: Lines) -> type[Line]:
    """For uvicorn's `http`: the class of each connection of one server."""

    class Ours(Line):
        _lines = lines

    return Ours
