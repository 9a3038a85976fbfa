"""Two bridges back to back with real browsers on their outer sides: they see and hear each
other."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from end_to_end import firefox
from end_to_end.bridge_page import served
from end_to_end.material import film, speech
from end_to_end.standin import until
from folkmoot.agent.media import Bridge, Player
from folkmoot.cells.frames import EncodedFrame

pytestmark = pytest.mark.browser
CHROMIUM_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
]
PATIENCE_S = 60.0  # only a machine with much else to do needs so long
Evaluate = Callable[[str], Awaitable[Any]]


class Side:
    """A bridge and a real page; `neighbours` see and hear it."""

    def __init__(self, member: str, evaluate: Evaluate, *, loopback_only: bool) -> None:
        self.member = member
        self._evaluate = evaluate
        self.neighbours: list[Side] = []
        self.sizes: set[int] = set()
        self.voice = 0
        self.states: list[str] = []
        self.keys_of: dict[str, Callable[[], None]] = {}  # how to ask a member for one
        self.bridge = Bridge(
            on_offer=self._offer,
            on_voice=self._send,
            on_picture=self._send,
            on_keyframe_wanted_of=self._wanted,
            on_state=lambda state, sentence: self.states.append(state),
            loopback_only=loopback_only,
        )
        self._tasks: list[asyncio.Task[None]] = []

    def _offer(self, sdp: str) -> None:
        self._tasks.append(asyncio.create_task(self._answer(sdp)))

    async def _answer(self, sdp: str) -> None:
        await self.bridge.answer(await self._evaluate(f"answerTo({json.dumps(sdp)})"))

    def _send(self, frame: EncodedFrame) -> None:
        if frame.kind == 0:
            self.voice += 1
            self.sizes.add(len(frame.payloads[0]))
        for other in self.neighbours:
            other.bridge.play(self.member, frame)

    def _wanted(self, member: str) -> None:
        if member in self.keys_of:
            self.keys_of[member]()

    def meets(self, other: Side) -> None:
        self.neighbours.append(other)
        other.keys_of[self.member] = self.bridge.keyframe_wanted
        other.bridge.member_added(self.member, self.member)

    async def counts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self._evaluate("counts()"))
        return found

    async def sees_and_hears(self, others: int, within_s: float = PATIENCE_S) -> dict[str, Any]:
        """Waits until `others` members' pictures move and voices sound; the counts then."""
        async with asyncio.timeout(within_s):
            before = await self.counts()
            while True:
                await asyncio.sleep(0.25)
                now = await self.counts()
                moving = [
                    mid
                    for mid, video in now["video"].items()
                    if (video["frames"] or 0)
                    > (before["video"].get(mid, {}).get("frames") or 0) + 5
                ]
                heard = [mid for mid, audio in now["audio"].items() if (audio["level"] or 0) > 0]
                if len(moving) >= others and len(heard) >= others:
                    return now

    async def close(self) -> None:
        await self.bridge.close()
        await asyncio.gather(*self._tasks)


def keep(image: bytes, name: str, fallback: Path) -> None:
    """A screenshot goes to the folder in $FOLKMOOT_ARTEFACTS, or to the test's own."""
    folder = Path(os.environ.get("FOLKMOOT_ARTEFACTS", fallback))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(image)


def need_chromium() -> str:
    pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not here: apt-get install chromium")
    return found


def test_two_chromium_pages_see_and_hear_each_other(tmp_path: Path) -> None:
    binary = need_chromium()
    from playwright.async_api import async_playwright

    async def scenario() -> None:
        async with served() as address, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=binary, args=CHROMIUM_FLAGS)
            pages = [await browser.new_page() for _ in range(2)]
            for page in pages:
                await page.goto(address)
            one, two = (
                Side(name, page.evaluate, loopback_only=True)
                for name, page in zip(("one", "two"), pages, strict=True)
            )
            one.meets(two)
            two.meets(one)
            await one.bridge.offer()
            await two.bridge.offer()
            for side in (one, two):
                await side.sees_and_hears(1)
            await asyncio.sleep(float(os.environ.get("FOLKMOOT_WATCH_S", "2")))
            for side, page in ((one, pages[0]), (two, pages[1])):
                counts = await side.counts()
                print(side.member, json.dumps(counts), json.dumps(side.bridge.stats()))
                assert counts["state"] == "connected"
                (video,) = counts["video"].values()
                (audio,) = counts["audio"].values()
                assert video["frames"] > 10
                assert video["lost"] == audio["lost"] == 0
                assert audio["energy"] > 0
                assert side.sizes == {60}  # constant, speaking or silent
                assert side.bridge.stats()["voice_replaced"] == 0
                assert [width for _, width, _ in counts["videos"]] == [640]
                keep(await page.screenshot(), f"bridge-{side.member}.png", tmp_path)
            for side in (one, two):
                await side.close()
            await browser.close()

    asyncio.run(scenario())


