"""A constant pace: when the next cell is due, whoever speaks."""

from __future__ import annotations

import math

from folkmoot.cells.errors import UsageError

# Cells sent at once to make up for a late timer. An agent that was suspended does not send what
# it missed: a burst would be seen, and its content is old.
CATCH_UP_CELLS_MAX = 4


class Pacer:
    """Due times on the grid `start + n * period_s`, so that lateness never adds up."""

    def __init__(self, period_s: float, start: float) -> None:
        """`start`: when the first cell is due."""
        if not (math.isfinite(start) and math.isfinite(period_s) and period_s > 0):
            raise UsageError("a pace has a start and a period above zero")
        self._period_s = period_s
        self._start = start
        self._sent = 0  # places of the grid that are behind us
        self.skipped = 0

    @property
    def period_s(self) -> float:
        return self._period_s

    def next_timer(self) -> float:
        """When the next cell is due."""
        return self._start + self._sent * self._period_s

    def due(self, now: float) -> int:
        """How many cells to send now, 0 to CATCH_UP_CELLS_MAX; counts them as sent."""
        behind = 0
        if now >= self.next_timer():
            # The division may be off by one step where `next_timer` rounds: at least one is due.
            behind = max(1, math.floor((now - self._start) / self._period_s) + 1 - self._sent)
        cells = min(behind, CATCH_UP_CELLS_MAX)
        self.skipped += behind - cells
        self._sent += behind
        return cells

    def set_period(self, period_s: float, now: float) -> None:
        """Changes the pace; the cell that is due next stays due, or comes one new period from
        now if that is sooner."""
        if not (math.isfinite(period_s) and period_s > 0):
            raise UsageError("a period is above zero")
        self._start = max(now, min(self.next_timer(), now + period_s))
        self._sent = 0
        self._period_s = period_s
