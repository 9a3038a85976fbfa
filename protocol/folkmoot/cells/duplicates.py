"""Which cells of a lane were had already: copies through other relays, and replays.

One window for each sender (epoch, leaf). It is asked before a cell is decrypted and moves only
when the cell's signature was checked, so nobody moves another's window ahead and shuts it.
"""

from __future__ import annotations

# Cells of one sender that may overtake each other: 40 s of voice, 5 s of a picture's fastest pace.
WINDOW_CELLS = 1024
# Senders held: those of the two or three epochs that a receiver holds at once.
SENDERS_MAX = 8192

_FULL = (1 << WINDOW_CELLS) - 1


class DuplicateFilter:
    """The replay windows of one lane."""

    def __init__(self) -> None:
        # (epoch, leaf) -> highest counter accepted, and a bit for each of the window below it
        self._windows: dict[tuple[int, int], tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def fresh(self, epoch: int, leaf: int, counter: int) -> bool:
        """Whether this cell was neither accepted before nor is older than the window."""
        window = self._windows.get((epoch, leaf))
        if window is None or counter > window[0]:
            return True
        behind = window[0] - counter
        return behind < WINDOW_CELLS and not window[1] >> behind & 1

    def accepted(self, epoch: int, leaf: int, counter: int) -> bool:
        """Whether this cell was accepted before, and not so long ago that the window is past it."""
        window = self._windows.get((epoch, leaf))
        behind = -1 if window is None else window[0] - counter
        return window is not None and 0 <= behind < WINDOW_CELLS and bool(window[1] >> behind & 1)

    def accept(self, epoch: int, leaf: int, counter: int) -> bool:
        """Notes a *verified* cell; False if it was not fresh after all (two copies were opened
        before either was verified)."""
        if not self.fresh(epoch, leaf, counter):
            return False
        highest, bits = self._windows.get((epoch, leaf), (counter, 0))
        if counter > highest:
            # A jump over the whole window (a block of counters was skipped after a restart) would
            # only shift everything out, at a cost that grows with the jump.
            ahead = counter - highest
            bits = bits << ahead & _FULL if ahead < WINDOW_CELLS else 0
            highest = counter
        if (epoch, leaf) not in self._windows and len(self._windows) >= SENDERS_MAX:
            self._windows.pop(next(iter(self._windows)))
        self._windows[epoch, leaf] = highest, bits | 1 << highest - counter
        return True

    def forget(self, epoch: int) -> None:
        """Drops an epoch whose keys are gone."""
        for key in [key for key in self._windows if key[0] == epoch]:
            del self._windows[key]
