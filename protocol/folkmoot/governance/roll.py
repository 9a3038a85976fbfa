"""The roll: who votes in an epoch, and in which line (architecture §6, "Charter", "Ballots").

A line is all whom one of those brought in whom the founder brought in, however many steps between:
the founder is a line by itself, whoever the founder brings in begins one, and whoever anybody else
brings in joins theirs. Lines by the direct inviter, as first designed, count for nothing: an
infiltrator's friend brings in another friend, who brings in a third, and each would be a line of
one. This way all who stand below one infiltrator in the tree of invitations are in one line,
however they invited each other, so infiltrators have at most as many lines as the founder and those
below the founder took in of them. (An infiltrator who founds the meeting is the meeting.)

Who brought somebody in is who answers for it with a signature: the sponsor that admits, the mover
of the motion by which the electors admit, or raise a guest. What the invite says is no good for it,
since an invite that is shown around brings in whoever reads it.

Where everyone votes and lines do not count, the roll is the roster. Elsewhere it stands in the
GroupContext (`EXTENSION_TYPE`), so that all members of an epoch agree on it as they agree on the
epoch, newcomers too; it changes with a commit that makes electors and with no other. Seats of those
who are gone may still stand there and are passed over; nobody can take such a seat again.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from folkmoot.governance.charter import Charter, Electors
from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.wire import codec

EXTENSION_TYPE = 0xF0A3  # private use (RFC 9420 §17.3)
ROLL_VERSION = 1
ROLL_MAX = 1024  # as many as a commit can take evidence for
FOUNDER = bytes(SEAT_BYTES)  # the line of who opened the meeting
_HASH_PREFIX = b"Folkmoot 1 roll"


@dataclass(frozen=True, slots=True)
class Elector:
    """`seat`: 16 bytes; `line`: the seat that began its line (16), or FOUNDER."""

    seat: bytes
    line: bytes = FOUNDER

    def encode(self) -> bytes:
        """32 bytes."""
        return self.seat + self.line

    @classmethod
    def read(cls, reader: codec.Reader) -> Elector:
        return cls(reader.take(SEAT_BYTES), reader.take(SEAT_BYTES))


@dataclass(frozen=True, slots=True)
class Roll:
    """Electors by rising seat, each once."""

    electors: tuple[Elector, ...]
    _lines: dict[bytes, bytes] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        seats = [one.seat for one in self.electors]
        if len(seats) > ROLL_MAX:
            raise codec.DecodeError(f"more than {ROLL_MAX} electors")
        if any(a >= b for a, b in itertools.pairwise(seats)):
            raise codec.DecodeError("electors out of order")
        lines = {one.seat: one.seat if one.line == FOUNDER else one.line for one in self.electors}
        object.__setattr__(self, "_lines", lines)

    @classmethod
    def of(cls, electors: Iterable[Elector]) -> Roll:
        """A roll of these, in any order."""
        return cls(tuple(sorted(electors, key=lambda one: one.seat)))

    @classmethod
    def everyone(cls, seats: Iterable[bytes]) -> Roll:
        """The roll where everyone votes for themselves."""
        return cls(tuple(Elector(seat) for seat in sorted(seats)))

    def __len__(self) -> int:
        return len(self.electors)

    def __contains__(self, seat: object) -> bool:
        return seat in self._lines

    @property
    def seats(self) -> tuple[bytes, ...]:
        return tuple(one.seat for one in self.electors)

    def lines(self) -> dict[bytes, int]:
        """Every line, named by the seat that began it, and how many electors are in it."""
        counts: dict[bytes, int] = {}
        for line in self._lines.values():
            counts[line] = counts.get(line, 0) + 1
        return counts

    def line_of(self, seat: bytes) -> bytes | None:
        """The line of an elector."""
        return self._lines.get(seat)

    def brought_in(self, seat: bytes, by: bytes) -> Elector:
        """The newcomer in `seat` whom the elector in `by` brings in."""
        begins = next(one.line == FOUNDER for one in self.electors if one.seat == by)
        return Elector(seat, seat if begins else self._lines[by])

    def among(self, seats: Collection[bytes]) -> Roll:
        """Those of them who are in these seats."""
        return Roll(tuple(one for one in self.electors if one.seat in seats))

    def encode(self) -> bytes:
        """Version, then 32 bytes for each elector."""
        return codec.u8(ROLL_VERSION) + codec.vector(one.encode() for one in self.electors)

    @classmethod
    def decode(cls, data: bytes) -> Roll:
        """The roll of these bytes; raises DecodeError."""
        return codec.decode(cls._read, data)

    @classmethod
    def _read(cls, reader: codec.Reader) -> Roll:
        version = reader.u8()
        if version != ROLL_VERSION:
            raise codec.DecodeError(f"a roll of version {version}")
        return cls(tuple(reader.vector(Elector.read, items_max=ROLL_MAX)))

    @property
    def hash(self) -> bytes:
        """32 bytes that name this roll."""
        return hashlib.sha256(_HASH_PREFIX + self.encode()).digest()


def is_recorded(charter: Charter) -> bool:
    """Whether the roll stands in the GroupContext: where it is more than the roster."""
    return charter.electors is Electors.VOUCHED or charter.lineage
