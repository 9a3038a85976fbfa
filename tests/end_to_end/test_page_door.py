"""A real newcomer at a real door: before the meeting is open, declined, and let in after all."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")

from end_to_end.browser_people import Town, town

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
LATE_S = 8.0  # as one who first makes tea


def test_one_who_comes_before_the_meeting_is_open_and_is_declined(tmp_path: Path) -> None:
    async def scenario(here: Town) -> None:
        relay = here.relay()
        address = (await asyncio.to_thread(relay.wait_for, "ready"))["address"]
        ada = await here.at_chromium("Ada", "meet", "--relay", address)
        invite = (await ada.wait_for("invite"))["invite"]
        await ada.holds("document.body.innerText.includes('Open the meeting')")
        await ada.holds("document.body.innerText.includes('Until then nobody can come in')")
        bob = await here.at_chromium("Bob", "join", invite)
        await bob.joins()
        await bob.holds("document.body.innerText.includes('Waiting to be let in')")
        await asyncio.sleep(LATE_S)
        await ada.joins()
        await ada.wait_for("joined")
        began = time.monotonic()
        await ada.wait_for("knock", name="Bob")
        print(f"\nwho waited {LATE_S:.0f} s is heard {time.monotonic() - began:.1f} s after")
        await bob.holds("document.body.innerText.includes('Somebody inside has your knock')")

        await ada.press(".knock button[aria-label^='Decline Bob']")
        await bob.holds("document.body.innerText.includes('You were not let in')")
        await bob.holds("document.body.innerText.includes('Somebody inside said no.')")
        await bob.page.reload()
        await bob.holds("document.body.innerText.includes('You were not let in')")
        await bob.press(".plain .button")
        await bob.holds("document.body.innerText.includes('You have stopped waiting')")
        assert await asyncio.to_thread(bob.command.end) == 0, bob.command.words

        bob = await here.at_chromium("Bob", "join", invite)
        await bob.joins()
        await ada.lets_in(bob)
        await asyncio.gather(ada.sees_and_hears(bob), bob.sees_and_hears(ada))
        await bob.leaves()
        await ada.leaves()

    async def run() -> None:
        async with town(tmp_path) as here:
            await scenario(here)

    asyncio.run(run())
