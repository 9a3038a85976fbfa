"""The one machine that an agent drives: a member's side of a meeting, from the knock to the
farewell.

It composes what is below it and adds no rule of its own. `receive`, `room_changed` and
`handle_timer` take what happened; `next_outgoing`, `next_event` and `next_timer` say what to do,
what to tell and when to wake. Time is the driver's monotonic clock in seconds; the wall clock is
read once, by the driver, at the start.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from folkmoot import mls
from folkmoot.cells.frames import EncodedFrame, MediaKind
from folkmoot.governance import PRESETS, Charter, Relay
from folkmoot.governance.motion import MOTION_S, MotionKind
from folkmoot.governance.relay_change import RelayListError, parse_relays
from folkmoot.meeting.context import UsageError, make_context
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import (
    Confirmed,
    EpochChanged,
    Event,
    Joined,
    Left,
    Outgoing,
    RosterChanged,
)
from folkmoot.meeting.founding import found_group
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.looking import Phase
from folkmoot.meeting.names import clean_name
from folkmoot.meeting.outside import Outside
from folkmoot.meeting.save import Saved
from folkmoot.meeting.walking import Walking
from folkmoot.wire.codec import DecodeError

GROUP_ID_BYTES = 16
KEY_BYTES = 32
LOST_CHECK_EVERY_S = 1.0
ALONE_S = 20.0  # nobody answered at the door: the seat's owner goes on alone


class Meeting(Walking):
    """See the module; make one with `found`, `join` or `restore`."""

    # -- beginning

    @classmethod
    def found(
        cls,
        *,
        name: str,
        charter: Charter,
        relays: Sequence[Relay],
        reserve: Sequence[Relay] = (),
        now: float,
        wall_s: float,
        entropy: Callable[[int], bytes],
    ) -> Meeting:
        """Opens a meeting with ourselves in it; `relays` are in use, `reserve` is moved to when
        they fail. UsageError when they cannot carry one."""
        group_id, key = entropy(GROUP_ID_BYTES), entropy(KEY_BYTES)
        used, kept = tuple(relays), tuple(reserve)
        context = make_context(group_id, key, used, now, wall_s, entropy, reserve=kept)
        tick = context.wall_s(now)
        state, _ = found_group(group_id, key, charter, used, kept, tick=tick, entropy=entropy)
        meeting = cls(context, clean_name(name))
        meeting._enter(state, inviter_key=None, now=now)
        return meeting

    @classmethod
    def join(
        cls,
        invite: Invite,
        *,
        name: str,
        now: float,
        wall_s: float,
        entropy: Callable[[int], bytes],
    ) -> Meeting:
        """Knocks at the meeting of an invite."""
        key = entropy(KEY_BYTES)
        context = make_context(invite.group_id, key, invite.relays, now, wall_s, entropy)
        meeting = cls(context, clean_name(name))
        meeting._invite = invite
        meeting._outside = Outside.of_invite(context, invite, meeting.name, key, now)
        return meeting

    @classmethod
    def restore(
        cls,
        saved: Saved,
        *,
        name: str | None,
        now: float,
        wall_s: float,
        entropy: Callable[[int], bytes],
    ) -> Meeting:
        """Takes a saved seat up again: it hears at once, and is heard once it has a fresh leaf.
        Raises MlsError when the saved state is damaged."""
        group = mls.Group.load(saved.group)
        try:
            state = EpochState(group, saved.secrets)
        except DecodeError as error:
            raise mls.StateError(mls.Check.SAVED_STATE, str(error)) from None
        entry = state.entry_of(saved.seat)
        if entry is None or entry.leaf != group.own_leaf:
            raise mls.StateError(mls.Check.SAVED_STATE, "of another seat")
        context = make_context(
            group.group_id,
            group.signature_private,
            saved.extension.relays,
            now,
            wall_s,
            entropy,
            reserve=saved.extension.reserve,
        )
        meeting = cls(context, clean_name(saved.name if name is None else name))
        meeting._inside = Inside(
            context,
            state,
            name=meeting.name,
            inviter_key=saved.inviter_key,
            now=now,
            seals=False,
            beacon_after_ms=saved.beacon_ms,
        )
        meeting._inside.media.muted |= saved.muted
        meeting._inside.hidden |= saved.hidden
        meeting._return(now)
        return meeting

    def _enter(
        self,
        state: EpochState,
        *,
        inviter_key: bytes | None,
        now: float,
    ) -> None:
        self._context.check_clock(state.secrets.tick, now)
        self._inside = Inside(
            self._context, state, name=self.name, inviter_key=inviter_key, now=now
        )
        self._inside.settle_in(now)
        self._arrived(state)

    def _arrived(self, state: EpochState) -> None:
        assert self._inside is not None
        self._context.tell(Joined())
        self._context.tell(EpochChanged(state.group.epoch, state.authenticator))
        if self._inside.inviter_key is None:
            self._context.tell(Confirmed())

    def _return(self, now: float, *, quiet: bool = True) -> None:
        """Asks at the door for what we missed, or for a fresh leaf in our seat."""
        assert self._inside is not None
        self._inside.quiet = quiet
        resting, self._resting = self._resting, None
        if resting is not None:
            # What we asked for a while ago may have been granted since: only its keys open it.
            resting.resume(self._inside, now)
        self._outside = resting or Outside.of_member(self._context, self._inside, now)
        self._context.want_rooms(self._inside.wanted_rooms())

    # -- what happens outside

    def receive(self, room: int, cells: Sequence[bytes], now: float) -> None:
        """Cells that a relay sent for one of our rooms. Nothing in them can raise."""
        wanted = self._context.rooms.lookup(room)
        if wanted is None and self._departing is not None:
            self._departing.receive(room, cells, now)
        if wanted is None or self._left:
            return
        if self._inside is not None:
            self._inside.receive(wanted, cells, now)
            self._walk_out(now)
        if self._outside is not None:
            self._outside.receive(wanted, cells, now)
            self._progress(now)
        if self._knocks_on is not None:
            self._knocks_on.receive(wanted, cells, now)
            self._look_for_inviter(now)

    def room_changed(self, room: int, is_open: bool, now: float) -> None:
        """A relay opened a room of ours, or its link is gone."""
        self._context.rooms.changed(room, is_open)
        if self._departing is not None:
            self._departing.room_changed(room, is_open, now)
        if self._inside is not None and not self._left:
            self._inside.rooms_changed(now)

    def handle_timer(self, now: float) -> None:
        """Time passed."""
        if self._departing is not None:
            if self._inside is not None and self._inside.presence.all_here(now):
                self._departing.say_farewell(now)
            self._departing.handle_timer(now)
            if self._departing.is_over:
                self._departing = None
        if self._left:
            return
        if self._inside is not None:
            self._inside.handle_timer(now)
            self._walk_out(now)
            if now >= self._lost_check_at and self._outside is None:
                self._lost_check_at = now + LOST_CHECK_EVERY_S
                if self._inside.needs_leaf or self._inside.is_lost(now):
                    self._return(now)
                elif self._inside.finds_few(now) or self._inside.is_behind(now):
                    self._return(now, quiet=False)
            self._refresh_if_alone(now)
        if self._outside is not None:
            if self._inside is not None:
                self._inside.quiet = self._inside.needs_leaf or self._inside.is_lost(now)
                self._outside.follow(self._inside, now)
            self._outside.handle_timer(now)
            self._progress(now)
        if self._knocks_on is not None:
            self._knocks_on.handle_timer(now)
            self._look_for_inviter(now)

    def _refresh_if_alone(self, now: float) -> None:
        """One that came back and finds nobody to ask leaves its saved epoch by itself."""
        inside = self._inside
        if inside is None or not inside.needs_leaf:
            self._alone_since = None
            return
        if not inside.online or not inside.alone(now):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        members = len(inside.epochs.current.roster)
        wait = 0.0 if members == 1 else ALONE_S
        if self._alone_since is not None and now - self._alone_since >= wait:
            self._alone_since = None
            inside.refresh(now)
            if not inside.needs_leaf:
                self._outside, inside.quiet = None, False
                self._arrived(inside.epochs.current)

    def next_timer(self) -> float | None:
        """When `handle_timer` is due."""
        if self._left:
            return None
        parts = (self._inside, self._outside, self._knocks_on, self._departing)
        times = [part.next_timer() for part in parts if part is not None]
        return min((due for due in times if due is not None), default=None)

    def next_outgoing(self) -> Outgoing | None:
        """What the driver must do next."""
        if self._context.outgoing:
            return self._context.outgoing.popleft()
        return None if self._departing is None else self._departing.next_outgoing()

    def next_event(self) -> Event | None:
        """What happened since, oldest first."""
        if not self._context.events:
            return None
        event = self._context.events.popleft()
        if isinstance(event, Left):
            self._left = True
            self._context.want_rooms([])
        return event

    def _progress(self, now: float) -> None:
        """The door answered."""
        outside = self._outside
        assert outside is not None
        if self._inside is not None:
            for handshake in outside.take_handshakes():
                self._inside.catch_up(handshake, now)
        if self._inside is not None and self._inside.is_well(now):
            # The way was found without a fresh leaf.
            self._outside, self._resting = None, outside
            self._inside.quiet = False
            return
        state = outside.take_admitted(now)
        if state is None:
            return
        self._outside = None
        if self._inside is None:
            assert self._invite is not None
            key = self._invite.inviter_key
            self._enter(state, inviter_key=key, now=now)
            outside.knock_on(now)
            self._knocks_on = outside
            self._knock_at_more(outside.room_roots)
        else:
            self._inside.come_back(state, now, known=outside.is_known(state))
            self._arrived(state)

    def _look_for_inviter(self, now: float) -> None:
        """We are in an epoch that who invited us has not confirmed: is there one that it vouches
        for?"""
        outside, inside = self._knocks_on, self._inside
        assert outside is not None
        if inside is None or inside.inviter_key is None:
            self._knocks_on = None
            self._knock_at_more(())
            return
        state = outside.take_admitted(now)
        if state is not None and not inside.epochs.knows(state.authenticator):
            outside.knock_on(now)
            inside.come_back(state, now, known=False)
            self._arrived(state)

    def _knock_at_more(self, room_roots: tuple[bytes, ...]) -> None:
        if self._inside is not None:
            self._inside.more_doors = room_roots
            self._context.want_rooms(self._inside.wanted_rooms())

    # -- wishes of our person

    def chat(self, text: str, now: float) -> None:
        """Says `text` (at most CHAT_BYTES_MAX bytes) to everybody."""
        self._member().say(text, now)

    def admit(self, knock: str, now: float) -> None:
        """Lets in who knocks."""
        self._member().admit(knock, now)

    def move(self, kind: str, subject: str, now: float, seconds: int = MOTION_S) -> str:
        """Moves that the electors decide something within so many seconds: `remove` or `raise` a
        member, `admit` who knocks, `amend` to a charter (a preset's name, or its encoded bytes in
        hex), `relays` (addresses with white space between, the first three to be used, the others
        in reserve); the motion's id. UsageError with a sentence when it cannot be moved."""
        inside = self._member()
        if kind == "admit":
            return inside.move_admission(subject, now, seconds)
        if kind in ("remove", "raise"):
            return inside.move(MotionKind[kind.upper()], self._seat_of(subject), now, seconds)
        if kind == "amend":
            try:
                preset = PRESETS.get(subject)
                encoded = bytes.fromhex(subject) if preset is None else preset.encode()
                charter = Charter.decode(encoded)
            except ValueError:
                raise UsageError(f'"{subject}" is no charter.') from None
            return inside.move(MotionKind.AMEND, charter.encode(), now, seconds)
        if kind == "relays":
            try:
                meeting = parse_relays(subject, inside.extension)
            except RelayListError as error:
                raise UsageError(str(error)) from None
            return inside.move(MotionKind.RELAYS, meeting.encode(), now, seconds)
        raise UsageError("What can be moved: remove, raise, admit, amend, relays.")

    def vote(self, motion: str, yes: bool, now: float) -> None:
        """Answers a motion; the answer is final. UsageError with a sentence when we cannot."""
        self._member().vote(motion, yes, now)

    def refuse(self, knock: str, now: float) -> None:
        """Tells who knocks that we do not let them in; others still may."""
        self._member().entrance.refuse(knock)
        self._context.tell(RosterChanged())

    def accept_charter(self, now: float) -> None:
        """Goes on although the meeting's charter is not the invite's."""
        if self._outside is not None:
            self._outside.accept_charter()
            self._progress(now)

    def rename(self, name: str, now: float) -> None:
        self.name = clean_name(name)
        if self._inside is not None:
            self._inside.name = self.name
            self._inside.beacon_soon(now)
        self._context.tell(RosterChanged())

    def microphone(self, on: bool, now: float) -> None:
        """Turns our sound on or off; the pace of cells stays."""
        inside = self._member()
        inside.microphone = on
        if not on:
            inside.media.silence()
        inside.beacon_soon(now)

    def show(self, kind: MediaKind, on: bool, now: float) -> None:
        """Turns our camera or screen on or off."""
        inside = self._member()
        inside.media.show(kind, on, now)
        inside.rooms_changed(now)
        inside.beacon_soon(now)

    def mute(self, member: str, on: bool, now: float) -> None:
        """Hears or does not hear a member, for ourselves alone, as long as the meeting lasts."""
        inside = self._member()
        change = inside.media.muted.add if on else inside.media.muted.discard
        change(self._seat_of(member))
        inside.save(now)
        self._context.tell(RosterChanged())

    def hide(self, member: str, on: bool, now: float) -> None:
        """Sees or does not see a member, for ourselves alone."""
        inside = self._member()
        inside.hide(self._seat_of(member), on, now)
        inside.save(now)
        self._context.tell(RosterChanged())

    def leave(self, now: float) -> None:
        """Leaves; the event Left says when it is done."""
        if self._left:
            return
        if self._departing is not None:
            self._departing.say_farewell(now)
        if self._inside is None:
            self._context.save(b"")
            self._context.tell(Left("You left before you were in the meeting."))
        else:
            self._inside.leave(now)

    # -- media

    def voice(self, frame: EncodedFrame, now: float) -> bool:
        """A frame of our microphone; False when it was too large. Silently dropped while the
        microphone is off or who invited us has not confirmed the meeting."""
        inside = self._inside
        if inside is None or not inside.microphone or not self.confirmed:
            return True
        return inside.media.voice(frame)

    def picture(self, frame: EncodedFrame, now: float) -> None:
        """A frame of our camera or screen; dropped likewise."""
        if self._inside is not None and self.confirmed:
            self._inside.media.picture(frame, now)

    def want_key_frame(self, member: str, now: float) -> None:
        """The browser cannot decode this member's picture."""
        if self._inside is not None and not self._left:
            try:
                self._inside.media.want_key(self._seat_of(member))
            except UsageError:
                return


__all__ = ["Meeting", "Phase"]
