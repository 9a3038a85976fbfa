"""Records in council and door cells: packed side by side, or cut into fragments.

A plaintext of 1,120 bytes is a row of entries: u16 (bit 15: a fragment; bits 14 to 0: length, 1 to
1,118) and that many bytes. A length of 0 ends the row; the rest is zeros. A record's first byte
is its type.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from folkmoot.cells.council import PLAINTEXT_BYTES
from folkmoot.cells.errors import UsageError
from folkmoot.cells.fragments import ENTRY_BYTES_MAX, Assembler, fragment
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError, Reader

_HEAD_BYTES = 2
_FRAGMENT_BIT = 0x8000

# What waits to be sent in the council: a minute at its pace and more.
OUTBOX_BYTES_MAX = 512 << 10


class RecordType(enum.IntEnum):
    """The first byte of a record. Those of the meeting that are repeated until everybody has them
    are all RELIABLE, with a kind of their own inside."""

    RELIABLE = 1  # tick u32 ‖ kind u8 ‖ body: see `reliable`
    HAVE = 2  # which reliable records of a bucket its sender has: see `reliable`
    BEACON = 3  # signed, every second, never repeated


class Entry(NamedTuple):
    """A whole record, or one fragment of a longer one."""

    is_fragment: bool
    data: bytes


def entries_of(record: bytes) -> list[bytes]:
    """The encoded entries that carry a record: one, or its fragments."""
    if not record:
        raise UsageError("a record of no bytes")
    if len(record) <= ENTRY_BYTES_MAX:
        return [codec.u16(len(record)) + record]
    return [codec.u16(_FRAGMENT_BIT | len(piece)) + piece for piece in fragment(record)]


def pack(records: Sequence[bytes]) -> list[bytes]:
    """Plaintexts of at most 1,120 bytes that carry these records, in order, as few as that
    allows."""
    plaintexts: list[bytes] = []
    current = b""
    for record in records:
        for entry in entries_of(record):
            if len(current) + len(entry) > PLAINTEXT_BYTES:
                plaintexts.append(current)
                current = b""
            current += entry
    return [*plaintexts, current] if current else plaintexts


def _read_entries(reader: Reader) -> list[Entry]:
    entries: list[Entry] = []
    while reader.remaining >= _HEAD_BYTES:
        head = reader.u16()
        length = head & ~_FRAGMENT_BIT
        if head == 0:
            break
        if not 1 <= length <= ENTRY_BYTES_MAX:
            raise DecodeError(f"an entry of {length} bytes")
        entries.append(Entry(bool(head & _FRAGMENT_BIT), reader.take(length)))
    if any(reader.take(reader.remaining)):
        raise DecodeError("padding that is not zero")
    return entries


def unpack(plaintext: bytes) -> list[Entry]:
    """The entries of a plaintext, padded or not; raises DecodeError."""
    if len(plaintext) > PLAINTEXT_BYTES:
        raise DecodeError("longer than a cell")
    return codec.decode(_read_entries, plaintext)


class Inbox:
    """Plaintexts of council or door cells in, whole records out. Never raises for what it gets."""

    def __init__(self, record_bytes_max: int) -> None:
        """`record_bytes_max`: see `fragments.Assembler`."""
        self._assembler = Assembler(record_bytes_max)

    def receive(self, plaintext: bytes, now: float) -> list[bytes]:
        """The records that this plaintext holds or completes."""
        try:
            entries = unpack(plaintext)
        except DecodeError:
            return []
        records = (self.take(entry, now) for entry in entries)
        return [record for record in records if record is not None]

    def take(self, entry: Entry, now: float) -> bytes | None:
        """The record that this entry is, or completes."""
        return self._assembler.receive(entry.data, now) if entry.is_fragment else entry.data


class Outbox:
    """What waits for the lane's next beats. Urgent records overtake; others keep their order, and
    make room for urgent ones: they are repeats, which others can have us make without end."""

    def __init__(self, bytes_max: int = OUTBOX_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._urgent: deque[bytes] = deque()
        self._normal: deque[bytes] = deque()
        self._size = 0
        self.passed_over = False  # what is first in turn had no place in the last cell

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._size

    def push(self, record: bytes, *, urgent: bool = False) -> bool:
        """Takes a record; False if there is no room, and then nothing of it is sent."""
        entries = entries_of(record)
        size = sum(len(entry) for entry in entries)
        while urgent and self._normal and self._size + size > self._bytes_max:
            self._size -= len(self._normal.pop())
        if self._size + size > self._bytes_max:
            return False
        (self._urgent if urgent else self._normal).extend(entries)
        self._size += size
        return True

    def next_plaintext(self, bytes_max: int = PLAINTEXT_BYTES) -> bytes:
        """What the next cell carries: as much as fits `bytes_max`, nothing if nothing waits."""
        plaintext = b""
        first = self._urgent or self._normal
        waiting = len(first)
        for queue in (self._urgent, self._normal):
            while queue and len(plaintext) + len(queue[0]) <= bytes_max:
                plaintext += queue.popleft()
        self._size -= len(plaintext)
        self.passed_over = 0 < waiting == len(first)
        return plaintext
