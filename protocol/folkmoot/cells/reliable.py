"""Anti-entropy: council records reach everyone, whoever repeats them (architecture §5).

A reliable record is tick u32 (its maker's wall clock in seconds) ‖ kind u8 ‖ body; its id is the
first 16 bytes of its SHA-256. Everybody keeps the records of the last ten minutes in buckets of 16
seconds of ticks. A beacon carries a *digest*, 4 bytes for each bucket; who sees one that differs
from its own answers with a *have*, the short ids of that bucket; who then sees that somebody lacks
a record repeats it after a random delay, unless another does first. The hashes of a digest are
salted afresh, as nobody may be able to prepare records that make two different sets look alike.

Digest: first bucket u32 ‖ fresh u32 ‖ salt (8) ‖ n u8 ‖ n hashes of 4. Ticks from `fresh` to 4 s
later are left out: records just made are still under way.
Have: bucket u32 ‖ lowest id (8) ‖ highest id (8) ‖ n u8 ‖ n short ids (8), rising, of all records
in that range that the sender has.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from folkmoot.cells.errors import UsageError
from folkmoot.cells.fragments import COUNCIL_RECORD_BYTES_MAX
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError, Reader

ID_BYTES = 16
SHORT_ID_BYTES = 8
BUCKET_S = 16
KEEP_S = 600
AHEAD_S = 600  # clocks are people's computers', and some are wrong
# In a full log what is further ahead than this goes first: nobody may fill it with records of the
# future, beside which all new ones are old.
AHEAD_FULL_S = 60
DROPPED_MAX = 4096
# Buckets that are compared: not the oldest minute, where one has expired what another still holds.
COMPARE_S = KEEP_S - 60
RECORDS_MAX = 4096
RECORDS_BYTES_MAX = 4 << 20
RECORD_BYTES_MAX = COUNCIL_RECORD_BYTES_MAX - 1  # less the type's byte
FRESH_S = 4
FRESH_BEHIND_S = 2
SALT_BYTES = 8
HASH_BYTES = 4
BUCKETS_MAX = (COMPARE_S + AHEAD_S) // BUCKET_S + 2
DIGEST_BYTES_MAX = 4 + 4 + SALT_BYTES + 1 + HASH_BYTES * BUCKETS_MAX
HAVE_IDS_MAX = 128  # 1,045 bytes: with its type it fits one cell
# A record that came less than this ago is under way to the others too: not repeated yet.
SETTLE_S = 1.0

_LOWEST = bytes(SHORT_ID_BYTES)
_HIGHEST = b"\xff" * SHORT_ID_BYTES
_HEAD_BYTES = 5


class Record(NamedTuple):
    tick: int
    kind: int
    body: bytes


def encode_record(tick: int, kind: int, body: bytes) -> bytes:
    """`tick`: wall clock in whole seconds; `kind`: the meeting's, 0 to 255."""
    encoded = codec.u32(tick) + codec.u8(kind) + body
    if len(encoded) > RECORD_BYTES_MAX:
        raise UsageError(f"{len(encoded)} bytes, at most {RECORD_BYTES_MAX} are allowed")
    return encoded


def decode_record(record: bytes) -> Record:
    """Raises DecodeError."""
    if not _HEAD_BYTES <= len(record) <= RECORD_BYTES_MAX:
        raise DecodeError(f"a reliable record of {len(record)} bytes")
    return Record(int.from_bytes(record[:4], "big"), record[4], record[_HEAD_BYTES:])


def record_id(record: bytes) -> bytes:
    """16 bytes."""
    return hashlib.sha256(record).digest()[:ID_BYTES]


class _Digest(NamedTuple):
    first: int
    fresh: int
    salt: bytes
    hashes: tuple[bytes, ...]


class Have(NamedTuple):
    """All that its sender has in `bucket` from `lowest` to `highest`: short ids, rising."""

    bucket: int
    lowest: bytes
    highest: bytes
    ids: tuple[bytes, ...]


def _read_digest(reader: Reader) -> _Digest:
    first, fresh, salt = reader.u32(), reader.u32(), reader.take(SALT_BYTES)
    count = reader.u8()
    if count > BUCKETS_MAX:
        raise DecodeError(f"{count} buckets")
    return _Digest(first, fresh, salt, tuple(reader.take(HASH_BYTES) for _ in range(count)))


