"""One room of a relay: the links in it, and the cells that wait for the next tick, in fair
order."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from folkmoot.wire.lanes import LANE_RULES, LaneSlot
from folkmoot.wire.limits import TICK_CELLS_MAX, Bucket, RelayLimits, share


def shuffled(cells: list[bytes], entropy: Callable[[int], bytes]) -> list[bytes]:
    """The cells in an order that says nothing of the order in which they came: sorted by 8 random
    bytes each."""
    if len(cells) < 2:
        return cells
    draws = entropy(8 * len(cells))
    order = sorted(range(len(cells)), key=lambda index: draws[8 * index : 8 * index + 8])
    return [cells[index] for index in order]


class Room:
    """`number`: what links call it by; `receivers` and `links`: numbers of links, in no order that
    is sent."""

    def __init__(
        self, key: bytes, slot: LaneSlot, number: int, limits: RelayLimits, now: float
    ) -> None:
        self.key = key
        self.slot = slot
        self.number = number
        self.rule = LANE_RULES[slot]
        self.links: set[int] = set()
        self.receivers: set[int] = set()
        self.queued = 0
        # Cells by the link that sent them, the next to be served first.
        self._queues: OrderedDict[int, deque[bytes]] = OrderedDict()
        self._limits = limits
        self._bucket = (
            Bucket(limits.door_cells_per_s, limits.door_burst_cells, now)
            if slot is LaneSlot.DOOR
            else None
        )

    def push(self, link: int, cell: bytes, rooms_open: int) -> bool:
        """Queues a cell for the next tick; False when an older one had to go for it. When the
        room's share is used up the links lose in turn, each its oldest, so that a flood by some
        cannot silence another."""
        limits = self._limits
        cells_max = share(
            limits.rooms_queue_cells,
            rooms_open,
            limits.room_queue_cells,
            limits.room_queue_cells_least,
        )
        dropped = False
        while self.queued >= cells_max:
            self._pop_next()
            dropped = True
        queue = self._queues.get(link)
        if queue is None:
            self._queues[link] = queue = deque()
        queue.append(cell)
        self.queued += 1
        return not dropped

    def _pop_next(self) -> bytes:
        """The oldest cell of the link whose turn it is; the link goes to the end of the turn."""
        link, queue = self._queues.popitem(last=False)
        cell = queue.popleft()
        if queue:
            self._queues[link] = queue
        self.queued -= 1
        return cell

    def take(self, now: float) -> list[bytes]:
        """The cells of this tick, at most TICK_CELLS_MAX, and at a door no more than its rate
        allows."""
        count = min(self.queued, TICK_CELLS_MAX)
        if self._bucket is not None:
            count = min(count, int(self._bucket.level(now)))
            self._bucket.take(count, now)
        if count == self.queued:
            cells = [cell for queue in self._queues.values() for cell in queue]
            self._queues.clear()
            self.queued = 0
            return cells
        return [self._pop_next() for _ in range(count)]

    def leave(self, link: int) -> None:
        """The link is gone; what it sent before goes out with the next tick."""
        self.links.discard(link)
        self.receivers.discard(link)
