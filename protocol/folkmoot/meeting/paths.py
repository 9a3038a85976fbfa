"""Which entry a link goes by (architecture §4, "Paths"): so that no relay of the meeting sees this
machine's address together with the meeting, and no operator is on all of our paths.

Pure: which relays there are, and what failed, come in; an entry comes out. Entries that carry
nothing of the meeting are preferred: those that its person names, then the reserve. Without enough
of them the relays hide each other's members: three in a ring (A by C, B by A, C by B) survive the
loss of any one, as a path needs two of them and one path needs neither of any pair's rest. Two can
do that for each other, too, and then neither may fail.

All candidates are tried in turn before anything else: an entry that says "not a relay" to bring
somebody to connect directly brings them to the next entry.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from folkmoot.governance import Relay
from folkmoot.governance.extension import RELAYS_MAX
from folkmoot.wire.address import RelayAddress

# For so long a way that failed is not tried while there are others.
FAILED_S = 15.0
FAILURES_MAX = 256
OUTSIDE_MAX = 6  # entries that are weighed against each other; 6^3 plans
PICTURES = frozenset({"show", "watch"})


class NoPathError(Exception):
    """There is no way that hides our address; the text is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Relays:
    """Those that carry the meeting now, and others that may be entries."""

    in_use: tuple[Relay, ...]
    outside: tuple[Relay, ...]

    @classmethod
    def of(cls, used: Iterable[Relay], reserve: Iterable[Relay], own: Iterable[Relay]) -> Relays:
        """`used`: of a meeting that we are not in yet it is all that the invite names, of which
        more than RELAYS_MAX are not in use; `own`: entries that our person names."""
        carrying = tuple(used)
        outside = (*own, *carrying[RELAYS_MAX:], *reserve)
        return cls(carrying[:RELAYS_MAX], tuple({one.address: one for one in outside}.values()))


def operator(relay: Relay) -> object:
    """Who runs it, as far as the meeting says: relays with one label are one operator's."""
    return relay.label or relay.address.pin


def hides(relays: Relays) -> bool:
    """Whether any entry can hide us from each relay in use."""
    return bool(relays.in_use) and all(_entries(one, relays) for one in relays.in_use)


def survives_one(relays: Relays) -> bool:
    """Whether hidden paths can be laid so that no operator is on all of them."""
    return hides(relays) and _plan_score(relays)[0] == 0


def _entries(relay: Relay, relays: Relays) -> list[Relay]:
    """Who may be the entry to this relay: outside ones first, then those in use, beginning with the
    one before it in the ring."""
    outside = [one for one in relays.outside[:OUTSIDE_MAX] if operator(one) != operator(relay)]
    used = list(relays.in_use)
    place = next((at for at, one in enumerate(used) if one.address == relay.address), 0)
    ring = [used[(place - step) % len(used)] for step in range(1, len(used) + 1)] if used else []
    return [
        *(one for one in outside if one.address != relay.address),
        *(one for one in ring if operator(one) != operator(relay)),
    ]


def _score(relays: Relays, entries: Sequence[Relay], turn: int) -> tuple[int, int, int, int]:
    """How bad a plan is: operators on all paths, entries that carry the meeting too, outside
    entries used twice, and then any order that differs from agent to agent."""
    paths = [
        {operator(relay), operator(entry)}
        for relay, entry in zip(relays.in_use, entries, strict=True)
    ]
    on_all = len(set.intersection(*paths))
    used = {one.address for one in relays.in_use}
    inside = sum(one.address in used for one in entries)
    twice = len(entries) - len({one.address for one in entries})
    outside = [one.address for one in relays.outside]
    order = 0
    for place, (relay, entry) in enumerate(zip(relays.in_use, entries, strict=True)):
        if entry.address in outside:
            rank = (outside.index(entry.address) - turn - place) % len(outside)
        else:
            rank = _entries(relay, relays).index(entry)
        order += rank
    return on_all, inside, twice, order


def _plan_score(relays: Relays, turn: int = 0) -> tuple[int, tuple[Relay, ...]]:
    choices = [_entries(one, relays) for one in relays.in_use]
    best = min(
        itertools.product(*choices),
        key=lambda entries: _score(relays, entries, turn),
        default=(),
    )
    return (_score(relays, best, turn)[0] if best else 1), tuple(best)


@dataclass(slots=True)
class Paths:
    """The paths of one agent. `turn`: any number, so that agents spread over outside entries;
    `rather_seen`: whether our person would rather be seen than silent, and so connects directly
    when no entry works."""

    turn: int = 0
    rather_seen: bool = False
    _failed: dict[tuple[RelayAddress, RelayAddress], float] = field(default_factory=dict)
    _plan: tuple[Relays, dict[RelayAddress, Relay]] | None = None

    def planned(self, relays: Relays) -> dict[RelayAddress, Relay]:
        """The entry to each relay in use while nothing fails; empty when there are none."""
        # All links are looked at again and again, and weighing hundreds of plans takes a while.
        if self._plan is None or self._plan[0] != relays:
            entries = _plan_score(relays, self.turn)[1] if hides(relays) else ()
            by = dict(zip((one.address for one in relays.in_use), entries, strict=False))
            self._plan = relays, by
        return dict(self._plan[1])

    def choose(
        self, relay: RelayAddress, purpose: str, relays: Relays, now: float
    ) -> RelayAddress | None:
        """The entry for a link to this relay; None: directly. Pictures go by another entry than
        voice where there is one. NoPathError when nothing would hide us, and our person does not
        want to be seen."""
        candidates = self._candidates(relay, relays)
        usable = [one for one in candidates if not self._fails(relay, one.address, now)]
        if usable:
            place = 1 if purpose in PICTURES and len(usable) > 1 else 0
            return usable[place].address
        if self.rather_seen:
            return None
        if candidates:
            return min(candidates, key=lambda one: self._failed[relay, one.address]).address
        raise NoPathError(
            "there is no other relay that could hide your address from it, and you did not allow "
            "that it sees you"
        )

    def _candidates(self, relay: RelayAddress, relays: Relays) -> list[Relay]:
        """Who may be the entry to this relay, the planned one first."""
        known = [one for one in (*relays.in_use, *relays.outside) if one.address == relay]
        target = known[0] if known else Relay(relay)
        candidates = _entries(target, relays)
        first = self.planned(relays).get(relay)
        if first is None:
            return candidates
        return [first, *(one for one in candidates if one.address != first.address)]

    def better(
        self, relay: RelayAddress, purpose: str, relays: Relays, entry: RelayAddress | None
    ) -> list[RelayAddress]:
        """The entries that a link should rather go by, best first: the one that it would go by if
        nothing had failed; from a direct connection, which shows our address, all others, too."""
        candidates = [one.address for one in self._candidates(relay, relays)]
        if purpose in PICTURES and len(candidates) > 1:
            candidates = [*candidates[1:], candidates[0]]
        return candidates if entry is None else [one for one in candidates[:1] if one != entry]

    def _fails(self, relay: RelayAddress, entry: RelayAddress, now: float) -> bool:
        at = self._failed.get((relay, entry))
        return at is not None and now - at < FAILED_S

    def failed(self, relay: RelayAddress, entry: RelayAddress, now: float) -> None:
        """A link by this entry could not be made, or broke."""
        self._failed.pop((relay, entry), None)
        if len(self._failed) >= FAILURES_MAX:
            del self._failed[next(iter(self._failed))]
        self._failed[relay, entry] = now

    def worked(self, relay: RelayAddress, entry: RelayAddress) -> None:
        """A link by this entry is up."""
        self._failed.pop((relay, entry), None)
