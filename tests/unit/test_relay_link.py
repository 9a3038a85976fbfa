"""What the relay's shell asks of a connection, and what it hands on: never who is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from folkmoot.relay.gate import Requests
from folkmoot.relay.link import EXTENSION, Link
from folkmoot.relay.shell import binary_frame

ROOT = Path(__file__).resolve().parents[2]
UPGRADE = (
    b"GET /link/1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Nameless(asyncio.Transport):
    """A transport that fails the test when somebody asks for its peer."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.protocol: asyncio.BaseProtocol | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        assert name in ("socket", "sockname", "sslcontext"), name
        return ("192.0.2.1", 443) if name == "sockname" else None

    def write(self, data: Any) -> None:
        self.written += data

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...

    def abort(self) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.mark.parametrize("request_bytes", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", UPGRADE])
def test_the_application_is_never_told_who_is_there(request_bytes: bytes) -> None:
    scopes: list[dict[str, Any]] = []

    async def app(scope: dict[str, Any], receive: Callable[..., Any], send: Any) -> None:
        scopes.append(scope)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body"})

    async def run() -> None:
        config = uvicorn.Config(app, http=Requests, ws=Link, lifespan="off", log_config=None)
        config.load()
        transport = Nameless()
        protocol = Requests(config, ServerState(), {}, asyncio.get_running_loop())
        protocol.connection_made(transport)
        protocol.data_received(request_bytes)
        await asyncio.sleep(0.01)
        assert transport.written.startswith(b"HTTP/1.1 ")
        last = transport.protocol or protocol
        assert isinstance(last, asyncio.Protocol)
        last.connection_lost(None)

    asyncio.run(run())
    (scope,) = scopes
    assert scope["client"] is None
    assert (EXTENSION in scope.get("extensions", {})) == (scope["type"] == "websocket")


def test_no_line_of_the_relay_asks_for_a_peers_address() -> None:
    for tree in ("server/folkmoot/relay", "protocol/folkmoot/wire"):
        for path in (ROOT / tree).rglob("*.py"):
            source = path.read_text()
            for word in ("peername", "remote_addr", "raddr", "client_addr", ".client.host"):
                assert word not in source, (path, word)


@pytest.mark.parametrize("size", [1, 125, 126, 389, 65535, 65536, 300_000])
def test_frames_are_those_of_rfc_6455(size: int) -> None:
    message = bytes(size)
    frame = binary_frame(message)
    assert frame[0] == 0x82  # final, binary
    assert frame[1] & 0x80 == 0  # not masked
    length, start = frame[1], 2
    if length == 126:
        length, start = int.from_bytes(frame[2:4], "big"), 4
    elif length == 127:
        length, start = int.from_bytes(frame[2:10], "big"), 10
    assert length == size
    assert frame[start:] == message
