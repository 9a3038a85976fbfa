"""What a Commit carries in its authenticated data so that every member can judge it (architecture
§6).

A Commit that adds or takes away a seat is worth nothing by itself: the reasons travel with it,
each a signature by somebody who had the right to ask for the change.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.wire import codec
from folkmoot.wire.labels import Sign, sign

SEAT_BYTES = 16
EVIDENCE_VERSION = 1
EVIDENCES_MAX = 1024  # a commit adds or removes no more members than this
CERTIFICATE_BYTES_MAX = 1 << 16
ADMISSION_S = 120  # an admission holds for no longer
# The latest tick of a commit (in the year 2106): what lasts for a while from then on still has a
# number of 32 bits.
TICK_MAX = (1 << 32) - (1 << 17)


class EvidenceKind(enum.IntEnum):
    SPONSOR = 1
    FAREWELL = 2
    READMISSION = 3
    CERTIFICATE = 4  # ballots; decoded so that its bytes are fixed, refused until motions exist


@dataclass(frozen=True, slots=True)
class Sponsor:
    """An elector admits the newcomer whose key package has `reference` (32 bytes), in a commit
    whose tick is not after `until` (wall seconds): so that nobody brings back with an old
    admission one who has left since."""

    reference: bytes
    seat: bytes
    until: int
    signature: bytes

    def encode(self) -> bytes:
        return (
            codec.u8(EvidenceKind.SPONSOR)
            + codec.opaque(self.reference)
            + self.seat
            + codec.u32(self.until)
            + codec.opaque(self.signature)
        )


@dataclass(frozen=True, slots=True)
class Farewell:
    """The member in `seat`, whose leaf node has `leaf_hash` (32 bytes), leaves."""

    seat: bytes
    leaf_hash: bytes
    signature: bytes

    def encode(self) -> bytes:
        return (
            codec.u8(EvidenceKind.FAREWELL)
            + self.seat
            + codec.opaque(self.leaf_hash)
            + codec.opaque(self.signature)
        )


@dataclass(frozen=True, slots=True)
class Readmission:
    """The member in `seat` gives up the leaf with `leaf_hash` for the key package with
    `reference`."""

    seat: bytes
    leaf_hash: bytes
    reference: bytes
    signature: bytes

    def encode(self) -> bytes:
        return (
            codec.u8(EvidenceKind.READMISSION)
            + self.seat
            + codec.opaque(self.leaf_hash)
            + codec.opaque(self.reference)
            + codec.opaque(self.signature)
        )


@dataclass(frozen=True, slots=True)
class Certificate:
    """Ballots for a motion; opaque here."""

    data: bytes

    def encode(self) -> bytes:
        return codec.u8(EvidenceKind.CERTIFICATE) + codec.opaque(self.data)


Evidence = Sponsor | Farewell | Readmission | Certificate


def read_evidence(reader: codec.Reader) -> Evidence:
    """One piece of evidence; DecodeError for an unknown kind."""
    kind = reader.u8()
    if kind == EvidenceKind.SPONSOR:
        return Sponsor(reader.opaque(64), reader.take(SEAT_BYTES), reader.u32(), reader.opaque(64))
    if kind == EvidenceKind.FAREWELL:
        return Farewell(reader.take(SEAT_BYTES), reader.opaque(64), reader.opaque(64))
    if kind == EvidenceKind.READMISSION:
        return Readmission(
            reader.take(SEAT_BYTES), reader.opaque(64), reader.opaque(64), reader.opaque(64)
        )
    if kind == EvidenceKind.CERTIFICATE:
        return Certificate(reader.opaque(CERTIFICATE_BYTES_MAX))
    raise codec.DecodeError(f"evidence of the unknown kind {kind}")


@dataclass(frozen=True, slots=True)
class CommitEvidence:
    """`tick`: wall clock of the committer in seconds, never below that of the parent's commit, at
    most TICK_MAX."""

    tick: int
    evidence: tuple[Evidence, ...]

    def encode(self) -> bytes:
        """The whole authenticated data of a Commit."""
        return (
            codec.u8(EVIDENCE_VERSION)
            + codec.u32(self.tick)
            + codec.vector(one.encode() for one in self.evidence)
        )


def decode_commit_evidence(data: bytes) -> CommitEvidence:
    """The authenticated data of a Commit; DecodeError for anything else."""
    reader = codec.Reader(data)
    version = reader.u8()
    if version != EVIDENCE_VERSION:
        raise codec.DecodeError(f"evidence of version {version}")
    tick = reader.u32()
    if tick > TICK_MAX:
        raise codec.DecodeError("a tick after all time")
    evidence = tuple(reader.vector(read_evidence, items_max=EVIDENCES_MAX))
    reader.finish()
    return CommitEvidence(tick, evidence)


def sponsor_content(group_id: bytes, seat: bytes, reference: bytes, until: int) -> bytes:
    """What a sponsor signs."""
    return codec.opaque(group_id) + seat + codec.opaque(reference) + codec.u32(until)


def farewell_content(group_id: bytes, seat: bytes, leaf_hash: bytes) -> bytes:
    """What one who leaves signs: bound to this very leaf, so it is stale after a readmission."""
    return codec.opaque(group_id) + seat + codec.opaque(leaf_hash)


def readmission_content(group_id: bytes, seat: bytes, leaf_hash: bytes, reference: bytes) -> bytes:
    """What one who returns signs: the old leaf, and the only key package that may replace it."""
    return codec.opaque(group_id) + seat + codec.opaque(leaf_hash) + codec.opaque(reference)


def make_sponsor(
    key: Ed25519PrivateKey, group_id: bytes, seat: bytes, reference: bytes, until: int
) -> Sponsor:
    content = sponsor_content(group_id, seat, reference, until)
    return Sponsor(reference, seat, until, sign(key, Sign.ADMISSION, content))


def make_farewell(
    key: Ed25519PrivateKey, group_id: bytes, seat: bytes, leaf_hash: bytes
) -> Farewell:
    signature = sign(key, Sign.FAREWELL, farewell_content(group_id, seat, leaf_hash))
    return Farewell(seat, leaf_hash, signature)


def make_readmission(
    key: Ed25519PrivateKey, group_id: bytes, seat: bytes, leaf_hash: bytes, reference: bytes
) -> Readmission:
    content = readmission_content(group_id, seat, leaf_hash, reference)
    return Readmission(seat, leaf_hash, reference, sign(key, Sign.READMISSION, content))
