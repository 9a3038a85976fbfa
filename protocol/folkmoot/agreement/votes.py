"""What the namings amount to: whose votes count, what wins, and what enough claim to be locked on.

Every rule here takes those present as an argument: views of presence differ between members, and
the argument in `agreement` says what follows from that.
"""

from __future__ import annotations

from folkmoot.agreement.candidates import Candidates
from folkmoot.agreement.presence import Presence
from folkmoot.agreement.tally import MOVED_ROUND, Tally

# Who says nothing for so many rounds (9 s and more) is not waited for although it is heard: it may
# have come back without the right to name, or want to block a small meeting at no cost.
MUTE_ROUNDS = 3


def quorum(supporters: int, base: int) -> bool:
    """Whether so many are more than two thirds of `base`."""
    return 3 * supporters > 2 * base


def liars_max(base: int) -> int:
    """How many of `base` may lie: fewer than a third. One more than that holds an honest one."""
    return max(base - 1, 0) // 3


class Votes:
    """Judges a tally."""

    def __init__(
        self, own: bytes, presence: Presence, tally: Tally, candidates: Candidates
    ) -> None:
        self._own = own
        self._presence = presence
        self._tally = tally
        self._candidates = candidates

    def base(self, number: int, present: frozenset[bytes]) -> set[bytes]:
        """Whose votes count in a round: those present, and whoever voted and went silent since."""
        base = (self._tally.speakers(number) | present) - self._presence.left
        if number < MUTE_ROUNDS:
            return base
        before = range(number - MUTE_ROUNDS, number + 1)
        return {seat for seat in base if seat == self._own or not self._tally.silent(seat, before)}

    def wins(self, supporters: set[bytes], number: int, present: frozenset[bytes]) -> bool:
        """Whether these are more than two thirds of those whose votes count in the round."""
        base = self.base(number, present)
        return quorum(len(supporters & base), len(base))

    def winners(self, present: frozenset[bytes]) -> list[tuple[int, bytes]]:
        """(round, candidate) that more than two thirds named, the latest round first."""
        return [
            (number, child)
            for number in self._tally.rounds()
            for child, namers in self._tally.names(number).items()
            if child in self._candidates and self.wins(namers, number, present)
        ]

    def locked(self, number: int, present: frozenset[bytes]) -> bytes | None:
        """A child that more than two thirds locked in one round, `number` or another."""
        for at in self._tally.rounds() or [number]:
            for child, lockers in self._tally.names(at, locked=True).items():
                if self.wins(lockers, at, present):
                    return child
        return None

    def claimed(self, number: int, present: frozenset[bytes]) -> list[tuple[int, bytes]]:
        """Candidates that more others claim to be locked on than there can be liars, so that one
        honest elector at least is locked on it in that round or later: (round, child), the latest
        round first, then the lowest hash."""
        rounds: dict[bytes, list[int]] = {}
        for seat, child, at in self._tally.claims():
            if seat != self._own and seat not in self._presence.left:
                rounds.setdefault(child, []).append(at)
        enough = liars_max(len(self.base(number, present)))
        found = [
            (-sorted(numbers, reverse=True)[enough], child)
            for child, numbers in rounds.items()
            if len(numbers) > enough and child in self._candidates
        ]
        return [(-at, child) for at, child in sorted(found)]

    def strongest(self, own: bytes, number: int, present: frozenset[bytes]) -> bytes:
        """Of the candidates that enough claim to be locked on, and our own: that which most moved
        to, then most claim, then the lowest hash. All who know the same answer the same."""
        claims: dict[bytes, list[bool]] = {}
        for seat, child, at in self._tally.claims():
            if seat not in self._presence.left:
                claims.setdefault(child, []).append(at == MOVED_ROUND)
        enough = liars_max(len(self.base(number, present)))
        rivals = [
            (-sum(moved), -len(moved), child)
            for child, moved in claims.items()
            if child in self._candidates and (child == own or len(moved) > enough)
        ]
        return min(rivals)[2] if rivals else own

    def larger_branch(self, number: int, present: frozenset[bytes]) -> bytes | None:
        """When others have moved apart, so far that those who have not moved can make nothing win:
        the larger branch, of equal ones that with the lower hash."""
        base = self.base(number, present)
        branches: dict[bytes, int] = {}
        for seat, child in self._tally.moved.items():
            if seat in base:
                branches[child] = branches.get(child, 0) + 1
        if not branches:
            return None
        child = min(branches, key=lambda one: (-branches[one], one))
        undecided = len(base) - sum(branches.values())
        hopeless = not quorum(branches[child] + undecided, len(base))
        return child if hopeless and branches[child] > liars_max(len(base)) else None
