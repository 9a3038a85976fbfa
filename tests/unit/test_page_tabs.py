"""Which tab is the active one, what happens when it goes, and whose camera it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from folkmoot.agent.page import PageServer, server
from page_client import (
    ask,
    closes,
    dial,
    hear,
    hear_until,
    say,
    serving,
    soon,
    tab,
)
from page_session import FakeSession


def test_the_second_tab_waits_and_can_take_over() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as first, tab(page, "two") as second:
            await hear(first)
            assert await hear(second) == {"event": "other_tab"}
            await say(second, do="chat", text="from the tab that waits")
            await say(second, do="take")
            assert (await hear(second))["event"] == "snapshot"
            assert (await hear_until(first, "other_tab")) == {"event": "other_tab"}
            assert session.commands == []
            assert len(session.subscribers) == 1
            await say(first, do="take")
            assert (await hear_until(first, "snapshot"))["phase"] == "in"

    asyncio.run(case())


def test_a_page_that_comes_again_takes_its_own_place() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as first:
            await hear(first)
            async with tab(page) as again:
                assert (await hear(again))["event"] == "snapshot"
                assert (await closes(first))[0] == 1001
                assert len(session.subscribers) == 1

    asyncio.run(case())


def test_a_reloaded_page_is_not_another_tab() -> None:
    async def case() -> None:
        async with serving() as page, tab(page, "before") as before:
            await hear(before)
            async with tab(page, "after") as after:
                await before.close()
                assert (await hear(after))["event"] == "snapshot"

    asyncio.run(case())


def test_too_many_tabs() -> None:
    async def case() -> None:
        async with serving() as page, contextlib.AsyncExitStack() as stack:
            for number in range(server.TABS_MAX):
                await hear(await stack.enter_async_context(tab(page, str(number))))
            async with tab(page, "more") as more:
                assert (await closes(more))[0] == 1013

    asyncio.run(case())


def test_a_closed_tab_is_noticed_after_its_time_and_a_reload_is_not() -> None:
    async def case() -> None:
        gone: list[bool] = []
        async with serving(gone_after_s=0.2) as page:
            page.on_page_gone = lambda: gone.append(True)
            await asyncio.sleep(0.25)
            assert gone == []  # no page was ever there
            async with tab(page, "one") as line:
                await hear(line)
            async with tab(page, "two") as line:
                await hear(line)
                await asyncio.sleep(0.3)
                assert gone == []
            await soon(lambda: gone == [True])

    asyncio.run(case())


def test_stopping_tells_the_page_and_forgets_its_timers() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        gone: list[bool] = []
        page = PageServer(session, entropy=os.urandom, gone_after_s=0.01)
        page.on_page_gone = lambda: gone.append(True)
        await page.start()
        async with tab(page) as line:
            await hear(line)
            await page.stop()
            assert (await closes(line))[0] == 1001
        await asyncio.sleep(0.05)
        assert gone == []
        assert session.subscribers == []

    asyncio.run(case())


# --- sound and picture ---


class FakeBridge:
    """Writes down what the server asks of it."""

    def __init__(self, log: list[Any], on_offer: Callable[[str], None], loopback_only: bool):
        self.log = log
        self.on_offer = on_offer
        log.append(("made", loopback_only))

    async def offer(self) -> None:
        self.on_offer("v=0 offer")

    async def answer(self, sdp: str) -> None:
        if sdp == "bad":
            raise ValueError(sdp)
        self.log.append(("answer", sdp))

    async def close(self) -> None:
        self.log.append("closed")


def test_a_bridge_for_each_fresh_connection() -> None:
    log: list[Any] = []
    states: list[Callable[[str, str], None]] = []

    def factory(
        *,
        on_offer: Callable[[str], None],
        on_state: Callable[[str, str], None],
        loopback_only: bool,
    ) -> FakeBridge:
        states.append(on_state)
        return FakeBridge(log, on_offer, loopback_only)

    async def case() -> None:
        chromium = {"user_agent_header": "Mozilla/5.0 Chrome/156.0"}
        async with serving(bridge_factory=factory) as page, dial(page, **chromium) as line:
            await say(line, do="hello", secret=page.secret, instance="one")
            await hear_until(line, "snapshot")
            await say(line, do="answer", sdp="to nothing")
            await say(line, do="again")
            assert await hear(line) == {"event": "offer", "sdp": "v=0 offer"}
            await say(line, do="answer", sdp="good")
            states[0]("connected", "")
            assert (await hear(line))["state"] == "connected"
            await say(line, do="again")
            await hear_until(line, "offer")
            await say(line, do="again")  # the second never connected: now every address is offered
            await hear_until(line, "offer")
            await say(line, do="answer", sdp="bad")
            await hear_until(line, "error")
        await soon(lambda: log[-1] == "closed")
        assert log == [
            ("made", True),
            ("answer", "good"),
            "closed",
            ("made", True),
            "closed",
            ("made", False),
            "closed",
        ]

    asyncio.run(case())


def test_the_tab_that_takes_over_takes_the_camera() -> None:
    log: list[Any] = []

    def factory(
        *, on_offer: Callable[[str], None], on_state: Any, loopback_only: bool
    ) -> FakeBridge:
        return FakeBridge(log, on_offer, loopback_only)

    async def case() -> None:
        async with serving(bridge_factory=factory) as page, tab(page) as one, tab(page, "2") as two:
            await say(one, do="again")
            await hear_until(one, "offer")
            await hear(two)
            await say(two, do="again")  # not while it waits
            await say(two, do="take")
            await hear_until(two, "snapshot")
            await say(two, do="again")
            await hear_until(two, "offer")
            assert log == [("made", False), "closed", ("made", False)]

    asyncio.run(case())


def test_no_output_names_a_peer(caplog: pytest.LogCaptureFixture) -> None:
    async def case() -> None:
        async with serving() as page:
            await ask(page, "GET", "/")
            await ask(page, "GET", "/", {"Host": "evil.example"})
            async with tab(page) as line:
                await hear(line)
                await line.send("{")
                await closes(line)

    with caplog.at_level(1):
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        asyncio.run(case())
    ours = [record for record in caplog.records if record.name.startswith(("uvicorn", "folkmoot"))]
    assert not [record.getMessage() for record in ours if "127.0.0.1" in record.getMessage()]
