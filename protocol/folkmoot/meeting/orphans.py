"""Commits whose parent is not known yet. Anybody can make them up, so the oldest go."""

from __future__ import annotations

from folkmoot.meeting.records import Handshake

ORPHANS_MAX = 256
ORPHANS_BYTES_MAX = 4 << 20


class Orphans(dict[bytes, list[Handshake]]):
    """By parent, oldest first."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = self._count = 0

    def keep(self, handshake: Handshake) -> None:
        """One that waits for its parent."""
        siblings = self.setdefault(handshake.parent, [])
        if handshake in siblings:
            return
        siblings.append(handshake)
        self._bytes += handshake.size
        self._count += 1
        while self._count > ORPHANS_MAX or self._bytes > ORPHANS_BYTES_MAX:
            self.take(next(iter(self)))

    def take(self, parent: bytes) -> list[Handshake]:
        """Those of a parent that is known now."""
        taken = self.pop(parent, [])
        self._bytes -= sum(one.size for one in taken)
        self._count -= len(taken)
        return taken
