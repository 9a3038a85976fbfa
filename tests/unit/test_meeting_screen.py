"""What is left out of what a member sends, and that it is told once."""

from __future__ import annotations

import pytest

from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.playable import Fault
from folkmoot.meeting.screen import FRAMES_BURST, KEYLESS_S, Screen

EVE, BOB = b"e" * 16, b"b" * 16
DELTA = EncodedFrame(MediaKind.CAMERA, Codec.VP8, False, 0, (b"\x10\x01delta",))
VOICE = EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, (b"\x78" + bytes(59),))
BAD = EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, (b"\xfb",))


def test_a_fault_is_told_once_for_each_member_and_reason() -> None:
    screen = Screen()
    assert [screen.passes(EVE, BAD, 0.1 * n) for n in range(100)] == [False] * 100
    assert list(screen.take()) == [(EVE, Fault.SOUND)]
    assert not screen.passes(BOB, BAD, 10.0)
    screen.blame(EVE, Fault.PICTURE)
    screen.blame(EVE, Fault.SOUND)
    assert list(screen.take()) == [(BOB, Fault.SOUND), (EVE, Fault.PICTURE)]
    assert list(screen.take()) == []


def test_who_is_gone_is_forgotten() -> None:
    screen = Screen()
    screen.blame(EVE, Fault.SOUND)
    list(screen.take())
    screen.follow([BOB])
    screen.follow([BOB, EVE])
    screen.blame(EVE, Fault.SOUND)
    assert list(screen.take()) == [(EVE, Fault.SOUND)]


@pytest.mark.parametrize(("frame", "per_s"), [(VOICE, 50), (DELTA, 30)])
def test_an_honest_pace_passes_and_ten_times_as_many_do_not(
    frame: EncodedFrame, per_s: int
) -> None:
    screen = Screen()
    assert all(screen.passes(BOB, frame, n / per_s) for n in range(60 * per_s))
    passed = sum(screen.passes(EVE, frame, n / per_s / 10) for n in range(600 * per_s))
    assert passed <= 60 * 60 + FRAMES_BURST + 1
    assert list(screen.take()) == [(EVE, Fault.PACE)]
    # What one floods with is its own loss: its other stream, and others, go on.
    other = DELTA if frame is VOICE else VOICE
    assert screen.passes(EVE, other, 60.0)
    assert screen.passes(BOB, frame, 60.0)


def test_two_seconds_that_come_at_once_pass() -> None:
    screen = Screen()
    assert all(screen.passes(BOB, VOICE, 5.0) for _ in range(100))


def test_a_picture_that_never_begins_is_told() -> None:
    screen = Screen()
    for n in range(int(KEYLESS_S * 30)):
        screen.waits_for_key(EVE, MediaKind.CAMERA, n / 30)
    assert list(screen.take()) == []
    screen.waits_for_key(EVE, MediaKind.CAMERA, KEYLESS_S)
    assert list(screen.take()) == [(EVE, Fault.KEYLESS)]


@pytest.mark.parametrize("what", ["frame", "off"])
def test_one_that_goes_on_in_time_is_not(what: str) -> None:
    screen = Screen()
    for n in range(200):
        screen.waits_for_key(BOB, MediaKind.CAMERA, float(n))
        if n % 10 == 9 and what == "frame":
            assert screen.passes(BOB, DELTA, float(n))
        elif n % 10 == 9:
            screen.begins(BOB, MediaKind.CAMERA)
    assert list(screen.take()) == []
