"""Every view and dialog of the page, wide and narrow, light and dark: nothing sticks out, names are
legible, and an accessibility engine finds nothing wrong."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from end_to_end import axe
from end_to_end.page_world import World, button, run, world
from page_session import CHANGE, INVITE, OWN, FakeSession

pytestmark = pytest.mark.browser

WIDE, NARROW = (1280, 720), (360, 740)
SCHEMES: dict[Any, str] = {"light": axe.ALL, "dark": axe.COLOURS}
SIDEWAYS = """[...document.querySelectorAll("body, body *")].filter((one) => {
  const { left, right, width } = one.getBoundingClientRect();
  const style = getComputedStyle(one);
  return width > 0 && style.visibility === "visible" && !one.closest(".unseen, video")
    && (left < -0.5 || right > innerWidth + 0.5);
}).map((one) => one.outerHTML.slice(0, 120))"""
NOTICES = (
    "It lets nothing reach you, while it carries others. Your program connects to it anew, by "
    "another way where there is one.",
    "Several do not hear Anna, Bertolt Brandt, Chidi, Dolores Huerta, Éva, Fatima and 44 more "
    "through it. It may be the relay, the line or the member: it cannot be told from here.",
)
Shown = AsyncIterator[tuple[str, Page]]


async def _before(here: World, page: Page, session: FakeSession) -> Shown:
    """Up to the meeting."""
    await expect(page.get_by_label("Your own picture")).to_be_visible()
    yield "preview", page
    await page.get_by_label("Your name").fill(" ")
    await button(page, "Join the meeting").click()
    await expect(page.get_by_text("Please give a name.")).to_be_visible()
    yield "preview-problem", page
    session.offers_a_way()
    await expect(page.get_by_text("No relay sees your internet address together")).to_be_visible()
    yield "preview-hidden", page
    await page.get_by_role("radio", name="No gap").check()
    await expect(page.get_by_text("will each see your internet address")).to_be_visible()
    yield "preview-seen", page
    session.change(choice=None)
    await expect(page.get_by_role("radio", name="No gap")).to_be_hidden()
    await page.get_by_label("Your name").fill("Rosa")
    session.change(opens=True)
    await page.get_by_text("What this does not protect").click()
    yield "preview-opens", page
    session.auto_admit = False
    session.state["door"] = {"heard": False, "declined": "", "rules": []}
    await button(page, "Open the meeting").click()
    await expect(page.get_by_role("heading", name="Waiting to be let in")).to_be_visible()
    yield "waiting", page
    session.change(door={"heard": True, "declined": "", "rules": []})
    yield "waiting-heard", page
    session.change(door={"heard": True, "declined": "Somebody inside said no.", "rules": []})
    await expect(page.get_by_role("heading", name="You were not let in")).to_be_focused()
    yield "declined", page
    rules = ["A vote of two thirds changes the rules.", "Whoever has the invite comes in."]
    session.change(door={"heard": True, "declined": "", "rules": rules})
    await expect(page.get_by_role("heading", name="The rules have changed")).to_be_focused()
    yield "rules", page


async def _meeting(here: World, page: Page, session: FakeSession) -> Shown:
    """In it: one, three, twelve."""
    session.enter()
    session.change(door={}, confirmed=False)
    await expect(page.get_by_text("Not yet confirmed by who invited you")).to_be_visible()
    yield "not-confirmed", page
    session.change(confirmed=True)
    await expect(page.get_by_text("You are the only one here.")).to_be_visible()
    yield "one", page
    session.fill(2)
    session.change()
    await expect(page.locator('.tile[data-picture="yes"]')).to_have_count(3)
    yield "three", page
    session.fill(11, pictures=3)
    session._set("bbbb0009", here=False)
    session._set("bbbb0010", microphone=False, muted=True, hidden=True)
    session.change()
    await expect(page.locator(".tile")).to_have_count(12)
    await expect(page.locator('.tile[data-picture="yes"]')).to_have_count(4)
    session.knock("k1", "Olga")
    session.knock("k2", "Paulo with a name that is as long as a name may be, at most")
    session.knock("k3", "Quynh")
    await expect(page.locator(".knocks .knock")).to_have_count(2)
    session.publish({"event": "problem", "sentence": "The microphone has stopped."})
    yield "twelve", page


async def _calls(here: World, page: Page, session: FakeSession) -> Shown:
    """Called to walk out, asked once more, calling others."""
    answered = session.call(
        "c1", OWN, "bbbb0002", "bbbb0003", changes=["Everyone here has a vote."]
    )
    answered["with"][1]["answer"], answered["with"][2]["answer"] = "yes", "no"
    session.change(calls=[answered])
    await expect(button(page, "See the call")).to_be_visible()
    yield "call-notice", page
    await button(page, "See the call").click()
    yield "call", page
    await button(page, "Come along with Bertolt Brandt").click()
    yield "come-along", page
    await page.keyboard.press("Escape")
    session.change(calls=[session.call("c2", "bbbb0002", "bbbb0003", by=OWN)])
    yield "call-of-mine", page
    session.change(calls=[])
    await button(page, "Walk out together…").click()
    await page.get_by_role("checkbox", name="Chidi").check()
    yield "walk-out", page
    await page.keyboard.press("Escape")
    await page.keyboard.press("Alt+p")


async def _votes(here: World, page: Page, session: FakeSession) -> Shown:
    """A vote that runs, one that cannot be carried, one about oneself, one that is over."""
    session.under_votes(guests=("bbbb0002", "bbbb0003"))
    remove = session.motion("m1", "remove", "bbbb0004")
    session.change(motions=[remove])
    await expect(button(page, "See the vote")).to_be_visible()
    yield "vote-notice", page
    about_me = session.motion("m2", "remove", OWN)
    amend = session.motion("m3", "amend", "", changes=[CHANGE])
    said = session.motion("m4", "raise", "bbbb0002", own="yes", may_vote=False, have=4)
    over = session.decision(session.motion("m0", "remove", "bbbb0005"), "expired")
    session.change(motions=[remove, about_me, amend, said], decided=[over])
    await button(page, "See the vote").first.click()
    await page.locator(".decision summary").click()
    yield "votes", page
    await button(page, "Vote yes on removing Éva").click()
    yield "vote-yes", page
    await page.keyboard.press("Escape")
    await button(page, "Ask for a vote to remove Anna").click()
    yield "ask-remove", page
    await page.keyboard.press("Escape")
    await button(page, "Ask for a vote to give Chidi a vote").click()
    yield "ask-raise", page
    await page.keyboard.press("Escape")
    away = [{**one, "here": one["member"] == OWN} for one in session.state["members"]]
    members = session.state["members"]
    session.change(members=away)
    await button(page, "Ask for a vote to remove Anna").click()
    yield "ask-few", page
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    session.change(members=members, motions=[], decided=[])
    await button(page, "relays connected").first.click()
    yield "connection-votes", page
    await button(page, "Propose other rules…").click()
    await page.get_by_label("Who may come in").select_option("ballot")
    await expect(page.get_by_text("What would change:")).to_be_visible()
    yield "propose-rules", page
    await button(page, "Put it to the vote").click()
    assert session.done("move")[-1]["subject"] == {"admission": "ballot"}
    await button(page, "Propose other rules…").click()
    await page.get_by_label("Begin with").select_option("assembly")
    await expect(page.get_by_text("What no vote can change stays")).to_be_visible()
    charter = {**session.state["charter"], "admission": "ballot"}
    session.change(charter=charter)
    await expect(page.get_by_text("were changed while this was open")).to_be_visible()
    yield "propose-anew", page
    await page.keyboard.press("Escape")
    await button(page, "Propose other relays…").click()
    await page.get_by_label("Addresses of relays").fill("a b")
    await expect(page.get_by_text("A relay is named twice.")).to_be_visible()
    await expect(button(page, "Put it to the vote")).to_be_disabled()
    yield "propose-relays", page
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")


async def _sides_and_dialogs(here: World, page: Page, session: FakeSession) -> Shown:
    await page.keyboard.press("Alt+p")
    yield "people", page
    session.says("bbbb0001", "Anna", "Hello " * 40 + "x" * 300)
    session.says(OWN, "Rosa", "Good evening")
    await page.keyboard.press("Alt+c")
    yield "chat", page
    await page.keyboard.press("Escape")
    await button(page, "Safety code, not compared yet").click()
    yield "safety", page
    await button(page, "It is different").click()
    yield "safety-differs", page
    await button(page, "We compared it, it is the same").click()
    await expect(page.get_by_text("Say nothing private now.")).to_be_hidden()
    yield "safety-same", page
    session.add("dddd0001", "Emma")
    session.change(safety_code="1" * 30, knocks=[])
    await expect(page.locator(".safety-state")).to_contain_text("One joined")
    yield "safety-joined", page
    await page.keyboard.press("Escape")
    for name in ("Invite somebody", "2 relays connected", "Devices", "Leave the meeting"):
        await button(page, name).first.click()
        yield name.split()[0].lower().replace("2", "connection"), page
        await page.keyboard.press("Escape")
    await page.keyboard.press("Alt+p")
    await button(page, "Change your name").click()
    yield "name", page
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    relays = session.state["relays"]
    session.has_a_reserve()
    await button(page, "2 relays connected").first.click()
    await expect(page.get_by_text("In reserve: nothing that is said")).to_be_visible()
    yield "connection-reserve", page
    session.named_entry()
    session.notices(0, *NOTICES)
    await expect(page.get_by_text("This is no relay of the meeting")).to_be_visible()
    yield "connection-notices", page
    await page.keyboard.press("Escape")
    session.change(relays=[{**one, "up": False} for one in relays])
    await expect(page.get_by_text("No relay answers right now.")).to_be_visible()
    yield "relays-away", page


async def _endings(here: World, page: Page, session: FakeSession) -> Shown:
    stranger = await here.open(here.server.url)
    await expect(stranger.get_by_role("heading", name="This page needs its key")).to_be_visible()
    yield "no-key", stranger
    second = await here.open()
    await expect(second.get_by_role("heading", name="open in another tab")).to_be_visible()
    yield "other-tab", second
    await second.close()
    await here.server.stop()
    await expect(page.get_by_text("does not answer. Trying again")).to_be_visible()
    yield "program-away", page
    await expect(page.get_by_label("The command")).to_be_visible()
    yield "lost", page
    await here.serve_again(session)
    await expect(page.locator(".tile")).to_have_count(13)
    await button(page, "Leave the meeting").click()
    await button(page, "Leave").last.click()
    await expect(page.get_by_role("heading", name="You have left")).to_be_visible()
    yield "left", page


async def _removed(page: Page, session: FakeSession) -> Shown:
    await expect(page.locator(".tile")).to_have_count(1)
    how = "You were removed from the meeting by a vote: " + "N" * 64 + " moved it."
    removed = {"how": how, "rules": ["More than two thirds must say yes."]}
    session.publish({"event": "left", "why": how, "removed": removed})
    await expect(page.get_by_role("heading", name="You were removed by a vote")).to_be_focused()
    yield "removed", page


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_view_and_dialog(size: tuple[int, int]) -> None:
    folder = os.environ.get("FOLKMOOT_ARTEFACTS")
    found: list[tuple[str, str, Any]] = []

    async def judge(what: str, page: Page) -> None:
        """In light everything, in the dark the colours, which are all that differs."""
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        for scheme, rules in SCHEMES.items():
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            if folder is not None:
                name = f"page-{what}-{size[0]}-{scheme}.png"
                await page.screenshot(path=Path(folder) / name)
            found.extend((what, scheme, one) for one in await axe.violations(page, rules))
        found.extend((what, "sticks out", one) for one in await page.evaluate(SIDEWAYS))

    async def test() -> None:
        session = FakeSession()
        session.state["return_with"] = INVITE
        async with world(session) as here:
            page = await here.open(reduced_motion="reduce")
            for part in (_before, _meeting, _calls, _votes, _sides_and_dialogs, _endings):
                async for what, shown in part(here, page, session):
                    await judge(what, shown)
            await page.close()
        session = FakeSession(phase="in")
        async with world(session) as here:
            page = await here.open(reduced_motion="reduce")
            async for what, shown in _removed(page, session):
                await judge(what, shown)
        assert found == [], "\n".join(map(str, found))

    run(test)
    if axe.engine() is None:
        pytest.skip(axe.MISSING)


BROKEN = """(() => {
  const main = document.querySelector("main");
  const image = document.createElement("img");
  const pale = Object.assign(document.createElement("p"), { textContent: "pale" });
  pale.style.setProperty("color", "#ccc");
  const button = document.createElement("button");
  main.append(image, pale, button);
})()"""


def test_the_engine_sees_what_is_wrong() -> None:
    """The control: a page that is broken on purpose is not found to be good."""
    if axe.engine() is None:
        pytest.skip(axe.MISSING)

    async def test() -> None:
        async with world(FakeSession()) as here:
            page = await here.open(color_scheme="light", reduced_motion="reduce")
            await expect(page.get_by_label("Your own picture")).to_be_visible()
            assert await axe.violations(page) == []
            await page.evaluate(BROKEN)
            rules = {rule for rule, _ in await axe.violations(page)}
            assert {"image-alt", "color-contrast", "button-name"} <= rules
            assert [rule for rule, _ in await axe.violations(page, axe.COLOURS)] == [
                "color-contrast"
            ]

    run(test)
