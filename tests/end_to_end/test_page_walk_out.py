"""A real Chromium drives the page against a session of the tests: called to walk out, calling."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from end_to_end.page_world import button, run, until, world
from page_session import OWN, FakeSession

pytestmark = pytest.mark.browser


def test_who_is_called_is_asked_twice_and_answers_once() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=4)
        async with world(session) as here:
            page = await here.open()
            call = session.call("c1", OWN, "bbbb0002")
            session.change(calls=[call])
            said = "Bertolt Brandt calls Chidi and you to walk out together."
            await expect(page.get_by_text(said)).to_be_visible()
            await button(page, "See the call").press("Enter")
            come = button(page, "Come along with Bertolt Brandt")
            await expect(come).to_be_visible()
            await come.press("Enter")
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_contain_text("another meeting, with other keys and another")
            await expect(dialog).to_contain_text("they learn nothing")
            await expect(button(dialog, "Not yet")).to_be_focused()
            await page.keyboard.press("Escape")
            assert session.done("vote") == []
            await expect(come).to_be_focused()
            await come.press("Enter")
            await button(dialog, "Come along").press("Enter")
            await until(lambda: session.done("vote"))
            assert session.done("vote") == [{"do": "vote", "motion": "c1", "choice": "yes"}]
            session.change(calls=[{**call, "own": "yes"}])
            card = page.locator(".walkout")
            await expect(card).to_contain_text("You come along: wait a moment.")
            await expect(card.get_by_role("button")).to_have_count(0)
            await expect(page.locator("#walkout-heading")).to_be_focused()  # not lost
            session.change(calls=[])
            await expect(card).to_have_count(0)

    run(test)


def test_who_calls_chooses_and_sees_the_answers() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=3)
        session.state["members"][2]["name"] = "<b>Bert</b>"
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator(".tile")).to_have_count(4)
            await page.keyboard.press("Alt+p")
            await button(page, "Walk out together…").press("Enter")
            dialog = page.get_by_role("dialog")
            await expect(dialog.get_by_role("checkbox")).to_have_count(3)
            await expect(button(dialog, "Call them")).to_be_disabled()
            await dialog.get_by_label("Anna").check()
            await dialog.get_by_label("<b>Bert</b>").check()
            await expect(dialog).to_contain_text("2 people are called, 1 not.")
            session.state["calls"] = [session.call("c1", "bbbb0000", "bbbb0001", by=OWN)]
            await button(dialog, "Call them").press("Enter")
            await until(lambda: session.done("secede"))
            assert session.done("secede") == [{"do": "secede", "with": ["bbbb0000", "bbbb0001"]}]
            card = page.locator(".walkout")
            await expect(card).to_contain_text(
                "You call Anna and <b>Bert</b> to walk out together."
            )
            await expect(card).to_contain_text("Anna has not answered.")
            await expect(button(page, "Walk out together…")).to_be_hidden()
            answered = session.call("c1", "bbbb0000", "bbbb0001", by=OWN)
            answered["with"][0]["answer"] = "yes"
            session.change(calls=[answered])
            await expect(card).to_contain_text("Anna comes along.")

    run(test)


def test_alone_there_is_nobody_to_call() -> None:
    async def test() -> None:
        session = FakeSession(phase="in")
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator(".tile")).to_have_count(1)
            await page.keyboard.press("Alt+p")
            await expect(button(page, "Walk out together…")).to_be_hidden()

    run(test)
