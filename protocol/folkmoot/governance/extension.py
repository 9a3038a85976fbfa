"""The GroupContext extension of a meeting: its charter, and beside it relays and lanes
(architecture §6; RFC 9420 §13).

It is signed into every epoch, so all members of an epoch agree on it and every newcomer gets it.
Only the charter is hashed into invites: a meeting moves to other relays without voiding them.
"""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.governance.charter import CHARTER_BYTES_MAX, Charter
from folkmoot.wire import codec
from folkmoot.wire.address import PIN_BYTES, RelayAddress
from folkmoot.wire.lanes import LANE_RULES, LaneSlot

EXTENSION_TYPE = 0xF0A1  # private use (RFC 9420 §17.3)
EXTENSION_VERSION = 1
RELAYS_MAX = 3  # in use at the same time
RESERVE_MAX = 8
HOST_BYTES_MAX = 253
LABEL_BYTES_MAX = 64
LANES_MAX = 8
PACES_MAX = 8
QUALITIES_MAX = 4
MEMBERS_UNBOUNDED = 0xFFFF  # the last pace of a lane holds for any larger number of members


@dataclass(frozen=True, slots=True)
class Relay:
    """`label`: who runs it, in the words of who opened the meeting, at most 64 bytes. Relays with
    one label count as one operator."""

    address: RelayAddress
    label: str = ""

    def __post_init__(self) -> None:
        if len(self.label.encode("utf-8", "replace")) > LABEL_BYTES_MAX:
            raise codec.DecodeError("a label that is too long")
        # Only the form that an address is written in, so that equal relays are equal bytes.
        if RelayAddress.parse(str(self.address)) != self.address:
            raise codec.DecodeError("not the address of a relay")

    def encode(self) -> bytes:
        """Host as text, port u16, pin of 32 bytes, label."""
        host, port, pin = self.address.host, self.address.port, self.address.pin
        return codec.text(host) + codec.u16(port) + pin + codec.text(self.label)

    @classmethod
    def read(cls, reader: codec.Reader) -> Relay:
        host, port, pin = reader.text(HOST_BYTES_MAX), reader.u16(), reader.take(PIN_BYTES)
        return cls(RelayAddress(host, port, pin), reader.text(LABEL_BYTES_MAX))


@dataclass(frozen=True, slots=True)
class Pace:
    """Up to `members_max` members, each sends `cells_per_s`."""

    members_max: int
    cells_per_s: int


