"""Clocks that jump and processes that stand still in mid-meeting: nobody is silenced, nobody loses
a seat, every message arrives."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from end_to_end.gathering import FRAMES_PER_S, Gathering, Member, until
from end_to_end.material import speech
from end_to_end.processes import PROGRAM

pytestmark = pytest.mark.alone

HOUR_S = 3600
STOPPED_S = 30.0
LOSS_MAX = 0.025  # five times what a meeting may lose
# Of the frames that are due in a time, how many must be heard; who is silenced has none. Under
# libfaketime, which gets between the interpreter's threads and their locks, a program says between
# a fifth and a half of them on a machine with nothing else to do, and fewer on a busy one.
SHARE_MIN = 0.2


class WallClock:
    """The wall clock of one process, set by a file that libfaketime reads each second; its
    monotonic clock goes on as the machine's does."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            pytest.skip("libfaketime is not here: apt-get install libfaketime")
        self._file = folder / "clock"
        self.set(0)
        self.program = (
            "env",
            f"LD_PRELOAD={found[0]}",
            f"FAKETIME_TIMESTAMP_FILE={self._file}",
            "FAKETIME_CACHE_DURATION=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            *PROGRAM,
        )

    def shows(self) -> float:
        """How far off the wall clock of a program under it is, whose monotonic clock is not."""
        ask = "import time; print(time.time(), time.monotonic())"
        words = (*self.program[: -len(PROGRAM)], sys.executable, "-c", ask)
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        assert abs(float(told[1]) - time.monotonic()) < 60
        return float(told[0]) - time.time()

    def set(self, seconds: int) -> None:
        """So many seconds off from now on."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(self._file)


def heard_well(listener: Member, speaker: Member, mark: int, seconds: float) -> None:
    """Whether a voice was there all this time."""
    heard = listener.heard(speaker, mark)
    print(
        f"{listener.name} heard {heard.frames} frames of {speaker.name} in {seconds:.0f} s and lost"
        f" {heard.lost}"
    )
    assert heard.frames >= SHARE_MIN * FRAMES_PER_S * seconds
    assert heard.loss <= LOSS_MAX


def all_have(texts: set[str], *members: Member) -> None:
    for one in members:
        one.reads(texts)


@pytest.mark.skipif(sys.platform != "linux", reason="needs libfaketime")
def test_a_clock_that_jumps_and_a_process_that_stops_silence_nobody(
    gathering: Gathering, tmp_path: Path
) -> None:
    play = ("--play", str(speech(tmp_path / "speech.wav")), "--loop")
    clock = WallClock(tmp_path)
    ann = gathering.opens("Ann", *play)
    bob = gathering.joins("Bob", *play, program=clock.program)
    cy = gathering.joins("Cy", *play)
    gathering.all_in()
    for listener, speaker in ((ann, bob), (bob, ann), (cy, bob)):
        listener.hears(speaker)
    began_at = {one: one.mark() for one in gathering.members}
    said = set[str]()

    # Bob's clock an hour back and Cy stopped, both at once; and somebody comes meanwhile.
    clock.set(-HOUR_S)
    assert abs(clock.shows() + HOUR_S) < 60
    assert "libfaketime" in Path(f"/proc/{bob.command.process.pid}/maps").read_text()
    cy.command.process.send_signal(signal.SIGSTOP)
    began, marks = time.monotonic(), {one: one.mark() for one in (ann, bob)}
    dee = gathering.joins("Dee")
    for number in range(int(STOPPED_S / 3)):
        said.add((ann, bob)[number % 2].says(f"message {number}"))
        time.sleep(max(0.0, began + 3 * (number + 1) - time.monotonic()))
    passed = time.monotonic() - began
    heard_well(ann, bob, marks[ann], passed)
    heard_well(bob, ann, marks[bob], passed)
    dee.is_in()
    all_have(said, ann, bob)
    cy.command.process.send_signal(signal.SIGCONT)
    woke = time.monotonic()
    all_have(said, cy)
    print(f"Cy had every message {time.monotonic() - woke:.1f} s after {passed:.0f} s asleep")
    said.add(cy.says("I slept"))
    all_have(said, ann, bob, cy)
    for listener, speaker in ((ann, cy), (bob, cy), (cy, ann), (cy, bob), (dee, bob)):
        listener.hears(speaker)
    gathering.all_in()

    # And an hour ahead; somebody comes again, and whoever's turn it is lets them in.
    clock.set(HOUR_S)
    time.sleep(2.0)
    mark = ann.mark()
    began = time.monotonic()
    eve = gathering.joins("Eve")
    gathering.all_in()
    said |= {bob.says("it is late"), ann.says("is it?"), eve.says("I have just come")}
    all_have(said, ann, bob, cy)
    bob.hears(ann)
    heard_well(ann, bob, mark, time.monotonic() - began)
    for one in (ann, bob, cy):
        assert not one.after(began_at[one], "member_out"), one.name
        assert not one.after(began_at[one], "joined"), one.name
        assert {two["member"] for two in one.after(began_at[one], "member_in")} == {dee.id, eve.id}

    # And back again, while Bob's agent is dead: it goes by the meeting's time from then on.
    bob.command.process.kill()
    clock.set(-HOUR_S)
    said.add(ann.says("is Bob there?"))
    gathering.returns(bob, *play, program=clock.program)
    seat = bob.id
    assert bob.is_in().id == seat
    ann.hears(bob)
    bob.hears(ann)
    said.add(bob.says("I am"))
    for one in (ann, bob, cy, dee, eve):
        one.reads({"is Bob there?", "I am"})
    assert not ann.after(began_at[ann], "member_out")
    gathering.leave(bob)
    until(lambda: ann.after(0, "member_out", member=bob.id) and cy.after(0, "member_out"))
    gathering.leave(eve, dee, cy, ann)
