"""Twelve members, on a screen, a large screen and a telephone: every tile is whole, every name can
be read, and one sees who speaks."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from end_to_end.page_world import run, world
from page_session import FakeSession

pytestmark = pytest.mark.browser

SIZES = [(1280, 720), (1920, 1080), (360, 740)]
LETTERS_PX_MIN = 12
NAME_PX_MIN = 30  # of a long name on a small tile: some letters of it, and a mark that it goes on
LONG = "Maximiliane-Theodora von und zu Hohenlohe-Waldenburg"
MEASURED = """(() => {
  const box = (one) => {
    const { left, top, right, bottom, width, height } = one.getBoundingClientRect();
    return { left, top, right, bottom, width, height };
  };
  const grid = document.querySelector(".grid");
  return {
    window: { left: 0, top: 0, right: innerWidth, bottom: innerHeight },
    grid: box(grid),
    scrolls: [grid.scrollWidth > grid.clientWidth,
      document.documentElement.scrollWidth > innerWidth,
      document.documentElement.scrollHeight > innerHeight],
    hidden: grid.scrollHeight - grid.clientHeight,
    tiles: [...document.querySelectorAll(".tile")].map((tile) => {
      const name = tile.querySelector(".tile-name");
      return {
        box: box(tile),
        plate: box(tile.querySelector(".plate")),
        name: box(name),
        whole: name.scrollWidth <= name.clientWidth + 1,
        text: name.textContent,
        letters: parseFloat(getComputedStyle(name).fontSize),
        ring: getComputedStyle(tile, "::after").borderTopColor,
        bars: tile.querySelector(".bars").getBoundingClientRect().width,
      };
    }),
    controls: [...document.querySelectorAll(".control")].map(box),
  };
})()"""


def _within(inner: dict[str, float], outer: dict[str, float]) -> bool:
    return (
        inner["left"] >= outer["left"] - 0.5
        and inner["top"] >= outer["top"] - 0.5
        and inner["right"] <= outer["right"] + 0.5
        and inner["bottom"] <= outer["bottom"] + 0.5
    )


def _apart(one: dict[str, float], other: dict[str, float]) -> bool:
    return (
        one["right"] <= other["left"] + 0.5
        or other["right"] <= one["left"] + 0.5
        or one["bottom"] <= other["top"] + 0.5
        or other["bottom"] <= one["top"] + 0.5
    )


async def _measure(page: Page, size: tuple[int, int]) -> dict[str, Any]:
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    settled = "innerWidth === %d && document.querySelector('.grid').clientWidth <= innerWidth"
    await page.wait_for_function(settled % size[0])
    await page.evaluate("new Promise((done) => setTimeout(done, 250))")  # the grid is laid out anew
    found: dict[str, Any] = await page.evaluate(MEASURED)
    return found


def test_twelve_tiles_fit_and_can_be_read() -> None:
    folder = os.environ.get("FOLKMOOT_ARTEFACTS")

    async def test() -> None:
        session = FakeSession(phase="in", others=11, pictures=7)
        session._set("bbbb0003", name=LONG)
        session._set("bbbb0010", microphone=False, muted=True, hidden=True, name=LONG)
        async with world(session) as here:
            page = await here.open(color_scheme="light", reduced_motion="reduce")
            await expect(page.locator(".tile")).to_have_count(12)
            await expect(page.locator('.tile[data-picture="yes"]')).to_have_count(8)
            for size in SIZES:
                found = await _measure(page, size)
                if folder is not None:
                    await page.screenshot(path=Path(folder) / f"tiles-{size[0]}.png")
                assert found["scrolls"] == [False] * 3, size
                for control in found["controls"]:
                    assert _within(control, found["window"]), size
                tiles = found["tiles"]
                assert len(tiles) == 12
                # All twelve at once, also on a telephone held upright.
                assert found["hidden"] <= 0, size
                for number, tile in enumerate(tiles):
                    assert _within(tile["box"], found["grid"]), (size, tile)
                    assert _within(tile["plate"], tile["box"]), (size, tile)
                    assert _within(tile["name"], tile["plate"]), (size, tile)
                    assert tile["letters"] >= LETTERS_PX_MIN
                    assert tile["name"]["width"] >= NAME_PX_MIN or tile["whole"], (size, tile)
                    if tile["text"] != LONG:
                        assert tile["whole"], (size, tile["text"])
                    for other in tiles[number + 1 :]:
                        assert _apart(tile["box"], other["box"]), (size, tile, other)

    run(test)


def test_who_speaks_is_marked_twice() -> None:
    """By a ring and by a drawing: one who sees no colours sees it too."""

    async def test() -> None:
        session = FakeSession(phase="in", others=2)
        session.state["members"] = [
            {**one, "microphone": False} for one in session.state["members"]
        ]  # nothing of what the page sends comes back

        async def speak() -> None:
            while True:
                session.publish({"event": "speaking", "member": "bbbb0000", "level": 0.5})
                await asyncio.sleep(0.1)

        async with world(session) as here:
            page = await here.open(color_scheme="light", reduced_motion="reduce")
            await expect(page.locator(".tile")).to_have_count(3)
            speaking = asyncio.create_task(speak())
            anna = page.locator('.tile[data-member="bbbb0000"]')
            await expect(anna).to_have_attribute("data-speaking", "yes")
            seen = (await _measure(page, (1280, 720)))["tiles"]
            by_name = {tile["text"]: tile for tile in seen}
            assert by_name["Anna"]["bars"] > 0
            assert by_name["Bertolt Brandt"]["bars"] == 0
            assert by_name["Anna"]["ring"] != by_name["Bertolt Brandt"]["ring"]
            speaking.cancel()
            await expect(anna).to_have_attribute("data-speaking", "no")

    run(test)
