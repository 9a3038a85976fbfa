"""A link that went by another entry than planned goes back to it, over real relay processes: no
cell is lost or comes twice, and no room closes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from end_to_end.relay_under_test import RelayUnderTest
from end_to_end.test_links import Agent, agents, cell, play, until
from folkmoot.agent import links, moves, route
from folkmoot.agent.path_choice import Link, PathChoice, Wish
from folkmoot.governance import Relay
from folkmoot.meeting import paths, ways_back
from folkmoot.meeting.relay_book import RelayUse
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import LaneSlot

pytestmark = pytest.mark.alone

ROOM, PICTURE = 1, 9


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ways_back, "BACK_FIRST_S", 0.5)
    monkeypatch.setattr(links, "LOOK_BACK_S", 0.05)
    monkeypatch.setattr(moves, "OVERLAP_S", 0.5)
    monkeypatch.setattr(moves, "LATE_S", 1.0)
    monkeypatch.setattr(paths, "FAILED_S", 60.0)  # so that a link that breaks goes elsewhere


class Ring:
    """Three relays, of which one can go and come back as the same."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.relays = [self._start(number, "127.0.0.1:0") for number in range(3)]
        self.addresses = [one.address for one in self.relays]

    def _start(self, number: int, listen: str) -> RelayUnderTest:
        return RelayUnderTest("--state", str(self._folder / str(number)), listen=listen)

    def kill(self, number: int) -> None:
        self.relays[number].__exit__(None, None, None)

    def start_again(self, number: int) -> None:
        at = self.addresses[number]
        self.relays[number] = self._start(number, f"{at.host}:{at.port}")
        assert self.relays[number].address == at

    def close(self) -> None:
        for one in self.relays:
            one.__exit__(None, None, None)


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    made = Ring(tmp_path)
    with contextlib.closing(made):
        yield made


class Hidden:
    """An agent that hides behind the ring, and by what each of its links goes."""

    def __init__(self, ring: Ring) -> None:
        uses = [RelayUse(Relay(one), "in use", "room") for one in ring.addresses]
        self.choice = PathChoice(Wish(), lambda: uses, turn=0)
        self.moved: list[tuple[RelayAddress, bool | None]] = []
        self.ring = ring
        self.agent = Agent(
            route_for=self.choice.route_for,
            on_way=self.choice.on_way,
            ways_back=self.choice.ways_back,
            on_move=self._on_move,
        )

    def _on_move(
        self, relay: RelayAddress, purpose: str, via: route.Via, worked: bool | None
    ) -> None:
        self.moved.append((relay, worked))
        self.choice.on_move(relay, purpose, via, worked)

    def by(self, number: int, purpose: str = "main") -> int | None:
        """The number of the entry by which a relay is reached."""
        link: Link = self.ring.addresses[number], purpose
        via = self.choice._links.get(link)
        if via is None or link not in self.choice._up or via.entry is None:
            return None
        return self.ring.addresses.index(via.entry)


@asynccontextmanager
async def hidden(ring: Ring) -> AsyncIterator[Hidden]:
    made = Hidden(ring)
    for number, address in enumerate(ring.addresses):
        made.agent.enter(address, handle=ROOM + number)
    try:
        await until(lambda: made.agent.open == {1, 2, 3})
        yield made
    finally:
        await made.agent.links.close()


async def off_the_plan(one: Hidden) -> None:
    """The first is reached by the second, as the third went, which is its planned entry."""
    assert [one.by(number) for number in range(3)] == [2, 0, 1]
    one.ring.kill(2)
    await until(lambda: one.by(0) == 1 and one.by(2) is None)
    await until(lambda: ROOM in one.agent.open)


