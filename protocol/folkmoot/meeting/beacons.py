"""Our own beacon: what it says, when it is due, and that its time only ever rises."""

from __future__ import annotations

from typing import Protocol

from folkmoot.meeting.context import Context
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.records import RECEIPTS_MAX, Beacon, Receipt, Showing, Signed, sign_statement
from folkmoot.wire.labels import Sign

# A second in small meetings; in larger ones what a member receives must not grow with their number.
BEACON_EVERY_S = ((12, 1.0), (50, 2.0))
BEACONS_PER_S = 25.0  # of all members together, above the last of these
# Of one whom others miss: only by its word that its cells come back can they name the relay, and a
# beacon that is lost must not cost them a second.
MISSED_BEACON_S = 0.5


def beacon_period(members: int) -> float:
    """Seconds from one beacon of a member to its next, in a meeting of so many."""
    few = next((period for most, period in BEACON_EVERY_S if members <= most), None)
    return members / BEACONS_PER_S if few is None else few


def patience(members: int) -> float:
    """By how much longer than in a small meeting one may be silent before it counts as absent or
    away: where cells are rare, too, a beacon waits for its place. (The design had a beacon each
    10 s above 50 members, and 3 s for all meetings: everybody was absent most of the time.)"""
    return 1.0 if members <= BEACON_EVERY_S[-1][0] else 0.75 * beacon_period(members)


# Without a council cell of ours that came back for so long a line hangs. Less than the 3 s in which
# others become absent; more than a slow line and a busy relay take.
ECHO_S = 2.0


class Watch(Protocol):
    """What is known of relays, by number, for the receipts."""

    def echoes(self, relay: int, now: float) -> bool: ...
    def missed(self, relay: int, now: float) -> tuple[bytes, ...]: ...


class BeaconMaker:
    """Makes this member's beacons."""

    def __init__(self, context: Context, after_ms: int, now: float) -> None:
        """`after_ms`: the time of the last beacon that an earlier run of this seat may have
        sent."""
        self._context = context
        self.last_ms = after_ms
        self._due_at = self._said_at = now
        self._echoes: dict[int, float] = {}

    def heard_echo(self, relay: int, now: float) -> None:
        """A council cell of ours came back from this relay."""
        self._echoes[relay] = now

    def soon(self, now: float) -> None:
        """Something that the beacon says changed."""
        self._due_at = min(self._due_at, now)

    def hurry(self, members: int, missed: bool, now: float) -> None:
        """Others need to know whom we hear: twice as often, for as long as this is said. `missed`:
        they miss us."""
        wait = beacon_period(members) / 2
        if missed:
            wait = min(wait, MISSED_BEACON_S)
        self._due_at = min(self._due_at, max(now, self._said_at + wait))

    def next_timer(self) -> float:
        return self._due_at

    def due(self, members: int, now: float) -> bool:
        """Whether a beacon is due; the next one is then due a period later."""
        if now < self._due_at:
            return False
        self._due_at = now + beacon_period(members)
        self._said_at = now
        return True

    def make(
        self,
        state: EpochState,
        name: str,
        showing: Showing,
        digest: bytes,
        watch: Watch,
        now: float,
    ) -> Signed:
        """The beacon of now."""
        self.last_ms = max(self.last_ms + 1, self._context.wall_ms(now))
        book = self._context.relays
        # To name the reserve is to ask others to come there.
        numbers = (*book.in_use, *(book.reserve if book.calls_reserve else ()))[:RECEIPTS_MAX]
        receipts = tuple(
            Receipt(
                book.pin(number)[:8],
                # Of both, as a relay can tell the council's room from that of voice.
                self._echoed(number, now) and watch.echoes(number, now),
                watch.missed(number, now),
            )
            for number in numbers
        )
        beacon = Beacon(
            seat=self._context.seat,
            at_ms=self.last_ms,
            epoch=state.group.epoch,
            authenticator=state.authenticator,
            showing=showing,
            name=name,
            digest=digest,
            receipts=receipts,
        )
        return sign_statement(
            self._context.key, Sign.BEACON, self._context.group_id, beacon.encode()
        )

    def _echoed(self, relay: int, now: float) -> bool:
        at = self._echoes.get(relay)
        return at is not None and now - at < ECHO_S
