"""The sockets a relay listens on, and what others call them."""

from __future__ import annotations

import contextlib
import errno
import socket

from folkmoot.relay.errors import CallError, RelayError
from folkmoot.wire.address import format_host_port, parse_host_port
from folkmoot.wire.codec import DecodeError

BACKLOG = 1024
LISTENERS_MAX = 8  # addresses of one name
# What the kernel holds unsent for a link: beyond it ticks wait in the relay, where old ones give
# way to new.
UNSENT_BYTES = 131_072
KEEPALIVE_S = 60
# Bytes that nobody acknowledges for so long end a connection.
UNACKNOWLEDGED_MS = 20_000


def parse(option: str, text: str) -> tuple[str, int]:
    """HOST:PORT of a command line option."""
    try:
        return parse_host_port(text)
    except DecodeError as error:
        raise CallError(
            f"{option} {text!r} is not of the form HOST:PORT, such as 0.0.0.0:7443 or [::]:7443."
        ) from error


def _sentence(error: OSError, place: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"{place} is in use by another program: stop it, or choose another port with --listen."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine has no address {place} to listen on: see --listen."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Listening on {place} needs a permission that this process does not have."
    return f"Listening on {place} does not work: {error.strerror}."


def tune(connection: socket.socket) -> None:
    """For a connection, or for a listener whose connections inherit it; where the system has
    these."""
    options = (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_S),
        (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS),
    )
    for level, name, value in options:
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                connection.setsockopt(level, getattr(socket, name), value)


def _listener(family: int, address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where REUSEADDR would share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # [::] means IPv4 as well; any other address only itself.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
        tune(listener)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of `host`, all with the same port."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise RelayError(f"The host {host} of --listen is not known here.") from error
    listeners: list[socket.socket] = []
    try:
        for family, _, _, _, address in found[:LISTENERS_MAX]:
            if family in (socket.AF_INET, socket.AF_INET6):
                listeners.append(_listener(family, (str(address[0]), port)))
                port = listeners[0].getsockname()[1]
    except OSError as error:
        for listener in listeners:
            listener.close()
        raise RelayError(_sentence(error, format_host_port(host, port))) from error
    if not listeners:
        raise RelayError(f"The host {host} of --listen has no address here.")
    return listeners


def _own_address(family: socket.AddressFamily, towards: str) -> str | None:
    """This machine's address on the way to the outside; asks the routing table and sends
    nothing."""
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        return str(probe.getsockname()[0])
    return None


def announced_host(host: str) -> str:
    """What others should call this machine when it listens on `host`: of a wildcard, its own
    address."""
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - compared, not listened on
        return host
    own = _own_address(socket.AF_INET, "192.0.2.1")  # RFC 5737, goes nowhere
    if own is None and host == "::":
        own = _own_address(socket.AF_INET6, "2001:db8::1")
    return own or "127.0.0.1"
