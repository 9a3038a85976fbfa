"""One relay process from its sockets to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import uvicorn

from folkmoot.relay.app import make_app
from folkmoot.relay.gate import HALF_OPEN_MAX, Gates, Requests
from folkmoot.relay.key import Identity, tls_context
from folkmoot.relay.link import Link
from folkmoot.relay.shell import Relay
from folkmoot.relay.targets import Targets
from folkmoot.relay.tunnels import Tunnels
from folkmoot.wire.entry_rules import Admission

# How long a stopping relay waits for its links to move on by themselves.
LEAVING_WAIT_S = 2.0
# And then for its close frames to be answered.
CLOSING_WAIT_S = 0.5
# Files besides connections: listeners, the loop's own, standard streams.
FILES_SPARE = 64
# A request's line and headers; an agent's are below 300.
HEADER_BYTES_MAX = 8192

_log = logging.getLogger("folkmoot.relay")


def _files_max() -> int:
    """Raises the limit on open files as far as it goes, and says where it is then."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return 1 << 16
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    if wanted > soft:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return soft


class _Server(uvicorn.Server):
    """uvicorn's server with our own accepting, and an end that tells links to move on."""

    def __init__(
        self,
        config: uvicorn.Config,
        relay: Relay,
        tunnels: Tunnels,
        identity: Identity,
        on_ready: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._relay = relay
        self._tunnels = tunnels
        self._identity = identity
        self._on_ready = on_ready
        self._gates: Gates | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accepts connections on these sockets."""
        loop = asyncio.get_running_loop()
        # Of files a tunnel has one more, and two while its target is looked for.
        entry = self._tunnels.limits
        files = _files_max() - FILES_SPARE - entry.looks
        connections_max = min(
            self._relay.core.limits.links + entry.tunnels + HALF_OPEN_MAX,
            max(files // 2, files - entry.tunnels),
        )
        gates = Gates(
            tls_context(self._identity),
            lambda: Requests(self.config, self.server_state, {}, loop),
            lambda: len(self.server_state.connections),
            connections_max,
        )
        self._gates = gates
        self.servers = []
        gates.open(sockets or [])
        self.started = True
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes no more connections, tells links to move on, and ends in a few seconds at most."""
        if self._gates is not None:
            await self._gates.close()
        self._relay.leave()
        self._tunnels.leave()
        await self._until(lambda: self._relay.core.links_open == 0, LEAVING_WAIT_S)
        self._relay.shut_all()
        self._tunnels.shut_all()
        await self._until(lambda: not self.server_state.connections, CLOSING_WAIT_S)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await self._until(lambda: not self.server_state.tasks, CLOSING_WAIT_S)

    async def _until(self, done: Callable[[], bool], wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_s
        while not done() and not self.force_exit and loop.time() < end:  # noqa: ASYNC110 - rare
            await asyncio.sleep(0.02)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As the base class, but a signal is a proper end and is not raised again."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        caught = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in caught}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the relay properly, the second at once."""
        self.force_exit = self.should_exit
        self.should_exit = True


def _quiet(level: str) -> None:
    """Only our own lines, and errors of the program itself. What asyncio would print of a
    connection holds the peer's address, so it prints nothing."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, own_level in (("folkmoot.relay", level.upper()), ("uvicorn.error", "ERROR")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(own_level)
    for name in ("asyncio", "uvicorn.access", "websockets"):
        logging.getLogger(name).handlers = [logging.NullHandler()]
        logging.getLogger(name).propagate = False
        logging.getLogger(name).disabled = True
    # In Python's development mode an unclosed socket is reported with both its ends.
    warnings.simplefilter("ignore", ResourceWarning)


def _on_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """An error outside any task: the traceback without asyncio's description of the connection."""
    error = context.get("exception")
    if isinstance(error, OSError):
        return  # a connection that broke
    text = "".join(traceback.format_exception(error)) if error else str(context.get("message"))
    _log.error("the event loop met an error: %s", text)


def _watch_stdin(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> None:
    """Calls `end` when standard input closes, which it does when the parent dies, however it
    dies."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # the loop may be closed already
            loop.call_soon_threadsafe(end)

    threading.Thread(target=wait, name="stdin", daemon=True).start()


async def _serve(
    listeners: list[socket.socket],
    identity: Identity,
    tick_s: float,
    admission: Admission,
    release: str,
    until_stdin_closes: bool,
    on_ready: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_on_exception)
    relay = Relay(identity.pin, tick_s)
    tunnels = Tunnels(Targets(admission))
    config = uvicorn.Config(
        make_app(relay, tunnels, release),
        http=Requests,
        ws=Link,
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
        ws_ping_interval=None,
    )
    server = _Server(config, relay, tunnels, identity, on_ready)
    if until_stdin_closes:
        _watch_stdin(loop, lambda: server.handle_exit(signal.SIGTERM, None))
    _log.info("the relay starts")
    try:
        await server.serve(listeners)
    finally:
        _log.info("the relay has ended")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def run(
    listeners: list[socket.socket],
    identity: Identity,
    *,
    tick_ms: int,
    admission: Admission,
    release: str,
    log_level: str,
    until_stdin_closes: bool,
    on_ready: Callable[[], None],
) -> None:
    """Runs a relay until a signal, or the end of standard input, asks it to stop. `admission`:
    where it goes as an entry."""
    _quiet(log_level)
    with asyncio.Runner(debug=False, loop_factory=_loop_factory()) as runner:
        runner.run(
            _serve(
                listeners,
                identity,
                tick_ms / 1000,
                admission,
                release,
                until_stdin_closes,
                on_ready,
            )
        )