def test_firefox_and_chromium_see_and_hear_each_other(tmp_path: Path) -> None:
    binary = need_chromium()
    if firefox.program() is None:
        pytest.skip(firefox.MISSING)
    from playwright.async_api import async_playwright

    async def scenario() -> None:
        async with served() as address, async_playwright() as playwright, firefox.started() as fox:
            browser = await playwright.chromium.launch(executable_path=binary, args=CHROMIUM_FLAGS)
            page = await browser.new_page()
            await page.goto(address)
            await fox.open(address)
            one = Side("chromium", page.evaluate, loopback_only=True)
            two = Side("firefox", fox.evaluate, loopback_only=False)
            one.meets(two)
            two.meets(one)
            await one.bridge.offer()
            await two.bridge.offer()
            for side in (one, two):
                await side.sees_and_hears(1)
            await asyncio.sleep(float(os.environ.get("FOLKMOOT_WATCH_S", "2")))
            for side in (one, two):
                print(side.member, json.dumps(await side.counts()), side.bridge.stats(), side.sizes)
                assert max(side.sizes) <= 63  # whatever the browser does
            keep(await fox.screenshot(), "bridge-firefox.png", tmp_path)
            keep(await page.screenshot(), "bridge-chromium.png", tmp_path)
            for side in (one, two):
                await side.close()
            await browser.close()

    asyncio.run(scenario())


def test_a_late_page_and_a_played_file_are_seen_soon_and_people_come_and_go(tmp_path: Path) -> None:
    binary = need_chromium()
    from playwright.async_api import async_playwright

    source = film(tmp_path / "film.webm", 3.0, voice=speech(tmp_path / "speech.wav"))

    async def scenario() -> None:
        async with served() as address, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=binary, args=CHROMIUM_FLAGS)
            pages = [await browser.new_page() for _ in range(2)]
            for page in pages:
                await page.goto(address)
            one, two = (
                Side(name, page.evaluate, loopback_only=True)
                for name, page in zip(("one", "two"), pages, strict=True)
            )
            await one.bridge.offer()
            async with asyncio.timeout(PATIENCE_S):
                while (await one.counts())["out"].get("video", {}).get("frames", 0) < 20:
                    await asyncio.sleep(0.1)
            # A page that comes late asks for a key frame instead of waiting for one.
            one.meets(two)
            began = time.monotonic()
            await two.bridge.offer()
            async with asyncio.timeout(PATIENCE_S):
                while [width for _, width, _ in (await two.counts())["videos"]] != [640]:
                    await asyncio.sleep(0.05)
            print(f"late page: first picture {time.monotonic() - began:.2f} s after its offer")
            assert (await one.counts())["out"]["video"]["keys"] >= 2
            # A file, whose payloads have the one-byte descriptor, is as good as a camera.
            player = Player(source, loop=True)
            two.bridge.member_added("player", "Player")

            def carry(frame: EncodedFrame) -> None:
                two.bridge.play("player", frame)

            two.keys_of["player"] = player.keyframe_wanted
            player.start(carry, carry)
            await two.sees_and_hears(2)
            # Somebody goes, somebody else takes the same media sections, and again all is seen.
            two.bridge.member_removed("player")
            two.bridge.member_added("player again", "Player")
            again = hashlib.sha256(b"player again").hexdigest()[:16]

            def carry_again(frame: EncodedFrame) -> None:
                two.bridge.play("player again", frame)

            await player.close()
            player = Player(source, loop=True)
            two.keys_of["player again"] = player.keyframe_wanted
            player.start(carry_again, carry_again)
            async with asyncio.timeout(PATIENCE_S):
                while [again, 640, 2] not in (await two.counts())["videos"]:
                    await asyncio.sleep(0.1)
            counts = await two.sees_and_hears(2)
            assert len(counts["videos"]) == 2
            freezes = sum(video["freezes"] for video in counts["video"].values())
            print(f"freezes: {freezes} (a busy machine has some)")
            keep(await pages[1].screenshot(), "bridge-late.png", tmp_path)
            # A microphone that is muted still gives frames of one size.
            await pages[0].evaluate("local.getAudioTracks()[0].enabled = false")
            heard = one.voice
            await until(lambda: one.voice > heard + 50, PATIENCE_S)
            assert one.sizes == {60}
            await player.close()
            for side in (one, two):
                await side.close()
            await browser.close()

    asyncio.run(scenario())
