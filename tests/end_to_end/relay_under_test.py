"""A real relay process, and a client that may break every rule of the wire."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import parse_uri

from folkmoot.wire import LaneSlot, LinkMachine, RelayAddress
from folkmoot.wire.lanes import Direction
from folkmoot.wire.link_events import CellsArrived, Event

COMMAND = (sys.executable, "-P", "-m", "folkmoot.relay.cli")
PATIENCE_S = 20.0


class RelayUnderTest:
    """`with RelayUnderTest(...) as relay:` runs a relay on loopback until the end of the block."""

    def __init__(
        self,
        *options: str,
        listen: str = "127.0.0.1:0",
        command: tuple[str, ...] = COMMAND,
        environment: dict[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> None:
        self._clean = contextlib.ExitStack()
        self.process = subprocess.Popen(
            [*command, "--json", "--listen", listen, *options],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )
        assert self.process.stdout is not None
        try:
            self.first_line = self.process.stdout.readline()
            event = json.loads(self.first_line)
            assert event["event"] == "ready"
            self.address = RelayAddress.parse(event["address"])
        except BaseException:
            self.process.kill()
            _, errors = self.process.communicate()
            raise AssertionError(errors.decode()) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Status, standard output and standard error of the whole run."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended()

    def ended(self) -> tuple[int, str, str]:
        """The same, once it ends by itself."""
        if self.process.stdout is None or self.process.stdout.closed:
            return self.process.returncode, "", ""
        output, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, (self.first_line + output).decode(), errors.decode()

    def memory_bytes(self) -> int:
        """Resident memory now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def get(self, path: str) -> tuple[int, dict[str, str], str]:
        """Status, headers (lower case) and body of a page."""
        with contextlib.closing(secured(self.address)) as stream:
            host = f"{self.address.host}:{self.address.port}"
            head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
            stream.sendall(head.encode())
            answer = b""
            while data := stream.recv(65536):
                answer += data
        top, _, body = answer.partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(first.split()[1]), headers, body.decode()

    def sums(self) -> dict[str, int]:
        """What /metrics says, which is as of the last second."""
        time.sleep(1.05)
        body = self.get("/metrics")[2]
        lines = [line for line in body.splitlines() if not line.startswith("#")]
        pairs = (line.removeprefix("folkmoot_relay_").rsplit(" ", 1) for line in lines)
        return {name: int(value) for name, value in pairs}


