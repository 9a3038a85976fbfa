"""Noticing that a relay keeps a member's voice from others, and that it is this relay (§7, "Naming
a relay").

Every member counts whose voice cells come through which relay, and says in its beacon whom it
misses there. A relay that carries a cell gives the same bytes to all who are in the room, and
lines lose cells whoever sent them. So two things that an honest relay never causes are looked for:

    one member misses X at R, and hears the others there well, while X's cells of *the same
    second* came through R to another member.

**Whom to believe.** Of two such statements one may be a lie. What we count ourselves is none, so we
must be on one side, and on the *other* side there must be an honest member. We take up to two
members, X beside them, to lie together; so three of different lines (without lines: any three) must
be on the side that is not ours. With fewer, nobody is named:

- two lying witnesses who say that they miss X: whoever hears X through R sees two against it, and
  so does X, whose own cells come back;
- X who sends nothing to R and says that its cells come back: every honest member misses it, and
  nobody but X's two friends says otherwise. (Of an honest X that ended, or whose line did, it is no
  use to say that it was heard: it does not say that its cells came back since.)
- a relay that keeps X from everybody but X, and X who never sent it anything and lies, look the
  same to all but X. X knows the truth: it alone is told `withheld`, and its agent moves. The others
  are told `unreached`: X does not get through to R, which blames nobody;
- a relay that keeps X from two members: they know, by three others who hear X there, and are told.
  To the others those two may be liars: they are told `unreached`.

X's own statement that its cells come back is asked for in any case: without it, `unreached` is all.
In meetings of fewer than five nobody can be named: there are no three others on one side.

**When.** Statements are made at different times and lines differ by fractions of a second, so one
who comes, goes or stumbles is heard by some and missed by others at the same moment, by no fault of
the relay. A statement is therefore compared with what we counted over a longer time than it is
about (`_has`, `_lacks`), and the time when it was made is reckoned from its sender's clock and the
fastest of its beacons. Nobody judges in the first seconds of an epoch, while some do not hold it
yet, and nobody counts the statements of one who is in another.

Nothing here takes a path or a seat from anybody. Evidence of others adds notices and paths; a path
is left on one's own receipts only.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from folkmoot.meeting.arrivals import Arrivals
from folkmoot.meeting.records import MISSED_MAX, Beacon, Receipt

WINDOW_S = 1.0  # what a receipt is about
MISSED_BELOW = 0.5  # of the cells that a member sends
WELL_FROM = 0.8  # of those of the others, so that we do not take our own line for the relay
SURE_FROM = 0.7  # a second of which so much came here was missed by no three whom loss hit alone
CELLS_MIN = 16  # expected in WINDOW_S: a slower pace says nothing, as chance takes too much of it
LIARS = 2  # that may lie together with the member that is missed
MISSING_LINES = 2  # that must miss somebody before anybody is told
STATEMENTS_KEPT = 6
STATEMENT_S = 3.0  # how old one may be that counts
BEACONS_BEFORE = 3  # of a sender, before the times in them tell when they were made
CLOCK_SAMPLES = 16
TELL_EVERY_S = 30.0  # the same again
UNREACHED_S = 2.0  # how long some must miss somebody who is here
DEAF_S = 2.0
DEAF_BELOW = 0.1
DEAF_STATEMENT_S = 1.25


class NoticeKind(enum.Enum):
    """What is told. `WITHHELD`: this relay keeps this member from some; `UNREACHED`: the member
    does not get through there; `DEAFENED`: the relay lets nothing reach us."""

    WITHHELD = "withheld"
    UNREACHED = "unreached"
    DEAFENED = "deafened"


@dataclass(frozen=True, slots=True)
class Notice:
    """`relay`: first 8 bytes of its pin; `seat`: ours where we are deafened."""

    kind: NoticeKind
    relay: bytes
    seat: bytes


@dataclass(frozen=True, slots=True)
class _Statement:
    """What one beacon says, and when it was made by our clock, as far as we know."""

    made: float
    dated: bool  # enough was heard of its sender to know that time
    same_epoch: bool
    receipts: Mapping[bytes, Receipt]


@dataclass(slots=True)
class _Teller:
    """What another member said lately."""

    delays: deque[float] = field(default_factory=lambda: deque(maxlen=CLOCK_SAMPLES))
    heard: int = 0
    heard_at: float = 0.0
    said: deque[_Statement] = field(default_factory=lambda: deque(maxlen=STATEMENTS_KEPT))


class Noticing:
    """One member's counts, and what it makes of them and of the others' receipts."""

    def __init__(self, own: bytes) -> None:
        self._own = own
        self._arrivals = Arrivals()
        self._tellers: dict[bytes, _Teller] = {}
        self._epoch = b""
        self._since = 0.0
        self._lines: dict[bytes, bytes] = {}
        self._by_mark: dict[bytes, bytes] = {}
        self._per_s = 0
        self._fresh_s = 2.5
        self._open_since: dict[bytes, float] = {}
        self._missing_since: dict[tuple[bytes, bytes], float] = {}
        self._told: dict[tuple[NoticeKind, bytes, bytes], float] = {}
        self.contested = False  # somebody misses somebody: beacons are wanted sooner
        self.own_contested = False  # it is us that somebody misses
        # Whom we miss at which relays, of those who are here and say that they get through
        # somewhere; and where we hear nothing of anybody, though others say that they do.
        self.missed_at: dict[bytes, set[bytes]] = {}
        self.deaf_at: set[bytes] = set()

    # -- what happens

    def settled(
        self,
        authenticator: bytes,
        seats: Iterable[bytes],
        line_of: Callable[[bytes], bytes | None],
        cells_per_s: int,
        beacon_s: float,
        now: float,
    ) -> None:
        """The meeting is in this epoch, with these members, who send so many voice cells a second
        and a beacon each `beacon_s`. `line_of`: None for a member who counts for itself."""
        if authenticator != self._epoch:
            self._epoch, self._since = authenticator, now
            self._missing_since.clear()
        self._lines = {seat: line_of(seat) or seat for seat in seats}
        # Whom four bytes do not tell from another is neither missed nor named: else one who chose
        # its seat to look like another's would have that other missed.
        marks = Counter(seat[:4] for seat in self._lines)
        self._by_mark = {seat[:4]: seat for seat in self._lines if marks[seat[:4]] == 1}
        self._tellers = {seat: one for seat, one in self._tellers.items() if seat in self._lines}
        self._arrivals.forget(self._lines, now)
        self._per_s = cells_per_s
        self._fresh_s = 1.0 + 1.5 * beacon_s

    def heard_cells(self, relay: bytes, seat: bytes, now: float, cells: int = 1) -> None:
        """Voice cells that this seat sent came through; our own: they came back."""
        self._arrivals.add(relay, seat, now, cells)

    def hear(self, beacon: Beacon, now: float) -> None:
        """A new beacon of another member, its signature checked."""
        if beacon.seat not in self._lines or beacon.seat == self._own:
            return
        teller = self._tellers.setdefault(beacon.seat, _Teller())
        teller.delays.append(now - beacon.at_ms / 1000)
        teller.heard, teller.heard_at = teller.heard + 1, now
        made = min(now, beacon.at_ms / 1000 + min(teller.delays))
        receipts = {one.relay: one for one in beacon.receipts}
        dated = teller.heard >= BEACONS_BEFORE
        same = beacon.authenticator == self._epoch
        teller.said.append(_Statement(made, dated, same, receipts))
        mine = self._own[:4]
        if any(mine in one.missed for one in beacon.receipts):
            self.contested = self.own_contested = True

    # -- what we say

    def missed(self, relay: bytes, now: float) -> tuple[bytes, ...]:
        """Whom we miss there. Our own mark: we cannot tell, and the rest of the receipt is no
        statement that we hear them."""
        silent = (self._own[:4],)
        if now - self._since < WINDOW_S + 0.25 or self._per_s * WINDOW_S < CELLS_MIN:
            return silent
        judged = self._here(now)
        shares = {seat: self._share(relay, seat, now) for seat in judged}
        well = [share for share in shares.values() if share >= MISSED_BELOW]
        if len(judged) < 2 or 2 * len(well) < len(judged) or sum(well) < WELL_FROM * len(well):
            return silent
        # Those who are away are missed, too: who is not named was heard.
        missed = [
            mark
            for mark, seat in sorted(self._by_mark.items())
            if seat != self._own
            and (shares[seat] if seat in shares else self._share(relay, seat, now)) < MISSED_BELOW
        ]
        return tuple(missed) if len(missed) <= MISSED_MAX else silent

    def echoes(self, relay: bytes, now: float) -> bool:
        """Whether our own voice comes back from there; also where too little is sent to tell."""
        if self._per_s * WINDOW_S < CELLS_MIN:
            return True
        return self._share(relay, self._own, now) >= MISSED_BELOW

    def _here(self, now: float) -> list[bytes]:
        """The others who can be judged: they were heard lately, in our epoch, and have a mark."""
        return [
            seat
            for seat, one in self._tellers.items()
            if self._is_fresh(one, now) and self._by_mark.get(seat[:4]) == seat
        ]

    def _is_fresh(self, teller: _Teller, now: float) -> bool:
        return bool(
            teller.said and teller.said[-1].same_epoch and now - teller.heard_at < self._fresh_s
        )

    def _share(self, relay: bytes, seat: bytes, now: float) -> float:
        expected = self._per_s * WINDOW_S
        return min(1.0, self._arrivals.count(relay, seat, now - WINDOW_S, now) / expected)

    # -- what we make of it

    def look(self, relays: Sequence[bytes], there: Collection[bytes], now: float) -> list[Notice]:
        """What there is to tell. `relays`: that carry voice now; `there`: of those, the ones where
        our own room is open."""
        self._open_since = {one: self._open_since.get(one, now) for one in relays if one in there}
        notices: list[Notice] = []
        self.contested = self.own_contested = False
        self.missed_at, self.deaf_at = {}, set()
        if self._per_s * WINDOW_S < CELLS_MIN:
            return notices
        here = self._here(now)
        missing: dict[tuple[bytes, bytes], float] = {}
        self.deaf_at = {one for one in relays if self._hears_nothing(one, here, now)}
        for relay in relays:
            own_missed = self.missed(relay, now)
            missing_it = self._who_misses(relay, now)
            for seat in [*here, self._own]:
                mark = seat[:4]
                if self._by_mark.get(mark) != seat:
                    continue
                mine = mark in own_missed and seat != self._own
                lines = {
                    self._lines[one]
                    for one in missing_it.get(mark, ())
                    if one != seat and self._lines[one] != self._lines[seat]
                }
                if mine:
                    lines.add(self._lines[self._own])
                    self.missed_at.setdefault(seat, set()).add(relay)
                if not lines:
                    continue
                self.contested = True
                self.own_contested |= seat == self._own
                pair = relay, seat
                if len(lines) >= MISSING_LINES:
                    missing[pair] = self._missing_since.get(pair, now)
                    if self._is_named(relay, seat, mine, now):
                        notices += self._tell(NoticeKind.WITHHELD, relay, seat, now)
                    elif now - missing[pair] >= UNREACHED_S:
                        notices += self._tell(NoticeKind.UNREACHED, relay, seat, now)
            if relay in self.deaf_at and any(
                self._all(one, here, now) >= WELL_FROM for one in relays if one != relay
            ):
                notices += self._tell(NoticeKind.DEAFENED, relay, self._own, now)
        self._missing_since = missing
        self.missed_at = {
            seat: there_not
            for seat, there_not in self.missed_at.items()
            if any(self._says_echo(seat, one) for one in there_not)
        }
        return notices

    def _tell(self, kind: NoticeKind, relay: bytes, seat: bytes, now: float) -> list[Notice]:
        stronger = (kind, NoticeKind.WITHHELD) if kind is NoticeKind.UNREACHED else (kind,)
        for one in stronger:
            told = self._told.get((one, relay, seat))
            if told is not None and now - told < TELL_EVERY_S:
                return []
        self._told = {key: at for key, at in self._told.items() if now - at < TELL_EVERY_S}
        self._told[kind, relay, seat] = now
        return [Notice(kind, relay, seat)]

    def _said(
        self, relay: bytes, about: bytes, now: float
    ) -> Iterable[tuple[bytes, float, Receipt]]:
        """Line, time and receipt of what others, of other lines than who it is about, said of this
        relay lately."""
        for seat, teller in self._tellers.items():
            line = self._lines[seat]
            if seat == about or line == self._lines[about]:
                continue
            for one in teller.said:
                receipt = one.receipts.get(relay)
                if receipt is None or not (one.dated and one.same_epoch):
                    continue
                if now - one.made <= STATEMENT_S and seat[:4] not in receipt.missed:
                    yield line, one.made, receipt

    def _who_misses(self, relay: bytes, now: float) -> dict[bytes, list[bytes]]:
        """By mark: the seats whose last word is that they miss that member there."""
        found: dict[bytes, list[bytes]] = {}
        for seat, teller in self._tellers.items():
            if not self._is_fresh(teller, now):
                continue
            receipt = teller.said[-1].receipts.get(relay)
            missed = () if receipt is None else receipt.missed
            if seat[:4] in missed:
                continue  # it cannot tell
            for mark in missed:
                found.setdefault(mark, []).append(seat)
        return found

    def _is_named(self, relay: bytes, seat: bytes, mine: bool, now: float) -> bool:
        """Whether an honest relay is out of the question; `mine`: we miss the member ourselves."""
        if seat != self._own and not self._came_back(relay, seat, mine, now):
            return False
        mark, against = seat[:4], set()
        for line, made, receipt in self._said(relay, seat, now):
            if line == self._lines[self._own]:
                continue
            if mark in receipt.missed:
                contradicts = not mine and self._has(relay, seat, made, now)
            else:
                contradicts = mine and self._lacks(relay, seat, made, now)
            if contradicts:
                against.add(line)
        return len(against) > LIARS

    def _says_echo(self, seat: bytes, relay: bytes) -> bool:
        """Whether the member's last beacon says that its cells come back."""
        teller = self._tellers.get(seat)
        receipt = teller.said[-1].receipts.get(relay) if teller and teller.said else None
        return receipt is not None and receipt.echo

    def _came_back(self, relay: bytes, seat: bytes, mine: bool, now: float) -> bool:
        """Whether the member says that its cells come back; where we miss it, that they did while
        we missed it: else it may have ended, and its last beacon be older than that."""
        if not mine:
            return self._says_echo(seat, relay)
        return any(
            one.dated and one.same_epoch and self._lacks(relay, seat, one.made, now)
            for one in self._tellers[seat].said
            if now - one.made <= STATEMENT_S
            and (receipt := one.receipts.get(relay)) is not None
            and receipt.echo
        )

    def _has(self, relay: bytes, seat: bytes, made: float, now: float) -> bool:
        """Whether nobody who was as well off as we could have missed this member in the second
        before `made`: it came through from a second before that to half a second after, and in no
        second and no half second of that time so badly that a few cells fewer are half of them."""
        start, end = made - WINDOW_S - 1.0, made + 0.5
        if now < end or start < self._since:
            return False
        count, expected = self._arrivals.count, self._per_s * WINDOW_S
        if count(relay, seat, start, end) < WELL_FROM * self._per_s * (end - start):
            return False
        seconds = (start + 0.25 * step for step in range(7))
        if any(count(relay, seat, at, at + WINDOW_S) < SURE_FROM * expected for at in seconds):
            return False
        halves = (start + 0.25 * step for step in range(9))
        return all(count(relay, seat, at, at + 0.5) >= 0.25 * self._per_s for at in halves)

    def _lacks(self, relay: bytes, seat: bytes, made: float, now: float) -> bool:
        """Whether nobody can have got half of this member's cells in the second before `made`: not
        a third came here in a longer time, through all of which the others came."""
        start, end = made - WINDOW_S - 1.0, made + 0.25
        if now < end or start < self._since:
            return False
        count, expected = self._arrivals.count, self._per_s * WINDOW_S
        if count(relay, seat, start, end) >= 0.35 * expected:
            return False
        others = [one for one in self._here(now) if one != seat]
        others = [one for one in others if self._share(relay, one, now) >= MISSED_BELOW]
        halves = (start + 0.5 * half for half in range(5))
        return all(
            sum(count(relay, one, at, at + 0.5) for one in others)
            >= 0.6 * self._per_s * 0.5 * len(others)
            for at in halves
            if at + 0.5 <= now
        )

    def _hears_nothing(self, relay: bytes, here: Sequence[bytes], now: float) -> bool:
        """Whether nothing comes through a relay that is open, and carries others."""
        since = self._open_since.get(relay)
        if since is None or now - max(since, self._since) < DEAF_S + 0.5:
            return False
        if not here or self._all(relay, here, now) > DEAF_BELOW:
            return False
        carried = sum(
            self._says_echo(seat, relay)
            and now - self._tellers[seat].said[-1].made < DEAF_STATEMENT_S
            for seat in here
        )
        return carried >= min(2, len(here))

    def _all(self, relay: bytes, seats: Sequence[bytes], now: float) -> float:
        count = sum(self._arrivals.count(relay, seat, now - DEAF_S, now) for seat in seats)
        return count / (self._per_s * DEAF_S * len(seats))
