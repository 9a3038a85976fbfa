"""The council plane: one cell a beat, whatever there is to say, and nothing lost that must arrive.

What is said again and again (beacon, naming, key frames wanted) is kept as the newest of its kind
and put in when a cell has room; what must reach everyone goes into the log, which all members
compare and repeat from.
"""

from __future__ import annotations

from collections.abc import Callable

from folkmoot.cells.council import PLAINTEXT_BYTES
from folkmoot.cells.fragments import COUNCIL_RECORD_BYTES_MAX
from folkmoot.cells.records import Inbox, Outbox, entries_of, unpack
from folkmoot.cells.reliable import Record, RecordLog, decode_record, encode_record
from folkmoot.cells.repeats import Repeat, RepeatScheduler
from folkmoot.cells.spread import Spread
from folkmoot.meeting.records import ItemKind, RecordKind, item, split_item
from folkmoot.wire.codec import DecodeError

STATEMENTS_MAX = 64  # newest statements that wait for a cell
# Of a repeat that nobody was faster with. What was needed is asked for again; else what somebody
# lacks now waits behind all that others had lacked.
REPEAT_AGE_S = 6.0


class Council:
    """Packs and unpacks what this member says and hears; knows no keys."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self.log = RecordLog()
        self._repeats = RepeatScheduler(self.log, entropy)
        self._outbox = Outbox()
        self._spread = Spread(entropy)
        self._inbox = Inbox(COUNCIL_RECORD_BYTES_MAX)
        self._entropy = entropy
        self._statements: dict[bytes, bytes] = {}
        self._passed_over = False  # what waits had no place beside the last statements
        self._last: dict[RecordKind, bytes] = {}  # of our own

    # -- saying

    def state(self, kind: ItemKind, body: bytes, about: bytes = b"") -> None:
        """Says something that replaces what was said of the same kind (and `about`) before."""
        key = bytes((kind,)) + about
        self._statements.pop(key, None)
        if len(self._statements) < STATEMENTS_MAX:
            self._statements[key] = item(kind, body)

    def publish(self, kind: RecordKind, body: bytes, wall_s: float) -> None:
        """Says something that must reach everyone."""
        record = encode_record(int(wall_s), kind, body)
        self.log.add(record, wall_s)
        self._last[kind] = record
        self._outbox.push(item(ItemKind.LOGGED, record), urgent=True)

    def repeat(self, kind: RecordKind) -> None:
        """Says our last record of this kind once more, without waiting to be asked."""
        record = self._last.get(kind)
        if record is not None:
            self._outbox.push(item(ItemKind.LOGGED, record), urgent=True)

    def digest(self, wall_s: float) -> bytes:
        return self.log.digest(wall_s, self._entropy)

    def next_plaintext(self, now: float, wall_s: float) -> bytes:
        """What the next cell carries, at most 1,120 bytes; empty when there is nothing to say."""
        self._spread.forget(now)
        for one in self._repeats.due(now):
            if isinstance(one, Repeat):
                self._spread.add(item(ItemKind.LOGGED, one.record), now + REPEAT_AGE_S)
            else:
                self._outbox.push(item(ItemKind.HAVE, one.message))
        # A fragment fills a cell, and has no place beside a statement. Where each cell has one, as
        # in a large meeting that has to agree on a commit, that very commit would never leave.
        passed_over = self._passed_over
        front = self._next_waiting(PLAINTEXT_BYTES) if passed_over else b""
        for key, statement in list(self._statements.items()):
            entries = entries_of(statement)
            if len(entries) > 1:
                # Larger than a cell: it goes the way of long records.
                self._outbox.push(statement, urgent=True)
            elif len(front) + len(entries[0]) > PLAINTEXT_BYTES:
                break
            else:
                front += entries[0]
            del self._statements[key]
        front += self._next_waiting(PLAINTEXT_BYTES - len(front))
        self._passed_over &= not passed_over  # statements come first in the cell after this one
        return front

    def _next_waiting(self, bytes_max: int) -> bytes:
        """What a cell carries besides statements; repeats come last."""
        own = self._outbox.next_plaintext(bytes_max)
        repeats = self._spread.next_plaintext(bytes_max - len(own))
        self._passed_over = self._outbox.passed_over or not (
            own or repeats or not self._spread.size
        )
        return own + repeats

    @property
    def waiting(self) -> int:
        """Bytes that wait for a cell."""
        return self._outbox.size + self._spread.size

    # -- hearing

    def receive(self, plaintext: bytes, now: float) -> list[tuple[ItemKind, bytes]]:
        """The items that this plaintext holds or completes; those that cannot be read are
        skipped."""
        try:
            entries = unpack(plaintext)
        except DecodeError:
            return []
        found = []
        for entry in entries:
            self._spread.heard(entry.data)
            data = self._inbox.take(entry, now)
            try:
                if data is not None:
                    found.append(split_item(data))
            except DecodeError:
                continue
        return found

    def receive_logged(self, record: bytes, now: float, wall_s: float) -> Record | None:
        """A record that is new to us, or None."""
        is_new = self.log.add(record, wall_s)
        self._repeats.on_record(record, now)
        if not is_new:
            return None
        return decode_record(record)

    def receive_digest(self, digest: bytes, now: float, wall_s: float) -> None:
        """Another's digest: where it differs from ours we say what we have, and who has more
        repeats it."""
        self._repeats.on_digest(digest, wall_s, now)

    def receive_have(self, have: bytes, now: float, wall_s: float) -> None:
        """What another has: what it lacks is repeated, unless somebody else is faster."""
        self._repeats.on_have(have, wall_s, now)
