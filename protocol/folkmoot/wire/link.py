"""The agent's side of a link without its socket: opens rooms, sends and receives cells
(architecture §4).

One machine for one WebSocket: whoever drives it has checked the relay's pin, hands in each binary
message, and sends what `next_outgoing` gives. Cells leave at once, as their sender paces them;
everything that a relay can provoke leaves on the machine's own 100 ms grid.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from folkmoot.wire import messages, proof
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.grid import Grid
from folkmoot.wire.lanes import LANE_RULES, Direction, LaneSlot
from folkmoot.wire.limits import (
    AGENT_MESSAGE_CELLS_MAX,
    CHALLENGE_S,
    TICK_CELLS_MAX,
    WORK_BITS_MAX,
)
from folkmoot.wire.link_events import (
    CellsArrived,
    Event,
    LinkBroken,
    Ready,
    Rejected,
    RelayLeaving,
    RoomOpened,
    RoomRefused,
    UsageError,
)
from folkmoot.wire.messages import Refusal

HELLO_WAIT_S = 10.0
OPEN_WAIT_S = 10.0
# A challenge this old is not used any more: the proof must arrive before the relay's five seconds
# are over.
CHALLENGE_USE_S = CHALLENGE_S - 1.5
CHALLENGES_MAX = 8  # asked for or unspent, at a time
RETRY_S = 1.0
# After one of our own rooms was closed before the relay had answered its opening, the relay has it
# open until that answer has come to us and our closing has come back: about a round trip.
STILL_OPEN_S = 1.0
WORK_TRIES = 2048  # hashes in one slice: about 2 ms
ROOMS_MAX = 256  # rooms of one link, whatever a relay allows: requests have one byte
OUTGOING_MAX = 512  # messages that whoever drives this has not fetched yet; the oldest give way


class _State(enum.Enum):
    WAITING = enum.auto()  # for a challenge
    WORKING = enum.auto()  # a challenge is bound, the nonce is searched
    ASKED = enum.auto()  # OPEN was sent
    OPEN = enum.auto()


class _Room:
    __slots__ = (
        "bits",
        "bound",
        "closing",
        "deadline",
        "direction",
        "handle",
        "nonce",
        "number",
        "retry_at",
        "seed",
        "slot",
        "state",
        "work",
    )

    def __init__(
        self, handle: int, seed: bytes, slot: LaneSlot, direction: Direction, now: float
    ) -> None:
        self.handle = handle
        self.seed = seed
        self.slot = slot
        self.direction = direction
        self.state = _State.WAITING
        self.deadline = now + OPEN_WAIT_S
        self.retry_at = now
        self.closing = False  # closed by us while the relay's answer was on its way
        self.number = 0
        self.bits = 0
        self.bound: _Challenge | None = None
        self.work: proof.Work | None = None
        self.nonce: int | None = None


@dataclass(frozen=True, slots=True)
class _Challenge:
    number: int
    challenge: bytes
    at: float


def printable(sentence: str) -> str:
    """A relay's sentence is shown to people: nothing in it may steer a terminal or a page."""
    return "".join(letter if letter.isprintable() else " " for letter in sentence)


