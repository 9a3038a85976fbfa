"""Links against a real relay process over TLS: pins, loss of the relay, bounds, proxies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from folkmoot.agent import link as link_module
from folkmoot.agent import pinned, route
from folkmoot.agent.links import Links
from folkmoot.agent.relay_process import RelayProcess
from folkmoot.agent.send_queue import QUEUE_BYTES_MAX
from folkmoot.relay.key import make_identity, tls_context
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import LANE_RULES, Direction, LaneSlot

PATIENCE_S = 20.0
SEED = bytes(range(32))


class Agent:
    """One agent's links, and all that they said."""

    def __init__(self, **settings: Any) -> None:
        self.cells: list[tuple[int, bytes]] = []
        self.rooms: list[tuple[int, bool, str]] = []
        self.states: list[tuple[RelayAddress, str, bool, str]] = []
        self.open: set[int] = set()
        self.links = Links(
            on_cells=lambda handle, cells: self.cells.extend((handle, cell) for cell in cells),
            on_room=self._room,
            on_link=lambda *state: self.states.append(state),
            **settings,
        )

    def _room(self, handle: int, is_open: bool, reason: str) -> None:
        self.rooms.append((handle, is_open, reason))
        (self.open.add if is_open else self.open.discard)(handle)

    def enter(
        self,
        relay: RelayAddress,
        *,
        handle: int = 1,
        slot: LaneSlot = LaneSlot.VOICE,
        purpose: str = "main",
        direction: Direction = Direction.BOTH,
    ) -> None:
        self.links.open_room(handle, relay, purpose, slot, SEED, direction)

    @property
    def sentences(self) -> list[str]:
        return [sentence for _, _, up, sentence in self.states if not up]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def relay_running() -> AsyncIterator[tuple[RelayProcess, RelayAddress]]:
    relay = RelayProcess("127.0.0.1", 0, lambda _: None)
    try:
        yield relay, await relay.start()
    finally:
        await relay.stop()


@asynccontextmanager
async def agents(count: int, **settings: Any) -> AsyncIterator[list[Agent]]:
    made = [Agent(**settings) for _ in range(count)]
    try:
        yield made
    finally:
        for agent in made:
            await agent.links.close()


def cell(number: int, slot: LaneSlot = LaneSlot.VOICE) -> bytes:
    return number.to_bytes(8, "big") + os.urandom(LANE_RULES[slot].cell_bytes - 8)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(4 * PATIENCE_S):
            await scene()

    asyncio.run(whole())


def test_cells_cross_and_come_back_to_their_sender() -> None:
    async def scene() -> None:
        async with relay_running() as (_, relay), agents(2) as (one, two):
            one.enter(relay)
            two.enter(relay)
            # The same key as the picture's room of another purpose: a connection of its own.
            one.enter(relay, handle=2, slot=LaneSlot.PICTURE, purpose="show")
            await until(lambda: one.open == {1, 2} and two.open == {1})
            sent = [cell(number) for number in range(4)]
            for each in sent:
                one.links.send(1, [each])
            await until(lambda: len(two.cells) >= 4 and len(one.cells) >= 4)
            assert sorted(two.cells) == sorted((1, each) for each in sent)
            assert sorted(one.cells) == sorted((1, each) for each in sent)
            assert one.states == [(relay, "main", True, ""), (relay, "show", True, "")]
            one.links.close_room(1)
            one.links.send(1, [cell(9)])
            two.links.send(1, [cell(10)])
            await until(lambda: len(two.cells) == 5)
            assert len(one.cells) == 4  # nothing after the room was closed

    play(scene)


def test_nothing_is_left_running_after_the_last_room() -> None:
    async def scene() -> None:
        async with relay_running() as (_, relay), agents(1) as (one,):
            before = len(asyncio.all_tasks())
            one.enter(relay)
            await until(lambda: one.open)
            one.links.close_room(1)
            await until(lambda: len(asyncio.all_tasks()) == before)
            one.enter(relay)  # and the same handle can be used again
            await until(lambda: one.open)
            await one.links.close()
            assert len(asyncio.all_tasks()) == before

    play(scene)


def test_each_purposes_way_is_told_as_it_goes() -> None:
    async def scene() -> None:
        went: list[tuple[str, route.Via | None, bool | None]] = []
        async with (
            relay_running() as (process, relay),
            agents(1, on_way=lambda _, *how: went.append(how)) as (one,),
        ):
            one.enter(relay)
            one.enter(relay, handle=2, slot=LaneSlot.PICTURE, purpose="show")
            await until(lambda: one.open == {1, 2})
            assert sorted(went) == [
                ("main", route.DIRECT, True),
                ("show", route.DIRECT, True),
            ]
            one.links.close_room(2)
            assert went[2:] == [("show", route.DIRECT, None)]
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            await until(lambda: 1 not in one.open)
            await until(lambda: 1 in one.open)
            assert went[3] == ("main", route.DIRECT, False)
            assert went[-1] == ("main", route.DIRECT, True)
            assert {purpose for purpose, *_ in went[3:]} == {"main"}

    play(scene)


