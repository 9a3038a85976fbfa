"""A client of an entry that may break every rule, targets that are no relays, and an entry with
limits small enough to reach."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator

from end_to_end.relay_under_test import Client, pin_of, tls
from folkmoot.relay.key import make_identity, tls_context
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.entry_messages import CARRYING, Target

CLIENT_HELLO = bytes.fromhex("160301020001") + bytes(508)
SERVER_HELLO = bytes.fromhex("160303007a02") + bytes(122)
FACTS = json.dumps({"program": "folkmoot-relay", "versions": [1]}).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + FACTS


def with_limits(*lines: str, **limits: float) -> tuple[str, ...]:
    """The command of an entry with these limits, after these lines of Python."""
    program = f"""
        from folkmoot.relay import serve, targets, tunnels
        from folkmoot.wire.entry_tunnel import EntryLimits
        serve.Tunnels = lambda goal: tunnels.Tunnels(goal, EntryLimits(**{limits!r}))
    """
    ending = "from folkmoot.relay.cli import main\nmain()\n"
    whole = textwrap.dedent(program) + "\n".join(lines) + "\n" + ending
    return (sys.executable, "-P", "-c", whole)


class TunnelClient(Client):
    """A WebSocket to an entry, pumped by hand."""

    def __init__(self, entry: RelayAddress, path: str = "/entry/1", *, slow: bool = False) -> None:
        super().__init__(entry, path=path, receive_buffer_bytes=4096 if slow else 0)

    def asks(self, host: str, port: int) -> None:
        """Sends TARGET."""
        self.say(Target(host, port).encode())

    def opens(self, host: str, port: int) -> None:
        """Opens a tunnel, and waits until it stands."""
        self.asks(host, port)
        self.until(lambda: self.received or self.gone)
        assert self.received == [CARRYING], self.websocket.close_rcvd

    def turn(self, wait_s: float = 0.01) -> None:
        """One turn of the pump; what arrives is no link's."""
        self.read(wait_s)
        while self.machine.next_outgoing() is not None or self.machine.next_event() is not None:
            pass

    def bytes_received(self) -> bytes:
        """All that came through the tunnel."""
        return b"".join(self.received[1:])

    def shakes_hands(self, pin: bytes) -> None:
        """TLS with the relay at the far end, whose pin this is."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        inner, taken = tls().wrap_bio(incoming, outgoing), 0

        def step() -> bool:
            nonlocal taken
            fresh = self.bytes_received()
            incoming.write(fresh[taken:])
            taken = len(fresh)
            try:
                inner.do_handshake()
            except ssl.SSLWantReadError:
                return False
            finally:
                if outgoing.pending:
                    self.say(outgoing.read())
            return True

        self.until(step)
        assert inner.version() == "TLSv1.3"
        shown = inner.getpeercert(binary_form=True)
        assert shown is not None
        assert pin_of(inner) == pin


Serve = Callable[[socket.socket], None]


class Machine:
    """Something that listens and is no relay; `serve` gets each connection in a thread of its
    own."""

    def __init__(self, serve: Serve, host: str = "127.0.0.1", port: int = 0) -> None:
        self._serve = serve
        self._listener = socket.create_server((host, port))
        self._listener.settimeout(0.1)
        self.host = host
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        self._ended = threading.Event()
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        self._threads: list[threading.Thread] = []

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                continue
            self.connections += 1
            thread = threading.Thread(target=self._one, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket) -> None:
        connection.settimeout(20.0)
        with contextlib.suppress(OSError), connection:
            self._serve(connection)

    def close(self) -> None:
        """Ends it; those that are served end by themselves."""
        self._ended.set()
        self._accepting.join()
        self._listener.close()
        for thread in self._threads:
            thread.join()


@contextlib.contextmanager
def machine(serve: Serve, host: str = "127.0.0.1", port: int = 0) -> Iterator[Machine]:
    """A machine for as long as the block lasts."""
    made = Machine(serve, host, port)
    try:
        yield made
    finally:
        made.close()


# Ways to be no relay. Each ends when the other side goes.


def until_it_goes(connection: socket.socket) -> None:
    """Says nothing."""
    while connection.recv(4096):
        pass


def plain_http(connection: socket.socket) -> None:
    """What a relay answers, and no TLS."""
    connection.recv(4096)
    connection.sendall(ANSWER)


def secured(answer: Callable[[ssl.SSLSocket], None]) -> Serve:
    """TLS 1.3 with a key of its own, then `answer`."""
    context = tls_context(make_identity())

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as stream:
            stream.recv(4096)
            answer(stream)

    return serve


def another_page(stream: ssl.SSLSocket) -> None:
    """A web server."""
    stream.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>hello</html>")


def drop_by_drop(stream: ssl.SSLSocket) -> None:
    """The right answer, slower than anybody waits."""
    for byte in ANSWER:
        stream.sendall(bytes((byte,)))
        time.sleep(0.2)


def without_end(stream: ssl.SSLSocket) -> None:
    """An answer that never ends."""
    while True:
        stream.sendall(b"HTTP/1.1 200 OK\r\n" + bytes(65_536))


class FalseRelay:
    """Answers probes as a relay does, and does something else with tunnels. Tunnels are told by the
    hello of this file; one that speaks first takes the first connection alone for a probe."""

    def __init__(self, tunnel: Serve, speaks_first: bool = False) -> None:
        self._probed = secured(lambda stream: stream.sendall(ANSWER))
        self._tunnel = tunnel
        self._speaks_first = speaks_first
        self._count = 0

    def __call__(self, connection: socket.socket) -> None:
        """Serves one connection."""
        self._count += 1
        if self._speaks_first:
            is_probe = self._count == 1
        else:
            is_probe = connection.recv(32, socket.MSG_PEEK) != CLIENT_HELLO[:32]
        (self._probed if is_probe else self._tunnel)(connection)


def pours(connection: socket.socket) -> None:
    """Sends as fast as it is taken, until nobody takes it."""
    connection.recv(4096)
    connection.sendall(SERVER_HELLO)
    while True:
        connection.sendall(bytes(65_536))