def _read_have(reader: Reader) -> Have:
    bucket = reader.u32()
    lowest, highest = reader.take(SHORT_ID_BYTES), reader.take(SHORT_ID_BYTES)
    count = reader.u8()
    if count > HAVE_IDS_MAX:
        raise DecodeError(f"{count} ids")
    ids = tuple(reader.take(SHORT_ID_BYTES) for _ in range(count))
    bounds = (lowest, *ids, highest)
    if any(a > b for a, b in itertools.pairwise(bounds)) or len(set(ids)) < count:
        raise DecodeError("ids that do not rise")
    return Have(bucket, lowest, highest, ids)


def decode_have(message: bytes) -> Have:
    """Raises DecodeError."""
    return codec.decode(_read_have, message)


@dataclass(frozen=True, slots=True)
class _Held:
    record: bytes
    tick: int
    arrived: float


class RecordLog:
    """The reliable records of the last ten minutes; `wall_s` is the wall clock in seconds."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[bytes, _Held]] = {}
        self._count = 0
        self._size = 0
        self._order: list[tuple[int, bytes]] = []  # tick and id of all of them, rising
        self._dropped: dict[bytes, None] = {}  # ids that a full log had no room for
        self._ids: dict[int, bytes] = {}  # of a bucket that did not change, rising, in one

    def __len__(self) -> int:
        return self._count

    @property
    def size(self) -> int:
        """Bytes of records held."""
        return self._size

    def __contains__(self, number: bytes) -> bool:
        return any(number in bucket for bucket in self._buckets.values())

    def records(self) -> Iterator[bytes]:
        """All records, oldest tick first."""
        for number in sorted(self._buckets):
            held = sorted(self._buckets[number].items(), key=lambda item: (item[1].tick, item[0]))
            yield from (item.record for _, item in held)

    def add(self, record: bytes, wall_s: float) -> bool:
        """True if it is new: kept, or read for once where the log is full. What goes from a full
        log is what is far ahead, and then the lowest tick, which may be this one: so that all logs
        keep the same records."""
        self.expire(wall_s)
        try:
            tick = decode_record(record).tick
        except DecodeError:
            return False
        if not wall_s - KEEP_S <= tick <= wall_s + AHEAD_S:
            return False
        number = record_id(record)
        bucket = self._buckets.setdefault(tick // BUCKET_S, {})
        if number in bucket or number in self._dropped:
            return False
        bucket[number] = _Held(record, tick, wall_s)
        self._ids.pop(tick // BUCKET_S, None)
        bisect.insort(self._order, (tick, number))
        self._count += 1
        self._size += len(record)
        while self._count > RECORDS_MAX or self._size > RECORDS_BYTES_MAX:
            self._make_room(wall_s)
        return True

    def _make_room(self, wall_s: float) -> None:
        ahead = self._order[-1][0] > wall_s + AHEAD_FULL_S
        tick, key = self._order[-1 if ahead else 0]
        self._drop(tick // BUCKET_S, key)
        if len(self._dropped) >= DROPPED_MAX:
            del self._dropped[next(iter(self._dropped))]
        self._dropped[key] = None

    def expire(self, wall_s: float) -> None:
        """Drops what is older than ten minutes."""
        for number in [n for n in self._buckets if n * BUCKET_S < wall_s - KEEP_S]:
            bucket = self._buckets[number]
            for key in [k for k, held in bucket.items() if held.tick < wall_s - KEEP_S]:
                self._drop(number, key)

    def digest(self, wall_s: float, entropy: Callable[[int], bytes]) -> bytes:
        """17 bytes and 4 for each bucket up to the newest; at most DIGEST_BYTES_MAX."""
        self.expire(wall_s)
        first = _first_compared(wall_s)
        last = max(self._buckets, default=first - 1)
        fresh = max(0, int(wall_s) - FRESH_BEHIND_S)
        salt = entropy(SALT_BYTES)
        hashes = [
            self._hash(number, salt, fresh)
            for number in range(first, min(last + 1, first + BUCKETS_MAX))
        ]
        return b"".join((codec.u32(first), codec.u32(fresh), salt, codec.u8(len(hashes)), *hashes))

    def compare(self, digest: bytes, wall_s: float) -> list[int]:
        """The buckets in which the digest's maker does not have what we have; none for what is no
        digest."""
        try:
            theirs = codec.decode(_read_digest, digest)
        except DecodeError:
            return []
        if abs(theirs.first - _first_compared(wall_s)) > BUCKETS_MAX:
            return []
        self.expire(wall_s)
        # What one side no longer compares is nobody's loss. After the digest's end it has nothing.
        first = max(theirs.first, _first_compared(wall_s))
        end = max(theirs.first + len(theirs.hashes), max(self._buckets, default=0) + 1)
        return [
            number
            for number in range(first, min(end, first + BUCKETS_MAX))
            if self._hash(number, theirs.salt, theirs.fresh)
            != _item(theirs.hashes, number - theirs.first)
        ]

    def have(self, bucket: int) -> list[bytes]:
        """Messages, each of which fits a cell, that list what we have in a bucket: at least one."""
        ids = sorted({key[:SHORT_ID_BYTES] for key in self._buckets.get(bucket, ())})
        groups = [ids[i : i + HAVE_IDS_MAX] for i in range(0, len(ids), HAVE_IDS_MAX)] or [[]]
        lows = [_LOWEST, *(group[0] for group in groups[1:])]
        # A range ends just below the next one's first id.
        highs = [
            (int.from_bytes(low, "big") - 1).to_bytes(SHORT_ID_BYTES, "big") for low in lows[1:]
        ]
        return [
            b"".join((codec.u32(bucket), low, high, codec.u8(len(group)), *group))
            for low, high, group in zip(lows, [*highs, _HIGHEST], groups, strict=True)
        ]

    def missing_for(self, have: bytes, wall_s: float) -> list[bytes]:
        """The records that the sender of this have lacks and we hold, but for those that came just
        now; none for what is no have."""
        try:
            got = decode_have(have)
        except DecodeError:
            return []
        theirs = set(got.ids)
        return [
            held.record
            for key, held in self._buckets.get(got.bucket, {}).items()
            if got.lowest <= key[:SHORT_ID_BYTES] <= got.highest
            and key[:SHORT_ID_BYTES] not in theirs
            and not 0 <= wall_s - held.arrived < SETTLE_S
        ]

    def lacks(self, have: bytes, wall_s: float) -> bool:
        """Whether the sender of this have holds a record that we lack and would keep."""
        try:
            got = decode_have(have)
        except DecodeError:
            return False
        if not _first_compared(wall_s) <= got.bucket <= (wall_s + AHEAD_S) // BUCKET_S:
            return False
        return bool(
            set(got.ids) - {key[:SHORT_ID_BYTES] for key in self._buckets.get(got.bucket, ())}
        )

    def _hash(self, number: int, salt: bytes, fresh: int) -> bytes:
        """4 bytes over the ids of a bucket; zeros when it is empty."""
        bucket = self._buckets.get(number)
        if not bucket:
            return bytes(HASH_BYTES)
        if fresh - BUCKET_S < number * BUCKET_S < fresh + FRESH_S:
            ids = b"".join(
                sorted(
                    key for key, held in bucket.items() if not fresh <= held.tick < fresh + FRESH_S
                )
            )
        else:
            # (Each beacon of each member has a salt of its own: of fifty, 25 a second.)
            ids = self._ids.get(number) or b"".join(sorted(bucket))
            self._ids[number] = ids
        return hashlib.sha256(salt + ids).digest()[:HASH_BYTES] if ids else bytes(HASH_BYTES)

    def _drop(self, number: int, key: bytes) -> None:
        bucket = self._buckets[number]
        held = bucket.pop(key)
        self._ids.pop(number, None)
        del self._order[bisect.bisect_left(self._order, (held.tick, key))]
        self._size -= len(held.record)
        self._count -= 1
        if not bucket:
            del self._buckets[number]


def _first_compared(wall_s: float) -> int:
    return max(0, int(wall_s - COMPARE_S) // BUCKET_S)


def _item(hashes: tuple[bytes, ...], index: int) -> bytes:
    return hashes[index] if 0 <= index < len(hashes) else bytes(HASH_BYTES)
