"""Speech from one member to another through a real relay, and what that relay then holds of it."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import pytest

from end_to_end.material import correlation, decoded, film, speech
from end_to_end.processes import PATIENCE_S, Command, Commands
from folkmoot.agent.links import Links
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import LANE_RULES, Direction, LaneSlot

SLICE_BYTES = 16

# The real relay, and a tap on every message that it takes from a link's TLS and every frame that it
# writes to one.
TAPPED_RELAY = """
    import os, sys
    from folkmoot.relay import link, shell

    tap = open(os.environ["TAP"], "ab", buffering=0)
    received, write = shell.Relay.received, link.Link.write

    def tapped_received(self, number, message):
        tap.write(bytes(message))
        received(self, number, message)

    def tapped_write(self, frame):
        tap.write(bytes(frame))
        write(self, frame)

    shell.Relay.received, link.Link.write = tapped_received, tapped_write
    from folkmoot.relay.cli import main
    main()
"""


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


def _memory(pid: int) -> Iterator[bytes]:
    """All that the process can write to: heap, stacks, buffers."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as memory:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found is None:
                continue
            start, end = int(found[1], 16), int(found[2], 16)
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, ValueError, OverflowError):
                continue  # [vvar] and its like


def _held(pid: int) -> bytes:
    """The memory of a process, as one piece, while the process stands still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        return b"\0".join(_memory(pid))
    finally:
        os.kill(pid, signal.SIGCONT)


def _packets(file: Path) -> list[bytes]:
    """The encoded frames of a recording, as they were received."""
    with av.open(str(file)) as container:
        return [bytes(packet) for packet in container.demux() if packet.size]


def _found(needles: Iterable[bytes], heap: bytes) -> list[bytes]:
    return [needle for needle in needles if needle in heap]


async def _send_marked(relay: RelayAddress, marker: bytes) -> None:
    """Cells of no meeting, with words of ours in them: what a relay would hold of open speech."""
    opened = asyncio.Event()
    back = asyncio.Event()
    links = Links(
        on_cells=lambda handle, cells: back.set(),
        on_room=lambda handle, is_open, reason: opened.set(),
        on_link=lambda *state: None,
    )
    links.open_room(1, relay, "main", LaneSlot.VOICE, secrets.token_bytes(32), Direction.BOTH)
    size = LANE_RULES[LaneSlot.VOICE].cell_bytes
    async with asyncio.timeout(PATIENCE_S):
        await opened.wait()
        for _ in range(20):
            links.send(1, [(marker * (size // len(marker) + 1))[:size]])
            await asyncio.sleep(0.04)
        await back.wait()
    await links.close()


def _start_relay(commands: Commands, tap: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("TAP", str(tap))
    program = (sys.executable, "-c", textwrap.dedent(TAPPED_RELAY))
    return commands.start("--listen", "127.0.0.1:0", program=program)


def test_speech_arrives_and_the_relay_holds_nothing_of_it(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = speech(tmp_path / "speech.wav")
    tap, recordings = tmp_path / "tap", tmp_path / "recordings"
    relay = _start_relay(commands, tap, monkeypatch)
    address = relay.wait_for("ready")["address"]
    name, text = f"Ada {secrets.token_hex(8)}", f"the words {secrets.token_hex(16)}"
    ada = commands.start(
        *("meet", "--relay", address, "--headless", "--name", name, "--admit", "all"),
        *("--play", str(source), "--loop"),
    )
    invite = ada.wait_for("invite")["invite"]
    grace = commands.start(
        "join", invite, "--headless", "--name", "Grace", "--record", str(recordings)
    )
    joined = grace.wait_for("joined")
    ada.do(do="chat", text=text)
    assert grace.wait_for("chat", text=text)["from"] != joined["member"]
    # The whole of it once, wherever in it the newcomer came in.
    seconds = len(decoded(source)) / 16_000
    grace.wait_for("hearing", kind="voice")
    asyncio.run(asyncio.sleep(2 * seconds + 1))
    asyncio.run(_send_marked(RelayAddress.parse(address), b"a control that is found "))
    held = _held(relay.process.pid)
    for command in (grace, ada):
        command.process.send_signal(signal.SIGINT)
        assert command.end() == 0
    relay.process.send_signal(signal.SIGTERM)
    assert relay.end() == 0

    (recording,) = recordings.iterdir()
    likeness, _ = correlation(decoded(source), decoded(recording))
    print(f"likeness of what was said and what was heard: {likeness:.3f}")
    assert likeness >= 0.9

    packets = _packets(recording)
    assert len(packets) > 50 * seconds
    slices = [packet[8 : 8 + SLICE_BYTES] for packet in packets if len(packet) >= 40]
    assert len(slices) > 50 * seconds / 2
    needles = [name.encode(), text.encode(), invite.encode()[9:60], *slices]
    crossed = tap.read_bytes()
    assert len(crossed) > 384 * 50 * seconds  # both members' voice lanes at least
    said = "\n".join(relay.words + [str(event) for event in relay.events]).encode()
    for place, heap in (("traffic", crossed), ("memory", held), ("output", said)):
        assert _found(needles, heap) == [], place
    # The control: the same search finds what is there to be found.
    control = [b"a control that is found "]
    assert _found(control, crossed) == control
    assert _found(control, held) == control


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
