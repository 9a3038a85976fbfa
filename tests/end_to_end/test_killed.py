"""Agents, the relay and a browser killed with -9 in mid-meeting, in any order: after each everybody
is heard and seen again in the same seat, every message arrives, and nothing is sealed twice under
one number."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")

from playwright.async_api import Browser

from end_to_end import seal_tap
from end_to_end.browser_people import FLAGS, AtChromium, Person, Town, town
from end_to_end.gathering import Gathering, Member
from end_to_end.material import film, speech
from end_to_end.page_world import chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

KINDS = ("Ann", "Bob", "Pia", "the relay", "the browser")
KILLS = int(os.environ.get("FOLKMOOT_KILLS", "10"))
SEED = int(os.environ.get("FOLKMOOT_SEED", "1"))
AWAY_S = 1.0  # what was killed stays away for so long
PICTURES = 5


def chromium_processes() -> set[int]:
    """The browsers that playwright started for this process: the children of its driver."""
    parents = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            parents[int(entry.name)] = int(fields[1])
    drivers = {one for one, parent in parents.items() if parent == os.getpid()}
    found = set()
    for one, parent in parents.items():
        with contextlib.suppress(OSError):
            if (
                parent in drivers
                and b"--remote-debugging" in Path(f"/proc/{one}/cmdline").read_bytes()
            ):
                found.add(one)
    return found


class Scene:
    """Ann and Bob without a page, Pia at a browser, and what is killed among them."""

    def __init__(self, here: Town, folder: Path) -> None:
        self.here = here
        self.folder = folder
        self.logs = folder / "sealed"
        self.logs.mkdir()
        self.gathering = Gathering(here.commands, folder)
        voice = speech(folder / "speech.wav")
        play = film(folder / "film.webm", 4, voice=voice, size=(320, 240), per_s=10)
        self.play = ("--play", str(play), "--loop")
        self.said = set[str]()
        self.browsers: list[Browser] = []
        self.pia: AtChromium

    def tapped(self, name: str) -> tuple[str, ...]:
        return seal_tap.program(self.logs / name)

    async def begin(self) -> None:
        def headless() -> None:
            self.ann = self.gathering.opens("Ann", *self.play, program=self.tapped("Ann"))
            self.bob = self.gathering.joins("Bob", *self.play, program=self.tapped("Bob"))

        await asyncio.to_thread(headless)
        words = ("join", self.gathering.invite)
        self.pia = await self.here.at_chromium("Pia", *words, program=self.tapped("Pia"))
        await self.pia.joins()
        self.page_member = Member("Pia", self.pia.command)
        self.members = [self.ann, self.bob, self.page_member]
        self.gathering.members.append(self.page_member)
        await asyncio.to_thread(self.gathering.all_in)
        self.seats = {one.name: one.id for one in self.members}

    # What is killed

    async def kill(self, what: str) -> None:
        kill = {"the relay": self.kill_relay, "the browser": self.kill_browser}
        await kill.get(what, self.kill_agent)(what)

    async def kill_agent(self, name: str) -> None:
        member = next(one for one in self.members if one.name == name)
        old = member.command
        old.process.kill()
        await asyncio.to_thread(old.end)
        await self.say(f"{name} is away")
        await asyncio.sleep(AWAY_S)
        if member is not self.page_member:
            program = self.tapped(name)
            await asyncio.to_thread(self.gathering.returns, member, *self.play, program=program)
        else:
            # By the words that the page shows; it goes on by itself.
            await self.pia.holds("document.querySelector('main.plain textarea')")
            words = (await self.pia.page.get_by_label("The command").input_value()).split()
            started = self.here.commands.start(
                *words[1:], program=self.tapped(name), state=old.state
            )
            member.follows(started)
            self.pia.command = started
        joined = await asyncio.to_thread(member.command.wait_for, "joined")
        assert (joined["member"], joined["name"]) == (self.seats[name], name)

    async def kill_relay(self, what: str) -> None:
        relay = self.gathering.relay
        relay.process.kill()
        await asyncio.to_thread(relay.end)
        await self.say("no relay is there")
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(self.gathering.relay_again)

    async def kill_browser(self, what: str) -> None:
        mark = self.page_member.mark()
        (process,) = chromium_processes()
        os.kill(process, signal.SIGKILL)
        await self.say("Pia has no page", self.page_member)
        await asyncio.sleep(AWAY_S)
        browser = await self.here.browser.browser_type.launch(
            executable_path=chromium(), args=FLAGS
        )
        self.browsers.append(browser)
        # The agent notices that its page is gone, and offers the person another.
        while not (offers := self.page_member.after(mark, "page")):
            await asyncio.sleep(0.1)
        page = await self.here.new_page(browser, "Pia")
        await page.goto(offers[-1]["url"])
        self.pia = self.pia.at(page)

    # What holds after each

    async def everybody_is_back(self) -> None:
        others = [Person(one.name, one.command, self.pia._evaluate) for one in (self.ann, self.bob)]
        pairs = [
            (one, other, kind)
            for one in (self.ann, self.bob)
            for other in self.members
            if other is not one
            for kind in ("voice", "camera")
        ]
        frames = {"voice": 25, "camera": PICTURES}
        hears = [
            asyncio.to_thread(one.hears, other, frames[kind], kind) for one, other, kind in pairs
        ]
        await asyncio.gather(self.pia.sees_and_hears(*others, frames=PICTURES), *hears)

    async def say(self, text: str, *silent: Member) -> None:
        """Everybody who can says something."""
        for one in self.members:
            if one in silent or one.command.process.poll() is not None:
                continue
            words = f"{len(self.said)}: {text}, says {one.name}"
            self.said.add(words)
            if one is self.page_member:
                await self.pia.writes(words)
            else:
                one.says(words)

    async def everybody_has_read(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(one.reads, self.said) for one in self.members))

    def nobody_came_or_went(self) -> None:
        for one in self.members:
            for command in (*one.earlier, one.command):
                assert not [told for told in command.events if told["event"] == "member_out"]
                seats = {told["member"] for told in command.events if told["event"] == "joined"}
                assert seats <= {self.seats[one.name]}


@contextlib.asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with town(folder) as here:
        made = Scene(here, folder)
        try:
            await made.begin()
            yield made
            # What a browser says of a page whose agent is dead.
            refused = "ERR_CONNECTION_REFUSED"
            here.complaints = [said for said in here.complaints if refused not in said]
        finally:
            for browser in made.browsers:
                await browser.close()


def order_of(kills: int, seed: int) -> list[str]:
    """What is killed one after the other: everything as often, in an order by the seed."""
    rng, order = random.Random(seed), list[str]()
    while len(order) < kills:
        order += rng.sample(KINDS, len(KINDS))
    return order[:kills]


def test_whatever_is_killed_everybody_is_back_and_nothing_is_lost(tmp_path: Path) -> None:
    async def scenario(here: Scene) -> None:
        await here.everybody_is_back()
        for number, what in enumerate(order_of(KILLS, SEED)):
            began = time.monotonic()
            await here.kill(what)
            again = time.monotonic()
            await here.everybody_is_back()
            await here.say(f"after {what}")
            await here.everybody_has_read()
            print(
                f"{number + 1}. {what} killed: {again - began:.1f} s until it was there again,"
                f" {time.monotonic() - again:.1f} s more until all saw, heard and read all"
            )
        here.nobody_came_or_went()
        await here.pia.leaves()
        here.gathering.members.remove(here.page_member)
        await asyncio.to_thread(here.gathering.leave, here.bob, here.ann)

    async def run() -> None:
        async with scene(tmp_path) as here:
            await scenario(here)
        count, twice = seal_tap.used_twice(here.logs)
        print(f"{count} seals of {KILLS} kills (seed {SEED}), and no number served twice")
        assert count > 1000
        assert not twice, twice

    asyncio.run(run())
