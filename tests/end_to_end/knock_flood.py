"""Knocks by the thousand at the door of a meeting, over real links, in a process of its own.

    python knock_flood.py COUNT SECONDS < invite

A third is badly formed, a third well formed with no work or not enough, a third as good as a real
newcomer's, with the work that the door asks for as long as that is cheap. One JSON object at the
end: what was sent of each.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections import Counter

from folkmoot.agent.links import Links
from folkmoot.cells import council
from folkmoot.cells.records import Inbox, Outbox
from folkmoot.meeting.door import (
    WORK_BITS_MIN,
    DoorKind,
    Knock,
    public_of,
    read_notice,
    seal_knock,
    work_of,
)
from folkmoot.meeting.founding import make_key_package
from folkmoot.meeting.invite import Invite, door_cell_secret, door_room_root
from folkmoot.meeting.rooms import DOOR
from folkmoot.meeting.secrets import room_seed
from folkmoot.wire.lanes import LANE_RULES, Direction, LaneSlot

LINKS = 6  # each below the pace of the lane
WORK_S = 0.01  # for a knock; more would take the processor from the meeting that is watched
TRIED = 2000
BADLY, WITHOUT_WORK, WITH_WORK = "badly formed", "without work", "with work"
READ_BYTES_MAX = 1 << 16


def bits_within(seconds: float) -> int:
    """How many bits of work this machine does in so long, on average."""
    body, began = bytes(600), time.perf_counter()
    for _ in range(TRIED):
        work_of(body)
    each_s = (time.perf_counter() - began) / TRIED
    return max(WORK_BITS_MIN, int(seconds / each_s).bit_length() - 1)


class Flood:
    def __init__(self, invite: Invite) -> None:
        self.invite = invite
        self.bits_max = bits_within(WORK_S)
        self.secret = door_cell_secret(invite.door_secret)
        self.bits = WORK_BITS_MIN
        self.sent: Counter[str] = Counter()
        self._inbox = Inbox(READ_BYTES_MAX)
        self._open = 0
        self.ready = asyncio.Event()
        self.links = [
            Links(on_cells=self._hear, on_room=self._room, on_link=lambda *_: None)
            for _ in range(LINKS)
        ]
        relay = invite.relays[0].address
        seed = room_seed(door_room_root(invite.door_secret), relay.pin, DOOR.encode())
        for links in self.links:
            links.open_room(1, relay, "main", LaneSlot.DOOR, seed, Direction.BOTH)

    def _room(self, handle: int, is_open: bool, reason: str) -> None:
        self._open += is_open
        if self._open >= LINKS:
            self.ready.set()

    def _hear(self, handle: int, cells: list[bytes]) -> None:
        """Only what the door asks for."""
        for cell in cells:
            plaintext = council.open(self.secret, cell)
            for message in self._inbox.receive(plaintext, 0.0) if plaintext else ():
                if message[:1] == bytes((DoorKind.NOTICE,)):
                    self.bits = max(self.bits, read_notice(message[1:]) or 0)

    def _knock(self, bits: int) -> bytes:
        bundle = make_key_package(os.urandom(32), os.urandom)
        answer_key = public_of(os.urandom(32))
        knock = Knock(bundle.key_package, "Somebody", answer_key, self.invite.charter.hash)
        return seal_knock(knock, self.invite.door_key, self.invite.group_id, bits, os.urandom)

    def cell(self, kind: str) -> bytes:
        """One cell with one knock of this kind."""
        size = LANE_RULES[LaneSlot.DOOR].cell_bytes
        if kind == BADLY and random.random() < 0.5:
            return os.urandom(size)
        if kind == BADLY:
            body = os.urandom(random.randrange(1, 1100))
            message = random.choice((b"", bytes((DoorKind.KNOCK,)))) + body
        else:
            message = self._knock(min(self.bits, self.bits_max) if kind == WITH_WORK else 0)
        outbox = Outbox()
        outbox.push(message)
        return council.seal(self.secret, outbox.next_plaintext(), os.urandom)

    async def run(self, count: int, seconds: float) -> None:
        await asyncio.wait_for(self.ready.wait(), 30)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(count):
            kind = (BADLY, WITHOUT_WORK, WITH_WORK)[number % 3]
            self.links[number % LINKS].send(1, [self.cell(kind)])
            self.sent[kind] += 1
            await asyncio.sleep(max(0.0, began + (number + 1) * seconds / count - loop.time()))
        passed = loop.time() - began
        dropped = sum(links.dropped for links in self.links)
        for links in self.links:
            await links.close()
        told = {**self.sent, "seconds": round(passed, 1), "bits asked": self.bits}
        print(json.dumps({**told, "not sent": dropped}), flush=True)


async def main() -> None:
    count, seconds = int(sys.argv[1]), float(sys.argv[2])
    await Flood(Invite.parse(sys.stdin.readline().strip())).run(count, seconds)


if __name__ == "__main__":
    asyncio.run(main())
