"""A motion: what an elector asks all electors to decide, under which rules and until when
(architecture §6, "Ballots").

It names the charter and the roll of its opening by hashes, so that a ballot for it is a ballot
under those rules and among those electors and under no others. It is decided by its end: a
certificate counts in commits up to that tick.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from folkmoot.governance.charter import CHARTER_HASH_BYTES, Charter
from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.governance.extension import MeetingExtension
from folkmoot.wire import codec
from folkmoot.wire.labels import SIGNATURE_BYTES, Sign, sign, verify

MOTION_VERSION = 1
MOTION_S = 120  # from opening to end, if its mover does not say otherwise
# Shorter: one who looks away for a moment has no say. Longer: ballots are final, and an elector's
# yes to a removal is bound for so long.
MOTION_S_MIN = 20
MOTION_S_MAX = 600
REFERENCE_BYTES = 32
HASH_BYTES = 32
SUBJECT_BYTES_MAX = 8192  # a meeting extension with eleven relays of the longest names
_HASH_PREFIX = b"Folkmoot 1 motion"


class MotionKind(enum.IntEnum):
    REMOVE = 1  # the member in a seat
    ADMIT = 2  # whoever has a key package, where admission is by ballot
    RAISE = 3  # the guest in a seat to elector
    AMEND = 4  # the charter
    RELAYS = 5  # what stands beside the charter: relays, reserve, lanes


@dataclass(frozen=True, slots=True)
class Motion:
    """`mover`: its seat (16); `subject`: a seat (16) to remove or raise, the reference (32) of the
    key package to admit, the encoded new charter, or the encoded new meeting extension under the
    charter that there is; `charter_hash`, `roll_hash`: 32 each; `opens`, `ends`: wall seconds."""

    mover: bytes
    kind: MotionKind
    subject: bytes
    charter_hash: bytes
    roll_hash: bytes
    opens: int
    ends: int

    def __post_init__(self) -> None:
        if not MOTION_S_MIN <= self.ends - self.opens <= MOTION_S_MAX:
            raise codec.DecodeError("a motion that is open for too long, or not long enough")
        if self.kind is MotionKind.AMEND:
            Charter.decode(self.subject)
        elif self.kind is MotionKind.RELAYS:
            meeting = MeetingExtension.decode(self.subject)
            if meeting.charter.hash != self.charter_hash:
                raise codec.DecodeError("a motion for other relays that brings another charter")
        else:
            size = REFERENCE_BYTES if self.kind is MotionKind.ADMIT else SEAT_BYTES
            if len(self.subject) != size:
                raise codec.DecodeError("a motion about nobody")

    def encode(self) -> bytes:
        """The bytes that are signed, after the group id: the mover's seat first."""
        return (
            self.mover
            + codec.u8(MOTION_VERSION)
            + codec.u8(self.kind)
            + codec.opaque(self.subject)
            + self.charter_hash
            + self.roll_hash
            + codec.u32(self.opens)
            + codec.u32(self.ends)
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> Motion:
        mover, version, kind = reader.take(SEAT_BYTES), reader.u8(), reader.u8()
        if version != MOTION_VERSION:
            raise codec.DecodeError(f"a motion of version {version}")
        if kind not in MotionKind._value2member_map_:
            raise codec.DecodeError(f"a motion of the unknown kind {kind}")
        return cls(
            mover,
            MotionKind(kind),
            reader.opaque(SUBJECT_BYTES_MAX),
            reader.take(CHARTER_HASH_BYTES),
            reader.take(HASH_BYTES),
            reader.u32(),
            reader.u32(),
        )

    def hash(self, group_id: bytes) -> bytes:
        """32 bytes that name this motion of this group: what ballots are for."""
        content = _HASH_PREFIX + codec.opaque(group_id) + self.encode()
        return hashlib.sha256(content).digest()


@dataclass(frozen=True, slots=True)
class SignedMotion:
    """A motion and its mover's signature (64 bytes)."""

    motion: Motion
    signature: bytes

    def encode(self) -> bytes:
        return self.motion.encode() + self.signature

    @classmethod
    def read(cls, reader: codec.Reader) -> SignedMotion:
        return cls(Motion.read(reader), reader.take(SIGNATURE_BYTES))

    def verified(self, key: Ed25519PublicKey, group_id: bytes) -> bool:
        """Whether the holder of `key` moved this in the group `group_id`."""
        content = codec.opaque(group_id) + self.motion.encode()
        return verify(key, Sign.MOTION, content, self.signature)


def sign_motion(key: Ed25519PrivateKey, group_id: bytes, motion: Motion) -> SignedMotion:
    """The motion under the key of its mover's leaf."""
    content = codec.opaque(group_id) + motion.encode()
    return SignedMotion(motion, sign(key, Sign.MOTION, content))
