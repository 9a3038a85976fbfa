"""Where an entry goes: a table of addresses, each with what may be said of it."""

from __future__ import annotations

import pytest

from folkmoot.wire.entry_rules import ALLOWED_MAX, Admission, make_admission

PUBLIC = make_admission(["::", "0.0.0.0"], [])

REFUSED = {
    "0.0.0.0": "this host",
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "100.64.0.1": "carrier-grade",
    "100.127.255.254": "carrier-grade",
    "127.0.0.1": "loopback",
    "127.255.0.1": "loopback",
    "169.254.169.254": "link-local, cloud metadata",
    "172.16.0.1": "private",
    "172.31.255.1": "private",
    "192.0.0.9": "protocol assignments",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarks",
    "198.19.255.1": "benchmarks",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "unspecified",
    "::1": "loopback",
    "::8.8.8.8": "v4-compatible",
    "::ffff:8.8.8.8": "v4-mapped, of a global address",
    "::ffff:127.0.0.1": "v4-mapped",
    "::ffff:0:8.8.8.8": "v4-translated",
    "64:ff9b::8.8.8.8": "NAT64",
    "64:ff9b::10.0.0.1": "NAT64",
    "64:ff9b:1::1": "NAT64 of a site",
    "100::1": "discard",
    "2001::1": "Teredo",
    "2001:0:53aa:64c::1": "Teredo",
    "2001:2::1": "benchmarks",
    "2001:10::1": "ORCHID",
    "2001:20::1": "ORCHID",
    "2001:db8::1": "documentation",
    "2002:0a00:0001::1": "6to4 of a private address",
    "2002:0808:0808::1": "6to4",
    "3fff::1": "documentation",
    "4000::1": "not assigned",
    "5f00::1": "segment routing",
    "fc00::1": "unique-local",
    "fd12:3456:789a::1": "unique-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local with a zone",
    "2a00:1450::1%eth0": "a zone",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "2a01:4f8::5efe:10.0.0.1": "ISATAP",
    "2a01:4f8::200:5efe:8.8.8.8": "ISATAP",
    "": "nothing",
    "relay.example": "a name",
    "8.8.8.8 ": "a blank",
    "010.0.0.1": "leading zeros",
    "0x7f.1": "no form that everybody reads alike",
    "2130706433": "a number",
}


@pytest.mark.parametrize("address", REFUSED, ids=lambda text: f"{text} {REFUSED[text]}")
@pytest.mark.parametrize("port", [443, 7443])
def test_what_is_not_global_is_refused(address: str, port: int) -> None:
    assert not PUBLIC.admits(address, port)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "9.255.255.255",
        "11.0.0.1",
        "192.0.1.1",
        "198.17.0.1",
        "223.255.255.254",
        "2a01:4f8::1",
        "2001:4860:4860::8888",
        "2600::1",
        "2001:200::1",
        "3ffe::1",
    ],
)
def test_what_is_global_is_admitted(address: str) -> None:
    assert PUBLIC.admits(address, 443)


@pytest.mark.parametrize(
    ("port", "admitted"),
    [
        (0, 0),
        (22, 0),
        (25, 0),
        (80, 0),
        (442, 0),
        (443, 1),
        (444, 0),
        (1023, 0),
        (1024, 1),
        (7443, 1),
        (65535, 1),
        (65536, 0),
        (-1, 0),
    ],
)
def test_ports(port: int, admitted: int) -> None:
    assert PUBLIC.admits("8.8.8.8", port) == bool(admitted)
    assert make_admission([], ["0.0.0.0/0"]).admits("10.0.0.1", port) == bool(admitted)


@pytest.mark.parametrize(
    ("own", "same", "others"),
    [
        ("127.0.0.1", ["127.0.0.1", "127.9.9.9", "::1"], ["10.0.0.1", "192.168.0.1", "fd00::1"]),
        ("::1", ["127.0.0.1", "::1"], ["fe80::1", "10.0.0.1"]),
        ("10.1.2.3", ["10.9.9.9"], ["127.0.0.1", "192.168.0.1", "172.16.0.1", "169.254.169.254"]),
        ("172.20.0.1", ["172.31.0.1"], ["10.0.0.1", "127.0.0.1"]),
        ("192.168.1.2", ["192.168.77.1"], ["10.0.0.1", "127.0.0.1", "::ffff:192.168.1.2"]),
        ("100.101.0.1", ["100.64.0.7"], ["10.0.0.1"]),
        ("fd12:3456:789a::1", ["fd12:3456:789a:7::9"], ["fd12:3456:789b::1", "fe80::1", "::1"]),
        ("169.254.1.1", [], ["169.254.169.254", "127.0.0.1"]),
        ("fe80::1", [], ["fe80::2", "::1"]),
        ("8.8.4.4", [], ["10.0.0.1", "127.0.0.1"]),
        ("relay.example", [], ["10.0.0.1", "127.0.0.1"]),
    ],
)
def test_an_entry_that_is_inside_goes_to_that_same_inside(
    own: str, same: list[str], others: list[str]
) -> None:
    admission = make_admission([own], [])
    assert [one for one in same if not admission.admits(one, 7443)] == []
    assert [one for one in others if admission.admits(one, 7443)] == []
    assert admission.admits("8.8.8.8", 7443)


def test_an_operator_may_allow_more() -> None:
    admission = make_admission([], ["10.8.0.0/16", "fd00:1::/32", "169.254.169.0/24"])
    assert admission.admits("10.8.200.1", 443)
    assert admission.admits("fd00:1::1", 443)
    assert admission.admits("169.254.169.254", 443)
    assert not admission.admits("10.9.0.1", 443)
    assert not admission.admits("::ffff:10.8.0.1", 443)


def test_what_is_no_network_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="host bits set"):
        make_admission([], ["10.0.0.1/8"])
    with pytest.raises(ValueError, match="more than"):
        make_admission([], ["10.0.0.0/8"] * (ALLOWED_MAX + 1))
    assert Admission() == make_admission([], [])
