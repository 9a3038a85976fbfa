"""When a link that goes by another entry than planned goes back to it (architecture §4, "Paths").

A way that failed is left at once, and what replaces it is rarely as good: an entry that carries the
meeting too, or one operator on more ways than need be. So the planned way is tried again in the
background after a while, and the link moves there once that stands. Each try that fails doubles the
wait for the next, so that an entry which is gone for good costs little, and one that comes and goes
takes nobody along each time.

Pure, like `paths`: which links are up by what, and what failed, come in; which are to move, comes
out. A move never puts one operator on all ways of a purpose where none was before: where one link
alone would, all that are due move together or stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from folkmoot.meeting.paths import PICTURES, Paths, Relays, operator
from folkmoot.wire.address import RelayAddress

# Long enough that a relay which is started again is there, and no longer than one can be without
# the better way. Doubled by every try that fails.
BACK_FIRST_S = 30.0
BACK_MAX_S = 480.0
WAITS_MAX = 256

Link = tuple[RelayAddress, str]  # a relay, and the purpose for which it is connected to
# By which entry each link goes; None: directly.
Entries = Mapping[Link, RelayAddress | None]


@dataclass(slots=True)
class _Wait:
    """For one way: since when, and how often it was doubled."""

    since: float
    doubled: int = 0
    worked_at: float | None = None  # when a link by it came up, if none failed since

    @property
    def seconds(self) -> float:
        return min(BACK_MAX_S, BACK_FIRST_S * 2.0**self.doubled)


class WaysBack:
    """Of one agent."""

    def __init__(self) -> None:
        self._waits: dict[tuple[RelayAddress, RelayAddress], _Wait] = {}

    def failed(self, relay: RelayAddress, entry: RelayAddress, now: float) -> None:
        """A link by this entry could not be made, or broke."""
        wait = self._waits.get((relay, entry))
        if wait is None:
            self._begin(relay, entry, now)
            return
        if wait.worked_at is not None and now - wait.worked_at >= wait.seconds:
            wait.doubled = 0  # it held as long as it was waited for
        elif now - wait.since >= wait.seconds:
            # What fails while nobody waited for it says nothing new: a line that is cut makes
            # every way fail every few seconds.
            wait.doubled = min(wait.doubled + 1, 16)
        wait.since, wait.worked_at = now, None

    def worked(self, relay: RelayAddress, entry: RelayAddress, now: float) -> None:
        """A link by this entry is up."""
        wait = self._waits.get((relay, entry))
        if wait is not None and wait.worked_at is None:
            wait.worked_at = now

    def due(
        self, up: Entries, paths: Paths, relays: Relays, now: float
    ) -> dict[Link, RelayAddress]:
        """The links to be tried by these entries now, together; mostly one, or none. `up`: the
        links that are up."""
        found: dict[Link, RelayAddress] = {}
        for link, entry in up.items():
            for better in paths.better(*link, relays, entry):
                if self._is_over(link[0], better, now):
                    found[link] = better
                    break
        for link, entry in found.items():
            if _may_move(up, {link: entry}, relays):
                return {link: entry}
        return found if _may_move(up, found, relays) else {}

    def _is_over(self, relay: RelayAddress, entry: RelayAddress, now: float) -> bool:
        wait = self._waits.get((relay, entry))
        if wait is None:  # nothing failed: it was planned otherwise a moment ago
            wait = self._begin(relay, entry, now)
        return now - wait.since >= wait.seconds

    def _begin(self, relay: RelayAddress, entry: RelayAddress, now: float) -> _Wait:
        if len(self._waits) >= WAITS_MAX:
            del self._waits[next(iter(self._waits))]
        wait = self._waits[relay, entry] = _Wait(now)
        return wait


def _may_move(up: Entries, moves: Mapping[Link, RelayAddress], relays: Relays) -> bool:
    """Whether no operator is on all ways afterwards that was not before, and no picture goes by
    the entry of its relay's voice that did not."""
    after = {**up, **moves}
    if any(
        _on_all(after, purpose, relays) and not _on_all(up, purpose, relays)
        for purpose in {purpose for _, purpose in moves}
    ):
        return False
    return not any(_together(after, relay) > _together(up, relay) for relay, _ in moves)


def _on_all(entries: Entries, purpose: str, relays: Relays) -> bool:
    """Whether one operator is on all ways of this purpose to the relays in use."""
    known = {one.address: operator(one) for one in (*relays.in_use, *relays.outside)}
    used = {one.address for one in relays.in_use}
    ways = [
        {known[relay], None if entry is None else known.get(entry, entry)}
        for (relay, what), entry in entries.items()
        if what == purpose and relay in used
    ]
    return bool(ways) and bool(set.intersection(*ways) - {None})


def _together(entries: Entries, relay: RelayAddress) -> int:
    """How many links for pictures go to this relay by an entry by which its voice goes, too."""
    ways = [(purpose, entry) for (one, purpose), entry in entries.items() if one == relay]
    voice = {entry for purpose, entry in ways if purpose not in PICTURES}
    return sum(purpose in PICTURES and entry in voice for purpose, entry in ways)
