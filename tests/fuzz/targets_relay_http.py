"""Target: a connection to the relay after its TLS, as anybody in the world may make one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode

from folkmoot.relay.app import make_app
from folkmoot.relay.gate import Requests
from folkmoot.relay.link import Link
from folkmoot.relay.shell import Relay
from folkmoot.relay.targets import Targets
from folkmoot.relay.tunnels import Tunnels
from folkmoot.wire import messages
from folkmoot.wire.entry_messages import Target
from folkmoot.wire.entry_rules import Admission
from fuzz import target as fuzzing
from fuzz.state import held_bytes
from fuzz.target import script, steps
from unit.wire_world import PIN

TURNS = 12  # of the loop after each read: enough for the application to answer
HELD_BYTES_MAX = 256 << 10


class _Transport(asyncio.Transport):
    """Keeps what is written, and says when it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 4433) if name == "sockname" else default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def pause_reading(self) -> None:
        return

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return


class _Errors(logging.Handler):
    """What the server would have written to its log as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        trace = record.exc_info[1] if record.exc_info else None
        self.said.append(f"{record.getMessage()} {trace!r}")


def _masked(opcode: Opcode, data: bytes) -> bytes:
    """A client's frame, its mask four zeros."""
    plain = bytearray(Frame(opcode, data).serialize(mask=False))
    plain[1] |= 0x80
    head = 2 + (2 if plain[1] & 0x7F == 126 else 0)
    return bytes(plain[:head]) + bytes(4) + bytes(plain[head:])


UPGRADE = (
    b"GET /link/1 HTTP/1.1\r\nHost: relay.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TUNNEL = UPGRADE.replace(b"/link/1", b"/entry/1")


class Connection(fuzzing.Target[None]):
    """The steps of a script are reads; afterwards the connection is gone, and so is its link."""

    name = "relay.http"
    bytes_max = 4_000
    calls = (60_000, 200)
    memory = (2 << 20, 400)
    examples = 40

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(
            lambda loop, context: self._errors.said.append(str(context))
        )
        self._errors = _Errors()
        logger = logging.getLogger("uvicorn.error")
        logger.handlers, logger.propagate = [self._errors], False
        logging.getLogger("websockets").propagate = False
        self._relay, self._config = self._loop.run_until_complete(self._begin())

    async def _begin(self) -> tuple[Relay, uvicorn.Config]:
        relay = Relay(PIN, 0.01)
        self._tunnels = Tunnels(Targets(Admission()))
        config = uvicorn.Config(
            make_app(relay, self._tunnels, "0"),
            http=Requests,
            ws=Link,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
        )
        config.load()
        return relay, config

    def __del__(self) -> None:
        self._loop.close()

    def seeds(self) -> Sequence[bytes]:
        ask = _masked(Opcode.BINARY, messages.Ask().encode())
        close = _masked(Opcode.CLOSE, Close(1000, "Bye.").serialize())
        head = b"Host: relay.example\r\n\r\n"
        return [
            b"GET / HTTP/1.1\r\n" + head,
            b"GET /.well-known/folkmoot HTTP/1.1\r\n" + head,
            b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\nHost: relay.example\r\n\r\nabc",
            b"GET /link/1 HTTP/1.1\r\n" + head,
            UPGRADE.replace(b"/link/1", b"/link/999"),
            script(UPGRADE, ask, ask + close),
            script(UPGRADE[:50], UPGRADE[50:], _masked(Opcode.TEXT, b"text")),
            script(UPGRADE, _masked(Opcode.PING, b"ping") * 14),
            script(UPGRADE, _masked(Opcode.BINARY, messages.encode_cells(7, [bytes(384)]))),
            UPGRADE + ask,
            TUNNEL,
            script(TUNNEL, _masked(Opcode.BINARY, Target("10.0.0.1", 22).encode())),
            script(TUNNEL, ask, ask),
            TUNNEL.replace(b"/entry/1", b"/entry/7"),
        ]

    def begin(self) -> None:
        self._errors.said.clear()

    def feed(self, state: None, data: bytes) -> bool:
        return self._loop.run_until_complete(self._talk(steps(data)))

    async def _talk(self, reads: Sequence[bytes]) -> bool:
        server_state = ServerState()
        transport = _Transport()
        requests = Requests(self._config, server_state, {}, self._loop)
        transport.set_protocol(requests)
        requests.connection_made(transport)
        for read in reads:
            if transport.closed:
                break
            protocol = transport.get_protocol()
            assert isinstance(protocol, asyncio.Protocol)
            if read:
                protocol.data_received(read)
            await self._turns()
        assert held_bytes(self._relay.core) < HELD_BYTES_MAX, "the core keeps too much"
        transport.closed = True
        protocol = transport.get_protocol()
        assert isinstance(protocol, asyncio.Protocol)
        protocol.connection_lost(None)
        await self._turns()
        for task in server_state.tasks:
            task.cancel()
        await self._turns()
        assert not self._errors.said, self._errors.said[0]
        assert not server_state.connections, "a connection that is never forgotten"
        assert self._relay.core.links_open == 0, "a link that is never forgotten"
        assert self._tunnels.open == 0, "a tunnel that is never forgotten"
        return transport.written.startswith((b"HTTP/1.1 2", b"HTTP/1.1 101"))

    async def _turns(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)


TARGETS = (Connection,)
