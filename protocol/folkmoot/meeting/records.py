"""What members say to each other in the council: items in cells, and the records among them that
must reach everyone (architecture §5 to §7).

A council cell's plaintext holds items. Beacons, requests and namings are said again and again, so
a lost one does not matter; *logged* items are records that every member ends up with, whoever
repeats them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from folkmoot.cells.records import RecordType
from folkmoot.cells.reliable import RECORD_BYTES_MAX
from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.wire import codec
from folkmoot.wire.labels import Sign, sign, verify

NAME_BYTES_MAX = 64
CHAT_BYTES_MAX = 4000
AUTHENTICATOR_BYTES = 32
DIGEST_BYTES_MAX = 400
RECEIPTS_MAX = 8  # relays in one beacon
MISSED_MAX = 16  # members named missing for one relay in one beacon
MESSAGE_ID_BYTES = 8
HANDSHAKE_BYTES_MAX = 60_000
WELCOME_BYTES_MAX = 60_000
# Both together: a handshake that comes through the door is told on as a record, with 5 bytes before
# it.
HANDSHAKE_RECORD_BYTES_MAX = RECORD_BYTES_MAX - 5


class ItemKind(enum.IntEnum):
    """The first byte of each item in a council cell."""

    LOGGED = RecordType.RELIABLE
    HAVE = RecordType.HAVE
    BEACON = RecordType.BEACON
    NAMING = 4
    KEY_FRAME_WANTED = 5


class RecordKind(enum.IntEnum):
    """The kinds of logged records."""

    HANDSHAKE = 1
    CONTENT = 2
    FAREWELL = 3
    REQUEST = 4  # a key package that asks for a leaf
    MOTION = 5
    BALLOT = 6
    CALL = 7
    CALL_REPLY = 8
    CALL_GO = 9


class Showing(enum.IntFlag):
    """What a member's beacon says of its own media."""

    MICROPHONE = 1
    CAMERA = 2
    SCREEN = 4


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a member received through one relay: `relay`, first 8 bytes of its pin; `echo`, whether
    the member's own cells came back; `missed`, first 4 bytes of seats it missed there."""

    relay: bytes
    echo: bool
    missed: tuple[bytes, ...]

    def encode(self) -> bytes:
        return self.relay + codec.u8(self.echo) + codec.opaque(b"".join(self.missed))

    @classmethod
    def read(cls, reader: codec.Reader) -> Receipt:
        relay, echo = reader.take(8), reader.boolean()
        missed = tuple(reader.vector(lambda inner: inner.take(4), items_max=MISSED_MAX))
        return cls(relay, echo, missed)


