"""The driver: one meeting machine, the links to its relays, and whoever watches and listens.

All decisions are the machine's. This pump gives it bytes, time and randomness, does what it asks
for in the order it asks, and says what happened in the events of the command line's contract.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from folkmoot.agent.commands import CommandError, perform
from folkmoot.agent.drafts import draft_event
from folkmoot.agent.seat_file import SeatFile
from folkmoot.agent.view import Sees, event_of, snapshot_of
from folkmoot.agent.votes import Votes
from folkmoot.cells.frames import EncodedFrame
from folkmoot.meeting import Meeting, events, names
from folkmoot.meeting.noticing import NoticeKind
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import Direction, LaneSlot
from folkmoot.wire.link import printable

HEARING_PERIOD_S = 1.0
TOUCH_PERIOD_S = 30.0
SUBSCRIBERS_MAX = 8
LINK_SENTENCES_MAX = 8  # of one relay, which ends links with words of its own
# A snapshot holds the whole chat: what others send often must not make one each time.
SNAPSHOT_PERIOD_S = 0.1
LEAVE_TIMEOUT_S = 5.0
NAME_WAIT_S = 5.0  # a newcomer's first beacon, with its name, comes within a second or two
VOICE_BITRATE = 24_000

Event = dict[str, Any]


class LinksLike(Protocol):
    """What the session needs of the links."""

    def open_room(
        self,
        handle: int,
        relay: RelayAddress,
        purpose: str,
        slot: LaneSlot,
        seed: bytes,
        direction: Direction,
    ) -> None: ...
    def close_room(self, handle: int) -> None: ...
    def send(self, handle: int, cells: Sequence[bytes]) -> None: ...
    def renew(self, relay: RelayAddress) -> None: ...
    async def close(self) -> None: ...


class MediaSink(Protocol):
    """Where frames of others go: the bridge to the page, a recorder."""

    def member_added(self, member: str, name: str) -> None: ...
    def member_removed(self, member: str) -> None: ...
    def play(self, member: str, frame: EncodedFrame) -> None: ...
    def picture_gap(self, member: str) -> None: ...
    def keyframe_wanted(self) -> None: ...
    def limits(self, voice_bitrate: int, picture_bitrate: int) -> None: ...


class Session:
    """One member's meeting, from knocking or founding until it is left."""

    def __init__(self, meeting: Meeting, seat_file: SeatFile | None) -> None:
        self.meeting = meeting
        self._seat_file = seat_file
        self._links: LinksLike | None = None
        self._subscribers: list[Callable[[Event], None]] = []
        self._sinks: list[MediaSink] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._pump_is_due = False
        self._left = asyncio.Event()
        self._pumping = False
        self._relays_up: dict[RelayAddress, bool] = {}
        # Said of a relay since it was last up.
        self._link_sentences: dict[RelayAddress, set[str]] = {}
        self._shown: dict[str, str] = {}  # members that the sinks know, and their names
        self._arriving: dict[bytes, float] = {}  # seats not announced yet, and until when
        self._snapshot_due = False
        self._snapshot_from = 0.0  # when the next may be made
        self._snapshot_timer: asyncio.TimerHandle | None = None
        self._last_touch = 0.0
        self._save_failed = False
        self._votes = Votes()
        self._noticed: object = ([], {})  # of the relays, as it was last shown
        self.sees: Callable[[], Sees] = dict  # what each relay sees of us, as the links know it
        # What a newcomer at the door knows: whether somebody inside heard the knock, who said no,
        # and which rules are not those of the invite.
        self._door: Event = {"heard": False, "declined": "", "rules": []}

    # -- running

    def start(self, links: LinksLike) -> None:
        """Begins; must be called in the loop that everything runs in."""
        self._links = links
        self._pump()

    async def run(self) -> None:
        """Until the meeting is left."""
        hearing = asyncio.create_task(self._report_hearing())
        try:
            await self._left.wait()
        finally:
            hearing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await hearing
            await self.close()

    async def leave(self) -> None:
        """Leaves properly; after a few seconds all the same."""
        self.meeting.leave(self.now())
        self._pump()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._left.wait(), LEAVE_TIMEOUT_S)
        self._left.set()

    async def close(self) -> None:
        """Ends without a word to anybody."""
        for timer in (self._timer, self._snapshot_timer):
            if timer is not None:
                timer.cancel()
        self._left.set()
        links, self._links = self._links, None
        if links is not None:
            await links.close()
        if self._seat_file is not None:
            self._seat_file.close()
            self._seat_file = None

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    # -- what the links report

    def on_cells(self, handle: int, cells: Sequence[bytes]) -> None:
        self.meeting.receive(handle, cells, self.now())
        if not self._pump_is_due:
            # A relay's tick brings cells of several rooms at once: one round of the pump is enough.
            self._pump_is_due = True
            asyncio.get_running_loop().call_soon(self._pump)

    def on_room(self, handle: int, is_open: bool, reason: str) -> None:
        self.meeting.room_changed(handle, is_open, self.now())
        if reason and not is_open:
            self._publish({"event": "problem", "sentence": reason})
        self._pump()

    def on_link(self, relay: RelayAddress, purpose: str, up: bool, sentence: str) -> None:
        if purpose == "main" and self._relays_up.get(relay) != up:
            self._relays_up[relay] = up
            self._publish({"event": "relay_up" if up else "relay_down", "relay": str(relay)})
            if up:
                self._link_sentences.pop(relay, None)
        self._snapshot_due = True  # by which way any link goes decides who sees our address
        said = self._link_sentences.setdefault(relay, set())
        sentence = printable(sentence)
        if sentence and sentence not in said and len(said) < LINK_SENTENCES_MAX:
            # Said once: each of a relay's links would say it again at every try.
            said.add(sentence)
            self._publish({"event": "problem", "sentence": sentence})
        self._pump()

    def on_move(self) -> None:
        """Links go other ways, or try to: who sees our address may have changed."""
        self._snapshot_due = True
        self._pump()

    # -- media

    def attach_media(self, sink: MediaSink) -> None:
        """From now on `sink` gets everybody's frames."""
        if sink in self._sinks:
            return
        self._sinks.append(sink)
        for member, name in self._shown.items():
            sink.member_added(member, name)
        sink.limits(VOICE_BITRATE, self.meeting.picture_bitrate)

    def _sync_sinks(self) -> None:
        """Tells the sinks who is there: once for each member, and again under a new name."""
        roster = {one.member: one.name for one in self.meeting.roster(self.now()) if not one.own}
        before, self._shown = self._shown, roster
        for sink in self._sinks:
            for member in before.keys() - roster.keys():
                sink.member_removed(member)
            for member, name in roster.items():
                if before.get(member) != name:
                    sink.member_added(member, name)

    def detach_media(self, sink: MediaSink) -> None:
        if sink in self._sinks:
            self._sinks.remove(sink)

    def voice_in(self, frame: EncodedFrame) -> None:
        """A frame of our own microphone. One that does not fit lowers the bitrate."""
        if not self.meeting.voice(frame, self.now()):
            for sink in self._sinks:
                sink.limits(VOICE_BITRATE * 3 // 4, self.meeting.picture_bitrate)

    def picture_in(self, frame: EncodedFrame) -> None:
        """A frame of our own camera or screen."""
        self.meeting.picture(frame, self.now())
        self._pump()

    def want_keyframe(self, member: str) -> None:
        """The browser needs a key frame of this member's picture."""
        self.meeting.want_key_frame(member, self.now())

    # -- what people and programs see and say

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back with every event from now on, a snapshot first; gives what ends it."""
        if len(self._subscribers) >= SUBSCRIBERS_MAX:
            raise RuntimeError("too many watch this session")
        self._subscribers.append(callback)
        callback(self.snapshot())
        return lambda: self._subscribers.remove(callback) if callback in self._subscribers else None

    def snapshot(self) -> Event:
        """Everything the page shows."""
        now = self.now()
        return {
            **snapshot_of(self.meeting, self._relays_up, self.sees(), now),
            **self._votes.shown(self.meeting, now),
            "door": {**self._door},
        }

    def do(self, command: Event) -> None:
        """One command of the contract; what cannot be done answers with `refused`."""
        if command.get("do") == "draft":
            number, kind = command.get("draft"), str(command.get("kind"))
            if not isinstance(number, int):
                number = 0  # of a program, which has no page that waits for it
            self._publish(draft_event(self.meeting, kind, command.get("subject"), number))
            return
        try:
            perform(self.meeting, command, self.now())
            if command.get("do") == "accept_charter":
                self._door["rules"] = []
        except CommandError as error:
            self._publish({"event": "refused", "what": str(command.get("do")), "why": str(error)})
        self._snapshot_due = True
        self._snapshot_from = 0.0  # what one does oneself shows at once
        self._pump()

    def _publish(self, event: Event) -> None:
        for callback in list(self._subscribers):
            callback(event)

    async def _report_hearing(self) -> None:
        while True:
            await asyncio.sleep(HEARING_PERIOD_S)
            for row in self.meeting.hearing():
                self._publish({"event": "hearing", **row})
            self._announce()
            now = self.now()
            if self._against_relays(now) != self._noticed:
                self._snapshot_due = True
                self._pump()  # what was noticed ends without an event
            if self._seat_file is not None and self.now() - self._last_touch > TOUCH_PERIOD_S:
                self._last_touch = self.now()
                self._seat_file.touch()

    # -- the pump

    def _pump(self) -> None:
        """Does all that the machine asks for, tells all that happened, and sets the next timer."""
        self._pump_is_due = False
        if self._pumping or self._links is None:
            return
        self._pumping = True
        try:
            while True:
                while (action := self.meeting.next_outgoing()) is not None:
                    self._act(action)
                event = self.meeting.next_event()
                if event is None:
                    break
                self._tell(event)
        finally:
            self._pumping = False
        if self._snapshot_due:
            self._publish_snapshot()
        self._set_timer()

    def _publish_snapshot(self) -> None:
        now = self.now()
        if now >= self._snapshot_from:
            self._snapshot_due = False
            self._snapshot_from = now + SNAPSHOT_PERIOD_S
            self._noticed = self._against_relays(now)
            self._publish(self.snapshot())
        elif self._snapshot_timer is None:
            loop = asyncio.get_running_loop()
            self._snapshot_timer = loop.call_at(self._snapshot_from, self._on_snapshot_timer)

    def _against_relays(self, now: float) -> object:
        return self.meeting.noticed(now), self.meeting.marks(now)

    def _on_snapshot_timer(self) -> None:
        self._snapshot_timer = None
        if self._snapshot_due and self._links is not None:
            self._publish_snapshot()

    def _set_timer(self) -> None:
        due = self.meeting.next_timer()
        if self._timer is not None:
            if due == self._timer_due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and self._links is not None:
            self._timer_due = due
            self._timer = asyncio.get_running_loop().call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.meeting.handle_timer(self.now())
        self._pump()

    def _act(self, action: events.Outgoing) -> None:
        assert self._links is not None
        if isinstance(action, events.SendCells):
            self._links.send(action.room, action.cells)
        elif isinstance(action, events.OpenRoom):
            self._links.open_room(
                action.room,
                self.meeting.relays[action.relay].address,
                action.purpose,
                action.slot,
                action.seed,
                action.direction,
            )
        elif isinstance(action, events.CloseRoom):
            self._links.close_room(action.room)
        else:
            self._save(action.data)

    def _save(self, data: bytes) -> None:
        if self._seat_file is None:
            return
        if not data:
            self._seat_file.forget()
            self._seat_file = None
            return
        try:
            self._seat_file.write(data)
            self._save_failed = False
        except OSError as error:
            # Media goes on: the epoch's keys are in memory. What is lost is coming back after a
            # crash.
            if not self._save_failed:
                self._save_failed = True
                sentence = (
                    "Your place in this meeting cannot be saved on this computer "
                    f"({error.strerror}): if the program stops, you will have to be let in again."
                )
                self._publish({"event": "problem", "sentence": sentence})

    def _tell(self, event: events.Event) -> None:
        if isinstance(event, events.FrameReceived):
            member = names.member_id(event.seat)
            for sink in self._sinks:
                sink.play(member, event.frame)
            return
        if isinstance(event, events.PictureGap):
            for sink in self._sinks:
                sink.picture_gap(names.member_id(event.seat))
            return
        if isinstance(event, events.KeyFrameNeeded):
            for sink in self._sinks:
                sink.keyframe_wanted()
            return
        if (
            isinstance(event, events.Noticed)
            and event.kind is NoticeKind.DEAFENED
            and self._links is not None
        ):
            # Known by our own counts alone: nobody else's word takes a path from us.
            self._links.renew(event.relay)
        self._sync_sinks()
        self._note_door(event)
        self._votes.note(self.meeting, event, self.now())
        if isinstance(event, events.MemberIn):
            self._arriving[event.seat] = self.now() + NAME_WAIT_S
        else:
            self._announce(event)
            for told in event_of(self.meeting, event, self.now()):
                self._publish(told)
        self._snapshot_due = True
        if isinstance(event, events.Left):
            # A farewell that nobody confirmed is said: who leaves should not believe it was heard.
            left: Event = {"event": "left"}
            if event.why != events.LEFT_WELL:
                left["why"] = event.why
            if event.removal is not None:
                left["removed"] = {"how": event.removal.how, "rules": list(event.removal.rules)}
            self._publish(left)
            self._left.set()

    def _note_door(self, event: events.Event) -> None:
        if isinstance(event, events.Waiting):
            self._door["heard"] = True
        elif isinstance(event, events.Refused) and event.what == "admission":
            self._door["declined"] = event.why
        elif isinstance(event, events.CharterDiffers):
            self._door["rules"] = list(event.sentences)

    def _announce(self, event: events.Event | None = None) -> None:
        """Says who came in, under their name: the commit that lets a newcomer in does not hold it.
        Without the name when it does not come, or `event` says that they are out again."""
        if not self._arriving:
            return
        now = self.now()
        out = event.seat if isinstance(event, events.MemberOut) else None
        named = {one.seat for one in self.meeting.roster(now) if one.here}
        for seat, until in list(self._arriving.items()):
            if seat in named or seat == out or now >= until:
                del self._arriving[seat]
                for told in event_of(self.meeting, events.MemberIn(seat), now):
                    self._publish(told)


def wall_seconds() -> float:
    """This machine's wall clock in seconds; read once, then the loop's clock goes on from it."""
    return time.time()


def entropy(length: int) -> bytes:
    """Random bytes of the operating system."""
    return os.urandom(length)
