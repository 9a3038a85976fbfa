"""Whether our relays carry us, and whether the reserve is needed: by what we hear ourselves, and by
those who say in their beacon that they need it (architecture §4, C7, C8).

Each rule is about who would otherwise be alone. One whom no relay in use carries goes to the
reserve by itself. Whom others miss they look for there. Whoever is let in, or comes back, by a door
of the reserve alone is met there. A need that somebody states is followed for as long as it is
stated, and is stated by those alone who have it themselves: followers would otherwise hold each
other there.
"""

from __future__ import annotations

from collections.abc import Iterable

from folkmoot.meeting.beacons import ECHO_S, beacon_period
from folkmoot.meeting.context import Context
from folkmoot.meeting.presence import Member
from folkmoot.meeting.rooms import COUNCIL

SILENT_PERIODS = 2.5  # of beacons, before somebody is looked for
SEARCH_S = 10.0  # and for how long: an agent that was killed is nowhere to be found
KNOCKED_S = 2.5  # knocks are repeated each second


class Ways:
    """One member's ways through the relays of one meeting."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._echoes: dict[int, float] = {}  # when one of our cells came back, by relay
        self._knocked_since: float | None = None  # at the reserve, and nowhere else
        self._knocked_at = 0.0
        self._unheard: dict[bytes, float] = {}  # members that never were, and since when

    def heard_echo(self, relay: int, now: float) -> None:
        """One of our own council cells came back."""
        self._echoes[relay] = now

    def heard_knock(self, relay: int, now: float) -> None:
        """Somebody who may come in knocked at this relay's door. Of the copies of one knock only
        the first is heard of, through whichever relay it came: so it takes several that all came
        through the reserve. That those of one who knocks everywhere do so by chance costs no more
        than a reserve that is open for a while."""
        if relay in self._context.relays.in_use:
            self._knocked_since = None
        elif self._knocked_since is None or now - self._knocked_at >= KNOCKED_S:
            self._knocked_since = now
        self._knocked_at = now

    def rooms_changed(self, now: float) -> None:
        """A relay opened or lost our council."""
        there = self._context.rooms.open_relays(COUNCIL)
        # Where it is open now, our first cell is under way.
        self._echoes = {relay: self._echoes.get(relay, now) for relay in there}

    def carried(self, now: float) -> bool:
        """Whether we can be heard and hear: a relay has our council open and our own cells come
        back from it. A line that only hangs shows nothing else for a while, and whoever takes the
        others for absent then settles something alone."""
        return self._carry(self._echoes, now)

    def _carry(self, relays: Iterable[int], now: float) -> bool:
        return any(relay in self._echoes and now - self._echoes[relay] < ECHO_S for relay in relays)

    def look(self, members: Iterable[Member], silenced: bool, now: float) -> bool:
        """Decides on the reserve; whether other rooms are to be open than before. `members`: all
        others; `silenced`: whether somebody's voice gets through nowhere (`relay_watch`)."""
        others, book = list(members), self._context.relays
        silent_s = SILENT_PERIODS * beacon_period(len(others) + 1)
        # Who came in and was never heard is missed from then on.
        unheard = (one.seat for one in others if one.heard_at is None)
        self._unheard = {seat: self._unheard.get(seat, now) for seat in unheard}
        last = [*self._unheard.values(), *(one.heard_at for one in others if one.heard_at)]
        misses = any(silent_s <= now - at < silent_s + SEARCH_S for at in last)
        return book.watch(
            carried=self._carry(book.in_use, now),
            misses=misses or silenced or self._knocked_at_reserve(now),
            called=any(self._calls(one, silent_s, now) for one in others),
            now=now,
        )

    def spare_wanted(self, members: Iterable[Member], now: float) -> bool:
        """Whether somebody who is here says that the relay that our pictures go through does not
        carry it."""
        there = self._context.rooms.open_relays(COUNCIL)
        first = next((one for one in self._context.relays.carrying if one in there), None)
        if first is None:
            return False
        name = self._context.relays.pin(first)[:8]
        return any(
            receipt.relay == name and not receipt.echo
            for one in members
            if one.here(now) and one.beacon is not None
            for receipt in one.beacon.receipts
        )

    def _knocked_at_reserve(self, now: float) -> bool:
        """Whether somebody knocks there and at no relay in use."""
        since = self._knocked_since
        return since is not None and since + KNOCKED_S <= now < self._knocked_at + KNOCKED_S

    def _calls(self, member: Member, recent_s: float, now: float) -> bool:
        """Whether this member says now that it needs the reserve."""
        beacon, heard_at = member.beacon, member.heard_at
        if beacon is None or heard_at is None or now - heard_at >= recent_s:
            return False
        book = self._context.relays
        reserve = {book.pin(one)[:8] for one in book.reserve}
        return any(receipt.relay in reserve for receipt in beacon.receipts)
