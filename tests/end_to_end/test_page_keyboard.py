"""A whole meeting with the keyboard alone, in Chromium and in Firefox: everything is reached, the
focus is seen, goes where one expects it, and is never caught; and what a screen reader is told."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import expect

from end_to_end import firefox
from end_to_end.page_world import run, until, world
from folkmoot.agent.page import PageServer, bridges_of
from page_session import FakeSession

pytestmark = pytest.mark.browser

STOPS_MAX = 40  # a page has fewer places for the focus
FOCUSED = """JSON.stringify((() => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const label = one.labels?.[0]?.textContent;
  return {
    tag: one.tagName,
    name: one.getAttribute("aria-label") || label || one.textContent.trim().slice(0, 60),
    ring: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    dialog: Boolean(one.closest("dialog")),
  };
})())"""
BEHIND = """(() => {
  const name = %s;
  const root = document.querySelector("dialog[open]") ?? document;
  const named = [...root.querySelectorAll("button, select, input, textarea, summary")].find((one) =>
    (one.getAttribute("aria-label") || one.labels?.[0]?.textContent || one.textContent.trim())
      .startsWith(name) && one.offsetParent !== null);
  if (!named) throw new Error(`nothing is called ${name}`);
  return Boolean(document.activeElement.compareDocumentPosition(named) & 2);
})()"""


class Hands:
    """A keyboard, and eyes for where the focus is."""

    def __init__(
        self,
        press: Callable[[str], Awaitable[None]],
        evaluate: Callable[[str], Awaitable[Any]],
        *,
        rounds: bool,
    ) -> None:
        """`rounds`: whether Tab may lead over the last place to the first one again. Keys that are
        sent to a Firefox go to its page, also while the browser's own bars have the focus."""
        self.press = press
        self.evaluate = evaluate
        self.rounds = rounds

    async def focus(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.evaluate(FOCUSED))
        return found

    async def holds(self, expression: str) -> None:
        try:
            async with asyncio.timeout(30):
                while not await self.evaluate(f"Boolean({expression})"):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            shown = await self.evaluate("document.body.innerText")
            raise AssertionError((expression, await self.focus(), shown)) from None

    async def is_at(self, name: str) -> None:
        """Waits until what has the focus is called so."""
        try:
            async with asyncio.timeout(30):
                while not (await self.focus())["name"].startswith(name):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError((name, await self.focus())) from None

    async def tab_to(self, name: str) -> None:
        """By Tab and Shift+Tab alone, the shorter way; every stop on it can be seen."""
        key = "Shift+Tab" if await self.evaluate(BEHIND % json.dumps(name)) else "Tab"
        passed = []
        for _ in range(STOPS_MAX):
            await self.press(key)
            at = await self.focus()
            assert at["ring"] >= 2 or at["tag"] == "BODY", f"no ring round {at}"
            passed.append(at["name"])
            if at["tag"] != "UL" and at["name"].startswith(name):
                return
        raise AssertionError((name, key, passed))

    async def type(self, text: str) -> None:
        for letter in text:
            await self.press("Space" if letter == " " else letter)

    async def told(self, text: str, urgent: bool = False) -> None:
        region = "announce-now" if urgent else "announce"
        await self.holds(
            f"document.getElementById('{region}').textContent.includes({json.dumps(text)})"
        )


async def walk(hands: Hands, session: FakeSession) -> None:
    await hands.is_at("Before you join")
    await hands.holds("document.querySelector('.mirror')?.videoWidth")
    await hands.tab_to("Mic is on")
    await hands.press("Space")
    await hands.is_at("Mic is off")
    await hands.tab_to("Camera is on")
    await hands.tab_to("Camera")  # the choice of cameras
    await hands.tab_to("Your name")
    await hands.type("x")  # the field is chosen whole, as by every Tab into one
    await hands.tab_to("Join the meeting")
    await hands.press("Enter")

    await hands.is_at("Garden assembly")
    await hands.told("You are in the meeting.")
    assert session.done("join") == [
        {"do": "join", "name": "x", "microphone": False, "camera": True, "hidden": True}
    ]
    await hands.tab_to("Mic is off")
    await hands.press("Space")
    await hands.is_at("Mic is on")
    await hands.told("Microphone on.")
    await until(lambda: session.done("microphone")[-1:] == [{"do": "microphone", "on": True}])
    await hands.tab_to("Camera is on")
    await hands.press("Space")
    await hands.is_at("Camera is off")
    await until(lambda: session.done("camera")[-1:] == [{"do": "camera", "on": False}])

    await _chat(hands, session)
    await _knocks(hands, session)
    await _dialogs(hands, session)

    if hands.rounds:  # nothing catches the focus: it comes round to where it was
        start = (await hands.focus())["name"]
        passed: list[str] = []
        while not passed or passed[-1] != start:
            assert len(passed) < STOPS_MAX, passed
            await hands.press("Tab")
            passed.append((await hands.focus())["name"])
    await hands.tab_to("Leave the meeting")
    await hands.press("Enter")
    await hands.is_at("Stay")
    await hands.press("Escape")
    await hands.is_at("Leave the meeting")
    assert session.done("leave") == []
    await hands.press("Enter")
    await hands.is_at("Stay")
    await hands.tab_to("Leave")
    await hands.press("Enter")
    await hands.is_at("You have left the meeting")
    await until(lambda: session.done("leave"))


