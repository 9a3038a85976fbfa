"""The copies of voice cells: each cell comes once through each relay, and what comes otherwise is a
mark against that relay (`marks`).

A copy is known for one by its header alone, as that costs a block of AES. Headers are a claim: the
keys of the group make them, and no signature. So what is to be a mark is opened, a few copies a
second and relay, and as many that came before, and some more while some are bent: a relay that
bends one copy in five is found within seconds, and a flood costs no more than that.

**Whether a copy is counted for a relay does not depend on which copy came first.** What has a known
cell's header and is no such cell counts as that cell, so what has the header of one that is yet to
come counts as soon as that came. If it did not, one member could bring through an honest relay, a
little late, cells of its own that are right in their headers alone: those who had the right ones
from another relay by then would count them and others would not, and the relay would be taken for
one that withholds (`noticing`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from folkmoot.cells.media import VOICE, Opened
from folkmoot.cells.voice import is_signed
from folkmoot.meeting.epoch_media import EpochMedia, Key
from folkmoot.meeting.marks import RELAYS_MAX
from folkmoot.wire.limits import Bucket

OPENED_PER_S = 4.0
CLOSELY_PER_S = 16.0  # of a relay through which a bent cell came lately
CLOSELY_S = 10.0
BUDGETS_MAX = 64  # up to four for each relay that copies came through lately
# Cells whose first copy is remembered, to compare with when the others come: some seconds of fifty.
FIRST_KEPT = 4096
FIRST_S = 10.0
# New cells that did not open, or that nobody signed, until it is known what they should have been:
# of each relay, so that none loses what another brought. Two members who flood one get no more
# than 420 through it in BROKEN_S, by a relay's pace.
BROKEN_KEPT = 512
BROKEN_S = 5.0
# What does not open is a bent cell if so much of it is as it should be. A cell of an epoch that is
# not heard may have its header by chance: one in thirty has one of the first cells of the first
# leaf in a young meeting.
ALIKE_SHARE = 0.5


class Watch(Protocol):
    """Who hears of it. `seat`: the sender's, ours of our own cells that come back."""

    def heard_copy(self, relay: int, seat: bytes, now: float) -> None:
        """A copy came through this relay for the first time."""

    def copy_came(self, relay: int, seat: bytes, late_s: float, now: float) -> None:
        """The same, and so long after the first copy of the same cell through any relay."""

    def copy_overtaken(self, relay: int, seat: bytes, now: float) -> None:
        """The same, and a while after a later cell of the same sender through the same relay."""

    def repeated(self, relay: int, now: float) -> None:
        """A cell came again."""

    def bent(self, relay: int, now: float) -> None:
        """A cell came whose header is that of another."""


class Look(NamedTuple):
    """What a voice cell's header claims: `again`, whether that cell came in this room before;
    `opens`, whether we look further. A cell that `is_new` is opened for what is in it."""

    relay: int
    held: EpochMedia
    leaf: int
    counter: int
    is_new: bool
    again: bool
    opens: bool

    @property
    def key(self) -> Key:
        return self.held.key(self.leaf, self.counter)


@dataclass(slots=True)
class _First:
    """A cell that came for the first time, when, and through which relay. Kept as it came, without
    the keys that opened it, as those have to go; empty where it is ours."""

    at: float
    relay: int
    cell: bytes


