"""Motions and ballots that cannot be judged yet: those of an epoch to come, or that came before
what they are about.

Whatever waits must be bounded, and anybody inside can send as much as they like. So each seat has a
place of its own, for what its key signed: who floods fills that one alone. What names a seat that
is not here (yet) may be anybody's, and waits apart from all that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MOTIONS_OF_SEAT_MAX = 6  # twice those open at a time: some may be over where they come from
BALLOTS_OF_SEAT_MAX = 64  # as many as there are motions open
UNKNOWN_MAX = 128  # of each kind, by seats that are not here


@dataclass(frozen=True, slots=True)
class Early:
    """One record: `motion` is the hash of the one that it is or is about, `key` the seat's under
    which its signature holds, or None when there is no such seat; it waits `until` (wall
    seconds)."""

    body: bytes
    motion: bytes
    seat: bytes
    key: bytes | None
    until: int


class EarlyVotes:
    """All that waits of one kind."""

    def __init__(self, of_seat_max: int) -> None:
        self._of_seat_max = of_seat_max
        # By record, so that a repeated one takes no second place.
        self._of_seats: dict[bytes, dict[bytes, Early]] = {}
        self._unknown: dict[bytes, Early] = {}

    def __iter__(self) -> Iterator[Early]:
        for place in self._of_seats.values():
            yield from place.values()
        yield from self._unknown.values()

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def add(self, one: Early) -> None:
        """Lets it wait. In a seat's own place the first stay, as the first answer counts; of the
        others the last, so that junk must go on and on to keep anything out."""
        if one.key is not None:
            place = self._of_seats.setdefault(one.seat, {})
            if len(place) < self._of_seat_max:
                place.setdefault(one.body, one)
            return
        if one.body not in self._unknown and len(self._unknown) >= UNKNOWN_MAX:
            del self._unknown[next(iter(self._unknown))]
        self._unknown.setdefault(one.body, one)

    def count_of(self, seat: bytes) -> int:
        """How many of this seat wait, that it signed."""
        return len(self._of_seats.get(seat, ()))

    def take_all(self) -> list[Early]:
        """All that waits, which waits no more."""
        taken = list(self)
        self._of_seats, self._unknown = {}, {}
        return taken

    def take_about(self, motion: bytes) -> list[Early]:
        """The same of what is about this motion."""
        return self._take([one for one in self if one.motion == motion])

    def forget(self, wall_s: int) -> None:
        """What waited for too long is gone."""
        self._take([one for one in self if one.until < wall_s])

    def _take(self, gone: list[Early]) -> list[Early]:
        for one in gone:
            if one.key is None:
                del self._unknown[one.body]
                continue
            place = self._of_seats[one.seat]
            del place[one.body]
            if not place:
                del self._of_seats[one.seat]
        return gone
