"""Whose sound and picture it is: what each voice cell and picture frame is signed over.

SFrame's keys are known to the whole group, so a cell that opens proves only "a member". The
signature binds it to one seat, epoch, lane and counter (architecture §5, "Speaking as another").
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from folkmoot.cells.media import LaneId, key_id
from folkmoot.wire import codec, labels
from folkmoot.wire.lanes import LaneSlot


@dataclass(frozen=True, slots=True)
class Author:
    """A member in one epoch: `epoch_authenticator` is 32 bytes, `seat` 16."""

    group_id: bytes
    epoch_authenticator: bytes
    seat: bytes
    leaf: int
    epoch: int

    def content(self, lane: LaneId, counter: int, digest: bytes) -> bytes:
        """group id ‖ epoch authenticator ‖ seat ‖ lane (slot, stream) ‖ key id ‖ counter ‖ SHA-256
        of what is said."""
        return b"".join(
            (
                codec.opaque(self.group_id),
                codec.opaque(self.epoch_authenticator),
                codec.opaque(self.seat),
                codec.u8(lane.slot),
                codec.u8(lane.stream),
                codec.u64(key_id(lane, self.leaf, self.epoch)),
                codec.u64(counter),
                codec.opaque(digest),
            )
        )


def _label(lane: LaneId) -> labels.Sign:
    if lane.slot is LaneSlot.VOICE:
        return labels.Sign.VOICE_CELL
    return labels.Sign.PICTURE_FRAME


def sign(
    key: Ed25519PrivateKey, author: Author, lane: LaneId, counter: int, digest: bytes
) -> bytes:
    """64 bytes by the author's leaf key."""
    return labels.sign(key, _label(lane), author.content(lane, counter, digest))


def verify(
    key: Ed25519PublicKey,
    author: Author,
    lane: LaneId,
    counter: int,
    digest: bytes,
    signature: bytes,
) -> bool:
    """Whether the author signed this; never raises."""
    return labels.verify(key, _label(lane), author.content(lane, counter, digest), signature)
