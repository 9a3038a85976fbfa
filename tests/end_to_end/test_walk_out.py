"""Six real members, of whom five walk out together: a relay, agents, voices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end.material import speech
from end_to_end.processes import PATIENCE_S, Command, Commands

NAMES = ("Ada", "Bob", "Cy", "Dee", "Eve", "Fay")


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


def _hears_afterwards(one: Command, member: str) -> bool:
    """Waits until it has heard a second of this member's voice since it walked out."""
    began = one.events.index(one.wait_for("seceded"))
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        rows = [x for x in one.events[began:] if x["event"] == "hearing"]
        frames = [x["frames"] for x in rows if x["member"] == member and x["kind"] == "voice"]
        if sum(frames) >= 50:
            return True
        time.sleep(0.1)
    return False


def test_five_of_six_walk_out(commands: Commands, tmp_path: Path) -> None:
    voice = str(speech(tmp_path / "speech.wav"))
    ada = commands.start(
        "meet", "--headless", "--listen", "127.0.0.1:0", "--admit", "all", "--name", "Ada",
        "--play", voice, "--loop",
    )  # fmt: skip
    first = ada.wait_for("invite")["invite"]
    members = [ada]
    for count, name in enumerate(NAMES[1:], 2):
        one = commands.start("join", first, "--headless", "--name", name)
        one.wait_for("joined")
        members.append(one)
        for other in members:
            other.wait_for("epoch", members=count)
    who = {one: str(one.wait_for("joined")["member"]) for one in members}
    going, fay = members[:5], members[5]

    going[1].do(do="secede", **{"with": ["nobody"]})
    assert going[1].wait_for("refused", what="secede")["why"] == "There is no such member."
    going[1].do(do="secede", **{"with": [who[one] for one in going]})
    call = str(going[1].wait_for("motion", kind="secede")["motion"])
    for one in going:
        if one is not going[1]:
            asked = one.wait_for("motion", kind="secede")
            assert (asked["motion"], asked["by"], asked["needed"]) == (call, who[going[1]], 4)
            assert asked["with"] == sorted(who[x] for x in going if x is not going[1])
            one.do(do="vote", motion=call, choice="yes")
    for one in going:
        assert one.wait_for("decided", motion=call)["carried"]
        walked = one.wait_for("seceded")
        assert sorted(walked["members"]) == sorted(who[x] for x in going)

    # They are a meeting of five with an invite of its own, and hear and read each other there.
    def fresh_invite(one: Command) -> str | None:
        found = [str(event["invite"]) for event in one.events if event["event"] == "invite"]
        return found[-1] if found and found[-1] != first else None

    for one in going[1:]:
        assert _hears_afterwards(one, who[ada])
    going[2].do(do="chat", text="only for us")
    for one in going:
        one.wait_for("chat", text="only for us")
    gus_invite = fresh_invite(ada)
    assert gus_invite is not None
    gus = commands.start("join", gus_invite, "--headless", "--name", "Gus")
    gus.wait_for("joined")
    for one in going:
        one.wait_for("member_in", name="Gus")

    # Whoever stayed sees that they left, and reads nothing of it.
    for one in going:
        assert fay.wait_for("member_out", member=who[one])["cause"] == "left"
    fay.do(do="chat", text="anybody?")
    fay.wait_for("chat", text="anybody?")
    assert not [event for event in fay.events if event["event"] in ("seceded", "motion")]
    said = {event["text"] for event in fay.events if event["event"] == "chat"}
    assert said == {"anybody?"}
    for one in going:
        assert "anybody?" not in {e["text"] for e in one.events if e["event"] == "chat"}
    for one in (*members, gus):
        one.do(do="leave")
        assert one.end() == 0
