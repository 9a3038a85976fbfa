"""`--via socks5://` through Debian's tor, in a Tor network of our own on loopback. Such a network
takes a minute to agree on itself, so this is played when FOLKMOOT_TOR is set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from end_to_end.gathering import Gathering, until
from end_to_end.material import speech
from end_to_end.tor_network import tor_network

READY_S = 180.0


@pytest.mark.skipif("FOLKMOOT_TOR" not in os.environ, reason="long: set FOLKMOOT_TOR=1")
@pytest.mark.timeout(600)
def test_a_member_behind_tor_is_in_the_meeting_and_only_by_it(
    gathering: Gathering, tmp_path: Path
) -> None:
    sound = speech(tmp_path / "speech.wav")
    with tor_network(tmp_path / "tor") as tor:
        took = until(tor.is_ready, READY_S, "the network's own bootstrap")
        print(f"the Tor network was ready after {took:.0f} s")
        ann = gathering.opens("Ann", "--play", str(sound), "--loop")
        bob = gathering.joins(
            "Bob", "--via", f"socks5://127.0.0.1:{tor.socks}", "--play", str(sound), "--loop"
        )
        gathering.all_in()
        for one, other in ((ann, bob), (bob, ann)):
            print(f"{one.name} heard 5 s of {other.name} in {one.hears(other):.1f} s")
        bob.reads({ann.says("by way of three relays")})
        ann.reads({bob.says("and back")})
        # Nothing of Bob goes another way: without Tor he is out of reach.
        mark = bob.mark()
        tor.client.kill()
        until(lambda: bob.after(mark, "relay_down"), what="Bob's link ends with Tor")
        mark = bob.mark()
        with pytest.raises(AssertionError):
            until(lambda: bob.after(mark, "relay_up"), 10)
