"""What waits to be sent on one link: little, voice first, and the oldest sound and picture give
way.

An uplink that is too slow must cost freshness of nothing but itself: a voice cell that waited for
a second is worthless, and the next one is due.
"""

from __future__ import annotations

from collections import deque

from folkmoot.wire.lanes import LANE_RULES, LaneSlot

# Each about what the lane sends in a second, so a queue never holds older sound or picture than
# that. The council's and the door's are repeated by their senders anyway; the door's holds a
# Welcome of 1 MiB whole.
QUEUE_CELLS_MAX = {
    LaneSlot.VOICE: 25,
    LaneSlot.COUNCIL: 64,
    LaneSlot.PICTURE: 180,
    LaneSlot.DOOR: 1024,
}
QUEUE_BYTES_MAX = {
    slot: cells * (LANE_RULES[slot].cell_bytes + 5) for slot, cells in QUEUE_CELLS_MAX.items()
}
ORDER = (LaneSlot.VOICE, LaneSlot.COUNCIL, LaneSlot.PICTURE, LaneSlot.DOOR)
# Questions and answers about rooms. A link has at most 256 rooms, each with one of either at a
# time.
CONTROL_MESSAGES_MAX = 1024


class SendQueue:
    """Messages of one link, ordered by lane; nothing here is kept across links."""

    def __init__(self) -> None:
        self._control: deque[bytes] = deque()
        self._lanes: dict[LaneSlot, deque[tuple[int, bytes]]] = {slot: deque() for slot in ORDER}
        self._bytes = dict.fromkeys(ORDER, 0)
        self.dropped = 0
        self.overflowed = False

    def put_control(self, message: bytes) -> None:
        """Queues a message about rooms. These are never dropped: with absurdly many, `overflowed`
        says that the link should end."""
        if len(self._control) < CONTROL_MESSAGES_MAX:
            self._control.append(message)
        else:
            self.overflowed = True

    def put_cells(self, slot: LaneSlot, handle: int, message: bytes) -> None:
        """Queues cells of the room `handle`; the oldest of the same lane give way to it."""
        lane = self._lanes[slot]
        lane.append((handle, message))
        self._bytes[slot] += len(message)
        while self._bytes[slot] > QUEUE_BYTES_MAX[slot] and len(lane) > 1:
            self._bytes[slot] -= len(lane.popleft()[1])
            self.dropped += 1

    def forget(self, handle: int) -> None:
        """Drops what waits for a room, before the message that closes it is queued: cells that
        came after that message would end the link."""
        for slot, lane in self._lanes.items():
            kept = [entry for entry in lane if entry[0] != handle]
            if len(kept) != len(lane):
                self._lanes[slot] = deque(kept)
                self._bytes[slot] = sum(len(message) for _, message in kept)

    def get(self) -> bytes | None:
        """The next message to send, or None."""
        if self._control:
            return self._control.popleft()
        for slot in ORDER:
            if self._lanes[slot]:
                _, message = self._lanes[slot].popleft()
                self._bytes[slot] -= len(message)
                return message
        return None

    @property
    def waiting_bytes(self) -> int:
        """Cells that wait, in bytes."""
        return sum(self._bytes.values())
