"""Who is there, and whose turn it is (architecture §6, "Who commits").

An elector is present when it was heard within 3 s, or longer where there are so many members that
each says something more rarely. At the beginning, and after our own links were
down, everybody has the benefit of the doubt for as long: who has just opened its ears must not
conclude that it is alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

PRESENT_S = 3.0  # shorter: a lost beacon looks like an absence; longer: a crash delays everybody


class Presence:
    """When each elector was heard last, and the order of their turns."""

    def __init__(
        self,
        own: bytes,
        electors: Iterable[bytes],
        last_committer: bytes | None,
        heard: Mapping[bytes, float],
        now: float,
        patience: float = 1.0,
    ) -> None:
        """`heard`: when each was heard in the parent's parent; who is missing there counts as heard
        `now`. `patience`: by how much longer one may be silent, where beacons are rarer."""
        seats = sorted(set(electors))
        after = last_committer or b""
        # Seats in order of their ids, beginning after the last committer, wherever it would stand.
        self.order = [seat for seat in seats if seat > after]
        self.order += [seat for seat in seats if seat <= after]
        self.electors = frozenset(seats)
        self.left: set[bytes] = set()
        self._own = own
        self._present_s = PRESENT_S * patience
        self._heard = {seat: heard.get(seat, now) for seat in seats}

    @property
    def heard(self) -> dict[bytes, float]:
        """When each elector was heard last."""
        return dict(self._heard)

    def hear(self, seat: bytes, now: float) -> bool:
        """The elector in `seat` was heard; news that come late do not take newer ones back. Whether
        it had been silent for so long that it may have counted as absent."""
        before = self._heard.get(seat)
        if before is None or before >= now:
            return False
        self._heard[seat] = now
        return now - before >= self._present_s

    def hear_all(self, now: float) -> None:
        """We could hear nobody until now: everybody has the benefit of the doubt."""
        for seat in self._heard:
            self.hear(seat, now)

    def leave(self, seat: bytes) -> None:
        """The member in `seat` said farewell."""
        if seat in self.electors:
            self.left.add(seat)

    def present(self, now: float) -> frozenset[bytes]:
        """Electors who are there now, ourselves among them."""
        return frozenset(
            seat
            for seat, at in self._heard.items()
            if seat not in self.left and (seat == self._own or now - at < self._present_s)
        )

    def next_absence(self, now: float) -> float | None:
        """When the next of those present will count as absent if it stays silent."""
        due = [
            at + self._present_s
            for seat, at in self._heard.items()
            if seat != self._own and seat not in self.left and now - at < self._present_s
        ]
        return min(due, default=None)

    def rank(self, seat: bytes, present: frozenset[bytes]) -> int:
        """How many of those present have their turn before `seat`; it counts in its place even when
        it is not heard itself."""
        rank = 0
        for other in self.order:
            if other == seat:
                break
            rank += other in present
        return rank

    def turn_holder(self, number: int, present: frozenset[bytes]) -> bytes | None:
        """Who leads round `number`: each round the next of those present."""
        waiting = [seat for seat in self.order if seat in present]
        return waiting[number % len(waiting)] if waiting else None
