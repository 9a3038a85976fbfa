"""A real relay with a tap on it, and a search in all that it received, sent, printed and holds.

The tap is in this test's wrapper and not in the product: each message as it comes out of a link's
TLS, and each frame as it goes in, with its link and the relay's time.
"""

from __future__ import annotations

import os
import re
import signal
import struct
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from end_to_end.processes import Command, Commands
from folkmoot.wire import LaneSlot, messages
from folkmoot.wire.codec import DecodeError

NEEDLE_BYTES_MIN = 12
PREFIX_BITS = 24
CHUNK_BYTES = 1 << 22
HEAD = struct.Struct(">cIdI")  # direction, link, seconds, bytes that follow

# The wrapper holds nothing back: what it writes out is what the relay handled at that moment.
PROGRAM = f"""
    import os, struct, time
    from folkmoot.relay import link, shell

    tap = open(os.environ["TAP"], "ab", buffering=0)
    head = struct.Struct("{HEAD.format}")
    received, write = shell.Relay.received, link.Link.write

    def note(direction, number, data):
        tap.write(head.pack(direction, number, time.monotonic(), len(data)) + bytes(data))

    def tapped_received(self, number, message):
        note(b"<", number, message)
        received(self, number, message)

    def tapped_write(self, frame):
        note(b">", self._number, frame)
        write(self, frame)

    shell.Relay.received, link.Link.write = tapped_received, tapped_write
    from folkmoot.relay.cli import main
    main()
"""


def start(commands: Commands, tap: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> Command:
    """A relay on a port of its own choice; all that crosses it goes into the file `tap` too."""
    monkeypatch.setenv("TAP", str(tap))
    program = (sys.executable, "-c", textwrap.dedent(PROGRAM))
    return commands.start("--listen", "127.0.0.1:0", *options, program=program)


@dataclass(frozen=True)
class Crossed:
    """One message from a link, or what was written to one. `at`: the relay's monotonic seconds."""

    inward: bool
    link: int
    at: float
    data: bytes


def crossed(tap: Path) -> Iterator[Crossed]:
    """Everything on the tap, in order."""
    data = tap.read_bytes()
    at = 0
    while at + HEAD.size <= len(data):
        direction, link, moment, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        yield Crossed(direction == b"<", link, moment, data[at : at + size])
        at += size


def _frames(data: bytes) -> Iterator[bytes]:
    """The messages in what a relay writes: whole unmasked WebSocket frames (RFC 6455 §5.2)."""
    at = 0
    while at + 2 <= len(data):
        size, at = data[at + 1], at + 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + width], "big"), at + width
        yield data[at : at + size]
        at += size


@dataclass(frozen=True)
class Upload:
    """A CELLS message that a link sent: its lane, when, its size, and the message on the wire."""

    link: int
    lane: LaneSlot
    at: float
    cells_bytes: int
    message_bytes: int


def uploads(tap: Path) -> list[Upload]:
    """What an observer at the relay can count. Lanes are known from how the rooms were opened."""
    asked: dict[tuple[int, int], LaneSlot] = {}
    rooms: dict[tuple[int, int], LaneSlot] = {}
    found: list[Upload] = []
    for one in crossed(tap):
        if not one.inward:
            for message in _frames(one.data):
                try:
                    heard = messages.decode_from_relay(message)
                except DecodeError:
                    continue
                if isinstance(heard, messages.Opened):
                    rooms[one.link, heard.room] = asked[one.link, heard.request]
            continue
        said = messages.decode_from_agent(one.data)
        if isinstance(said, messages.Open):
            asked[one.link, said.request] = said.slot
        elif isinstance(said, messages.Cells):
            lane = rooms[one.link, said.room]
            found.append(Upload(one.link, lane, one.at, len(said.body), len(one.data)))
    return found


# -- searching


class Needles:
    """Byte strings of 12 bytes and more that are looked for all at once, at every offset."""

    def __init__(self, wanted: Iterable[bytes]) -> None:
        self._by_prefix: dict[bytes, list[bytes]] = {}
        self._known = np.zeros(1 << PREFIX_BITS, dtype=bool)
        for needle in set(wanted):
            assert len(needle) >= NEEDLE_BYTES_MIN
            self._by_prefix.setdefault(needle[:3], []).append(needle)
            self._known[int.from_bytes(needle[:3], "little")] = True
        self.longest = max(len(one) for rest in self._by_prefix.values() for one in rest)

    def found_in(self, data: bytes) -> set[bytes]:
        """Which of them stand in `data`."""
        found: set[bytes] = set()
        for start in range(0, len(data), CHUNK_BYTES):
            piece = data[start : start + CHUNK_BYTES + self.longest]
            if len(piece) < NEEDLE_BYTES_MIN or piece.count(0) == len(piece):
                continue
            view = np.frombuffer(piece, np.uint8).astype(np.uint32)
            prefixes = view[:-2] | view[1:-1] << 8 | view[2:] << 16
            for at in np.flatnonzero(self._known[prefixes]).tolist():
                for needle in self._by_prefix.get(piece[at : at + 3], ()):
                    if piece.startswith(needle, at):
                        found.add(needle)
        return found


def slices(packet: bytes) -> Iterator[bytes]:
    """A packet in pieces of 12 bytes: whoever holds 23 bytes of it in a row holds one of them.
    Pieces that could stand anywhere, such as padding, are left out."""
    for at in range(0, len(packet) - NEEDLE_BYTES_MIN + 1, NEEDLE_BYTES_MIN):
        piece = packet[at : at + NEEDLE_BYTES_MIN]
        if len(set(piece)) >= 8:
            yield piece


def spoken(secret: bytes) -> list[bytes]:
    """The ways in which a program may hold some bytes: as they are, as hexadecimal digits."""
    return [secret, secret.hex().encode()]


def memory(pid: int) -> Iterator[bytes]:
    """All that the process can read, mapping by mapping, while it stands still. Skips the test
    where that is not allowed."""
    os.kill(pid, signal.SIGSTOP)
    try:
        try:
            maps = Path(f"/proc/{pid}/maps").read_text()
            handle = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        except OSError as error:
            pytest.skip(
                f"The relay's memory cannot be looked at ({error.strerror}): that needs Linux, and "
                "root or the right to trace other processes."
            )
        try:
            for line in maps.splitlines():
                found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
                if found is not None:
                    yield from _mapping(handle, int(found[1], 16), int(found[2], 16))
        finally:
            os.close(handle)
    finally:
        os.kill(pid, signal.SIGCONT)


def _mapping(handle: int, start: int, end: int) -> Iterator[bytes]:
    """One mapping, in pieces that overlap by less than any needle that is cut twice."""
    overlap = 4096
    for at in range(start, end, CHUNK_BYTES):
        try:
            yield os.pread(handle, min(CHUNK_BYTES + overlap, end - at), at)
        except (OSError, OverflowError):
            return  # [vvar] and its like
