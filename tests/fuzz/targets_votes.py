"""Targets: who votes, what is moved, what is answered, and certificates."""

from __future__ import annotations

from collections.abc import Sequence

from folkmoot.governance import PRESETS, MeetingExtension, Relay
from folkmoot.governance.ballot import Ballot
from folkmoot.governance.certificate import Certificate
from folkmoot.governance.motion import Motion, MotionKind, SignedMotion
from folkmoot.governance.roll import FOUNDER, Elector, Roll
from folkmoot.wire import codec
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError
from fuzz.target import Decoder

SEATS = [bytes([number]) * 16 for number in range(1, 5)]
HASH, SIGNATURE = b"h" * 32, b"g" * 64
CIRCLE = PRESETS["circle"]
MEETING = MeetingExtension(CIRCLE, (Relay(RelayAddress("relay.example", 443, b"\1" * 32)),))
SUBJECTS = {
    MotionKind.REMOVE: SEATS[1],
    MotionKind.ADMIT: HASH,
    MotionKind.RAISE: SEATS[2],
    MotionKind.AMEND: PRESETS["unremovable"].encode(),
    MotionKind.RELAYS: MEETING.encode(),
}
MOVED = [
    SignedMotion(Motion(SEATS[0], kind, subject, CIRCLE.hash, HASH, 1000, 1120), SIGNATURE)
    for kind, subject in SUBJECTS.items()
]
ROLL = Roll((Elector(SEATS[0], FOUNDER), *(Elector(seat, SEATS[1]) for seat in SEATS[1:])))


class Rolls(Decoder):
    """The roll in the group context."""

    name = "votes.roll"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [ROLL.encode(), Roll(()).encode()]

    def decode(self, data: bytes) -> object:
        return Roll.decode(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, Roll)
        return value.encode()


class Motions(Decoder):
    """A signed motion."""

    name = "votes.motion"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [one.encode() for one in MOVED]

    def decode(self, data: bytes) -> object:
        return codec.decode(SignedMotion.read, data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, SignedMotion)
        return value.encode()


class Ballots(Decoder):
    """A ballot."""

    name = "votes.ballot"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [Ballot(SEATS[0], HASH, yes, SIGNATURE).encode() for yes in (True, False)]

    def decode(self, data: bytes) -> object:
        return codec.decode(Ballot.read, data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, Ballot)
        return value.encode()


class Certificates(Decoder):
    """A certificate, and the roll that it makes out."""

    name = "votes.certificate"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        ballots = tuple((seat, SIGNATURE) for seat in SEATS)
        gone = (Elector(b"\x09" * 16, SEATS[1]),)
        return [
            Certificate(MOVED[0], (), (), ballots).encode(),
            Certificate(MOVED[3], gone, (SEATS[3],), ballots[:2]).encode(),
        ]

    def decode(self, data: bytes) -> object:
        one = Certificate.decode(data)
        one.opening(ROLL)
        return one

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, Certificate)
        return value.encode()


TARGETS = (Rolls, Motions, Ballots, Certificates)
