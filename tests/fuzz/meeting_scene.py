"""A small meeting, made once and copied for each input, and one side of it, driven."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace

from folkmoot.cells.frames import MediaKind
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.invite import Invite
from folkmoot.wire.lanes import LaneSlot
from fuzz.meeting_insider import MeetingInsider, Said
from fuzz.state import copy_of
from fuzz.target import BrokenPromise
from simulation.meeting_world import WALL_S, Member, World, agreed

HONEST = "from Cy"
TURNS_MAX = 500
Arrival = tuple[LaneSlot, list[bytes]]


class Scene:
    """Ann, Bob and Cy in one epoch, Bob's camera on, Dee at the door; made once."""

    _made: Scene | None = None

    def __init__(self) -> None:
        self.world = world = World(4)
        ann = world.found("Ann")
        ann.admits = False
        world.run(0.5)
        word = ann.meeting.invite_text()
        self.ann, self.bob = ann, self._let_in(ann, word, "Bob")
        self.cy = self._let_in(ann, word, "Cy")
        world.do(self.bob, lambda meeting: meeting.show(MediaKind.CAMERA, True, world.now))
        world.run(3)
        self.bob.admits = self.cy.admits = False
        self.dee = world.join("Dee", word)
        world.run(1.3)
        assert ann.meeting.knocks()
        self.now = world.now
        self.invite = Invite.parse(word)
        self.frozen = self.copy(ann.meeting)
        self.knocking = self.copy(self.dee.meeting)
        pin = world.relays[0].address.pin
        self.insider = MeetingInsider(self.copy(self.bob.meeting), pin, int(WALL_S + self.now))
        self.honest = self._record_honest()

    def _let_in(self, ann: Member, word: str, name: str) -> Member:
        world = self.world
        member = world.join(name, word)
        ann.admits = True
        everybody = [ann, *([self.bob] if name == "Cy" else []), member]
        world.run_until(lambda: agreed(everybody), 20)
        ann.admits = False
        world.run(1)
        return member

    def _record_honest(self) -> list[Arrival]:
        """What Ann hears while Cy says something."""
        heard: list[Arrival] = []
        ann, receive = self.ann.meeting, self.ann.meeting.receive

        def spy(room: int, cells: Sequence[bytes], now: float) -> None:
            wanted = ann._context.rooms.lookup(room)
            if wanted is not None:
                heard.append((wanted.lane.slot, list(cells)))
            receive(room, cells, now)

        ann.receive = spy  # type: ignore[method-assign]
        self.world.do(self.cy, lambda meeting: meeting.chat(HONEST, self.world.now))
        told = self.ann.of(events.ChatReceived)
        self.world.run_until(lambda: any(one.text == HONEST for one in told_now(self.ann)), 10)
        assert not any(one.text == HONEST for one in told)
        return heard

    def copy(self, meeting: Meeting) -> Meeting:
        """A copy with chance of its own, equal each time."""
        return copy_of(meeting, {id(self.world): SimpleNamespace(random=random.Random(1))})

    @classmethod
    def get(cls) -> Scene:
        if cls._made is None:
            cls._made = cls()
        return cls._made


def told_now(member: Member) -> list[events.ChatReceived]:
    return member.of(events.ChatReceived)


class Side:
    """One copy of a meeting, driven: rooms that it wants are open at once."""

    def __init__(self, meeting: Meeting, now: float) -> None:
        self.meeting = meeting
        self.now = now
        self.told: list[events.Event] = []
        self.saved = b""
        self.pump()

    def pump(self) -> None:
        for _ in range(TURNS_MAX):
            action = self.meeting.next_outgoing()
            if isinstance(action, events.OpenRoom):
                self.meeting.room_changed(action.room, True, self.now)
            elif isinstance(action, events.Save):
                self.saved = action.data
            if action is not None:
                continue
            event = self.meeting.next_event()
            if event is None:
                return
            self.told.append(event)
        raise BrokenPromise("the machine always wants something more")

    def room(self, slot: LaneSlot) -> int:
        rooms = self.meeting._context.rooms
        found = [
            handle
            for handle in rooms._rooms
            if (wanted := rooms.lookup(handle)) is not None and wanted.lane.slot is slot
        ]
        return found[0] if found else 0

    def receive(self, said: Said | None) -> None:
        if said is not None:
            self.meeting.receive(self.room(said[0]), said[1], self.now)
            self.pump()

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(TURNS_MAX):
            due = self.meeting.next_timer()
            if due is None or due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            self.meeting.handle_timer(self.now)
            self.pump()
        raise BrokenPromise("a timer that is due for ever")
