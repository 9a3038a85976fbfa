"""The WebSocket under a link, against a server made of websockets' own protocol, in memory."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream
from websockets.http11 import Request
from websockets.server import ServerProtocol

from folkmoot.agent.websocket import WebSocket, WebSocketClosed
from folkmoot.wire.grid import GRID_S, Grid


class Wire(ByteStream):
    """The other end: a server whose answers are read by the WebSocket under test."""

    def __init__(self) -> None:
        self.server = ServerProtocol()
        self.heard = b""
        self.heard_at: list[float] = []
        self.closed = False
        self._news = asyncio.Event()
        self._ready = b""

    def say(self, act: Callable[[ServerProtocol], object]) -> None:
        act(self.server)
        self._ready += b"".join(self.server.data_to_send())
        self._news.set()

    async def send(self, item: bytes) -> None:
        self.heard += item
        self.heard_at.append(time.monotonic())
        self.server.receive_data(item)
        for event in self.server.events_received():
            if isinstance(event, Request):
                self.server.send_response(self.server.accept(event))
        self._ready += b"".join(self.server.data_to_send())
        self._news.set()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        while not self._ready:
            if self.closed:
                raise anyio.EndOfStream
            self._news.clear()
            await self._news.wait()
        data, self._ready = self._ready, b""
        return data

    async def send_eof(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        self.closed = True


async def _opened(grid: Grid | None = None) -> tuple[WebSocket, Wire]:
    wire = Wire()
    grid = grid or Grid(lambda count: bytes(count), time.monotonic())
    socket = WebSocket(
        wire, host="::1", port=7443, path="/link/1", message_bytes_max=1000, grid=grid
    )
    await socket.open()
    return socket, wire


def test_the_handshake_says_nothing_but_what_it_must() -> None:
    async def scene() -> None:
        _, wire = await _opened()
        request = wire.heard.decode("ascii").split("\r\n")
        assert request[0] == "GET /link/1 HTTP/1.1"
        names = [line.partition(":")[0] for line in request[1:] if line]
        assert names == [
            "Host",
            "Upgrade",
            "Connection",
            "Sec-WebSocket-Key",
            "Sec-WebSocket-Version",
        ]
        assert "Host: [::1]:7443" in request

    asyncio.run(scene())


def test_a_ping_is_answered_on_the_grid_and_not_before() -> None:
    async def scene() -> None:
        began = time.monotonic()
        grid = Grid(lambda count: bytes(count), began)  # points at began + k x 100 ms
        socket, wire = await _opened(grid)
        before = len(wire.heard)
        wire.say(lambda server: server.send_ping(b"how far"))
        assert await socket.receive() == []
        assert len(wire.heard) == before
        due = socket.answers_at
        assert due is not None
        assert abs((due - began) / GRID_S - round((due - began) / GRID_S)) < 1e-6
        assert due > time.monotonic() - GRID_S
        await socket.send_answers()
        assert len(wire.heard) > before
        assert socket.answers_at is None

    asyncio.run(scene())


def test_a_close_is_answered_on_the_grid_and_its_sentence_passed_on() -> None:
    async def scene() -> None:
        began = time.monotonic()
        socket, wire = await _opened(Grid(lambda count: bytes(count), began))
        wire.say(lambda server: server.send_close(4009, "This relay is stopping."))
        with pytest.raises(WebSocketClosed, match=r"This relay is stopping\.") as closed:
            await socket.receive()
        assert closed.value.code == 4009
        due, writes = socket.answers_at, len(wire.heard_at)
        assert due is not None
        await socket.close()
        assert wire.closed
        assert len(wire.heard_at) == writes + 1
        assert wire.heard_at[-1] >= due

    asyncio.run(scene())


@pytest.mark.parametrize(
    "act",
    [
        lambda server: server.send_text(b"words"),
        lambda server: server.send_binary(b"half", fin=False),
        lambda server: server.send_binary(bytes(1001)),
        lambda server: server.writes.append(b"\xff\xff\xff"),
        lambda server: [server.send_ping(bytes(125)) for _ in range(40)],
    ],
    ids=["text", "fragment", "too long", "no frame", "pings without end"],
)
def test_what_no_relay_sends_ends_the_link(act: Callable[[ServerProtocol], Any]) -> None:
    async def scene() -> None:
        socket, wire = await _opened()
        wire.say(act)
        with pytest.raises(WebSocketClosed, match="the relay"):
            await _receive_nothing(socket)

    asyncio.run(scene())


async def _receive_nothing(socket: WebSocket) -> None:
    while True:
        assert await socket.receive() == []


def test_messages_arrive_whole_and_in_order() -> None:
    async def scene() -> None:
        socket, wire = await _opened()
        sent = [bytes((number,)) * 900 for number in range(5)]
        for each in sent:
            wire.say(functools.partial(ServerProtocol.send_binary, data=each))
        assert await socket.receive() == sent
        wire.closed = True
        with pytest.raises(WebSocketClosed, match="broke off"):
            await socket.receive()

    asyncio.run(scene())
