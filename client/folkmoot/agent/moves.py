"""Moving links that are up to other ways without a gap: the new connection stands, with all of the
link's rooms, before anything is sent on it, and the old one is read for a moment longer.

Nobody above notices: rooms stay open, and each cell is handed on once, whichever connection brings
it first. The relay sees a second link come and the first one go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from folkmoot.agent import route
from folkmoot.agent.link import SILENCE_S, Key, Link, Reports, Room
from folkmoot.wire.address import RelayAddress

# What a new connection may take until its rooms are open. Nobody waits for it, as the old one
# carries on.
TRY_S = 20.0
# For so long after a move the old connection is read: more than one way is slower than another.
OVERLAP_S = 1.5
# For so long after that the new one may still bring what the old one brought. An entry that holds
# cells up for longer loses the link (`link.SILENCE_S`), and with it the cells.
LATE_S = SILENCE_S + OVERLAP_S
# Cells remembered while two connections bring the same ones, by 8 bytes each: of those seconds the
# voice of fifty and several pictures.
REMEMBERED_MAX = 32_768

OnMove = Callable[[RelayAddress, str, route.Via, bool | None], None]


class Once:
    """Hands each cell on once, of those that come by two connections."""

    def __init__(self, onward: Reports) -> None:
        self._onward = onward
        self._known: dict[tuple[int, int], None] = {}

    def hand_on(self, handle: int, cells: Iterable[bytes]) -> None:
        """To whom the links report."""
        fresh = []
        for cell in cells:
            # Keyed at random in each process, so nobody makes two that look the same.
            name = handle, hash(cell)
            if name not in self._known:
                if len(self._known) >= REMEMBERED_MAX:
                    del self._known[next(iter(self._known))]
                self._known[name] = None
                fresh.append(cell)
        if fresh:
            self._onward.on_cells(handle, fresh)


class _Beside:
    """What the old connection reports: all as ever until the link moved, then nothing but cells."""

    def __init__(self, links: Reports, once: Once) -> None:
        self._links = links
        self._once = once
        self.entropy = links.entropy
        self.moved = False

    def route_for(self, relay: RelayAddress, purpose: str) -> route.Via:
        if self.moved:
            raise route.RouteError("another connection has its place")
        return self._links.route_for(relay, purpose)

    def on_cells(self, handle: int, cells: list[bytes]) -> None:
        self._once.hand_on(handle, cells)

    def on_room(self, handle: int, is_open: bool, reason: str) -> None:
        if not self.moved:
            self._links.on_room(handle, is_open, reason)

    def on_link(self, relay: RelayAddress, purpose: str, up: bool, sentence: str) -> None:
        if not self.moved:
            self._links.on_link(relay, purpose, up, sentence)

    def on_way(
        self, relay: RelayAddress, purpose: str, via: route.Via | None, worked: bool | None
    ) -> None:
        if not self.moved:
            self._links.on_way(relay, purpose, via, worked)


class _Ahead:
    """What the new connection reports: nothing to anybody else until the link moved."""

    def __init__(self, links: Reports, once: Once, via: route.Via) -> None:
        self._links = links
        self._once = once
        self._via = via
        self.entropy = links.entropy
        self.answered: set[int] = set()  # rooms that the relay opened or refused
        self.moved = False
        self.changed = asyncio.Event()
        self.failed = False

    def route_for(self, relay: RelayAddress, purpose: str) -> route.Via:
        return self._links.route_for(relay, purpose) if self.moved else self._via

    def on_cells(self, handle: int, cells: list[bytes]) -> None:
        if self.moved:
            self._once.hand_on(handle, cells)

    def on_room(self, handle: int, is_open: bool, reason: str) -> None:
        if self.moved:
            self._links.on_room(handle, is_open, reason)
        self.answered.add(handle)
        self.changed.set()

    def on_link(self, relay: RelayAddress, purpose: str, up: bool, sentence: str) -> None:
        if self.moved:
            self._links.on_link(relay, purpose, up, sentence)

    def on_way(
        self, relay: RelayAddress, purpose: str, via: route.Via | None, worked: bool | None
    ) -> None:
        if self.moved:
            self._links.on_way(relay, purpose, via, worked)
        elif not worked:
            self.failed = True
            self.changed.set()


class _Pair:
    """One link on its way to another."""

    def __init__(self, links: Reports, old: Link, via: route.Via) -> None:
        self.links, self.old, self.via = links, old, via
        self.once = Once(links)
        self.beside = _Beside(links, self.once)
        self.ahead = _Ahead(links, self.once, via)
        old.reports = self.beside
        self.new: Link | None = None

    @property
    def stands(self) -> bool:
        """Whether all rooms that the old connection has open are open on the new one, and it was
        answered about all others."""
        new = self.new
        return (
            new is not None
            and self.ahead.answered >= {handle for handle, *_ in new.rooms}
            and new.open_rooms >= self.old.open_rooms
        )

    def give_up(self) -> None:
        self.old.reports = self.links
        if self.new is not None:
            self.new.stop()

    def switch(self) -> None:
        """The new connection has the old one's place; what both bring is handed on once until
        `part`."""
        self.beside.moved = self.ahead.moved = True

    def part(self) -> None:
        self.old.stop()
        if self.new is not None:
            self.new.reports = self.links


class Move:
    """One or several links that go other ways together, or not at all.

    `make(reports, relay, purpose)`: a link that reports there; `take(old, new)`: puts the new one
    in the old one's place; `on_move(relay, purpose, via, worked)`: how it went, see
    `path_choice.PathChoice.on_move`."""

    def __init__(
        self,
        links: Reports,
        ways: Mapping[Key, route.Via],
        old: Mapping[Key, Link],
        *,
        make: Callable[[Reports, RelayAddress, str], Link],
        take: Callable[[Link, Link], None],
        on_move: OnMove,
    ) -> None:
        self._take = take
        self._on_move = on_move
        self._pairs = {key: _Pair(links, old[key], via) for key, via in ways.items()}
        for (relay, purpose), pair in self._pairs.items():
            pair.new = make(pair.ahead, relay, purpose)
            for room in pair.old.rooms:
                pair.new.open_room(room)
        self.task = asyncio.create_task(self._run(), name="moving links")

    def opened(self, key: Key, room: Room) -> None:
        """The link has a room more."""
        pair = self._pairs.get(key)
        if pair is not None and pair.new is not None and not pair.ahead.moved:
            pair.new.open_room(room)

    def closed(self, key: Key, handle: int) -> None:
        """The link has a room less; without any it is gone."""
        pair = self._pairs.get(key)
        if pair is None:
            return
        spare = pair.old if pair.beside.moved else pair.new
        if spare is not None and any(handle == one for one, *_ in spare.rooms):
            spare.remove(handle)
        pair.ahead.changed.set()

    async def _run(self) -> None:
        pairs = self._pairs.values()
        try:
            async with asyncio.timeout(TRY_S):
                while True:
                    if any(one.ahead.failed or not one.old.rooms for one in pairs):
                        self._give_up(timed_out=False)
                        return
                    if all(one.stands for one in pairs):
                        break
                    await self._something()
        except TimeoutError:
            self._give_up(timed_out=True)
            return
        except asyncio.CancelledError:
            self._give_up(timed_out=False)
            raise
        for (relay, purpose), pair in self._pairs.items():
            assert pair.new is not None
            pair.switch()
            self._take(pair.old, pair.new)
            self._on_move(relay, purpose, pair.via, True)
        try:
            await asyncio.sleep(OVERLAP_S)
            for pair in self._pairs.values():
                pair.old.stop()
            await asyncio.sleep(LATE_S)
        finally:
            for pair in self._pairs.values():
                pair.part()

    async def _something(self) -> None:
        waits = [asyncio.ensure_future(one.ahead.changed.wait()) for one in self._pairs.values()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        for one in self._pairs.values():
            one.ahead.changed.clear()

    def _give_up(self, timed_out: bool) -> None:
        for (relay, purpose), pair in self._pairs.items():
            failed = pair.ahead.failed or (timed_out and not pair.stands)
            pair.give_up()
            self._on_move(relay, purpose, pair.via, False if failed else None)

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """Of the connections that are not the links' own, or no longer."""
        both = [pair.old for pair in self._pairs.values()]
        return [one.task for one in (*both, *(p.new for p in self._pairs.values() if p.new))]
