"""How many voice cells of each member came through each relay, a quarter of a second at a time.

Counted is every copy, not the first alone: what a relay keeps back is seen only if what the others
brought meanwhile does not hide it.
"""

from __future__ import annotations

from collections import deque

STEP_S = 0.25
KEPT_STEPS = 28  # 7 s: what a statement of another, made a while ago, is compared with


class Arrivals:
    """Counts by relay (first 8 bytes of its pin) and seat."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, dict[tuple[bytes, bytes], int]]] = deque(maxlen=KEPT_STEPS)

    def add(self, relay: bytes, seat: bytes, now: float, cells: int = 1) -> None:
        """Cells that this seat signed came through this relay."""
        step = int(now / STEP_S)
        if not self._steps or self._steps[-1][0] < step:
            self._steps.append((step, {}))
        counts = self._steps[-1][1]
        counts[relay, seat] = counts.get((relay, seat), 0) + cells

    def count(self, relay: bytes, seat: bytes, start: float, end: float) -> int:
        """Cells in the whole steps from the one that holds `start` to before the one that holds
        `end`."""
        first, last = int(start / STEP_S), int(end / STEP_S)
        key, total = (relay, seat), 0
        for step, counts in reversed(self._steps):
            if step < first:
                break
            if step < last and key in counts:
                total += counts[key]
        return total
