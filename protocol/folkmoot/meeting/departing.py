"""How a member leaves: its farewell, until the others settled a commit with it (architecture
§6)."""

from __future__ import annotations

from folkmoot.governance.evidence import make_farewell
from folkmoot.meeting.deciding import Deciding
from folkmoot.meeting.events import LEFT_WELL, Left
from folkmoot.meeting.records import RecordKind

FAREWELL_WAIT_S = 4.0  # for somebody to commit our farewell; then we go all the same
FAREWELL_EVERY_S = 0.5


class Departing(Deciding):
    """The parts of one member's meeting that have to do with its leaving."""

    # Until when we wait for somebody to commit our farewell.
    departure_deadline: float | None = None
    _farewell_at: float = 0.0
    _farewell_taken: bool = False  # a commit with it was offered

    def leave(self, now: float) -> None:
        """Says farewell; when we are alone there is nobody to say it to."""
        if self.departure_deadline is not None:
            return
        self.context.save(b"")
        if len(self.epochs.current.roster) == 1:
            self.context.tell(Left(LEFT_WELL))
            return
        if not self.online:
            self.context.tell(Left("You left the meeting; no relay was there to tell the others."))
            return
        self._say_farewell(now)
        self.departure_deadline = now + FAREWELL_WAIT_S

    def _say_farewell(self, now: float) -> None:
        entry = self.epochs.current.entry_of(self.context.seat)
        assert entry is not None
        farewell = make_farewell(
            self.context.key, self.context.group_id, self.context.seat, entry.leaf_hash
        )
        self.publish(RecordKind.FAREWELL, farewell.encode(), now)
        self._farewell_at = now
        # Our own answer is not waited for either: what the others settle is settled.
        self.epochs.goodbye(self.context.seat, now)

    def _depart(self, now: float) -> None:
        """Says farewell again until the others settled a commit with it: we shall not be here to
        repeat it. A commit that was only offered may lose to another."""
        assert self.departure_deadline is not None
        if self._farewell_taken and self.epochs.others_moved:
            self.departure_deadline = None
            self.context.tell(Left(LEFT_WELL))
        elif now >= self.departure_deadline:
            self.departure_deadline = None
            self.context.tell(Left("You left the meeting; nobody confirmed it."))
        elif now >= self._farewell_at + FAREWELL_EVERY_S:
            self._farewell_at = now
            self.council.repeat(RecordKind.FAREWELL)
