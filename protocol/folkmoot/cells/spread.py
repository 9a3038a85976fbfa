"""Repeats, spread over all who hold what is asked for.

A whole meeting answers when somebody lacks a record. Fragments of a record are the same bytes
whoever cuts it, so each member picks what it says next at random, and drops what it hears another
say meanwhile. A record of fifty fragments, held by fifty members, is there after a beat or two of
all of them instead of fifty beats of each.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

from folkmoot.cells.records import entries_of

# A minute of a member's own pace and more; what has no place is asked for again.
SPREAD_BYTES_MAX = 512 << 10
_HEAD_BYTES = 2  # of an entry, which a listener has read already


class Spread:
    """Entries that wait to be said by whoever is first."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._keys: list[bytes] = []
        self._entries: dict[bytes, tuple[int, bytes]] = {}  # place in `_keys`, and the entry
        self._until: dict[bytes, float] = {}  # those that came first are first
        self.size = 0  # bytes that wait

    def add(self, record: bytes, until: float = math.inf) -> None:
        """A record to say again, `until` then; what of it has no place is left out."""
        for entry in entries_of(record):
            key = _key(entry[_HEAD_BYTES:])
            if key not in self._entries and self.size + len(entry) <= SPREAD_BYTES_MAX:
                self._entries[key] = len(self._keys), entry
                self._keys.append(key)
                self._until[key] = until
                self.size += len(entry)

    def heard(self, data: bytes) -> None:
        """Somebody said an entry with this content."""
        if self._keys:
            self._take(_key(data))

    def forget(self, now: float) -> None:
        """Leaves out what should have been said before now."""
        while self._until and self._until[first := next(iter(self._until))] < now:
            self._take(first)

    def next_plaintext(self, bytes_max: int) -> bytes:
        """What of it the next cell carries: at most `bytes_max`."""
        plaintext = b""
        while self._keys:
            key = self._keys[int.from_bytes(self._entropy(4), "big") % len(self._keys)]
            if len(plaintext) + len(self._entries[key][1]) > bytes_max:
                break
            plaintext += self._take(key)
        return plaintext

    def _take(self, key: bytes) -> bytes:
        """Takes an entry out; nothing if it does not wait."""
        place, entry = self._entries.pop(key, (0, b""))
        if entry:
            del self._until[key]
            last = self._keys.pop()
            if last != key:
                self._keys[place] = last
                self._entries[last] = place, self._entries[last][1]
            self.size -= len(entry)
        return entry


def _key(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]
