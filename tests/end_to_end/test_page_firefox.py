"""What the page does in Chromium it does in Firefox: choosing devices, joining, seeing and hearing,
switches, chat, a reload, an agent that is started again, leaving."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from end_to_end import firefox
from end_to_end.page_world import off, run, until
from folkmoot.agent.page import PageServer, bridges_of
from page_session import FakeSession

pytestmark = pytest.mark.browser


class Fox:
    """A Firefox at the page of one agent."""

    def __init__(self, fox: firefox.Firefox, session: FakeSession) -> None:
        self.fox = fox
        self.session = session
        self.server = PageServer(session, entropy=os.urandom, bridge_factory=bridges_of(session))

    async def holds(self, expression: str) -> None:
        try:
            async with asyncio.timeout(40):
                while not await self.fox.evaluate(f"Boolean({expression})"):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            shown = await self.fox.evaluate("document.body.innerText")
            raise AssertionError((expression, shown)) from None

    async def press(self, label: str) -> None:
        """The button that screen readers call so."""
        query = f"document.querySelector('[aria-label^=\"{label}\"]')"
        await self.holds(query)
        await self.fox.evaluate(f"{query}.click()")

    async def sees_and_hears(self) -> None:
        """From now on: pictures that come in and sound that is not silence."""
        server = self.server
        server.stats = None

        def plays() -> bool:
            figures: list[Any] = [] if server.stats is None else list(server.stats.members.values())
            return any(
                one.get("framesDecoded", 0) > 20 and one.get("totalAudioEnergy", 0) > 0
                for one in figures
            )

        await until(plays, 60)
        await self.holds("document.querySelectorAll('.tile[data-picture=yes]').length === 2")
        await self.holds("document.querySelector('.tile:not(.own)[data-speaking=yes]')")

    async def start_again(self) -> None:
        """The agent: it ends and is there again."""
        note = self.server.note
        await self.server.stop()
        await self.holds("document.body.innerText.includes('does not answer')")
        self.server = PageServer(
            self.session, entropy=os.urandom, bridge_factory=bridges_of(self.session), note=note
        )
        await self.server.start()


async def _preview(here: Fox) -> None:
    await here.holds("document.querySelector('.mirror')?.videoWidth")
    # How loud the microphone is, is not looked at: on a machine without a sound card Firefox starts
    # no AudioContext. Chromium's tests look.
    for what in ("microphone", "camera"):
        select = f"document.querySelector('#preview-{what}')"
        await here.holds(f"{select}.options.length >= 1 && {select}.value")
        # Another one is chosen, or where there is but one, the same once more.
        await here.fox.evaluate(
            f"(() => {{ const one = {select}; one.selectedIndex = one.options.length - 1;"
            " one.dispatchEvent(new Event('change', { bubbles: true })); })()"
        )
        await here.holds(f"{select}.value === {select}.options[{select}.options.length - 1].value")
    await here.holds("document.querySelector('.mirror')?.videoWidth")
    assert here.session.commands == []
    await here.fox.evaluate("document.querySelector('.join-form button').click()")


async def _switches(here: Fox) -> None:
    session = here.session
    await here.press("Mic is on")
    await until(lambda: session.done("microphone")[-1:] == [off("microphone")])
    before = session.frames
    await until(lambda: session.frames > before + 60)  # who mutes sends silence
    await here.press("Camera is on")
    await until(lambda: session.done("camera")[-1:] == [off("camera")])
    await here.holds("document.querySelector('.tile.own').dataset.picture === 'no'")
    await here.press("Mic is off")
    await here.press("Camera is off")
    await until(lambda: session.done("camera")[-1]["on"] and session.done("microphone")[-1]["on"])


async def _chat(here: Fox, text: str) -> None:
    await here.fox.evaluate(
        "(() => { const field = document.querySelector('#chat-text');"
        f" field.value = {json.dumps(text)}; field.closest('form').requestSubmit(); }})()"
    )
    wanted = json.dumps(text)
    await here.holds(
        "[...document.querySelectorAll('.line-text')]"
        f".some((line) => line.textContent === {wanted})"
    )


def test_a_whole_meeting_in_firefox() -> None:
    if firefox.program() is None:
        pytest.skip(firefox.MISSING)

    async def test() -> None:
        session = FakeSession(others=1)
        async with firefox.started() as fox:
            here = Fox(fox, session)
            await here.server.start()
            try:
                await fox.open(here.server.handover_url())
                await _preview(here)
                await here.sees_and_hears()
                await _switches(here)
                await here.sees_and_hears()
                await here.press("Chat")
                await _chat(here, "from <b>Firefox</b>")
                if folder := os.environ.get("FOLKMOOT_ARTEFACTS"):
                    picture = Path(folder) / "page-firefox.png"
                    picture.write_bytes(await fox.screenshot())
                await fox.evaluate("location.reload()")
                await here.sees_and_hears()
                await here.start_again()
                await here.sees_and_hears()
                await here.press("Leave the meeting")
                await here.holds("document.querySelector('dialog[open] .danger')")
                await fox.evaluate("document.querySelector('dialog[open] .danger').click()")
                await here.holds("document.body.innerText.includes('You have left the meeting')")
                await until(lambda: session.done("leave"))
            finally:
                await here.server.stop()

    run(test)
