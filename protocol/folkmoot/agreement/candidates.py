"""The commits on one parent that were found correct and allowed, and which of them may be named.

At most 8 are kept, two of one committer at most: the second shows that both are void, and a third
would show nothing more. Members may see another two of three, though, and settle the third before
they know: what the others settled is kept besides.

**Why none goes by a timer.** All but the one that settles, and what was committed on that, go in
the moment in which it does; the parent's own secrets go ten seconds later. So none outlives its
parent. And while the parent is the epoch that we are in, a candidate's secrets are nothing that a
thief of the parent's would lack: they follow from the parent's init secret and our private keys,
which any next commit needs, and from the commit, which every member was sent. (Those of our own
commit do not; nobody seals anything under them but who settled it, and then we must follow.) Where
the others settled a commit and we did not hear them, what we staged of it is how we follow without
a fresh leaf. A timer would take that away and close nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from folkmoot.agreement.presence import Presence
from folkmoot.agreement.tally import Tally

CANDIDATES_MAX = 8
RANK_S = 0.7  # longer than a commit takes to reach everybody, or two commit at the same time


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who made it, and when it came here."""

    committer: bytes
    at: float


class Candidates:
    """Candidates by the authenticator (32 bytes) of the epoch that they make."""

    def __init__(self, presence: Presence, tally: Tally) -> None:
        self._presence = presence
        self._tally = tally
        self._kept: dict[bytes, Candidate] = {}
        self._void: set[bytes] = set()  # committers of two, or of one out of time
        self.turns_from: float | None = None  # ranks count from here: None, from each one's arrival

    def __contains__(self, child: bytes) -> bool:
        return child in self._kept

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._kept)

    def add(
        self, child: bytes, committer: bytes, now: float, *, timely: bool, settled: bool
    ) -> bool:
        """Keeps one more; False when it must not be kept. One that is not `timely` uses its
        committer's turn up and is not named by us, but followed if the others lock it. There is
        always room for what the others `settled`."""
        if committer not in self._presence.electors:
            return False
        if settled:
            self._kept[child] = Candidate(committer, now)
            return True
        siblings = [one for one in self._kept.values() if one.committer == committer]
        if len(siblings) > 1 or not self._make_place():
            return False
        if siblings or not timely:
            self._disqualify(committer, now)
        self._kept[child] = Candidate(committer, now)
        return True

    def _disqualify(self, committer: bytes, now: float) -> None:
        self._void.add(committer)
        self.turns_from = now  # the turns begin again, for those who have not committed yet

    def _make_place(self) -> bool:
        """Room for one more; a void one that nobody named goes first."""
        if len(self._kept) < CANDIDATES_MAX:
            return True
        named = {child for number in self._tally.rounds() for child in self._tally.names(number)}
        for child, candidate in self._kept.items():
            if candidate.committer in self._void and child not in named:
                del self._kept[child]
                return True
        return False

    def viable(self, child: bytes) -> bool:
        """Whether `child` may be named by who is not locked."""
        candidate = self._kept.get(child)
        return candidate is not None and candidate.committer not in self._void

    def any_viable(self) -> bool:
        """Whether there is anything to name."""
        return any(self.viable(child) for child in self._kept)

    def committers(self) -> frozenset[bytes]:
        """Who used its turn on this parent already."""
        return frozenset(one.committer for one in self._kept.values()) | self._void

    def in_turn(self, present: frozenset[bytes], now: float) -> bytes | None:
        """The candidate of the lowest rank whose time has come."""
        ready = []
        for child, candidate in self._kept.items():
            if self.viable(child):
                rank = self._presence.rank(candidate.committer, present)
                since = candidate.at if self.turns_from is None else self.turns_from
                if now >= since + rank * RANK_S:
                    ready.append((rank, child))
        return min(ready)[1] if ready else None

    def most_named(self, present: frozenset[bytes]) -> bytes | None:
        """The candidate that most named last, then the one of the lowest rank."""
        votes: dict[bytes | None, int] = {}
        for seat in present | self._tally.moved.keys():
            naming = self._tally.latest(seat)
            named = self._tally.moved.get(seat, naming.child if naming else None)
            votes[named] = votes.get(named, 0) + 1
        viable = [
            (-votes.get(child, 0), self._presence.rank(candidate.committer, present), child)
            for child, candidate in self._kept.items()
            if self.viable(child)
        ]
        return min(viable)[2] if viable else None