@dataclass(frozen=True, slots=True)
class LanePlan:
    """Size and pace of one lane. `quality`: 0 the only or lowest one; paces by rising number of
    members, the last for any number."""

    slot: LaneSlot
    quality: int
    cell_bytes: int
    paces: tuple[Pace, ...]

    def __post_init__(self) -> None:
        rule = LANE_RULES[self.slot]
        if self.slot is LaneSlot.DOOR:
            raise codec.DecodeError("the door is not paced")
        if self.cell_bytes != rule.cell_bytes:
            raise codec.DecodeError("cells of a size that relays do not carry")
        if self.quality >= (QUALITIES_MAX if self.slot is LaneSlot.PICTURE else 1):
            raise codec.DecodeError("a quality that this lane has not")
        steps = [pace.members_max for pace in self.paces]
        if not 0 < len(steps) <= PACES_MAX or steps[-1] != MEMBERS_UNBOUNDED:
            raise codec.DecodeError("paces that end before the meeting does")
        if steps != sorted(set(steps)) or steps[0] == 0:
            raise codec.DecodeError("paces out of order")
        if not all(1 <= pace.cells_per_s <= rule.pace_per_s for pace in self.paces):
            raise codec.DecodeError("a pace that relays do not carry")

    def cells_per_s(self, members: int) -> int:
        """The pace in a meeting of so many members."""
        return next(
            pace.cells_per_s
            for pace in self.paces
            if members <= pace.members_max or pace.members_max == MEMBERS_UNBOUNDED
        )

    def encode(self) -> bytes:
        return (
            codec.u8(self.slot)
            + codec.u8(self.quality)
            + codec.u16(self.cell_bytes)
            + codec.vector(
                codec.u16(pace.members_max) + codec.u16(pace.cells_per_s) for pace in self.paces
            )
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> LanePlan:
        slot, quality, cell_bytes = reader.u8(), reader.u8(), reader.u16()
        if slot not in LaneSlot._value2member_map_:
            raise codec.DecodeError(f"an unknown lane: {slot}")
        paces = reader.vector(lambda inner: Pace(inner.u16(), inner.u16()), items_max=PACES_MAX)
        return cls(LaneSlot(slot), quality, cell_bytes, tuple(paces))


def _plan(slot: LaneSlot, quality: int, *paces: tuple[int, int]) -> LanePlan:
    steps = tuple(Pace(members, cells) for members, cells in paces)
    return LanePlan(slot, quality, LANE_RULES[slot].cell_bytes, steps)


# Council: what one member receives grows with the members, so each says less in larger meetings.
DEFAULT_LANES = (
    _plan(LaneSlot.COUNCIL, 0, (12, 8), (50, 4), (MEMBERS_UNBOUNDED, 2)),
    _plan(LaneSlot.VOICE, 0, (MEMBERS_UNBOUNDED, 25)),
    _plan(LaneSlot.PICTURE, 0, (MEMBERS_UNBOUNDED, 60)),
    _plan(LaneSlot.PICTURE, 1, (MEMBERS_UNBOUNDED, 180)),
)


@dataclass(frozen=True, slots=True)
class MeetingExtension:
    """The data of the extension `EXTENSION_TYPE`. `relays`: in use, 1 to 3; `reserve`: at most 8 to
    move to, in this order; each pin once among both. `lanes`: sorted by slot and quality; council
    and voice are always there."""

    charter: Charter
    relays: tuple[Relay, ...]
    reserve: tuple[Relay, ...] = ()
    lanes: tuple[LanePlan, ...] = DEFAULT_LANES

    def __post_init__(self) -> None:
        if not 1 <= len(self.relays) <= RELAYS_MAX or len(self.reserve) > RESERVE_MAX:
            raise codec.DecodeError("no relays, or too many")
        pins = [relay.address.pin for relay in (*self.relays, *self.reserve)]
        if len(pins) != len(set(pins)):
            raise codec.DecodeError("a relay twice")
        order = [(lane.slot, lane.quality) for lane in self.lanes]
        if order != sorted(set(order)) or len(order) > LANES_MAX:
            raise codec.DecodeError("lanes out of order")
        if (LaneSlot.COUNCIL, 0) not in order or (LaneSlot.VOICE, 0) not in order:
            raise codec.DecodeError("a meeting without council or voice")

    def lane(self, slot: LaneSlot, quality: int = 0) -> LanePlan | None:
        """The plan of one lane, if the meeting has it."""
        for lane in self.lanes:
            if lane.slot is slot and lane.quality == quality:
                return lane
        return None

    def encode(self) -> bytes:
        """Version, charter, relays, reserve, lanes."""
        return (
            codec.u8(EXTENSION_VERSION)
            + codec.opaque(self.charter.encode())
            + codec.vector(relay.encode() for relay in self.relays)
            + codec.vector(relay.encode() for relay in self.reserve)
            + codec.vector(lane.encode() for lane in self.lanes)
        )

    @classmethod
    def decode(cls, data: bytes) -> MeetingExtension:
        """The extension of these bytes; raises DecodeError."""
        return codec.decode(cls._read, data)

    @classmethod
    def _read(cls, reader: codec.Reader) -> MeetingExtension:
        version = reader.u8()
        if version != EXTENSION_VERSION:
            raise codec.DecodeError(f"a meeting of version {version}")
        charter = Charter.decode(reader.opaque(CHARTER_BYTES_MAX))
        relays = tuple(reader.vector(Relay.read, items_max=RELAYS_MAX))
        reserve = tuple(reader.vector(Relay.read, items_max=RESERVE_MAX))
        lanes = tuple(reader.vector(LanePlan.read, items_max=LANES_MAX))
        return cls(charter, relays, reserve, lanes)
