"""What the page says of relays, and of proposals of others, in a real Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from end_to_end.page_world import World, button, run, until, world
from page_session import FakeSession

pytestmark = pytest.mark.browser


async def _relays(page: Page) -> dict[str, str]:
    """By its name, what is said of each relay in the dialog."""
    await button(page, "relays connected").first.click()
    found = {}
    for row in await page.locator("dialog .relays li").all():
        found[await row.locator(".relay-name").inner_text()] = await row.locator("p").inner_text()
    return found


def test_each_relay_is_said_to_see_what_it_sees() -> None:
    async def test() -> None:
        session = FakeSession(phase="in")
        async with world(session) as here:
            page = await here.open()
            await expect(page.get_by_text("You are the only one here.")).to_be_visible()
            session.has_a_reserve()
            said = await _relays(page)
            assert set(said) == {
                "Garden co-op",
                "203.0.113.7:4433",
                "door.example:443",
                "far.example:443",
                "left.example:443",
            }, "one that was left and sees nothing any more is gone"
            assert said["Garden co-op"] == (
                "Sees your internet address, and that somebody there is in this meeting. You go "
                "through it to 203.0.113.7:4433, too."
            )
            assert said["203.0.113.7:4433"].startswith("Does not see your internet address")
            assert said["door.example:443"] == (
                "In reserve: nothing that is said goes through it, but the meeting's door is open "
                "here, too. Sees your internet address, and that somebody there waits at this "
                "meeting's door."
            )
            assert said["far.example:443"].endswith("so it sees nothing of you.")
            assert "The meeting left this relay" in said["left.example:443"]
            assert "Sees your internet address" in said["left.example:443"]
            dialog = page.get_by_role("dialog")
            words = "Garden co-op, door.example:443 and left.example:443 will each see your"
            await expect(dialog.get_by_text(words)).to_be_visible()

    run(test)


def test_what_we_have_against_a_relay_is_in_its_row_and_said_once() -> None:
    async def test() -> None:
        session = FakeSession(phase="in")
        one, two = session.state["relays"]
        mark = "The same pieces come more than once through the relay 203.0.113.7:4433."
        async with world(session) as here:
            page = await here.open()
            await expect(page.get_by_text("You are the only one here.")).to_be_visible()
            session.change(relays=[{**one, "marks": []}, {**two, "marks": [mark]}])
            session.publish({"event": "marked", "relay": two["address"], "what": "repeats",
                             "sentence": f"{mark} Each counts once."})  # fmt: skip
            await expect(page.get_by_text("Each counts once.").first).to_be_visible()
            assert mark not in " ".join((await _relays(page)).values())
            rows = page.locator("dialog .relays li")
            await expect(rows.nth(0).locator(".note")).to_have_count(0)
            await expect(rows.nth(1).locator(".note")).to_have_text(mark)

    run(test)


def test_a_relay_that_hides_another_sees_an_address_although_it_carries_only_a_door() -> None:
    async def test() -> None:
        session = FakeSession(phase="in")
        one, two = session.state["relays"]
        to_one = [one["address"]]
        session.state["relays"] = [
            {**one, "sees_address": False},
            {**two, "sees_address": False, "entry_to": to_one, "use": "reserve", "carries": "door"},
        ]
        async with world(session) as here:
            page = await here.open()
            await button(page, "Relay connected").first.click()
            dialog = page.get_by_role("dialog")
            words = "203.0.113.7:4433 sees your address, as you go through it to another relay"
            await expect(dialog.get_by_text(words)).to_be_visible()
            await expect(dialog.get_by_text("To the door you come by another way")).to_be_visible()

    run(test)


def test_an_entry_that_is_no_relay_of_the_meeting_stands_in_the_list() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=3)
        session.under_votes()
        session.named_entry()
        async with world(session) as here:
            page = await here.open()
            said = await _relays(page)
            assert said["entry.example:443"] == (
                "This is no relay of the meeting: it takes you to those that are. Sees your "
                "internet address, and that you go on to relay.example:443 and 203.0.113.7:4433, "
                "not what you do there."
            )
            dialog = page.get_by_role("dialog")
            await expect(dialog).to_contain_text("entry.example:443 sees your address, as you go")
            await expect(button(page, "2 relays connected")).to_have_count(1)
            await button(dialog, "Propose other relays…").click()
            listed = page.get_by_label("Addresses of relays")
            await expect(listed).to_have_value("relay.example:443#pin\n203.0.113.7:4433#pin")

    run(test)


def test_what_is_noticed_stands_at_its_relay_while_it_lasts() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=3)
        session.under_votes()
        async with world(session) as here:
            page = await here.open(viewport={"width": 360, "height": 500})
            await button(page, "relays connected").first.click()
            dialog = page.get_by_role("dialog")
            ask = button(dialog, "Propose other rules…")
            await ask.focus()
            body = page.locator("dialog")
            await body.evaluate("(one) => { one.scrollTop = 200; }")
            top = await body.evaluate("(one) => one.scrollTop")
            assert top == 200
            second = dialog.locator(".relays li").nth(1)
            words = "By the counts of several of you, it keeps from some the voice of Anna."
            session.notices(1, words)
            await expect(second.locator(".note")).to_have_text(words)
            await expect(dialog.locator(".relays li").first.locator(".note")).to_have_count(0)
            await expect(dialog.get_by_role("status").first).to_have_text(
                f"203.0.113.7:4433: {words}"
            )
            await expect(ask).to_be_focused()
            assert await body.evaluate("(one) => one.scrollTop") >= top
            # Somebody has no vote any more, and the button that had the focus is gone.
            session.change(voting={**session.state["voting"], "votes": False})
            await expect(ask).to_have_count(0)
            await expect(button(dialog, "Close")).to_be_focused()
            session.notices(1)
            await expect(second.locator(".note")).to_have_count(0)
            session.change(relays=session.state["relays"][:1])
            await expect(dialog.locator(".relays li")).to_have_count(1)
            await page.keyboard.press("Escape")
            session.notices(0, words)  # nothing is drawn for a dialog that is closed
            await expect(page.locator("dialog")).to_have_count(0)

    run(test)


def test_a_preset_is_a_start_and_fields_go_on_from_it() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=3)
        session.under_votes()
        async with world(session) as here:
            page = await _proposing(here)
            begin, admission = page.get_by_label("Begin with"), page.get_by_label("Who may come in")
            removal = page.get_by_label("How somebody is removed")
            await begin.select_option("unremovable")
            await expect(removal).to_have_value("never")
            await until(lambda: session.done("draft"))
            assert session.done("draft")[-1]["subject"] == {"removal": "never"}
            before = page.locator(".changes .before")
            await expect(before).to_have_text(
                "Now: Who comes must be let in by one member who votes."
            )
            await expect(page.locator(".changes .after")).to_have_text(
                "Then: Who comes must be let in by a vote."
            )
            await begin.select_option("assembly")
            await expect(removal).to_have_value("more than 2/3")
            await expect(admission).to_have_value("open")
            await expect(page.get_by_text("What no vote can change stays as it is")).to_be_visible()
            await admission.select_option("ballot")
            await button(page, "Put it to the vote").click()
            await until(lambda: session.done("move"))
            move = {"do": "move", "kind": "amend", "subject": {"admission": "ballot"}}
            assert session.done("move") == [{**move, "ground": "g1"}]

    run(test)


def test_rules_that_change_meanwhile_are_what_a_proposal_is_compared_with() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=3)
        session.under_votes()
        drafts: list[dict[str, Any]] = []
        session.drafts_wait = drafts
        async with world(session) as here:
            page = await _proposing(here)
            admission = page.get_by_label("Who may come in")
            amendment = page.get_by_label("How the rules and the relays")
            go = button(page, "Put it to the vote")
            await admission.select_option("ballot")
            await admission.focus()
            await until(lambda: len(drafts) == 1)
            session.publish(_answer(drafts[0], ["A vote lets them in."]))
            await expect(go).to_be_enabled()
            charter = {**session.state["charter"], "amendment": "at least 3/4"}
            session.change(charter=charter)
            dialog = page.get_by_role("dialog").last
            await expect(dialog).to_contain_text("The rules of this meeting were changed while")
            await expect(go).to_be_disabled()
            await expect(admission).to_have_value("ballot")
            await expect(admission).to_be_focused()
            # What was not touched is as it is now, and is not proposed to be as it was.
            await expect(amendment).to_have_value("at least 3/4")
            await until(lambda: len(drafts) == 2)
            assert drafts[1]["subject"] == {"admission": "ballot"}
            session.publish(_answer(drafts[0], ["Late."]))
            await expect(go).to_be_disabled()
            session.publish({**_answer(drafts[1], ["A vote lets them in."]), "ground": "newer"})
            await expect(go).to_be_enabled()
            # The others voted for just that: nothing is left to ask for.
            session.change(charter={**charter, "admission": "ballot"})
            await expect(dialog).to_contain_text("Nothing is changed so far.")
            await expect(go).to_be_disabled()
            await amendment.select_option("never")
            await until(lambda: len(drafts) == 3)
            session.publish({**_answer(drafts[2], ["Never."]), "ground": "newest"})
            await go.click()
            await until(lambda: session.done("move"))
            assert session.done("move")[0]["ground"] == "newest"
            assert session.done("move")[0]["subject"] == {"amendment": "never"}

    run(test)


async def _proposing(here: World) -> Page:
    """A page with the dialog in which other rules are proposed."""
    page = await here.open()
    await button(page, "relays connected").first.click()
    await button(page, "Propose other rules…").click()
    return page


def _answer(draft: dict[str, Any], changes: list[str]) -> dict[str, Any]:
    return {"event": "draft", "draft": draft["draft"], "kind": draft["kind"], "ground": "x",
            "changes": [{"before": "", "after": one} for one in changes],
            "refused": ""}  # fmt: skip


def test_a_slow_answer_to_an_older_draft_is_not_shown_for_a_newer_one() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=3)
        session.under_votes()
        drafts: list[dict[str, Any]] = []
        session.drafts_wait = drafts
        async with world(session) as here:
            page = await _proposing(here)
            choice = page.get_by_label("Who may come in")
            go = button(page, "Put it to the vote")
            await choice.select_option("ballot")
            await until(lambda: len(drafts) == 1)
            await choice.select_option("open")
            await until(lambda: len(drafts) == 2)
            assert drafts[0]["draft"] < drafts[1]["draft"]
            session.publish(_answer(drafts[1], ["Anybody comes in."]))
            await expect(page.get_by_text("Anybody comes in.")).to_be_visible()
            await expect(go).to_be_enabled()
            session.publish(_answer(drafts[0], ["A vote lets them in, as it was asked before."]))
            await choice.select_option("ballot")
            await expect(go).to_be_disabled()
            # What was right a moment ago is not what stands there now.
            session.publish(_answer(drafts[1], ["Anybody comes in."]))
            await until(lambda: len(drafts) == 3)
            await expect(go).to_be_disabled()
            await expect(page.get_by_text("as it was asked before")).to_be_hidden()
            session.publish(_answer(drafts[2], ["A vote lets them in."]))
            await expect(page.get_by_text("A vote lets them in.", exact=True)).to_be_visible()
            await expect(go).to_be_enabled()
            # Nor is an answer that comes for a dialog that was closed.
            await page.keyboard.press("Escape")
            await button(page, "Propose other rules…").click()
            await choice.select_option("ballot")
            session.publish(_answer(drafts[2], ["A vote lets them in."]))
            await until(lambda: len(drafts) == 4)
            await expect(go).to_be_disabled()

    run(test)