class Copies:
    """Of one member's media plane."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._first: dict[Key, _First] = {}
        self._broken: dict[int, dict[Key, _First]] = {}  # by relay, the last to bring one last
        # By relay, whether it came before, and how many a second.
        self._budgets: dict[tuple[int, bool, float], Bucket] = {}
        self._bent: dict[int, float] = {}  # by relay, when last

    def look(
        self, relay: int, root: bytes, held: EpochMedia, leaf: int, counter: int, now: float
    ) -> Look | None:
        """A header came in the relay's room of this root; None when it says nothing. A copy of what
        is known is counted."""
        if held.is_new(VOICE, leaf, counter):
            return Look(relay, held, leaf, counter, is_new=True, again=False, opens=True)
        if not held.is_known(leaf, counter):
            return None
        epoch = held.state.group.epoch
        again = held.through(relay).came_before(root, epoch, leaf, counter)
        self._count(relay, held, leaf, counter, b"", now)
        opens = self._may_open(relay, again, now)
        return Look(relay, held, leaf, counter, is_new=False, again=again, opens=opens)

    def _may_open(self, relay: int, again: bool, now: float) -> bool:
        bent_at = self._bent.get(relay)
        closely = bent_at is not None and now - bent_at < CLOSELY_S
        per_s = CLOSELY_PER_S if closely else OPENED_PER_S
        budget = self._budgets.get((relay, again, per_s))
        if budget is None:
            if len(self._budgets) >= BUDGETS_MAX:
                del self._budgets[next(iter(self._budgets))]
            budget = self._budgets[relay, again, per_s] = Bucket(per_s, per_s, now)
        if budget.level(now) < 1:
            return False
        budget.take(1, now)
        return True

    def accepted(
        self, relay: int, root: bytes, held: EpochMedia, cell: bytes, opened: Opened, now: float
    ) -> None:
        """A cell came for the first time, and its author signed it."""
        held.through(relay).came_before(root, opened.epoch, opened.leaf, opened.counter)
        self._count(relay, held, opened.leaf, opened.counter, cell, now)
        # What came before it, claimed to be it, and was not? It counts for when it came.
        key = held.key(opened.leaf, opened.counter)
        for kept in self._broken.values():
            broken = kept.pop(key, None)
            if broken is not None and now - broken.at < BROKEN_S:
                self._count(broken.relay, held, opened.leaf, opened.counter, b"", broken.at)
                self._compare(broken.relay, held, broken.cell, opened, now)

    def _count(
        self, relay: int, held: EpochMedia, leaf: int, counter: int, cell: bytes, now: float
    ) -> None:
        """A copy came of a cell that is known, or what has its header. It counts once. (Few are
        opened, so whoever has the meeting's keys can make copies of what was said.)"""
        author, through = held.author(leaf), held.through(relay)
        if author is None or not through.counted.accept(held.state.group.epoch, leaf, counter):
            return
        seat, key = author[0].seat, held.key(leaf, counter)
        self._watch.heard_copy(relay, seat, now)
        first = self._first.get(key)
        if first is None:
            self._forget(now)
            first = self._first[key] = _First(now, relay, cell)
        self._watch.copy_came(relay, seat, now - first.at, now)
        if through.overtaken(leaf, counter, now):
            self._watch.copy_overtaken(relay, seat, now)

    def _forget(self, now: float) -> None:
        """Makes room for one more."""
        while self._first:
            oldest = next(iter(self._first))
            if len(self._first) < FIRST_KEPT and now - self._first[oldest].at < FIRST_S:
                return
            del self._first[oldest]

    def opened(self, look: Look, opened: Opened, now: float) -> None:
        """A copy of what is known was opened: is it that cell, or somebody else's?"""
        author = look.held.author(look.leaf)
        if author is None or not is_signed(opened, author[1], author[0]):
            self._note_bent(look.relay, now)
        elif look.again:
            self._watch.repeated(look.relay, now)

    def failed(self, look: Look, cell: bytes, now: float) -> None:
        """What claims to be this cell opens under no key."""
        if look.is_new:
            self._keep_broken(look.relay, look.key, cell, now)
            return
        first = self._first.get(look.key)
        opened = first and look.held.keys[first.relay].open(VOICE, first.cell)
        if opened:
            self._compare(look.relay, look.held, cell, opened, now)

    def unsigned(
        self, relay: int, held: EpochMedia, cell: bytes, opened: Opened, now: float
    ) -> None:
        """A cell that is new opens, and its author did not sign it."""
        self._keep_broken(relay, held.key(opened.leaf, opened.counter), cell, now)

    def _keep_broken(self, relay: int, key: Key, cell: bytes, now: float) -> None:
        kept = self._broken.pop(relay, None)
        if kept is None:
            kept = {}
            if len(self._broken) >= RELAYS_MAX:
                del self._broken[next(iter(self._broken))]
        self._broken[relay] = kept
        if key not in kept and len(kept) >= BROKEN_KEPT:
            del kept[next(iter(kept))]
        kept[key] = _First(now, relay, cell)

    def _compare(
        self, relay: int, held: EpochMedia, cell: bytes, opened: Opened, now: float
    ) -> None:
        """A cell that does not open, or that nobody signed, with the one that it claims to be, as
        that should have come through the same relay."""
        keys = held.keys[relay]  # by which it was tried
        right = keys.seal(VOICE, opened.leaf, opened.counter, opened.plaintext)
        alike = sum(came == due for came, due in zip(cell, right, strict=True))
        if alike >= ALIKE_SHARE * len(right) or keys.open(VOICE, cell) is not None:
            self._note_bent(relay, now)

    def _note_bent(self, relay: int, now: float) -> None:
        self._bent[relay] = now
        self._watch.bent(relay, now)
