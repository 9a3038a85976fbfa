"""A relay's address as people and invites write it: `HOST:PORT#PIN`."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass

from folkmoot.wire.codec import DecodeError

PIN_BYTES = 32
ADDRESS_CHARACTERS_MAX = 320
_HOST_CHARACTERS_MAX = 253
# A name of the DNS in its ASCII form; an underscore occurs in private networks.
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def _host(text: str) -> str:
    """The canonical form of a host: a lower-case name, or an address as `ipaddress` writes it."""
    if text.startswith("[") or text.endswith("]"):
        if not (text.startswith("[") and text.endswith("]")) or "%" in text:
            raise DecodeError("the brackets do not hold an IPv6 address")
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise DecodeError("the brackets do not hold an IPv6 address") from None
    name = text.lower()
    labels = name.removesuffix(".").split(".")
    if len(name) > _HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise DecodeError("the host is neither a name nor an address")
    # then it must be an IPv4 address in the one form that everybody reads alike
    if labels[-1].isdecimal():
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise DecodeError("the host is neither a name nor an address") from None
    return name


def parse_host_port(text: str) -> tuple[str, int]:
    """`HOST:PORT`, an IPv6 address in brackets; port 0 to 65535. Raises DecodeError."""
    host, colon, port = text.rpartition(":")
    if (
        not colon
        or not port.isascii()
        or not port.isdecimal()
        or len(port) > 5
        or int(port) > 65535
    ):
        raise DecodeError("not of the form HOST:PORT")
    return _host(host), int(port)


def format_host_port(host: str, port: int) -> str:
    """The inverse of parse_host_port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def encode_pin(pin: bytes) -> str:
    """32 bytes as 43 characters of base64url without padding."""
    return base64.urlsafe_b64encode(pin).decode("ascii").rstrip("=")


def decode_pin(text: str) -> bytes:
    """The inverse of encode_pin; accepts exactly what that writes."""
    try:
        pin = base64.urlsafe_b64decode(text.encode("ascii") + b"=")
    except (UnicodeEncodeError, binascii.Error):
        raise DecodeError("the pin is not base64url") from None
    if len(pin) != PIN_BYTES or encode_pin(pin) != text:
        raise DecodeError("the pin is not 43 characters of base64url")
    return pin


@dataclass(frozen=True, slots=True)
class RelayAddress:
    """`host`: name or IP address without brackets, canonical; `port`: 1 to 65535; `pin`: SHA-256 of
    the relay's SubjectPublicKeyInfo, 32 bytes."""

    host: str
    port: int
    pin: bytes

    @classmethod
    def parse(cls, text: str) -> RelayAddress:
        """Reads `HOST:PORT#PIN`; raises DecodeError with a reason that completes "this is no relay
        address:"."""
        if len(text) > ADDRESS_CHARACTERS_MAX:
            raise DecodeError("it is too long")
        place, hash_sign, pin = text.partition("#")
        if not hash_sign:
            raise DecodeError("the part after # is missing")
        host, port = parse_host_port(place)
        if port == 0:
            raise DecodeError("the port is 0")
        return cls(host, port, decode_pin(pin))

    def __str__(self) -> str:
        return f"{format_host_port(self.host, self.port)}#{encode_pin(self.pin)}"
