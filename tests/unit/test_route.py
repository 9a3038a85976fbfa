"""`--via`: what is accepted, and what a person is told otherwise."""

from __future__ import annotations

import socket

import anyio
import pytest

from folkmoot.agent import route


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


def test_entries_are_refused_by_name() -> None:
    with pytest.raises(route.ViaError, match="cannot go through an entry relay yet"):
        route.parse_via("entry")


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
