"""Speech from one member to another through a real relay, and what that relay then holds of it."""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from end_to_end import relay_tap
from end_to_end.material import Samples, correlation, decoded, film, speech
from end_to_end.processes import PATIENCE_S, Command, Commands
from end_to_end.relay_tap import Needles, slices, spoken
from folkmoot import mls
from folkmoot.agent.links import Links
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.save import Saved
from folkmoot.wire.address import RelayAddress, encode_pin
from folkmoot.wire.lanes import LANE_RULES, Direction, LaneSlot

T = TypeVar("T")
RATE = 16_000
GAP_S = 0.015  # times in the file are whole milliseconds; a lost frame is 20 of them
MARK = b"a control that is found "
LEVELS = ("error", "warning", "info")  # and debug, under which all is said that these say


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


def _packets(file: Path) -> list[bytes]:
    """The encoded frames of a recording, as they were received."""
    with av.open(str(file)) as container:
        return [bytes(packet) for packet in container.demux() if packet.size]


def _heard(file: Path) -> Samples:
    """A recording's sound at 16 kHz, each frame at its time: what a busy machine lost is silence,
    and moves nothing that follows."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000)
    parts: list[Samples] = []
    length = 0
    with av.open(str(file)) as container:
        for frame in container.decode(audio=0):
            assert isinstance(frame, AudioFrame)
            assert frame.time is not None
            gap = round((frame.time - GAP_S) * 48_000) - length
            if gap > 0:
                parts.append(np.zeros(gap, np.float32))
                length += gap
            for part in resampler.resample(frame):
                samples = part.to_ndarray().ravel().astype(np.float32)
                parts.append(samples)
                length += len(samples)
    whole = np.concatenate(parts)
    cut = whole[: len(whole) // 3 * 3].reshape(-1, 3)
    third: Samples = cut.mean(axis=1).astype(np.float32)  # 48 to 16 kHz
    return third


def _secrets_of(state: Path) -> list[bytes]:
    """What the members of a meeting know and nobody else may: from the file in which an agent keeps
    its seat."""
    (file,) = (state / "folkmoot" / "meetings").glob("*.seat")
    saved = Saved.decode(file.read_bytes())
    epoch = EpochState(mls.Group.load(saved.group), saved.secrets)
    seats = [entry.seat for entry in epoch.roster]
    assert len(seats) == 2
    held = saved.secrets
    known = [epoch.base_key, epoch.authenticator, held.signalling, held.room_root]
    known += [held.door.private, held.door.secret, epoch.group.signature_private]
    known += [epoch.group.group_id, *seats]
    return [form for one in known for form in spoken(one)]


def _secrets_in(word: str) -> list[bytes]:
    """What an invite tells those who hold it, and the word itself."""
    invite = Invite.parse(word)
    known = [invite.group_id, invite.inviter_seat, invite.inviter_key, invite.door_key]
    known += [invite.door_secret, invite.cell_secret, invite.room_root]
    return [form for one in known for form in spoken(one)] + list(slices(word.encode()[9:]))


async def _beside_marks(relay: RelayAddress, seed: bytes, look: Callable[[], T]) -> T:
    """`look()` while a room of no meeting is open at the relay and cells with words of ours in
    them were sent there: what a relay would hold of open speech."""
    opened, back = asyncio.Event(), asyncio.Event()
    links = Links(
        on_cells=lambda handle, cells: back.set(),
        on_room=lambda handle, is_open, reason: opened.set(),
        on_link=lambda *state: None,
    )
    links.open_room(1, relay, "main", LaneSlot.VOICE, seed, Direction.BOTH)
    size = LANE_RULES[LaneSlot.VOICE].cell_bytes
    async with asyncio.timeout(PATIENCE_S):
        await opened.wait()
        for _ in range(20):
            links.send(1, [(MARK * (size // len(MARK) + 1))[:size]])
            await asyncio.sleep(0.04)
        await back.wait()
    looked = look()
    await links.close()
    return looked


def _end_all(*members: Command) -> None:
    for command in members:
        command.process.send_signal(signal.SIGINT)
        assert command.end() == 0


def _said(relay: Command) -> bytes:
    return "\n".join(relay.words + [str(event) for event in relay.events]).encode()


def test_speech_arrives_and_the_relay_holds_nothing_of_it(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = speech(tmp_path / "speech.wav")
    tap, recordings = tmp_path / "tap", tmp_path / "recordings"
    relay = relay_tap.start(commands, tap, monkeypatch, "--log-level", "debug")
    address = relay.wait_for("ready")["address"]
    place = RelayAddress.parse(address)
    names = [f"Ann {secrets.token_hex(8)}", f"Bob {secrets.token_hex(8)}"]
    text = f"the words {secrets.token_hex(16)}"
    ann = commands.start(
        *("meet", "--relay", address, "--headless", "--name", names[0], "--admit", "all"),
        *("--play", str(source), "--loop"),
    )
    word = ann.wait_for("invite")["invite"]
    bob = commands.start(
        "join", word, "--headless", "--name", names[1], "--record", str(recordings)
    )
    joined = bob.wait_for("joined")
    ann.do(do="chat", text=text)
    assert bob.wait_for("chat", text=text)["from"] != joined["member"]
    # The whole of it once and more, wherever in it the newcomer came in.
    seconds = len(decoded(source)) / RATE
    bob.wait_for("hearing", kind="voice")
    time.sleep(3 * seconds)
    needles = [*_secrets_of(ann.state), *_secrets_of(bob.state), *_secrets_in(word), text.encode()]
    needles += [form for name in names for form in (name.encode(), name.encode("utf-16-le"))]
    seed = secrets.token_bytes(32)

    def look() -> list[bytes]:
        return list(relay_tap.memory(relay.process.pid))

    held = asyncio.run(_beside_marks(place, seed, look))
    _end_all(bob, ann)
    relay.process.send_signal(signal.SIGTERM)
    assert relay.end() == 0

    (recording,) = recordings.iterdir()
    assert recording.stem == names[0]
    likeness, _ = correlation(decoded(source), _heard(recording))
    packets = [one for one in _packets(recording) if len(one) >= 40]
    assert len(packets) > 50 * seconds
    needles += [piece for packet in packets for piece in slices(packet)]
    room_key = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    control = {MARK, room_key}
    search = Needles([*needles, *control])
    went_through = tap.read_bytes()
    found = set[bytes]().union(*(search.found_in(piece) for piece in held))
    print(f"likeness of what was said and what was heard: {likeness:.3f}")
    print(f"{len(set(needles))} pieces looked for in {sum(map(len, held)) >> 20} MiB of memory")
    # The control: the same search finds what is there, and nothing else.
    assert found == control
    assert search.found_in(went_through) == control
    assert len(went_through) > 384 * 50 * seconds  # both members' voice lanes at least
    assert search.found_in(_said(relay)) == set()
    pin = encode_pin(place.pin).encode()
    assert Needles([pin, *needles]).found_in(_said(relay)) == {pin}
    assert likeness >= 0.9


@pytest.mark.parametrize("level", LEVELS)
def test_a_relay_prints_no_word_of_a_meeting(
    level: str, commands: Commands, tmp_path: Path
) -> None:
    source = speech(tmp_path / "speech.wav")
    relay = commands.start("relay", "--listen", "127.0.0.1:0", "--log-level", level)
    address = relay.wait_for("ready")["address"]
    names = [f"Ann {secrets.token_hex(8)}", f"Bob {secrets.token_hex(8)}"]
    text = f"the words {secrets.token_hex(16)}"
    ann = commands.start(
        *("meet", "--relay", address, "--headless", "--name", names[0], "--admit", "all"),
        *("--play", str(source)),
    )
    word = ann.wait_for("invite")["invite"]
    bob = commands.start("join", word, "--headless", "--name", names[1])
    bob.wait_for("joined")
    bob.do(do="chat", text=text)
    ann.wait_for("chat", text=text)
    needles = [*_secrets_of(ann.state), *_secrets_of(bob.state), *_secrets_in(word), text.encode()]
    needles += [name.encode() for name in names]
    _end_all(bob, ann)
    relay.process.send_signal(signal.SIGTERM)
    assert relay.end() == 0
    pin = encode_pin(RelayAddress.parse(address).pin).encode()
    assert Needles([pin, *needles]).found_in(_said(relay)) == {pin}


def test_a_picture_arrives_as_it_was_sent(commands: Commands, tmp_path: Path) -> None:
    source = film(tmp_path / "film.webm", 6, voice=speech(tmp_path / "speech.wav"), size=(320, 240))
    recordings = tmp_path / "recordings"
    ada = commands.start(
        *("meet", "--listen", "127.0.0.1:0", "--headless", "--name", "Ada", "--admit", "all"),
        *("--play", str(source), "--loop"),
    )
    invite = ada.wait_for("invite")["invite"]
    grace = commands.start("join", invite, "--headless", "--record", str(recordings))
    grace.wait_for("hearing", kind="camera")
    asyncio.run(asyncio.sleep(6))
    for command in (grace, ada):
        command.process.send_signal(signal.SIGINT)
        assert command.end() == 0
    (recording,) = recordings.glob("*.mkv")
    with av.open(str(recording)) as container:
        pictures = [frame for frame in container.decode(video=0)]
    assert len(pictures) > 60
    assert {(frame.width, frame.height) for frame in pictures} == {(320, 240)}
    assert len(decoded(recording)) > 3 * 16_000
