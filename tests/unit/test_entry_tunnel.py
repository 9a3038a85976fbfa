"""An entry's tunnel on a virtual clock: what it lets through, when it waits, and how it ends."""

from __future__ import annotations

import pytest

from folkmoot.wire.entry_messages import (
    CARRYING,
    TUNNEL_MESSAGE_BYTES_MAX,
    EntryClosing,
    Target,
)
from folkmoot.wire.entry_tunnel import EntryLimits, Look, Outgoing, Shut, ToClient, ToTarget, Tunnel

LIMITS = EntryLimits()
TARGET = Target("relay.example", 7443)
CLIENT_HELLO = bytes.fromhex("160301020001") + b"client" * 20
SERVER_HELLO = bytes.fromhex("160303007a02") + b"server" * 20
ALERT = bytes.fromhex("15030300020228")


def taken(tunnel: Tunnel) -> list[Outgoing]:
    found = []
    while (out := tunnel.next_outgoing()) is not None:
        found.append(out)
    return found


def looking(now: float = 0.0) -> Tunnel:
    tunnel = Tunnel(LIMITS, now)
    tunnel.receive(TARGET.encode(), now)
    assert taken(tunnel) == [Look(TARGET)]
    return tunnel


def carrying(now: float = 0.0) -> Tunnel:
    """With both hellos over."""
    tunnel = looking(now)
    assert tunnel.found(now)
    tunnel.receive(CLIENT_HELLO, now)
    tunnel.receive_from_target(SERVER_HELLO, now)
    wanted = [ToClient(CARRYING), ToTarget(CLIENT_HELLO), ToClient(SERVER_HELLO)]
    assert taken(tunnel) == wanted
    return tunnel


def run(tunnel: Tunnel, until: float) -> None:
    """Lets time pass as a driver does."""
    while (due := tunnel.next_timer()) is not None and due <= until:
        tunnel.handle_timer(due)


def ended(tunnel: Tunnel) -> EntryClosing | None:
    """How it ended, if it did."""
    outs = taken(tunnel)
    assert tunnel.ended == any(isinstance(out, Shut) for out in outs)
    last = outs[-1] if outs else None
    return last.closing if isinstance(last, Shut) else None


def test_bytes_go_both_ways() -> None:
    tunnel = carrying()
    tunnel.receive(b"up", 1.0)
    tunnel.receive_from_target(b"down", 1.0)
    assert taken(tunnel) == [ToTarget(b"up"), ToClient(b"down")]
    assert (tunnel.up_bytes, tunnel.down_bytes) == (len(CLIENT_HELLO) + 2, len(SERVER_HELLO) + 4)
    assert tunnel.reads_client
    assert tunnel.reads_target


def test_a_long_read_is_cut_into_messages() -> None:
    tunnel = carrying()
    data = bytes(range(256)) * 1024
    tunnel.receive_from_target(data, 1.0)
    sizes, passed = [], b""
    for out in taken(tunnel):
        assert isinstance(out, ToClient)
        sizes.append(len(out.message))
        passed += out.message
    assert passed == data
    assert max(sizes) == TUNNEL_MESSAGE_BYTES_MAX


@pytest.mark.parametrize("first", [b"", b"\0", TARGET.encode()[:-1], b"x" * 258, CLIENT_HELLO])
def test_the_first_message_names_a_target(first: bytes) -> None:
    tunnel = Tunnel(LIMITS, 0.0)
    tunnel.receive(first, 0.0)
    assert ended(tunnel) == EntryClosing.BAD_MESSAGE


def test_nothing_may_be_sent_before_there_is_a_tunnel() -> None:
    tunnel = looking()
    tunnel.receive(CLIENT_HELLO, 0.0)
    assert ended(tunnel) == EntryClosing.BAD_MESSAGE
    assert not tunnel.found(0.1)


