"""Records longer than a cell: cut into fragments that each prove that they belong.

A fragment carries the record's id, which is the root of a hash tree over all its chunks, and the
path from its chunk to that root. So a forged fragment costs only itself, not the record (anybody
who holds an invite can send at the door, and every member in the council), and fragments of one
record that different members repeat fit together.

Fragment: id (16) ‖ index u16 ‖ count u16 ‖ path (16 for each level) ‖ chunk. All chunks but the
last have the size that fills a cell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from folkmoot.cells.errors import UsageError
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError, Reader

ID_BYTES = 16
HASH_BYTES = 16
HEAD_BYTES = ID_BYTES + 2 + 2
# What an entry of a cell holds at most: 1,120 bytes less the entry's own header of 2.
ENTRY_BYTES_MAX = 1118
DEPTH_MAX = 12

COUNCIL_RECORD_BYTES_MAX = 64 << 10
DOOR_RECORD_BYTES_MAX = 1 << 20  # a Welcome with the tree of a large meeting
# Records under way at once. The one without progress for longest goes first: with the relays'
# limits (12 council cells a second from a link) it takes many links that send nothing else to push
# out an honest one, which makes progress with each cell.
PARTIAL_RECORDS_MAX = 64
# Bytes under way at once, in records of the largest size.
PARTIAL_BYTES_FACTOR = 8
# A record no fragment of which came for so long is given up; its sender repeats all of it.
PARTIAL_AGE_S = 30.0
# Finished records remembered, so that other relays' copies and repeats do not start them anew.
FINISHED_MAX = 256
FINISHED_AGE_S = 10.0


@dataclass(frozen=True, slots=True)
class Fragment:
    """One chunk of a record, its path to the id not yet checked."""

    record_id: bytes
    index: int
    count: int
    path: tuple[bytes, ...]
    chunk: bytes


def _depth(count: int) -> int:
    return (count - 1).bit_length()


def chunk_bytes(count: int) -> int:
    """The size of all chunks but the last of a record of `count`."""
    return ENTRY_BYTES_MAX - HEAD_BYTES - HASH_BYTES * _depth(count)


def _leaf(index: int, chunk: bytes) -> bytes:
    return hashlib.sha256(b"\0" + codec.u16(index) + chunk).digest()[:HASH_BYTES]


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()[:HASH_BYTES]


def _record_id(count: int, root: bytes) -> bytes:
    return hashlib.sha256(b"\2" + codec.u16(count) + root).digest()[:ID_BYTES]


def _cut(record: bytes) -> list[bytes]:
    for depth in range(1, DEPTH_MAX + 1):
        size = chunk_bytes(1 << depth)
        if len(record) <= size << depth:
            return [record[start : start + size] for start in range(0, len(record), size)]
    raise UsageError(f"a record of {len(record)} bytes is too long")


def fragment(record: bytes) -> list[bytes]:
    """The encoded fragments of a record, each at most ENTRY_BYTES_MAX long; the record must be
    longer than one entry."""
    if len(record) <= ENTRY_BYTES_MAX:
        raise UsageError("a record that fits a cell is not cut")
    chunks = _cut(record)
    # Padded to a power of two with zeros in place of hashes: the count is part of the id.
    leaves = [_leaf(index, chunk) for index, chunk in enumerate(chunks)]
    levels = [leaves + [bytes(HASH_BYTES)] * ((1 << _depth(len(chunks))) - len(chunks))]
    while len(levels[-1]) > 1:
        pairs = iter(levels[-1])
        levels.append([_node(left, right) for left, right in zip(pairs, pairs, strict=True)])
    head = _record_id(len(chunks), levels[-1][0])
    return [
        b"".join(
            (
                head,
                codec.u16(index),
                codec.u16(len(chunks)),
                *(level[index >> height ^ 1] for height, level in enumerate(levels[:-1])),
                chunk,
            )
        )
        for index, chunk in enumerate(chunks)
    ]


def _read_fragment(reader: Reader) -> Fragment:
    record_id = reader.take(ID_BYTES)
    index, count = reader.u16(), reader.u16()
    if count < 2 or index >= count or _depth(count) > DEPTH_MAX:
        raise DecodeError(f"fragment {index} of {count}")
    path = tuple(reader.take(HASH_BYTES) for _ in range(_depth(count)))
    chunk = reader.take(reader.remaining)
    full = chunk_bytes(count)
    if not chunk or len(chunk) > full or (index < count - 1 and len(chunk) != full):
        raise DecodeError(f"a chunk of {len(chunk)} bytes")
    return Fragment(record_id, index, count, path, chunk)


def decode_fragment(data: bytes) -> Fragment:
    """The fragment, if it belongs to the record that it names; raises DecodeError."""
    got = codec.decode(_read_fragment, data)
    node = _leaf(got.index, got.chunk)
    for height, sibling in enumerate(got.path):
        right = got.index >> height & 1
        node = _node(sibling, node) if right else _node(node, sibling)
    if _record_id(got.count, node) != got.record_id:
        raise DecodeError("a fragment of another record")
    return got


@dataclass(slots=True)
class _Partial:
    count: int
    progress_at: float
    size: int = 0
    chunks: dict[int, bytes] = field(default_factory=dict)


class Assembler:
    """Puts fragments together; bounded in records, bytes and age."""

    def __init__(self, record_bytes_max: int) -> None:
        """`record_bytes_max`: COUNCIL_RECORD_BYTES_MAX or DOOR_RECORD_BYTES_MAX."""
        self._record_bytes_max = record_bytes_max
        # Both in the order of their last progress, oldest first.
        self._partial: dict[bytes, _Partial] = {}
        self._finished: dict[bytes, float] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._partial)

    @property
    def size(self) -> int:
        """Bytes of chunks held."""
        return self._size

    def receive(self, data: bytes, now: float) -> bytes | None:
        """The whole record when this encoded fragment is its last missing one, else None."""
        self.expire(now)
        try:
            got = decode_fragment(data)
        except DecodeError:
            return None
        if (got.count - 1) * chunk_bytes(got.count) >= self._record_bytes_max:
            return None
        if got.record_id in self._finished:
            return None
        partial = self._partial.get(got.record_id)
        if partial is None:
            partial = _Partial(got.count, now)
        elif got.index in partial.chunks:
            return None
        self._partial.pop(got.record_id, None)
        self._partial[got.record_id] = partial
        partial.progress_at = now
        partial.chunks[got.index] = got.chunk
        partial.size += len(got.chunk)
        self._size += len(got.chunk)
        if len(partial.chunks) == partial.count:
            return self._finish(got.record_id, partial, now)
        while (
            len(self._partial) > PARTIAL_RECORDS_MAX
            or self._size > PARTIAL_BYTES_FACTOR * self._record_bytes_max
        ):
            self._drop(next(iter(self._partial)))
        return None

    def expire(self, now: float) -> None:
        """Gives up what made no progress."""
        for record_id in _older(self._partial, now - PARTIAL_AGE_S):
            self._drop(record_id)
        while self._finished:
            oldest = next(iter(self._finished))
            if self._finished[oldest] > now - FINISHED_AGE_S:
                break
            del self._finished[oldest]

    def _finish(self, record_id: bytes, partial: _Partial, now: float) -> bytes | None:
        self._drop(record_id)
        if len(self._finished) >= FINISHED_MAX:
            del self._finished[next(iter(self._finished))]
        self._finished[record_id] = now
        record = b"".join(partial.chunks[index] for index in range(partial.count))
        return record if len(record) <= self._record_bytes_max else None

    def _drop(self, record_id: bytes) -> None:
        self._size -= self._partial.pop(record_id).size


def _older(partial: dict[bytes, _Partial], than: float) -> Sequence[bytes]:
    """The ids at the front whose last progress was before `than`."""
    found = []
    for record_id, held in partial.items():
        if held.progress_at > than:
            break
        found.append(record_id)
    return found
