"""The three records of walking out together, as bytes: call, reply and go (GROUP.md)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from folkmoot.governance.charter import Charter
from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.meeting.door import KEY_PACKAGE_BYTES_MAX
from folkmoot.meeting.records import Signed
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError

CALLED_MAX = 48  # members called at once
WELCOME_BYTES_MAX = 60 << 10
NAME_BYTES = 32
NONCE_BYTES = 16
_NAME_PREFIX = b"Folkmoot 1 call"
# Longer than a motion's: no call passes for a motion, which is answered by the same command.
CALL_CHARACTERS = 24


def call_id(name: bytes) -> str:
    """The short string by which programs name a call."""
    return name.hex()[:CALL_CHARACTERS]


@dataclass(frozen=True, slots=True)
class Call:
    """`seats`: who is called, rising, without the caller in `seat`; `made_s`: wall seconds."""

    seat: bytes
    nonce: bytes
    made_s: int
    seats: tuple[bytes, ...]
    charter: Charter

    def encode(self) -> bytes:
        return (
            self.seat
            + self.nonce
            + codec.u32(self.made_s)
            + codec.vector(self.seats)
            + codec.opaque(self.charter.encode())
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> Call:
        seat, nonce, made_s = reader.take(SEAT_BYTES), reader.take(NONCE_BYTES), reader.u32()
        seats = tuple(reader.vector(lambda one: one.take(SEAT_BYTES), items_max=CALLED_MAX))
        if not seats or list(seats) != sorted(set(seats) - {seat}):
            raise DecodeError("a call to nobody, to somebody twice, or to oneself")
        return cls(seat, nonce, made_s, seats, Charter.decode(reader.opaque(64)))

    def name(self, group_id: bytes) -> bytes:
        """32 bytes that answers to this call name."""
        return hashlib.sha256(_NAME_PREFIX + codec.opaque(group_id) + self.encode()).digest()


@dataclass(frozen=True, slots=True)
class Reply:
    """`key_package`: for the new group; None to stay."""

    seat: bytes
    call: bytes
    key_package: bytes | None

    def encode(self) -> bytes:
        package = self.key_package
        packed = None if package is None else codec.opaque(package)
        return self.seat + self.call + codec.optional(packed)

    @classmethod
    def read(cls, reader: codec.Reader) -> Reply:
        seat, call = reader.take(SEAT_BYTES), reader.take(NAME_BYTES)
        return cls(seat, call, reader.optional(lambda one: one.opaque(KEY_PACKAGE_BYTES_MAX)))


@dataclass(frozen=True, slots=True)
class Go:
    """The caller's last word: the Welcome, and its signature over seat, call and SHA-256 of it."""

    signed: Signed
    welcome: bytes

    def encode(self) -> bytes:
        return self.signed.encode() + codec.opaque(self.welcome)

    @classmethod
    def read(cls, reader: codec.Reader) -> Go:
        signed, welcome = Signed.read(reader), reader.opaque(WELCOME_BYTES_MAX)
        digest = hashlib.sha256(welcome).digest()
        if len(signed.content) != SEAT_BYTES + NAME_BYTES + len(digest):
            raise DecodeError("a go of another size")
        if signed.content[-len(digest) :] != digest:
            raise DecodeError("a go with another Welcome")
        return cls(signed, welcome)

    @property
    def call(self) -> bytes:
        return self.signed.content[SEAT_BYTES : SEAT_BYTES + NAME_BYTES]
