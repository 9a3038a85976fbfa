"""Files played and recorded by members without a page: speech and pictures survive, and a bad disk
harms nobody."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from end_to_end.material import correlation, decoded, film, pictures, speech
from folkmoot.agent.media import CannotPlay, CannotRecord, Headless, Player, Recorder
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind


async def play_through(
    path: Path, directory: Path, name: str = "Ann", seconds: float | None = None
) -> list[EncodedFrame]:
    """Plays a file as one headless member into the recorder of another, as a meeting without loss
    would."""
    frames: list[EncodedFrame] = []
    ended = asyncio.Event()
    problems: list[str] = []
    receiver = Headless(
        play=None,
        record=directory,
        on_voice=lambda frame: None,
        on_picture=lambda frame: None,
        on_keyframe_wanted_of=lambda member: None,
        on_problem=problems.append,
    )

    def carry(frame: EncodedFrame) -> None:
        frames.append(frame)
        receiver.play("5eat", frame)

    sender = Headless(
        play=path,
        record=None,
        loop=seconds is not None,
        on_voice=carry,
        on_picture=carry,
        on_keyframe_wanted_of=lambda member: None,
        on_problem=problems.append,
        on_end=ended.set,
    )
    receiver.member_added("5eat", name)
    receiver.start()
    sender.start()
    if seconds is None:
        await ended.wait()
    else:
        await asyncio.sleep(seconds)
    await sender.close()
    await receiver.close()
    assert not problems
    return frames


def test_speech_is_recorded_as_it_was_played(tmp_path: Path) -> None:
    source = speech(tmp_path / "speech.wav")
    started = time.monotonic()
    frames = asyncio.run(play_through(source, tmp_path / "out"))
    length = time.monotonic() - started
    times = [frame.time_us for frame in frames]
    assert {after - before for before, after in itertools.pairwise(times)} == {20_000}
    assert {len(frame.payloads[0]) for frame in frames} == {60}
    assert abs(length - len(frames) * 0.02) < 1.0  # in real time
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["Ann.mka"]
    found, shift = correlation(decoded(source), decoded(tmp_path / "out" / "Ann.mka"))
    print(f"correlation {found:.4f} at a shift of {shift / 16:.1f} ms")
    assert found >= 0.9
    assert abs(shift) < 160  # 10 ms: the file begins where the speech does
    assert not [t for t in threading.enumerate() if t.name.startswith("folkmoot")]


def test_a_film_is_recorded_with_its_picture_and_stays_in_step(tmp_path: Path) -> None:
    voice = speech(tmp_path / "speech.wav", "One, two, three.")
    source = film(tmp_path / "film.webm", 2.0, voice=voice)
    frames = asyncio.run(play_through(source, tmp_path / "out", "Bo/../rn: Ü"))
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "Bo_.._rn_ Ü.mkv"
    shown = [frame for frame in frames if frame.kind is MediaKind.CAMERA]
    assert shown[0].key
    assert sum(frame.key for frame in shown) == 1
    assert all(len(payload) <= 1_000 for frame in shown for payload in frame.payloads)
    assert sum(len(p) for f in shown for p in f.payloads) * 8 / 2.0 < 480_000
    images = pictures(path)
    assert len(images) == len(shown) >= 40
    assert (images[0].width, images[0].height) == (640, 480)
    # Sound and picture keep the times they were captured at.
    first_voice = next(frame for frame in frames if frame.kind is MediaKind.VOICE)
    ahead = (shown[0].time_us - first_voice.time_us) / 1e6
    assert images[0].time is not None
    assert abs(images[0].time - max(0.0, ahead)) < 0.03
    assert correlation(decoded(source), decoded(path))[0] >= 0.9


def test_a_file_that_repeats_goes_on_with_its_clock_and_its_key_frames(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mkv", 0.6, size=(320, 240))

    async def scenario() -> list[EncodedFrame]:
        frames: list[EncodedFrame] = []
        player = Player(source, loop=True)
        assert (player.has_voice, player.has_picture) == (False, True)
        player.start(frames.append, frames.append)
        await asyncio.sleep(1.5)
        assert sum(frame.key for frame in frames) == 1
        player.keyframe_wanted()
        await asyncio.sleep(0.3)
        assert sum(frame.key for frame in frames) == 2
        await player.close()
        return frames

    frames = asyncio.run(scenario())
    times = [frame.time_us for frame in frames]
    assert times == sorted(times)
    assert times[-1] - times[0] > 1_400_000
    assert max(after - before for before, after in itertools.pairwise(times)) < 200_000


@pytest.mark.parametrize("content", [None, b"", b"not a film" * 100, b"RIFF\x10\0\0\0WAVEfmt "])
def test_what_cannot_be_played_is_said_before_the_meeting(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "torn.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CannotPlay, match=r"torn\.wav cannot be played: .+\.$"):
        Player(path)


def test_a_folder_cannot_be_played(tmp_path: Path) -> None:
    with pytest.raises(CannotPlay, match="cannot be played"):
        Player(tmp_path)


def test_a_film_with_more_pictures_than_needed_is_thinned_out(tmp_path: Path) -> None:
    source = film(tmp_path / "film.mkv", 1.0, size=(320, 240), per_s=60)
    frames = asyncio.run(play_through(source, tmp_path / "out"))
    assert 18 <= len(frames) <= 27


def test_a_place_that_cannot_be_written_is_said_before_the_meeting(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CannotRecord, match=r"cannot be recorded to: .+\.$"):
        Recorder(tmp_path / "file", on_problem=print)


_RECORD = """
import asyncio, resource, sys, time
from pathlib import Path
from folkmoot.agent.media import Player, Recorder