def tls() -> ssl.SSLContext:
    """A client's context that leaves the certificate to the pin."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def plain(address: RelayAddress, source: tuple[str, int] | None = None) -> socket.socket:
    """A TCP connection."""
    return socket.create_connection((address.host, address.port), PATIENCE_S, source)


def secured(address: RelayAddress, source: tuple[str, int] | None = None) -> ssl.SSLSocket:
    """A TLS connection, its pin not checked."""
    return tls().wrap_socket(plain(address, source))


def pin_of(stream: ssl.SSLSocket | ssl.SSLObject) -> bytes:
    """SHA-256 of the SubjectPublicKeyInfo that the relay showed."""
    shown = stream.getpeercert(binary_form=True)
    assert shown is not None
    key = x509.load_der_x509_certificate(shown).public_key()
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(key.public_bytes(*form)).digest()


class Client:
    """One link: TLS, WebSocket and LinkMachine, pumped by hand, so that it can also misbehave."""

    def __init__(
        self,
        address: RelayAddress,
        *,
        source: tuple[str, int] | None = None,
        path: str = "/link/1",
        receive_buffer_bytes: int = 0,
    ) -> None:
        self.stream = secured(address, source)
        if receive_buffer_bytes:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        assert pin_of(self.stream) == address.pin
        self.websocket = ClientProtocol(
            parse_uri(f"wss://relay.invalid{path}"), max_size=1 << 20, extensions=[]
        )
        self.machine = LinkMachine(address.pin, os.urandom, time.monotonic())
        self.events: list[Event] = []
        self.received: list[bytes] = []
        self.gone = False
        self.error: OSError | None = None
        self.websocket.send_request(self.websocket.connect())
        self._flush()
        self.until(lambda: self.gone or self.websocket.state is not State.CONNECTING)

    def _flush(self) -> None:
        for data in self.websocket.data_to_send():
            with contextlib.suppress(OSError):
                if data:
                    self.stream.sendall(data)

    def say(self, message: bytes) -> None:
        """Sends a binary message, whatever it holds."""
        if self.websocket.state is State.OPEN:
            self.websocket.send_binary(message)
            self._flush()

    def frame(self, opcode: Opcode, data: bytes, fin: bool = True) -> None:
        """Sends any frame."""
        with contextlib.suppress(OSError):
            self.stream.sendall(Frame(opcode, data, fin).serialize(mask=True))

    def read(self, wait_s: float) -> None:
        """Takes what has arrived, or waits so long for it."""
        if self.gone or (
            not self.stream.pending() and not select.select([self.stream], [], [], wait_s)[0]
        ):
            return
        try:
            data = self.stream.recv(65536)
        except OSError as error:
            data, self.error = b"", error
        if not data:
            self.gone = True
            self.websocket.receive_eof()
        else:
            self.websocket.receive_data(data)
        for event in self.websocket.events_received():
            if isinstance(event, Response):
                assert not self.gone
            elif isinstance(event, Frame) and event.opcode is Opcode.BINARY:
                self.received.append(bytes(event.data))
                self.machine.receive(bytes(event.data), time.monotonic())
        self._flush()

    def turn(self, wait_s: float = 0.01) -> None:
        """One turn of the pump."""
        self.read(wait_s)
        due = self.machine.next_timer()
        if due is not None and due <= time.monotonic():
            self.machine.handle_timer(time.monotonic())
        while (message := self.machine.next_outgoing()) is not None:
            self.say(message)
        while (event := self.machine.next_event()) is not None:
            self.events.append(event)

    def send(self, handle: int, cells: list[bytes]) -> None:
        """Sends cells, as the machine does it."""
        assert self.machine.send(handle, cells)
        while (message := self.machine.next_outgoing()) is not None:
            self.say(message)

    def until(self, done: Any, patience_s: float = PATIENCE_S) -> None:
        """Pumps until `done()`; fails after a while."""
        end = time.monotonic() + patience_s
        while not done():
            assert time.monotonic() < end, f"not in time; it saw {self.events[-5:]}"
            self.turn()

    def open(
        self,
        handle: int,
        seed: bytes,
        slot: LaneSlot = LaneSlot.VOICE,
        direction: Direction = Direction.BOTH,
    ) -> None:
        """Opens a room and waits for the relay's answer, whichever it is."""
        self.machine.open_room(handle, seed, slot, direction, time.monotonic())
        before = len(self.events)
        self.until(
            lambda: (
                self.gone
                or any(getattr(event, "handle", None) == handle for event in self.events[before:])
            )
        )

    def number(self) -> int:
        """The number of the only room, as the relay gave it."""
        return next(iter(self.machine._by_number))

    def cells(self, handle: int) -> list[bytes]:
        """All cells that have arrived for a handle."""
        arrivals = (event for event in self.events if isinstance(event, CellsArrived))
        return [one for event in arrivals if event.handle == handle for one in event.cells]

    def closed(self, patience_s: float = PATIENCE_S) -> tuple[int, str]:
        """Waits for the relay's closing: its code and sentence."""
        self.until(lambda: self.gone, patience_s)
        assert self.websocket.close_rcvd is not None, f"closed without a word: {self.error}"
        return self.websocket.close_rcvd.code, self.websocket.close_rcvd.reason

    def close(self) -> None:
        """Goes without a word."""
        self.stream.close()


@contextlib.contextmanager
def clients(address: RelayAddress, count: int, **options: Any) -> Iterator[list[Client]]:
    """So many clients, gone at the end of the block."""
    made: list[Client] = []
    try:
        for _ in range(count):
            made.append(Client(address, **options))
        yield made
    finally:
        for client in made:
            client.close()