def test_who_names_no_target_has_an_end() -> None:
    tunnel = Tunnel(LIMITS, 5.0)
    run(tunnel, 5.0 + LIMITS.target_wait_s - 0.01)
    assert ended(tunnel) is None
    run(tunnel, 5.0 + LIMITS.target_wait_s)
    assert ended(tunnel) == EntryClosing.IDLE


def test_all_failures_come_at_one_time() -> None:
    tunnel = looking(3.0)
    run(tunnel, 3.0 + LIMITS.answer_s - 0.01)
    assert ended(tunnel) is None
    run(tunnel, 3.0 + LIMITS.answer_s)
    assert ended(tunnel) == EntryClosing.NOT_A_RELAY
    assert tunnel.next_timer() is None


def test_a_target_that_is_found_too_late_was_not_found() -> None:
    tunnel = looking()
    assert not tunnel.found(LIMITS.answer_s)
    run(tunnel, LIMITS.answer_s)
    assert ended(tunnel) == EntryClosing.NOT_A_RELAY


@pytest.mark.parametrize(
    "beginning",
    [
        b"GET / HTTP/1.1\r\n",
        b"SSH-2.0-x",
        b"\x16\x02\x00\x00\x01\x01",
        b"\x17\x03\x03\x00\x05\x01",
        SERVER_HELLO,
        ALERT,
    ],
)
def test_what_is_no_tls_does_not_go_to_the_target(beginning: bytes) -> None:
    tunnel = looking()
    tunnel.found(0.1)
    for byte in beginning:
        tunnel.receive(bytes((byte,)), 0.2)
    outs = taken(tunnel)
    assert outs == [ToClient(CARRYING), Shut(EntryClosing.BAD_MESSAGE)]


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 400 ", b"220 mail", CLIENT_HELLO])
def test_what_is_no_tls_does_not_come_back(beginning: bytes) -> None:
    tunnel = looking()
    tunnel.found(0.1)
    tunnel.receive_from_target(beginning, 0.2)
    assert taken(tunnel) == [ToClient(CARRYING), Shut(EntryClosing.NOT_A_RELAY)]


@pytest.mark.parametrize("answer", [SERVER_HELLO, ALERT])
def test_a_beginning_in_pieces_is_put_together(answer: bytes) -> None:
    tunnel = looking()
    tunnel.found(0.1)
    for byte in CLIENT_HELLO:
        tunnel.receive(bytes((byte,)), 0.2)
    for byte in answer:
        tunnel.receive_from_target(bytes((byte,)), 0.2)
    up, down = b"", b""
    for out in taken(tunnel)[1:]:
        if isinstance(out, ToTarget):
            up += out.data
        elif isinstance(out, ToClient):
            down += out.message
    assert (up, down) == (CLIENT_HELLO, answer)


def test_little_goes_out_before_the_relay_has_answered() -> None:
    tunnel = looking()
    tunnel.found(0.0)
    tunnel.receive(CLIENT_HELLO, 0.1)
    rest = LIMITS.first_bytes - len(CLIENT_HELLO)
    tunnel.receive(bytes(rest), 0.1)
    assert ended(tunnel) is None
    tunnel.receive(b"x", 0.1)
    assert ended(tunnel) == EntryClosing.BAD_MESSAGE


def test_a_relay_that_does_not_answer_has_an_end() -> None:
    tunnel = looking()
    tunnel.found(1.0)
    tunnel.receive(CLIENT_HELLO, 1.1)
    run(tunnel, 1.0 + LIMITS.first_answer_s)
    assert ended(tunnel) == EntryClosing.IDLE


@pytest.mark.parametrize("size", [0, TUNNEL_MESSAGE_BYTES_MAX + 1])
def test_messages_have_a_size(size: int) -> None:
    tunnel = carrying()
    tunnel.receive(bytes(size), 1.0)
    assert ended(tunnel) == EntryClosing.BAD_MESSAGE


