"""What one epoch needs for media: keys for each relay's copy, authors, and which cells came."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from folkmoot.cells.authorship import Author
from folkmoot.cells.duplicates import DuplicateFilter
from folkmoot.cells.media import VOICE, LaneId, MediaKeys
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.wire.labels import load_public_key

OVERTAKEN_S = 0.1  # some ticks of a relay, within which order means nothing
HIGHEST_KEPT = 16  # of one sender: more come within OVERTAKEN_S after a stall only, and in order
ROOMS_KEPT = 4  # of one relay: those of two or three epochs that are heard
_ROOM_PREFIX = b"Folkmoot 1 heard room"

Key = tuple[bytes, int, int]  # a voice cell: an epoch's authenticator, leaf, counter


@dataclass(slots=True)
class Through:
    """Voice cells that came through one relay: which were counted, and in what order; and which
    came in which of its rooms, as all is said in two of them while they change. Rooms are named by
    a hash of their root: this outlives the root, which opens what was said there."""

    counted: DuplicateFilter = field(default_factory=DuplicateFilter)
    rooms: dict[bytes, DuplicateFilter] = field(default_factory=dict, repr=False)
    # By leaf: when its highest counter rose, and to what.
    highest: dict[int, deque[tuple[float, int]]] = field(default_factory=dict)

    def came_before(self, root: bytes, epoch: int, leaf: int, counter: int) -> bool:
        """Whether this cell came in this room already; notes it."""
        name = hashlib.sha256(_ROOM_PREFIX + root).digest()
        came = self.rooms.get(name)
        if came is None:
            if len(self.rooms) >= ROOMS_KEPT:
                del self.rooms[next(iter(self.rooms))]
            came = self.rooms[name] = DuplicateFilter()
        return came.accepted(epoch, leaf, counter) or not came.accept(epoch, leaf, counter)

    def overtaken(self, leaf: int, counter: int, now: float) -> bool:
        """Whether a later cell of this sender came OVERTAKEN_S ago; notes this one."""
        highest = self.highest.get(leaf)
        if highest is None:
            highest = self.highest[leaf] = deque(maxlen=HIGHEST_KEPT)
        while len(highest) > 1 and now - highest[1][0] >= OVERTAKEN_S:
            highest.popleft()
        overtaken = bool(highest) and now - highest[0][0] >= OVERTAKEN_S and counter < highest[0][1]
        if not highest or counter > highest[-1][1]:
            highest.append((now, counter))
        return overtaken


@dataclass(slots=True, eq=False)
class EpochMedia:
    """One epoch that is heard."""

    state: EpochState
    keys: dict[int, MediaKeys] = field(default_factory=dict)
    authors: dict[int, tuple[Author, Ed25519PublicKey]] = field(default_factory=dict)
    filters: dict[LaneId, DuplicateFilter] = field(default_factory=dict)
    counters: dict[LaneId, int] = field(default_factory=dict)
    copies: dict[int, Through] = field(default_factory=dict)  # by relay

    def keys_at(self, relay: int, pin: bytes) -> MediaKeys:
        """For the copies at the relay with this number and pin (32 bytes)."""
        keys = self.keys.get(relay)
        if keys is None:
            keys = MediaKeys(self.state.base_key, self.state.group.epoch, pin)
            self.keys[relay] = keys
        return keys

    def author(self, leaf: int) -> tuple[Author, Ed25519PublicKey] | None:
        """Who has this leaf, and the key that it signs with."""
        known = self.authors.get(leaf)
        if known is None:
            entry = self.state.entry_at(leaf)
            key = None if entry is None else load_public_key(entry.signature_key)
            if entry is None or key is None:
                return None
            group = self.state.group
            author = Author(group.group_id, self.state.authenticator, entry.seat, leaf, group.epoch)
            known = self.authors[leaf] = author, key
        return known

    def filter(self, lane: LaneId) -> DuplicateFilter:
        """Which cells of this lane had their signature checked."""
        duplicates = self.filters.get(lane)
        if duplicates is None:
            duplicates = self.filters[lane] = DuplicateFilter()
        return duplicates

    def is_new(self, lane: LaneId, leaf: int, counter: int) -> bool:
        """Whether such a cell is worth opening for what is in it."""
        fresh = self.filter(lane).fresh
        return leaf != self.state.own_leaf and fresh(self.state.group.epoch, leaf, counter)

    def is_known(self, leaf: int, counter: int) -> bool:
        """Whether this is a voice cell of our own, or one whose signature was checked. Only then
        its counter counts for anything, so that nobody shuts out what is to come by a header with a
        high one."""
        if leaf == self.state.own_leaf:
            return counter < self.counters.get(VOICE, 0)
        return self.filter(VOICE).accepted(self.state.group.epoch, leaf, counter)

    def through(self, relay: int) -> Through:
        """The copies at this relay."""
        found = self.copies.get(relay)
        if found is None:
            found = self.copies[relay] = Through()
        return found

    def key(self, leaf: int, counter: int) -> Key:
        """What this voice cell is called."""
        return self.state.authenticator, leaf, counter
