"""All that a relay may know: links, rooms, ticks, limits; and the codec and labels that everything
shares."""

from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import LANE_RULES, Direction, LaneRule, LaneSlot
from folkmoot.wire.limits import RelayLimits
from folkmoot.wire.link import LinkMachine
from folkmoot.wire.relay_core import RelayCore

__all__ = [
    "LANE_RULES",
    "DecodeError",
    "Direction",
    "LaneRule",
    "LaneSlot",
    "LinkMachine",
    "RelayAddress",
    "RelayCore",
    "RelayLimits",
]
