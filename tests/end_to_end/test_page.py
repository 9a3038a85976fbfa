"""A real Chromium drives the page against a session of the tests, through the real server and the
real bridge: what each member sends is what the page itself sent. Here: up to joining."""

from __future__ import annotations

import contextlib
import json

import pytest
from playwright.async_api import expect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from end_to_end.page_world import button, off, run, until, world
from page_session import INVITE, FakeSession

pytestmark = pytest.mark.browser


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
            first = {
                "do": "join",
                "name": "Rosa L.",
                "microphone": True,
                "camera": True,
                "hidden": True,
            }
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
            await expect(
                page.get_by_role("heading", name="You have stopped waiting")
            ).to_be_visible()
            await until(lambda: session.done("leave"))

    run(test)


def test_at_the_door_one_sees_what_is_known_of_the_other_side() -> None:
    async def test() -> None:
        session = FakeSession()
        session.auto_admit = False
        session.state["door"] = {"heard": False, "declined": "", "rules": []}
        async with world(session) as here:
            page = await here.open()
            await page.clock.install()
            await button(page, "Join the meeting").click()
            await expect(page.get_by_role("heading", name="Waiting to be let in")).to_be_focused()
            unheard = page.get_by_text("Nobody inside has answered yet.")
            await expect(unheard).to_be_hidden()
            await page.clock.fast_forward(16_000)
            await expect(unheard).to_be_visible()
            session.change(door={"heard": True, "declined": "", "rules": []})
            await expect(page.get_by_text("Somebody inside has your knock.")).to_be_visible()

            why = "Somebody inside said no."
            session.publish({"event": "refused", "what": "admission", "why": why})
            session.change(door={"heard": True, "declined": why, "rules": []})
            await expect(page.get_by_role("heading", name="You were not let in")).to_be_focused()
            await expect(page.locator("#announce-now")).to_contain_text("You were not let in.")
            assert await page.locator(".toast").count() == 0
            await page.reload()  # it is no passing word
            await expect(page.get_by_role("heading", name="You were not let in")).to_be_visible()

            session.change(door={"heard": True, "declined": "", "rules": ["Everyone has a vote."]})
            await expect(page.get_by_role("heading", name="The rules have changed")).to_be_focused()
            await page.keyboard.press("Escape")  # there is no way round the question
            await button(page, "Join under these rules").click()
            await until(lambda: session.done("accept_charter"))

            session.enter()
            session.change(door={"heard": True, "declined": "", "rules": []})
            await expect(page.locator(".tile")).to_have_count(1)

    run(test)


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
            await here.server.stop()
            await expect(page.get_by_text("does not answer. Trying again")).to_be_visible()
            await here.serve_again(session)
            try:
                await expect(page.get_by_text("does not answer. Trying again")).to_be_hidden()
                before = session.frames
                await until(lambda: session.frames > before + 50)
            finally:
                await page.close()

    run(test)


GONE = "The Folkmoot program does not answer"


def test_a_page_without_its_agent_says_what_to_do_and_tells_nobody_else_anything() -> None:
    """Nothing that listens in the agent's place gets the page's secrets, its camera or a word of
    its own shown; and once the agent is there again, all goes on."""
    heard: list[str] = []

    async def stranger(line: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            heard.append(str(await line.recv()))
            snapshot = {**FakeSession(phase="in", others=3).snapshot(), "group_name": "A trap"}
            for word in (
                {"event": "welcome", "secret": "x", "return_key": "y"},
                {"event": "challenge", "nonce": "n" * 43, "proof": "p" * 43},
                snapshot,
                {"event": "offer", "sdp": "v=0"},
            ):
                await line.send(json.dumps(word))
            heard.append(str(await line.recv()))

    async def test() -> None:
        session = FakeSession(phase="in", others=1)
        session.state["return_with"] = INVITE
        session.says("bbbb0000", "Anna", "said before")
        async with world(session) as here:
            page = await here.open()
            await expect(page.locator('.tile[data-picture="yes"]')).to_have_count(2)
            await page.keyboard.press("Alt+m")
            await until(lambda: session.done("microphone")[-1:] == [off("microphone")])
            note, secret = here.server.note, here.server.secret
            await here.server.stop()
            async with serve(stranger, "127.0.0.1", note.port):
                await expect(page.get_by_role("heading", name=GONE)).to_be_focused()
                await expect(page.get_by_text("Another program on this computer")).to_be_visible()
                command = page.get_by_label("The command")
                await expect(command).to_have_value(f"folkmoot join {INVITE}")
                assert await page.get_by_text("A trap").count() == 0
            assert heard
            for word in heard:
                assert sorted(json.loads(word)) == ["do", "instance", "nonce"]
                assert secret not in word
                assert note.key not in word

            session.state["chat"] = []  # an agent that was started again has none
            await here.serve_again(session)
            assert here.server.secret != secret
            await expect(page.locator('.tile[data-picture="yes"]')).to_have_count(2)
            await expect(page.locator("#announce")).to_contain_text("You are back in the meeting.")
            before = session.frames
            await until(lambda: session.frames > before + 50)
            await expect(button(page, "Mic is off")).to_be_visible()
            await page.keyboard.press("Alt+c")
            await expect(page.locator(".line-text")).to_have_text("said before")
            session.state["relay_here"] = True
            await page.reload()  # with the new agent's secret
            await expect(page.locator(".tile")).to_have_count(2)
            await here.server.stop()
            await expect(page.get_by_label("The command")).to_have_value("folkmoot meet")
            await expect(page.get_by_text("has stopped for everyone")).to_be_visible()
            await page.close()

    run(test)
