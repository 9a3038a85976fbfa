"""How a link's bytes get to a relay: directly, through a SOCKS5 or HTTP CONNECT proxy (`--via`), or
through an entry, which in turn is reached directly or through a proxy.

Through a proxy or an entry the relay's name is resolved at the far end, so that no name server near
this machine learns which relay is meant.
"""

from __future__ import annotations

import contextlib
import os
import socket
import urllib.parse
from dataclasses import dataclass, field
from typing import Literal

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy

from folkmoot.agent.entry import EntryFailed, EntryRefused, open_tunnel
from folkmoot.wire.address import RelayAddress, format_host_port

__all__ = [
    "DIRECT",
    "EntryFailed",
    "EntryRefused",
    "RouteError",
    "Via",
    "ViaError",
    "connect",
    "parse_via",
    "sees_both",
    "through",
]

CONNECT_TIMEOUT_S = 10.0
# Tor builds a circuit first: slower, and worth waiting for.
PROXY_TIMEOUT_S = 30.0
# What the kernel may hold unsent. Voice that waits there is too old once it leaves, and only in our
# own queue can it be dropped: smaller is fresher sound on a full uplink, larger fewer wake-ups.
UNSENT_BYTES_MAX = 16_384
TCP_NOTSENT_LOWAT = 25  # Linux; the socket module of Python 3.11 has no name for it
# A connection that died without a word (a lid closed, a router restarted) is given up after this:
# bytes that nobody acknowledges, and a silent one that does not answer the kernel's questions.
UNACKNOWLEDGED_MS_MAX = 8_000
KEEPALIVE_S = 5
KEEPALIVE_TRIES = 3
ISOLATION_BYTES = 8
# From which of this machine's addresses direct connections come, where it has several.
LOCAL_ADDRESS = "FOLKMOOT_LOCAL_ADDRESS"


class RouteError(OSError):
    """There is no way to the relay; the text says where it ended."""


class ViaError(ValueError):
    """This is not a way to reach a relay: say direct, socks5://HOST:PORT or http://HOST:PORT."""


@dataclass(frozen=True, slots=True)
class Via:
    """Where connections begin; `user` and `password` are what the proxy asks for. Of an entry:
    `entry` is the relay that carries tunnels, `outer` how it is reached itself; see `through`."""

    kind: Literal["direct", "socks5", "http", "entry"] = "direct"
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)
    entry: RelayAddress | None = None
    outer: Via | None = None

    @property
    def hides_address(self) -> bool:
        """Whether a relay sees another machine's address than this one's."""
        return self.kind != "direct"

    def __str__(self) -> str:
        """As a person may see it: without the password."""
        if self.kind == "direct":
            return "direct"
        place = format_host_port(self.host, self.port)
        if self.kind == "entry":
            by = f" by {self.outer}" if self.outer is not None and self.outer != DIRECT else ""
            return f"the entry {place}{by}"
        return f"{self.kind}://{place}"


DIRECT = Via()


def through(entry: RelayAddress, outer: Via = DIRECT) -> Via:
    """The way through an entry, which is reached by `outer`: a direct connection or a proxy."""
    if outer.kind == "entry":
        raise ViaError("A tunnel in a tunnel is not a way that is known here.")
    return Via("entry", entry.host, entry.port, entry=entry, outer=outer)


def sees_both(via: Via, relay: RelayAddress) -> bool:
    """Whether the entry of this way is that relay itself, which would then see this machine's
    address and the room."""
    entry = via.entry
    if entry is None:
        return False
    return entry.pin == relay.pin or (entry.host, entry.port) == (relay.host, relay.port)


def parse_via(text: str) -> Via:
    """The `--via` setting; raises ViaError, whose text is for the person."""
    if text == "direct":
        return DIRECT
    try:
        url = urllib.parse.urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise ViaError(f"--via {text}: {error}.") from None
    if url.scheme not in ("socks5", "http"):
        raise ViaError(
            f"--via {text}: not a way that is known here. Say direct, socks5://HOST:PORT or "
            "http://HOST:PORT."
        )
    if not host or not port or url.path.strip("/") or url.query or url.fragment:
        raise ViaError(f"--via {text}: a proxy is written {url.scheme}://HOST:PORT.")
    user = urllib.parse.unquote(url.username or "")
    password = urllib.parse.unquote(url.password or "")
    kind: Literal["socks5", "http"] = "socks5" if url.scheme == "socks5" else "http"
    return Via(kind, host, port, user, password)


async def connect(via: Via, host: str, port: int) -> ByteStream:
    """A byte stream to `host`:`port`; raises RouteError, EntryFailed or EntryRefused with a
    sentence."""
    if via.entry is not None:
        outer = DIRECT if via.outer is None else via.outer
        try:
            stream = await connect(outer, via.host, via.port)
        except RouteError as error:
            raise EntryFailed(
                f"the entry {format_host_port(via.host, via.port)}: {error}"
            ) from None
        return await open_tunnel(stream, via.entry, host, port)
    try:
        stream = await (_direct(host, port) if via.kind == "direct" else _proxied(via, host, port))
    except TimeoutError:
        if via.kind == "direct":
            raise RouteError(f"the relay did not answer within {CONNECT_TIMEOUT_S:.0f} s") from None
        raise RouteError(f"no answer through {via} within {PROXY_TIMEOUT_S:.0f} s") from None
    _tune(stream)
    return stream


async def _direct(host: str, port: int) -> SocketStream:
    try:
        with anyio.fail_after(CONNECT_TIMEOUT_S):
            return await anyio.connect_tcp(
                host, port, local_host=os.environ.get(LOCAL_ADDRESS) or None
            )
    except TimeoutError:
        raise
    except OSError as error:
        raise RouteError(_why(error)) from None


async def _proxied(via: Via, host: str, port: int) -> SocketStream:
    user, password = via.user, via.password
    if via.kind == "socks5" and not user:
        # Tor gives each pair of name and password a circuit of its own, so that two links of one
        # person do not come out of the same exit together; proxies that want neither ignore them.
        user, password = os.urandom(ISOLATION_BYTES).hex(), "link"
    proxy = Proxy(
        ProxyType.SOCKS5 if via.kind == "socks5" else ProxyType.HTTP,
        via.host,
        via.port,
        user or None,
        password or None,
        rdns=True,
    )
    try:
        raw = await proxy.connect(host, port, timeout=PROXY_TIMEOUT_S)
    except ProxyError as error:
        raise RouteError(f"the proxy {via} would not go to the relay ({error})") from None
    except TimeoutError:
        raise
    except OSError as error:
        raise RouteError(f"the proxy {via} does not answer ({_why(error)})") from None
    return await SocketStream.from_socket(raw)


def _why(error: OSError) -> str:
    """The innermost reason, in the system's words: 'Connection refused'."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    if isinstance(cause, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(cause, socket.gaierror):
        return "its name is not known"
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    return str(cause)


def _tune(stream: ByteStream) -> None:
    raw = stream.extra(SocketAttribute.raw_socket, None)
    if raw is None:
        return
    wanted = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES_MAX),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, value in (
        ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS_MAX),
        ("TCP_KEEPIDLE", KEEPALIVE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_S),
        ("TCP_KEEPCNT", KEEPALIVE_TRIES),
    ):
        if hasattr(socket, name):
            wanted.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    for level, option, value in wanted:
        # Another system's kernel may know one of them by another name: its own defaults serve too.
        with contextlib.suppress(OSError):
            raw.setsockopt(level, option, value)
