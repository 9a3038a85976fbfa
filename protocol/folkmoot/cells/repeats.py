"""When to repeat which record: after a random delay, unless another member was faster.

The delays spread the answers of a whole meeting over half a second, so that nearly always one
member speaks and the others hear it in time. Rules in `protocol/CELLS.md`, "Anti-entropy".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from folkmoot.cells.reliable import RecordLog, decode_have, record_id
from folkmoot.wire.codec import DecodeError

DELAY_S_MAX = 0.5
# After somebody repeated a record, or listed a bucket, requests for it are answered by what is
# under way already.
HOLD_S = 2.0
REPEATS_MAX = 512
HAVES_MAX = 80  # one for each bucket that a digest can name
HELD_MAX = 4096


class Repeat(NamedTuple):
    """A reliable record to send again."""

    record: bytes


class SayHave(NamedTuple):
    """A have to send: one message of at most 1,045 bytes."""

    message: bytes


class RepeatScheduler:
    """Turns others' digests and haves into what to send, and when. Sends nothing itself."""

    def __init__(self, log: RecordLog, entropy: Callable[[int], bytes]) -> None:
        self._log = log
        self._entropy = entropy
        self._repeats: dict[bytes, tuple[float, bytes]] = {}  # id: due, record
        self._haves: dict[int, float] = {}  # bucket: due
        # Not before these times again: an id of 16 bytes, or a bucket. Oldest first.
        self._held: dict[bytes | int, float] = {}

    def _delay(self) -> float:
        return int.from_bytes(self._entropy(2), "big") / 0xFFFF * DELAY_S_MAX

    def on_digest(self, digest: bytes, wall_s: float, now: float) -> None:
        """A beacon's digest: where it differs from ours, list what we have."""
        for bucket in self._log.compare(digest, wall_s):
            self._want_have(bucket, now)

    def on_have(self, message: bytes, wall_s: float, now: float) -> None:
        """Another's have: repeat what it lacks, and list ours if we lack something of it."""
        try:
            theirs = decode_have(message)
        except DecodeError:
            return
        for record in self._log.missing_for(message, wall_s):
            number = record_id(record)
            if number in self._repeats or self._holds(number, now):
                continue
            if len(self._repeats) < REPEATS_MAX:
                self._repeats[number] = now + self._delay(), record
        if self._log.lacks(message, wall_s):
            self._want_have(theirs.bucket, now)
        elif message in self._log.have(theirs.bucket):
            # Somebody has just what we have, and has said so.
            self._haves.pop(theirs.bucket, None)
            self._hold(theirs.bucket, now)

    def on_record(self, record: bytes, now: float) -> None:
        """A record was heard, new or not: nobody needs it from us for a while."""
        number = record_id(record)
        if self._repeats.pop(number, None) is not None or number in self._log:
            self._hold(number, now)

    def due(self, now: float) -> list[Repeat | SayHave]:
        """What to send now; it will not be asked for again."""
        out: list[Repeat | SayHave] = []
        for bucket in [bucket for bucket, at in self._haves.items() if at <= now]:
            del self._haves[bucket]
            self._hold(bucket, now)
            out += (SayHave(message) for message in self._log.have(bucket))
        for number in [number for number, (at, _) in self._repeats.items() if at <= now]:
            _, record = self._repeats.pop(number)
            self._hold(number, now)
            out.append(Repeat(record))
        return out

    def next_timer(self) -> float | None:
        """When something is due, if at all."""
        times = [*self._haves.values(), *(at for at, _ in self._repeats.values())]
        return min(times, default=None)

    def _want_have(self, bucket: int, now: float) -> None:
        if bucket in self._haves or self._holds(bucket, now) or len(self._haves) >= HAVES_MAX:
            return
        self._haves[bucket] = now + self._delay()

    def _hold(self, key: bytes | int, now: float) -> None:
        self._held.pop(key, None)
        self._held[key] = now + HOLD_S
        while len(self._held) > HELD_MAX:
            del self._held[next(iter(self._held))]

    def _holds(self, key: bytes | int, now: float) -> bool:
        return self._held.get(key, now) > now
