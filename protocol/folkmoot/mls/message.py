"""MLSMessage: the outermost frame of all that MLS puts on a wire (RFC 9420 §6)."""

from __future__ import annotations

from typing import TypeAlias

from folkmoot.mls.errors import Check, MalformedError
from folkmoot.mls.extensions import MLS10
from folkmoot.mls.framing import (
    GROUP_INFO,
    KEY_PACKAGE,
    PRIVATE_MESSAGE,
    PUBLIC_MESSAGE,
    WELCOME,
    PrivateMessage,
    PublicMessage,
)
from folkmoot.mls.group_info import GroupInfo
from folkmoot.mls.key_package import KeyPackage
from folkmoot.mls.welcome import Welcome
from folkmoot.wire import codec

Body: TypeAlias = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

_WIRE_FORMATS: dict[type[Body], int] = {
    PublicMessage: PUBLIC_MESSAGE,
    PrivateMessage: PRIVATE_MESSAGE,
    Welcome: WELCOME,
    GroupInfo: GROUP_INFO,
    KeyPackage: KEY_PACKAGE,
}


def read_message(reader: codec.Reader) -> Body:
    """`MLSMessage`: the version, the wire format, and what is in it."""
    version = reader.u16()
    if version != MLS10:
        raise codec.DecodeError(f"MLS version {version} is not known")
    wire_format = reader.u16()
    if wire_format == PUBLIC_MESSAGE:
        return PublicMessage.read(reader)
    if wire_format == PRIVATE_MESSAGE:
        return PrivateMessage.read(reader)
    if wire_format == WELCOME:
        return Welcome.read(reader)
    if wire_format == GROUP_INFO:
        return GroupInfo.read(reader)
    if wire_format == KEY_PACKAGE:
        return KeyPackage.read(reader)
    raise codec.DecodeError(f"no wire format {wire_format} is known")


def wire_format_of(body: Body) -> int:
    return _WIRE_FORMATS[type(body)]


def encode_message(body: Body) -> bytes:
    """The body as an MLSMessage."""
    return codec.u16(MLS10) + codec.u16(wire_format_of(body)) + body.encode()


def decode_message(data: bytes) -> Body:
    """The body of an MLSMessage, nothing verified; raises MlsError and nothing else."""
    try:
        return codec.decode(read_message, data)
    except codec.DecodeError as error:
        raise MalformedError(Check.DECODE, str(error)) from None
