"""A meeting of real processes to attack: relays with their operators' plug-in, entries, headless
members who all speak, one of them an informant."""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
import wave
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folkmoot.adversary.measuring import Hearing
from folkmoot.adversary.processes import Speaking, Told
from folkmoot.agent.failure import Failure
from folkmoot.governance.extension import RELAYS_MAX

TARGET = "Tess"
OTHERS = ("Ann", "Bob", "Cy")
INFORMANT = "Ivo"
SPEECH_S = 20
RATE = 48_000
SETTLE_S = 60.0
TOLD_S = 15.0
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Topology:
    """`relays` carry the meeting; `via`: how members reach them, as on the command line; `outside`:
    entries that carry nothing of it, in its reserve, or named where it has one relay."""

    name: str
    relays: int
    via: str = "direct"
    outside: int = 0

    @property
    def entries(self) -> int:
        """How many operators hide addresses: those of the ring, or outside ones."""
        return 0 if self.via == "direct" else self.outside or self.relays


def tone(path: Path) -> Path:
    """Something to say without an end: a tone that swells, which no codec takes for silence."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        for second in range(SPEECH_S):
            samples = (
                int(9000 * math.sin(at / 35) * (1.2 + math.sin(at / 9000)) / 2.2)
                for at in range(second * RATE, (second + 1) * RATE)
            )
            out.writeframes(struct.pack(f"<{RATE}h", *samples))
    return path


class Unwell(Failure):
    """The meeting does not run as it should while nobody attacks it."""


class Scene:
    """One topology, running. `hosts`: the address that each member comes from."""

    def __init__(self, topology: Topology, folder: Path) -> None:
        self.topology = topology
        self.folder = folder
        self.relays: list[Speaking] = []
        self.outside: list[Speaking] = []
        self.addresses: list[str] = []
        self.members: dict[str, Speaking] = {}
        self.ids: dict[str, str] = {}
        self.hosts: dict[str, str] = {}
        self._ways: list[str] = []
        self.keys: list[dict[str, Any]] = []  # what the informant gave away

    # -- beginning and ending

    async def start(self) -> None:
        voice = tone(self.folder / "voice.wav")
        used = self.topology.relays
        for number in range(used + self.topology.outside):
            relay = self._relay(number, f"{HOST}:0")
            await relay.start()
            address = str((await relay.wait_for("ready")).event["address"])
            self.addresses.append(address)
            (self.relays if number < self.topology.relays else self.outside).append(relay)
        named = self.addresses if self.topology.relays == RELAYS_MAX else self.addresses[:used]
        given = [word for one in named for word in ("--relay", one)]
        self._ways = ["--via", self.topology.via]
        if len(named) < len(self.addresses):
            self._ways = ["--entry", self.addresses[-1]]
        ann = await self._member(
            OTHERS[0], "meet", *given, "--charter", "circle", "--admit", "all", voice=voice
        )
        invite = str((await ann.wait_for("invite")).event["invite"])
        for name in (*OTHERS[1:], TARGET):
            # (The invite goes over standard input: other users can read command lines.)
            await self._member(name, "join", "-", voice=voice, invite=invite)
        await self._informant(invite)
        for name, member in self.members.items():
            self.ids[name] = str((await member.wait_for("joined")).event["member"])
        await self.until_well()

    def _relay(self, number: int, listen: str) -> Speaking:
        return Speaking(
            f"relay{number}",
            *("-m", "folkmoot.adversary.operator", "--listen", listen, "--json"),
            *("--state", str(self.folder / f"key{number}")),
            env={},
            folder=self.folder,
        )

    async def _member(
        self, name: str, command: str, *more: str, voice: Path, invite: str = ""
    ) -> Speaking:
        member = Speaking(
            name,
            *("-m", "folkmoot.agent.cli", command, *more, "--headless", "--json", "--name", name),
            *("--play", str(voice), "--loop", *self._ways),
            env=self._from(name),
            folder=self.folder,
        )
        await member.start()
        if invite:
            member.say_line(invite)
        self.members[name] = member
        return member

    async def _informant(self, invite: str) -> None:
        ivo = Speaking(
            INFORMANT,
            *("-m", "folkmoot.adversary.informant", INFORMANT, *self._ways),
            env=self._from(INFORMANT),
            folder=self.folder,
        )
        await ivo.start()
        ivo.say_line(invite)
        ivo.watchers.append(self._hear_keys)
        self.members[INFORMANT] = ivo

    def _from(self, name: str) -> dict[str, str]:
        self.hosts[name] = f"127.0.9.{len(self.hosts) + 1}"
        return {"FOLKMOOT_LOCAL_ADDRESS": self.hosts[name]}

    def _hear_keys(self, told: Told) -> None:
        if told.event["event"] == "keys":
            order = {name: told.event[name] for name in told.event if name not in ("event", "at")}
            self.keys.append(order)

    async def stop(self) -> None:
        everything = [*self.members.values(), *self.relays, *self.outside]
        await asyncio.gather(*(one.stop() for one in everything), return_exceptions=True)

    # -- what happens in it

    @property
    def honest(self) -> list[str]:
        """Who is no informant."""
        return [name for name in self.members if name != INFORMANT]

    def hearing(self, since: float) -> dict[str, Hearing]:
        """What each honest member heard of whom, by seconds since then."""
        names = {seat: name for name, seat in self.ids.items()}
        found = {}
        for name in self.honest:
            one = found[name] = Hearing()
            for at, row in rows_of(self.members[name]):
                if row["kind"] == "voice" and row["member"] in names:
                    one.add_row(names[row["member"]], at - since, int(row["frames"]))
        return found

    async def until_told(self, until: float) -> None:
        """Waits for the rows of what every honest member heard until then. On a busy machine they
        come late, and what is not there yet would count as not heard."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TOLD_S):
                while not all(self._has_told(name, until) for name in self.honest):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    def _has_told(self, name: str, until: float) -> bool:
        rows = rows_of(self.members[name])
        return bool(rows) and rows[-1][0] >= until

    def well(self, seconds: float) -> bool:
        """Whether everybody heard everybody lately."""
        since = asyncio.get_running_loop().time() - seconds
        hearings = self.hearing(since)
        names = list(self.members)
        wanted = 0.8 * (seconds - 1) * 50
        return all(
            sum(hearings[listener].frames.get(speaker, {}).values()) >= wanted
            for listener in hearings
            for speaker in names
            if speaker != listener
        )

    async def until_well(self) -> None:
        """Waits until it runs as a meeting should; Failure when it does not come to that."""
        try:
            async with asyncio.timeout(SETTLE_S):
                while len(self.ids) < len(self.members) or not self.well(4.0):  # noqa: ASYNC110
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise Unwell(
                f"The meeting of the topology {self.topology.name} does not run well on this "
                "machine, so an attack on it would show nothing."
            ) from None

    async def revive(self) -> None:
        """Starts the relays again that were killed, at their old addresses."""
        for relays, first in ((self.relays, 0), (self.outside, len(self.relays))):
            for place, relay in enumerate(relays):
                if not relay.running:
                    number = first + place
                    again = self._relay(number, self.addresses[number].partition("#")[0])
                    await relay.stop()
                    await again.start()
                    await again.wait_for("ready")
                    relays[place] = again


def rows_of(member: Speaking) -> Sequence[tuple[float, dict[str, Any]]]:
    """The member's rows of what it heard, each with when it was told, by our clock."""
    rows = [(one.at, one.event) for one in member.told if one.event.get("event") == "hearing"]
    # Its own clock against ours, by the row that was read with least delay.
    lag = min((at - float(event["at"]) for at, event in rows), default=0.0)
    return [(float(event["at"]) + lag, event) for _, event in rows]


@contextlib.asynccontextmanager
async def running(topology: Topology, folder: Path) -> AsyncIterator[Scene]:
    """The topology's meeting, until it was attacked enough."""
    scene = Scene(topology, folder)
    try:
        await scene.start()
        yield scene
    finally:
        await scene.stop()