class LinkMachine:
    """`pin`: 32 bytes, what this end saw in the handshake; `entropy(n)`: n random bytes; `now`:
    seconds."""

    def __init__(self, pin: bytes, entropy: Callable[[int], bytes], now: float) -> None:
        self.grid = Grid(entropy, now)
        self._pin = pin
        self._ready: Ready | None = None
        self._broken = False
        self._hello_by = now + HELLO_WAIT_S
        self._rooms: dict[int, _Room] = {}
        self._by_number: dict[int, _Room] = {}
        self._requests: dict[int, _Room] = {}
        self._next_request = 0
        self._challenges: deque[_Challenge] = deque()
        self._challenges_seen = 0
        self._asked = 0
        self._closes: list[int] = []
        self._grid_at: float | None = None
        self._outgoing: deque[bytes] = deque(maxlen=OUTGOING_MAX)
        self._events: deque[Event] = deque()

    # What the caller wants

    def open_room(
        self, handle: int, seed: bytes, slot: LaneSlot, direction: Direction, now: float
    ) -> None:
        """Opens the room whose Ed25519 seed (32 bytes) this is, as soon as the relay lets us."""
        if handle in self._rooms:
            raise UsageError(f"the room {handle} is open already")
        if len(self._rooms) >= ROOMS_MAX:
            raise UsageError(f"more than {ROOMS_MAX} rooms on a link")
        self._rooms[handle] = _Room(handle, seed, slot, direction, now)
        self._set_grid(now)

    def close_room(self, handle: int, now: float) -> None:
        """Closes a room, in whatever state it is; the handle is free again at once."""
        room = self._rooms.pop(handle, None)
        if room is None:
            raise UsageError(f"no room {handle}")
        room.closing = True
        if room.state is _State.OPEN:
            del self._by_number[room.number]
            self._closes.append(room.number)
            self._set_grid(now)

    def send(self, handle: int, cells: Sequence[bytes]) -> bool:
        """Sends cells now; False, and nothing sent, when the room is not open (yet)."""
        room = self._rooms.get(handle)
        if room is None:
            raise UsageError(f"no room {handle}")
        if not room.direction & Direction.SEND:
            raise UsageError(f"the room {handle} is only for receiving")
        cell_bytes = LANE_RULES[room.slot].cell_bytes
        if any(len(cell) != cell_bytes for cell in cells):
            raise UsageError(f"a cell of this lane has {cell_bytes} bytes")
        if room.state is not _State.OPEN or self._broken:
            return False
        for start in range(0, len(cells), AGENT_MESSAGE_CELLS_MAX):
            part = cells[start : start + AGENT_MESSAGE_CELLS_MAX]
            self._outgoing.append(messages.encode_cells(room.number, part))
        return True

    # What comes out

    def next_outgoing(self) -> bytes | None:
        """The next binary message to send, or None."""
        return self._outgoing.popleft() if self._outgoing else None

    def next_event(self) -> Event | None:
        """The next event, or None."""
        return self._events.popleft() if self._events else None

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called, or None."""
        if self._broken:
            return None
        if self._ready is None:
            return self._hello_by
        if any(
            room.state is _State.WORKING and room.nonce is None for room in self._rooms.values()
        ):
            return float("-inf")
        return self._grid_at

    # What happens

    def receive(self, data: bytes, now: float) -> None:
        """One binary message of the relay; whatever it holds, nothing is raised."""
        if self._broken:
            return
        if self._ready is None:
            self._receive_hello(data, now)
            return
        try:
            message = messages.decode_from_relay(data)
            if isinstance(message, messages.Cells):
                self._receive_cells(message)
            elif isinstance(message, messages.Challenge):
                self._receive_challenge(message, now)
            elif isinstance(message, messages.Opened):
                self._receive_opened(message, now)
            elif isinstance(message, messages.Refused):
                self._receive_refused(message, now)
            elif isinstance(message, messages.Leaving):
                self._events.append(RelayLeaving(printable(message.sentence)))
            else:
                raise DecodeError("a second hello")
        except DecodeError as error:
            self._events.append(Rejected(str(error)))

    def handle_timer(self, now: float) -> None:
        """Searches on for proofs of work, answers when the grid's next point is due, and loses
        patience."""
        if self._broken:
            return
        if self._ready is None:
            if now >= self._hello_by:
                self._break("The relay took the link and then said nothing.")
            return
        for room in self._rooms.values():
            if room.state is _State.WORKING and room.work is not None and room.nonce is None:
                room.nonce = room.work.search(WORK_TRIES)
                break  # one slice a call: cells must not wait for it
        if self._grid_at is not None and now >= self._grid_at:
            self._grid_at = None
            self._answer(now)

    # Answers, on the grid

    def _set_grid(self, now: float) -> None:
        if self._grid_at is None and self._ready is not None:
            self._grid_at = self.grid.after(now)

    def _answer(self, now: float) -> None:
        for number in self._closes:
            self._outgoing.append(messages.Close(number).encode())
        self._closes.clear()
        while self._challenges and now - self._challenges[0].at > CHALLENGE_USE_S:
            self._challenges.popleft()
        wanted = 0
        for room in [room for room in self._rooms.values() if room.state is not _State.OPEN]:
            if now >= room.deadline:
                self._drop(room, 0, "The relay did not answer.")
            elif room.state is _State.WORKING:
                self._finish_work(room, now)
            elif room.state is _State.WAITING and now >= room.retry_at:
                if self._full():
                    self._drop(
                        room, Refusal.RELAY_FULL, "The relay allows no more rooms on one link."
                    )
                elif self._challenges:
                    self._use(room, self._challenges.popleft())
                else:
                    wanted += 1
        missing = min(wanted, CHALLENGES_MAX) - self._asked
        for _ in range(missing):
            self._outgoing.append(messages.Ask().encode())
            self._asked += 1
        if self._closes or any(room.state is not _State.OPEN for room in self._rooms.values()):
            self._set_grid(now)

    def _full(self) -> bool:
        """Whether one more OPEN would be one too many: the relay would close the link for it."""
        taken = sum(room.state in (_State.ASKED, _State.OPEN) for room in self._rooms.values())
        return self._ready is not None and taken >= self._ready.rooms_max

    def _use(self, room: _Room, challenge: _Challenge) -> None:
        room.bound = challenge
        if room.bits:
            room_key, _ = self._prove(room, challenge)
            room.work = proof.Work(challenge.challenge, room_key, room.bits)
            room.nonce = None
            room.state = _State.WORKING
        else:
            self._send_open(room, challenge, 0)

    def _finish_work(self, room: _Room, now: float) -> None:
        if room.bound is None or now - room.bound.at > CHALLENGE_USE_S:
            # too slow for this challenge: on to the next, until the deadline
            room.state = _State.WAITING
        elif room.nonce is not None:
            self._send_open(room, room.bound, room.nonce)

    def _prove(self, room: _Room, challenge: _Challenge) -> tuple[bytes, bytes]:
        return proof.sign_proof(
            room.seed, self._pin, room.slot, room.direction, challenge.challenge
        )

    def _send_open(self, room: _Room, challenge: _Challenge, nonce: int) -> None:
        if len(self._requests) >= ROOMS_MAX:
            return  # the relay has left so many unanswered that this one waits for its deadline
        while self._next_request in self._requests:
            self._next_request = (self._next_request + 1) % ROOMS_MAX
        request = self._next_request
        self._next_request = (request + 1) % ROOMS_MAX
        self._requests[request] = room
        room_key, signature = self._prove(room, challenge)
        self._outgoing.append(
            messages.Open(
                request, challenge.number, room.slot, room.direction, room_key, nonce, signature
            ).encode()
        )
        room.state = _State.ASKED
        room.work = None
        room.bound = None

    def _drop(self, room: _Room, code: int, sentence: str) -> None:
        del self._rooms[room.handle]
        room.closing = True  # should an answer come after all, the room is closed again
        self._events.append(RoomRefused(room.handle, code, sentence))

    # Messages

    def _break(self, sentence: str) -> None:
        self._broken = True
        self._outgoing.clear()
        self._events.append(LinkBroken(sentence))

    def _receive_hello(self, data: bytes, now: float) -> None:
        if len(data) >= 2 and data[0] == messages.RelayType.HELLO and data[1] != messages.VERSION:
            self._break(
                f"The relay speaks version {data[1]} of the link protocol and this program version"
                f" {messages.VERSION}: one of the two needs an update."
            )
            return
        try:
            message = messages.decode_from_relay(data)
        except DecodeError:
            message = None
        if not isinstance(message, messages.Hello):
            self._break("This is no relay: it did not say hello.")
            return
        self._ready = Ready(message.tick_ms, message.rooms_max)
        self._events.append(self._ready)
        self._keep_challenge(message.challenge, now)
        if self._rooms:
            self._set_grid(now)

    def _keep_challenge(self, challenge: bytes, now: float) -> None:
        self._challenges.append(_Challenge(self._challenges_seen % 256, challenge, now))
        self._challenges_seen += 1

    def _receive_challenge(self, message: messages.Challenge, now: float) -> None:
        if not self._asked:
            raise DecodeError("a challenge that was not asked for")
        self._asked -= 1
        self._keep_challenge(message.challenge, now)

    def _answered(self, request: int) -> _Room:
        room = self._requests.pop(request, None)
        if room is None:
            raise DecodeError("an answer to no request")
        return room

    def _receive_opened(self, message: messages.Opened, now: float) -> None:
        room = self._answered(message.request)
        if room.closing:
            self._closes.append(message.room)
            self._set_grid(now)
            return
        if message.room in self._by_number:
            self._drop(room, 0, "The relay gave two rooms one number.")
            return
        room.state = _State.OPEN
        room.number = message.room
        self._by_number[message.room] = room
        self._events.append(RoomOpened(room.handle))

    def _receive_refused(self, message: messages.Refused, now: float) -> None:
        room = self._answered(message.request)
        if room.closing:
            return
        if message.code == Refusal.WORK_WANTED and 0 < message.work_bits <= WORK_BITS_MAX:
            room.bits = message.work_bits
        elif message.code == Refusal.EXPIRED:
            self._challenges.clear()  # those that are left are as old on the relay's clock
        elif message.code == Refusal.BUSY:
            room.retry_at = now + RETRY_S
        elif message.code == Refusal.ALREADY_OPEN:
            room.retry_at = now + STILL_OPEN_S
        else:
            self._drop(room, message.code, printable(message.sentence))
            return
        room.state = _State.WAITING
        self._set_grid(now)

    def _receive_cells(self, message: messages.Cells) -> None:
        room = self._by_number.get(message.room)
        if room is None:
            return  # of a room that we closed a moment ago
        if not room.direction & Direction.RECEIVE:
            raise DecodeError("cells of a room that was opened for sending only")
        cell_bytes = LANE_RULES[room.slot].cell_bytes
        cells = messages.split_cells(message.body, cell_bytes, TICK_CELLS_MAX)
        self._events.append(CellsArrived(room.handle, cells))
