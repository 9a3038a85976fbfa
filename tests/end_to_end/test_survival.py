"""Relays and agents that are killed, and lines that are cut, in mid-call: nobody is lost, nothing
that was said is lost, and who is away keeps its seat."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from end_to_end.broken_line import Line
from end_to_end.material import speech
from end_to_end.processes import PATIENCE_S, Command, Commands, Event
from folkmoot.wire.address import RelayAddress

pytestmark = pytest.mark.alone

DOWN_S = 3.0
CUT_OFF_S = 20.0
SPOKEN_BYTES = 9_000  # three seconds of 24 kbit/s


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    try:
        yield made
    finally:
        made.close()


def _after(command: Command, count: int, kind: str, /, **fields: Any) -> list[Event]:
    """The events of this kind with these fields that came after the first `count`."""
    wanted = {"event": kind, **fields}.items()
    return [
        one
        for one in command.events[count:]
        if wanted <= {k: v for k, v in one.items() if not isinstance(v, list | dict)}.items()
    ]


def _until(done: Any, patience_s: float = PATIENCE_S) -> float:
    """How long it took until `done()`."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < patience_s, "not in time"
        time.sleep(0.02)
    return time.monotonic() - began


def _sound(folder: Path, name: str) -> int:
    """Bytes of a member's sound recorded so far: frames that came, and nothing for silence."""
    return sum(one.stat().st_size for one in folder.glob(f"{name}*.mka"))


def _hears(folder: Path, name: str = "Ann") -> float:
    """Waits until so much more was recorded that the member must have spoken; how long it took."""
    before = _sound(folder, name)
    return _until(lambda: _sound(folder, name) >= before + SPOKEN_BYTES)


def _texts(command: Command) -> list[str]:
    return [one["text"] for one in command.events if one["event"] == "chat"]


def _nobody_came_or_went(command: Command, count: int) -> bool:
    news = [*_after(command, count, "member_out"), *_after(command, count, "member_in")]
    print(news or "nobody came or went")
    return not news


def _start_relay(commands: Commands, listen: str, state: Path) -> tuple[Command, RelayAddress]:
    relay = commands.start("relay", "--listen", listen, "--state", str(state))
    return relay, RelayAddress.parse(relay.wait_for("ready")["address"])


def _meet(commands: Commands, address: RelayAddress, play: Path, *more: str) -> Command:
    return commands.start(
        *("meet", "--relay", str(address), "--headless", "--name", "Ann", "--admit", "all"),
        *("--play", str(play), "--loop", *more),
    )


def _join(
    commands: Commands, host: Command, name: str, *more: str, state: Path | None = None
) -> Command:
    word = host.wait_for("invite")["invite"]
    return commands.start("join", word, "--headless", "--name", name, *more, state=state)


def _leave(*members: Command) -> None:
    for one in members:
        one.do(do="leave")
    for one in members:
        assert one.end() == 0


def test_a_relay_that_is_killed_and_started_again_loses_nobody(
    commands: Commands, tmp_path: Path
) -> None:
    source = speech(tmp_path / "speech.wav")
    relay, address = _start_relay(commands, "127.0.0.1:0", tmp_path / "relay")
    ann = _meet(commands, address, source)
    bob = _join(commands, ann, "Bob", "--record", str(tmp_path / "heard"))
    me, you = ann.wait_for("joined")["member"], bob.wait_for("joined")["member"]
    ann.wait_for("member_in", member=you)
    _hears(tmp_path / "heard")
    before = len(ann.events), len(bob.events)
    relay.process.kill()
    ann.wait_for("relay_down")
    bob.wait_for("relay_down")
    ann.do(do="chat", text="is anybody there?")
    bob.do(do="chat", text="I cannot hear you")
    time.sleep(DOWN_S)
    _, again = _start_relay(commands, f"127.0.0.1:{address.port}", tmp_path / "relay")
    assert again == address  # the pin too: its key was kept
    back = _hears(tmp_path / "heard")
    _until(lambda: "is anybody there?" in _texts(bob) and "I cannot hear you" in _texts(ann))
    print(f"the relay was away for {DOWN_S:.0f} s; three seconds were heard {back:.1f} s after")
    assert _nobody_came_or_went(ann, before[0])
    assert _nobody_came_or_went(bob, before[1])
    assert not _after(bob, before[1], "joined")
    assert {one["from"] for one in _after(bob, before[1], "chat", text="is anybody there?")} == {me}
    assert {one["from"] for one in _after(ann, before[0], "chat", text="I cannot hear you")} == {
        you
    }
    _leave(bob, ann)


