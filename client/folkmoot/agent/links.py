"""The agent's links to relays: one pinned connection for each relay and purpose, kept alive.

What leaves, and when, is decided by `folkmoot.wire.link` and by the callers' paces; here are the
sockets, the retries and the bounds. Nothing here calls back before the call that caused it
returned.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from folkmoot.agent import route
from folkmoot.agent.link import Key, Link, Room, report
from folkmoot.agent.moves import Move, OnMove
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import Direction, LaneSlot
from folkmoot.wire.link_events import UsageError

LINKS_MAX = 64
LOOK_BACK_S = 1.0  # how often it is asked whether a link should go another way

OnCells = Callable[[int, list[bytes]], None]
OnRoom = Callable[[int, bool, str], None]
OnLink = Callable[[RelayAddress, str, bool, str], None]
RouteFor = Callable[[RelayAddress, str], route.Via]
OnWay = Callable[[RelayAddress, str, route.Via | None, bool | None], None]


class Links:
    """All links of one agent.

    `on_cells(handle, cells)`; `on_room(handle, open, reason)`; `on_link(relay, purpose, up,
    sentence)`. Sentences are given once, not at every try. `via`: how connections begin.
    `route_for(relay, purpose)`, where given, is asked instead before every connection, so that its
    answer may change from one to the next; it may raise RouteError. `on_way(relay, purpose, via,
    worked)` hears how each connection by it went: that it is up (True), that it failed or broke
    (False; `via` is None where there was no way), or that nobody needs it any more (None).
    `ways_back()`, where given, says each second which links that are up are to be moved to another
    way, together; `on_move(relay, purpose, via, worked)` hears how each went (see `moves`).
    """

    def __init__(
        self,
        *,
        on_cells: OnCells,
        on_link: OnLink,
        on_room: OnRoom,
        via: route.Via = route.DIRECT,
        route_for: RouteFor | None = None,
        on_way: OnWay = lambda relay, purpose, via, worked: None,
        ways_back: Callable[[], Mapping[Key, route.Via]] | None = None,
        on_move: OnMove = lambda relay, purpose, via, worked: None,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.on_cells = on_cells
        self.on_link = on_link
        self.on_room = on_room
        self.route_for: RouteFor = route_for or (lambda relay, purpose: via)
        self.on_way = on_way
        self.entropy = entropy
        self._links: dict[Key, Link] = {}
        self._by_handle: dict[int, Link] = {}
        self._closed = False
        self._ways_back = ways_back
        self._on_move = on_move
        self._move: Move | None = None
        self._looking: asyncio.Task[None] | None = None

    def open_room(
        self,
        handle: int,
        relay: RelayAddress,
        purpose: str,
        slot: LaneSlot,
        seed: bytes,
        direction: Direction,
    ) -> None:
        """Opens a room and keeps it open, over as many connections as it takes. `seed`: 32
        bytes."""
        if self._closed:
            raise UsageError("the links are closed")
        if handle in self._by_handle:
            raise UsageError(f"the room {handle} is open already")
        key = relay, purpose
        link = self._links.get(key)
        if link is None:
            if len(self._links) >= LINKS_MAX:
                raise UsageError(f"more than {LINKS_MAX} links")
            link = self._links[key] = Link(self, relay, purpose)
        room: Room = handle, slot, seed, direction
        link.open_room(room)
        self._by_handle[handle] = link
        if self._move is not None:
            self._move.opened(key, room)
        if self._looking is None and self._ways_back is not None:
            self._looking = asyncio.create_task(self._look_back(self._ways_back), name="ways back")
            self._looking.add_done_callback(report)

    def close_room(self, handle: int) -> None:
        """Closes a room; the last one takes its connection with it. Unknown handles are ignored:
        the caller need not know whether a room was ever opened."""
        link = self._by_handle.pop(handle, None)
        if link is None:
            return
        key = link.relay, link.purpose
        if link.remove(handle):
            self._links.pop(key, None)
            self.on_way(*key, link.via, None)
        if self._move is not None:
            self._move.closed(key, handle)

    async def _look_back(self, ways_back: Callable[[], Mapping[Key, route.Via]]) -> None:
        """Moves links as it is wanted, one move after the other."""
        while True:
            await asyncio.sleep(LOOK_BACK_S)
            # What is not there any more is not wanted any more: the whole move would be another.
            if (ways := ways_back()) and ways.keys() <= self._links.keys():
                await self._go(ways)

    async def _go(self, ways: Mapping[Key, route.Via]) -> None:
        self._move = Move(
            self, ways, self._links, make=Link, take=self._take, on_move=self._on_move
        )
        try:
            await self._move.task
        finally:
            self._move = None

    def _take(self, old: Link, new: Link) -> None:
        """Another connection is in the place of one from now on."""
        self._links[new.relay, new.purpose] = new
        for handle, *_ in new.rooms:
            self._by_handle[handle] = new
            if (is_open := handle in new.open_rooms) != (handle in old.open_rooms):
                self.on_room(handle, is_open, "")
        new.succeed(old)

    def send(self, handle: int, cells: Sequence[bytes]) -> None:
        """Queues cells of the lane's size. While the room is not open they are gone: media is of
        the moment, and whoever wants a record to arrive repeats it anyway."""
        link = self._by_handle.get(handle)
        if link is not None:
            link.send(handle, cells)

    def renew(self, relay: RelayAddress) -> None:
        """Ends this relay's connections, as nothing good comes of them, and makes new ones, by
        another way where there is one."""
        for link in self._links.values():
            if link.relay == relay:
                link.renew()

    @property
    def dropped(self) -> int:
        """Messages of cells that gave way because an uplink was too slow."""
        return sum(link.queue.dropped for link in self._links.values())

    async def close(self) -> None:
        """Closes every connection, and returns when they are closed."""
        self._closed = True
        move = [] if self._move is None else self._move.tasks
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        links, self._links = list(self._links.values()), {}
        self._by_handle.clear()
        for link in links:
            link.stop()
        await asyncio.gather(*(link.task for link in links), *move, return_exceptions=True)
