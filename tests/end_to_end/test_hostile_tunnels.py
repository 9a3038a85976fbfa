"""What somebody gets who takes an entry for an open proxy, a scanner, or a place to rest."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from websockets.frames import Opcode

from end_to_end import tunnel_client
from end_to_end.gathering import until
from end_to_end.relay_under_test import RelayUnderTest
from end_to_end.tunnel_client import (
    CLIENT_HELLO,
    SERVER_HELLO,
    FalseRelay,
    Serve,
    TunnelClient,
    machine,
    with_limits,
)
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.entry_messages import (
    ENTRY_SENTENCES,
    TARGET_BYTES,
    TUNNEL_MESSAGE_BYTES_MAX,
    EntryClosing,
)
from folkmoot.wire.entry_tunnel import EntryLimits

LIMITS = EntryLimits()
# What the machine may be late by; the answers themselves are 4 s after the question.
LATE_S = 3.0


@pytest.fixture(scope="module")
def relay() -> Iterator[RelayUnderTest]:
    with RelayUnderTest() as running:
        yield running


@pytest.fixture(scope="module")
def entry() -> Iterator[RelayUnderTest]:
    with RelayUnderTest("--log-level", "debug") as running:
        yield running


def local(running: RelayUnderTest) -> RelayAddress:
    """A relay that is announced by another address, as it is reached here."""
    return RelayAddress("127.0.0.1", running.address.port, running.address.pin)


@pytest.fixture(scope="module")
def public_entry() -> Iterator[RelayUnderTest]:
    """As on a public machine: known by a public address."""
    with RelayUnderTest("--announce", "45.90.1.2:0") as running:
        yield running


@contextlib.contextmanager
def clients(entry: RelayAddress, count: int) -> Iterator[list[TunnelClient]]:
    made: list[TunnelClient] = []
    try:
        for _ in range(count):
            made.append(TunnelClient(entry))
        yield made
    finally:
        for client in made:
            client.close()


def answers(entry: RelayAddress, goals: list[tuple[str, int]]) -> list[tuple[int, str, float]]:
    """Code, sentence and seconds of the answer to each, all asked at once."""
    found = []
    with clients(entry, len(goals)) as made:
        began = time.monotonic()
        for client, goal in zip(made, goals, strict=True):
            client.asks(*goal)
        took: dict[TunnelClient, float] = {}
        while len(took) < len(made):
            for client in made:
                client.turn(0.001)
                if client.gone:
                    took.setdefault(client, time.monotonic() - began)
            assert time.monotonic() < began + LIMITS.answer_s + 2 * LATE_S, "no answer"
        for client in made:
            assert client.received == []
            found.append((*client.closed(), took[client]))
    return found


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_whatever_is_no_relay_gets_one_answer_at_one_time(entry: RelayUnderTest) -> None:
    ways: list[Serve] = [
        tunnel_client.until_it_goes,
        tunnel_client.plain_http,
        tunnel_client.secured(tunnel_client.another_page),
        tunnel_client.secured(tunnel_client.drop_by_drop),
        tunnel_client.secured(tunnel_client.without_end),
    ]
    with contextlib.ExitStack() as stack:
        machines = [stack.enter_context(machine(way)) for way in ways]
        goals = [("127.0.0.1", one.port) for one in machines]
        goals += [
            ("127.0.0.1", unused_port()),
            ("127.0.0.1", 22),
            ("192.168.7.7", 7443),  # a scope that this entry is not in
            ("169.254.169.254", 443),
            ("198.51.100.7", 7443),
            ("no-such-host.invalid", 443),
            ("::1", unused_port()),
        ]
        got = answers(entry.address, goals)
    code = EntryClosing.NOT_A_RELAY
    assert {(given, sentence) for given, sentence, _ in got} == {(code, ENTRY_SENTENCES[code])}
    times = [took for _, _, took in got]
    print(f"answers after {min(times):.2f} to {max(times):.2f} s")
    assert min(times) >= LIMITS.answer_s
    assert max(times) < LIMITS.answer_s + LATE_S
    # One probe each, and no tunnel.
    assert [one.connections for one in machines] == [1] * len(machines)


def test_a_public_entry_does_not_lead_into_its_own_machine(
    public_entry: RelayUnderTest, relay: RelayUnderTest
) -> None:
    with machine(tunnel_client.until_it_goes) as inside:
        goals = [
            ("127.0.0.1", relay.address.port),  # a relay, even
            ("localhost", relay.address.port),
            ("127.0.0.1", inside.port),
            ("::ffff:7f00:1", inside.port),
            ("127.0.0.1", public_entry.address.port),
        ]
        got = answers(local(public_entry), goals)
        assert {code for code, _, _ in got} == {EntryClosing.NOT_A_RELAY}
        assert inside.connections == 0


def test_an_operator_may_let_it_in(relay: RelayUnderTest) -> None:
    options = ("--announce", "45.90.1.2:0")
    allowed = {"FOLKMOOT_ALLOW_TARGET": "10.0.0.0/8 127.0.0.0/8"}
    with (
        RelayUnderTest(*options, environment=allowed) as entry,
        clients(local(entry), 1) as (client,),
    ):
        client.opens("127.0.0.1", relay.address.port)
        client.shakes_hands(relay.address.pin)


def test_a_name_that_answers_otherwise_the_second_time_leads_nowhere(
    relay: RelayUnderTest,
) -> None:
    """First the relay's address, then that of a machine within; the entry asks once."""
    port = relay.address.port
    rebinding = """
import socket
answers = iter(["127.0.0.1"])
def getaddrinfo(host, port, *rest, real=socket.getaddrinfo, **more):
    if host != "rebinding.example":
        return real(host, port, *rest, **more)
    return [(0, 0, 0, "", (next(answers, "127.0.0.9"), port))]
socket.getaddrinfo = getaddrinfo
"""
    with (
        machine(tunnel_client.until_it_goes, "127.0.0.9", port) as inside,
        RelayUnderTest(command=with_limits(rebinding)) as entry,
        clients(entry.address, 2) as (first, second),
    ):
        first.opens("rebinding.example", port)
        first.shakes_hands(relay.address.pin)
        assert inside.connections == 0
        # And when it begins with the machine within, that is no relay.
        second.asks("rebinding.example", port)
        assert second.closed()[0] == EntryClosing.NOT_A_RELAY
        assert inside.connections == 1


