"""A room that is closed and opened again on a line that takes time, against the real relay core."""

from __future__ import annotations

from folkmoot.wire import LaneSlot, LinkMachine, RelayCore
from folkmoot.wire.lanes import Direction
from folkmoot.wire.link_events import Ready, RoomOpened
from folkmoot.wire.relay_core import Deliver
from unit.test_wire_link import events, run
from unit.wire_world import PIN, SEED, cell, seeded

VOICE = LaneSlot.VOICE


def test_closing_before_the_answer_and_opening_again_works() -> None:
    """With a challenge at hand the second wish is at the relay before the first one's closing: the
    relay has the room open still, and says so."""
    relay, link = RelayCore(PIN, seeded(1), 0.0), LinkMachine(PIN, seeded(2), 0.0)
    number, under_way = relay.link_opened(0.0), list[bytes]()

    def arrive(now: float) -> None:
        """All that the relay has said until now."""
        while (out := relay.next_outgoing()) is not None:
            assert isinstance(out, Deliver)
            under_way.extend(out.messages)
        for message in under_way:
            link.receive(message, now)
        under_way.clear()

    def send(until: float) -> None:
        for at, message in run(link, until):
            relay.receive(number, message, at)

    arrive(0.0)
    for handle in (2, 3, 4):
        link.open_room(handle, b"%032d" % handle, VOICE, Direction.BOTH, 0.0)
    send(0.2)
    for handle in (3, 4):
        link.close_room(handle, 0.2)
    arrive(0.2)
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.2)
    send(0.4)
    link.close_room(1, 0.4)
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.4)
    send(0.6)
    arrive(0.7)
    assert events(link) == [Ready(10, 64), RoomOpened(2)]
    for step in range(8, 20):
        send(step / 10)
        arrive(step / 10)
    assert events(link) == [RoomOpened(1)]
    assert link.send(1, [cell(VOICE, 1)])
