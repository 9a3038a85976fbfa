"""Where a relay of this machine listens, and what people are told of who can reach it."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from folkmoot.agent import reach


def test_the_address_is_one_of_this_machine() -> None:
    host = reach.reachable_address()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((host, 0))
    others = reach.own_addresses()
    if others:
        assert not ipaddress.ip_address(host).is_loopback
        assert ipaddress.ip_address(host) in others
    else:
        assert host == "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "who"),
    [
        ("127.0.0.1", "Only this machine"),
        ("::1", "Only this machine"),
        ("192.168.1.7", "on the same network"),
        ("fd00::7", "on the same network"),
        ("100.64.3.2", "same provider's network or VPN"),
        ("9.9.9.9", "Everybody can reach it, if no firewall"),
        ("2620:fe::fe", "Everybody can reach it, if no firewall"),
        ("relay.example.org", "who can reach relay.example.org"),
    ],
)
def test_who_can_reach_it_is_said(host: str, who: str) -> None:
    sentence, elsewhere = reach.who_can_reach(host, 7443)
    assert who in sentence
    assert "--relay ADDRESS" in elsewhere
