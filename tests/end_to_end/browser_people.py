"""People in a real meeting: a `folkmoot` process each, and a real browser at its page."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

from end_to_end import firefox
from end_to_end.page_world import chromium
from end_to_end.processes import PROGRAM, Command, Commands, Event

PATIENCE_S = 60.0  # only a machine with much else to do needs so long
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=fps=10",  # everything is encoded by the processor
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# Keeps every connection that the page makes, and when each other member's first picture was shown
# (milliseconds of the wall clock). The page itself is the product's, unchanged.
WATCH = """() => {
  const Real = window.RTCPeerConnection;
  window.watched = { connections: [], first: {} };
  window.RTCPeerConnection = class extends Real {
    constructor(...words) {
      super(...words);
      window.watched.connections.push(this);
    }
  };
  const followed = new WeakSet();
  new MutationObserver(() => {
    for (const video of document.querySelectorAll(".tile:not(.own) video")) {
      if (followed.has(video)) continue;
      followed.add(video);
      const { member } = video.closest(".tile").dataset;
      video.requestVideoFrameCallback((now) => {
        window.watched.first[member] ??= performance.timeOrigin + now;
      });
    }
  }).observe(document, { childList: true, subtree: true });
}"""
COUNTS = """(async () => {
  const connection = window.watched.connections.at(-1);
  const owners = {};
  const members = {};
  for (const tile of document.querySelectorAll(".tile:not(.own)")) {
    const { member, picture, speaking, here } = tile.dataset;
    members[member] = { picture, speaking, here, name: tile.querySelector(".tile-name").textContent,
      frames: 0, energy: 0, level: 0, width: 0 };
    for (const track of tile.querySelector("video").srcObject?.getTracks() ?? [])
      owners[track.id] = members[member];
  }
  if (connection)
    for (const one of (await connection.getStats()).values()) {
      const member = owners[one.trackIdentifier];
      if (one.type !== "inbound-rtp" || !member) continue;
      if (one.kind === "video") {
        member.frames = one.framesDecoded ?? 0;
        member.width = one.frameWidth ?? 0;
      } else {
        member.energy = one.totalAudioEnergy ?? 0;
        member.level = one.audioLevel ?? 0;
      }
    }
  return JSON.stringify({ state: connection?.connectionState ?? "none", members,
    first: window.watched.first });
})()"""
Seen = dict[str, dict[str, Any]]


class Person:
    """One member: its process, and a page driven through `evaluate`, whatever the browser."""

    def __init__(
        self, name: str, command: Command, evaluate: Callable[[str], Awaitable[Any]]
    ) -> None:
        self.name = name
        self.command = command
        self._evaluate = evaluate

    async def wait_for(self, kind: str, /, **fields: Any) -> Event:
        """An event of the process."""
        return await asyncio.to_thread(self.command.wait_for, kind, **fields)

    async def holds(self, expression: str, within_s: float = PATIENCE_S) -> None:
        """Waits until a script's value is true."""
        try:
            async with asyncio.timeout(within_s):
                while not await self._evaluate(f"Boolean({expression})"):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            shown = await self._evaluate("document.body.innerText")
            raise AssertionError((self.name, expression, shown, self.command.events)) from None

    async def press(self, selector: str) -> None:
        query = f"document.querySelector({json.dumps(selector)})"
        await self.holds(query)
        await self._evaluate(f"{query}.click()")

    async def joins(self) -> None:
        """Through the preview."""
        await self.holds("document.querySelector('.mirror')?.videoWidth")
        field = "document.querySelector('#name')"
        await self._evaluate(f"{field}.value = {json.dumps(self.name)}; 0")
        await self.press(".join-form button[type=submit]")

    async def counts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self._evaluate(COUNTS))
        return found

    async def sees_and_hears(
        self, *others: Person, frames: int = 10, within_s: float = PATIENCE_S
    ) -> Seen:
        """Waits until pictures of all of `others` have gone on by `frames`, and their voices have
        sounded, from now on; gives the last counts by name."""
        names = {other.name for other in others}
        before: Seen = {}
        heard: dict[str, float] = {}
        end = time.monotonic() + within_s
        while True:
            now = {one["name"]: one for one in (await self.counts())["members"].values()}
            for name, one in now.items():
                start = before.setdefault(name, one)
                if one["frames"] < start["frames"] or one["energy"] < start["energy"]:
                    before[name] = one  # a new connection counts from nothing
                heard[name] = max(heard.get(name, 0.0), one["level"])
            good = {
                name
                for name, one in now.items()
                if one["frames"] >= before[name]["frames"] + frames
                and one["energy"] > before[name]["energy"]
                and heard[name] > 0
                and one["picture"] == "yes"
            }
            if names <= good:
                return now
            assert time.monotonic() < end, (self.name, names - good, before, now, heard)
            await asyncio.sleep(0.25)

    async def leaves(self) -> None:
        """By its button, and once more when asked."""
        await self.press(".leave-control")
        await self.press("dialog[open] .danger")
        await self.holds("document.body.innerText.includes('You have left the meeting')")
        await self.wait_for("left")
        assert await asyncio.to_thread(self.command.end) == 0, self.command.words

    async def lets_in(self, other: Person) -> float:
        """Presses "Let in"; gives the wall clock in milliseconds when the other is in."""
        await self.press(f".knock button[aria-label^='Let in {other.name}']")
        await other.wait_for("joined")
        return time.time() * 1000

    async def safety_code(self) -> str:
        await self.press(".pills .pill:last-child")
        await self.holds("document.querySelector('dialog[open] .safety-code')")
        code = await self._evaluate(
            "[...document.querySelectorAll('.safety-code span')].map((s) => s.textContent).join('')"
        )
        await self._evaluate("document.querySelector('dialog[open]').close()")
        return str(code)

    async def shows_side(self, side: str) -> None:
        """Opens "chat" or "people", if that is not open, by its button."""
        if not await self._evaluate(f"Boolean(document.querySelector('#{side}-side'))"):
            button = 4 if side == "chat" else 3
            await self.press(f".control-wrap:nth-child({button}) button")
        await self.holds(f"document.querySelector('#{side}-side')")

    async def renames(self, name: str) -> None:
        await self.shows_side("people")
        await self.press("[aria-label='Change your name']")
        await self.holds("document.querySelector('dialog[open] #rename')")
        await self._evaluate(
            f"(() => {{ const field = document.querySelector('#rename'); field.value ="
            f" {json.dumps(name)}; field.closest('form').requestSubmit(); }})()"
        )
        self.name = name

    async def writes(self, text: str) -> None:
        await self.shows_side("chat")
        await self._evaluate(
            "(() => { const field = document.querySelector('#chat-text');"
            f" field.value = {json.dumps(text)};"
            " field.dispatchEvent(new Event('input', { bubbles: true }));"
            " field.closest('form').requestSubmit(); })()"
        )

    async def reads(self, text: str) -> None:
        await self.shows_side("chat")
        wanted = json.dumps(text)
        await self.holds(
            "[...document.querySelectorAll('.line-text')].some((line) =>"
            f" line.textContent === {wanted})"
        )


