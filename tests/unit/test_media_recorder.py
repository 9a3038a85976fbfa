"""Recordings of hostile members: files that stay in their folder, for their owner alone, and whose
damage is nobody else's."""

from __future__ import annotations

import random
import stat
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.agent.media import Recorder
from folkmoot.agent.media.encoders import VoiceEncoder
from folkmoot.agent.media.matroska import MatroskaFile
from folkmoot.agent.media.recorder import NAME_BYTES_MAX, file_stem
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind

SEAT = "0123456789abcdef"
RNG = random.Random(4)


def voice(time_us: int, payload: bytes = b"\x78" + bytes(59)) -> EncodedFrame:
    return EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (payload,))


def camera(time_us: int, *payloads: bytes, key: bool = True) -> EncodedFrame:
    return EncodedFrame(MediaKind.CAMERA, Codec.VP8, key, time_us, payloads)


def key_frame(width: int, height: int) -> bytes:
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"\x10\x10\x00\x00\x9d\x01\x2a" + size + RNG.randbytes(50)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Ann", "Ann"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", SEAT),
        ("/", SEAT),
        ("\\\\host\\share", "__host_share"),
        ("C:\\Ann", "C__Ann"),
        (".bashrc", "bashrc"),
        ("-rf", "rf"),
        ("- .-x", "x"),
        ("Ann. . ", "Ann"),
        ("CON", "_CON"),
        ("con.txt", "_con.txt"),
        ("CON .txt", "_CON .txt"),
        ("LPT\u00b9", "_LPT\u00b9"),
        ("COM10", "COM10"),
        ("a\x00b\nc", "a_b_c"),
        ("Ann\u202egnp", "Ann_gnp"),
        ("$(reboot)`x`;&|*?<>\"'", "__reboot__x__________"),
        ("\u202e\u200b", SEAT),
        ("", SEAT),
        ("李清照", "李清照"),
        ("E\u0301va", "Éva"),
    ],
)
def test_names_of_files(name: str, stem: str) -> None:
    assert file_stem(name, SEAT) == stem


@given(st.text(st.characters(codec=None), max_size=120))
def test_whatever_the_name_the_file_stays_in_its_folder(name: str) -> None:
    stem = file_stem(name, SEAT)
    assert 0 < len(stem.encode()) <= NAME_BYTES_MAX + 1
    assert not set(stem) & set('/\\:*?"<>|\0\n\r')
    assert stem[0] not in ".- "
    assert stem[-1] not in ". "


def test_recordings_are_for_their_owner_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    recorder = Recorder(out, on_problem=print)
    recorder.name("m", "../Ann")
    recorder.write("m", voice(0))
    recorder.finish()
    (path,) = out.iterdir()
    assert path.name == "_Ann.mka"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(out.stat().st_mode) == 0o700


def test_a_recording_follows_no_link_that_lies_in_its_way(tmp_path: Path) -> None:
    other = tmp_path / "other"
    out = tmp_path / "out"
    out.mkdir()
    (out / "Ann.mka").symlink_to(other)  # dangling, so it does not "exist"
    problems: list[str] = []
    recorder = Recorder(out, on_problem=problems.append)
    recorder.name("m", "Ann")
    recorder.write("m", voice(0))
    recorder.finish()
    assert not other.exists()


def hostile_frames() -> list[EncodedFrame]:
    """Some that a meeting would never let through, too: the recorder stands by itself."""
    frames = []
    for number in range(300):
        jump = RNG.choice((0, 2**48 - 1, number * 20_000, 2**47, -number * 1_000_000 % 2**48))
        frames.append(voice(jump, RNG.randbytes(RNG.randrange(1, 64))))
        size = RNG.randrange(1, 0x3FFF), RNG.randrange(1, 0x3FFF)
        shown = RNG.choice(
            (
                (key_frame(*size),),
                (b"\x10\x01" + RNG.randbytes(30),),
                (RNG.randbytes(RNG.randrange(1, 40)), RNG.randbytes(9)),
                (b"\x90\x80",),
            )
        )
        frames.append(camera(jump, *shown, key=RNG.random() < 0.5))
    return frames


def test_garbage_is_one_member_s_and_the_others_are_recorded(tmp_path: Path) -> None:
    problems: list[str] = []
    now = 100.0
    recorder = Recorder(tmp_path, on_problem=problems.append, clock=lambda: now)
    encoder = VoiceEncoder()
    recorder.name("a", "Ann")
    recorder.name("e", "Eve")
    sound = av.AudioFrame(format="flt", layout="mono", samples=960)
    sound.sample_rate = 48_000
    for number, frame in enumerate(hostile_frames()):
        now = 100.0 + number * 0.02
        recorder.name("e", f"Eve {number}")
        recorder.write("e", frame)
        if number % 7 == 0:
            recorder.gap("e")
        sound.planes[0].update(RNG.randbytes(sound.planes[0].buffer_size // 2) * 2)
        recorder.write("a", voice(number * 20_000, encoder.encode(sound)))
    recorder.finish()
    with av.open(str(tmp_path / "Ann.mka")) as container:
        packets = [one for one in container.demux(audio=0) if one.size]
    assert len(packets) == 600
    assert not any("Ann" in problem for problem in problems)


def test_a_file_that_cannot_go_on_ends_alone_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = MatroskaFile.voice

    def torn(self: MatroskaFile, data: bytes, at_us: int) -> None:
        if self.path.name.startswith("Eve"):
            raise av.error.InvalidDataError(1, "torn")
        write(self, data, at_us)

    monkeypatch.setattr(MatroskaFile, "voice", torn)
    problems: list[str] = []
    now = 100.0
    recorder = Recorder(tmp_path, on_problem=problems.append, clock=lambda: now)
    for member, name in (("e", "Eve"), ("a", "Ann")):
        recorder.name(member, name)
    for number in range(200):
        now = 100.0 + number * 0.02
        for member in ("e", "a"):
            recorder.write(member, voice(number * 20_000))
    recorder.finish()
    assert problems == ["The recording of Eve has stopped: a frame cannot be written."]
    with av.open(str(tmp_path / "Ann.mka")) as container:
        assert len([one for one in container.demux(audio=0) if one.size]) == 200
