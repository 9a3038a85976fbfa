"""What a client and an entry say to each other: where a tunnel goes, that it stands, why it ended.

A tunnel is a WebSocket at the path `/entry/1`, binary messages only, each in one frame. The
client's first message is TARGET, the entry's first is CARRYING; all that follows, in either
direction, is the tunnel's bytes and nothing else. `protocol/WIRE.md` §7 has the tables.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from folkmoot.wire import codec
from folkmoot.wire.address import format_host_port, parse_host_port
from folkmoot.wire.codec import DecodeError, Reader

ENTRY_VERSION = 1
TARGET_TYPE = 0x01
HOST_BYTES_MAX = 253
# All targets have one size: whoever watches the line to the entry learns no length of a name.
HOST_FIELD_BYTES = 254
TARGET_BYTES = 4 + HOST_FIELD_BYTES
# The entry's first message. It has nothing to say but that the tunnel stands.
CARRYING = b"\x02"
# Bytes of a tunnel in one message. Larger ones are more often one TLS record each, smaller ones
# bound what a reader must hold before it can pass anything on.
TUNNEL_MESSAGE_BYTES_MAX = 65_536


def entry_path(version: int = ENTRY_VERSION) -> str:
    """The path of a tunnel's WebSocket."""
    return f"/entry/{version}"


class EntryClosing(enum.IntEnum):
    """Why an entry ended a tunnel: the WebSocket's close code."""

    BAD_MESSAGE = 4000
    WRONG_VERSION = 4001
    TOO_FAST = 4004
    TOO_SLOW = 4006
    IDLE = 4007
    FULL = 4008
    LEAVING = 4009
    NOT_A_RELAY = 4010
    TARGET_ENDED = 4011
    TOO_OLD = 4012
    BUSY = 4013


ENTRY_SENTENCES = {
    EntryClosing.BAD_MESSAGE: "A message was not in the form that tunnels have.",
    EntryClosing.WRONG_VERSION: f"This entry speaks version {ENTRY_VERSION} of tunnels only.",
    EntryClosing.TOO_FAST: "Control frames came faster than any client sends them.",
    EntryClosing.TOO_SLOW: "One end of the tunnel took nothing for too long.",
    EntryClosing.IDLE: "Nothing passed through the tunnel for too long.",
    EntryClosing.FULL: "This entry has as many tunnels as it can hold.",
    EntryClosing.LEAVING: "This entry is stopping: use another, or come back later.",
    EntryClosing.NOT_A_RELAY: "There is no relay that this entry goes to.",
    EntryClosing.TARGET_ENDED: "The relay ended the connection.",
    EntryClosing.TOO_OLD: "The tunnel was open for as long as this entry allows: open another.",
    EntryClosing.BUSY: "This entry opens too many tunnels just now: try again in a moment.",
}


@dataclass(frozen=True, slots=True)
class Target:
    """258 bytes; where a tunnel is to go. `host`: name or IP address without brackets, canonical
    as in a relay's address; `port`: 1 to 65535."""

    host: str
    port: int

    def encode(self) -> bytes:
        host = self.host.encode("ascii")
        head = bytes((TARGET_TYPE,)) + codec.u16(self.port) + codec.u8(len(host))
        return head + host.ljust(HOST_FIELD_BYTES, b"\0")


def _read_target(reader: Reader) -> Target:
    kind, port, length = reader.u8(), reader.u16(), reader.u8()
    field = reader.take(HOST_FIELD_BYTES)
    if kind != TARGET_TYPE:
        raise DecodeError(f"a message of the unknown type {kind}")
    if not 1 <= length <= HOST_BYTES_MAX or port == 0:
        raise DecodeError("no host or no port")
    host = field[:length]
    if not host.isascii() or any(field[length:]):
        raise DecodeError("the host is not ASCII, or not padded with zeros")
    target = Target(host.decode("ascii"), port)
    # One form for each place: what the rules judge is then what is looked up and connected to.
    if parse_host_port(format_host_port(target.host, port)) != (target.host, port):
        raise DecodeError("the host is not in its canonical form")
    return target


def decode_target(data: bytes) -> Target:
    """A TARGET message; raises DecodeError."""
    if len(data) != TARGET_BYTES:
        raise DecodeError(f"{len(data)} bytes, a target has {TARGET_BYTES}")
    return codec.decode(_read_target, data)
