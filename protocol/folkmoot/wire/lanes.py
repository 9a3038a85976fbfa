"""The lane slots a relay tells apart: nothing but a cell's size and a pace."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Direction(enum.IntFlag):
    """What a link opens a room for."""

    RECEIVE = 1
    SEND = 2
    BOTH = 3


class LaneSlot(enum.IntEnum):
    """The kind of a room, sent in the clear when it is opened."""

    DOOR = 0
    COUNCIL = 1
    VOICE = 2
    PICTURE = 3


@dataclass(frozen=True, slots=True)
class LaneRule:
    """`cell_bytes`: size of each cell; `pace_per_s`: the most cells a second that one link may
    send on average; `burst_cells`: how many it may send at once on top of that."""

    cell_bytes: int
    pace_per_s: float
    burst_cells: int


# The relay's limits, above the members' own paces: they keep a flood small and never bite an
# honest link.
LANE_RULES = {
    LaneSlot.DOOR: LaneRule(cell_bytes=1152, pace_per_s=60.0, burst_cells=600),
    LaneSlot.COUNCIL: LaneRule(cell_bytes=1152, pace_per_s=12.0, burst_cells=48),
    LaneSlot.VOICE: LaneRule(cell_bytes=384, pace_per_s=30.0, burst_cells=60),
    LaneSlot.PICTURE: LaneRule(cell_bytes=1152, pace_per_s=200.0, burst_cells=400),
}
