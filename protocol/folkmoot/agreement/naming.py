"""A naming: which candidate an elector names in a round, and whether it is locked on it
(architecture §6, "Which commit counts").

It travels in the council as a statement signed with the label NAMING, after group id and seat.
"""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.wire import codec

AUTHENTICATOR_BYTES = 32
NAMING_BYTES_MAX = 68
ROUND_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class Naming:
    """`parent`, `child`: epoch authenticators, 32 bytes each; no child: the elector names none in
    this round. `locked`: more than two thirds were seen naming this child in this very round."""

    parent: bytes
    round: int
    child: bytes | None
    locked: bool

    def encode(self) -> bytes:
        """Parent, round as u16, optional child, locked: 36 or 68 bytes."""
        return (
            self.parent + codec.u16(self.round) + codec.optional(self.child) + codec.u8(self.locked)
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> Naming:
        """One naming; raises DecodeError."""
        parent, number = reader.take(AUTHENTICATOR_BYTES), reader.u16()
        child = reader.optional(lambda inner: inner.take(AUTHENTICATOR_BYTES))
        locked = reader.boolean()
        if locked and child is None:
            raise codec.DecodeError("a lock on nothing")
        return cls(parent, number, child, locked)

    @classmethod
    def decode(cls, data: bytes) -> Naming:
        """The naming of these bytes; raises DecodeError."""
        return codec.decode(cls.read, data)
