"""What everybody named, round by round: the counting that the agreement's rules are made of.

Each elector counts once in a round, with the first that was heard of it (a naming is final; who
says two things has said the first). Memory is bounded per elector, so that nobody can push out what
others said.
"""

from __future__ import annotations

from collections.abc import Iterator

from folkmoot.agreement.naming import Naming

ROUNDS_KEPT = 16  # of each elector, the latest; older rounds decide nothing any more
ROUNDS_REPEATED = 3
# Who has moved is locked for ever: later than every round.
MOVED_ROUND = 1 << 16


class Tally:
    """Namings by seat and round, and who has moved already."""

    def __init__(self) -> None:
        self._said: dict[bytes, dict[int, Naming]] = {}
        self._locks: dict[bytes, Naming] = {}  # the latest lock of each, however long ago
        self.moved: dict[bytes, bytes] = {}
        # Counting is asked for far more often than anything new is said.
        self._counted: dict[tuple[int, bool], dict[bytes, set[bytes]]] = {}

    def add(self, seat: bytes, naming: Naming) -> bool:
        """Counts a naming; False when it says nothing new or contradicts an earlier one."""
        said = self._said.setdefault(seat, {})
        if naming.locked and naming.round >= self._locks.get(seat, naming).round:
            self._locks[seat] = naming
        before = said.get(naming.round)
        if before is not None and (before.child != naming.child or not naming.locked):
            return False
        if before is not None and before.locked:
            return False
        if before is None and len(said) >= ROUNDS_KEPT:
            oldest = min(said)
            if naming.round < oldest:
                return False
            del said[oldest]
        said[naming.round] = naming
        self._counted.clear()
        return True

    def move(self, seat: bytes, child: bytes) -> bool:
        """`seat` is in `child` already; False when that is no news."""
        if self.moved.get(seat) == child:
            return False
        self.moved[seat] = child
        self._counted.clear()
        return True

    def said(self, seat: bytes, number: int) -> Naming | None:
        """What `seat` named in round `number`."""
        return self._said.get(seat, {}).get(number)

    def latest(self, seat: bytes) -> Naming | None:
        """What `seat` named in its latest round."""
        said = self._said.get(seat)
        return said[max(said)] if said else None

    def last_lock(self, seat: bytes) -> Naming | None:
        """The naming with which `seat` locked last."""
        return self._locks.get(seat)

    def to_repeat(self, seat: bytes, number: int, times: int) -> list[Naming]:
        """What `seat` should say again the `times`-th time: its naming of round `number`, and in
        turn those of the rounds before and its last lock, so that what led to locks becomes known
        whatever was lost."""
        back = 1 + times % (ROUNDS_REPEATED + 1)
        earlier = self.said(seat, number - back)
        if back > ROUNDS_REPEATED:
            earlier = self.last_lock(seat)
        return [one for one in (self.said(seat, number), earlier) if one is not None]

    def rounds(self) -> list[int]:
        """Every round that somebody named something in, newest first."""
        return sorted({number for said in self._said.values() for number in said}, reverse=True)

    def speakers(self, number: int) -> set[bytes]:
        """Who named something, or none, in round `number`; who has moved speaks in every round."""
        return {seat for seat, said in self._said.items() if number in said} | self.moved.keys()

    def silent(self, seat: bytes, numbers: range) -> bool:
        """Whether `seat` said nothing in any of these rounds."""
        said = self._said.get(seat, {})
        return seat not in self.moved and not any(number in said for number in numbers)

    def names(self, number: int, *, locked: bool = False) -> dict[bytes, set[bytes]]:
        """Who named (or locked) each child in round `number`; who has moved counts in every
        round."""
        found = self._counted.get((number, locked))
        if found is not None:
            return found
        found = {}
        for seat, said in self._said.items():
            naming = said.get(number)
            if seat in self.moved or naming is None or naming.child is None:
                continue
            if naming.locked or not locked:
                found.setdefault(naming.child, set()).add(seat)
        for seat, child in self.moved.items():
            found.setdefault(child, set()).add(seat)
        self._counted[number, locked] = found
        return found

    def claims(self) -> Iterator[tuple[bytes, bytes, int]]:
        """(seat, child, round) of each seat's last lock, unless it has named another child since;
        for who has moved the round is MOVED_ROUND."""
        for seat, lock in self._locks.items():
            said = self._said[seat]
            last = max((number for number in said if said[number].child), default=lock.round)
            moved_on = last > lock.round and said[last].child != lock.child
            if seat not in self.moved and lock.child is not None and not moved_on:
                yield seat, lock.child, lock.round
        for seat, child in self.moved.items():
            yield seat, child, MOVED_ROUND
