"""The driver: does what the machine asks for, in its order, and tells what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from folkmoot.agent.seat_file import SeatFile
from folkmoot.agent.session import (
    LINK_SENTENCES_MAX,
    SUBSCRIBERS_MAX,
    VOICE_BITRATE,
    Session,
)
from folkmoot.agent.view import event_of
from folkmoot.cells.frames import EncodedFrame
from folkmoot.governance import PRESETS
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.names import member_id
from folkmoot.meeting.presence import Member
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import Direction, LaneSlot
from unit.meeting_parts import RELAYS, WALL_S, entropy_of, seat_of

Event = dict[str, Any]
BOB = seat_of("bob")


class FakeLinks:
    """Writes down what the session asks of its links."""

    def __init__(self, log: list[str]) -> None:
        self.log, self.rooms, self.closed = log, dict[int, LaneSlot](), 0

    def open_room(
        self, handle: int, relay: RelayAddress, purpose: str, slot: LaneSlot, seed: bytes,
        direction: Direction,
    ) -> None:  # fmt: skip
        self.rooms[handle] = slot
        self.log.append("open")

    def close_room(self, handle: int) -> None:
        del self.rooms[handle]

    def send(self, handle: int, cells: Sequence[bytes]) -> None:
        self.log.append("send")

    def renew(self, relay: RelayAddress) -> None:
        self.log.append(f"renew {relay}")

    async def close(self) -> None:
        self.closed += 1


class FakeFile:
    """A seat's file in memory, on a disk that may be full."""

    def __init__(self, log: list[str]) -> None:
        self.log, self.full, self.closed = log, False, False

    def write(self, data: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.log.append("save")

    def forget(self) -> None:
        self.log.append("forget")

    def touch(self) -> None:
        self.log.append("touch")

    def close(self) -> None:
        self.closed = True


class Sink:
    """Writes down what a media sink is told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def member_added(self, member: str, name: str) -> None:
        self.told.append(("added", member, name))

    def member_removed(self, member: str) -> None:
        self.told.append(("removed", member))

    def play(self, member: str, frame: EncodedFrame) -> None:
        self.told.append(("play", member))

    def picture_gap(self, member: str) -> None:
        self.told.append(("gap", member))

    def keyframe_wanted(self) -> None:
        self.told.append(("key frame",))

    def limits(self, voice_bitrate: int, picture_bitrate: int) -> None:
        self.told.append(("limits", voice_bitrate))


class Stage:
    """A session of a meeting's founder, with all that is around it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.links, self.file, self.heard = FakeLinks(self.log), FakeFile(self.log), list[Event]()
        self.meeting = Meeting.found(
            name="Ada", charter=PRESETS["unremovable"], relays=RELAYS, now=Session.now(),
            wall_s=WALL_S, entropy=entropy_of("session"),
        )  # fmt: skip
        self.session = Session(self.meeting, cast(SeatFile, self.file))

    def start(self) -> None:
        self.session.subscribe(self.heard.append)
        self.session.start(self.links)

    def of(self, kind: str) -> list[Event]:
        return [one for one in self.heard if one["event"] == kind]

    def bob_comes(self, name: str) -> None:
        inside = self.meeting._inside
        assert inside is not None
        member = Member(BOB, inside.context.key.public_key(), name, heard_at=Session.now())
        inside.presence.members[BOB] = member

    def tell(self, event: events.Event) -> None:
        self.meeting._context.tell(event)
        self.session._pump()


def staged(act: Callable[[Stage], Awaitable[None] | None]) -> None:
    async def main() -> None:
        stage = Stage()
        done = act(stage)
        if done is not None:
            await done
        await stage.session.close()

    asyncio.run(main())


def test_what_the_machine_asks_for_is_done_in_its_order() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        assert {"save", "open"} == set(stage.log)
        stage.log.clear()
        context = stage.meeting._context
        context.save(b"state")
        context.send(1, (b"cell",))
        context.save(b"state")
        stage.session._pump()
        assert stage.log == ["save", "send", "save"]
        assert [one["name"] for one in stage.of("joined")] == ["Ada"]
        assert stage.heard[0]["event"] == stage.heard[-1]["event"] == "snapshot"

    staged(act)


def test_an_answer_has_the_number_of_its_draft() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        rules = {"kind": "amend", "subject": {"admission": "ballot"}}
        for number in (4, 3, None, "x"):
            stage.session.do({"do": "draft", "draft": number, **rules})
        assert [one["draft"] for one in stage.of("draft")] == [4, 3, 0, 0]

    staged(act)


def test_an_entry_that_comes_or_goes_is_shown() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        relay = stage.meeting.relays[0].address
        stage.session.sees = lambda: {relay: {"sees_address": False, "carries": "door"}}
        stage.session._snapshot_from = 0.0
        stage.session.on_link(relay, "watch", True, "")
        shown = stage.of("snapshot")[-1]["relays"][0]
        assert shown["use"] == "in use"
        assert (shown["sees_address"], shown["carries"]) == (False, "door")

    staged(act)


def test_a_full_disk_is_a_problem_said_once_and_the_meeting_goes_on() -> None:
    def act(stage: Stage) -> None:
        stage.file.full = True
        stage.start()
        for _ in range(3):
            stage.meeting._context.save(b"state")
            stage.session.do({"do": "chat", "text": "hello"})
        (problem,) = stage.of("problem")
        assert "No space left on device" in problem["sentence"]
        assert len(stage.of("chat")) == 3
        assert stage.links.rooms
        stage.file.full = False
        stage.meeting._context.save(b"state")
        stage.session.do({})
        stage.file.full = True
        stage.meeting._context.save(b"state")
        stage.session.do({})
        assert len(stage.of("problem")) == 2

    staged(act)


def test_what_a_newcomer_knows_of_the_door_stays_in_the_snapshot() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        door = {"heard": False, "declined": "", "rules": []}
        assert stage.session.snapshot()["door"] == door
        stage.tell(events.Waiting(1))
        stage.tell(events.Refused("chat", "not about the door"))
        assert stage.session.snapshot()["door"] == {**door, "heard": True}
        stage.tell(events.Refused("admission", "Somebody inside said no."))
        stage.tell(events.CharterDiffers(("Other rules.",)))
        told = {"heard": True, "declined": "Somebody inside said no.", "rules": ["Other rules."]}
        assert stage.session.snapshot()["door"] == told
        stage.session.do({"do": "accept_charter"})
        assert stage.session.snapshot()["door"]["rules"] == []

    staged(act)


def test_what_cannot_be_done_is_refused_with_a_sentence() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        stage.session.do({"do": "dance"})
        stage.session.do({"do": "admit", "knock": "x"})
        assert stage.of("refused") == [
            {"event": "refused", "what": "dance", "why": "There is no command 'dance'."},
            {"event": "refused", "what": "admit",
             "why": "Nobody knocks under this name any more."},
        ]  # fmt: skip

    staged(act)


def test_so_many_may_watch_and_each_may_stop() -> None:
    def act(stage: Stage) -> None:
        heard: list[Event] = []
        ends = [stage.session.subscribe(heard.append) for _ in range(SUBSCRIBERS_MAX)]
        assert [one["event"] for one in heard] == ["snapshot"] * SUBSCRIBERS_MAX
        with pytest.raises(RuntimeError, match="too many"):
            stage.session.subscribe(heard.append)
        for end in ends:
            end()
            end()
        stage.start()
        assert len(heard) == SUBSCRIBERS_MAX

    staged(act)


def test_sinks_are_told_of_members_and_their_names() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        early, late, bob = Sink(), Sink(), member_id(BOB)
        stage.session.attach_media(early)
        stage.session.attach_media(early)
        assert early.told == [("limits", VOICE_BITRATE)]
        stage.bob_comes("Bob")
        stage.tell(events.RosterChanged())
        stage.tell(events.RosterChanged())
        stage.session.attach_media(late)
        stage.bob_comes("Robert")
        stage.tell(events.RosterChanged())
        assert early.told[1:] == [("added", bob, "Bob"), ("added", bob, "Robert")]
        assert late.told == [
            ("added", bob, "Bob"), ("limits", VOICE_BITRATE), ("added", bob, "Robert")
        ]  # fmt: skip
        stage.session.detach_media(late)
        inside = stage.meeting._inside
        assert inside is not None
        del inside.presence.members[BOB]
        stage.tell(events.RosterChanged())
        assert early.told[-1] == ("removed", bob)
        assert len(late.told) == 3

    staged(act)


def test_who_comes_in_is_announced_under_their_name() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        stage.tell(events.MemberIn(BOB))
        assert stage.of("member_in") == []
        stage.bob_comes("Bob")
        stage.tell(events.RosterChanged())
        stage.tell(events.RosterChanged())
        assert [one["name"] for one in stage.of("member_in")] == ["Bob"]

    staged(act)


def test_who_goes_before_a_name_came_is_announced_all_the_same() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        stage.tell(events.MemberIn(BOB))
        stage.tell(events.MemberOut(BOB, "somebody", "left"))
        kinds = [one["event"] for one in stage.heard if one["event"].startswith("member_")]
        assert kinds == ["member_in", "member_out"]

    staged(act)


def test_a_link_that_fails_says_its_sentence_once_until_it_is_up() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        for up, sentence in ((False, "why"), (False, "why"), (True, ""), (False, "why")):
            stage.session.on_link(RELAYS[0].address, "main", up, sentence)
        address = str(RELAYS[0].address)
        assert [one["sentence"] for one in stage.of("problem")] == ["why", "why"]
        assert [one["event"] for one in stage.heard if one["event"].startswith("relay_")] == [
            "relay_down", "relay_up", "relay_down"
        ]  # fmt: skip
        assert stage.of("relay_up") == [{"event": "relay_up", "relay": address}]

    staged(act)


def test_a_relay_has_few_words_of_its_own_and_only_plain_ones() -> None:
    """It ends links with a reason that it chooses, a new one at every try if it likes."""

    def act(stage: Stage) -> None:
        stage.start()
        for number in range(LINK_SENTENCES_MAX + 5):
            stage.session.on_link(RELAYS[0].address, "main", False, f"\x1b[2Jwhy \u202e{number}")
        said = [one["sentence"] for one in stage.of("problem")]
        assert said == [f" [2Jwhy  {number}" for number in range(LINK_SENTENCES_MAX)]
        assert [len(kept) for kept in stage.session._link_sentences.values()] == [len(said)]
        # What another relay says, and this one once it was up, is heard all the same.
        stage.session.on_link(RELAYS[1].address, "main", False, "another")
        stage.session.on_link(RELAYS[0].address, "main", True, "")
        stage.session.on_link(RELAYS[0].address, "main", False, "later")
        assert [one["sentence"] for one in stage.of("problem")][-2:] == ["another", "later"]

    staged(act)


def test_a_farewell_that_nobody_confirmed_is_said() -> None:
    async def act(stage: Stage) -> None:
        stage.start()
        stage.tell(events.Left("You left the meeting; nobody confirmed it."))
        why = "You left the meeting; nobody confirmed it."
        assert stage.of("left") == [{"event": "left", "why": why}]

    staged(act)


def test_leaving_forgets_the_seat_and_closes_the_links() -> None:
    async def act(stage: Stage) -> None:
        stage.start()
        running = asyncio.ensure_future(stage.session.run())
        await stage.session.leave()
        await running
        assert stage.log[-1] == "forget"
        assert stage.of("left") == [{"event": "left"}]
        assert stage.links.closed == 1
        assert stage.links.rooms == {}
        stage.session.on_cells(1, [b"late"])
        stage.session.on_room(1, False, "")

    staged(act)


def test_closing_keeps_the_seat() -> None:
    async def act(stage: Stage) -> None:
        stage.start()
        await stage.session.close()
        assert "forget" not in stage.log
        assert stage.file.closed
        assert stage.of("left") == []

    staged(act)


def test_what_only_changes_the_snapshot_is_no_event() -> None:
    def act(stage: Stage) -> None:
        quiet = (events.RosterChanged(), events.KnockGone("x"), events.Left("why"))
        assert [event_of(stage.meeting, one, 0.0) for one in quiet] == [[], [], []]

    staged(act)


def test_what_is_left_out_is_said_as_a_problem_with_who_it_is() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        stage.bob_comes("Ada (you)")
        stage.tell(events.LeftOut(BOB, "its picture is damaged"))
        (problem,) = stage.of("problem")
        tag = BOB.hex()[:4]
        assert problem["sentence"] == (
            f"Some of what Ada (you) ({tag}) sends is left out: its picture is damaged. "
            "The meeting goes on."
        )

    staged(act)


def test_what_others_do_makes_few_snapshots_and_the_last_of_them_says_all() -> None:
    async def act(stage: Stage) -> None:
        stage.start()
        stage.bob_comes("Bob")
        before = len(stage.of("snapshot"))
        inside = stage.meeting._inside
        assert inside is not None
        for number in range(200):
            line = events.ChatReceived(BOB, "Bob", str(number), 1)
            inside.chat.messages.append(line)
            stage.tell(line)
        assert len(stage.of("snapshot")) <= before + 1
        assert len(stage.of("chat")) == 200
        async with asyncio.timeout(10):
            while len(stage.of("snapshot")[-1]["chat"]) < 200:
                await asyncio.sleep(0.01)
        # What one does oneself shows at once.
        shown = len(stage.of("snapshot"))
        stage.session.do({"do": "rename", "name": "Ada L."})
        assert len(stage.of("snapshot")) == shown + 1

    staged(act)
