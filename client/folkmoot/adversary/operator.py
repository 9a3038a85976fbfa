"""A relay whose operator does what it was told: `python -m folkmoot.adversary.operator` takes the
relay's own options, and orders as JSON lines on standard input.

It has every power that whoever runs a relay has: it sees addresses, times and bytes of all links,
may keep back, hold up, invent and repeat whatever goes through it, and close what it likes. With an
informant's keys it also knows whose cells it carries.

Orders, each an object with `do`: `keys` (an informant's), `target`, `forget`, `links` (asks for
what is known of each link and tunnel), `stall` (holds up the tunnels of hosts), and what to do from
now on (`ORDERS`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from folkmoot.cells.media import VOICE, MediaKeys
from folkmoot.relay import serve
from folkmoot.relay.cli import main
from folkmoot.relay.shell import Relay, Socket, binary_frame
from folkmoot.relay.tunnels import Tunnels
from folkmoot.wire.lanes import LANE_RULES, LaneSlot

CELLS = b"\x10"
HEAD = 5  # kind and room of a message of cells
VOICE_BYTES = LANE_RULES[LaneSlot.VOICE].cell_bytes
KEYS_MAX = 64
SENDERS_MAX = 1 << 16
DELAY_S = 2.0
FLOOD_CELLS = 8
FLOOD_EVERY_S = 0.02
ORDERS = (
    "nothing", "close", "drop", "drop_links", "deafen", "withhold", "part", "delay", "geoblock",
    "flood", "keep_from",
)  # fmt: skip


def say(event: str, **values: Any) -> None:
    print(json.dumps({"event": event, **values}), flush=True)


class Tap:
    """What the relay writes to one link passes here."""

    def __init__(self, socket: Socket, relay: HostileRelay) -> None:
        self.socket = socket
        self.relay = relay
        self.number = -1
        transport = getattr(socket, "transport", None)
        peer = transport.get_extra_info("peername") if transport is not None else None
        self.host, self.port = (str(peer[0]), int(peer[1])) if peer else ("", 0)

    def write(self, frame: bytes) -> None:
        for message in unframe(frame):
            changed = self.relay.outwards(self, message)
            if changed:
                self.pass_on(changed)

    def pass_on(self, message: bytes) -> None:
        self.socket.write(binary_frame(message))

    def close_with(self, code: int, sentence: str) -> None:
        self.socket.close_with(code, sentence)

    def cut(self) -> None:
        transport = getattr(self.socket, "transport", None)
        if transport is not None:
            transport.abort()


def unframe(data: bytes) -> list[bytes]:
    """The messages of whole unmasked frames, as the relay's shell builds them."""
    messages, at = [], 0
    while at < len(data):
        size, head = data[at + 1], 2
        if size == 126:
            size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
        elif size == 127:
            size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
        messages.append(data[at + head : at + head + size])
        at += head + size
    return messages


class HostileTunnels(Tunnels):
    """The entry's tunnels with somebody in them: it sees who comes, and where they go on to, and
    may hold up or cut what it likes."""

    instance: HostileTunnels | None = None

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.stalled: set[str] = set()  # hosts
        self.blocked: set[str] = set()
        self._held: dict[int, list[bytes]] = {}
        HostileTunnels.instance = self

    def opened(self, socket: Any, version: int) -> int:
        number = super().opened(socket, version)
        if self.host_of(number) in self.blocked:
            self._loop.call_soon(self.cut, number)
        return number

    def host_of(self, number: int) -> str:
        carried = self._tunnels.get(number)
        transport = None if carried is None else getattr(carried.socket, "transport", None)
        peer = None if transport is None else transport.get_extra_info("peername")
        return "" if peer is None else str(peer[0])

    def received(self, number: int, message: bytes) -> None:
        if self.host_of(number) in self.stalled or number in self._held:
            self._held.setdefault(number, []).append(message)
        else:
            super().received(number, message)

    def closed(self, number: int) -> None:
        self._held.pop(number, None)
        super().closed(number)

    def stall(self, hosts: set[str]) -> None:
        """Holds up what comes from there; what is not held up any more goes on, in its order."""
        self.stalled = hosts
        for number in [one for one in self._held if self.host_of(one) not in hosts]:
            for message in self._held.pop(number):
                super().received(number, message)

    def block(self, hosts: set[str]) -> None:
        self.blocked = hosts
        for number in [one for one in self._tunnels if self.host_of(one) in hosts]:
            say("blocked", host=self.host_of(number), room=False)
            self.cut(number)

    def cut(self, number: int) -> None:
        carried = self._tunnels.get(number)
        transport = None if carried is None else getattr(carried.socket, "transport", None)
        if transport is not None:
            transport.abort()

    def known(self) -> list[dict[str, Any]]:
        """Of each tunnel: where it comes from, and the port that its relay sees it come from."""
        found = []
        for number, carried in self._tunnels.items():
            name = None if carried.target is None else carried.target.get_extra_info("sockname")
            if name is not None:
                found.append({"host": self.host_of(number), "port": int(name[1])})
        return found


