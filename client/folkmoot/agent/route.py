"""How a link's bytes get to a relay: directly, or through a SOCKS5 or HTTP CONNECT proxy (`--via`).

Through a proxy the relay's name is resolved at the far end, so that no name server near this
machine learns which relay is meant.
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
    """Where connections begin; `user` and `password` are what the proxy asks for."""

    kind: Literal["direct", "socks5", "http"] = "direct"
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def hides_address(self) -> bool:
        """Whether a relay sees another machine's address than this one's."""
        return self.kind != "direct"

    def __str__(self) -> str:
        """As a person may see it: without the password."""
        if self.kind == "direct":
            return "direct"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{self.port}"


DIRECT = Via()


def parse_via(text: str) -> Via:
    """The `--via` setting; raises ViaError, whose text is for the person."""
    if text == "direct":
        return DIRECT
    if text == "entry":
        raise ViaError(
            "This version cannot go through an entry relay yet: say --via direct, or hide your "
            "address with --via socks5://HOST:PORT (Tor listens on socks5://127.0.0.1:9050)."
        )
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
    """A byte stream to `host`:`port`; raises RouteError with a sentence."""
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
