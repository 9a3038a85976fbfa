"""A hostile client at a real relay, with everything at once: memory stays bounded, and an honest
room beside it loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end import hostile_links
from end_to_end.gathering import ELSEWHERE_MAX_PERCENT, Usage
from end_to_end.relay_under_test import PATIENCE_S, Client, RelayUnderTest
from folkmoot.relay.gate import HALF_OPEN_MAX
from folkmoot.relay.link import WRITE_BUFFER_HIGH_BYTES
from folkmoot.relay.serve import HEADER_BYTES_MAX
from folkmoot.wire import LaneSlot, RelayLimits
from folkmoot.wire.lanes import LANE_RULES
from folkmoot.wire.messages import AGENT_MESSAGE_BYTES_MAX, RELAY_MESSAGE_BYTES_MAX, Closing

pytestmark = pytest.mark.alone

SECONDS = float(os.environ.get("FOLKMOOT_HOSTILE_S", "20"))
SLOW = 4  # times as long, at most, on a machine that is too busy to attack in earnest
DEEDS = ("links", "rooms", "wrong proofs", "floods", "half-open", "half requests")
SEED = b"honest" * 5 + b"!!"
EVERY_S = 0.04  # the voice lane's pace
LINK_BYTES = 100_000  # of objects and TLS, as server/README.md says


@pytest.fixture
def relay() -> Iterator[RelayUnderTest]:
    with RelayUnderTest() as running:
        yield running


class Attack:
    """The hostile client's process, and what it says it did."""

    def __init__(self, relay: RelayUnderTest) -> None:
        host, port = relay.address.host, str(relay.address.port)
        pin = str(relay.address).partition("#")[2]
        self.process = subprocess.Popen(
            [sys.executable, hostile_links.__file__, host, port, pin, str(SLOW * SECONDS)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.counts: dict[str, int] = {}
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.counts = json.loads(line)

    def is_done(self) -> bool:
        """Whether all of it was tried, and often."""
        giants = self.counts.get("giant frames", 0) >= hostile_links.GIANTS // 2
        return giants and all(self.counts.get(deed, 0) >= 100 for deed in DEEDS)

    def end(self) -> None:
        self.process.kill()
        _, errors = self.process.communicate()
        self._reader.join()
        assert not errors, errors


def memory_bytes_max(connections: int) -> int:
    """What the named limits allow so many connections to take of the relay's memory."""
    limits = RelayLimits()
    each = LINK_BYTES + WRITE_BUFFER_HIGH_BYTES + HEADER_BYTES_MAX
    ticks = limits.links_backlog_bytes + connections * limits.link_backlog_bytes_least
    waiting = limits.rooms_queue_cells * LANE_RULES[LaneSlot.PICTURE].cell_bytes
    giants = hostile_links.GIANTS * AGENT_MESSAGE_BYTES_MAX
    return connections * each + ticks + waiting + giants + 2 * RELAY_MESSAGE_BYTES_MAX


def open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


class Room:
    """Three honest links in one room, each at the lane's pace."""

    def __init__(self, relay: RelayUnderTest) -> None:
        self.members = [Client(relay.address) for _ in range(3)]
        for member in self.members:
            member.open(1, SEED)
        self.sent: set[bytes] = set()
        self.got: list[set[bytes]] = [set() for _ in self.members]
        self.slowest_s = 0.0
        self._sent_at: dict[bytes, float] = {}
        self._due = time.monotonic()

    def speak(self) -> None:
        """What is due, once each."""
        if time.monotonic() >= self._due:
            self._due = max(self._due + EVERY_S, time.monotonic() - EVERY_S)
            for number, member in enumerate(self.members):
                tag = f"{number} {len(self.sent)}".encode()
                cell = tag.ljust(LANE_RULES[LaneSlot.VOICE].cell_bytes, b".")
                self.sent.add(cell)
                self._sent_at[cell] = time.monotonic()
                member.send(1, [cell])

    def listen(self) -> None:
        """What has come by now."""
        for member, got in zip(self.members, self.got, strict=True):
            member.turn(0.002)
            arrived = set(member.cells(1)) - got
            got |= arrived
            now = time.monotonic()
            self.slowest_s = max([self.slowest_s, *(now - self._sent_at[one] for one in arrived)])
            member.events.clear()
            member.received.clear()

    def close(self) -> None:
        for member in self.members:
            member.close()


class Newcomer:
    """Another honest link, in a thread of its own."""

    def __init__(self, relay: RelayUnderTest) -> None:
        self.waited_s = 0.0
        self._relay = relay
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._come)
        self._thread.start()

    def _come(self) -> None:
        client = Client(self._relay.address)
        client.open(1, os.urandom(32))
        self.waited_s = time.monotonic() - self._began
        client.close()

    def end(self) -> float:
        self._thread.join(PATIENCE_S)
        return self.waited_s


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc, which is Linux's")
def test_an_honest_room_beside_a_hostile_client_loses_nothing(relay: RelayUnderTest) -> None:
    room, base = Room(relay), relay.memory_bytes()
    began, look_at, most, files = time.monotonic(), 0.0, 0, 0
    comes_at, newcomers = [SECONDS * 0.5, SECONDS * 0.8], list[Newcomer]()
    attack = Attack(relay)
    usage = Usage(relay=relay, attack=attack)
    try:
        while (passed := time.monotonic() - began) < SECONDS or (
            passed < SLOW * SECONDS and not attack.is_done()
        ):
            room.speak()
            room.listen()
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + 0.25
                most = max(most, relay.memory_bytes())
                files = max(files, open_files(relay.process.pid))
            if comes_at and time.monotonic() > began + comes_at[0]:
                comes_at.pop(0)
                newcomers.append(Newcomer(relay))
        elsewhere = usage.percent_elsewhere()
    finally:
        attack.end()
    waited = [one.end() for one in newcomers]
    until = time.monotonic() + PATIENCE_S
    while any(got != room.sent for got in room.got) and time.monotonic() < until:
        room.listen()
    sums = relay.sums()
    room.close()
    print(f"done to the relay in {SECONDS:.0f} s: {attack.counts}")
    closed = {code.name: sums[f'links_closed_total{{code="{int(code)}"}}'] for code in Closing}
    print(f"the relay closed {closed} and skipped {sums['ticks_skipped_total']} ticks")
    bound = memory_bytes_max(files)
    print(
        f"memory {base >> 20} MiB before, {most >> 20} MiB at most, with {files} open files;"
        f" the named limits allow {(base + bound) >> 20} MiB"
    )
    print(f"{len(room.sent)} honest cells, the slowest after {room.slowest_s:.2f} s")
    print(f"newcomers were in a room after {', '.join(f'{one:.1f} s' for one in waited)}")
    assert attack.is_done(), attack.counts
    for code in (Closing.TOO_FAST, Closing.TOO_SLOW, Closing.WRONG_PROOF, Closing.BAD_MESSAGE):
        assert closed[code.name] > 0, code
    if any(got != room.sent for got in room.got) and elsewhere > ELSEWHERE_MAX_PERCENT:
        # An honest link that gets no time to read is a slow one, and loses old ticks as those do.
        pytest.skip(f"other programs took {elsewhere:.0f} % of a core: lost cells say nothing")
    for got in room.got:
        assert got == room.sent, f"{len(room.sent - got)} cells are lost"
    assert len(room.sent) > SECONDS / EVERY_S  # of the three together, however slow this machine is
    assert most < base + bound
    assert files < RelayLimits().links + HALF_OPEN_MAX
    assert len(waited) == 2
    assert all(waited)  # each within the client's patience
