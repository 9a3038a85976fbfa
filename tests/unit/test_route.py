"""`--via`: what is accepted, and what a person is told otherwise."""

from __future__ import annotations

import socket

import anyio
import pytest

from folkmoot.agent import route
from folkmoot.wire.address import RelayAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("direct", route.Via()),
        ("socks5://127.0.0.1:9050", route.Via("socks5", "127.0.0.1", 9050)),
        ("http://proxy.example:8080/", route.Via("http", "proxy.example", 8080)),
        ("socks5://[::1]:1080", route.Via("socks5", "::1", 1080)),
        ("http://me:p%40ss@[::1]:3128", route.Via("http", "::1", 3128, "me", "p@ss")),
    ],
)
def test_ways_that_are_known(text: str, expected: route.Via) -> None:
    assert route.parse_via(text) == expected
    assert route.parse_via(text).hides_address == (text != "direct")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tor",
        "https://proxy.example:443",
        "socks4://127.0.0.1:9050",
        "socks5://127.0.0.1",
        "socks5://:9050",
        "http://proxy.example:99999",
        "http://proxy.example:80/path",
        "http://[::1",
        "socks5://127.0.0.1:9050?x=1",
    ],
)
def test_what_is_no_way_gets_a_sentence(text: str) -> None:
    with pytest.raises(route.ViaError, match=r"\.$"):
        route.parse_via(text)


ENTRY = RelayAddress("entry.example", 7443, bytes(32))


def test_a_way_through_an_entry_says_how() -> None:
    proxy = route.parse_via("socks5://127.0.0.1:9050")
    assert str(route.through(ENTRY)) == "the entry entry.example:7443"
    way = route.through(ENTRY, proxy)
    assert str(way) == "the entry entry.example:7443 by socks5://127.0.0.1:9050"
    assert way.hides_address
    with pytest.raises(route.ViaError):
        route.through(ENTRY, way)


def test_an_entry_that_is_the_relay_itself_is_seen() -> None:
    way = route.through(ENTRY)
    assert route.sees_both(way, ENTRY)
    assert route.sees_both(way, RelayAddress("other.example", 1, ENTRY.pin))
    assert route.sees_both(way, RelayAddress("entry.example", 7443, b"1" * 32))
    assert not route.sees_both(way, RelayAddress("entry.example", 7444, b"1" * 32))
    assert not route.sees_both(route.DIRECT, ENTRY)


def test_an_entry_that_is_not_there_is_said_so() -> None:
    entry = RelayAddress("127.0.0.1", _unused_port(), bytes(32))
    with pytest.raises(route.EntryFailed, match=r"the entry 127.*: nothing listens there"):
        anyio.run(route.connect, route.through(entry), "relay.example", 443)


def test_a_password_is_never_shown() -> None:
    via = route.parse_via("http://me:secret@proxy.example:3128")
    assert "secret" not in str(via) + repr(via)


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("kind", ["direct", "socks5", "http"])
def test_nothing_listening_is_said_so(kind: str) -> None:
    port = _unused_port()
    via = route.DIRECT if kind == "direct" else route.parse_via(f"{kind}://127.0.0.1:{port}")
    with pytest.raises(route.RouteError, match="nothing listens there"):
        anyio.run(route.connect, via, "127.0.0.1", port)


def test_an_unknown_name_is_said_so() -> None:
    with pytest.raises(route.RouteError, match="its name is not known"):
        anyio.run(route.connect, route.DIRECT, "no-such-host.invalid", 443)
