"""Real meetings: `folkmoot` processes, a relay process, and real browsers at the pages."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")

from playwright.async_api import expect

from end_to_end import firefox
from end_to_end.browser_people import Person, Processor, Seen, Town, town
from folkmoot.agent.page.server import GONE_AFTER_S

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
GOAL_MS = 2000  # from `joined` to the first picture; printed, as the machine may be busy
WATCHED_S = 5.0  # while the processor's time is taken


async def all_see_and_hear_each_other(*people: Person) -> list[Seen]:
    return await asyncio.gather(
        *(one.sees_and_hears(*(other for other in people if other is not one)) for one in people)
    )


def nobody_left(*people: Person) -> bool:
    gone = ("left", "member_out")
    return not any(event["event"] in gone for one in people for event in one.command.events)


async def frames_of(person: Person) -> dict[str, int]:
    members = (await person.counts())["members"].values()
    return {one["name"]: one["frames"] for one in members}


async def first_pictures(person: Person, others: int) -> list[float]:
    """When the first picture of each of the others was shown, in milliseconds of the wall clock."""
    await person.holds(f"Object.keys(watched.first).length >= {others}")
    return sorted((await person.counts())["first"].values())


def test_three_meet_see_hear_and_read_each_other_and_outlive_their_relay(tmp_path: Path) -> None:
    async def scenario(here: Town) -> None:
        relay = here.relay()
        address = (await asyncio.to_thread(relay.wait_for, "ready"))["address"]
        ada = await here.at_chromium("Ada", "meet", "--relay", address)
        invite = (await ada.wait_for("invite"))["invite"]
        await ada.joins()
        bob = await here.at_chromium("Bob", "join", invite)
        await here.keep(bob.page, "preview")
        await bob.joins()
        await ada.holds("document.querySelector('.knock')")
        await here.keep(ada.page, "knock")
        await here.keep(bob.page, "waiting")
        joined = await ada.lets_in(bob)
        await ada.wait_for("member_in", name="Bob")
        for seen in await all_see_and_hear_each_other(ada, bob):
            assert [one["width"] > 0 for one in seen.values()] == [True]
        print(f"\nBob: joined to picture {(await first_pictures(bob, 1))[0] - joined:.0f} ms")
        await bob.holds("!document.body.innerText.includes('Not yet confirmed')")

        assert await ada.safety_code() == await bob.safety_code()
        await ada.writes("Hello, <b>Bob</b>")
        await bob.reads("Hello, <b>Bob</b>")
        await bob.writes("Good day")
        await ada.reads("Good day")
        for one in (ada, bob):
            await one.holds("document.querySelector('.tile:not(.own)[data-speaking=yes]')")
        processor = Processor(ada=ada.command, bob=bob.command, relay=relay)
        await asyncio.sleep(WATCHED_S)
        print(f"Two pages: {processor.shares()}")
        await here.keep(bob.page, "chat")

        eve = await here.at_chromium("Eve", "join", invite)
        await eve.joins()
        joined = await bob.lets_in(eve)  # not who invited her: any elector may
        pictures = [at - joined for at in await first_pictures(eve, 2)]
        print(f"Eve: joined to pictures {[round(at) for at in pictures]} ms; goal {GOAL_MS}")
        await all_see_and_hear_each_other(ada, bob, eve)
        codes = {await one.safety_code() for one in (ada, bob, eve)}
        assert len(codes) == 1
        processor = Processor(ada=ada.command, bob=bob.command, eve=eve.command, relay=relay)
        await asyncio.sleep(WATCHED_S)
        print(f"Three pages: {processor.shares()}")
        await here.keep(ada.page, "three")

        relay.process.kill()
        await asyncio.to_thread(relay.end)
        for one in (ada, bob, eve):
            await one.holds("document.body.innerText.includes('No relay answers right now')")
        await here.keep(ada.page, "relay-away")
        before = await frames_of(ada)
        await asyncio.sleep(1)
        assert await frames_of(ada) == before  # what counts as seeing needs the relay
        relay = here.relay(address.partition("#")[0])
        assert (await asyncio.to_thread(relay.wait_for, "ready"))["address"] == address
        began = time.monotonic()
        await all_see_and_hear_each_other(ada, bob, eve)
        print(f"Relay ready to all seen and heard again: {time.monotonic() - began:.1f} s")
        assert nobody_left(ada, bob, eve)
        assert {await one.safety_code() for one in (ada, bob, eve)} == codes

        await eve.leaves()
        for one in (ada, bob):
            await one.wait_for("member_out", name="Eve", cause="left")
            await one.holds("document.querySelectorAll('.tile').length === 2")
        await all_see_and_hear_each_other(ada, bob)
        await bob.leaves()
        await ada.wait_for("member_out", name="Bob", cause="left")
        await ada.leaves()

    async def run() -> None:
        async with town(tmp_path) as here:
            await scenario(here)

    asyncio.run(run())


def test_a_firefox_meets_a_chromium_and_switches_reload_tabs_and_a_closed_page_work(
    tmp_path: Path,
) -> None:
    if firefox.program() is None:
        pytest.skip(firefox.MISSING)

    async def scenario(here: Town, fox: firefox.Firefox) -> None:
        ada = await here.at_chromium("Ada", "meet", "--listen", "127.0.0.1:0")
        invite = (await ada.wait_for("invite"))["invite"]
        await ada.joins()
        finn = await here.at_firefox("Finn", fox, "join", invite)
        await finn.joins()
        joined = await ada.lets_in(finn)
        await all_see_and_hear_each_other(ada, finn)
        print(f"\nFinn: joined to picture {(await first_pictures(finn, 1))[0] - joined:.0f} ms")
        assert await ada.safety_code() == await finn.safety_code()
        await finn.writes("Hello from the other browser")
        await ada.reads("Hello from the other browser")
        here.keep_bytes(await fox.screenshot(), "firefox")

        # What one switches off is off for the other.
        theirs = "document.querySelector('.tile:not(.own)')"
        await ada.press(".control-wrap:nth-child(1) button")
        await finn.holds(f"{theirs}.innerText.includes('microphone off')")
        await ada.press(".control-wrap:nth-child(2) button")
        await finn.holds(f"{theirs}.dataset.picture === 'no'")
        await ada.press(".control-wrap:nth-child(1) button")
        await ada.press(".control-wrap:nth-child(2) button")
        await finn.holds(f"!{theirs}.innerText.includes('microphone off')")
        await finn.sees_and_hears(ada)

        # One who hides the other's picture sees none, and the other sees on.
        await finn.shows_side("people")
        await finn.press("[aria-label='Hide the picture of Ada for me']")
        await finn.holds(f"{theirs}.dataset.picture === 'no'")
        await finn.press("[aria-label='Hide the picture of Ada for me']")
        await finn.press("[aria-label='Mute Ada for me']")
        await finn.holds(f"{theirs}.querySelector('video').muted")
        await finn.press("[aria-label='Mute Ada for me']")
        await finn.renames("Finn the Elder")
        await ada.holds(f"{theirs}.querySelector('.tile-name').textContent === 'Finn the Elder'")
        await all_see_and_hear_each_other(ada, finn)

        # The same person in a second tab, and back; a reload keeps the place.
        await ada.page.reload()
        await all_see_and_hear_each_other(ada, finn)
        await ada.reads("Hello from the other browser")
        second = await ada.page.context.new_page()
        here.watch("Ada's second tab", second)
        await second.goto(ada.page.url)
        # The key of the tab is the tab's own: a second one has to be given it.
        await expect(second.get_by_text("This page needs its key")).to_be_visible()
        key = await ada.page.evaluate("sessionStorage.getItem('folkmoot-secret')")
        await second.evaluate(f"sessionStorage.setItem('folkmoot-secret', {key!r})")
        await second.reload()
        await expect(second.get_by_text("The meeting is open in another tab")).to_be_visible()
        await second.get_by_role("button", name="Use it here").click()
        await ada.page.close()
        ada = ada.at(second)
        await all_see_and_hear_each_other(ada, finn)
        assert nobody_left(ada, finn)

        # Who closes the page sends nothing from then on, and is gone after a minute.
        began = time.monotonic()
        await fox.open("about:blank")
        await ada.holds(f"{theirs}.innerText.includes('microphone off')")
        await ada.holds(f"{theirs}.dataset.picture === 'no'")
        await asyncio.sleep(GONE_AFTER_S * 0.8)
        assert nobody_left(ada, finn)
        await finn.wait_for("left")
        assert time.monotonic() - began >= GONE_AFTER_S
        assert await asyncio.to_thread(finn.command.end) == 0, finn.command.words
        await ada.wait_for("member_out", name="Finn the Elder", cause="left")
        await ada.leaves()

    async def run() -> None:
        async with town(tmp_path) as here, firefox.started() as fox:
            await scenario(here, fox)

    asyncio.run(run())
