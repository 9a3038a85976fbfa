"""A real relay over real TLS: what it lets through, whom it closes, and what it never says."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from end_to_end.relay_under_test import COMMAND, Client, RelayUnderTest, clients, plain, secured
from folkmoot.relay.gate import HALF_OPEN_MAX
from folkmoot.relay.link import CLOSING_BYTES_MAX, CLOSING_FRAMES_MAX
from folkmoot.relay.serve import HEADER_BYTES_MAX
from folkmoot.wire import LaneSlot, messages, proof
from folkmoot.wire.lanes import LANE_RULES, Direction
from folkmoot.wire.messages import CLOSING_SENTENCES, Closing

SEED = b"s" * 32
VOICE = LaneSlot.VOICE


@pytest.fixture(scope="module")
def relay() -> Iterator[RelayUnderTest]:
    with RelayUnderTest() as running:
        yield running


def cell(tag: int, slot: LaneSlot = VOICE) -> bytes:
    return tag.to_bytes(4, "big") * (LANE_RULES[slot].cell_bytes // 4)


# Pages


def test_the_page_says_what_it_can_and_cannot_do(relay: RelayUnderTest) -> None:
    status, headers, body = relay.get("/")
    assert status == 200
    assert headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "cannot" in body
    assert str(relay.address).partition("#")[2] in body
    assert "<script" not in body
    assert "prefers-color-scheme: dark" in body
    assert "server" not in headers


def test_facts_health_and_sums(relay: RelayUnderTest) -> None:
    status, headers, body = relay.get("/.well-known/folkmoot")
    assert (status, headers["content-type"]) == (200, "application/json")
    facts = json.loads(body)
    assert facts["pin"] == str(relay.address).partition("#")[2]
    assert (facts["versions"], facts["link"]) == ([1], "/link/1")
    assert (facts["roles"], facts["entry"]) == (["room", "entry"], "/entry/1")
    assert facts["lanes"]["voice"]["cell_bytes"] == 384
    assert relay.get("/healthz")[::2] == (200, "ok\n")
    assert {"links", "rooms", "cells_in_total"} <= set(relay.sums())


@pytest.mark.parametrize(
    "path", ["/docs", "/openapi.json", "/rooms", "/link/1", "/entry/1", "/%00", "/../etc"]
)
def test_there_is_nothing_else(relay: RelayUnderTest, path: str) -> None:
    assert relay.get(path)[0] == 404


def test_sums_tell_of_no_room_and_no_link(relay: RelayUnderTest) -> None:
    with clients(relay.address, 1) as (client,):
        client.open(1, SEED)
        body = relay.get("/metrics")[2]
    labels = set(re.findall(r"\{(\w+)=", body))
    assert labels == {"code"}
    assert len(body) < 6000


# TLS


def test_tls_is_1_3_without_tickets(relay: RelayUnderTest) -> None:
    with contextlib.closing(secured(relay.address)) as stream:
        assert stream.version() == "TLSv1.3"
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert stream.recv(1000).startswith(b"HTTP/1.1 200")
        assert stream.session is None or not stream.session.has_ticket
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with plain(relay.address) as stream, pytest.raises(ssl.SSLError):
        context.wrap_socket(stream)


# Cells


def test_everyone_gets_the_same_bytes_their_own_among_them(relay: RelayUnderTest) -> None:
    with clients(relay.address, 4) as members:
        for member in members:
            member.open(1, SEED)
        for step in range(25):
            for index, member in enumerate(members):
                member.send(1, [cell(100 * step + index)])
            end = time.monotonic() + 0.04
            while time.monotonic() < end:
                for member in members:
                    member.turn(0.002)
        for member in members:
            member.until(lambda member=member: len(member.cells(1)) == 100)
        streams = [[one for one in member.received if one[0] == 0x10] for member in members]
        assert all(stream == streams[0] for stream in streams)
        wanted = {cell(100 * step + index) for step in range(25) for index in range(4)}
        assert set(members[0].cells(1)) == wanted


def test_the_handshake_negotiates_nothing(relay: RelayUnderTest) -> None:
    with contextlib.closing(secured(relay.address)) as stream:
        stream.sendall(
            b"GET /link/1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        )
        head = stream.recv(4096)
        assert head.startswith(b"HTTP/1.1 101")
        assert b"xtensions" not in head


# Who breaks the rules


def wrong_proof(client: Client) -> None:
    key, signature = proof.sign_proof(SEED, bytes(32), VOICE, Direction.BOTH, bytes(32))
    client.say(messages.Open(1, 0, VOICE, Direction.BOTH, key, 0, signature).encode())


def wrong_length(client: Client) -> None:
    client.open(1, SEED)
    client.say(messages.Cells(client.number(), bytes(383)).encode())


def another_lanes_cell(client: Client) -> None:
    client.open(1, SEED)
    client.say(messages.Cells(client.number(), bytes(1152 + 1)).encode())


def too_fast(client: Client) -> None:
    client.open(1, b"f" * 32)  # a room of its own, as a flood in a room is everybody's to bear
    message = messages.Cells(client.number(), bytes(384 * 60)).encode()
    for _ in range(20):
        client.say(message)


def too_many_rooms(client: Client) -> None:
    client.machine._full = lambda: False  # type: ignore[method-assign]
    for handle in range(66):
        client.machine.open_room(
            handle, b"%032d" % handle, LaneSlot.PICTURE, Direction.BOTH, time.monotonic()
        )


def not_open(client: Client) -> None:
    client.say(messages.Cells(1, bytes(384)).encode())


def text(client: Client) -> None:
    client.frame(Opcode.TEXT, b"hello")


def fragments(client: Client) -> None:
    client.frame(Opcode.BINARY, b"\x02", fin=False)


def pings(client: Client) -> None:
    for _ in range(50):
        client.frame(Opcode.PING, b"where are you")


def pongs(client: Client) -> None:
    for _ in range(50):
        client.frame(Opcode.PONG, b"here I am")


def asking(client: Client) -> None:
    for _ in range(300):
        client.say(messages.Ask().encode())


def silence(client: Client) -> None:
    client.say(b"")


VIOLATIONS: list[tuple[Callable[[Client], None], Closing]] = [
    (wrong_proof, Closing.WRONG_PROOF),
    (wrong_length, Closing.BAD_MESSAGE),
    (another_lanes_cell, Closing.BAD_MESSAGE),
    (too_fast, Closing.TOO_FAST),
    (too_many_rooms, Closing.TOO_MANY_ROOMS),
    (not_open, Closing.NOT_OPEN),
    (text, Closing.BAD_MESSAGE),
    (fragments, Closing.BAD_MESSAGE),
    (pings, Closing.TOO_FAST),
    (pongs, Closing.TOO_FAST),
    (asking, Closing.TOO_FAST),
    (silence, Closing.BAD_MESSAGE),
]


@pytest.mark.parametrize(("violation", "code"), VIOLATIONS)
def test_who_breaks_a_rule_is_told_which_and_others_notice_nothing(
    relay: RelayUnderTest, violation: Callable[[Client], None], code: Closing
) -> None:
    with clients(relay.address, 3) as (one, other, hostile):
        one.open(1, SEED)
        other.open(1, SEED)
        violation(hostile)
        assert hostile.closed() == (code, CLOSING_SENTENCES[code])
        one.send(1, [cell(1)])
        one.until(lambda: one.cells(1) == [cell(1)])
        other.until(lambda: other.cells(1) == [cell(1)])


def test_a_giant_frame_and_a_broken_one_close_the_link(relay: RelayUnderTest) -> None:
    with clients(relay.address, 2) as (giant, broken):
        giant.say(bytes(messages.AGENT_MESSAGE_BYTES_MAX + 1))
        assert giant.closed()[0] == 1009
        broken.stream.sendall(b"\xff" * 64)
        assert broken.closed()[0] == 1002


def test_another_version_is_told_in_a_sentence(relay: RelayUnderTest) -> None:
    with clients(relay.address, 1, path="/link/2") as (client,):
        code = Closing.WRONG_VERSION
        assert client.closed() == (code, CLOSING_SENTENCES[code])


def test_half_open_connections_keep_nobody_out(relay: RelayUnderTest) -> None:
    with contextlib.ExitStack() as stack:
        for index in range(300):
            half = stack.enter_context(plain(relay.address))
            if index % 3 == 1:
                half.sendall(b"\x16\x03\x01\x02\x00\x01")
        for _ in range(50):
            stream = stack.enter_context(contextlib.closing(secured(relay.address)))
            stream.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        with clients(relay.address, 2) as (one, other):
            one.open(1, SEED)
            other.open(1, SEED)
            one.send(1, [cell(1)])
            other.until(lambda: other.cells(1) == [cell(1)], 2.0)


def is_closed(stream: socket.socket) -> bool:
    """Whether the other side ended it."""
    stream.setblocking(False)
    try:
        return stream.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def test_of_half_open_connections_the_oldest_gives_way(relay: RelayUnderTest) -> None:
    few = 20
    with clients(relay.address, 1) as (member,), contextlib.ExitStack() as stack:
        member.open(1, SEED)
        oldest = [stack.enter_context(plain(relay.address)) for _ in range(few)]
        asked = [secured(relay.address) for _ in range(few)]
        for stream in asked:
            stack.enter_context(contextlib.closing(stream))
            stream.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        rest = [stack.enter_context(plain(relay.address)) for _ in range(HALF_OPEN_MAX)]
        end = time.monotonic() + 8.0  # before handshakes and requests end by their own times
        while not all(map(is_closed, [*oldest, *asked])) and time.monotonic() < end:
            time.sleep(0.05)
        assert all(map(is_closed, [*oldest, *asked]))
        assert not any(map(is_closed, rest))
        # A link is none of them, and who is quick comes in.
        member.send(1, [cell(1)])
        member.until(lambda: member.cells(1) == [cell(1)])
        with clients(relay.address, 1) as (late,):
            late.open(1, SEED)
        assert is_closed(rest[0])


def test_a_connection_has_one_answer_and_a_header_has_an_end(relay: RelayUnderTest) -> None:
    with contextlib.closing(secured(relay.address)) as stream:
        stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        answer = b""
        while data := stream.recv(65536):
            answer += data
        assert answer.count(b"HTTP/1.1 200") == 1
        assert b"connection: close" in answer.lower()
    with contextlib.closing(secured(relay.address)) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\nX-Long: " + b"x" * (HEADER_BYTES_MAX + 1))
        assert stream.recv(65536).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("frame", [b"many", bytes(4096)], ids=["many", "large"])
def test_who_floods_on_after_its_end_is_cut_off(relay: RelayUnderTest, frame: bytes) -> None:
    with clients(relay.address, 1) as (client,):
        client.frame(Opcode.TEXT, b"hello")
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() < began + 4.0:  # who says nothing has 5 s
                client.stream.sendall(Frame(Opcode.BINARY, frame).serialize(mask=True) * 100)
        assert time.monotonic() < began + 4.0

    with clients(relay.address, 1) as (client,):
        client.frame(Opcode.TEXT, b"hello")
        late = Frame(Opcode.BINARY, bytes(512)).serialize(mask=True)  # on its way already
        client.stream.sendall(late * min(CLOSING_FRAMES_MAX, CLOSING_BYTES_MAX // 520))
        assert client.closed()[0] == messages.Closing.BAD_MESSAGE


# Slow receivers


def have_all(members: list[Client], counts: dict[Client, int], wanted: int) -> None:
    """Pumps each until it has that many cells in all, and forgets them."""
    for member in members:

        def arrived(member: Client = member) -> bool:
            counts[member] = counts.get(member, 0) + len(member.cells(1))
            member.events.clear()
            member.received.clear()
            return counts[member] >= wanted

        member.until(arrived, 5.0)


def test_a_receiver_that_stops_reading_delays_nobody_and_grows_nothing() -> None:
    slot, counts, rounds, slowest_s = LaneSlot.PICTURE, dict[Client, int](), 0, 0.0
    with RelayUnderTest() as relay, clients(relay.address, 5) as members:
        for member in members:
            member.open(1, SEED, slot)
        stuck = Client(relay.address, receive_buffer_bytes=4096)
        stuck.open(1, SEED, slot, Direction.RECEIVE)  # and from here on nobody reads it
        before, started = relay.memory_bytes(), time.monotonic()
        while time.monotonic() - started < 14.0:
            at, rounds = time.monotonic(), rounds + 1
            for member in members:
                member.send(1, [cell(rounds, slot)] * 6)
            have_all(members, counts, rounds * len(members) * 6)
            slowest_s = max(slowest_s, time.monotonic() - at)
            time.sleep(max(0.0, started + rounds * 0.04 - time.monotonic()))
        grown = relay.memory_bytes() - before
        print(f"{rounds} rounds; slowest {slowest_s:.3f} s; grown by {grown >> 10} KiB")
        assert grown < 16 << 20
        sums = relay.sums()
        assert sums[f'links_closed_total{{code="{int(Closing.TOO_SLOW)}"}}'] == 1
        assert sums["ticks_skipped_total"] > 0
        assert sums["links"] == len(members)
        stuck.close()


# No address


def garbage(address: object, source: tuple[str, int], relay: RelayUnderTest) -> None:
    with plain(relay.address, source) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(range(256)) * 10)
        with contextlib.suppress(OSError):
            stream.recv(100)


def half_a_handshake(address: object, source: tuple[str, int], relay: RelayUnderTest) -> None:
    with plain(relay.address, source) as stream:
        stream.sendall(b"\x16\x03\x01\x02\x00\x01\x00")


def reset(stream: socket.socket) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


def a_refused_certificate(address: object, source: tuple[str, int], relay: RelayUnderTest) -> None:
    with plain(relay.address, source) as stream, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(stream, server_hostname="localhost")


def bad_http(address: object, source: tuple[str, int], relay: RelayUnderTest) -> None:
    with contextlib.closing(secured(relay.address, source)) as stream:
        stream.sendall(b"\x00\xff nonsense\r\n\r\n")
        with contextlib.suppress(OSError):
            stream.recv(1000)


def pages(address: object, source: tuple[str, int], relay: RelayUnderTest) -> None:
    for line in (b"GET / HTTP/1.1", b"POST /x HTTP/1.1", b"GET /metrics HTTP/1.0"):
        with contextlib.closing(secured(relay.address, (source[0], 0))) as stream:
            forwarded = f"X-Forwarded-For: {source[0]}\r\nForwarded: for={source[0]}".encode()
            stream.sendall(line + b"\r\nHost: a\r\nContent-Length: 0\r\n" + forwarded + b"\r\n\r\n")
            assert stream.recv(4096).startswith(b"HTTP/1.1 ")


def links(address: object, source: tuple[str, int], relay: RelayUnderTest) -> None:
    client = Client(relay.address, source=source)
    client.open(1, SEED)
    client.send(1, [cell(1)])
    client.until(lambda: client.cells(1))
    reset(client.stream)
    for misdeed in (wrong_proof, text, wrong_length):
        client = Client(relay.address, source=(source[0], 0))
        misdeed(client)
        client.closed()
        client.close()
    client = Client(relay.address, source=(source[0], 0))
    client.stream.sendall(b"\xff\xff\xff")
    reset(client.stream)
    bad_upgrade = b"GET /link/1 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    for request in (bad_upgrade, bad_upgrade.replace(b"/link/1", b"/else\r\nHost: a")):
        with contextlib.closing(secured(relay.address, (source[0], 0))) as stream:
            stream.sendall(request)
            stream.recv(1000)


@pytest.mark.parametrize("level", ["error", "warning", "info", "debug"])
@pytest.mark.parametrize("with_uvloop", [True, False])
def test_no_output_at_any_level_holds_a_peers_address(
    level: str, with_uvloop: bool, tmp_path: Path
) -> None:
    host, ports = "127.66.77.88", []
    environment = {"PYTHONASYNCIODEBUG": "1", "PYTHONDEVMODE": "1"} if level == "debug" else {}
    if not with_uvloop:
        (tmp_path / "uvloop.py").write_text("raise ImportError")
        environment["PYTHONPATH"] = str(tmp_path)
    command = tuple(part for part in COMMAND if with_uvloop or part != "-P")
    with RelayUnderTest("--log-level", level, environment=environment, command=command) as relay:
        for deed in (garbage, half_a_handshake, a_refused_certificate, bad_http, pages, links):
            with socket.socket() as probe:  # a port that is told apart from any other number
                probe.bind((host, 0))
                ports.append(probe.getsockname()[1])
            deed(None, (host, ports[-1]), relay)
        time.sleep(0.3)
        status, output, errors = relay.stop()
    assert status == 0
    said = output + errors
    assert host not in said
    assert not [port for port in ports if port > 1024 and str(port) in said]
    assert "Traceback" not in said
    if level in ("error", "warning"):
        expected = "The relay is running|Its address|^ *127.0.0.1:|It knows nobody|has stopped"
        lines = [line for line in errors.splitlines() if line.strip()]
        assert not [line for line in lines if not re.search(expected, line)]
