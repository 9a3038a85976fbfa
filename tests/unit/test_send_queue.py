"""The queue before a link's socket: order by lane, bounds, and nothing after a room's closing."""

from __future__ import annotations

from folkmoot.agent.send_queue import CONTROL_MESSAGES_MAX, QUEUE_BYTES_MAX, SendQueue
from folkmoot.wire.lanes import LANE_RULES, LaneSlot


def _cells(slot: LaneSlot, number: int) -> bytes:
    return b"\x10" + number.to_bytes(4, "big") + bytes(LANE_RULES[slot].cell_bytes)


def _drain(queue: SendQueue) -> list[bytes]:
    messages = []
    while (message := queue.get()) is not None:
        messages.append(message)
    return messages


def test_rooms_before_voice_before_the_council_before_pictures_before_the_door() -> None:
    queue = SendQueue()
    for handle, slot in enumerate(
        (LaneSlot.DOOR, LaneSlot.PICTURE, LaneSlot.COUNCIL, LaneSlot.VOICE)
    ):
        queue.put_cells(slot, handle, bytes((handle,)))
    queue.put_control(b"open")
    assert _drain(queue) == [b"open", b"\x03", b"\x02", b"\x01", b"\x00"]


def test_the_oldest_give_way_and_each_lane_is_bounded() -> None:
    queue = SendQueue()
    sent = 5000
    for slot in LaneSlot:
        for number in range(sent):
            queue.put_cells(slot, int(slot), _cells(slot, number))
    assert queue.waiting_bytes <= sum(QUEUE_BYTES_MAX.values())
    left = _drain(queue)
    assert queue.dropped + len(left) == sent * len(LaneSlot)
    voice = [message for message in left if len(message) == 5 + 384]
    assert len(voice) == 25
    assert int.from_bytes(voice[-1][1:5], "big") == sent - 1  # the newest is kept, in order
    assert voice == sorted(voice)
    assert queue.waiting_bytes == 0


def test_one_message_over_the_bound_is_still_sent() -> None:
    """A lane's only message is never dropped: it would starve."""
    queue = SendQueue()
    queue.put_cells(LaneSlot.VOICE, 1, bytes(QUEUE_BYTES_MAX[LaneSlot.VOICE] + 1))
    assert len(_drain(queue)) == 1


def test_forgetting_a_room_leaves_the_others() -> None:
    queue = SendQueue()
    queue.put_cells(LaneSlot.VOICE, 1, b"one")
    queue.put_cells(LaneSlot.VOICE, 2, b"two")
    queue.put_cells(LaneSlot.COUNCIL, 1, b"three")
    queue.forget(1)
    assert queue.waiting_bytes == 3
    assert _drain(queue) == [b"two"]


def test_a_relay_that_never_takes_answers_overflows() -> None:
    queue = SendQueue()
    for _ in range(CONTROL_MESSAGES_MAX):
        queue.put_control(b"x")
    assert not queue.overflowed
    queue.put_control(b"x")
    assert queue.overflowed
    assert len(_drain(queue)) == CONTROL_MESSAGES_MAX
