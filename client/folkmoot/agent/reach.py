"""At which address others can reach a relay on this machine, and who those others are."""

from __future__ import annotations

import ipaddress
import socket

import ifaddr

# Addresses for documentation (RFC 5737, RFC 3849). Connecting a datagram socket sends nothing: the
# kernel only says which of its own addresses it would use for the way to the rest of the world.
_FAR_V4 = ("192.0.2.1", 9)
_FAR_V6 = ("2001:db8::1", 9)
_SHARED = ipaddress.ip_network("100.64.0.0/10")  # RFC 6598: providers' own networks, and VPNs

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def reachable_address() -> str:
    """The address of this machine that others on its network can reach, else 127.0.0.1."""
    for family, far in ((socket.AF_INET, _FAR_V4), (socket.AF_INET6, _FAR_V6)):
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(far)
            except OSError:
                continue
            own = str(probe.getsockname()[0])
        if _usable(ipaddress.ip_address(own)):
            return own
    addresses = own_addresses()
    return str(addresses[0]) if addresses else "127.0.0.1"


def own_addresses() -> list[Address]:
    """This machine's addresses that another could reach it at, IPv4 first."""
    found: list[Address] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            address = ipaddress.ip_address(text.partition("%")[0])
            if _usable(address):
                found.append(address)
    return sorted(found, key=lambda address: (address.version, int(address)))


def _usable(address: Address) -> bool:
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def who_can_reach(host: str, port: int) -> tuple[str, str]:
    """Two sentences about a relay that listens at `host`:`port`: who can reach it, and what to do
    for people elsewhere."""
    elsewhere = (
        "For people elsewhere, somebody runs `folkmoot relay` on a machine that all can reach, and "
        "you start with `folkmoot meet --relay ADDRESS`."
    )
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"Everybody can reach it who can reach {host}, port {port}.", elsewhere
    if address.is_unspecified:
        raise ValueError("an address to listen at, not one to be reached at")
    if address.is_loopback:
        return "Only this machine can reach it.", elsewhere
    if address.version == 4 and address in _SHARED:
        return (
            "Those on the same provider's network or VPN as this machine can reach it.",
            elsewhere,
        )
    if address.is_global:
        return (
            f"Everybody can reach it, if no firewall keeps port {port} of this machine closed.",
            f"If people cannot get in, open TCP port {port} in the firewall. " + elsewhere,
        )
    return (
        "Everybody on the same network as this machine can reach it, in the same house or office.",
        elsewhere,
    )
