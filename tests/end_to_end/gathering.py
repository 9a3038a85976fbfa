"""A relay and headless members in one meeting, what they hear of each other, and what they take."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import av

from end_to_end.processes import PATIENCE_S, PROGRAM, Command, Commands, Event

FRAMES_PER_S = 50
FRAME_MS = 20
SPOKEN_FRAMES = 100  # of three seconds on a busy machine: nobody who is silent has so many


def flat(event: Event) -> Event:
    return {name: value for name, value in event.items() if not isinstance(value, list | dict)}


def until(done: Callable[[], object], patience_s: float = PATIENCE_S, what: object = "") -> float:
    """How long it took until `done()`."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < patience_s, ("not in time", what)
        time.sleep(0.02)
    return time.monotonic() - began


@dataclass
class Heard:
    """Frames of one kind by one member at another."""

    frames: int = 0
    lost: int = 0

    @property
    def loss(self) -> float:
        return self.lost / max(1, self.frames + self.lost)


class Member:
    """One member, over all the processes that it had one after the other."""

    def __init__(self, name: str, command: Command) -> None:
        self.name = name
        self.command = command
        self.earlier: list[Command] = []
        self.id = ""

    def is_in(self) -> Member:
        self.id = str(self.command.wait_for("joined")["member"])
        return self

    def follows(self, command: Command) -> None:
        """A process in the place of the one that is gone."""
        self.earlier.append(self.command)
        self.command = command

    def mark(self) -> int:
        """What has been said until now."""
        return len(self.command.events)

    def after(self, mark: int, kind: str, /, **fields: object) -> list[Event]:
        """The events of this kind with these fields since then."""
        wanted = {"event": kind, **fields}.items()
        return [one for one in self.command.events[mark:] if wanted <= flat(one).items()]

    def texts(self) -> list[str]:
        """Every message that one of its processes told; each process tells each once."""
        told = []
        for command in (*self.earlier, self.command):
            texts = [one["text"] for one in command.events if one["event"] == "chat"]
            assert len(texts) == len(set(texts)), (self.name, texts)
            told += texts
        return told

    def says(self, text: str) -> str:
        self.command.do(do="chat", text=text)
        return text

    def reads(self, texts: set[str]) -> None:
        """Waits until all of these are there."""
        until(lambda: texts <= set(self.texts()), what=(self.name, texts))

    def heard(self, other: Member, mark: int = 0, kind: str = "voice") -> Heard:
        """What came of the other since then."""
        rows = self.after(mark, "hearing", member=other.id, kind=kind)
        return Heard(sum(one["frames"] for one in rows), sum(one["lost"] for one in rows))

    def hears(self, other: Member, frames: int = SPOKEN_FRAMES, kind: str = "voice") -> float:
        """Waits until so much more of the other came; how long it took."""
        mark = self.mark()
        what = f"{self.name} hears {other.name} ({kind})"
        return until(lambda: self.heard(other, mark, kind).frames >= frames, what=what)


