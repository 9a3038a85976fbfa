"""One meeting from the command line's settings to its end: what `meet` and `join` do.

Everything that the command is made of meets here and nowhere else: the relay of this machine, the
session and its links, the page or the files in its place, signals, and standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.text import Text

from folkmoot.agent import reach, stdin_commands
from folkmoot.agent.console import Output
from folkmoot.agent.failure import Failure
from folkmoot.agent.links import Links
from folkmoot.agent.media import CannotPlay, CannotRecord, Headless
from folkmoot.agent.page import ReturnNote
from folkmoot.agent.page_side import PageSide
from folkmoot.agent.path_choice import PathChoice, Wish, choices, preview
from folkmoot.agent.people import Words, open_panel
from folkmoot.agent.pinned import WrongPin
from folkmoot.agent.relay_process import RelayProcess
from folkmoot.agent.seat_file import SeatFile
from folkmoot.agent.session import Session, entropy, wall_seconds
from folkmoot.governance import Charter, Relay
from folkmoot.governance.relay_change import RelayListError, split_relays
from folkmoot.meeting import Meeting, UsageError
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.save import Saved
from folkmoot.mls import MlsError
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError

# A relay that has not answered for so long when a meeting begins will not carry it. Later on it is
# waited for without end.
FIRST_CONTACT_S = 10.0
# Events of the session that are state for the page, and no news for people or programs.
NOT_NEWS = frozenset({"snapshot", "speaking", "draft"})


@dataclass(frozen=True, slots=True)
class Settings:
    """`invite` None: open a meeting, else join this one. `relays` empty: start one here, at
    `listen` (host and port) or at an address that others can reach."""

    name: str
    charter: Charter
    invite: Invite | None = None
    relays: tuple[RelayAddress, ...] = ()
    listen: tuple[str, int] | None = None
    headless: bool = False
    play: Path | None = None
    record: Path | None = None
    loop: bool = False
    for_s: float | None = None
    wish: Wish = field(default_factory=Wish)
    admit_all: bool = False


async def run_meeting(settings: Settings, output: Output) -> None:
    """Until the meeting is left; raises Failure with the sentence that says why it did not
    begin."""
    await _Run(settings, output).run()


class _Run:
    def __init__(self, settings: Settings, output: Output) -> None:
        self._settings = settings
        self._wish = settings.wish
        # Which entries are used hangs on it, and so does what the page promises before we join.
        self._turn = int.from_bytes(entropy(2), "big")
        self._output = output
        self._words = Words(output, settings.invite is not None)
        self._session: Session | None = None
        self._links: Links | None = None
        self._media: Headless | None = None
        self._relay: RelayProcess | None = None
        self._own_relay: RelayAddress | None = None
        self._page: PageSide | None = None
        self._waiting: tuple[Meeting, SeatFile | None] | None = None
        self._invite_said = ""
        self._contact = False
        self._first_sentence = ""
        self._signals = 0
        self._ended: asyncio.Future[None] | None = None

    # -- from beginning to end

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._on_signal)
        try:
            self._make_media()
            relays = await self._relays()
            meeting, seat_file = self._make_meeting(relays)
            await self._begin(meeting, seat_file, relays)
            if self._settings.for_s is not None:
                loop.call_later(self._settings.for_s, self._leave)
            await self._ended
        finally:
            await self._close()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _end(self, failure: Failure | None = None) -> None:
        """Ends the command; the first call counts."""
        assert self._ended is not None
        if not self._ended.done():
            if failure is None:
                self._ended.set_result(None)
            else:
                self._ended.set_exception(failure)

    async def _close(self) -> None:
        if self._page is not None:
            await self._page.close(in_haste=self._session is None)
        if self._waiting is not None and self._waiting[1] is not None:
            self._waiting[1].forget()  # nobody ever pressed join
        if self._session is not None:
            await self._session.close()
        if self._media is not None:
            await self._media.close()
        if self._relay is not None:
            await self._relay.stop()

    def _on_signal(self) -> None:
        self._signals += 1
        if self._signals > 1:
            # The relay of this machine notices that we are gone; the kernel closes the rest.
            os._exit(128 + signal.SIGINT)
        if self._output.on_terminal:
            self._output.say("Leaving the meeting. Ctrl-C once more ends at once.")
        self._leave()

    def _leave(self) -> None:
        """Leaves properly, or ends a command that is not in a meeting yet."""
        if self._session is None:
            self._end()
        else:
            _keep(asyncio.create_task(self._session.leave()))

    # -- what a meeting is made of

    def _make_media(self) -> None:
        settings = self._settings
        if not settings.headless:
            return
        try:
            self._media = Headless(
                play=settings.play,
                record=settings.record,
                loop=settings.loop,
                on_voice=lambda frame: self._in_session(lambda to: to.voice_in(frame)),
                on_picture=lambda frame: self._in_session(lambda to: to.picture_in(frame)),
                on_keyframe_wanted_of=lambda member: self._in_session(
                    lambda to: to.want_keyframe(member)
                ),
                on_problem=lambda sentence: self._tell({"event": "problem", "sentence": sentence}),
            )
        except (CannotPlay, CannotRecord) as error:
            raise Failure(str(error)) from None

    def _in_session(self, act: Callable[[Session], None]) -> None:
        if self._session is not None:
            act(self._session)

    async def _relays(self) -> tuple[Relay, ...]:
        """Those that the meeting begins with, the first ones to be used."""
        if self._settings.invite is not None:
            return self._settings.invite.relays
        if self._settings.relays:
            return tuple(Relay(address) for address in self._settings.relays)
        host, port = self._settings.listen or (reach.reachable_address(), 0)
        self._relay = RelayProcess(
            host, port, lambda sentence: self._tell({"event": "problem", "sentence": sentence})
        )
        starting = asyncio.ensure_future(self._relay.start())
        assert self._ended is not None
        both: list[asyncio.Future[Any]] = [starting, self._ended]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():  # Ctrl-C before there was a meeting
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            raise Failure("Stopped before the meeting began.")
        self._own_relay = starting.result()
        self._output.event({"event": "relay", "address": str(self._own_relay)})
        return (Relay(self._own_relay),)

    def _make_meeting(self, relays: tuple[Relay, ...]) -> tuple[Meeting | None, SeatFile | None]:
        """The meeting to begin with; None when there is none before the person presses join."""
        settings, now = self._settings, asyncio.get_running_loop().time()
        if settings.invite is not None:
            return self._join(settings.name) if settings.headless else (None, None)
        try:
            used, reserve = split_relays(relays)
            meeting = Meeting.found(
                name=settings.name,
                charter=settings.charter,
                relays=used,
                reserve=reserve,
                now=now,
                wall_s=wall_seconds(),
                entropy=entropy,
            )
        except (UsageError, RelayListError) as error:
            raise Failure(str(error)) from None
        return meeting, self._fresh_seat(meeting.group_id)

    def _fresh_seat(self, group_id: bytes) -> SeatFile | None:
        try:
            return SeatFile.fresh(group_id, entropy(8))
        except OSError as error:
            sentence = (
                f"Your place in this meeting cannot be saved on this computer ({error.strerror}): "
                "if the program stops, you will have to be let in again."
            )
            self._tell({"event": "problem", "sentence": sentence})
            return None

    def _join(self, name: str) -> tuple[Meeting, SeatFile | None]:
        """Knocks, or takes up the seat that this machine left in haste a moment ago."""
        invite = self._settings.invite
        assert invite is not None
        now = asyncio.get_running_loop().time()
        with contextlib.suppress(OSError):
            taken = SeatFile.take_up(invite.group_id)
            if taken is not None:
                file, data = taken
                try:
                    saved = Saved.decode(data)
                    meeting = Meeting.restore(
                        saved, name=None, now=now, wall_s=wall_seconds(), entropy=entropy
                    )
                except (DecodeError, MlsError):
                    file.forget()
                else:
                    return meeting, file
        try:
            meeting = Meeting.join(
                invite, name=name, now=now, wall_s=wall_seconds(), entropy=entropy
            )
        except UsageError as error:
            raise Failure(str(error)) from None
        return meeting, self._fresh_seat(invite.group_id)

    # -- beginning

    async def _begin(
        self, meeting: Meeting | None, seat_file: SeatFile | None, relays: tuple[Relay, ...]
    ) -> None:
        settings = self._settings
        if settings.headless:
            assert meeting is not None
            self._start(meeting, seat_file)
            if not self._output.as_json:
                return
            stdin_commands.read_commands(
                lambda command: self._in_session(lambda to: to.do(command)),
                lambda why: self._tell({"event": "refused", "what": "", "why": why}),
            )
            return
        # A meeting that is opened here has its invite now, and its links once the person pressed
        # join, as the page promises; who knocks meanwhile waits.
        word = settings.invite.word() if settings.invite is not None else ""
        if meeting is not None:
            self._waiting = meeting, seat_file
            word = meeting.invite_text()
            self._say_invite(word)
        self._page = PageSide(
            invite=word,
            name=settings.name,
            charter=settings.charter,
            relays=preview(settings.wish, relays, self._turn),
            choice=choices(settings.wish, relays, self._turn),
            opens=settings.invite is None,
            relay_here=self._own_relay is not None,
            note=self._note_left(),
            enter=self._enter,
            gone=self._leave,
        )
        await self._page.open(self._output)

    def _note_left(self) -> ReturnNote | None:
        """By which the page of an agent that died finds this one."""
        if self._settings.invite is None:
            return None
        try:
            return ReturnNote.decode(SeatFile.note_left(self._settings.invite.group_id))
        except OSError:
            return None

    def _enter(self, name: str | None, hidden: bool | None) -> Session:
        """The person pressed join in the page: whoever follows an invite knocks now. Without a name
        when they come back to their seat, which has one."""
        if self._session is not None:
            return self._session
        if hidden is not None:
            self._wish = replace(self._wish, hide=hidden)
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return self._start(*self._join(name or self._settings.name))
        waiting[0].rename(name or self._settings.name, asyncio.get_running_loop().time())
        return self._start(*waiting)

    def _start(self, meeting: Meeting, seat_file: SeatFile | None) -> Session:
        """The session begins, and with it the links."""
        if self._page is not None and seat_file is not None:
            seat_file.keep_note(self._page.note.encode())
        session = Session(meeting, seat_file)
        self._session = session
        choice = PathChoice(self._wish, meeting.relay_uses, self._turn)
        session.sees = choice.seen_by
        self._links = Links(
            on_cells=session.on_cells,
            on_room=session.on_room,
            on_link=self._on_link,
            route_for=choice.route_for,
            on_way=choice.on_way,
            ways_back=lambda: choice.ways_back(session.on_move),
            on_move=lambda relay, purpose, via, worked: choice.on_move(
                relay, purpose, via, worked, session.on_move
            ),
        )
        session.subscribe(self._on_event)
        if self._media is not None:
            session.attach_media(self._media)
        session.start(self._links)
        if self._settings.headless or self._settings.invite is None:
            asyncio.get_running_loop().call_later(FIRST_CONTACT_S, self._judge_first_contact)
        _keep(asyncio.create_task(self._until_left(session)))
        return session

    async def _until_left(self, session: Session) -> None:
        try:
            await session.run()
        except Exception as error:  # our own mistake: say so, and do not hang
            self._end(Failure(f"The meeting ended by a mistake in this program: {error!r}"))
            raise
        self._end()

    def _on_link(self, relay: RelayAddress, purpose: str, up: bool, sentence: str) -> None:
        assert self._session is not None
        self._contact = self._contact or up
        self._session.on_link(relay, purpose, up, sentence)
        if not self._contact:
            self._first_sentence = sentence
            if WrongPin.sentence in sentence:
                self._judge_first_contact()

    def _judge_first_contact(self) -> None:
        """Ends a command whose relay was never there: the person should hear that, not wait."""
        if not self._contact and self._first_sentence:
            where = "The relay cannot be used: "
            self._end(Failure(f"{where}{self._first_sentence.rstrip('.')}."))

    # -- what is said

    def _on_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "snapshot":
            self._say_invite(event.get("invite") or "")
        if event["event"] == "joined" and self._media is not None:
            self._media.start()
            self._switch("microphone", self._media.has_voice)
            self._switch("camera", self._media.has_picture)
        if event["event"] == "knock" and self._settings.admit_all:
            command = {"do": "admit", "knock": event["knock"]}
            asyncio.get_running_loop().call_soon(self._in_session, lambda to: to.do(command))
        self._tell(event)

    def _switch(self, what: str, on: bool) -> None:
        if on and self._session is not None:
            self._session.do({"do": what, "on": True})

    def _tell(self, event: dict[str, Any]) -> None:
        """To people, and to programs; problems are errors in the words of `cli.md`."""
        if self._output.as_json:
            if event["event"] == "problem":
                self._output.event({"event": "error", "message": event["sentence"]})
            elif event["event"] not in NOT_NEWS:
                self._output.event(event)
        else:
            self._words.event(event)

    def _say_invite(self, invite: str) -> None:
        if not invite or invite == self._invite_said:
            return
        first, self._invite_said = not self._invite_said, invite
        self._output.event({"event": "invite", "invite": invite})
        if self._settings.invite is None and not self._output.as_json:
            self._output.say(open_panel(self._own_relay) if first else "The invite has changed:")
            self._output.say(Text(f"\n{invite}\n"))
            if first:
                self._output.qr(invite)


_tasks: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    """The loop itself holds tasks only weakly."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
