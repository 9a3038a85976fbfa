"""The rooms that a meeting wants, told as differences, and which of them is sent into."""

from __future__ import annotations

from folkmoot.meeting.events import CloseRoom, OpenRoom
from folkmoot.meeting.rooms import COUNCIL, DOOR, ROOMS_MAX, VOICE, Lane, RoomTable, Wanted
from folkmoot.meeting.secrets import room_seed
from folkmoot.wire.lanes import Direction, LaneSlot

PINS = (b"1" * 32, b"2" * 32)
OLD, NEW = b"o" * 32, b"n" * 32


def wanted(
    lane: Lane, root: bytes = NEW, relay: int = 0, direction: Direction = Direction.BOTH
) -> Wanted:
    return Wanted(relay, lane, root, direction, "main")


def test_what_is_wanted_first_is_opened() -> None:
    table = RoomTable(PINS.__getitem__)
    picture = Lane(LaneSlot.PICTURE, b"s" * 16, 2)
    show = Wanted(1, picture, NEW, Direction.SEND, "show")
    assert table.want([wanted(COUNCIL), show]) == [
        OpenRoom(1, 0, "main", LaneSlot.COUNCIL, room_seed(NEW, PINS[0], COUNCIL.encode()),
                 Direction.BOTH),
        OpenRoom(2, 1, "show", LaneSlot.PICTURE, room_seed(NEW, PINS[1], picture.encode()),
                 Direction.SEND),
    ]  # fmt: skip
    assert table.lookup(2) == show
    assert table.lookup(3) is None


def test_the_same_again_changes_nothing() -> None:
    table = RoomTable(PINS.__getitem__)
    table.want([wanted(COUNCIL), wanted(VOICE)])
    assert table.want([wanted(VOICE), wanted(COUNCIL), wanted(VOICE)]) == []


def test_only_differences_are_told_and_handles_never_come_again() -> None:
    table = RoomTable(PINS.__getitem__)
    table.want([wanted(COUNCIL), wanted(VOICE)])
    actions = table.want([wanted(VOICE), wanted(DOOR)])
    assert actions[0] == CloseRoom(1)
    assert isinstance(actions[1], OpenRoom)
    assert (len(actions), actions[1].room, actions[1].slot) == (2, 3, LaneSlot.DOOR)
    assert table.lookup(1) is None
    again = table.want([wanted(COUNCIL)])
    assert [type(one) for one in again] == [CloseRoom, CloseRoom, OpenRoom]
    assert [one.room for one in again] == [2, 3, 4]


def test_lanes_are_told_apart_by_seat_and_stream() -> None:
    lanes = [
        Lane(LaneSlot.PICTURE, seat, stream) for seat in (b"a" * 16, b"b" * 16) for stream in (1, 2)
    ]
    assert {len(lane.encode()) for lane in lanes} == {18}
    opened = RoomTable(PINS.__getitem__).want([wanted(lane) for lane in lanes])
    assert len({one.seed for one in opened if isinstance(one, OpenRoom)}) == 4


def test_the_first_rooms_count_where_too_many_are_wanted() -> None:
    table = RoomTable(PINS.__getitem__)
    many = [
        wanted(Lane(LaneSlot.PICTURE, number.to_bytes(16, "big"), 1))
        for number in range(ROOMS_MAX + 1)
    ]
    assert len(table.want(many)) == ROOMS_MAX
    assert table.lookup(ROOMS_MAX) == many[ROOMS_MAX - 1]
    assert table.lookup(ROOMS_MAX + 1) is None
    assert table.want(many[:-1]) == []


def test_nothing_is_sent_into_a_room_before_the_relay_opened_it() -> None:
    table = RoomTable(PINS.__getitem__)
    table.want([wanted(COUNCIL)])
    assert table.send_handle(0, COUNCIL, [NEW]) is None
    table.changed(1, True)
    assert table.send_handle(0, COUNCIL, [NEW]) == 1
    assert table.open_count(COUNCIL) == 1
    table.changed(1, False)
    assert table.send_handle(0, COUNCIL, [NEW]) is None
    assert table.open_count(COUNCIL) == 0


def test_the_newest_root_whose_room_is_open_is_sent_into() -> None:
    table = RoomTable(PINS.__getitem__)
    table.want([wanted(COUNCIL, OLD)])
    table.changed(1, True)
    table.want([wanted(COUNCIL, OLD), wanted(COUNCIL, NEW)])
    assert table.send_handle(0, COUNCIL, [NEW, OLD]) == 1
    table.changed(2, True)
    assert table.send_handle(0, COUNCIL, [NEW, OLD]) == 2
    table.changed(2, False)
    assert table.send_handle(0, COUNCIL, [NEW, OLD]) == 1
    assert table.send_handle(0, COUNCIL, [NEW]) is None


def test_only_a_room_of_this_relay_lane_and_direction_will_do() -> None:
    table = RoomTable(PINS.__getitem__)
    table.want([wanted(COUNCIL), wanted(VOICE, direction=Direction.RECEIVE)])
    table.changed(1, True)
    table.changed(2, True)
    assert table.send_handle(1, COUNCIL, [NEW]) is None
    assert table.send_handle(0, DOOR, [NEW]) is None
    assert table.send_handle(0, VOICE, [NEW]) is None
    assert table.open_count(VOICE) == 1


def test_late_news_of_a_closed_room_is_ignored() -> None:
    table = RoomTable(PINS.__getitem__)
    table.want([wanted(COUNCIL)])
    table.want([wanted(VOICE)])
    table.changed(1, True)
    table.changed(99, True)
    assert table.open_count(COUNCIL) == table.open_count(VOICE) == 0


def test_a_room_is_open_on_each_relay_by_itself() -> None:
    table = RoomTable(PINS.__getitem__)
    table.want([wanted(COUNCIL), wanted(COUNCIL, relay=1)])
    table.changed(1, True)
    table.changed(2, True)
    assert table.open_count(COUNCIL) == 2
    assert table.send_handle(1, COUNCIL, [NEW]) == 2
