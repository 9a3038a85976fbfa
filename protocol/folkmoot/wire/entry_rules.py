"""Where an entry goes: which addresses and ports may be the target of a tunnel (architecture §4).

An entry is a machine that strangers may ask to connect somewhere. So that it lends nobody its place
in a network, only what anybody in the world could reach anyway is a target: global unicast
addresses, by the special-purpose registries of IANA (RFC 6890). Addresses that hold another one
inside are not, as what is judged would not be what is reached. The one exception is an entry that
is itself inside: one that listens on a loopback or private address goes to that same scope, as
meetings within a house have no others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# 443 is what every network lets out; below 1024 are otherwise the services (mail, names, files)
# that strangers should not reach from an entry's address.
PORT_HTTPS = 443
PORT_FREE_MIN = 1024
ALLOWED_MAX = 64  # networks that an operator may name

_NOT_GLOBAL_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carriers' own, and many VPNs
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; where clouds keep their machines' secrets
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Outside of it is nothing global: loopback, v4-mapped (::ffff:0:0/96), v4-compatible, NAT64
# (64:ff9b::/96 and 64:ff9b:1::/48), discard, unique-local, link-local, multicast.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_GLOBAL_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, among them Teredo, which holds a v4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, holds a v4 address
        "3fff::/20",  # documentation
    )
)
# An interface identifier that holds a v4 address (ISATAP, RFC 5214), whatever network it is in.
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)

# What an entry that listens inside may go to: the same one of these, and no other.
_SCOPES: tuple[tuple[Network, ...], ...] = (
    (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128")),
    (ipaddress.IPv4Network("10.0.0.0/8"),),
    (ipaddress.IPv4Network("172.16.0.0/12"),),
    (ipaddress.IPv4Network("192.168.0.0/16"),),
    (ipaddress.IPv4Network("100.64.0.0/10"),),
)
# Of unique-local addresses, a site is what shares the 40 random bits (RFC 4193 §3.1).
_UNIQUE_LOCAL = ipaddress.IPv6Network("fc00::/7")
_SITE_PREFIX_BITS = 48


def _parse(text: str) -> Address | None:
    """An address in digits, without a zone: a zone is this machine's own, and never a target's."""
    try:
        return ipaddress.ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def is_global(address: Address) -> bool:
    """Whether anybody in the world could reach it, and it holds no other address."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_GLOBAL_V4)
    if (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP:
        return False
    return address in _GLOBAL_V6 and not any(address in network for network in _NOT_GLOBAL_V6)


def scope_of(text: str) -> tuple[Network, ...]:
    """The scope of an address that is inside; empty for global ones, wildcards, link-local ones
    and names."""
    address = _parse(text)
    if address is None:
        return ()
    for scope in _SCOPES:
        if any(address in network for network in scope):
            return scope
    if address in _UNIQUE_LOCAL:
        site = int(address) >> (128 - _SITE_PREFIX_BITS) << (128 - _SITE_PREFIX_BITS)
        return (ipaddress.IPv6Network((site, _SITE_PREFIX_BITS)),)
    return ()


@dataclass(frozen=True, slots=True)
class Admission:
    """`inside`: networks that are targets though they are not global."""

    inside: tuple[Network, ...] = ()

    def admits(self, address: str, port: int) -> bool:
        """Whether a tunnel may go to this address, given in digits as a resolver returns it."""
        if port != PORT_HTTPS and not PORT_FREE_MIN <= port <= 65535:
            return False
        found = _parse(address)
        if found is None or (isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped):
            return False
        # What is named is allowed, what is not must be global.
        return any(found in network for network in self.inside) or is_global(found)


def make_admission(own: Iterable[str], allowed: Iterable[str]) -> Admission:
    """`own`: addresses that the relay listens on *and is known by*, in digits; `allowed`: networks
    that its operator lets it go to (`10.0.0.0/8`). Raises ValueError for what is no network."""
    named = [ipaddress.ip_network(text) for text in allowed]
    if len(named) > ALLOWED_MAX:
        raise ValueError(f"more than {ALLOWED_MAX} networks")
    scopes = [network for address in own for network in scope_of(address)]
    return Admission(tuple(dict.fromkeys([*scopes, *named])))
