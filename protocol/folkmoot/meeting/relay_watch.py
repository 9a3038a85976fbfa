"""One member's watch over its relays: what it tells its detector (`noticing`) and its `marks` of
what happens, and its person of what these find."""

from __future__ import annotations

from collections.abc import Iterable

from folkmoot.meeting.beacons import beacon_period
from folkmoot.meeting.context import Context
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import Marked, Noticed
from folkmoot.meeting.marks import OURS, MarkKind, Marks
from folkmoot.meeting.noticing import TELL_EVERY_S, NoticeKind, Noticing
from folkmoot.meeting.records import Beacon
from folkmoot.meeting.rooms import VOICE
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.limits import Bucket

LOOK_EVERY_S = 0.5
LOOK_CONTESTED_S = 0.25  # while somebody misses somebody
# Notices about others that a person is told of: two members who lie can make one about everybody.
# Marks as well: one member can make some against every relay.
TOLD_PER_S = 1 / 10
TOLD_BURST = 8.0
UNHEARD_S = 1.5  # how long we must miss one who is here at all relays in use
LASTS_S = TELL_EVERY_S + LOOK_EVERY_S  # what is not found again by then is over


class RelayWatch:
    """Of one meeting. Relays are given by their numbers."""

    def __init__(self, context: Context, now: float) -> None:
        self._context = context
        self._noticing = Noticing(context.seat)
        self._marks = Marks()
        self._lines: dict[bytes, bytes] = {}
        self._look_at = now
        self._told = Bucket(TOLD_PER_S, TOLD_BURST, now)
        self._marks_told = Bucket(TOLD_PER_S, TOLD_BURST, now)
        # What was found, and when last: it is found again for as long as it goes on.
        self._noticed: dict[tuple[NoticeKind, bytes, RelayAddress], float] = {}
        self._unheard: dict[bytes, float] = {}  # whom no relay in use brings us, and since when

    @property
    def contested(self) -> bool:
        """Whether somebody misses somebody, so that beacons are wanted sooner."""
        return self._noticing.contested

    @property
    def missed_ourselves(self) -> bool:
        """Whether it is us that somebody misses."""
        return self._noticing.own_contested

    def settled(self, state: EpochState, voice_cells_per_s: int, now: float) -> None:
        """The meeting is in this epoch."""
        seats = [entry.seat for entry in state.roster]
        lineage = state.terms.charter.lineage
        line_of = state.roll.line_of if lineage else lambda seat: None
        self._lines = {seat: line_of(seat) or seat for seat in seats}
        self._lines[self._context.seat] = OURS
        self._noticing.settled(
            state.authenticator,
            seats,
            line_of,
            voice_cells_per_s,
            beacon_period(len(seats)),
            now,
        )

    def heard_copy(self, relay: int, seat: bytes, now: float) -> None:
        """A voice cell of this seat, or our own, came through."""
        self._noticing.heard_cells(self._name(relay), seat, now)

    def copy_came(self, relay: int, seat: bytes, late_s: float, now: float) -> None:
        """See `copies.Watch`, and so of the next three."""
        self._marks.came(relay, self._lines.get(seat, seat), late_s, now)

    def copy_overtaken(self, relay: int, seat: bytes, now: float) -> None:
        self._marks.overtaken(relay, self._lines.get(seat, seat), now)

    def repeated(self, relay: int, now: float) -> None:
        self._marks.repeated(relay, now)

    def bent(self, relay: int, now: float) -> None:
        self._marks.bent(relay, now)

    def marks(self, now: float) -> dict[RelayAddress, list[MarkKind]]:
        """Those that stand."""
        return {
            self._context.relays[relay].address: kinds
            for relay, kinds in self._marks.standing(now).items()
        }

    def hear(self, beacon: Beacon, now: float) -> None:
        """A new beacon of another member."""
        self._noticing.hear(beacon, now)

    def echoes(self, relay: int, now: float) -> bool:
        """Whether our own voice comes back from there."""
        return self._noticing.echoes(self._name(relay), now)

    def missed(self, relay: int, now: float) -> tuple[bytes, ...]:
        """Whom we miss there, as a receipt has it."""
        return self._noticing.missed(self._name(relay), now)

    def look(self, now: float) -> None:
        """Looks whether a relay keeps somebody from others, and tells."""
        if now < self._look_at:
            return
        self._look_at = now + (LOOK_CONTESTED_S if self.contested else LOOK_EVERY_S)
        used, there = self._context.relays.carrying, self._context.rooms.open_relays(VOICE)
        by_name = {self._name(one): one for one in used}
        self._noticed = {key: at for key, at in self._noticed.items() if now - at < LASTS_S}
        for notice in self._noticing.look(list(by_name), self._names(there), now):
            relay = self._context.relays[by_name[notice.relay]].address
            key = notice.kind, notice.seat, relay
            if self._is_news(key, now):
                self._context.tell(Noticed(notice.kind, relay, notice.seat))
            self._noticed[key] = now
        self._look_for_unheard(now)
        for number, kind in self._marks.look(now):
            if self._marks_told.level(now) >= 1:
                self._marks_told.take(1, now)
                self._context.tell(Marked(kind, self._context.relays[number].address))

    def _is_news(self, key: tuple[NoticeKind, bytes, RelayAddress], now: float) -> bool:
        """Whether a person is told (again). Somebody whose line does not let it reach one of the
        relays would be in everybody's notices for as long as it is there."""
        kind, seat, _ = key
        if seat == self._context.seat:
            return kind is not NoticeKind.UNREACHED or key not in self._noticed
        if key in self._noticed or self._told.level(now) < 1:
            return False
        self._told.take(1, now)
        return True

    def noticed(self, now: float) -> list[Noticed]:
        """What goes on at present, whether a person was told of it or not; of the last half minute,
        as it is not looked for more often."""
        return [
            Noticed(kind, relay, seat)
            for (kind, seat, relay), at in self._noticed.items()
            if now - at < LASTS_S
        ]

    def _look_for_unheard(self, now: float) -> None:
        """Relays that work together can keep one voice from one member alone, or all voices: there
        are no two then who miss somebody, and nobody is told."""
        used, noticing = self._names(self._context.relays.in_use), self._noticing
        unheard = {seat for seat, relays in noticing.missed_at.items() if used <= relays}
        if used <= noticing.deaf_at:
            unheard.add(self._context.seat)
        self._unheard = {seat: self._unheard.get(seat, now) for seat in unheard}

    def silenced(self, now: float) -> bool:
        """Whether somebody gets through at none of the relays in use: a reason for the reserve.
        Others' word is enough for that, as it takes nothing from anybody, and so is our own."""
        if any(now - since >= UNHEARD_S for since in self._unheard.values()):
            return True
        book = self._context.relays
        used = [book[one].address for one in book.in_use]
        lost = {
            (seat, relay) for kind, seat, relay in self._noticed if kind is not NoticeKind.DEAFENED
        }
        return any(all((seat, one) in lost for one in used) for seat in {one for one, _ in lost})

    def _name(self, relay: int) -> bytes:
        return self._context.relays.pin(relay)[:8]

    def _names(self, relays: Iterable[int]) -> set[bytes]:
        return {self._name(one) for one in relays}
