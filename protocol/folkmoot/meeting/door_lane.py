"""The door's cells: messages in and out under the secret that the invite holds (architecture §4,
"Lane").

The door is not paced, since that somebody joins is visible anyway; it is only kept below what a
relay lets through. Everything in it is sealed once more to whom it is for: these cells hide only
from relays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from folkmoot.cells import council
from folkmoot.cells.fragments import DOOR_RECORD_BYTES_MAX
from folkmoot.cells.pace import Pacer
from folkmoot.cells.records import Inbox, Outbox, unpack
from folkmoot.cells.spread import Spread
from folkmoot.meeting.context import Context
from folkmoot.meeting.invite import door_cell_secret, door_room_root
from folkmoot.meeting.parcel import Deliveries
from folkmoot.meeting.rooms import DOOR
from folkmoot.wire.codec import DecodeError

CELLS_PER_S = 50.0  # below the relay's 60, so that nothing of a Welcome is dropped
OUTBOX_BYTES_MAX = 4 << 20
OWN_MAX = 1024


class DoorLane:
    """One end of the door room, on every relay."""

    def __init__(self, context: Context, secret: bytes, now: float) -> None:
        self._context = context
        self.room_root = door_room_root(secret)
        self._cell_secret = door_cell_secret(secret)
        self._inbox = Inbox(DOOR_RECORD_BYTES_MAX)
        self._outbox = Outbox(OUTBOX_BYTES_MAX)
        self._spread = Spread(context.entropy)
        self.deliveries = Deliveries(self._say_parcel)
        self._pacer = Pacer(1 / CELLS_PER_S, now)
        self._own: dict[bytes, None] = {}

    def receive(self, cells: Sequence[bytes], now: float) -> Iterable[bytes]:
        """The messages that these cells hold or complete; our own that come back are skipped."""
        for cell in cells:
            if cell[: council.SALT_BYTES] in self._own:
                continue
            plaintext = council.open(self._cell_secret, cell)
            if plaintext is not None:
                yield from self._receive(plaintext, now)

    def _receive(self, plaintext: bytes, now: float) -> Iterable[bytes]:
        try:
            entries = unpack(plaintext)
        except DecodeError:
            return
        for entry in entries:
            self._spread.heard(entry.data)
            message = self._inbox.take(entry, now)
            if message is not None:
                yield message

    def send(self, message: bytes) -> bool:
        """Queues a message; False when too much waits, or it is longer than anybody would take: a
        member can make commits and leaves so large that what answers a knock is."""
        return len(message) <= DOOR_RECORD_BYTES_MAX and self._outbox.push(message)

    def _say_parcel(self, message: bytes) -> None:
        """Queues what other members say, too, after everything else."""
        if len(message) <= DOOR_RECORD_BYTES_MAX:
            self._spread.add(message)

    @property
    def waiting(self) -> int:
        """Bytes that wait for a cell."""
        return self._outbox.size + self._spread.size

    def handle_timer(self, now: float) -> None:
        """Sends what is due, if any relay carries the door."""
        beats = self._pacer.due(now)
        if not self._context.rooms.open_count(DOOR):
            return
        for _ in range(beats):
            if not self.waiting:
                return
            plaintext = self._outbox.next_plaintext()
            plaintext += self._spread.next_plaintext(council.PLAINTEXT_BYTES - len(plaintext))
            doors = self._context.relays.doors
            for _, room in self._context.ways_out(DOOR, [self.room_root], doors):
                cell = council.seal(self._cell_secret, plaintext, self._context.entropy)
                if len(self._own) >= OWN_MAX:
                    self._own.pop(next(iter(self._own)))
                self._own[cell[: council.SALT_BYTES]] = None
                self._context.send(room, (cell,))

    def next_timer(self) -> float | None:
        """When a cell is due, if there is anything to send."""
        return self._pacer.next_timer() if self.waiting else None
