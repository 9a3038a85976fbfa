"""How many voice cells of each member came through each relay, a quarter of a second at a time.

Counted is every copy, not the first alone: what a relay keeps back is seen only if what the others
brought meanwhile does not hide it.
"""

from __future__ import annotations

from collections.abc import Container

STEP_S = 0.25
KEPT_STEPS = 28  # 7 s: what a statement of another, made a while ago, is compared with


class _Row:
    """One member's cells through one relay: how many came until the end of each of the last steps,
    so that a count is a difference of two numbers however long the time is."""

    __slots__ = ("_latest", "_totals")

    def __init__(self, step: int) -> None:
        self._latest = step
        self._totals = [0] * KEPT_STEPS  # of the step with this number, modulo KEPT_STEPS

    def add(self, step: int, cells: int) -> None:
        latest, totals = self._latest, self._totals
        if step > latest:
            total = totals[latest % KEPT_STEPS]
            for late in range(max(latest, step - KEPT_STEPS) + 1, step + 1):
                totals[late % KEPT_STEPS] = total
            self._latest = latest = step
        totals[latest % KEPT_STEPS] += cells

    def between(self, first: int, last: int) -> int:
        """How many came from the first of these steps to before the last; nothing is known of
        those too long ago."""
        latest, totals = self._latest, self._totals
        if first > latest:
            return 0
        oldest = latest - KEPT_STEPS + 1
        until = latest if last > latest else last - 1
        if until < oldest:
            return 0
        since = first - 1 if first > oldest else oldest
        return totals[until % KEPT_STEPS] - totals[since % KEPT_STEPS]

    def is_over(self, step: int) -> bool:
        """Whether nothing came for so long that nobody asks."""
        return self._latest <= step - KEPT_STEPS


class Arrivals:
    """Counts by relay (first 8 bytes of its pin) and seat."""

    def __init__(self) -> None:
        self._rows: dict[tuple[bytes, bytes], _Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, relay: bytes, seat: bytes, now: float, cells: int = 1) -> None:
        """Cells that this seat signed came through this relay."""
        step = int(now / STEP_S)
        row = self._rows.get((relay, seat))
        if row is None:
            row = self._rows[relay, seat] = _Row(step)
        row.add(step, cells)

    def count(self, relay: bytes, seat: bytes, start: float, end: float) -> int:
        """Cells in the whole steps from the one that holds `start` to before the one that holds
        `end`."""
        row = self._rows.get((relay, seat))
        return 0 if row is None else row.between(int(start / STEP_S), int(end / STEP_S))

    def forget(self, seats: Container[bytes], now: float) -> None:
        """Keeps the counts of these seats alone, and none of a relay that brings nothing more."""
        step = int(now / STEP_S)
        self._rows = {
            (relay, seat): row
            for (relay, seat), row in self._rows.items()
            if seat in seats and not row.is_over(step)
        }
