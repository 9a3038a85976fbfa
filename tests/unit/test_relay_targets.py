"""How an entry finds a target: what it takes for a relay, and what it never connects to."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from folkmoot.relay import targets as targets_module
from folkmoot.relay.targets import ANSWER_BYTES_MAX, NoTarget, Targets, is_relays_answer
from folkmoot.wire.entry_messages import Target
from folkmoot.wire.entry_rules import make_admission

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
FACTS = {"program": "folkmoot-relay", "versions": [1]}


def body(**changes: object) -> bytes:
    return HEAD + json.dumps({**FACTS, **changes}).encode()


def test_a_relay_is_known_by_its_facts() -> None:
    assert is_relays_answer(body())
    assert is_relays_answer(body(versions=[1, 2], more="facts"))


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        HEAD,
        HEAD + b"{",
        HEAD + b"[" * 9000,
        HEAD + b"[]",
        HEAD + b"1",
        body(program="nginx"),
        body(versions=[2]),
        body(versions=1),
        body(versions="1"),
        body().replace(b"200", b"404"),
        body().replace(b"HTTP/1.1", b"HTTP/1.0"),
        body(x="y" * ANSWER_BYTES_MAX),
        b"\xff" * 100,
        HEAD + b"\xff\xfe",
    ],
)
def test_nothing_else_is_taken_for_one(answer: bytes) -> None:
    assert not is_relays_answer(answer)


class Resolver:
    """Answers what it is told, and counts."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, host: str, port: int, **more: Any) -> list[Any]:
        self.asked += 1
        found = self.answers[min(self.asked, len(self.answers)) - 1]
        if not found:
            raise socket.gaierror
        return [(0, 0, 0, "", (address, port)) for address in found]


def connections(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where it connects to; none of it stands."""
    tried: list[tuple[str, int]] = []

    async def connect(address: str, port: int) -> socket.socket:
        tried.append((address, port))
        raise ConnectionRefusedError

    monkeypatch.setattr(targets_module, "_connect", connect)
    monkeypatch.setattr(targets_module, "STAGGER_S", 0.0)
    return tried


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([], []),
        (["10.0.0.1", "127.0.0.1", "::1", "fe80::1%eth0"], []),
        (["8.8.8.8", "10.0.0.1"], ["8.8.8.8"]),
        (["10.0.0.1", "8.8.8.8", "1.1.1.1"], ["8.8.8.8"]),
        (["2a01:4f8::1", "8.8.8.8", "2a01:4f8::2"], ["2a01:4f8::1", "8.8.8.8"]),
        (["::ffff:8.8.8.8"], []),
    ],
)
def test_a_name_leads_only_where_the_rules_let_it(
    addresses: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, resolver = connections(monkeypatch), Resolver(addresses)
    monkeypatch.setattr(socket, "getaddrinfo", resolver)

    async def scene() -> None:
        goal = Targets(make_admission([], []))
        with pytest.raises((NoTarget, OSError)):
            await goal.reach(Target("relay.example", 7443), asyncio.Protocol)

    asyncio.run(scene())
    assert tried == [(address, 7443) for address in expected]
    assert resolver.asked == 1


def test_a_port_that_is_refused_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = connections(monkeypatch)
    monkeypatch.setattr(socket, "getaddrinfo", Resolver(["8.8.8.8"]))

    async def scene() -> None:
        with pytest.raises(NoTarget):
            await Targets(make_admission([], [])).reach(Target("a.example", 22), asyncio.Protocol)

    asyncio.run(scene())
    assert tried == []


def test_the_tunnel_goes_to_the_address_that_was_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers otherwise the second time: it is not asked a second time."""
    went: list[str] = []
    resolver = Resolver(["8.8.8.8"], ["127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", resolver)

    async def asked(self: Targets, address: str, port: int, wait_s: float) -> str:
        went.append(f"probe {address}")
        return address

    async def connect(address: str, port: int) -> socket.socket:
        went.append(f"tunnel {address}")
        raise ConnectionRefusedError

    monkeypatch.setattr(Targets, "_asked", asked)
    monkeypatch.setattr(targets_module, "_connect", connect)

    async def scene() -> None:
        with pytest.raises(ConnectionRefusedError):
            await Targets(make_admission([], [])).reach(Target("a.example", 443), asyncio.Protocol)

    asyncio.run(scene())
    assert went == ["probe 8.8.8.8", "tunnel 8.8.8.8"]
    assert resolver.asked == 1


def test_who_has_just_answered_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = connections(monkeypatch)

    async def scene() -> None:
        goal = Targets(make_admission([], []))
        goal._has_answered("8.8.8.8", 443)
        for host in ("8.8.8.8", "8.8.4.4"):
            with pytest.raises((NoTarget, OSError)):
                await goal.reach(Target(host, 443), asyncio.Protocol)
        assert goal._is_known("8.8.8.8", 443)
        assert not goal._is_known("8.8.8.8", 7443)
        assert not goal._is_known("8.8.4.4", 443)
        monkeypatch.setattr(targets_module, "ANSWERED_S", -1.0)
        goal._has_answered("8.8.8.8", 443)
        assert not goal._is_known("8.8.8.8", 443)
        for port in range(1, 2 * targets_module.ANSWERED_MAX):
            goal._has_answered("8.8.8.8", port)
        assert len(goal._answered) == targets_module.ANSWERED_MAX

    asyncio.run(scene())
    assert tried == [("8.8.8.8", 443), ("8.8.4.4", 443)]


def test_names_whose_servers_are_slow_have_an_end_and_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import threading

    tried, release = connections(monkeypatch), threading.Event()

    def slow(*words: object, **more: object) -> list[Any]:
        release.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(targets_module, "RESOLVE_S", 0.05)
    monkeypatch.setattr(targets_module, "RESOLVING_MAX", 3)

    async def outcome(goal: Targets) -> type[BaseException] | None:
        try:
            await goal.reach(Target("slow.example", 443), asyncio.Protocol)
        except (NoTarget, OSError) as error:
            return type(error)
        return None

    async def scene() -> None:
        goal = Targets(make_admission([], []))
        outcomes = await asyncio.gather(*(outcome(goal) for _ in range(5)))
        assert sorted(map(str, outcomes)) == sorted(map(str, [TimeoutError] * 3 + [NoTarget] * 2))
        # Those look-ups are still under way, and count.
        assert await outcome(goal) is NoTarget
        release.set()
        async with asyncio.timeout(20):
            while goal._resolving:
                await asyncio.sleep(0.01)

    asyncio.run(scene())
    assert tried == []
