"""Lets something through at most once in an interval."""

from __future__ import annotations


class Limiter:
    def __init__(self, interval_s: float) -> None:
        self.passed = 0
        self._interval_s = interval_s
        self._last: float | None = None

    def wait_s(self, now: float) -> float:
        """Seconds until the next may pass, 0 if it may now."""
        return 0.0 if self._last is None else max(0.0, self._last + self._interval_s - now)

    def take(self, now: float) -> bool:
        """True, and counted, if it may pass now."""
        if self.wait_s(now) > 0:
            return False
        self._last = now
        self.passed += 1
        return True