def test_a_link_without_a_way_says_so_and_one_closed_at_once_is_never_asked_for() -> None:
    async def scene() -> None:
        asked: list[str] = []
        went: list[tuple[object, ...]] = []

        def none(relay: RelayAddress, purpose: str) -> route.Via:
            asked.append(purpose)
            raise route.RouteError("there is none")

        relay = RelayAddress("192.0.2.1", 4433, bytes(32))
        async with agents(1, route_for=none, on_way=lambda *how: went.append(how)) as (one,):
            one.enter(relay)
            one.enter(relay, handle=2, slot=LaneSlot.PICTURE, purpose="show")
            one.links.close_room(2)
            assert went == [(relay, "show", None, None)]
            await until(lambda: len(went) > 1)
            assert went[1] == (relay, "main", None, False)
            assert set(asked) == {"main"}

    play(scene)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_relay_that_dies_and_returns_has_the_rooms_again(sign: signal.Signals) -> None:
    async def scene() -> None:
        async with relay_running() as (process, relay), agents(2) as both:
            one, two = both
            for agent in both:
                agent.enter(relay)
            await until(lambda: one.open and two.open)
            assert process.pid is not None
            os.kill(process.pid, sign)
            await until(lambda: not one.open and not two.open)
            one.links.send(1, [cell(0)])
            await until(lambda: one.open and two.open)
            one.links.send(1, [late := cell(1)])
            await until(lambda: two.cells)
            assert two.cells == [(1, late)]  # what was sent in between is gone
            assert [up for _, _, up, _ in one.states if up] == [True, True]
            assert [state for _, state, _ in one.rooms] == [True, False, True]
            assert len(set(one.sentences)) == len(one.sentences)  # each is said once

    play(scene)


@asynccontextmanager
async def impostor(
    answer: bytes = b"", context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, int, list[bytes], list[float]]]:
    """Something that is no relay: what it hears, and when it was connected to."""
    heard: list[bytes] = []
    moments: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        moments.append(asyncio.get_running_loop().time())
        if answer:
            heard.append(await reader.read(4096))
            writer.write(answer)
        else:
            try:
                heard.append(await asyncio.wait_for(reader.read(4096), 0.3))
            except (TimeoutError, OSError):
                heard.append(b"")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield host, port, heard, moments


def test_a_wrong_pin_is_seen_before_the_first_byte_of_http() -> None:
    async def scene() -> None:
        identity = make_identity()
        async with impostor(context=tls_context(identity)) as (host, port, heard, _):
            async with agents(1) as (one,):
                one.enter(RelayAddress(host, port, bytes(32)))
                await until(lambda: one.sentences and heard)
                assert "this is not the relay that the invite names" in one.sentences[0]
                assert heard == [b""]
            async with agents(1) as (control,):
                control.enter(RelayAddress(host, port, identity.pin))
                await until(lambda: len(heard) > 1)
                assert heard[1].startswith(b"GET /link/1 HTTP/1.1\r\n")
                assert b"agent" not in heard[1].lower()

    play(scene)


@pytest.mark.parametrize(
    ("answer", "tls", "expected"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "none", "TLS"),
        (b"x", "1.2", "TLS"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "1.3", "another version"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "1.3", "takes no links (HTTP status"),
        (b"220 mail.example ESMTP\r\n", "1.3", "is not a relay"),
    ],
)
def test_what_is_no_relay_is_said_so(answer: bytes, tls: str, expected: str) -> None:
    async def scene() -> None:
        identity = make_identity()
        context = None if tls == "none" else tls_context(identity)
        if context is not None and tls == "1.2":
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        async with impostor(answer, context) as (host, port, _, _), agents(1) as (one,):
            one.enter(RelayAddress(host, port, identity.pin))
            await until(lambda: one.sentences)
            assert expected in one.sentences[0]
            assert one.sentences[0].startswith(f"{host}:{port}: ")

    play(scene)


def test_tries_grow_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "BACKOFF_FIRST_S", 0.05)
    monkeypatch.setattr(link_module, "BACKOFF_MAX_S", 0.4)

    async def scene() -> None:
        monkeypatch.setattr(pinned, "secure", _broken)
        # Each try ends at once: there is no pause but the backoff's own.
        async with impostor() as (host, port, _, moments), agents(1) as (one,):
            one.enter(RelayAddress(host, port, bytes(32)))
            await until(lambda: len(moments) >= 7)
            gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
            least = [0.05, 0.1, 0.2, 0.4, 0.4, 0.4]
            assert all(gap >= wanted for gap, wanted in zip(gaps, least, strict=False))
            assert len(one.sentences) == 1  # said once, not at every try

    play(scene)


