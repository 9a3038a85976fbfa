"""A link that moves: what both connections bring is handed on once, also what the new one brings
after the old one is gone. (With real relays: `end_to_end/test_ways_back.py`.)"""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from folkmoot.agent import moves, route
from folkmoot.agent.link import Link, Room
from folkmoot.agent.moves import Move
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import Direction, LaneSlot

ROOM: Room = (1, LaneSlot.VOICE, bytes(32), Direction.BOTH)
KEY = RelayAddress("127.0.0.1", 7777, bytes(32)), "main"


class Connection:
    """A link as a move sees it."""

    def __init__(self, reports: Any) -> None:
        self.reports = reports
        self.rooms: list[Room] = []
        self.open_rooms: set[int] = set()
        self.stopped = asyncio.Event()

    def open_room(self, room: Room) -> None:
        self.rooms.append(room)
        self.open_rooms.add(room[0])

    def stop(self) -> None:
        self.stopped.set()


class Above:
    """To whom the links report."""

    def __init__(self) -> None:
        self.cells: list[bytes] = []
        self.entropy = bytes

    def on_cells(self, handle: int, cells: list[bytes]) -> None:
        self.cells += cells

    def on_room(self, handle: int, is_open: bool, reason: str) -> None:
        pass


def test_what_both_bring_comes_once_also_after_the_old_one_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(moves, "OVERLAP_S", 0.05)
    monkeypatch.setattr(moves, "LATE_S", 0.3)

    async def scene() -> None:
        above, made, taken = Above(), list[Connection](), asyncio.Event()
        old = Connection(above)
        old.open_room(ROOM)

        def make(reports: Any, _relay: RelayAddress, _purpose: str) -> Link:
            made.append(Connection(reports))
            return cast(Link, made[-1])

        move = Move(
            cast(Any, above),
            {KEY: route.DIRECT},
            {KEY: cast(Link, old)},
            make=make,
            take=lambda *_: taken.set(),
            on_move=lambda *_: None,
        )
        (new,) = made
        old.reports.on_cells(1, [b"before"])
        new.reports.on_room(1, True, "")
        await taken.wait()
        new.reports.on_cells(1, [b"first by the new"])
        old.reports.on_cells(1, [b"first by the new", b"first by the old", b"last of the old"])
        await old.stopped.wait()
        await asyncio.sleep(0.15)  # longer than both are read, shorter than a link may be silent
        new.reports.on_cells(1, [b"first by the old", b"last of the old", b"by the new alone"])
        await move.task
        assert new.reports is above
        assert above.cells == [
            b"before",
            b"first by the new",
            b"first by the old",
            b"last of the old",
            b"by the new alone",
        ]

    asyncio.run(scene())
