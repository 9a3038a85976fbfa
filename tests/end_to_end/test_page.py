"""A real Chromium drives the page against a session of the tests, through the real server and the
real bridge: what each member sends is what the page itself sent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from end_to_end import firefox
from folkmoot.agent.page import PageServer, bridges_of
from page_session import OWN, FakeSession

pytestmark = pytest.mark.browser

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
)
ALLOW = "--use-fake-ui-for-media-stream"  # without it a headless Chromium denies


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not here: apt-get install chromium")
    return found


class World:
    """One agent's page server and one browser."""

    def __init__(self, session: FakeSession, server: PageServer, browser: Browser) -> None:
        self.session = session
        self.server = server
        self.browser = browser
        self.complaints: list[str] = []
        self.addresses: set[str] = set()

    async def open(self, url: str | None = None, **context: Any) -> Page:
        made = await self.browser.new_context(**context)
        page = await made.new_page()
        self.watch(page)
        await page.goto(url or self.server.handover_url())
        return page

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", lambda request: self.addresses.add(request.url))
        page.on("websocket", lambda line: self.addresses.add(line.url))

    def _console(self, message: ConsoleMessage) -> None:
        refused = "ERR_CONNECTION_REFUSED" in message.text  # an agent that is away, on purpose
        if message.type in ("error", "warning") and not refused:
            self.complaints.append(message.text)


@contextlib.asynccontextmanager
async def world(session: FakeSession, *, allow: bool = True) -> AsyncIterator[World]:
    """Ends with the checks that hold for every test: no error, no violation of the content security
    policy, nothing asked of any other place."""
    server = PageServer(session, entropy=os.urandom, bridge_factory=bridges_of(session))
    await server.start()
    try:
        async with async_playwright() as playwright:
            flags = [*FLAGS, ALLOW] if allow else list(FLAGS)
            browser = await playwright.chromium.launch(executable_path=chromium(), args=flags)
            try:
                here = World(session, server, browser)
                yield here
                assert here.complaints == []
                own = re.compile(r"(http|ws)://127\.0\.0\.1:\d+/|file:///|data:|blob:")
                assert not [url for url in here.addresses if not own.match(url)]
            finally:
                await browser.close()
    finally:
        await server.stop()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def until(condition: Callable[[], Any], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name)


# --- before joining ---


def test_preview_then_join_then_sound_and_picture_both_ways() -> None:
    async def test() -> None:
        session = FakeSession(others=2)
        async with world(session) as here:
            page = await here.open()
            await expect(page.get_by_role("heading", name="Before you join")).to_be_visible()
            await expect(page.get_by_text("Garden co-op will see your internet")).to_be_visible()
            await expect(page.get_by_text("Nobody can be removed by anybody")).to_be_visible()
            await expect(page.get_by_text("Who is invited hears everything.")).to_be_hidden()
            await page.get_by_text("What this does not protect").click()
            await expect(page.get_by_text("Who is invited hears everything.")).to_be_visible()
            await expect(page.get_by_label("Your own picture")).to_be_visible()
            await expect(page.locator(".meter i.lit").first).to_be_visible()
            assert await page.get_by_label("Camera", exact=True).locator("option").count() >= 1
            name = page.get_by_label("Your name")
            await name.fill("  ")
            await button(page, "Join the meeting").click()
            await expect(page.get_by_text("Please give a name.")).to_be_visible()
            assert session.commands == []
            await name.fill("Rosa L.")
            await button(page, "Join the meeting").click()
            await expect(page.locator(".tile")).to_have_count(3)
            first = {"do": "join", "name": "Rosa L.", "microphone": True, "camera": True}
            assert session.commands[0] == first
            await until(lambda: here.server.stats and len(here.server.stats.members) == 2)

            def plays() -> bool:
                assert here.server.stats is not None
                figures = here.server.stats.members.values()
                return all(
                    one.get("framesDecoded", 0) > 20 and one.get("totalAudioEnergy", 0) > 0
                    for one in figures
                )

            await until(plays)
            await expect(page.locator('.tile[data-picture="yes"]')).to_have_count(3)
            await expect(page.locator('.tile:not(.own)[data-speaking="yes"]').first).to_be_visible()

    run(test)