def test_a_link_goes_back_without_a_gap(ring: Ring) -> None:
    async def scene() -> None:
        async with hidden(ring) as one, agents(1) as (other,):
            first = ring.addresses[0]
            other.enter(first, handle=ROOM)
            await off_the_plan(one)
            await until(lambda: (first, False) in one.moved)  # it is tried, and does not work
            ring.start_again(2)
            rooms = len([state for state in one.agent.rooms if state[0] == ROOM])
            mine, theirs = list[bytes](), list[bytes]()

            async def talk() -> None:
                number = 100
                while True:
                    for agent, sent in ((one.agent, mine), (other, theirs)):
                        sent.append(cell(number := number + 1))
                        agent.links.send(ROOM, [sent[-1]])
                    await asyncio.sleep(0.02)

            talking = asyncio.create_task(talk())
            try:
                await until(lambda: one.by(0) == 2)
                at = len(mine)
                await until(lambda: len(mine) > at + 50)  # past the time of both connections
            finally:
                talking.cancel()
            for agent in (one.agent, other):
                of_room = [each for handle, each in agent.cells if handle == ROOM]
                await until(partial(_has_all, agent, [*mine, *theirs]))
                assert len(of_room) == len(set(of_room)), "each comes once"
            assert one.agent.rooms.count((ROOM, True, "")) >= 2
            assert len([state for state in one.agent.rooms if state[0] == ROOM]) == rooms
            assert [one.by(number) for number in range(2)] == [2, 0]
            assert ring.relays[1].sums()["tunnels"] <= 1  # the old way is closed

    play(scene)


def _has_all(agent: Agent, sent: list[bytes]) -> bool:
    return {each for _, each in agent.cells} >= set(sent)


def test_the_old_way_carries_on_while_the_new_one_does_not_work(ring: Ring) -> None:
    async def scene() -> None:
        async with hidden(ring) as one:
            first = ring.addresses[0]
            await off_the_plan(one)
            states = list(one.agent.states)
            await until(lambda: one.moved.count((first, False)) >= 2)
            assert ROOM in one.agent.open
            assert one.by(0) == 1
            one.agent.links.send(ROOM, [sent := cell(1)])
            await until(lambda: (ROOM, sent) in one.agent.cells)
            assert [each for each in one.agent.states[len(states) :] if each[0] == first] == []

    play(scene)


def test_rooms_that_come_and_go_meanwhile_are_on_the_new_way(ring: Ring) -> None:
    async def scene() -> None:
        async with hidden(ring) as one:
            first = ring.addresses[0]
            await off_the_plan(one)
            one.agent.enter(first, handle=20, slot=LaneSlot.COUNCIL)
            await until(lambda: 20 in one.agent.open)
            ring.start_again(2)
            await until(lambda: one.agent.links._move is not None)
            one.agent.enter(first, handle=21, slot=LaneSlot.DOOR)
            one.agent.links.close_room(20)
            await until(lambda: one.by(0) == 2)
            await until(lambda: one.agent.links._move is None)
            assert {ROOM, 21} <= one.agent.open
            one.agent.links.send(ROOM, [sent := cell(1)])
            await until(lambda: (ROOM, sent) in one.agent.cells)
            one.agent.links.close_room(21)
            one.agent.links.close_room(ROOM)
            await until(lambda: one.by(0) is None)

    play(scene)


def test_an_entry_that_stops_says_so_and_another_is_taken_at_once(ring: Ring) -> None:
    async def scene() -> None:
        async with hidden(ring) as one:
            first = ring.addresses[0]
            status, _, _ = await asyncio.to_thread(ring.relays[2].stop)
            assert status == 0
            await until(lambda: one.by(0) == 1)
            said = [state for state in one.agent.states if state[0] == first and not state[2]]
            assert ["This entry is stopping" in sentence for *_, sentence in said] == [True]

    play(scene)


def test_closing_amid_a_move_leaves_nothing_running(ring: Ring) -> None:
    async def scene() -> None:
        async with hidden(ring) as one:
            await off_the_plan(one)
            ring.start_again(2)
            await until(lambda: one.agent.links._move is not None)
            await one.agent.links.close()
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert not {name for name in names if name.startswith(("link", "moving", "ways"))}

    play(scene)
