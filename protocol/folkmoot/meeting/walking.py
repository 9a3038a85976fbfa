"""Walking out: a member's machine goes on in another meeting, and says farewell in the old one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from folkmoot.governance.charter import Charter
from folkmoot.meeting.calls import call_id
from folkmoot.meeting.context import UsageError
from folkmoot.meeting.events import (
    CloseRoom,
    Confirmed,
    EpochChanged,
    Joined,
    Left,
    Outgoing,
    Save,
    WalkedOut,
)
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.looking import Looking
from folkmoot.meeting.names import member_id
from folkmoot.meeting.records import RecordKind
from folkmoot.meeting.secession import CALL_S, OpenCall

# For all who said yes to be through. Who says farewell at once takes the way along: with enough
# farewells those left hear no more who could repeat it to them. The price is cells in two meetings.
LINGER_S = 8.0


class Departing:
    """The old meeting, until all who come along are in the new one, and for the seconds that a
    farewell takes. What happens in it is told to nobody, and nothing of it is saved: the seat that
    is kept is the new meeting's."""

    def __init__(self, inside: Inside, now: float) -> None:
        self._inside = inside
        inside.microphone = False
        self._farewell_at: float | None = now + LINGER_S
        self._linger_until = now + CALL_S
        self._ended = False
        self._look()

    def say_farewell(self, now: float) -> None:
        """Lingers no longer."""
        if self._farewell_at is not None:
            self._farewell_at = None
            self._inside.leave(now)
            self._look()

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be done."""
        return self._ended and not self._inside.context.outgoing

    def _look(self) -> None:
        context = self._inside.context
        if not self._ended and any(isinstance(one, Left) for one in context.events):
            self._ended = True
            context.want_rooms([])
        context.events.clear()

    def receive(self, room: int, cells: Sequence[bytes], now: float) -> None:
        wanted = self._inside.context.rooms.lookup(room)
        if wanted is not None and not self._ended:
            self._inside.receive(wanted, cells, now)
            self._look()

    def room_changed(self, room: int, is_open: bool, now: float) -> None:
        self._inside.context.rooms.changed(room, is_open)
        if not self._ended:
            self._inside.rooms_changed(now)
            self._look()

    def handle_timer(self, now: float) -> None:
        if self._farewell_at is not None:
            if not self._inside.online:
                # Perhaps nobody has the way yet; by then those who wait for it do so no more.
                self._farewell_at = min(now + LINGER_S, self._linger_until)
            if now >= self._farewell_at:
                self.say_farewell(now)
        if not self._ended:
            self._inside.handle_timer(now)
            self._look()

    def next_timer(self) -> float | None:
        return None if self._ended else self._inside.next_timer()

    def next_outgoing(self) -> Outgoing | None:
        outgoing = self._inside.context.outgoing
        while outgoing:
            action = outgoing.popleft()
            if isinstance(action, CloseRoom) or not (self._ended or isinstance(action, Save)):
                return action
        return None


class Walking(Looking):
    """The part of a meeting's machine that can change meetings."""

    def calls(self) -> list[OpenCall]:
        """Open calls to walk out together that we made, or that name us."""
        if self._inside is None or self._left:
            return []
        return list(self._inside.secession.open.values())

    def _member(self) -> Inside:
        if self._inside is None or self._left:
            raise UsageError("You are not in the meeting yet.")
        return self._inside

    def _settled_member(self) -> Inside:
        """For going elsewhere: among those whom a newcomer was led to, or one who lost its way, it
        would follow them on."""
        inside = self._member()
        if not self.confirmed:
            raise UsageError("Who invited you has not confirmed this meeting yet: wait for that.")
        if inside.needs_leaf:
            raise UsageError("You are not back in the meeting yet: wait a moment.")
        return inside

    def _seat_of(self, member: str) -> bytes:
        for seat in self._member().presence.members:
            if member_id(seat) == member:
                return seat
        raise UsageError("There is no such member.")

    def call(self, members: Collection[str], charter: Charter | None, now: float) -> str:
        """Calls these members to walk out together, to a meeting under this charter, or the same;
        the call's id. UsageError when it cannot be."""
        inside = self._settled_member()
        seats = [self._seat_of(one) for one in members]
        state, wall_s = inside.epochs.current, self._context.wall_s(now)
        record = inside.secession.call(seats, charter or self.charter, state, now, wall_s)
        inside.publish(RecordKind.CALL, record, now)
        return call_id(next(reversed(inside.secession.open)))

    def answer_call(self, call: str, yes: bool, now: float) -> None:
        """Comes along, or stays, finally; UsageError when there is no such call."""
        inside = self._settled_member() if yes else self._member()
        name = next((one for one in inside.secession.open if call_id(one) == call), None)
        if name is None:
            raise UsageError("There is no such call any more.")
        record = inside.secession.answer(name, yes, now)
        inside.publish(RecordKind.CALL_REPLY, record, now)

    def _walk_out(self, now: float) -> None:
        """Goes on where a call led to, once we have left where we were before."""
        old = self._inside
        if old is None or old.walked is None or self._departing is not None:
            return
        walked, old.walked = old.walked, None
        self._context = self._context.beside(
            walked.state.group.group_id, walked.state.terms.meeting
        )
        self._inside = Inside(
            self._context, walked.state, name=self.name, inviter_key=None, now=now
        )
        self._inside.hidden |= old.hidden
        self._inside.media.muted |= old.media.muted
        self._inside.microphone = old.microphone
        for kind in old.media.showing():
            self._inside.media.show(kind, True, now)
        self._outside = self._resting = self._knocks_on = None
        self._invite = self._invite_cache = None
        self._departing = Departing(old, now)
        self._inside.settle_in(now)
        seats = tuple(entry.seat for entry in walked.state.roster)
        self._context.tell(WalkedOut(walked.by, seats))
        self._context.tell(Joined())
        self._context.tell(EpochChanged(walked.state.group.epoch, walked.state.authenticator))
        self._context.tell(Confirmed())
