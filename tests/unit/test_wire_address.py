"""A relay's address: `HOST:PORT#PIN`, in one form only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from folkmoot.wire import RelayAddress
from folkmoot.wire.address import decode_pin, encode_pin, format_host_port, parse_host_port
from folkmoot.wire.codec import DecodeError

PIN = bytes(range(32))
TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"


@pytest.mark.parametrize(
    ("place", "host", "port", "again"),
    [
        ("relay.example.org:443", "relay.example.org", 443, None),
        ("Relay.Example.ORG:443", "relay.example.org", 443, "relay.example.org:443"),
        ("192.0.2.7:7443", "192.0.2.7", 7443, None),
        ("[2001:db8::1]:7443", "2001:db8::1", 7443, None),
        ("[2001:DB8:0:0::1]:1", "2001:db8::1", 1, "[2001:db8::1]:1"),
        ("localhost:65535", "localhost", 65535, None),
        ("xn--bcher-kva.example:1", "xn--bcher-kva.example", 1, None),
    ],
)
def test_an_address_is_read_and_written(
    place: str, host: str, port: int, again: str | None
) -> None:
    address = RelayAddress.parse(f"{place}#{TEXT}")
    assert address == RelayAddress(host, port, PIN)
    assert str(address) == f"{again or place}#{TEXT}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "#",
        f"#{TEXT}",
        f"relay.example#{TEXT}",
        f"relay.example:#{TEXT}",
        f"relay.example:0#{TEXT}",
        f"relay.example:65536#{TEXT}",
        f"relay.example:+1#{TEXT}",
        f"relay.example:\u0661#{TEXT}",
        f":1#{TEXT}",
        f"a b:1#{TEXT}",
        f"a/b:1#{TEXT}",
        f"user@host:1#{TEXT}",
        f"-a.example:1#{TEXT}",
        f"a..b:1#{TEXT}",
        f"b\u00fccher.example:1#{TEXT}",
        f"{'a' * 64}.example:1#{TEXT}",
        f"2001:db8::1:1#{TEXT}",
        f"[2001:db8::1:1#{TEXT}",
        f"[fe80::1%eth0]:1#{TEXT}",
        f"[192.0.2.1]:1#{TEXT}",
        f"192.0.2:1#{TEXT}",
        f"0x7f.1:1#{TEXT}",
        f"192.0.2.010:1#{TEXT}",
        f"a.example:1#{TEXT}=",
        f"a.example:1#{TEXT[:-1]}",
        f"a.example:1#{TEXT[:-1]}9",  # the last character has two bits too many
        f"a.example:1#{TEXT[:-1]}\u00e9",
        f"a.example:1#{TEXT[:-2]}+8",
        f"a.example:1#{TEXT}#",
        f"{'a.' * 200}example:1#{TEXT}",
        "a.example:1",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        RelayAddress.parse(text)


@given(some.binary(min_size=32, max_size=32))
def test_pins_come_back(pin: bytes) -> None:
    assert len(encode_pin(pin)) == 43
    assert decode_pin(encode_pin(pin)) == pin


@given(some.text(max_size=80))
def test_whatever_is_written_is_an_address_or_a_decode_error(text: str) -> None:
    for candidate in (text, f"{text}#{TEXT}", f"a.example:1#{text}"):
        try:
            address = RelayAddress.parse(candidate)
        except DecodeError:
            continue
        assert RelayAddress.parse(str(address)) == address


def test_a_place_may_have_port_0() -> None:
    assert parse_host_port("[::]:0") == ("::", 0)
    assert format_host_port("::", 0) == "[::]:0"