def not_a_target(client: TunnelClient) -> None:
    client.say(b"\x01" + bytes(TARGET_BYTES - 1))


def too_early(client: TunnelClient) -> None:
    client.asks("127.0.0.1", 1024)
    client.say(CLIENT_HELLO)


def text(client: TunnelClient) -> None:
    client.frame(Opcode.TEXT, b"CONNECT relay.example:443 HTTP/1.1")


@pytest.mark.parametrize("says", [not_a_target, too_early, text])
def test_what_is_no_tunnel_is_told_so(
    entry: RelayUnderTest, says: Callable[[TunnelClient], None]
) -> None:
    with clients(entry.address, 1) as (client,):
        says(client)
        code = EntryClosing.BAD_MESSAGE
        assert client.closed() == (code, ENTRY_SENTENCES[code])


def test_another_version_is_told_so(entry: RelayUnderTest) -> None:
    client = TunnelClient(entry.address, "/entry/2")
    assert client.closed()[0] == EntryClosing.WRONG_VERSION
    client.close()


@pytest.mark.parametrize(
    "beginning", [b"GET / HTTP/1.1\r\n\r\n", b"EHLO mail\r\n", bytes(TUNNEL_MESSAGE_BYTES_MAX + 1)]
)
def test_nothing_but_tls_goes_through(
    entry: RelayUnderTest, relay: RelayUnderTest, beginning: bytes
) -> None:
    with clients(entry.address, 1) as (client,):
        client.opens("127.0.0.1", relay.address.port)
        client.say(beginning)
        assert client.closed()[0] == EntryClosing.BAD_MESSAGE


def test_little_goes_through_before_the_relay_has_answered(entry: RelayUnderTest) -> None:
    got = bytearray()

    def silent(connection: socket.socket) -> None:
        while data := connection.recv(65_536):
            got.extend(data)

    with machine(FalseRelay(silent)) as goal, clients(entry.address, 1) as (client,):
        client.opens("127.0.0.1", goal.port)
        client.say(CLIENT_HELLO)
        for _ in range(200):
            client.say(bytes(1_000))
        assert client.closed()[0] == EntryClosing.BAD_MESSAGE
    assert len(got) <= LIMITS.first_bytes