def test_who_is_quiet_has_an_end_and_who_is_not_has_none() -> None:
    tunnel = carrying()
    for minute in range(1, 20):
        run(tunnel, minute * LIMITS.idle_s - 2)
        tunnel.receive_from_target(b"x", minute * LIMITS.idle_s - 1)
    assert ended(tunnel) is None
    run(tunnel, 20 * LIMITS.idle_s)
    assert ended(tunnel) == EntryClosing.IDLE


def test_a_tunnel_has_a_longest_life() -> None:
    tunnel = carrying()
    now = 0.0
    while not tunnel.ended:
        now += LIMITS.idle_s / 2
        run(tunnel, now)
        tunnel.receive(b"x", now)
        if not tunnel.ended:
            taken(tunnel)
    assert ended(tunnel) == EntryClosing.TOO_OLD
    assert now == pytest.approx(LIMITS.life_s, abs=LIMITS.idle_s)


def test_a_fast_client_is_read_as_fast_as_the_pace() -> None:
    tunnel = carrying()
    message, now, sent = bytes(TUNNEL_MESSAGE_BYTES_MAX), 0.0, 0
    while now < 20.0:
        while tunnel.reads_client:
            tunnel.receive(message, now)
            sent += len(message)
        assert ended(tunnel) is None
        due = tunnel.next_timer()
        assert due is not None
        now = due
        tunnel.handle_timer(now)
    allowed = LIMITS.up_burst_bytes + LIMITS.up_bytes_per_s * now
    assert allowed * 0.95 < sent < allowed + 2 * len(message)
    assert tunnel.reads_target


def test_small_messages_cost_as_much_as_middling_ones() -> None:
    tunnel, sent = carrying(), 0
    while tunnel.reads_client:
        tunnel.receive(b"x", 0.0)
        sent += 1
    assert sent <= LIMITS.up_burst_bytes / LIMITS.message_bytes_least + 1


def test_a_fast_relay_is_read_as_fast_as_the_pace() -> None:
    tunnel, passed = carrying(), 0
    while tunnel.reads_target:
        tunnel.receive_from_target(bytes(262_144), 0.0)
        passed += 262_144
    assert passed <= LIMITS.down_burst_bytes + 262_144
    run(tunnel, 0.5)
    assert tunnel.reads_target
    assert ended(tunnel) is None


def test_a_slow_end_is_waited_for_and_not_for_ever() -> None:
    tunnel = carrying()
    tunnel.client_full(1.0)
    assert (tunnel.reads_client, tunnel.reads_target) == (True, False)
    tunnel.client_ready()
    tunnel.target_full(5.0)
    tunnel.target_full(6.0)
    assert (tunnel.reads_client, tunnel.reads_target) == (False, True)
    run(tunnel, 5.0 + LIMITS.stall_s - 0.01)
    assert ended(tunnel) is None
    run(tunnel, 5.0 + LIMITS.stall_s)
    assert ended(tunnel) == EntryClosing.TOO_SLOW


def test_what_waits_has_a_bound() -> None:
    tunnel = carrying()
    tunnel.buffered(LIMITS.buffer_bytes)
    assert ended(tunnel) is None
    tunnel.buffered(LIMITS.buffer_bytes + 1)
    assert ended(tunnel) == EntryClosing.TOO_SLOW


def test_the_last_bytes_of_the_relay_arrive_before_its_end() -> None:
    tunnel = carrying()
    tunnel.receive_from_target(b"goodbye", 1.0)
    tunnel.target_ended()
    tunnel.target_ended()
    assert taken(tunnel) == [ToClient(b"goodbye"), Shut(EntryClosing.TARGET_ENDED)]


def test_after_the_end_nothing_is_wanted() -> None:
    tunnel = carrying()
    tunnel.malformed()
    assert ended(tunnel) == EntryClosing.BAD_MESSAGE
    tunnel.receive(b"x", 1.0)
    tunnel.receive_from_target(b"x", 1.0)
    tunnel.end(EntryClosing.LEAVING)
    run(tunnel, 1e6)
    assert taken(tunnel) == []
    assert not tunnel.reads_target