async def _broken(stream: Any, pin: bytes | None) -> Any:
    await stream.aclose()
    raise pinned.NoRelay("the connection was closed in the TLS handshake")


def test_a_wrong_proof_ends_the_link_with_the_relays_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secure = pinned.secure

    async def other_pin(stream: Any, pin: bytes | None) -> Any:
        tls, _ = await secure(stream, pin)
        return tls, bytes(32)  # as one would have it who carries proofs from one relay to another

    async def scene() -> None:
        async with relay_running() as (_, relay), agents(2) as (good, bad):
            good.enter(relay)
            await until(lambda: good.open)
            monkeypatch.setattr(pinned, "secure", other_pin)
            bad.enter(relay)
            await until(lambda: bad.sentences)
            assert "proof" in bad.sentences[0]
            assert not bad.open
            good.links.send(1, [cell(1)])
            await until(lambda: good.cells)
            assert good.open == {1}

    play(scene)


def test_a_relay_that_stops_reading_costs_bounded_memory() -> None:
    async def scene() -> None:
        async with relay_running() as (process, relay), agents(1) as (one,):
            one.enter(relay, slot=LaneSlot.PICTURE)
            await until(lambda: one.open)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGSTOP)
            try:
                for number in range(600):
                    one.links.send(1, [cell(number, LaneSlot.PICTURE)] * 64)
                    await asyncio.sleep(0)
                link = next(iter(one.links._links.values()))
                assert link.queue.waiting_bytes <= QUEUE_BYTES_MAX[LaneSlot.PICTURE]
                assert one.links.dropped > 100
            finally:
                os.kill(process.pid, signal.SIGCONT)
            # The relay saw a flood and ends the link, or the link goes on: the room is there again.
            await until(lambda: one.open)

    play(scene)


def test_a_relay_that_goes_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "SILENCE_S", 0.3)

    async def scene() -> None:
        async with relay_running() as (process, relay), agents(1) as (one,):
            one.enter(relay)
            await until(lambda: one.open)
            assert process.pid is not None
            os.kill(process.pid, signal.SIGSTOP)
            try:
                one.links.send(1, [cell(1)])
                await until(lambda: one.sentences)
                assert "went silent" in one.sentences[0]
            finally:
                os.kill(process.pid, signal.SIGCONT)
            await until(lambda: one.open)

    play(scene)


def test_a_link_that_is_renewed_comes_back_by_a_way_that_is_asked_for_anew() -> None:
    async def scene() -> None:
        asked: list[str] = []

        def route_for(relay: RelayAddress, purpose: str) -> route.Via:
            asked.append(purpose)
            return route.DIRECT

        async with relay_running() as (_, address), agents(1) as (one,):
            one.links.route_for = route_for
            one.enter(address)
            await until(lambda: one.open)
            one.links.renew(RelayAddress(address.host, address.port, bytes(32)))  # another
            one.links.renew(address)
            await until(lambda: not one.open)
            await until(lambda: one.open)
            assert asked == ["main", "main"]
            one.links.send(1, [cell(1)])
            await until(lambda: one.cells)

    play(scene)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


PROXIES = {"socks5": "microsocks", "http": "tinyproxy"}


@contextlib.contextmanager
def proxy_running(kind: str, folder: Path) -> Iterator[route.Via]:
    """A proxy that we did not write; skips the test where there is none."""
    program = shutil.which(PROXIES[kind])
    if program is None:
        pytest.skip(f"needs {PROXIES[kind]}: apt-get install {PROXIES[kind]}")
    port = _free_port()
    settings = folder / "tinyproxy.conf"
    settings.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 20\n")
    command = {
        "socks5": [program, "-i", "127.0.0.1", "-p", str(port)],
        "http": [program, "-d", "-c", str(settings)],
    }[kind]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as proxy:
        try:
            yield route.parse_via(f"{kind}://127.0.0.1:{port}")
        finally:
            proxy.terminate()


@pytest.mark.parametrize("kind", PROXIES)
def test_links_go_through_real_proxies(kind: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with relay_running() as (_, address):
            # A name, so that the far end has to resolve it.
            relay = RelayAddress("localhost", address.port, address.pin)
            async with agents(1, via=via) as (hidden,), agents(1) as (direct,):
                hidden.enter(relay)
                direct.enter(address)
                await until(lambda: hidden.open and direct.open)
                hidden.links.send(1, [cell(1)])
                await until(lambda: direct.cells)
            closed = RelayAddress("127.0.0.1", _free_port(), address.pin)
            async with agents(1, via=via) as (lost,):
                lost.enter(closed)
                await until(lambda: lost.sentences)
                assert "would not go to the relay" in lost.sentences[0]

    with proxy_running(kind, tmp_path) as via:
        play(scene)
