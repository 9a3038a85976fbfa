"""What an ordinary meeting server can be ordered to do: a minimal one, written for this comparison
alone, that forwards a stream for each participant (a selective forwarding unit, RFC 7667 §3.7).

End-to-end encryption would change nothing here, and is left out: the server knows whose stream is
whose, and from which address it comes, as that is how it forwards them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from folkmoot.adversary.measuring import Hearing, collateral_of, silence_of
from folkmoot.adversary.playing import ATTACK_S, Row
from folkmoot.adversary.scene import HOST, INFORMANT, OTHERS, TARGET

NAMES = (*OTHERS, TARGET, INFORMANT)
FRAME_BYTES = 60
NAME_BYTES = 8
FRAME_S = 0.02
DELAY_S = 2.0
RETRY_S = 0.5
TOPOLOGY = "plain SFU"


class Server:
    """One room. `allows(sender, receiver)` decides about each stream."""

    def __init__(self) -> None:
        self.people: dict[str, tuple[asyncio.StreamWriter, str]] = {}
        self.refused: set[str] = set()  # names
        self.refused_hosts: set[str] = set()
        self.delay_s = 0.0
        self.allows: Callable[[str, str], bool] = lambda sender, receiver: True
        self._server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> int:
        self._server = await asyncio.start_server(self._serve, HOST, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for name in list(self.people):
            self.kick(name)

    def kick(self, name: str) -> None:
        """What one button does."""
        writer, _ = self.people.pop(name, (None, ""))
        if writer is not None:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = str(writer.get_extra_info("peername")[0])
        name = ""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            name = (await reader.readexactly(NAME_BYTES)).rstrip(b"\0").decode()
            if name in self.refused or host in self.refused_hosts:
                writer.transport.abort()
                return
            self.people[name] = writer, host
            head = name.encode().ljust(NAME_BYTES, b"\0")
            while True:
                self._forward(name, head + await reader.readexactly(FRAME_BYTES))
        if self.people.get(name, (None, ""))[0] is writer:
            del self.people[name]
        writer.transport.abort()

    def _forward(self, sender: str, frame: bytes) -> None:
        for receiver, (writer, _) in list(self.people.items()):
            if receiver != sender and self.allows(sender, receiver):
                if self.delay_s:
                    asyncio.get_running_loop().call_later(self.delay_s, _write, writer, frame)
                else:
                    _write(writer, frame)


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    if not writer.transport.is_closing():
        writer.write(frame)


class Participant:
    """Speaks all the time, comes back when it is thrown out, and counts what it hears."""

    def __init__(self, name: str, port: int, host: str) -> None:
        self.name, self._port, self._host = name, port, host
        self.heard: list[tuple[float, str]] = []

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection(
                    HOST, self._port, local_addr=(self._host, 0)
                )
                writer.write(self.name.encode().ljust(NAME_BYTES, b"\0"))
                speaking = asyncio.create_task(self._speak(writer))
                try:
                    while True:
                        frame = await reader.readexactly(NAME_BYTES + FRAME_BYTES)
                        sender = frame[:NAME_BYTES].rstrip(b"\0").decode()
                        self.heard.append((asyncio.get_running_loop().time(), sender))
                finally:
                    speaking.cancel()
                    writer.transport.abort()
            await asyncio.sleep(RETRY_S)

    @staticmethod
    async def _speak(writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while not writer.transport.is_closing():
            writer.write(bytes(FRAME_BYTES))
            number += 1
            await asyncio.sleep(max(0.0, began + number * FRAME_S - loop.time()))

    def hearing(self, since: float) -> Hearing:
        found = Hearing()
        for at, sender in self.heard:
            if at >= since:
                found.add(sender, int(at - since), 1)
        return found


def _orders(server: Server, host: str) -> dict[str, Callable[[], None]]:
    """The orders of `attacks`, as such a server carries them out."""

    def close() -> None:
        server.refused.add(TARGET)
        server.kick(TARGET)

    def drop() -> None:
        server.allows = lambda sender, receiver: sender != TARGET

    def keep_from_one() -> None:
        server.allows = lambda sender, receiver: (sender, receiver) != (TARGET, OTHERS[0])

    def deafen() -> None:
        server.allows = lambda sender, receiver: receiver != TARGET

    def part() -> None:
        half = set(NAMES[::2])
        server.allows = lambda sender, receiver: (sender in half) == (receiver in half)

    def delay() -> None:
        server.delay_s = DELAY_S

    def geoblock() -> None:
        server.refused_hosts.add(host)
        server.kick(TARGET)

    return {
        "nothing": lambda: None,
        "close the link": close,
        "filter by keys": drop,
        "keep from one": keep_from_one,
        "deafen": deafen,
        "two views": part,
        "delay by 2 s": delay,
        "geoblock": geoblock,
    }


async def play_plain(attack: str, seconds: int = ATTACK_S) -> Row:
    """One row; KeyError for what no such server needs, as it knows whose stream is whose."""
    server = Server()
    port = await server.start()
    hosts = {name: f"127.0.9.{place + 1}" for place, name in enumerate(NAMES)}
    people = {name: Participant(name, port, hosts[name]) for name in NAMES}
    tasks = [asyncio.create_task(one.run()) for one in people.values()]
    try:
        async with asyncio.timeout(20):
            while len(server.people) < len(NAMES):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        seen = server.people[TARGET][1]
        began = asyncio.get_running_loop().time()
        if attack == "kill":
            await server.stop()
        else:
            _orders(server, hosts[TARGET])[attack]()
        await asyncio.sleep(seconds + 0.2)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.stop()
    hearings = {name: one.hearing(began) for name, one in people.items() if name != INFORMANT}
    others = [name for name in NAMES if name != TARGET]
    silence = silence_of(hearings, TARGET, others, 0, seconds)
    collateral = collateral_of(hearings, TARGET, NAMES, 0, seconds)
    return Row(
        topology=TOPOLOGY,
        relays=1,
        entries=0,
        compelled=0 if attack == "nothing" else 1,
        informant=False,
        attack=attack,
        silenced=silence.silenced,
        collateral=collateral.silenced,
        identified=1.0,
        located=seen == hosts[TARGET],
        detected_s=None,
        healed_s=silence.healed_s,
        worst_loss=round(silence.worst, 2),
        collateral_healed_s=collateral.healed_s,
    )