class Gathering:
    """One meeting."""

    def __init__(self, commands: Commands, folder: Path) -> None:
        self.commands = commands
        self.folder = folder
        self.members: list[Member] = []
        self.relay = self.start_relay("127.0.0.1:0")

    def start_relay(self, listen: str) -> Command:
        relay = self.commands.start(
            *("relay", "--listen", listen, "--state", str(self.folder / "relay"))
        )
        self.address = str(relay.wait_for("ready")["address"])
        self.relay = relay
        return relay

    def relay_again(self) -> Command:
        """The relay that was killed, at its old place and with its old key."""
        before = self.address
        place = before.partition("#")[0]
        relay = self.start_relay(place)
        assert self.address == before
        return relay

    def opens(
        self, name: str, *more: str, program: Sequence[str] = PROGRAM, lets_all_in: bool = True
    ) -> Member:
        self._admit = ("--admit", "all") if lets_all_in else ()
        command = self.commands.start(
            *("meet", "--relay", self.address, "--headless", "--name", name),
            *self._admit,
            *more,
            program=program,
        )
        self.invite = str(command.wait_for("invite")["invite"])
        return self._add(Member(name, command))

    def joins(self, name: str, *more: str, program: Sequence[str] = PROGRAM) -> Member:
        """Knocks; whoever is in lets everybody in, unless the meeting was opened otherwise."""
        return self._add(Member(name, self._join(name, more, program, None)))

    def returns(self, member: Member, *more: str, program: Sequence[str] = PROGRAM) -> None:
        """Starts the process of a member again whose process is gone."""
        state = member.command.state
        member.command.end()
        member.follows(self._join(member.name, more, program, state))

    def _join(
        self, name: str, more: Sequence[str], program: Sequence[str], state: Path | None
    ) -> Command:
        return self.commands.start(
            *("join", self.invite, "--headless", "--name", name),
            *self._admit,
            *more,
            program=program,
            state=state,
        )

    def _add(self, member: Member) -> Member:
        self.members.append(member)
        return member

    def lets_in(self, host: Member, newcomer: Member) -> float:
        """The host lets in who knocks under this name, each time that it is told; gives how long
        that took."""
        began, done = time.monotonic(), set[str]()

        def is_in() -> bool:
            for one in host.after(0, "knock", name=newcomer.name):
                if one["knock"] not in done:
                    done.add(one["knock"])
                    host.command.do(do="admit", knock=one["knock"])
            return any(one["event"] == "joined" for one in newcomer.command.events)

        until(is_in, what=(newcomer.name, newcomer.command.events))
        newcomer.is_in()
        return time.monotonic() - began

    def all_in(self) -> None:
        """Waits until everybody is in, and everybody's roster has everybody."""
        for member in self.members:
            member.is_in()
        for member in self.members:
            member.command.wait_for("epoch", members=len(self.members))

    def leave(self, *members: Member) -> None:
        for one in members:
            one.command.do(do="leave")
        for one in members:
            status = one.command.end()
            assert status == 0, (one.name, status, one.command.events[-5:], one.command.words)
            self.members.remove(one)


def voice_times_ms(recording: Path) -> list[int]:
    """When each frame of sound in a recording begins, in milliseconds of its sender's clock."""
    with av.open(str(recording)) as container:
        stream = container.streams.audio[0]
        assert stream.time_base is not None
        return [
            round(float(packet.pts * stream.time_base) * 1000)
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size
        ]


class Running(Protocol):
    """Whatever has a process."""

    @property
    def process(self) -> subprocess.Popen[Any]: ...


# Of a core: a test that needs most of two says nothing about the product where others take more.
ELSEWHERE_MAX_PERCENT = 20.0


class Usage:
    """What processes take from now on, and what others take of this machine meanwhile."""

    def __init__(self, **processes: Running) -> None:
        self._processes = processes
        self._began = time.monotonic()
        self._before = self._seconds()
        self._all_before = _machine_seconds() - sum(self._before.values()) - time.process_time()

    def percent_elsewhere(self) -> float:
        """Of one core: taken by programs that are neither these nor this one, or by the host."""
        now = _machine_seconds() - sum(self._seconds().values()) - time.process_time()
        return 100 * (now - self._all_before) / (time.monotonic() - self._began)

    def _seconds(self) -> dict[str, float]:
        found = {}
        for name, command in self._processes.items():
            text = Path(f"/proc/{command.process.pid}/stat").read_text()
            fields = text.rpartition(")")[2].split()
            found[name] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return found

    def percent(self) -> dict[str, float]:
        """Of one core."""
        passed, now = time.monotonic() - self._began, self._seconds()
        return {name: 100 * (now[name] - was) / passed for name, was in self._before.items()}

    def memory_mib(self) -> dict[str, int]:
        """Resident now."""
        page = os.sysconf("SC_PAGE_SIZE")
        return {
            name: int(Path(f"/proc/{one.process.pid}/statm").read_text().split()[1]) * page >> 20
            for name, one in self._processes.items()
        }


def _machine_seconds() -> float:
    """Seconds for which any core of this machine was not idle, or was not to be had."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, irq, soft, stolen = map(int, fields[:8])
    return (user + nice + system + irq + soft + stolen) / os.sysconf("SC_CLK_TCK")
