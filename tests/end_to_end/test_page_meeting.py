"""A real Chromium drives the page against a session of the tests, through the real server and the
real bridge: what each member sends is what the page itself sent. Here: in the meeting."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from end_to_end.page_world import button, off, run, until, world
from page_session import FakeSession

pytestmark = pytest.mark.browser


EVIL_NAMES = (
    "<img src=x onerror=alert(1)>",
    "Rosa\u202e)uoy(",
    "\u0000\u0007bell",
    "a" + "\u0300" * 200,
    "tag\U000e0041\U000e0042",
    "\u200b\u200b",
)


def test_names_and_chat_of_others_are_text_and_nothing_else() -> None:
    async def test() -> None:
        session = FakeSession(phase="in")
        for index, name in enumerate(EVIL_NAMES):
            session.add(f"eeee{index}", name, camera=False)
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator(".tile")).to_have_count(1 + len(EVIL_NAMES))
            session.knock("k1", EVIL_NAMES[0])
            session.says("eeee0", EVIL_NAMES[0], "<script>alert(1)</script>\u202ednuora")
            session.says("eeee1", EVIL_NAMES[1], "<a href=javascript:alert(1)>x</a>\n\nsecond line")
            await page.keyboard.press("Alt+c")
            await expect(page.locator(".line-text").first).to_have_text(
                "<script>alert(1)</script>\ufffddnuora"
            )
            await page.keyboard.press("Alt+p")
            shown = await page.locator("#app").inner_text()
            assert EVIL_NAMES[0] in shown
            hidden = re.compile("[\u0000-\u0008\u200b\u202a-\u202e\u2066-\u2069\U000e0041]")
            assert not hidden.search(shown)
            assert "Rosa\ufffd)uoy(" in shown
            assert "\u0300" * 4 not in shown
            for tag in ("img", "script:not([src])", "a", "iframe", "object", "[onerror]"):
                assert await page.locator(f"body {tag}").count() == 0, tag

    run(test)


def test_let_in_and_decline_by_keyboard() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator(".tile")).to_have_count(2)
            session.knock("k1", "Olga")
            session.knock("k2", "Paulo")
            await expect(button(page, "Let in Olga")).to_be_visible()
            await page.keyboard.press("Alt+p")
            await expect(button(page, "Let in Olga")).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(page.locator(".tile")).to_have_count(3)
            await button(page, "Decline Paulo").focus()
            await page.keyboard.press("Space")
            await expect(page.locator(".knock")).to_have_count(0)
            assert [command["knock"] for command in session.done("admit")] == ["k1"]
            assert [command["knock"] for command in session.done("refuse")] == ["k2"]
            await expect(page.locator("#announce")).to_contain_text("Olga joined.")

    run(test)


def test_shortcuts_and_a_muted_microphone_that_sends_silence() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator('.tile.own[data-picture="yes"]')).to_be_visible()
            await page.keyboard.press("Alt+m")
            await expect(button(page, "Mic is off")).to_be_visible()
            await until(lambda: session.done("microphone")[-1:] == [off("microphone")])
            before = session.frames
            await until(lambda: session.frames > before + 60)  # a muted microphone sends silence
            await page.keyboard.press("Alt+v")
            await until(lambda: session.done("camera")[-1:] == [off("camera")])
            await expect(page.locator(".tile.own")).to_have_attribute("data-picture", "no")
            await page.keyboard.press("Alt+c")
            await expect(page.get_by_label("Your message")).to_be_focused()
            await page.keyboard.type("first")
            await page.keyboard.press("Shift+Enter")
            await page.keyboard.type("second m")
            await page.keyboard.press("Enter")
            await expect(page.locator(".line-text")).to_have_text("first\nsecond m")
            await page.keyboard.press("Escape")
            await expect(button(page, "Chat")).to_be_focused()

    run(test)


def test_nothing_is_sent_before_the_invitation_is_confirmed() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        session.state["confirmed"] = False
        async with world(session) as here:
            page = await here.open()
            await expect(page.get_by_text("Not yet confirmed by who invited you")).to_be_visible()
            await until(lambda: here.server.stats is not None)  # sound and picture are connected
            await asyncio.sleep(1)
            assert session.frames == 0
            session.change(confirmed=True)
            await until(lambda: session.frames > 20)
            await expect(page.get_by_text("Not yet confirmed")).to_be_hidden()

    run(test)


DARK_MODULES = """(() => {
  const canvas = document.querySelector("canvas.qr");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let dark = 0;
  for (let index = 0; index < data.length; index += 4) dark += data[index] === 0;
  return dark / 36;
})()"""  # each module is drawn 6 x 6


def test_mute_hide_rename_invite_and_safety_code() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=2)
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator('.tile[data-picture="yes"]')).to_have_count(3)
            await page.keyboard.press("Alt+p")
            await button(page, "Mute Anna for me").click()
            await expect(button(page, "Mute Anna for me")).to_have_attribute("aria-pressed", "true")
            await expect(page.locator(".tile").nth(1)).to_contain_text("muted for you")
            await button(page, "Hide the picture of Anna for me").click()
            await expect(page.locator(".tile").nth(1)).to_have_attribute("data-picture", "no")
            assert session.done("mute") == [{"do": "mute", "member": "bbbb0000"}]
            assert session.done("hide") == [{"do": "hide", "member": "bbbb0000"}]
            await button(page, "Change your name").click()
            await page.get_by_label("How others see you").fill("Rosa Parks")
            await page.keyboard.press("Enter")
            await expect(page.locator(".tile.own")).to_contain_text("Rosa Parks(you)")
            await page.keyboard.press("Alt+p")

            await button(page, "Invite somebody").click()
            invite = page.get_by_label("The invite", exact=True)
            await expect(invite).to_have_value(session.state["invite"])
            rows = here.server._snapshot()["invite_qr"]
            assert await page.evaluate(DARK_MODULES) == sum(row.count("1") for row in rows)
            await page.keyboard.press("Escape")

            await button(page, "Safety code, not compared yet").click()
            await expect(page.locator(".safety-code span")).to_have_text(
                ["27182", "81828", "45904", "52353", "60287", "47135"]
            )
            await button(page, "We compared it, it is the same").click()
            state = page.locator(".safety-state")
            await expect(state).to_have_text("Compared.")
            session.add("dddd0001", "Emma")
            session.add("dddd0002", "Mother Jones")
            session.change(safety_code="1" * 30)
            await expect(state).to_have_text("Two joined since you compared.")
            await page.keyboard.press("Escape")
            await expect(button(page, "Safety code: Two joined since you compared")).to_be_visible()

    run(test)


KEEP_TRACKS = """
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  const stream = await ask(wish);
  (window.opened ??= []).push(...stream.getTracks());
  return stream;
};
"""


def test_a_camera_that_is_pulled_out_has_a_sentence_and_can_come_back() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        async with world(session) as here:
            context = await here.browser.new_context()
            await context.add_init_script(KEEP_TRACKS)
            page = await context.new_page()
            here.watch(page)
            await page.goto(here.server.handover_url())
            await expect(page.locator('.tile.own[data-picture="yes"]')).to_be_visible()
            await page.evaluate(
                "opened.filter((t) => t.kind === 'video').forEach((t) => {"
                " t.stop(); t.dispatchEvent(new Event('ended')); })"
            )
            await expect(page.locator(".toast")).to_contain_text("The camera has stopped.")
            await expect(page.locator(".tile.own")).to_have_attribute("data-picture", "no")
            await until(lambda: session.done("camera")[-1:] == [off("camera")])
            await button(page, "Camera is off").click()
            await expect(page.locator('.tile.own[data-picture="yes"]')).to_be_visible()
            await until(lambda: session.done("camera")[-1]["on"] is True)

    run(test)


def test_why_the_meeting_was_left_is_said() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator(".tile")).to_have_count(2)
            session.publish({"event": "left", "why": "The disk of this machine is full."})
            await expect(page.get_by_text("The disk of this machine is full.")).to_be_visible()

    run(test)


def test_members_come_and_go_with_their_pictures() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        async with world(session) as here:
            page = await here.open()
            pictures = page.locator('.tile[data-picture="yes"]')
            await expect(pictures).to_have_count(2)
            for index in range(4):
                session.add(f"ffff{index}", f"Person {index}")
            session.change()
            await expect(pictures).to_have_count(6, timeout=15000)
            session.remove("ffff1")
            session.remove("bbbb0000")
            session.change()
            await expect(page.locator(".tile")).to_have_count(4)
            session.add("ffff9", "Late")
            session.change()
            await expect(pictures).to_have_count(5, timeout=15000)
            session._set("ffff9", here=False)
            session.change()
            await expect(page.locator('.tile[data-member="ffff9"]')).to_contain_text("Away")

    run(test)
