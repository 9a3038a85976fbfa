"""axe-core, the accessibility engine (https://github.com/dequelabs/axe-core): a tool for the tests
alone, which comes from npm and is no part of what is installed."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from playwright.async_api import Page

VARIABLE = "FOLKMOOT_AXE"
MISSING = (
    "axe-core is not here, so accessibility was not judged: `npm pack axe-core`, unpack it, and "
    f"name its axe.min.js in {VARIABLE} (.ci/run does that)"
)
# WCAG 2.0 to 2.2, levels A and AA, and what the makers of the engine hold to be good practice.
ALL = '["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]'
COLOURS = '{ type: "rule", values: ["color-contrast"] }'
RUN = """axe.run({ runOnly: %s, resultTypes: ["violations"] }).then(({ violations }) =>
  violations.map(({ id, nodes }) =>
    [id, nodes.map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`)]))"""


@functools.cache
def engine() -> str | None:
    """Its source, if it is here."""
    named = os.environ.get(VARIABLE)
    return Path(named).read_text() if named else None


async def violations(page: Page, which: str = ALL) -> list[Any]:
    """What is wrong with the page as it is shown now: rule, and the elements that break it. Nothing
    where the engine is not here."""
    source = engine()
    if source is None:
        return []
    # By the debugger's way in: the page's own policy allows no script but its own, and stays.
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(source)
    found: list[Any] = await page.evaluate(RUN % which)
    return found
