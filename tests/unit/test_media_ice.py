"""ICE-lite answers what is authenticated and comes from this machine, and nothing else."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.agent.media import ice
from folkmoot.agent.media.ice import IceLite, answer_check

PASSWORD = "p" * 32
SOURCE = ("127.0.0.1", 4_242)


def check(
    user: str = "ours:theirs",
    password: str = PASSWORD,
    *,
    nominate: bool = False,
    controlled: bool = False,
) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": user})
    if controlled:
        message.attributes["ICE-CONTROLLED"] = 7
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    return bytes(message)


def test_a_check_is_answered_with_the_address_it_came_from() -> None:
    found = answer_check(check(nominate=True), SOURCE, "ours", PASSWORD, "theirs")
    assert found is not None
    assert found.nominated
    reply = stun.parse_message(found.reply)
    assert reply.message_class is stun.Class.RESPONSE
    assert reply.attributes["XOR-MAPPED-ADDRESS"] == SOURCE
    assert reply.check_message_integrity(PASSWORD.encode())
    plain = answer_check(check(), SOURCE, "ours", PASSWORD, None)
    assert plain is not None
    assert not plain.nominated


@pytest.mark.parametrize(
    "data",
    [
        check(user="other:theirs"),
        check(user="ours"),
        check(user="ours:stranger"),
        check(user="oursX:theirs"),
        check(password="q" * 32),
        check(controlled=True),
        check()[:-1],
        check() + b"\0" * 4,
        bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)),
        b"",
        b"\0" * 2_000,
    ],
    # (Checks hold random bytes, and a test has one name in every process that runs some of them.)
    ids=range(11),
)
def test_other_checks_get_no_answer(data: bytes) -> None:
    assert answer_check(data, SOURCE, "ours", PASSWORD, "theirs") is None


def test_a_check_without_integrity_gets_no_answer() -> None:
    message = stun.Message(
        stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": "ours:theirs"}
    )
    message.add_fingerprint()
    assert answer_check(bytes(message), SOURCE, "ours", PASSWORD, None) is None


@given(st.binary(max_size=200), st.integers(0, 100))
def test_whatever_arrives_is_answered_or_ignored(noise: bytes, at: int) -> None:
    assert answer_check(noise, SOURCE, "ours", PASSWORD, "theirs") is None
    good = check()
    at %= len(good)
    torn = good[:at] + noise + good[at:]
    assert answer_check(torn, SOURCE, "ours", PASSWORD, "theirs") is None or torn == good


def test_attributes_that_are_too_short_are_ignored() -> None:
    body = b"\x00\x24\x00\x01\x00\x00\x00\x00"  # PRIORITY of one byte
    head = b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12)
    assert answer_check(head + body, SOURCE, "ours", PASSWORD, "theirs") is None


def test_loopback_comes_first_and_every_address_is_there_once() -> None:
    found = ice.own_addresses()
    assert found[0] == "127.0.0.1"
    assert len(set(found)) == len(found)


class _Page(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.received.put_nowait(data)


def test_only_the_checked_address_is_heard_and_answered() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        heard: list[bytes] = []
        agent = IceLite(heard.append)
        await agent.open(["127.0.0.1"])
        agent.remote_ufrag = "theirs"
        (target,) = agent.candidates
        sides = [
            await loop.create_datagram_endpoint(_Page, local_addr=("127.0.0.1", 0))
            for _ in range(2)
        ]
        (first, page), (second, other) = sides
        assert not agent.send(b"\x80early")
        first.sendto(b"\x80before any check", target)
        first.sendto(check(f"{agent.ufrag}:theirs", agent.password, nominate=True), target)
        await page.received.get()
        assert agent.connected
        first.sendto(b"\x80media", target)
        second.sendto(b"\x80not the page", target)
        # A second address that passes a check without being nominated takes nothing over.
        second.sendto(check(f"{agent.ufrag}:theirs", agent.password), target)
        await other.received.get()
        assert heard == [b"\x80media"]
        assert agent.dropped == 2
        assert agent.send(b"\x80to the page")
        assert await page.received.get() == b"\x80to the page"
        second.sendto(check(f"{agent.ufrag}:theirs", agent.password, nominate=True), target)
        await other.received.get()
        assert agent.send(b"\x80moved")
        assert await other.received.get() == b"\x80moved"
        await agent.close()
        assert not agent.send(b"\x80late")
        first.abort()
        second.abort()
        await asyncio.sleep(0)

    asyncio.run(scenario())


def test_sources_outside_this_machine_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        now = [0.0]
        reads = [0]

        def addresses() -> list[str]:
            reads[0] += 1
            return ["127.0.0.1", *(["203.0.113.9"] if now[0] > 6 else [])]

        monkeypatch.setattr(ice, "own_addresses", addresses)
        agent = IceLite(lambda data: None, clock=lambda: now[0])
        await agent.open(["127.0.0.1"])
        via = agent._sockets[0]
        data = check(f"{agent.ufrag}:x", agent.password, nominate=True)
        for _ in range(3):
            agent.receive(data, ("203.0.113.9", 9), via)
        assert agent.dropped == 3
        assert reads[0] == 1  # strangers do not make us read the interfaces again and again
        assert not agent.connected
        now[0] = 7.0  # the network has changed, and the address is ours now
        agent.receive(data, ("203.0.113.9", 9), via)
        assert agent.connected
        await agent.close()

    asyncio.run(scenario())


def test_addresses_that_cannot_be_bound_are_left_out() -> None:
    async def scenario() -> None:
        agent = IceLite(lambda data: None)
        await agent.open(["192.0.2.77", "127.0.0.1"])
        assert [host for host, _ in agent.candidates] == ["127.0.0.1"]
        await agent.close()
        none = IceLite(lambda data: None)
        with pytest.raises(OSError, match="assign"):
            await none.open(["192.0.2.77"])

    asyncio.run(scenario())


def test_sockets_are_closed() -> None:
    async def scenario() -> None:
        agent = IceLite(lambda data: None)
        await agent.open(["127.0.0.1"])
        (target,) = agent.candidates
        await agent.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
            again.bind(target)

    asyncio.run(scenario())