def test_denied_camera_and_microphone_have_a_sentence_and_one_can_join() -> None:
    async def test() -> None:
        session = FakeSession(others=1)
        async with world(session, allow=False) as here:
            page = await here.open()
            await expect(page.get_by_text("does not let this page use the camera")).to_be_visible()
            await expect(
                page.get_by_text("does not let this page use the microphone")
            ).to_be_visible()
            await button(page, "Join the meeting").click()
            await expect(page.locator(".tile")).to_have_count(2)
            assert session.commands[0]["microphone"] is False
            assert session.commands[0]["camera"] is False
            await button(page, "Camera is off").click()
            await expect(page.locator(".toast")).to_contain_text("does not let this page")

    run(test)


def test_a_browser_without_webrtc_can_read_and_write() -> None:
    async def test() -> None:
        session = FakeSession(others=1)
        async with world(session) as here:
            context = await here.browser.new_context()
            await context.add_init_script("delete window.RTCPeerConnection")
            page = await context.new_page()
            here.watch(page)
            await page.goto(here.server.handover_url())
            await expect(page.get_by_text("WebRTC is missing")).to_be_visible()
            await button(page, "Join the meeting").click()
            await expect(page.get_by_text("You can read and write.")).to_be_visible()
            await button(page, "Chat").click()
            await page.get_by_label("Your message").fill("still here")
            await page.keyboard.press("Enter")
            await expect(page.locator(".line-text")).to_have_text("still here")

    run(test)


def test_knocking_waits_and_can_stop() -> None:
    async def test() -> None:
        session = FakeSession()
        session.auto_admit = False
        async with world(session) as here:
            page = await here.open()
            await button(page, "Join the meeting").click()
            await expect(page.get_by_role("heading", name="Waiting to be let in")).to_be_focused()
            await expect(page.locator(".lead")).to_be_visible()
            assert session.frames == 0
            await button(page, "Stop waiting").click()
            await expect(page.get_by_role("heading", name="You have left")).to_be_visible()
            await until(lambda: session.done("leave"))

    run(test)


# --- the key ---


def test_the_file_opens_the_page_once_and_leaves_no_token() -> None:
    async def test() -> None:
        session = FakeSession()
        async with world(session) as here:
            path = here.server.handover_file()
            # A page that came from a file may be called cross-site by the browser: it must open.
            page = await here.open(path.as_uri())
            await expect(page.get_by_role("heading", name="Before you join")).to_be_visible()
            assert page.url == here.server.url
            assert not path.exists()
            assert await page.evaluate("document.cookie") == ""
            stranger = await here.open(here.server.url)
            await expect(
                stranger.get_by_role("heading", name="This page needs its key")
            ).to_be_visible()

    run(test)


def test_reload_second_tab_and_use_it_here() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        async with world(session) as here:
            context = await here.browser.new_context()
            first = await context.new_page()
            here.watch(first)
            await first.goto(here.server.handover_url())
            await expect(first.locator(".tile")).to_have_count(2)
            await first.reload()
            await expect(first.locator(".tile")).to_have_count(2)
            second = await context.new_page()
            here.watch(second)
            await second.goto(here.server.handover_url())
            title = "The meeting is open in another tab"
            await expect(second.get_by_role("heading", name=title)).to_be_visible()
            await button(second, "Use it here").click()
            await expect(second.locator(".tile")).to_have_count(2)
            await expect(first.get_by_role("heading", name=title)).to_be_visible()
            await until(lambda: session.frames > 50)
            assert len(session.sinks) == 1

    run(test)


def test_the_page_goes_on_when_the_agent_comes_back() -> None:
    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator(".tile")).to_have_count(2)
            port = int(here.server.url.split(":")[2].rstrip("/"))
            await here.server.stop()
            await expect(page.get_by_text("does not answer. Trying again")).to_be_visible()
            here.server = PageServer(
                session,
                entropy=os.urandom,
                bridge_factory=bridges_of(session),
                port=port,
                secret=here.server.secret,
            )
            await here.server.start()
            try:
                await expect(page.get_by_text("does not answer. Trying again")).to_be_hidden()
                before = session.frames
                await until(lambda: session.frames > before + 50)
            finally:
                await page.close()
                await here.server.stop()

    run(test)


# --- in the meeting ---

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


