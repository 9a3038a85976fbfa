"""Targets: where a tunnel is to go, both ends of one at the entry, and what may answer a probe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace

from folkmoot.relay.targets import is_relays_answer
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.entry_messages import (
    TUNNEL_MESSAGE_BYTES_MAX,
    EntryClosing,
    Target,
    decode_target,
)
from folkmoot.wire.entry_rules import make_admission
from folkmoot.wire.entry_tunnel import EntryLimits, Look, Shut, ToClient, ToTarget, Tunnel
from fuzz import target as fuzzing
from fuzz.state import copy_of, held_bytes
from fuzz.target import BrokenPromise, Decoder, script, steps

PUBLIC = make_admission(["::"], [])
CLIENT_HELLO = bytes.fromhex("160301020001") + bytes(60)
SERVER_HELLO = bytes.fromhex("160303007a02") + bytes(60)
ALERT = bytes.fromhex("15030300020228")
# The first byte of a step says whose it is.
CLIENT, RELAY, TIME, FULL = b"c", b"r", b"t", b"f"


class TargetMessage(Decoder):
    """A client's TARGET. What decodes is judged by the rules without any error."""

    name = "entry.target"
    refusals = (DecodeError,)
    bytes_max = 400

    def make_seeds(self) -> Sequence[bytes]:
        hosts = ("relay.example", "192.0.2.7", "2001:db8::1", "a." * 126 + "a")
        return [Target(host, 7443).encode() for host in hosts]

    def decode(self, data: bytes) -> object:
        target = decode_target(data)
        if PUBLIC.admits(target.host, target.port) and target.host.startswith(("127.", "10.", ":")):
            raise BrokenPromise(f"{target} is no place for a public entry")
        return target

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, Target)
        return value.encode()


class Answer(Decoder):
    """What a machine that may be no relay answers to the entry's question."""

    name = "entry.answer"
    bytes_max = 20_000

    def make_seeds(self) -> Sequence[bytes]:
        facts = json.dumps({"program": "folkmoot-relay", "versions": [1]}).encode()
        return [b"HTTP/1.1 200 OK\r\n\r\n" + facts]

    def decode(self, data: bytes) -> object:
        return is_relays_answer(data) or None


class TunnelEnds(fuzzing.Target[SimpleNamespace]):
    """The steps of a script are what a hostile client and a hostile relay send, and time."""

    name = "entry.tunnel"
    bytes_max = 6_000
    calls = (6_000, 80)
    memory = (256 << 10, 64)

    def __init__(self) -> None:
        self._limits = EntryLimits(first_bytes=1_000, up_burst_bytes=3_000, up_bytes_per_s=1_000)
        self._start = SimpleNamespace(
            tunnel=Tunnel(self._limits, 0.0), now=0.0, up=b"", down=b"", looks=0, shuts=0
        )

    def seeds(self) -> Sequence[bytes]:
        goal = CLIENT + Target("relay.example", 7443).encode()
        up, down = CLIENT + CLIENT_HELLO, RELAY + SERVER_HELLO
        return [
            script(goal, up, down, CLIENT + b"up", RELAY + b"down", TIME + b"\x05"),
            script(goal, CLIENT + CLIENT_HELLO[:3], CLIENT + CLIENT_HELLO[3:], RELAY + ALERT),
            script(goal, up, FULL, down, TIME + b"\x20"),
            script(goal, up, down, CLIENT + bytes(900), CLIENT + bytes(900)),
            script(goal, TIME + b"\x50"),
        ]

    def begin(self) -> SimpleNamespace:
        return copy_of(self._start)

    def feed(self, state: SimpleNamespace, data: bytes) -> bool:
        tunnel: Tunnel = state.tunnel
        for step in steps(data):
            kind, rest = step[:1], step[1:]
            if kind == CLIENT:
                tunnel.receive(rest, state.now)
            elif kind == RELAY:
                tunnel.receive_from_target(rest, state.now)
            elif kind == FULL:
                tunnel.client_full(state.now)
                tunnel.target_full(state.now)
            else:
                state.now += int.from_bytes(rest[:1], "big") / 4
                tunnel.handle_timer(state.now)
            self._carry_out(state)
        return True  # what a tunnel does not take, it ends for

    def _carry_out(self, state: SimpleNamespace) -> None:
        tunnel: Tunnel = state.tunnel
        while (out := tunnel.next_outgoing()) is not None:
            if state.shuts:
                raise BrokenPromise("something is wanted after the end")
            if isinstance(out, Look):
                state.looks += 1
                tunnel.found(state.now)
            elif isinstance(out, ToTarget):
                state.up += out.data
            elif isinstance(out, ToClient):
                assert 0 < len(out.message) <= TUNNEL_MESSAGE_BYTES_MAX
                state.down += out.message
            else:
                assert isinstance(out, Shut)
                assert out.closing in EntryClosing
                state.shuts += 1

    def check(self, state: SimpleNamespace, data: bytes) -> None:
        tunnel: Tunnel = state.tunnel
        assert state.looks <= 1, "a tunnel has one target"
        assert state.up[:2] in (b"", b"\x16\x03"), "what is no TLS went to the target"
        answer = state.down[1:]
        assert answer[:2] in (b"", b"\x16\x03", b"\x15\x03"), "what is no TLS came back"
        if not answer:
            assert len(state.up) <= self._limits.first_bytes, "too much before an answer"
        assert held_bytes(tunnel) < 16 << 10, "the tunnel keeps too much"
        # Whatever was said, there is an end.
        for _ in range(50):
            if (due := tunnel.next_timer()) is None:
                break
            tunnel.handle_timer(due)
        self._carry_out(state)
        assert state.shuts == 1, "a tunnel without an end"
        assert not tunnel.reads_target


TARGETS = (TargetMessage, Answer, TunnelEnds)
