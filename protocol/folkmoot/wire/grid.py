"""The moments at which an agent answers a relay: its own grid, so that nobody measures how far away
it is."""

from __future__ import annotations

from collections.abc import Callable

GRID_S = 0.1


class Grid:
    """Points every 100 ms with a random phase. Whatever a relay can provoke (the answer to a
    challenge, a pong, the reply to a close) leaves at one of them."""

    def __init__(self, entropy: Callable[[int], bytes], now: float) -> None:
        self._start = now + GRID_S * int.from_bytes(entropy(4), "big") / (1 << 32) - GRID_S

    def after(self, now: float) -> float:
        """The first point later than `now`."""
        points = max(0, int((now - self._start) / GRID_S)) + 1
        while self._start + points * GRID_S <= now:
            points += 1
        return self._start + points * GRID_S
