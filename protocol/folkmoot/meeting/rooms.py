"""Which rooms a meeting wants open on which relays, told to the driver as differences
(architecture §4).

The meeting states the whole set it wants each time something changes; this table works out what to
open and close, and remembers which rooms the relays have confirmed. Sending goes to the newest
root's room that is open, so a change of room root never leaves a moment without one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.meeting.events import CloseRoom, OpenRoom
from folkmoot.meeting.secrets import room_seed
from folkmoot.wire.lanes import Direction, LaneSlot

ROOMS_MAX = 512
HANDLES_APART = 1 << 16  # more rooms than one opens while it leaves
NOBODY = bytes(SEAT_BYTES)


@dataclass(frozen=True, slots=True)
class Lane:
    """A room's use: for pictures the `seat` that shows and the `stream` (1 camera, 2 screen)."""

    slot: LaneSlot
    seat: bytes = NOBODY
    stream: int = 0

    def encode(self) -> bytes:
        """18 bytes: slot, seat, stream."""
        return bytes((self.slot,)) + self.seat + bytes((self.stream,))


DOOR = Lane(LaneSlot.DOOR)
COUNCIL = Lane(LaneSlot.COUNCIL)
VOICE = Lane(LaneSlot.VOICE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One room the meeting wants: `root` is the secret its key comes from."""

    relay: int
    lane: Lane
    root: bytes = field(repr=False)
    direction: Direction
    purpose: str


@dataclass(slots=True)
class _Room:
    wanted: Wanted
    open: bool


class RoomTable:
    """The rooms of one meeting over all its relays."""

    def __init__(self, pin_of: Callable[[int], bytes], after: RoomTable | None = None) -> None:
        """`pin_of`: a relay's pin (32 bytes) by its number; `after`: another meeting's table, whose
        handles go on to mean its rooms."""
        self._pin_of = pin_of
        self._rooms: dict[int, _Room] = {}
        self._handles: dict[Wanted, int] = {}
        self._next_handle: int = 1 if after is None else after._next_handle + HANDLES_APART

    def want(self, wanted: Iterable[Wanted]) -> list[OpenRoom | CloseRoom]:
        """What the driver must do so that exactly these rooms are open; the first ROOMS_MAX
        count."""
        target = dict.fromkeys(list(wanted)[:ROOMS_MAX])
        actions: list[OpenRoom | CloseRoom] = []
        for gone in [one for one in self._handles if one not in target]:
            handle = self._handles.pop(gone)
            del self._rooms[handle]
            actions.append(CloseRoom(handle))
        for one in target:
            if one in self._handles:
                continue
            handle, self._next_handle = self._next_handle, self._next_handle + 1
            self._handles[one] = handle
            self._rooms[handle] = _Room(one, False)
            seed = room_seed(one.root, self._pin_of(one.relay), one.lane.encode())
            actions.append(
                OpenRoom(handle, one.relay, one.purpose, one.lane.slot, seed, one.direction)
            )
        return actions

    def changed(self, handle: int, is_open: bool) -> None:
        """The relay opened or closed the room `handle`; unknown handles are late news and
        ignored."""
        room = self._rooms.get(handle)
        if room is not None:
            room.open = is_open

    def lookup(self, handle: int) -> Wanted | None:
        """What room `handle` is, or None when it is no longer wanted."""
        room = self._rooms.get(handle)
        return None if room is None else room.wanted

    def send_handle(self, relay: int, lane: Lane, roots: Iterable[bytes]) -> int | None:
        """The room to send into: of the first of `roots` (newest first) whose room is open."""
        for root in roots:
            for one, handle in self._handles.items():
                if (
                    one.relay == relay
                    and one.lane == lane
                    and one.root == root
                    and one.direction & Direction.SEND
                    and self._rooms[handle].open
                ):
                    return handle
        return None

    def open_relays(self, lane: Lane) -> set[int]:
        """The relays in which a room of this lane is open."""
        rooms = self._rooms.values()
        return {one.wanted.relay for one in rooms if one.open and one.wanted.lane == lane}

    def open_count(self, lane: Lane) -> int:
        """In how many relays that is."""
        return len(self.open_relays(lane))
