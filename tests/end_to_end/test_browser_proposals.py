"""Other rules and relays in a real meeting: headless members propose them, and one at a page in
Chromium sees what would change, answers, and proposes while the rules change."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")

from playwright.async_api import Locator, Page, expect

from end_to_end.browser_people import Town, town
from end_to_end.page_world import button
from end_to_end.processes import Command, Event

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

ONE_LETS_IN = "Who comes must be let in by one member who votes."
BY_VOTE = "Who comes must be let in by a vote."


async def _said(command: Command, kind: str, /, **fields: object) -> Event:
    return await asyncio.to_thread(command.wait_for, kind, **fields)


class Moot:
    """Three without a page, and Pia; of four, three have to say yes."""

    def __init__(self, here: Town) -> None:
        self.here = here
        self.ada = here.commands.start(
            *("meet", "--headless", "--listen", "127.0.0.1:0", "--name", "Ada"),
            *("--charter", "circle", "--admit", "all", "--rather-seen-than-silent"),
        )
        self.page: Page
        self.all: list[Command] = []

    async def gathers(self) -> None:
        invite = (await _said(self.ada, "invite"))["invite"]
        more = ("--rather-seen-than-silent",)
        self.bob, self.cy = (
            self.here.commands.start("join", invite, "--headless", "--name", name, *more)
            for name in ("Bob", "Cy")
        )
        pia = await self.here.at_chromium("Pia", "join", invite, *more)
        self.page = pia.page
        await pia.joins()
        self.all = [self.ada, self.bob, self.cy, pia.command]
        for one in self.all:
            await _said(one, "epoch", members=4)

    async def votes(self, motion: str, *who: Command) -> None:
        for one in who:
            await _said(one, "motion", motion=motion)
            one.do(do="vote", motion=motion, choice="yes")

    async def carried(self, motion: str) -> None:
        for one in self.all:
            await _said(one, "decided", motion=motion, carried=True)

    async def moves(self, who: Command, kind: str, subject: object) -> Event:
        """Gives what another hears of it."""
        before = len([one for one in self.ada.events if one["event"] == "motion"])
        who.do(do="move", kind=kind, subject=subject)
        async with asyncio.timeout(60):
            while True:
                motions = [one for one in self.ada.events if one["event"] == "motion"]
                if len(motions) > before:
                    return motions[-1]
                assert not [one for one in who.events if one["event"] == "refused"]
                await asyncio.sleep(0.05)

    async def pia_says_yes(self, card: Locator) -> None:
        await button(card, "Vote yes").click()
        await button(self.page.get_by_role("dialog"), "Vote yes").click()


def test_rules_and_relays_are_proposed_shown_and_answered(tmp_path: Path) -> None:
    async def scenario(here: Town) -> None:
        moot = Moot(here)
        await moot.gathers()
        page, card = moot.page, moot.page.locator(".vote")
        await expect(page.locator(".tile")).to_have_count(4)  # keys are heard from then on
        await page.keyboard.press("Alt+p")

        # By a single field.
        asked = await moot.moves(moot.bob, "amend", {"admission": "ballot"})
        assert asked["changes"] == [f"{ONE_LETS_IN} → {BY_VOTE}"]
        await expect(card).to_contain_text("Bob asks for a vote on changing the rules")
        await expect(card.locator(".before")).to_have_text(f"Now: {ONE_LETS_IN}")
        await expect(card.locator(".after")).to_have_text(f"Then: {BY_VOTE}")
        await moot.pia_says_yes(card)
        await moot.votes(str(asked["motion"]), moot.ada, moot.bob)
        await moot.carried(str(asked["motion"]))

        # By TOML, while Pia writes a proposal of her own and has not sent it.
        await button(page, "Relay connected").first.click()
        await button(page.get_by_role("dialog"), "Propose other rules…").click()
        dialog = page.get_by_role("dialog").last
        admission = dialog.get_by_label("Who may come in")
        go = button(dialog, "Put it to the vote")
        await expect(admission).to_have_value("ballot")
        # Why this meeting cannot have what a preset would change.
        await dialog.get_by_label("Begin with").select_option("assembly")
        await expect(dialog).to_contain_text(
            "Where anybody may come in and everyone votes, removal"
        )
        await expect(go).to_be_disabled()
        await dialog.get_by_label("Begin with").select_option("")
        await expect(admission).to_have_value("ballot")
        await dialog.get_by_label("How the rules and the relays").select_option("at least 3/4")
        await expect(go).to_be_enabled()
        await expect(dialog.locator(".changes li")).to_have_count(1)
        asked = await moot.moves(moot.ada, "amend", 'admission = "sponsor"')
        await moot.votes(str(asked["motion"]), moot.ada, moot.bob, moot.cy)
        await moot.carried(str(asked["motion"]))
        await expect(dialog).to_contain_text("The rules of this meeting were changed while")
        await expect(admission).to_have_value("sponsor")
        await expect(go).to_be_enabled()
        await expect(dialog.locator(".changes li")).to_have_count(1)
        await here.keep(page, "proposal-anew")
        await go.click()
        await page.keyboard.press("Escape")
        pias = await _said(moot.ada, "motion", by=(await _said(moot.all[3], "joined"))["member"])
        assert (pias["subject"]["admission"], pias["subject"]["amendment"]) == (
            "sponsor",
            "at least 3/4",
        )
        assert len(pias["changes"]) == 1, "what the others decided meanwhile is not undone"
        await moot.votes(str(pias["motion"]), moot.ada, moot.bob, moot.cy)
        await moot.carried(str(pias["motion"]))

        # Other relays.
        more = str((await _said(here.relay(), "ready"))["address"])
        old = str((await _said(moot.ada, "relay"))["address"])
        places = [one.partition("#")[0] for one in (old, more)]
        asked = await moot.moves(moot.cy, "relays", f"{old} {more}")
        in_use = f"In use: {', '.join(places)}."
        assert asked["changes"] == [f"In use: {places[0]}. → {in_use}", f"New: {places[1]}."]
        await expect(card.locator(".before")).to_have_text(f"Now: In use: {places[0]}.")
        await expect(card.locator(".after").first).to_have_text(f"Then: {in_use}")
        await moot.pia_says_yes(card)
        await moot.votes(str(asked["motion"]), moot.cy, moot.bob)
        await moot.carried(str(asked["motion"]))
        await expect(page.get_by_role("button", name="2 relays connected")).to_be_visible()

        # By a preset's name: what differs of it, and nothing else.
        asked = await moot.moves(moot.bob, "amend", "unremovable")
        await expect(card.locator(".changes li")).to_have_count(2)
        await expect(card).to_contain_text("Nobody can be removed by anybody")
        await moot.pia_says_yes(card)
        await moot.votes(str(asked["motion"]), moot.cy, moot.bob)
        await moot.carried(str(asked["motion"]))
        await expect(page.locator(".decision").first).to_contain_text("The rules were changed")
        for one in moot.all[:3]:
            one.do(do="leave")

    async def run() -> None:
        async with town(tmp_path) as here:
            await scenario(here)

    asyncio.run(run())
