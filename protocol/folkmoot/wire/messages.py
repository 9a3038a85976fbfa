"""The messages of a link, both directions, and the codes with which a relay refuses or closes.

A link is a WebSocket at the path `/link/1`, binary messages only, each in one frame. The first byte
is the message's type, numbers are big-endian. `protocol/WIRE.md` has the table. Decoders raise
DecodeError.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError, Reader
from folkmoot.wire.labels import SIGNATURE_BYTES
from folkmoot.wire.lanes import LANE_RULES, Direction, LaneSlot
from folkmoot.wire.limits import AGENT_MESSAGE_CELLS_MAX, TICK_CELLS_MAX

VERSION = 1
CHALLENGE_BYTES = 32
ROOM_KEY_BYTES = 32
SENTENCE_BYTES_MAX = 240
# RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code
CLOSE_SENTENCE_BYTES_MAX = 123
CELLS_HEADER_BYTES = 5
_SLOTS = frozenset(int(slot) for slot in LaneSlot)
_CELL_BYTES_MAX = max(rule.cell_bytes for rule in LANE_RULES.values())
AGENT_MESSAGE_BYTES_MAX = CELLS_HEADER_BYTES + AGENT_MESSAGE_CELLS_MAX * _CELL_BYTES_MAX
RELAY_MESSAGE_BYTES_MAX = CELLS_HEADER_BYTES + TICK_CELLS_MAX * _CELL_BYTES_MAX


def link_path(version: int = VERSION) -> str:
    """The path of a link's WebSocket."""
    return f"/link/{version}"


class RelayType(enum.IntEnum):
    """First byte of a relay's message."""

    HELLO = 0x01
    CHALLENGE = 0x02
    OPENED = 0x03
    REFUSED = 0x04
    LEAVING = 0x05
    CELLS = 0x10


class AgentType(enum.IntEnum):
    """First byte of an agent's message."""

    ASK = 0x02
    OPEN = 0x03
    CLOSE = 0x04
    CELLS = 0x10


class Refusal(enum.IntEnum):
    """Why a room was not opened; the link stays."""

    EXPIRED = 1
    ROOM_FULL = 2
    RELAY_FULL = 3
    WORK_WANTED = 4
    ALREADY_OPEN = 5
    BUSY = 6
    LEAVING = 7


class Closing(enum.IntEnum):
    """Why a relay closed a link: the WebSocket's close code."""

    BAD_MESSAGE = 4000
    WRONG_VERSION = 4001
    WRONG_PROOF = 4002
    TOO_MANY_ROOMS = 4003
    TOO_FAST = 4004
    NOT_OPEN = 4005
    TOO_SLOW = 4006
    IDLE = 4007
    RELAY_FULL = 4008
    LEAVING = 4009


REFUSAL_SENTENCES = {
    Refusal.EXPIRED: "The proof came too late, or for no challenge of this link: ask again.",
    Refusal.ROOM_FULL: "This room has as many links as this relay allows.",
    Refusal.RELAY_FULL: "This relay has as many rooms as it can hold.",
    Refusal.WORK_WANTED: "This room is over half full: opening it needs a proof of work.",
    Refusal.ALREADY_OPEN: "This room is open on this link already.",
    Refusal.BUSY: "This relay checks too many proofs just now: try again in a moment.",
    Refusal.LEAVING: "This relay is stopping and opens no more rooms.",
}

CLOSING_SENTENCES = {
    Closing.BAD_MESSAGE: "A message was not in the form that this protocol has.",
    Closing.WRONG_VERSION: f"This relay speaks version {VERSION} of the link protocol only.",
    Closing.WRONG_PROOF: "A proof for a room was wrong: other key, other relay or other challenge.",
    Closing.TOO_MANY_ROOMS: "More rooms were opened on one link than this relay allows.",
    Closing.TOO_FAST: "More was sent than the lane's pace allows.",
    Closing.NOT_OPEN: "A message was for a room that this link has not opened, or not for sending.",
    Closing.TOO_SLOW: "The link took nothing of what the relay sent for too long.",
    Closing.IDLE: "The link had no room open for too long.",
    Closing.RELAY_FULL: "This relay has as many links as it can hold.",
    Closing.LEAVING: "This relay is stopping: use another, or come back later.",
}
LEAVING_SENTENCE = CLOSING_SENTENCES[Closing.LEAVING]


@dataclass(frozen=True, slots=True)
class Hello:
    """38 bytes; the relay's first message. `challenge`: 32 bytes, has the number 0."""

    version: int
    challenge: bytes
    tick_ms: int
    rooms_max: int

    def encode(self) -> bytes:
        numbers = codec.u16(self.tick_ms) + codec.u16(self.rooms_max)
        return bytes((RelayType.HELLO, self.version)) + self.challenge + numbers


@dataclass(frozen=True, slots=True)
class Challenge:
    """33 bytes. Challenges of a link are numbered from HELLO's 0 on, modulo 256, in the order of
    their coming."""

    challenge: bytes

    def encode(self) -> bytes:
        return bytes((RelayType.CHALLENGE,)) + self.challenge


@dataclass(frozen=True, slots=True)
class Opened:
    """6 bytes. `room`: the relay's random number of this room, the same for all its links while it
    is open."""

    request: int
    room: int

    def encode(self) -> bytes:
        return bytes((RelayType.OPENED, self.request)) + codec.u32(self.room)