REACHED = (
    "Mic is off",
    "Camera is off",
    "People",
    "Chat",
    "Invite somebody",
    "Devices",
    "Leave the meeting",
    "Safety code",
    "2 relays connected",
)


def off(what: str) -> dict[str, Any]:
    return {"do": what, "on": False}


def test_everything_by_keyboard() -> None:
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
            reached = set()
            for _ in range(16):
                await page.keyboard.press("Tab")
                label = "document.activeElement.getAttribute('aria-label') ?? ''"
                reached.add(await page.evaluate(label))
            for name in REACHED:
                assert any(label.startswith(name) for label in reached), (name, reached)
            await button(page, "Leave the meeting").focus()
            await page.keyboard.press("Enter")
            await expect(button(page, "Stay")).to_be_focused()
            await page.keyboard.press("Escape")
            await expect(button(page, "Leave the meeting")).to_be_focused()
            assert session.done("leave") == []
            await page.keyboard.press("Enter")
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("heading", name="You have left")).to_be_focused()
            await until(lambda: session.done("leave"))

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


def test_firefox_joins_hears_and_sees(tmp_path: Path) -> None:
    if firefox.program() is None:
        pytest.skip(firefox.MISSING)

    async def test() -> None:
        session = FakeSession(others=1)
        server = PageServer(session, entropy=os.urandom, bridge_factory=bridges_of(session))
        await server.start()
        try:
            async with firefox.started() as fox:
                await fox.open(server.handover_url())

                async def holds(expression: str) -> None:
                    async with asyncio.timeout(30):
                        while not await fox.evaluate(f"Boolean({expression})"):
                            await asyncio.sleep(0.1)

                await holds("document.querySelector('.join-form button')")
                await fox.evaluate("document.querySelector('.join-form button').click()")
                await holds("document.querySelectorAll('.tile[data-picture=yes]').length === 2")

                def plays() -> bool:
                    figures = [] if server.stats is None else list(server.stats.members.values())
                    return any(
                        one.get("framesDecoded", 0) > 20 and one.get("totalAudioEnergy", 0) > 0
                        for one in figures
                    )

                await until(plays, 30)
                await holds("document.querySelector('.tile:not(.own)[data-speaking=yes]')")
                picture = Path(os.environ.get("FOLKMOOT_ARTEFACTS", tmp_path)) / "page-firefox.png"
                picture.write_bytes(await fox.screenshot())
        finally:
            await server.stop()

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


DIALOGS = ("Safety code", "Invite somebody", "Connection and rules", "Devices", "Leave")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["wide", "narrow"])
def test_looks_and_accessibility(scheme: Any, size: tuple[int, int], tmp_path: Path) -> None:
    """Twelve tiles: nothing sticks out sideways. With axe-core beside the tests it judges each view
    (`npm install --prefix tests/end_to_end axe-core`)."""
    folder = Path(os.environ.get("FOLKMOOT_ARTEFACTS", tmp_path))
    engine = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"

    async def judge(page: Page, what: str) -> None:
        await page.screenshot(path=folder / f"page-{what}-{size[0]}-{scheme}.png")
        assert await page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        if engine.is_file():
            await page.evaluate(engine.read_text())
            found = await page.evaluate("axe.run().then((result) => result.violations)")
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == [], what

    async def test() -> None:
        session = FakeSession(others=11, pictures=7)
        session.says("bbbb0001", "Anna", "Hello " * 40 + "x" * 300)
        viewport: Any = {"width": size[0], "height": size[1]}
        async with world(session) as here:
            page = await here.open(viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
            await expect(page.get_by_label("Your own picture")).to_be_visible()
            await judge(page, "preview")
            await button(page, "Join the meeting").click()
            await expect(page.locator(".tile")).to_have_count(12)
            pictures = page.locator('.tile[data-picture="yes"]')
            await expect(pictures).to_have_count(8, timeout=20000)
            session.knock("k1", "Olga")
            await judge(page, "meeting")
            await page.keyboard.press("Alt+p")
            await judge(page, "people")
            await page.keyboard.press("Alt+c")
            await judge(page, "chat")
            await page.keyboard.press("Escape")
            for name in DIALOGS:
                await button(page, name).first.click()
                await judge(page, name.split()[0].lower())
                await page.keyboard.press("Escape")
            own = page.locator(".tile").first
            await expect(own).to_have_attribute("data-member", OWN)

    run(test)
