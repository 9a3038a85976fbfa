"""A real meeting that governs itself: six headless members and one at a page in Chromium, of whom
five have a vote and two are guests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")

from playwright.async_api import expect

from end_to_end.browser_people import AtChromium, Town, town
from end_to_end.page_world import button
from end_to_end.processes import Command, Event

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
CHARTER = 'preset = "circle"\nelectors = "vouched"\n'


async def _said(command: Command, kind: str, /, **fields: object) -> Event:
    return await asyncio.to_thread(command.wait_for, kind, **fields)


async def _answers(motion: str, choice: str, *commands: Command) -> None:
    for one in commands:
        await _said(one, "motion", motion=motion)
        one.do(do="vote", motion=motion, choice=choice)


async def _insists(motion: str, one: Command, member: str) -> None:
    """Says yes until that counts: who was only just started again may hear of the first vote, and
    of its own yes to that, before it hears that it is over, and so has no other to give."""
    await _said(one, "motion", motion=motion)
    for _ in range(30):
        one.do(do="vote", motion=motion, choice="yes")
        await asyncio.sleep(1)
        said = [x for x in one.events if x["event"] == "ballot" and x["motion"] == motion]
        if any(x["by"] == member for x in said):
            return
    raise AssertionError(one.events)


class Moot:
    """Ada, Bob, Cy, Dee and Pia vote; Eve and Fay are guests."""

    def __init__(self, here: Town, folder: Path) -> None:
        self.here = here
        self.rules = folder / "charter.toml"
        self.rules.write_text(CHARTER)
        self.who: dict[Command, str] = {}

    async def gather(self) -> None:
        start = self.here.commands.start
        self.ada = start(
            *("meet", "--headless", "--listen", "127.0.0.1:0", "--name", "Ada"),
            *("--charter", str(self.rules), "--admit", "all"),
        )
        self.invite = str((await _said(self.ada, "invite"))["invite"])
        self.bob, self.cy, self.dee, self.eve, self.fay = (
            start("join", self.invite, "--headless", "--name", name)
            for name in ("Bob", "Cy", "Dee", "Eve", "Fay")
        )
        self.pia: AtChromium = await self.here.at_chromium("Pia", "join", self.invite)
        await self.pia.joins()
        self.all = [self.ada, self.bob, self.cy, self.dee, self.eve, self.fay, self.pia.command]
        for one in self.all:
            await _said(one, "epoch", members=7)
            self.who[one] = str((await _said(one, "joined"))["member"])

    async def raise_all(self) -> None:
        """Each by those who vote already, of whom the founder is the first."""
        electors = [self.ada]
        for one in (self.bob, self.cy, self.dee, self.pia.command):
            self.ada.do(do="move", kind="raise", subject=self.who[one])
            motion = str((await _said(self.ada, "motion", subject=self.who[one]))["motion"])
            await _answers(motion, "yes", *electors)
            for other in self.all:
                await _said(other, "decided", motion=motion, carried=True)
            electors.append(one)


def test_members_govern_themselves_whoever_is_away(tmp_path: Path) -> None:
    async def scenario(here: Town) -> None:
        moot = Moot(here, tmp_path)
        await moot.gather()
        await moot.raise_all()
        ada, bob, cy, dee, eve, fay = moot.all[:6]
        page, pia, who = moot.pia.page, moot.pia.command, moot.who

        # Four of the five who vote are needed; a guest's word counts for nothing.
        bob.do(do="move", kind="remove", subject=who[eve])
        motion = str((await _said(ada, "motion", kind="remove"))["motion"])
        assert (await _said(fay, "motion", motion=motion))["needed"] == 4
        fay.do(do="vote", motion=motion, choice="yes")
        assert (await _said(fay, "refused", what="vote"))["why"] == "You have no vote on this."
        await _answers(motion, "yes", bob, cy, dee)
        await button(page, "See the vote").click()
        card = page.locator(".vote")
        await expect(card).to_contain_text("3 of the 4 that are needed said yes.")
        await _answers(motion, "no", ada)
        await button(page, "Vote no on removing Eve").click()
        await button(page.get_by_role("dialog"), "Vote no").click()
        for one in moot.all:
            await _said(one, "decided", motion=motion, carried=False)

        # One who votes dies, and is back in the same seat.
        dee.process.kill()
        dee.end()
        again = here.commands.start(
            "join", moot.invite, "--headless", "--name", "Dee", state=dee.state
        )
        assert (await _said(again, "joined"))["member"] == who[dee]

        # Asked for in the page; with four it carries, hers among them.
        await button(page, "Ask for a vote to remove Eve").click()
        await button(page.get_by_role("dialog"), "Ask for the vote").click()
        motion = str((await _said(ada, "motion", by=who[pia]))["motion"])
        await _answers(motion, "yes", ada, bob, cy)
        await _insists(motion, again, who[dee])
        for one in (ada, bob, cy, again, fay, pia):
            await _said(one, "member_out", member=who[eve], cause="removed")
        assert "4 said yes where 4 were needed" in (await _said(eve, "left"))["why"]

        # Those who vote walk out. Fay, a guest, is left with nobody who could commit anything, not
        # even the last farewells; it reads nothing of what they say.
        going = (ada, bob, cy, again, pia)
        called = [who[one] for one in (bob, cy, dee, pia)]
        ada.do(do="secede", **{"with": called})
        call = str((await _said(ada, "motion", kind="secede"))["motion"])
        await _answers(call, "yes", bob, cy, again)
        await expect(page.get_by_text("Ada calls")).to_be_visible()
        await button(page, "Come along with Ada").click()
        await button(page.get_by_role("dialog"), "Come along").click()
        for one in going:
            assert len((await _said(one, "seceded"))["members"]) == 5
        await expect(page.locator(".tile")).to_have_count(5)
        await expect(page.locator(".tile-name", has_text="Fay")).to_have_count(0)
        bob.do(do="chat", text="here we are")
        await expect(page.get_by_text("here we are")).to_have_count(0)  # the chat is not open
        await page.keyboard.press("Alt+c")
        await expect(page.get_by_text("here we are")).to_be_visible()
        for one in going:
            await _said(one, "chat", text="here we are")
        assert "here we are" not in str(fay.events)
        for one in (ada, bob, cy, again, fay):
            one.do(do="leave")

    async def run() -> None:
        async with town(tmp_path) as here:
            await scenario(here)

    asyncio.run(run())
