"""A meeting of real hosts: the room's relay never exchanges a packet with a member, and what the
entry carries is TLS and nothing else."""

from __future__ import annotations

import struct
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from end_to_end import relay_tap
from end_to_end.gathering import Gathering
from end_to_end.hosts import Frame, Hosts, ends, needs_namespaces, seen, sent_in_order
from end_to_end.material import speech
from end_to_end.processes import Command, Commands
from end_to_end.relay_tap import Needles
from folkmoot.wire import messages
from folkmoot.wire.proof import room_id

pytestmark = pytest.mark.alone

HEAD = struct.Struct(">cII")  # direction, tunnel, bytes that follow

# As for the relay: all that a tunnel carries, as the entry itself has it after its own TLS.
ENTRY = f"""
    import os, struct
    from folkmoot.relay import tunnels

    tap = open(os.environ["TAP"], "ab", buffering=0)
    head = struct.Struct("{HEAD.format}")
    received, from_target = tunnels.Tunnels.received, tunnels.Tunnels.from_target

    def note(direction, number, data):
        tap.write(head.pack(direction, number, len(data)) + bytes(data))

    def tapped_received(self, number, message):
        note(b"<", number, message)
        received(self, number, message)

    def tapped_from_target(self, number, data):
        note(b">", number, data)
        from_target(self, number, data)

    tunnels.Tunnels.received = tapped_received
    tunnels.Tunnels.from_target = tapped_from_target
    from folkmoot.relay.cli import main
    main()
"""


@dataclass(frozen=True)
class Stream:
    """One direction of one tunnel."""

    upward: bool
    tunnel: int
    data: bytes


def streams(tap: Path) -> list[Stream]:
    """What the entry had in its hands, TARGET left out."""
    whole: dict[tuple[bool, int], bytearray] = {}
    targets: set[int] = set()
    data, at = tap.read_bytes(), 0
    while at < len(data):
        direction, tunnel, size = HEAD.unpack_from(data, at)
        at += HEAD.size
        piece, upward = data[at : at + size], direction == b"<"
        at += size
        if upward and tunnel not in targets:
            targets.add(tunnel)
        else:
            whole.setdefault((upward, tunnel), bytearray()).extend(piece)
    return [Stream(*key, bytes(value)) for key, value in whole.items()]


def records(data: bytes) -> Iterator[tuple[int, int]]:
    """Type and length of each TLS record (RFC 8446 §5.1); the last may be cut off."""
    at = 0
    while at + 5 <= len(data):
        kind, major, minor = data[at : at + 3]
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        assert (major, minor) in ((3, 1), (3, 3)), f"no TLS record at {at}"
        assert 0 < length <= (1 << 14) + 256
        yield kind, length
        at += 5 + length


HANDSHAKE, CHANGE, ALERT, SEALED = 22, 20, 21, 23


def assert_is_tls(stream: Stream) -> None:
    """One hello in the clear, and from there on sealed records only (RFC 8446 §5.2, §D.4)."""
    (first, _), *rest = records(stream.data)
    assert first == HANDSHAKE
    assert {kind for kind, _ in rest} <= {CHANGE, SEALED}
    assert sum(kind == CHANGE for kind, _ in rest) <= 1
    assert sum(kind == SEALED for kind, _ in rest) > 10


def secrets_of_rooms(tap: Path) -> set[bytes]:
    """What an entry must not have: keys and ids of rooms, proofs, and the cells' messages."""
    found: set[bytes] = set()
    for one in relay_tap.crossed(tap):
        if not one.inward:
            continue
        said = messages.decode_from_agent(one.data)
        if isinstance(said, messages.Open):
            found |= {said.room_key, room_id(said.room_key), said.signature}
        elif isinstance(said, messages.Cells):
            found.add(said.body[:64])
    return found


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    needs_namespaces()
    with Hosts(tmp_path) as made:
        yield made


