"""A ballot: one elector's final answer to one motion (architecture §6, "Ballots").

It signs group id, seat and the motion's hash, and no epoch: members move from epoch to epoch while
a motion is open, and an answer given in one counts in the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.governance.motion import HASH_BYTES
from folkmoot.wire import codec
from folkmoot.wire.labels import SIGNATURE_BYTES, Sign, sign, verify


@dataclass(frozen=True, slots=True)
class Ballot:
    """`motion`: its hash (32); `yes`: or no."""

    seat: bytes
    motion: bytes
    yes: bool
    signature: bytes

    def encode(self) -> bytes:
        """113 bytes: seat, motion, choice, signature."""
        return self.seat + self.motion + codec.u8(self.yes) + self.signature

    @classmethod
    def read(cls, reader: codec.Reader) -> Ballot:
        seat, motion, yes = reader.take(SEAT_BYTES), reader.take(HASH_BYTES), reader.boolean()
        return cls(seat, motion, yes, reader.take(SIGNATURE_BYTES))

    def verified(self, key: Ed25519PublicKey, group_id: bytes) -> bool:
        """Whether the holder of `key` answered so."""
        content = ballot_content(group_id, self.seat, self.motion, self.yes)
        return verify(key, Sign.BALLOT, content, self.signature)


def ballot_content(group_id: bytes, seat: bytes, motion: bytes, yes: bool) -> bytes:
    """What an elector signs."""
    return codec.opaque(group_id) + seat + motion + codec.u8(yes)


def make_ballot(
    key: Ed25519PrivateKey, group_id: bytes, seat: bytes, motion: bytes, yes: bool
) -> Ballot:
    signature = sign(key, Sign.BALLOT, ballot_content(group_id, seat, motion, yes))
    return Ballot(seat, motion, yes, signature)
