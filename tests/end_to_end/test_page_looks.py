"""How the page looks and is heard: wide and narrow, light and dark, for a screen reader, in
Firefox."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from end_to_end import firefox
from end_to_end.page_world import button, run, until, world
from folkmoot.agent.page import PageServer, bridges_of
from page_session import OWN, FakeSession

pytestmark = pytest.mark.browser


DIALOGS = ("Safety code", "Invite somebody", "Connection and rules", "Devices", "Leave")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["wide", "narrow"])
def test_looks(scheme: Any, size: tuple[int, int], tmp_path: Path) -> None:
    """Twelve tiles: nothing sticks out sideways. Accessibility is judged only where axe-core was
    put beside the tests (`npm install --no-save --prefix tests/end_to_end axe-core`)."""
    folder = Path(os.environ.get("FOLKMOOT_ARTEFACTS", tmp_path))
    engine = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

    async def judge(page: Page, what: str) -> None:
        await page.screenshot(path=folder / f"page-{what}-{size[0]}-{scheme}.png")
        assert await page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        if engine.is_file():
            await page.evaluate(engine.read_text())
            found = await page.evaluate("axe.run().then((result) => result.violations)")
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], what

    async def test() -> None:
        session = FakeSession(others=11, pictures=7)
        session.says("bbbb0001", "Anna", "Hello " * 40 + "x" * 300)
        viewport: Any = {"width": size[0], "height": size[1]}
        async with world(session) as here:
            page = await here.open(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
            await expect(page.get_by_label("Your own picture")).to_be_visible()
            await judge(page, "preview")
            await button(page, "Join the meeting").click()
            await expect(page.locator(".tile")).to_have_count(12)
            pictures = page.locator('.tile[data-picture="yes"]')
            await expect(pictures).to_have_count(8, timeout=20000)
            session.knock("k1", "Olga")
            await judge(page, "meeting")
            await page.keyboard.press("Alt+p")
            await judge(page, "people")
            await page.keyboard.press("Alt+c")
            await judge(page, "chat")
            await page.keyboard.press("Escape")
            for name in DIALOGS:
                await button(page, name).first.click()
                await judge(page, name.split()[0].lower())
                await page.keyboard.press("Escape")
            own = page.locator(".tile").first
            await expect(own).to_have_attribute("data-member", OWN)

    run(test)


def test_firefox_joins_hears_and_sees(tmp_path: Path) -> None:
    if firefox.program() is None:
        pytest.skip(firefox.MISSING)

    async def test() -> None:
        session = FakeSession(others=1)
        server = PageServer(session, entropy=os.urandom, bridge_factory=bridges_of(session))
        await server.start()
        try:
            async with firefox.started() as fox:
                await fox.open(server.handover_url())

                async def holds(expression: str) -> None:
                    async with asyncio.timeout(30):
                        while not await fox.evaluate(f"Boolean({expression})"):
                            await asyncio.sleep(0.1)

                await holds("document.querySelector('.join-form button')")
                await fox.evaluate("document.querySelector('.join-form button').click()")
                await holds("document.querySelectorAll('.tile[data-picture=yes]').length === 2")

                def plays() -> bool:
                    figures = [] if server.stats is None else list(server.stats.members.values())
                    return any(
                        one.get("framesDecoded", 0) > 20 and one.get("totalAudioEnergy", 0) > 0
                        for one in figures
                    )

                await until(plays, 30)
                await holds("document.querySelector('.tile:not(.own)[data-speaking=yes]')")
                picture = Path(os.environ.get("FOLKMOOT_ARTEFACTS", tmp_path)) / "page-firefox.png"
                picture.write_bytes(await fox.screenshot())
        finally:
            await server.stop()

    run(test)
