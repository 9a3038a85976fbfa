"""What all parts of one meeting share: who we are, chance, the wall clock, and the two queues
outwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.governance import Relay
from folkmoot.governance.evidence import TICK_MAX
from folkmoot.governance.extension import MeetingExtension
from folkmoot.governance.seat import seat_of_private
from folkmoot.meeting.events import Event, Outgoing, Save, SendCells
from folkmoot.meeting.relay_book import RelayBook
from folkmoot.meeting.rooms import COUNCIL, VOICE, Lane, RoomTable, Wanted

OUTGOING_MAX = (
    4096  # actions waiting for the driver; over it the oldest cells go, never anything else
)
EVENTS_MAX = 4096
# A wall clock that is further off than this from the commit that let us in is not believed. What is
# less is bearable (the council's log keeps ten minutes), and a Welcome may come late.
CLOCK_WRONG_S = 300


class UsageError(ValueError):
    """Our own side asked for something that cannot be done now; the text is a sentence for
    people."""


@dataclass(slots=True)
class Context:
    """One member's side of one meeting. `wall_offset_s`: wall clock minus the clock of `now`, read
    once, so that a wall clock set back in mid-meeting changes nothing; see `check_clock`."""

    group_id: bytes
    seat: bytes
    key: Ed25519PrivateKey
    relays: RelayBook
    entropy: Callable[[int], bytes] = field(repr=False)
    wall_offset_s: float
    rooms: RoomTable
    outgoing: deque[Outgoing] = field(default_factory=deque, repr=False)
    events: deque[Event] = field(default_factory=deque, repr=False)
    # Root of rooms that council and voice go to besides those that they go to.
    former_root: bytes | None = field(default=None, repr=False)

    def wall_ms(self, now: float) -> int:
        return int((now + self.wall_offset_s) * 1000)

    def wall_s(self, now: float) -> int:
        """As commits are dated: no clock, however wrong, gives a tick that no commit may have."""
        return min(max(int(now + self.wall_offset_s), 0), TICK_MAX)

    def check_clock(self, tick: int, now: float) -> None:
        """`tick`: of the commit that let us in, made a moment ago by who is there. A computer whose
        clock is hours off would date what it says so that nobody takes it, and take nothing that
        others say: it goes by the meeting's time instead."""
        if abs(self.wall_s(now) - tick) > CLOCK_WRONG_S:
            self.wall_offset_s = tick - now

    def tell(self, event: Event) -> None:
        """Something happened."""
        if len(self.events) < EVENTS_MAX:
            self.events.append(event)

    def send(self, room: int, cells: tuple[bytes, ...]) -> None:
        """Cells for one room."""
        if len(self.outgoing) >= OUTGOING_MAX:
            # A driver that does not keep up loses sound, as on any slow line, and never a saved
            # state.
            oldest = next((one for one in self.outgoing if isinstance(one, SendCells)), None)
            if oldest is not None:
                self.outgoing.remove(oldest)
        self.outgoing.append(SendCells(room, cells))

    def ways_out(
        self, lane: Lane, roots: Sequence[bytes], relays: Iterable[int]
    ) -> list[tuple[int, int]]:
        """Of these relays, in their order, those with a room of this lane that is open to send
        into, and that room: the one of the first of `roots` that is, and of `former_root`, too."""
        ways: list[tuple[int, int]] = []
        for relay in relays:
            rooms = [self.rooms.send_handle(relay, lane, roots)]
            if self.former_root is not None and lane in (COUNCIL, VOICE):
                rooms.append(self.rooms.send_handle(relay, lane, (self.former_root,)))
            ways += [(relay, room) for room in dict.fromkeys(rooms) if room is not None]
        return ways

    def save(self, data: bytes) -> None:
        """The state to keep; whatever is queued after it depends on it."""
        self.outgoing.append(Save(data))

    def want_rooms(self, wanted: list[Wanted]) -> None:
        """These rooms and no others shall be open."""
        self.outgoing.extend(self.rooms.want(wanted))

    def beside(self, group_id: bytes, extension: MeetingExtension) -> Context:
        """Our side of another meeting that we go on in, under the same seat and key: what waits to
        be done and told is done there, and this side has queues of its own from now on."""
        relays = self.relays.beside(extension.relays, extension.reserve)
        rooms = RoomTable(relays.pin, self.rooms)
        other = replace(self, group_id=group_id, relays=relays, rooms=rooms, former_root=None)
        self.outgoing, self.events = deque(), deque()
        return other


def make_context(
    group_id: bytes,
    key: bytes,
    relays: tuple[Relay, ...],
    now: float,
    wall_s: float,
    entropy: Callable[[int], bytes],
    *,
    reserve: tuple[Relay, ...] = (),
) -> Context:
    """Our side of the meeting `group_id`; `key`: 32 bytes, the private key of our leaf."""
    book = RelayBook(relays, reserve)
    return Context(
        group_id=group_id,
        seat=seat_of_private(key),
        key=Ed25519PrivateKey.from_private_bytes(key),
        relays=book,
        entropy=entropy,
        wall_offset_s=wall_s - now,
        rooms=RoomTable(book.pin),
    )