class Elsewhere(Gathering):
    """A meeting whose relay runs on a host of its own, with a tap."""

    def __init__(
        self, commands: Commands, folder: Path, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.hosts = hosts
        self.monkeypatch = monkeypatch
        super().__init__(commands, folder)

    def start_relay(self, listen: str) -> Command:
        self.relay, self.address = self.tapped("room", relay_tap.PROGRAM)
        return self.relay

    def tapped(self, host: str, program: str) -> tuple[Command, str]:
        """A relay on that host, all that it handles in the file `tap-HOST`."""
        self.monkeypatch.setenv("TAP", str(self.folder / f"tap-{host}"))
        relay = self.commands.start(
            *("--listen", f"{self.hosts.address[host]}:7443", "--log-level", "debug"),
            program=self.hosts.program(host, "-c", textwrap.dedent(program)),
        )
        return relay, str(relay.wait_for("ready")["address"])


def test_the_rooms_relay_never_meets_a_member_and_the_entry_never_a_room(
    commands: Commands, hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.add("room", "entry", "ann", "bob", "cy")
    hosts.capture("room", "entry")
    meeting = Elsewhere(commands, tmp_path, hosts, monkeypatch)
    entry, entry_address = meeting.tapped("entry", ENTRY)
    at = hosts.address
    voice = ("--play", str(speech(tmp_path / "speech.wav")), "--loop")

    def agent(host: str) -> list[str]:
        return [*hosts.program(host, "-m", "folkmoot.agent.cli")]

    way = ("--entry", entry_address)
    ann = meeting.opens("Ann", *voice, *way, program=agent("ann")).is_in()
    bob = meeting.joins("Bob", *voice, *way, program=agent("bob"))
    meeting.all_in()
    ann.says("nobody knows where we are")
    bob.reads({"nobody knows where we are"})
    ann.hears(bob)
    bob.hears(ann)

    wires = {"room": hosts.captured("room"), "entry": hosts.captured("entry")}
    members = {at["ann"], at["bob"]}
    # The room's relay: packets with the entry and its own router, nobody else.
    assert seen(wires["room"]) & members == set()
    assert frozenset({at["room"], at["entry"]}) in ends(wires["room"])
    # Who the entry speaks with: the members, and the relay.
    talked = ends(wires["entry"])
    assert {frozenset({at["entry"], one}) for one in (*members, at["room"])} <= talked

    carried = streams(tmp_path / "tap-entry")
    assert len({one.tunnel for one in carried}) >= 2
    for stream in carried:
        assert_is_tls(stream)
    tap = tmp_path / "tap-room"
    wanted = secrets_of_rooms(tap)
    words = {b"nobody knows where we are", meeting.invite[9:60].encode()}
    needles = Needles({one for one in wanted | words if len(one) >= relay_tap.NEEDLE_BYTES_MIN})
    assert len(wanted) > 100
    assert needles.found_in(b"".join(one.data for one in carried)) == set()
    assert needles.found_in((tmp_path / "tap-entry").read_bytes()) == set()
    # The control: the search finds them where they are.
    assert wanted & needles.found_in(tap.read_bytes())

    # The control for the wire: whoever comes directly is seen, on the same wire, by the same means.
    hosts.capture("room")
    meeting.joins("Cy", program=agent("cy")).is_in()
    assert at["cy"] in seen(hosts.captured("room"))

    meeting.leave(*list(meeting.members))
    for relay in (entry, meeting.relay):
        relay.process.terminate()
        assert relay.end() == 0
        said = "\n".join(relay.words) + str(relay.events)
        assert not [host for host in ("ann", "bob", "cy") if at[host] in said]
    assert at["room"] not in "\n".join(entry.words)


WINDOW_S = 20.0
SETTLE_S = 4.0
PACED_PER_S = 25 + 8  # cells of voice and of council


def uploaded(frames: list[Frame], source: str, goal: str, start: float) -> Counter[int]:
    """Sizes of the TLS records that one machine sent another in the window, and how many: what its
    Internet provider sees of a link, or the entry's."""
    sizes: Counter[int] = Counter()
    for connection in sent_in_order(frames, source, goal):
        stream = b"".join(one.data for one in connection)
        times: list[float] = [one.at for one in connection for _ in one.data]
        at = 0
        for _, length in records(stream):
            if start <= times[at] < start + WINDOW_S:
                sizes[length] += 1
            at += 5 + length
    return sizes


def test_speaking_and_silence_look_the_same_on_the_way_to_the_entry(
    commands: Commands, hosts: Hosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.add("room", "entry", "ann", "bob")
    meeting = Elsewhere(commands, tmp_path, hosts, monkeypatch)
    _, entry_address = meeting.tapped("entry", ENTRY)
    hosts.capture("ann", "bob")
    way, at = ("--entry", entry_address), hosts.address
    voice = ("--play", str(speech(tmp_path / "speech.wav")), "--loop")
    program = [*hosts.program("ann", "-m", "folkmoot.agent.cli")]
    ann = meeting.opens("Ann", *voice, *way, program=program).is_in()
    program = [*hosts.program("bob", "-m", "folkmoot.agent.cli")]
    bob = meeting.joins("Bob", *way, program=program)
    meeting.all_in()
    bob.hears(ann)
    time.sleep(SETTLE_S)
    start = time.monotonic()
    time.sleep(WINDOW_S + 1.0)
    speaks, silent = (
        uploaded(hosts.captured(host), at[host], at["entry"], start) for host in ("ann", "bob")
    )
    meeting.leave(bob, ann)
    print(f"records in {WINDOW_S:.0f} s, by size: {dict(speaks)} and {dict(silent)}")
    # Two sizes, voice and council, the same for both; and as many, but for what a machine that is
    # busy leaves out, which has nothing to do with speaking.
    assert len(speaks) == 2
    assert set(speaks) == set(silent)
    for size in speaks:
        assert abs(speaks[size] - silent[size]) <= 2 + 0.05 * speaks[size], size
    assert sum(speaks.values()) > 0.8 * PACED_PER_S * WINDOW_S
