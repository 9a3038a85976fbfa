"""A real meeting under a charter with votes: headless members, and one at a page in Chromium."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")

from playwright.async_api import expect

from end_to_end.browser_people import Town, town
from end_to_end.page_world import button
from end_to_end.processes import Command, Event

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
REMOVED = "You were removed by a vote"


async def _said(command: Command, kind: str, /, **fields: object) -> Event:
    return await asyncio.to_thread(command.wait_for, kind, **fields)


async def _yes(motion: str, *commands: Command) -> None:
    for one in commands:
        await _said(one, "motion", motion=motion)
        one.do(do="vote", motion=motion, choice="yes")


def test_a_removal_fails_with_too_few_votes_and_carries_with_enough(tmp_path: Path) -> None:
    async def scenario(here: Town) -> None:
        ada = here.commands.start(
            *("meet", "--headless", "--listen", "127.0.0.1:0", "--name", "Ada"),
            *("--charter", "circle", "--admit", "all"),
        )
        invite = (await _said(ada, "invite"))["invite"]
        more = [
            here.commands.start("join", invite, "--headless", "--admit", "all", "--name", name)
            for name in ("Bob", "Cy", "Dee")
        ]
        bob, cy, dee = more
        pia = await here.at_chromium("Pia", "join", invite)
        page = pia.page
        await expect(page.get_by_text("Somebody is removed only when more than")).to_be_visible()
        await pia.joins()
        who = {one: str((await _said(one, "joined"))["member"]) for one in (*more, pia.command)}
        for one in (ada, *more, pia.command):
            await _said(one, "epoch", members=5)

        # Other rules, proposed in the page: what would change is shown before anybody is asked.
        await button(page, "connected").click()
        dialog = page.get_by_role("dialog")
        await button(dialog, "Propose other rules…").click()
        dialog = page.get_by_role("dialog").last
        await dialog.get_by_label("How the rules and the relays").select_option("at least 3/4")
        await expect(dialog).to_contain_text("These rules change only when at least three quarters")
        await button(dialog, "Put it to the vote").click()
        await page.keyboard.press("Escape")
        motion = str((await _said(ada, "motion", kind="amend"))["motion"])
        await _yes(motion, ada, bob, cy, dee)
        for one in (ada, *more, pia.command):
            await _said(one, "decided", motion=motion, carried=True)
        await expect(page.get_by_text("The rules were changed by a vote").first).to_be_attached()

        # Four of five are needed, and one says no.
        bob.do(do="move", kind="remove", subject=who[dee])
        motion = str((await _said(ada, "motion", kind="remove"))["motion"])
        await button(page, "See the vote").click()
        card = page.locator(".vote")
        await expect(card).to_contain_text("Bob asks for a vote on removing Dee.")
        await expect(card).to_contain_text("0 of the 4 that are needed said yes.")
        await _yes(motion, bob, cy)
        await expect(card).to_contain_text("2 of the 4 that are needed said yes.")
        ada.do(do="vote", motion=motion, choice="no")
        for one in (ada, *more, pia.command):  # with it, nobody's yes is bound any more
            await _said(one, "decided", motion=motion, carried=False)
        await expect(page.locator(".decision").first).to_contain_text("Dee was not carried")
        assert not [one for one in ada.events if one["event"] == "member_out"]

        # Asked for and answered in the page: all four say yes.
        await button(page, "Ask for a vote to remove Dee").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("4 of the 5 who vote must say yes")
        await button(dialog, "Ask for the vote").click()
        asked = await _said(ada, "motion", by=who[pia.command], kind="remove")
        motion = str(asked["motion"])
        await _yes(motion, ada, bob, cy)
        await button(page, "Vote yes on removing Dee").click()
        await button(page.get_by_role("dialog"), "Vote yes").click()
        for one in (ada, bob, cy, pia.command):
            await _said(one, "decided", motion=motion, carried=True)
            await _said(one, "member_out", member=who[dee], cause="removed")
        left = await _said(dee, "left")
        assert "Pia moved it, and 4 said yes where 4 were needed" in left["why"]
        assert await asyncio.to_thread(dee.end) == 0
        await expect(page.locator(".tile")).to_have_count(4)
        await expect(page.locator(".decision").first).to_contain_text("Dee was removed by a vote")

        # And whom it is about, in the page.
        await _said(ada, "epoch", members=4)
        ada.do(do="move", kind="remove", subject=who[pia.command])
        motion = str((await _said(bob, "motion", subject=who[pia.command]))["motion"])
        await expect(card).to_contain_text("Ada asks for a vote on removing you.")
        await _yes(motion, ada, bob, cy)
        await expect(page.get_by_role("heading", name=REMOVED)).to_be_visible()
        await expect(page.get_by_text("Ada moved it, and 3 said yes")).to_be_visible()
        for one in (ada, bob, cy):
            one.do(do="leave")

    async def run() -> None:
        async with town(tmp_path) as here:
            await scenario(here)

    asyncio.run(run())
