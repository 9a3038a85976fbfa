"""One agent's page server, a session of the tests, and a real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright, expect

from folkmoot.agent.page import PageServer, bridges_of
from page_session import FakeSession

expect.set_options(timeout=15_000)  # the machine may be busy

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
)
ALLOW = "--use-fake-ui-for-media-stream"  # without it a headless Chromium denies


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not here: apt-get install chromium")
    return found


class World:
    """One agent's page server and one browser."""

    def __init__(self, session: FakeSession, server: PageServer, browser: Browser) -> None:
        self.session = session
        self.server = server
        self.browser = browser
        self.complaints: list[str] = []
        self.addresses: set[str] = set()

    async def serve_again(self, session: FakeSession) -> None:
        """As an agent that is started again after the one before has died."""
        self.server = PageServer(
            session,
            entropy=os.urandom,
            bridge_factory=bridges_of(session),
            note=self.server.note,
        )
        await self.server.start()

    async def open(self, url: str | None = None, **context: Any) -> Page:
        made = await self.browser.new_context(**context)
        page = await made.new_page()
        self.watch(page)
        await page.goto(url or self.server.handover_url())
        return page

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self.addresses.add(request.url))
        page.on("websocket", lambda line: self.addresses.add(line.url))

    def _console(self, message: ConsoleMessage) -> None:
        refused = "ERR_CONNECTION_REFUSED" in message.text  # an agent that is away, on purpose
        if message.type in ("error", "warning") and not refused:
            self.complaints.append(message.text)


@contextlib.asynccontextmanager
async def world(session: FakeSession, *, allow: bool = True) -> AsyncIterator[World]:
    """Ends with the checks that hold for every test: no error, no violation of the content security
    policy, nothing asked of any other place."""
    server = PageServer(session, entropy=os.urandom, bridge_factory=bridges_of(session))
    await server.start()
    here: World | None = None
    try:
        async with async_playwright() as playwright:
            flags = [*FLAGS, ALLOW] if allow else list(FLAGS)
            browser = await playwright.chromium.launch(executable_path=chromium(), args=flags)
            try:
                here = World(session, server, browser)
                yield here
                assert here.complaints == []
                own = re.compile(r"(http|ws)://127\.0\.0\.1:\d+/|file:///|data:|blob:")
                assert not [url for url in here.addresses if not own.match(url)]
            finally:
                await browser.close()
    finally:
        await (here.server if here is not None else server).stop()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def off(what: str) -> dict[str, Any]:
    """What the page says when it switches its microphone or camera off."""
    return {"do": what, "on": False}


def button(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("button", name=name)
