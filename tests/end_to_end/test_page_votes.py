"""A real Chromium drives the page against a session of the tests: votes, asked for and answered."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from end_to_end.page_world import button, run, until, world
from page_session import OWN, FakeSession

pytestmark = pytest.mark.browser


def test_a_vote_is_seen_answered_once_and_its_end_is_said() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=5)
        session.under_votes()
        async with world(session) as here:
            page = await here.open()
            motion = session.motion("m1", "remove", "bbbb0004")
            session.change(motions=[motion])
            await expect(
                page.get_by_text("Bertolt Brandt asks for a vote on removing")
            ).to_be_visible()
            await button(page, "See the vote").press("Enter")
            yes = button(page, "Vote yes on removing Éva")
            await expect(yes).to_be_focused()
            card = page.locator(".vote")
            await expect(card).to_contain_text("1 of the 5 that are needed said yes.")
            timer = card.get_by_role("timer")
            await expect(timer).to_have_text(re.compile(r"\d:\d\d left"))
            first = await timer.inner_text()
            await expect(timer).not_to_have_text(first)  # it goes on, and no snapshot is needed
            assert await card.locator("xpath=ancestor-or-self::*[@aria-live]").count() == 0
            await yes.press("Enter")
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_contain_text("A vote is final")
            await expect(button(dialog, "Not yet")).to_be_focused()
            await page.keyboard.press("Escape")
            assert session.done("vote") == []
            await expect(yes).to_be_focused()
            await yes.press("Enter")
            await button(dialog, "Vote yes").press("Enter")
            await until(lambda: session.done("vote"))
            assert session.done("vote") == [{"do": "vote", "motion": "m1", "choice": "yes"}]
            session.change(motions=[{**motion, "own": "yes", "may_vote": False, "have": 2}])
            await expect(card).to_contain_text("You said yes. A vote is final.")
            await expect(button(page, "Vote no on removing Éva")).to_have_count(0)
            await expect(page.locator("#votes-heading")).to_be_focused()  # not lost
            over = session.decision(motion, "carried", have=5)
            session.remove("bbbb0004")
            session.change(motions=[], decided=[over])
            said = "Éva was removed by a vote: 5 said yes, 5 were needed."
            await expect(page.locator(".toast")).to_contain_text(said)
            await expect(page.locator("#announce")).to_contain_text(said)
            await expect(page.locator("#announce")).not_to_contain_text("Éva left")
            await page.get_by_text(said).and_(page.locator("summary")).click()
            await expect(page.locator(".decision")).to_contain_text(motion["rules"][0])

    run(test)


def test_who_asks_for_a_removal_is_told_what_it_takes_and_what_it_does() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=5)
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator(".tile")).to_have_count(6)  # keys are heard from then on
            await page.keyboard.press("Alt+p")
            people = page.locator("#people-side")
            await expect(button(people, "Mute Anna")).to_be_visible()
            await expect(people.locator(".votes-part")).to_be_hidden()
            await expect(button(people, "remove")).to_have_count(0)
            session.under_votes()
            ask = button(people, "Ask for a vote to remove Anna")
            await ask.press("Enter")
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_contain_text("more than two thirds of all who vote")
            await expect(dialog).to_contain_text("5 of the 6 who vote must say yes")
            await expect(dialog).not_to_contain_text("will not be carried")
            await expect(dialog).to_contain_text("nobody comes back with an old one")
            await expect(dialog).to_contain_text("cannot be undone")
            await expect(button(dialog, "Close")).to_be_focused()
            await expect(dialog.get_by_text("No one person decides this.")).to_be_in_viewport()
            session._set("bbbb0002", microphone=False)  # the list is made anew meanwhile
            session.change()
            await expect(page.locator('.person[data-member="bbbb0002"]')).to_contain_text("off")
            await page.keyboard.press("Escape")
            await expect(ask).to_be_focused()
            assert session.done("move") == []
            session._set("bbbb0001", here=False)
            session.change()
            await ask.press("Enter")
            await expect(dialog).to_contain_text("Only 4 of those who are here could say yes")
            await button(dialog, "Ask for the vote").click()
            await until(lambda: session.done("move"))
            assert session.done("move") == [{"do": "move", "kind": "remove", "subject": "bbbb0000"}]

    run(test)


def test_whom_it_is_about_sees_it_and_a_guest_sees_that_they_do_not_vote() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=5)
        session.under_votes(guests=("bbbb0003",))
        async with world(session) as here:
            page = await here.open()
            session.change(motions=[session.motion("m1", "remove", OWN)])
            await expect(page.get_by_text("asks for a vote on removing you.")).to_be_visible()
            await button(page, "See the vote").click()
            card = page.locator(".vote")
            await expect(card).to_contain_text("you have no vote on it")
            await expect(card.get_by_role("button")).to_have_count(0)
            guest = page.locator('.person[data-member="bbbb0003"]')
            await expect(guest).to_contain_text("guest")
            await expect(guest).to_contain_text("in the line of Rosa")
            await button(guest, "Ask for a vote to give Dolores Huerta a vote").click()
            await button(page.get_by_role("dialog"), "Ask for the vote").click()
            await until(lambda: session.done("move"))
            assert session.done("move")[0]["kind"] == "raise"
            voting = {**session.state["voting"], "votes": False}
            session.change(voting=voting, motions=[])
            await expect(page.get_by_text("You are a guest: you hear and speak")).to_be_visible()
            await expect(button(page, "Ask for a vote")).to_have_count(0)
            removed = {
                "how": "You were removed: Anna moved it.",
                "rules": ["More than two thirds."],
            }
            session.publish({"event": "left", "why": "whole", "removed": removed})
            await expect(
                page.get_by_role("heading", name="You were removed by a vote")
            ).to_be_focused()
            for words in ("Anna moved it.", "More than two thirds.", "is void"):
                await expect(page.get_by_text(words)).to_be_visible()

    run(test)
