"""Tunnels through a real entry process to a real relay process: links, a meeting, and what ends
them."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end.gathering import Gathering
from end_to_end.material import speech
from end_to_end.processes import Commands
from end_to_end.relay_under_test import RelayUnderTest
from end_to_end.test_links import PROXIES, agents, cell, play, proxy_running, until
from folkmoot.agent import route
from folkmoot.wire.address import RelayAddress

PIN = bytes(32)


@pytest.fixture(scope="module")
def entry() -> Iterator[RelayUnderTest]:
    with RelayUnderTest() as running:
        yield running


@pytest.fixture(scope="module")
def relay() -> Iterator[RelayUnderTest]:
    with RelayUnderTest() as running:
        yield running


def test_cells_cross_through_an_entry(entry: RelayUnderTest, relay: RelayUnderTest) -> None:
    async def scene() -> None:
        via = route.through(entry.address)
        async with agents(1, via=via) as (one,), agents(1) as (other,):
            one.enter(relay.address)
            other.enter(relay.address)
            await until(lambda: one.open == {1} and other.open == {1})
            sent = [cell(number) for number in range(50)]
            for each in sent:
                one.links.send(1, [each])
                await asyncio.sleep(0.02)
            await until(lambda: len(other.cells) == 50 and len(one.cells) == 50)
            assert sorted(other.cells) == sorted((1, each) for each in sent)
            assert sorted(one.cells) == sorted((1, each) for each in sent)
            assert one.states == [(relay.address, "main", True, "")]

    play(scene)
    sums = entry.sums()
    assert (sums["tunnels"], sums["tunnels_total"], sums["tunnels_found_total"]) == (0, 1, 1)
    assert sums["links_total"] == 0
    assert sums["tunnel_bytes_up_total"] > 50 * 384


@pytest.mark.parametrize("kind", PROXIES)
def test_an_entry_is_reached_through_a_proxy(
    entry: RelayUnderTest, relay: RelayUnderTest, kind: str, tmp_path: Path
) -> None:
    async def scene() -> None:
        nothing = RelayAddress("127.0.0.1", _unused_port(), PIN)
        async with agents(1, via=route.through(entry.address, proxy)) as (one,):
            one.enter(relay.address)
            await until(lambda: one.open == {1})
            one.links.send(1, [cell(1)])
            await until(lambda: one.cells)
        said = await refusal(route.through(nothing, proxy), relay.address)
        assert "the entry 127.0.0.1" in said
        assert "would not go" in said

    with proxy_running(kind, tmp_path) as proxy:
        play(scene)


def test_a_tunnel_goes_to_a_name_and_over_ipv6(entry: RelayUnderTest) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")

    async def scene() -> None:
        with RelayUnderTest(listen="[::1]:0") as six, RelayUnderTest() as four:
            named = RelayAddress("localhost", four.address.port, four.address.pin)
            async with agents(2, via=route.through(entry.address)) as (one, other):
                one.enter(six.address)
                other.enter(named)
                await until(lambda: one.open and other.open)

    play(scene)


def test_the_way_is_asked_for_before_each_connection(
    entry: RelayUnderTest, relay: RelayUnderTest
) -> None:
    asked: list[tuple[RelayAddress, str]] = []
    nowhere = RelayAddress("127.0.0.1", _unused_port(), PIN)

    def route_for(to: RelayAddress, purpose: str) -> route.Via:
        asked.append((to, purpose))
        return route.through(nowhere if len(asked) < 3 else entry.address)

    async def scene() -> None:
        async with agents(1, route_for=route_for) as (one,):
            one.enter(relay.address, purpose="voice")
            await until(lambda: one.open == {1})
            (sentence,) = one.sentences
            assert f"the entry 127.0.0.1:{nowhere.port}: nothing listens there" in sentence

    play(scene)
    assert asked == [(relay.address, "voice")] * 3


def test_three_relays_in_a_ring(relay: RelayUnderTest, entry: RelayUnderTest) -> None:
    """Each reached through the next, so that none of them is both ends of a path."""

    async def scene() -> None:
        with RelayUnderTest() as third:
            ring = [relay.address, entry.address, third.address]
            by = {to: route.through(ring[(place + 1) % 3]) for place, to in enumerate(ring)}
            ways = {"route_for": lambda to, purpose: by[to]}
            async with agents(2, **ways) as (one, other):
                for handle, to in enumerate(ring):
                    one.enter(to, handle=handle)
                    other.enter(to, handle=handle)
                await until(lambda: one.open == {0, 1, 2} and other.open == {0, 1, 2})
                for handle in range(3):
                    one.links.send(handle, [cell(handle)])
                await until(lambda: {handle for handle, _ in other.cells} == {0, 1, 2})

    play(scene)


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def refusal(via: route.Via, relay: RelayAddress) -> str:
    """What is said when a link does not come about."""
    async with agents(1, via=via) as (one,):
        one.enter(relay)
        await until(lambda: one.sentences)
        return one.sentences[0]


def test_what_fails_is_said_in_a_sentence(entry: RelayUnderTest, relay: RelayUnderTest) -> None:
    at, to = entry.address, relay.address
    other_key = RelayAddress(at.host, at.port, PIN)
    other_relay = RelayAddress(to.host, to.port, PIN)
    nothing = RelayAddress("127.0.0.1", _unused_port(), PIN)
    cases: list[tuple[RelayAddress, RelayAddress, str]] = [
        (other_key, to, "is not the one that its address names"),
        (at, nothing, "does not get to a relay there"),
        (at, RelayAddress("192.168.7.7", 7443, PIN), "does not get to a relay there"),
        (at, other_relay, "another relay answers: the address is out of date, or the entry"),
        (at, at, "it is the entry too"),
    ]

    async def scene() -> None:
        work = (refusal(route.through(by), goal) for by, goal, _ in cases)
        for said, (_, _, wanted) in zip(await asyncio.gather(*work), cases, strict=True):
            assert wanted in said

    play(scene)


@pytest.mark.parametrize("dying", ["entry", "relay"])
def test_a_link_comes_back_when_either_was_lost(dying: str) -> None:
    async def scene() -> None:
        with RelayUnderTest() as entry, RelayUnderTest() as relay, RelayUnderTest() as spare:
            way = [route.through(entry.address)]
            async with agents(1, route_for=lambda *_: way[0]) as (one,):
                one.enter(relay.address)
                await until(lambda: one.open == {1})
                lost = entry if dying == "entry" else relay
                lost.process.kill()
                way[0] = route.through(spare.address)
                await until(lambda: one.sentences)
                if dying == "entry":
                    await until(lambda: one.open == {1})
                    assert one.states[-1][2]

    play(scene)


def test_an_entry_that_stops_says_so(relay: RelayUnderTest) -> None:
    async def scene() -> None:
        with RelayUnderTest() as entry:
            async with agents(1, via=route.through(entry.address)) as (one,):
                one.enter(relay.address)
                await until(lambda: one.open == {1})
                stopped = asyncio.to_thread(entry.stop)
                status, _, errors = await stopped
                assert status == 0
                await until(lambda: one.sentences)
                assert "This entry is stopping" in one.sentences[0]
                assert "Traceback" not in errors

    play(scene)


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_two_meet_through_an_entry(
    commands: Commands, entry: RelayUnderTest, tmp_path: Path
) -> None:
    gathering = Gathering(commands, tmp_path)
    way = ("--entry", str(entry.address))
    voice = str(speech(tmp_path / "speech.wav"))
    ann = gathering.opens("Ann", *way, "--play", voice, "--loop").is_in()
    bob = gathering.joins("Bob", *way, "--play", voice, "--loop")
    gathering.all_in()
    ann.says("through the entry")
    bob.reads({"through the entry"})
    ann.hears(bob)
    bob.hears(ann)
    gathering.leave(bob, ann)


def test_an_entry_of_the_meeting_itself_is_refused(entry: RelayUnderTest) -> None:
    word = str(entry.address)
    ended = subprocess.run(
        ["folkmoot", "meet", "--headless", "--relay", word, "--entry", word],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "which would see your address all the same" in ended.stderr
