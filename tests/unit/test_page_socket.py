"""The socket of the page: the secret first, then well-formed messages at a human pace."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from folkmoot.agent.page import messages, strangers
from folkmoot.agent.page.strangers import STRANGERS_MAX
from page_client import (
    closes,
    dial,
    hear,
    hear_until,
    own,
    port_of,
    say,
    serving,
    soon,
    tab,
)
from page_session import FakeSession


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (None, None, 403),
        ("http://evil.example", None, 403),
        ("null", None, 403),
        ("http://127.0.0.1:1", None, 403),
        ("own", "evil.example", 421),
        ("own", "localhost", 421),
    ],
)
def test_a_socket_of_a_stranger(origin: str | None, host: str | None, status: int) -> None:
    async def case() -> None:
        async with serving() as page:
            given = own(page) if origin == "own" else origin
            options: dict[str, Any] = {"origin": given}
            if host is not None:
                # The address is looked up under the forged name, and led to us: DNS rebinding.
                options["sock"] = socket.create_connection(("127.0.0.1", port_of(page)))
                uri = f"ws://{host}:{port_of(page)}/page"
                forged = connect(uri, compression=None, **options)
            else:
                forged = dial(page, **options)
            with pytest.raises(InvalidStatus) as refused:
                async with forged:
                    pass
            assert refused.value.response.status_code == status

    asyncio.run(case())


@pytest.mark.parametrize(
    "first",
    [
        '{"do":"hello","secret":"wrong","instance":"one"}',
        '{"do":"hello","secret":"","instance":"one"}',
        '{"do":"hello","instance":"one"}',
        '{"do":"take"}',
        '{"do":"proof","proof":"x"}',
        '{"do":"chat","text":"hello"}',
        "{",
        b'{"do":"take"}',
    ],
)
def test_the_first_message_must_be_the_secret(first: str | bytes) -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, dial(page) as line:
            await line.send(first)
            code, reason = await closes(line)
            assert (code, reason) == (1008, "This page does not have the key of this meeting.")
            assert session.commands == []
            assert session.subscribers == []

    asyncio.run(case())


def test_who_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "HELLO_S_MAX", 0.05)

    async def case() -> None:
        async with serving() as page, dial(page) as line:
            assert (await closes(line))[0] == 1008

    asyncio.run(case())


def test_many_strangers_do_not_keep_the_page_out() -> None:
    async def case() -> None:
        async with serving() as page, contextlib.AsyncExitStack() as stack:
            crowd = [await stack.enter_async_context(dial(page)) for _ in range(2 * STRANGERS_MAX)]
            async with tab(page) as line:
                assert (await hear(line))["event"] == "snapshot"
            assert (await closes(crowd[0]))[0] == 1008

    asyncio.run(case())


def test_a_page_hears_and_does() -> None:
    async def case() -> None:
        session = FakeSession(phase="in", others=1)
        async with serving(session) as page, tab(page) as line:
            first = await hear(line)
            assert first["event"] == "snapshot"
            assert first["members"][1]["name"] == "Anna"
            assert set("".join(first["invite_qr"])) == {"0", "1"}
            await say(line, do="chat", text="hello <b>all</b>")
            assert (await hear_until(line, "chat"))["text"] == "hello <b>all</b>"
            assert session.done("chat") == [{"do": "chat", "text": "hello <b>all</b>"}]
            await say(line, do="stats", members={"m": {"framesDecoded": 9}}, sent={})
            await soon(lambda: page.stats is not None)
            assert page.stats == messages.Stats({"m": {"framesDecoded": 9}}, {})
            await say(line, do="vote", motion="m", choice="yes")
            assert (await hear_until(line, "refused"))["what"] == "vote"

    asyncio.run(case())


def test_a_session_that_fails_costs_the_page_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(FakeSession):
        def do(self, command: dict[str, Any]) -> None:
            raise RuntimeError("broken")

    async def case() -> None:
        async with serving(Failing(phase="in")) as page, tab(page) as line:
            await say(line, do="chat", text="x")
            assert (await hear_until(line, "error"))["message"] == "That did not work."
            await say(line, do="chat", text="x")
            await hear_until(line, "error")

    with caplog.at_level(logging.CRITICAL):
        asyncio.run(case())


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1008),
        ('{"do":"fly"}', 1008),
        ('{"do":"chat","text":7}', 1008),
        ('{"do":"chat","text":"' + "x" * 5000 + '"}', 1008),
        (b"binary", 1008),
        ("x" * (messages.TEXT_BYTES_MAX + 1), 1009),
    ],
)
def test_malformed_and_oversized_messages_close_the_socket(message: str | bytes, code: int) -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as line:
            await hear(line)
            await line.send(message)
            assert (await closes(line))[0] == code
            assert session.commands == []
            async with tab(page) as again:  # and the page may come back
                assert (await hear(again))["event"] == "snapshot"

    asyncio.run(case())


def test_a_flood_is_cut() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as line:

            async def flood() -> None:
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(2000):
                        await say(line, do="mute", member="m")

            flooding = asyncio.create_task(flood())
            assert await closes(line) == (1008, "The page sends too much.")
            await flooding
            assert len(session.commands) < 200

    asyncio.run(case())