@dataclass(frozen=True, slots=True)
class Refused:
    """`work_bits`: 0 unless the code is WORK_WANTED. The code may be one that this version does not
    know."""

    request: int
    code: int
    work_bits: int
    sentence: str

    def encode(self) -> bytes:
        return bytes((RelayType.REFUSED, self.request, self.code, self.work_bits)) + codec.text(
            self.sentence
        )


@dataclass(frozen=True, slots=True)
class Leaving:
    """The relay stops: go elsewhere, or come back later."""

    sentence: str

    def encode(self) -> bytes:
        return bytes((RelayType.LEAVING,)) + codec.text(self.sentence)


@dataclass(frozen=True, slots=True)
class Cells:
    """`body`: cells of the room's size, one after the other; see split_cells."""

    room: int
    body: bytes

    def encode(self) -> bytes:
        return bytes((RelayType.CELLS,)) + codec.u32(self.room) + self.body


@dataclass(frozen=True, slots=True)
class Ask:
    """1 byte: one more challenge, please."""

    def encode(self) -> bytes:
        return bytes((AgentType.ASK,))


@dataclass(frozen=True, slots=True)
class Open:
    """109 bytes. `challenge`: number of the challenge that `signature` is made over (see proof.py);
    `work`: nonce of the proof of work over the same challenge, 0 when none was asked for."""

    request: int
    challenge: int
    slot: LaneSlot
    direction: Direction
    room_key: bytes
    work: int
    signature: bytes

    def encode(self) -> bytes:
        head = bytes((AgentType.OPEN, self.request, self.challenge, self.slot, self.direction))
        return head + self.room_key + codec.u64(self.work) + self.signature


@dataclass(frozen=True, slots=True)
class Close:
    """5 bytes: this link needs the room no more."""

    room: int

    def encode(self) -> bytes:
        return bytes((AgentType.CLOSE,)) + codec.u32(self.room)


FromRelay = Hello | Challenge | Opened | Refused | Leaving | Cells
FromAgent = Ask | Open | Close | Cells


def encode_cells(room: int, cells: Sequence[bytes]) -> bytes:
    """A CELLS message of whole cells, in either direction."""
    return bytes((RelayType.CELLS,)) + codec.u32(room) + b"".join(cells)


def split_cells(body: bytes, cell_bytes: int, cells_max: int) -> list[bytes]:
    """The cells of a CELLS body: at least one, at most `cells_max`, each whole."""
    count, rest = divmod(len(body), cell_bytes)
    if rest or not 1 <= count <= cells_max:
        raise DecodeError(f"{len(body)} bytes are not 1 to {cells_max} cells of {cell_bytes}")
    if count == 1:
        return [body]
    return [body[at : at + cell_bytes] for at in range(0, len(body), cell_bytes)]


def _cells(data: bytes) -> Cells:
    if len(data) <= CELLS_HEADER_BYTES:
        raise DecodeError("a cells message without a cell")
    return Cells(int.from_bytes(data[1:5], "big"), data[5:])


def decode_from_relay(data: bytes) -> FromRelay:
    """One message of a relay."""
    if len(data) > RELAY_MESSAGE_BYTES_MAX:
        raise DecodeError(f"a message of {len(data)} bytes")
    if data[:1] == bytes((RelayType.CELLS,)):
        return _cells(data)
    return codec.decode(_read_from_relay, data)


def _read_from_relay(reader: Reader) -> FromRelay:
    kind = reader.u8()
    if kind == RelayType.HELLO:
        return Hello(reader.u8(), reader.take(CHALLENGE_BYTES), reader.u16(), reader.u16())
    if kind == RelayType.CHALLENGE:
        return Challenge(reader.take(CHALLENGE_BYTES))
    if kind == RelayType.OPENED:
        return Opened(reader.u8(), reader.u32())
    if kind == RelayType.REFUSED:
        return Refused(reader.u8(), reader.u8(), reader.u8(), reader.text(SENTENCE_BYTES_MAX))
    if kind == RelayType.LEAVING:
        return Leaving(reader.text(SENTENCE_BYTES_MAX))
    raise DecodeError(f"a message of the unknown type {kind}")


def decode_from_agent(data: bytes) -> FromAgent:
    """One message of an agent."""
    if len(data) > AGENT_MESSAGE_BYTES_MAX:
        raise DecodeError(f"a message of {len(data)} bytes")
    if data[:1] == bytes((RelayType.CELLS,)):
        return _cells(data)
    return codec.decode(_read_from_agent, data)


def _read_from_agent(reader: Reader) -> FromAgent:
    kind = reader.u8()
    if kind == AgentType.ASK:
        return Ask()
    if kind == AgentType.OPEN:
        return _read_open(reader)
    if kind == AgentType.CLOSE:
        return Close(reader.u32())
    raise DecodeError(f"a message of the unknown type {kind}")


def _read_open(reader: Reader) -> Open:
    request, challenge, slot, direction = reader.take(4)
    if slot not in _SLOTS or direction not in (1, 2, 3):
        raise DecodeError("a lane slot or a direction that is not known")
    return Open(
        request,
        challenge,
        LaneSlot(slot),
        Direction(direction),
        reader.take(ROOM_KEY_BYTES),
        reader.u64(),
        reader.take(SIGNATURE_BYTES),
    )