async def _chat(hands: Hands, session: FakeSession) -> None:
    await hands.tab_to("Chat")
    await hands.press("Enter")
    await hands.is_at("Your message")
    await hands.type("good evening")
    await hands.press("Enter")
    await hands.holds("document.querySelector('.line-text')?.textContent === 'good evening'")
    await hands.tab_to("Close the chat")
    await hands.press("Escape")
    await hands.is_at("Chat")
    for text in ("and to you", "one", "two"):
        session.says("bbbb0000", "Anna", text)
    await hands.told("Anna writes: and to you")  # the first at once, and then together
    await hands.told("2 new messages. The last is from Anna.")


async def _knocks(hands: Hands, session: FakeSession) -> None:
    session.knock("k1", "Olga")
    await hands.told("Olga asks to come in.", urgent=True)
    session.knock("k2", "Paulo")
    session.knock("k3", "Quynh")
    await hands.holds("document.querySelector('[aria-label=\"Let in Paulo\"]')")
    await hands.is_at("Chat")  # nobody's work is interrupted
    await hands.tab_to("Let in Olga")
    await hands.press("Enter")
    await hands.is_at("Let in Paulo")  # the next one, and not the top of the page
    await hands.told("Olga joined.")
    await hands.tab_to("Decline Paulo")
    await hands.press("Space")
    await hands.is_at("Let in Quynh")
    await hands.press("Enter")
    await hands.is_at("People")
    assert [one["knock"] for one in session.done("admit")] == ["k1", "k3"]
    assert [one["knock"] for one in session.done("refuse")] == ["k2"]
    session.remove("bbbb0000")
    session.change()
    await hands.told("Anna left.")
    session.change(relays=[{**one, "up": False} for one in session.state["relays"]])
    await hands.holds("document.querySelector('.notices').innerText.includes('No relay answers')")
    session.change(relays=[{**one, "up": True} for one in session.state["relays"]])
    await hands.told("A relay answers again.")


async def _dialogs(hands: Hands, session: FakeSession) -> None:
    await hands.tab_to("Safety code, not compared yet")
    await hands.press("Enter")
    await hands.holds("document.activeElement.closest('dialog')")
    for _ in range(8 if hands.rounds else 2):  # what is behind the dialog is not reached
        await hands.press("Tab")
        at = await hands.focus()
        assert at["dialog"] or at["tag"] in ("BODY", "HTML"), at
    await hands.tab_to("We compared it")
    await hands.press("Space")
    await hands.holds("document.querySelector('.safety-state').innerText === 'Compared.'")
    await hands.press("Escape")
    await hands.is_at("Safety code: Compared")
    for name in ("2 relays connected", "Invite somebody", "Devices"):
        await hands.tab_to(name)
        await hands.press("Enter")
        await hands.holds("document.activeElement.closest('dialog')")
        await hands.press("Escape")
        await hands.is_at(name)
    await hands.tab_to("People")
    await hands.press("Space")
    await hands.is_at("Close the list of people")
    await hands.tab_to("Mute Olga for me")
    await hands.press("Space")
    await hands.holds("document.activeElement.getAttribute('aria-pressed') === 'true'")
    await hands.press("Escape")
    await hands.is_at("People")


def test_a_whole_meeting_by_keyboard_in_chromium() -> None:
    async def test() -> None:
        session = FakeSession(others=1)
        async with world(session) as here:
            page = await here.open(reduced_motion="reduce")
            hands = Hands(page.keyboard.press, page.evaluate, rounds=True)
            await walk(hands, session)

    run(test)


def test_a_whole_meeting_by_keyboard_in_firefox() -> None:
    if firefox.program() is None:
        pytest.skip(firefox.MISSING)

    async def test() -> None:
        session = FakeSession(others=1)
        server = PageServer(session, entropy=os.urandom, bridge_factory=bridges_of(session))
        await server.start()
        try:
            async with firefox.started() as fox:
                await fox.open(server.handover_url())
                await walk(Hands(fox.press, fox.evaluate, rounds=False), session)
        finally:
            await server.stop()

    run(test)


MOVING = """(() => {
  const slow = [...document.querySelectorAll("*")].filter((one) => {
    const { animationName, animationDuration, transitionDuration } = getComputedStyle(one);
    const longest = (text) => Math.max(...text.split(",").map((part) =>
      parseFloat(part) * (part.trim().endsWith("ms") ? 1 : 1000)));
    return longest(transitionDuration) > 1
      || (animationName !== "none" && longest(animationDuration) > 1);
  });
  return slow.map((one) => one.className).concat(
    document.getAnimations().map((one) => one.animationName ?? one.transitionProperty));
})()"""


def test_nothing_moves_for_those_who_want_that() -> None:
    async def test() -> None:
        session = FakeSession(others=1)
        session.auto_admit = False
        async with world(session) as here:
            page = await here.open(reduced_motion="no-preference")
            await page.get_by_role("button", name="Join the meeting").click()
            await expect(page.get_by_role("heading", name="Waiting to be let in")).to_be_visible()
            assert "turn" in await page.evaluate(MOVING)  # the control: it moves for the others
            await page.emulate_media(reduced_motion="reduce")
            assert await page.evaluate(MOVING) == []
            session.enter()
            session.change()
            session.knock("k1", "Olga")
            await expect(page.locator(".knock")).to_be_visible()
            assert await page.evaluate(MOVING) == []
            await page.get_by_role("button", name="Leave the meeting").click()
            assert await page.evaluate(MOVING) == []

    run(test)
