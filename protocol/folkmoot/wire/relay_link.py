"""What the relay core knows of one link: a number, its rooms, its paces, and the ticks that wait
for it."""

from __future__ import annotations

from collections import deque

from folkmoot.wire.limits import Bucket, RelayLimits, share
from folkmoot.wire.room import Room


class Seat:
    """What a link may do in one room."""

    __slots__ = ("bucket", "room", "sends")

    def __init__(self, room: Room, sends: bool, now: float) -> None:
        self.room = room
        self.sends = sends
        self.bucket = Bucket(room.rule.pace_per_s, room.rule.burst_cells, now)


class RelayLink:
    """One link, by number only."""

    __slots__ = (
        "backlog",
        "backlog_bytes",
        "bytes",
        "challenges",
        "control",
        "next_challenge",
        "number",
        "paused_at",
        "proofs",
        "roomless_at",
        "rooms",
    )

    def __init__(self, number: int, limits: RelayLimits, now: float) -> None:
        self.number = number
        self.rooms: dict[int, Seat] = {}
        self.challenges: dict[int, tuple[bytes, float]] = {}
        self.next_challenge = 0
        self.proofs = 0
        self.control = Bucket(limits.control_per_s, limits.control_burst, now)
        self.bytes = Bucket(limits.link_bytes_per_s, limits.link_burst_bytes, now)
        self.backlog: deque[bytes] = deque()
        self.backlog_bytes = 0
        self.paused_at: float | None = None
        self.roomless_at: float | None = now

    def keep(self, message: bytes, links_paused: int, limits: RelayLimits) -> int:
        """Keeps a tick for the link, which cannot take it now; says how many old ones had to go for
        it."""
        bytes_max = share(
            limits.links_backlog_bytes,
            links_paused,
            limits.link_backlog_bytes,
            limits.link_backlog_bytes_least,
        )
        self.backlog.append(message)
        self.backlog_bytes += len(message)
        skipped = 0
        while self.backlog_bytes > bytes_max:
            self.backlog_bytes -= len(self.backlog.popleft())
            skipped += 1
        return skipped

    def release(self) -> tuple[bytes, ...]:
        """The ticks that were kept, oldest first; none are left."""
        kept = tuple(self.backlog)
        self.backlog.clear()
        self.backlog_bytes = 0
        return kept