async def main():
    # A busy machine is no fault of the program: only its warnings and errors count.
    asyncio.get_running_loop().slow_callback_duration = 60
    source, out, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    recorder = Recorder(out, on_problem=lambda sentence: print("PROBLEM", sentence, flush=True))
    recorder.name("m", "Ann")
    player = Player(source, loop=True)
    count = 0
    def carry(frame):
        nonlocal count
        count += 1
        recorder.write("m", frame)
        if count == 100:
            print("HUNDRED", flush=True)
    player.start(carry, carry)
    await asyncio.sleep(4)
    await player.close()
    await recorder.close()
    print("END", count > 150, flush=True)

asyncio.run(main())
"""


def _record(source: Path, out: Path, limit: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _RECORD, str(source), str(out), str(limit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONDEVMODE": "1"},
    )


def test_a_full_disk_stops_the_recording_and_nothing_else(tmp_path: Path) -> None:
    source = film(tmp_path / "film.webm", 1.0, voice=speech(tmp_path / "s.wav"), size=(320, 240))
    process = _record(source, tmp_path / "out", 20_000)
    out, err = process.communicate(timeout=30)
    assert sorted(out.splitlines()) == [
        "END True",
        "HUNDRED",
        "PROBLEM The recording has stopped: the disk is full. The meeting goes on.",
    ], (out, err)
    assert process.returncode == 0
    assert err == ""


def test_a_disk_without_any_room_leaves_no_empty_file(tmp_path: Path) -> None:
    process = _record(speech(tmp_path / "s.wav"), tmp_path / "out", 100)
    out, err = process.communicate(timeout=30)
    assert "PROBLEM" in out, (out, err)
    assert "END True" in out
    assert err == ""
    assert [path for path in (tmp_path / "out").iterdir() if path.stat().st_size == 0] == []


def test_a_recording_can_be_played_after_a_kill(tmp_path: Path) -> None:
    source = film(tmp_path / "film.webm", 5.0, voice=speech(tmp_path / "s.wav"), size=(320, 240))
    process = _record(source, tmp_path / "out", 0)
    assert process.stdout is not None
    assert process.stdout.readline() == "HUNDRED\n"
    time.sleep(1.2)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    path = tmp_path / "out" / "Ann.mkv"
    heard = decoded(path)
    assert len(heard) >= 16_000  # of more than two seconds, one at most is lost
    assert len(pictures(path)) >= 20


def test_a_picture_that_comes_late_makes_one_file_of_both(tmp_path: Path) -> None:
    voice = speech(tmp_path / "s.wav")
    source = film(tmp_path / "film.webm", 0.5, voice=voice, size=(320, 240))
    out = tmp_path / "out"

    async def scenario() -> None:
        frames: list[EncodedFrame] = []
        ended = asyncio.Event()
        player = Player(source)
        player.start(frames.append, frames.append, ended.set)
        await ended.wait()
        await player.close()
        now = 100.0
        wanted: list[str] = []
        recorder = Recorder(
            out, on_problem=print, on_keyframe_wanted_of=wanted.append, clock=lambda: now
        )
        recorder.name("m", "Ann")
        shown = [frame for frame in frames if frame.kind is MediaKind.CAMERA]
        spoken = [frame for frame in frames if frame.kind is MediaKind.VOICE]
        recorder.write("m", shown[1])  # not a key frame: asked for, and not recorded
        for number, frame in enumerate(spoken):
            now = 100.0 + number * 0.02
            recorder.write("m", frame)
        recorder.write("m", shown[0])
        await recorder.close()
        assert wanted == ["m"]

    asyncio.run(scenario())
    assert [path.name for path in out.iterdir()] == ["Ann.mkv"]
    assert correlation(decoded(voice), decoded(out / "Ann.mkv"))[0] >= 0.9
    assert len(pictures(out / "Ann.mkv")) == 1


def test_two_members_of_one_name_and_a_second_recording_overwrite_nothing(tmp_path: Path) -> None:
    # Type: ignore[arg-type].
    frame = EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, (b"\x78" + bytes(59),))
    for _ in range(2):
        recorder = Recorder(tmp_path, on_problem=print)
        for member in ("a", "b"):
            recorder.name(member, "CON")
            recorder.write(member, frame)
        recorder.finish()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["_CON (2).mka", "_CON (3).mka", "_CON (4).mka", "_CON.mka"]