def test_one_who_was_cut_off_for_twenty_seconds_has_every_message(
    commands: Commands, tmp_path: Path, line: Line
) -> None:
    source = speech(tmp_path / "speech.wav")
    _, address = _start_relay(commands, "127.0.0.1:0", tmp_path / "relay")
    ann = _meet(commands, address, source)
    heard = tmp_path / "heard"
    bob = _join(commands, ann, "Bob")
    bob.wait_for("joined")
    cy = _join(commands, ann, "Cy", "--via", line.via, "--record", str(heard))
    for one in (ann, bob):
        one.wait_for("member_in", member=cy.wait_for("joined")["member"])
    _hears(heard)
    before = {one: len(one.events) for one in (ann, bob, cy)}
    line.cut()
    cy.wait_for("relay_down")
    said = []
    for number in range(int(CUT_OFF_S)):
        said.append(f"message {number}")
        (ann, bob)[number % 2].do(do="chat", text=said[-1])
        if number == 10:
            cy.do(do="chat", text="from the dark")
        time.sleep(1.0)
    assert not set(said) & set(_texts(cy))
    line.mend()
    took = _until(lambda: set(said) <= set(_texts(cy)))
    print(f"every message {took:.1f} s after a cut of {CUT_OFF_S:.0f} s")
    _until(lambda: "from the dark" in _texts(ann) and "from the dark" in _texts(bob))
    _hears(heard)
    for one, count in before.items():
        assert _nobody_came_or_went(one, count)
        assert len(_texts(one)) == len(said) + 1  # each once
    _leave(cy, bob, ann)


def test_an_agent_that_is_killed_and_started_again_has_its_seat_back(
    commands: Commands, tmp_path: Path
) -> None:
    source = speech(tmp_path / "speech.wav")
    _, address = _start_relay(commands, "127.0.0.1:0", tmp_path / "relay")
    ann = _meet(commands, address, source)
    play, heard = ("--play", str(source), "--loop"), tmp_path / "heard by Cy"
    cy = _join(commands, ann, "Cy", "--record", str(heard))
    cy.wait_for("joined")
    bob = _join(commands, ann, "Bob", *play)
    seat = bob.wait_for("joined")["member"]
    for one in (ann, cy):
        one.wait_for("member_in", member=seat)  # told once its name is known
    before = {one: len(one.events) for one in (ann, cy)}
    for time_of_death in range(2):
        _hears(heard, "Bob")
        bob.process.kill()
        bob.end()
        own = tmp_path / f"heard by Bob {time_of_death}"
        bob = _join(commands, ann, "Bob", *play, "--record", str(own), state=bob.state)
        began = time.monotonic()
        joined = bob.wait_for("joined")
        print(f"in its seat again after {time.monotonic() - began:.1f} s")
        assert (joined["member"], joined["name"]) == (seat, "Bob")
        _hears(own)
        _hears(heard, "Bob")
        for one in (ann, cy, bob):
            epoch = one.wait_for("epoch", epoch=joined["epoch"])
            assert epoch["members"] == 3
            assert epoch["safety_code"] == joined["safety_code"]
    bob.do(do="chat", text="here I am")
    ann.wait_for("chat", text="here I am")
    assert ann.wait_for("chat", text="here I am")["from"] == seat
    for one, count in before.items():
        assert _nobody_came_or_went(one, count)
    _leave(bob, cy, ann)
