"""Connections that say nothing, say it slowly, or come in hundreds: the page is served all the
same, and the agent's files are not used up."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from folkmoot.agent.page import PageServer, lines
from page_client import (
    ask,
    closes,
    dial,
    exchange,
    hear,
    port_of,
    say,
    serving,
    soon,
    tab,
    token_of,
)

SLACK = 8  # files that the loop itself opens meanwhile
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if os.path.exists("/proc/self/fd") else 0


@contextlib.asynccontextmanager
async def many(page: PageServer, count: int, first: bytes = b"") -> AsyncIterator[list[Line]]:
    """Raw connections, each of which has sent `first`."""
    opened = []
    for _ in range(count):
        line = await asyncio.open_connection("127.0.0.1", port_of(page))
        line[1].write(first)
        opened.append(line)
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()
        for _, writer in opened:
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def upgrade(page: PageServer) -> bytes:
    host = f"127.0.0.1:{port_of(page)}"
    return (
        f"GET /page HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    "first", [b"", b"GET / HT", b"POST /session HTTP/1.1\r\nContent-Length: 900\r\n"]
)
def test_connections_that_never_ask_do_not_keep_the_page_out(first: bytes) -> None:
    async def case() -> None:
        async with serving() as page:
            token = token_of(page)
            before = files()
            async with many(page, 300, first) as opened:
                # Ours have one end each in this process, the server's are bounded.
                assert files() - before <= len(opened) + lines.REQUESTS_MAX + SLACK
                assert (await ask(page, "GET", "/"))[0] == 200
                status, answer = await exchange(page, token)
                assert (status, answer["secret"]) == (200, page.secret)
                async with tab(page) as line:
                    assert (await hear(line))["event"] == "snapshot"

    asyncio.run(case())


def test_a_connection_that_never_ends_its_request_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "REQUEST_S", 0.3)

    async def case() -> None:
        async with serving() as page:
            async with many(page, 3, b"GET / HTTP/1.1\r\nHost: x\r\n") as opened:
                for reader, _ in opened:
                    with contextlib.suppress(ConnectionError):
                        assert await asyncio.wait_for(reader.read(), 10) == b""
            await soon(lambda: len(page._lines) == 0)

    asyncio.run(case())


def test_sockets_that_never_say_the_secret_are_bounded_and_the_page_stays() -> None:
    """They do not answer the server's close either."""

    async def case() -> None:
        async with serving() as page, tab(page) as line:
            assert (await hear(line))["event"] == "snapshot"
            before = files()
            async with many(page, 200, upgrade(page)) as opened:
                for reader, _ in opened:
                    with contextlib.suppress(ConnectionError):
                        await asyncio.wait_for(reader.read(12), 10)
                bound = lines.SOCKETS_MAX + lines.REQUESTS_MAX + SLACK
                assert files() - before <= len(opened) + bound
                assert len(page._lines) <= lines.SOCKETS_MAX + lines.REQUESTS_MAX
                # The open tab is not the one that had to go, and a second one comes in.
                await say(line, do="chat", text="still here")
                while (await hear(line))["event"] != "chat":
                    pass
                async with tab(page, "two") as second:
                    assert (await hear(second))["event"] == "other_tab"

    asyncio.run(case())


def test_a_head_or_message_without_end_is_cut() -> None:
    async def case() -> None:
        async with serving() as page:
            for first in (
                b"GET /" + b"a" * 100_000,
                b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
                b"GET / HTTP/1.1\r\nHost: " + b"h" * 100_000,
            ):
                async with many(page, 1, first) as ((reader, _),):
                    with contextlib.suppress(ConnectionError):
                        answer = await asyncio.wait_for(reader.read(), 10)
                        assert answer == b"" or b" 400 " in answer
            async with dial(page) as line:
                await line.send("x" * (1 << 20))
                assert (await closes(line))[0] in (1006, 1009)
            assert (await ask(page, "GET", "/"))[0] == 200

    asyncio.run(case())
