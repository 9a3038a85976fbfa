"""Hosts with addresses of their own on one machine: network namespaces behind a router, and what
each of them saw on its wire.

Every host has a line of its own to the router, as on the Internet: on its wire are its own packets
and nobody else's. The addresses are public ones, of networks that do not exist here: nothing has a
way out.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from end_to_end.gathering import until

PATIENCE_S = 20.0
# A public block, so that an entry's rules are the ones of every day.
NETWORK = "45.90"
HEAD = struct.Struct(">dII")  # seconds, bytes that follow, frames that were missed

# Each frame on the host's wire, as it came or went, and when. The first line of output says that it
# listens.
CAPTURE = f"""
import signal, socket, struct, sys, time
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
wire.bind(("eth0", 0))
head = struct.Struct("{HEAD.format}")
goes_on = [True]
signal.signal(signal.SIGTERM, lambda *_: goes_on.clear())
wire.settimeout(0.1)
with open(sys.argv[1], "wb") as file:
    print("listening", flush=True)
    while goes_on:
        try:
            frame = wire.recv(80_000)
        except TimeoutError:
            continue
        file.write(head.pack(time.monotonic(), len(frame), 0) + frame)
    lost = struct.unpack("II", wire.getsockopt(263, 6, 8))[1]  # PACKET_STATISTICS
    file.write(head.pack(0, 0, lost))
"""


def needs_namespaces() -> None:
    """Skips the test where hosts cannot be made."""
    if not sys.platform.startswith("linux") or shutil.which("ip") is None:
        pytest.skip("hosts of their own need Linux and `ip`: apt-get install iproute2")
    if os.geteuid() != 0:
        pytest.skip("hosts of their own need root, or `unshare -r` with network namespaces")
    probe = subprocess.run(["ip", "netns", "add", f"probe{os.getpid()}"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"no network namespaces here: {probe.stderr.decode().strip()}")
    subprocess.run(["ip", "netns", "del", f"probe{os.getpid()}"], check=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=PATIENCE_S)


@dataclass(frozen=True)
class Frame:
    """One Ethernet frame. `at`: monotonic seconds of this machine."""

    at: float
    data: bytes


class Hosts:
    """`with Hosts(folder) as hosts:` then `hosts.add("ann")`; all gone at the end of the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prefix = f"fm{os.getpid()}"
        self._router = f"{self._prefix}-router"
        self.address: dict[str, str] = {}
        self._captures: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        _ip("netns", "add", self._router)
        try:
            self._inside(self._router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for capture in self._captures.values():
            capture.kill()
            capture.communicate()
        for name in [*map(self._space, self.address), self._router]:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def _space(self, host: str) -> str:
        return f"{self._prefix}-{host}"

    def _inside(self, space: str, *words: str) -> None:
        _ip("netns", "exec", space, *words)

    def add(self, *names: str) -> None:
        """Hosts with an address each, which reach each other through the router."""
        for host in names:
            number, space = len(self.address) + 1, self._space(host)
            self.address[host] = f"{NETWORK}.{number}.2"
            far = f"{NETWORK}.{number}.1"
            _ip("netns", "add", space)
            _ip(
                *("link", "add", "eth0", "netns", space, "type", "veth"),
                *("peer", "name", f"to-{number}", "netns", self._router),
            )
            _ip("-n", space, "addr", "add", f"{self.address[host]}/24", "dev", "eth0")
            _ip("-n", self._router, "addr", "add", f"{far}/24", "dev", f"to-{number}")
            _ip("-n", space, "link", "set", "lo", "up")
            _ip("-n", space, "link", "set", "eth0", "up")
            _ip("-n", self._router, "link", "set", f"to-{number}", "up")
            _ip("-n", space, "route", "add", "default", "via", far)

    def program(self, host: str, *words: str) -> Sequence[str]:
        """A command that runs on that host: `words` are those of Python."""
        return ("ip", "netns", "exec", self._space(host), sys.executable, *words)

    # What is on the wire

    def capture(self, *names: str) -> None:
        """From now on, everything on the wires of these hosts."""
        for host in names:
            command = self.program(host, "-c", CAPTURE, str(self._file(host)))
            running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self._captures[host] = running
            assert running.stdout is not None
            assert running.stdout.readline() == "listening\n"

    def _file(self, host: str) -> Path:
        return self._folder / f"wire-{host}"

    def captured(self, host: str) -> list[Frame]:
        """Ends the capture: all frames, none missed."""
        running = self._captures.pop(host)
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=PATIENCE_S)
        until(lambda: running.poll() is not None, PATIENCE_S)
        frames: list[Frame] = []
        data, at = self._file(host).read_bytes(), 0
        while at < len(data):
            moment, length, lost = HEAD.unpack_from(data, at)
            at += HEAD.size
            if length == 0:
                assert lost == 0, f"{lost} packets on the wire of {host} were not captured"
                return frames
            frames.append(Frame(moment, data[at : at + length]))
            at += length
        raise AssertionError("the capture broke off")


def ends(frames: list[Frame]) -> set[frozenset[str]]:
    """Who spoke with whom: pairs of addresses of the packets of IPv4 and of ARP."""
    return {frozenset(pair) for frame in frames for pair in _pair(frame.data)}


def _pair(frame: bytes) -> Iterator[tuple[str, str]]:
    kind = frame[12:14]
    if kind == b"\x08\x00":
        yield socket.inet_ntoa(frame[26:30]), socket.inet_ntoa(frame[30:34])
    elif kind == b"\x08\x06":
        yield socket.inet_ntoa(frame[28:32]), socket.inet_ntoa(frame[38:42])
    else:
        # The kernel's own greetings between neighbours; anything else would be news.
        assert kind == b"\x86\xdd", f"a frame of the kind {kind.hex()}"


def seen(frames: list[Frame]) -> set[str]:
    """All addresses on the wire."""
    return {address for pair in ends(frames) for address in pair}


@dataclass(frozen=True)
class Segment:
    """What one TCP segment carries. `source` and `goal`: address and port."""

    at: float
    source: tuple[str, int]
    goal: tuple[str, int]
    number: int
    data: bytes


def segments(frames: list[Frame]) -> Iterator[Segment]:
    """The TCP segments with data, of IPv4, in the order of the wire."""
    for frame in frames:
        if frame.data[12:14] != b"\x08\x00" or frame.data[23] != socket.IPPROTO_TCP:
            continue
        packet = frame.data[14:]
        start = (packet[0] & 15) * 4
        packet, segment = packet[: int.from_bytes(packet[2:4], "big")], packet[start:]
        sport, dport, number = struct.unpack_from(">HHI", segment)
        data = packet[start + (segment[12] >> 4) * 4 :]
        source = socket.inet_ntoa(packet[12:16]), sport
        goal = socket.inet_ntoa(packet[16:20]), dport
        if data:
            yield Segment(frame.at, source, goal, number, data)


def sent_in_order(frames: list[Frame], source: str, goal: str) -> list[list[Segment]]:
    """The connections from one address to another, each with the segments of that direction in
    order and none twice."""
    found: dict[int, dict[int, Segment]] = {}
    for one in segments(frames):
        if (one.source[0], one.goal[0]) == (source, goal):
            found.setdefault(one.source[1], {}).setdefault(one.number, one)
    return [_in_order(list(rest.values())) for rest in found.values()]


def _in_order(found: list[Segment]) -> list[Segment]:
    # By how far they are from the first: a connection's numbers may pass 2^32.
    first = found[0].number
    found.sort(key=lambda one: (one.number - first + (1 << 31)) % (1 << 32))
    return found