class AtChromium(Person):
    def __init__(self, name: str, command: Command, page: Page) -> None:
        super().__init__(name, command, page.evaluate)
        self.page = page

    def at(self, page: Page) -> AtChromium:
        """The same person at another tab."""
        return AtChromium(self.name, self.command, page)


class Town:
    """All processes and browsers of one test."""

    def __init__(self, folder: Path, commands: Commands, browser: Browser) -> None:
        self._folder = Path(os.environ.get("FOLKMOOT_ARTEFACTS") or folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self.state = folder / "relay"
        self.commands = commands
        self.browser = browser
        self.complaints: list[str] = []

    def relay(self, listen: str = "127.0.0.1:0") -> Command:
        """A relay of its own, which has the same key when it is started again."""
        return self.commands.start("relay", "--listen", listen, "--state", str(self.state))

    async def at_chromium(
        self, name: str, *words: str, program: Sequence[str] = PROGRAM, **context: Any
    ) -> AtChromium:
        """Starts `folkmoot WORDS` and opens its page."""
        command = self.commands.start(*words, program=program)
        url = (await asyncio.to_thread(command.wait_for, "page"))["url"]
        page = await self.new_page(self.browser, name, **context)
        await page.goto(url)
        return AtChromium(name, command, page)

    async def new_page(self, browser: Browser, name: str, **context: Any) -> Page:
        """An empty page of a person of its own, which is watched."""
        made = await browser.new_context(**context)
        await made.add_init_script(f"({WATCH})()")
        page = await made.new_page()
        self.watch(name, page)
        return page

    def watch(self, name: str, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"{name}: {error}"))
        page.on(
            "console",
            lambda said: (
                self.complaints.append(f"{name}: {said.text}")
                if said.type in ("error", "warning")
                else None
            ),
        )

    async def at_firefox(self, name: str, fox: firefox.Firefox, *words: str) -> Person:
        command = self.commands.start(*words)
        url = (await asyncio.to_thread(command.wait_for, "page"))["url"]
        await fox.command("script.addPreloadScript", functionDeclaration=WATCH)
        await fox.open(url)
        return Person(name, command, fox.evaluate)

    async def keep(self, page: Page, what: str) -> None:
        """Pictures of the page as it is now: wide and narrow, light and dark."""
        before = page.viewport_size
        for width, height in ((1280, 800), (390, 844)):
            await page.set_viewport_size({"width": width, "height": height})
            for scheme in ("light", "dark"):
                await page.emulate_media(color_scheme=scheme)
                await asyncio.sleep(0.4)  # the last of the transitions
                file = self._folder / f"meeting-{what}-{width}-{scheme}.png"
                await page.screenshot(path=file)
        if before is not None:
            await page.set_viewport_size(before)

    def keep_events(self) -> None:
        """What every process said, for who has to find out why a test failed."""
        for number, command in enumerate(self.commands.running):
            lines = [json.dumps(event) for event in command.events] + command.words
            (self._folder / f"process-{number}.txt").write_text("\n".join(lines))

    def keep_bytes(self, image: bytes, what: str) -> None:
        (self._folder / f"meeting-{what}.png").write_bytes(image)


@contextlib.asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    """Ends with what holds for every meeting: no page had an error or broke its own policy."""
    commands = Commands(folder)
    expect.set_options(timeout=PATIENCE_S * 1000)
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            here = Town(folder, commands, browser)
            try:
                yield here
                assert not here.complaints, here.complaints
            finally:
                here.keep_events()
                await browser.close()
    finally:
        await asyncio.to_thread(commands.close)


class Processor:
    """What processes take of the processor's time from now on."""

    def __init__(self, **processes: Command) -> None:
        self._processes = processes
        self._began = time.monotonic()
        self._before = self._taken()

    def _taken(self) -> dict[str, float]:
        found = {}
        for name, command in self._processes.items():
            fields = (
                Path(f"/proc/{command.process.pid}/stat").read_text().rpartition(")")[2].split()
            )
            found[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return found

    def shares(self) -> str:
        """Percent of one core."""
        passed = time.monotonic() - self._began
        now = self._taken()
        each = {name: 100 * (now[name] - taken) / passed for name, taken in self._before.items()}
        return ", ".join(f"{name} {share:.1f} %" for name, share in each.items())
