"""An agent dies in mid-call and is started again by the command that its page shows: the page that
is open goes on by itself, in the same seat."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")

from end_to_end.browser_people import AtChromium, Town, town

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
REFUSED = "ERR_CONNECTION_REFUSED"  # what a browser says of a page whose agent is dead


async def dies_and_is_started_again(here: Town, person: AtChromium, seat: str) -> None:
    """By kill -9, and by the words that the page shows to copy."""
    old = person.command
    old.process.kill()
    await asyncio.to_thread(old.end)
    await person.holds("document.querySelector('main.plain textarea')")
    words = await person.page.get_by_label("The command").input_value()
    assert words.startswith("folkmoot join folkmoot:")
    began = time.monotonic()
    person.command = here.commands.start(*words.split()[1:], state=old.state)
    joined = await person.wait_for("joined")
    assert (joined["member"], joined["name"]) == (seat, person.name)
    await person.holds("document.querySelector('.meeting')")
    print(f"{person.name}'s page is in the meeting again after {time.monotonic() - began:.1f} s")


def test_a_page_is_in_the_meeting_again_once_its_agent_is(tmp_path: Path) -> None:
    async def scenario(here: Town) -> None:
        relay = here.relay()
        address = (await asyncio.to_thread(relay.wait_for, "ready"))["address"]
        ada = await here.at_chromium("Ada", "meet", "--relay", address)
        invite = (await ada.wait_for("invite"))["invite"]
        await ada.joins()
        bob = await here.at_chromium("Bob", "join", invite)
        await bob.joins()
        await ada.lets_in(bob)
        seats = {one: (await one.wait_for("joined"))["member"] for one in (ada, bob)}
        await asyncio.gather(ada.sees_and_hears(bob), bob.sees_and_hears(ada))
        await ada.writes("before it died")
        await bob.reads("before it died")
        # Bob is muted, and stays so; the founder comes back as everybody does.
        await bob.press(".control-wrap:nth-child(1) button")
        await ada.holds("document.querySelector('.tile:not(.own)').innerText.includes('off')")
        heard = ada.command
        for one in (bob, ada):
            await dies_and_is_started_again(here, one, seats[one])
            await bob.sees_and_hears(ada)
            await ada.holds("document.querySelector('.tile:not(.own)').innerText.includes('off')")
            await ada.holds("document.querySelector('.tile:not(.own)').dataset.picture === 'yes'")
            await asyncio.gather(ada.reads("before it died"), bob.reads("before it died"))
        assert not [one for one in heard.events if one["event"] == "member_out"]
        await bob.press(".control-wrap:nth-child(1) button")
        await asyncio.gather(ada.sees_and_hears(bob), bob.sees_and_hears(ada))
        assert await ada.safety_code() == await bob.safety_code()
        await bob.writes("and after")
        await ada.reads("and after")
        # A page that was loaded anew since knows the new agent too.
        await bob.page.reload()
        await asyncio.gather(ada.sees_and_hears(bob), bob.sees_and_hears(ada))
        await bob.leaves()
        await ada.wait_for("member_out", member=seats[bob], cause="left")
        await ada.leaves()
        for one in (ada, bob):
            left = list((one.command.state / "folkmoot" / "meetings").iterdir())
            assert left == [], "what lets one come back is gone once the meeting is left"
        here.complaints = [said for said in here.complaints if REFUSED not in said]

    async def run() -> None:
        async with town(tmp_path) as here:
            await scenario(here)

    asyncio.run(run())