class HostileRelay(Relay):
    """The relay's shell with somebody in it."""

    instance: HostileRelay | None = None

    def __init__(self, pin: bytes, tick_s: float) -> None:
        super().__init__(pin, tick_s)
        self.pin = pin
        self.order: dict[str, Any] = {"do": "nothing"}
        self.target = ""
        self.taps: dict[int, Tap] = {}
        self.keys: dict[tuple[int, str], tuple[MediaKeys, dict[int, str]]] = {}
        self.members: dict[int, str] = {}  # whose link it is, as the informant's keys say
        self._senders: dict[bytes, int] = {}  # the end of a cell: the link that it came by
        self._flooding: asyncio.TimerHandle | None = None
        HostileRelay.instance = self
        loop = asyncio.get_running_loop()
        threading.Thread(target=_listen, args=(loop, self), name="orders", daemon=True).start()

    # -- what the operator sees

    def opened(self, socket: Socket, version: int) -> int:
        tap = Tap(socket, self)
        number = super().opened(tap, version)
        tap.number = number
        self.taps[number] = tap
        if self._blocks(tap):
            self._block(tap)
        return number

    def closed(self, number: int) -> None:
        self.taps.pop(number, None)
        self.members.pop(number, None)
        super().closed(number)

    def received(self, number: int, message: bytes) -> None:
        if message[:1] == CELLS:
            self._identify(number, message)
            if self._keeps_back(number):
                return
        super().received(number, message)

    def _identify(self, number: int, message: bytes) -> None:
        body = message[HEAD:]
        room = self._room(message)
        if room is None:
            return
        size = room.rule.cell_bytes
        for start in range(0, len(body), size):
            if len(self._senders) >= SENDERS_MAX:
                self._senders.clear()
            self._senders[body[start : start + size][-16:]] = number
        if size != VOICE_BYTES or number in self.members:
            return
        for keys, leaves in reversed(self.keys.values()):
            found = keys.open(VOICE, body[:size])
            if found is not None and found.leaf in leaves:
                self.members[number] = leaves[found.leaf]
                tap = self.taps.get(number)
                where = {} if tap is None else {"host": tap.host, "port": tap.port}
                say("identified", link=number, member=self.members[number], **where)
                if self.order["do"] == "close" and self.members[number] == self.target:
                    self._loop.call_soon(self._cut, number)
                return

    def _room(self, message: bytes) -> Any:
        number = int.from_bytes(message[1:HEAD], "big")
        return next((one for one in self.core._rooms.values() if one.number == number), None)

    # -- what it does

    def _keeps_back(self, number: int) -> bool:
        what = self.order["do"]
        if what == "drop":
            return self.members.get(number) == self.target
        if what == "drop_links":
            return number in self.order.get("links", ())
        return False

    def _cut(self, number: int) -> None:
        tap = self.taps.get(number)
        if tap is not None:
            tap.cut()

    def _blocks(self, tap: Tap) -> bool:
        return self.order["do"] == "geoblock" and tap.host in self.order.get("hosts", ())

    def _block(self, tap: Tap) -> None:
        say("blocked", host=tap.host, room=True)
        self._loop.call_soon(tap.cut)

    def outwards(self, tap: Tap, message: bytes) -> bytes:
        """What of a message reaches this link now."""
        what = self.order["do"]
        if message[:1] != CELLS or what in ("nothing", "close", "drop", "drop_links", "geoblock"):
            return message
        room = self._room(message)
        if room is None:
            return message
        if what == "deafen":
            return b"" if self.members.get(tap.number) == self.target else message
        if what == "withhold":
            # Commits, ballots and namings travel in council and at the door, beacons too: whoever
            # keeps those back keeps back all of it, as nothing tells one cell from another.
            held = room.slot in (LaneSlot.COUNCIL, LaneSlot.DOOR)
            return b"" if held else message
        if what == "delay":
            self._loop.call_later(DELAY_S, tap.pass_on, message)
            return b""
        size = room.rule.cell_bytes
        if what == "part":
            return self._without(message, size, lambda sender: sender % 2 != tap.number % 2)
        if what == "keep_from" and self.members.get(tap.number) == self.order["listener"]:
            return self._without(
                message, size, lambda sender: self.members.get(sender) == self.target
            )
        return message

    def _without(self, message: bytes, size: int, kept_back: Callable[[int], bool]) -> bytes:
        """The message without the cells that came by such links."""
        cells = (message[start : start + size] for start in range(HEAD, len(message), size))
        senders = ((cell, self._senders.get(cell[-16:])) for cell in cells)
        left = [cell for cell, sender in senders if sender is None or not kept_back(sender)]
        return message[:HEAD] + b"".join(left) if left else b""

    def _flood(self) -> None:
        if self.order["do"] != "flood":
            self._flooding = None
            return
        for room in list(self.core._rooms.values()):
            cells = os.urandom(FLOOD_CELLS * room.rule.cell_bytes)
            message = CELLS + room.number.to_bytes(4, "big") + cells
            for number in room.receivers:
                tap = self.taps.get(number)
                if tap is not None:
                    tap.pass_on(message)
        self._flooding = self._loop.call_later(FLOOD_EVERY_S, self._flood)

    # -- orders

    def obey(self, order: dict[str, Any]) -> None:
        what = order["do"]
        if what == "keys":
            epoch, name = int(order["epoch"]), str(order["authenticator"])
            if len(self.keys) >= KEYS_MAX:
                self.keys.pop(next(iter(self.keys)))
            leaves = {int(leaf): str(member) for leaf, member in order["leaves"].items()}
            base_key = bytes.fromhex(order["base_key"])
            self.keys[epoch, name] = MediaKeys(base_key, epoch, self.pin), leaves
        elif what == "forget":
            self.order, self.target = {"do": "nothing"}, ""
            if (tunnels := HostileTunnels.instance) is not None:
                tunnels.stall(set())
                tunnels.block(set())
            self.keys.clear()
            self.members.clear()
        elif what == "target":
            self.target = str(order["member"])
        elif what == "links":
            tunnels = HostileTunnels.instance
            say(
                "links",
                links=[self._of(tap) for tap in self.taps.values()],
                tunnels=[] if tunnels is None else tunnels.known(),
            )
        elif what == "stall":
            if (tunnels := HostileTunnels.instance) is not None:
                tunnels.stall(set(order["hosts"]))
        elif what in ORDERS:
            self.order = order
            if what == "close":
                for number in [one for one, who in self.members.items() if who == self.target]:
                    self._cut(number)
            for tap in [one for one in self.taps.values() if self._blocks(one)]:
                self._block(tap)
            if what == "geoblock" and (tunnels := HostileTunnels.instance) is not None:
                tunnels.block(set(order["hosts"]))
            if what == "flood" and self._flooding is None:
                self._flood()

    def _of(self, tap: Tap) -> dict[str, Any]:
        link = self.core._links.get(tap.number)
        slots = [] if link is None else [seat.room.slot.name for seat in link.rooms.values()]
        return {
            "link": tap.number,
            "host": tap.host,
            "port": tap.port,
            "member": self.members.get(tap.number, ""),
            "voice": "VOICE" in slots,
        }


def _listen(loop: asyncio.AbstractEventLoop, relay: HostileRelay) -> None:
    for line in sys.stdin:
        order = json.loads(line)
        loop.call_soon_threadsafe(relay.obey, order)
    os.kill(os.getpid(), signal.SIGTERM)


def run() -> None:
    """The relay's own command, with our parts in place of its own."""
    # (Whoever runs a program may change it; the relay itself has no place for this.)
    setattr(serve, "Relay", HostileRelay)  # noqa: B010
    setattr(serve, "Tunnels", HostileTunnels)  # noqa: B010
    main()


if __name__ == "__main__":
    run()