def test_what_answers_the_probe_and_is_no_relay_sends_nothing_back(entry: RelayUnderTest) -> None:
    def greets(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ESMTP\r\n")
        tunnel_client.until_it_goes(connection)

    with (
        machine(FalseRelay(greets, speaks_first=True)) as goal,
        clients(entry.address, 1) as (client,),
    ):
        client.opens("127.0.0.1", goal.port)
        assert client.closed()[0] == EntryClosing.NOT_A_RELAY
        assert client.bytes_received() == b""


def test_who_only_rests_has_an_end(relay: RelayUnderTest) -> None:
    command = with_limits(idle_s=1.5, target_wait_s=1.0)
    with (
        RelayUnderTest(command=command) as entry,
        clients(entry.address, 2) as (quiet, mute),
    ):
        quiet.opens("127.0.0.1", relay.address.port)
        quiet.shakes_hands(relay.address.pin)
        assert mute.closed()[0] == EntryClosing.IDLE
        assert quiet.closed()[0] == EntryClosing.IDLE
        assert entry.sums()["tunnels"] == 0


def test_many_tunnels_keep_those_that_are_there(relay: RelayUnderTest) -> None:
    with (
        RelayUnderTest(command=with_limits(tunnels=6)) as entry,
        clients(entry.address, 6) as held,
    ):
        held[0].opens("127.0.0.1", relay.address.port)
        with clients(entry.address, 20) as more:
            assert {one.closed()[0] for one in more} == {EntryClosing.FULL}
        held[0].shakes_hands(relay.address.pin)
        # One goes, and there is room again.
        held.pop().close()
        until(lambda: entry.sums()["tunnels"] == 5)
        with clients(entry.address, 1) as (late,):
            late.opens("127.0.0.1", relay.address.port)


def test_many_questions_are_refused_at_once_whatever_they_ask(relay: RelayUnderTest) -> None:
    with (
        RelayUnderTest(command=with_limits(looks_per_s=0.01, looks_burst=3)) as entry,
        clients(entry.address, 8) as made,
    ):
        for client in made:
            client.asks("127.0.0.1", relay.address.port)
        codes = []
        for client in made:
            client.until(lambda client=client: client.received or client.gone)
            codes.append(client.closed()[0] if client.gone else 0)
        assert sorted(codes) == [0] * 3 + [EntryClosing.BUSY] * 5


def test_who_does_not_read_costs_nothing_and_has_an_end() -> None:
    command = with_limits(stall_s=2.0)
    with (
        machine(FalseRelay(tunnel_client.pours)) as goal,
        RelayUnderTest(command=command) as entry,
        contextlib.ExitStack() as stack,
    ):
        stuck = [
            stack.enter_context(contextlib.closing(TunnelClient(entry.address, slow=True)))
            for _ in range(3)
        ]
        before = entry.memory_bytes()
        for client in stuck:
            client.opens("127.0.0.1", goal.port)
            client.say(CLIENT_HELLO)
        most = before

        def ended() -> bool:
            nonlocal most
            most = max(most, entry.memory_bytes())
            return entry.sums()["tunnels"] == 0

        until(ended)
        print(f"grown by {(most - before) >> 10} KiB")
        assert most - before < 16 << 20
        sums = entry.sums()
        assert sums[f'tunnels_closed_total{{code="{int(EntryClosing.TOO_SLOW)}"}}'] == 3


def test_who_pours_is_held_to_the_pace() -> None:
    command = with_limits(down_bytes_per_s=200_000, down_burst_bytes=400_000)
    with (
        machine(FalseRelay(tunnel_client.pours)) as goal,
        RelayUnderTest(command=command) as entry,
        clients(entry.address, 1) as (client,),
    ):
        client.opens("127.0.0.1", goal.port)
        began = time.monotonic()
        client.say(CLIENT_HELLO)
        client.until(lambda: len(client.bytes_received()) > 1_400_000)
        took = time.monotonic() - began
        assert took > 3.0  # a megabyte over the burst; how much longer is the machine's business
        assert client.bytes_received().startswith(SERVER_HELLO)


def test_no_output_names_an_end(relay: RelayUnderTest) -> None:
    with RelayUnderTest("--log-level", "debug") as entry:
        ports = [relay.address.port]
        with machine(tunnel_client.until_it_goes) as goal, clients(entry.address, 4) as made:
            ports += [goal.port, *(client.stream.getsockname()[1] for client in made)]
            made[0].opens("127.0.0.1", relay.address.port)
            made[1].asks("127.0.0.1", goal.port)
            made[2].asks("no-such-host.invalid", 443)
            made[3].asks("127.0.0.1", 22)
            made[0].shakes_hands(relay.address.pin)
            made[0].stream.close()
            for client in made[1:]:
                assert client.closed()[0] == EntryClosing.NOT_A_RELAY
        status, output, errors = entry.stop(signal.SIGTERM)
    assert status == 0
    said = output + errors
    assert "no-such-host" not in said
    assert not [port for port in ports if str(port) in said]
    assert "Traceback" not in said


def test_a_target_that_dies_under_a_tunnel_ends_it(entry: RelayUnderTest) -> None:
    with RelayUnderTest() as relay, clients(entry.address, 1) as (client,):
        client.opens("127.0.0.1", relay.address.port)
        client.shakes_hands(relay.address.pin)
        os.kill(relay.process.pid, signal.SIGKILL)
        assert client.closed()[0] == EntryClosing.TARGET_ENDED