@dataclass(frozen=True, slots=True)
class Beacon:
    """A member's signed periodic statement. `at_ms`: its wall clock, strictly rising, so that an
    old beacon played again is ignored. `extra` is for later versions and is signed with the
    rest."""

    seat: bytes
    at_ms: int
    epoch: int
    authenticator: bytes
    showing: Showing
    name: str
    digest: bytes
    receipts: tuple[Receipt, ...] = ()
    extra: bytes = b""

    def encode(self) -> bytes:
        """The bytes that are signed."""
        return (
            self.seat
            + codec.u64(self.at_ms)
            + codec.u64(self.epoch)
            + self.authenticator
            + codec.u8(self.showing)
            + codec.text(self.name)
            + codec.opaque(self.digest)
            + codec.vector(receipt.encode() for receipt in self.receipts)
            + codec.opaque(self.extra)
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> Beacon:
        seat, at_ms, epoch = reader.take(SEAT_BYTES), reader.u64(), reader.u64()
        authenticator, showing = reader.take(AUTHENTICATOR_BYTES), reader.u8()
        name, digest = reader.text(NAME_BYTES_MAX), reader.opaque(DIGEST_BYTES_MAX)
        receipts = tuple(reader.vector(Receipt.read, items_max=RECEIPTS_MAX))
        extra = reader.opaque(64)
        return cls(
            seat, at_ms, epoch, authenticator, Showing(showing & 7), name, digest, receipts, extra
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """A statement and its signature (64 bytes) by the seat that it begins with."""

    content: bytes
    signature: bytes

    @property
    def seat(self) -> bytes:
        return self.content[:SEAT_BYTES]

    def encode(self) -> bytes:
        return codec.opaque(self.content) + codec.opaque(self.signature)

    @classmethod
    def read(cls, reader: codec.Reader) -> Signed:
        content, signature = reader.opaque(1000), reader.opaque(64)
        if len(content) < SEAT_BYTES:
            raise codec.DecodeError("a statement by nobody")
        return cls(content, signature)

    def verified(self, key: Ed25519PublicKey, label: Sign, group_id: bytes) -> bool:
        """Whether the member with `key` in group `group_id` made this statement."""
        return verify(key, label, codec.opaque(group_id) + self.content, self.signature)


def sign_statement(key: Ed25519PrivateKey, label: Sign, group_id: bytes, content: bytes) -> Signed:
    """`content`, which begins with the own seat, as a signed statement."""
    return Signed(content, sign(key, label, codec.opaque(group_id) + content))


@dataclass(frozen=True, slots=True)
class Handshake:
    """A Commit on `parent` (its epoch authenticator, 32 bytes), with the Welcome for those it adds.

    It travels as a PrivateMessage inside cells sealed with the signalling secret: one who left
    knows old signalling secrets, and must still not read who came after.
    """

    parent: bytes
    message: bytes
    welcome: bytes

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return len(self.message) + len(self.welcome)

    def encode(self) -> bytes:
        return self.parent + codec.opaque(self.message) + codec.opaque(self.welcome)

    @classmethod
    def read(cls, reader: codec.Reader) -> Handshake:
        handshake = cls(
            reader.take(AUTHENTICATOR_BYTES),
            reader.opaque(HANDSHAKE_BYTES_MAX),
            reader.opaque(WELCOME_BYTES_MAX),
        )
        handshake.check_size()
        return handshake

    def check_size(self) -> None:
        """Raises DecodeError for one that others would not take."""
        if (
            len(self.message) > HANDSHAKE_BYTES_MAX
            or len(self.welcome) > WELCOME_BYTES_MAX
            or len(self.encode()) > HANDSHAKE_RECORD_BYTES_MAX
        ):
            raise codec.DecodeError("a handshake that fits no record")


@dataclass(frozen=True, slots=True)
class Content:
    """An application PrivateMessage sealed in the epoch with `authenticator`."""

    authenticator: bytes
    message: bytes

    def encode(self) -> bytes:
        return self.authenticator + codec.opaque(self.message)

    @classmethod
    def read(cls, reader: codec.Reader) -> Content:
        return cls(reader.take(AUTHENTICATOR_BYTES), reader.opaque(CHAT_BYTES_MAX + 1000))


@dataclass(frozen=True, slots=True)
class Chat:
    """What a CONTENT record says once opened. `message`: 8 random bytes that stay the same when the
    sender seals it again in a later epoch, so that everybody shows it once."""

    message: bytes
    at_ms: int
    text: str

    KIND = 1

    def encode(self) -> bytes:
        return codec.u8(self.KIND) + self.message + codec.u64(self.at_ms) + codec.text(self.text)

    @classmethod
    def read(cls, reader: codec.Reader) -> Chat:
        kind = reader.u8()
        if kind != cls.KIND:
            raise codec.DecodeError(f"content of the unknown kind {kind}")
        return cls(reader.take(MESSAGE_ID_BYTES), reader.u64(), reader.text(CHAT_BYTES_MAX))


@dataclass(frozen=True, slots=True)
class KeyFrameWanted:
    """Somebody misses a frame of the picture `stream` (1 camera, 2 screen) of the member in `seat`;
    `nothing_comes`: not even one of its cells came for a while, so that a line that loses some is
    not what is wrong."""

    seat: bytes
    stream: int
    nothing_comes: bool

    def encode(self) -> bytes:
        return self.seat + codec.u8(self.stream) + codec.u8(self.nothing_comes)

    @classmethod
    def read(cls, reader: codec.Reader) -> KeyFrameWanted:
        return cls(reader.take(SEAT_BYTES), reader.u8(), reader.boolean())


def item(kind: ItemKind, body: bytes) -> bytes:
    """One item as it stands in a cell or a fragment."""
    return codec.u8(kind) + body


def split_item(data: bytes) -> tuple[ItemKind, bytes]:
    """Kind and body of an item; DecodeError for an unknown kind."""
    if not data or data[0] not in ItemKind._value2member_map_:
        raise codec.DecodeError("an item of an unknown kind")
    return ItemKind(data[0]), data[1:]
