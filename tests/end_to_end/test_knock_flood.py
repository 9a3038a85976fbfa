"""Ten thousand bogus knocks in a minute: a real newcomer is in all the same, and the meeting does
not hear it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from end_to_end import knock_flood
from end_to_end.gathering import FRAMES_PER_S, Gathering, Member, Usage
from end_to_end.material import speech
from folkmoot.meeting.door import WORK_BITS_MIN

pytestmark = pytest.mark.alone

KNOCKS = int(os.environ.get("FOLKMOOT_KNOCKS", "10000"))
FLOOD_S = KNOCKS / 10_000 * 60
QUIET_S = 8.0
COMES_AFTER_S = FLOOD_S / 3  # when the door asks for what it will ask for
IN_GOAL_S = 5.0
IN_MAX_S = 30.0  # on a machine that does five other things
LOSS_MAX = 0.025
SHARE_MIN = 0.6


class Flood:
    """The flood's process, and what it says it did."""

    def __init__(self, invite: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, knock_flood.__file__, str(KNOCKS), str(FLOOD_S)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        self.process.stdin.write(invite + "\n")
        self.process.stdin.flush()

    def ended(self) -> dict[str, float]:
        output, errors = self.process.communicate(timeout=FLOOD_S + 60)
        assert self.process.returncode == 0, errors
        told: dict[str, float] = json.loads(output)
        return told

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def heard_well(listener: Member, speaker: Member, mark: int, seconds: float, when: str) -> None:
    heard = listener.heard(speaker, mark)
    print(
        f"{when} {listener.name} heard {heard.frames} frames of {speaker.name} in {seconds:.0f} s"
        f" and lost {heard.lost}"
    )
    assert heard.frames >= SHARE_MIN * FRAMES_PER_S * seconds
    assert heard.loss <= LOSS_MAX


def test_a_newcomer_is_in_and_the_meeting_hears_nothing_of_ten_thousand_knocks(
    gathering: Gathering, tmp_path: Path
) -> None:
    play = ("--play", str(speech(tmp_path / "speech.wav")), "--loop")
    ann = gathering.opens("Ann", *play, lets_all_in=False)
    bob = gathering.joins("Bob", *play)
    quiet = gathering.lets_in(ann, bob)
    gathering.all_in()
    ann.hears(bob)
    bob.hears(ann)
    began, marks = time.monotonic(), {one: one.mark() for one in (ann, bob)}
    time.sleep(QUIET_S)
    for one, other in ((ann, bob), (bob, ann)):
        heard_well(one, other, marks[one], time.monotonic() - began, "without a flood")

    flood = Flood(gathering.invite)
    try:
        began, marks = time.monotonic(), {one: one.mark() for one in (ann, bob)}
        usage = Usage(ann=ann.command, bob=bob.command, relay=gathering.relay)
        time.sleep(COMES_AFTER_S)
        eve = gathering.joins("Eve", *play)
        took = gathering.lets_in(ann, eve)
        eve.hears(ann)
        told = flood.ended()
        passed = time.monotonic() - began
        shares = usage.percent()
    finally:
        flood.close()
    print(f"knocks: {told}")
    print("taken: " + ", ".join(f"{name} {share:.1f} %" for name, share in shares.items()))
    print(
        f"Eve was in {took:.1f} s after her program was started; goal {IN_GOAL_S:.0f} s and the"
        f" start of the program; Bob, without a flood, {quiet:.1f} s"
    )
    for one, other in ((ann, bob), (bob, ann)):
        heard_well(one, other, marks[one], passed, "under it")
    assert sum(told[kind] for kind in (knock_flood.BADLY, knock_flood.WITHOUT_WORK)) > KNOCKS / 2
    assert told[knock_flood.WITH_WORK] >= KNOCKS // 3
    assert told["not sent"] == 0
    assert took < IN_MAX_S
    assert told["bits asked"] > WORK_BITS_MIN
    assert {one["name"] for one in bob.after(0, "member_in")} <= {"Ann", "Bob", "Eve"}
    gathering.leave(eve, bob, ann)
