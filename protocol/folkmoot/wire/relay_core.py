"""The relay without its sockets: rooms, links, proofs, ticks and limits (architecture §4).

Rooms exist while links are open, and there is nothing else: no accounts, names, addresses or log. A
shell reports links, messages and full buffers, and carries out what `next_outgoing` says; every
receiver of a room gets the same bytes, built once a tick, its own cells among them. The same core
runs in the server and, on a virtual clock, in the simulation.

The order of calls is: anything that takes `now`, then `next_outgoing` until it is None, then a
timer for
`next_timer`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from folkmoot.wire import messages, proof
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import Direction, LaneSlot
from folkmoot.wire.limits import (
    AGENT_MESSAGE_CELLS_MAX,
    CHALLENGE_S,
    Bucket,
    RelayLimits,
    work_bits,
)
from folkmoot.wire.messages import Closing, Refusal
from folkmoot.wire.relay_link import RelayLink, Seat
from folkmoot.wire.relay_output import Deliver, Shut, Sums
from folkmoot.wire.room import Room, shuffled

__all__ = ["SWEEP_S", "TICK_S", "Deliver", "RelayCore", "Shut", "Sums"]

TICK_S = 0.010
SWEEP_S = 1.0


class _ViolationError(Exception):
    """Why a link is closed."""

    def __init__(self, code: Closing) -> None:
        self.code = code


class RelayCore:
    """`pin`: 32 bytes, SHA-256 of the SubjectPublicKeyInfo that links see; `entropy(n)`: n random
    bytes;
    `now`: seconds on a clock that never goes back."""

    def __init__(
        self,
        pin: bytes,
        entropy: Callable[[int], bytes],
        now: float,
        *,
        tick_s: float = TICK_S,
        limits: RelayLimits | None = None,
    ) -> None:
        self.pin = pin
        self.limits = limits or RelayLimits()
        self.tick_s = tick_s
        self.sums = Sums()
        self.leaving = False
        self._entropy = entropy
        self._start = now
        self._next_link = 0
        self._links: dict[int, RelayLink] = {}
        self._rooms: dict[tuple[bytes, LaneSlot], Room] = {}
        self._numbers: set[int] = set()
        self._pending: dict[int, Room] = {}
        self._paused = 0
        self._tick_at: float | None = None
        self._sweep_at: float | None = None
        self._proofs = Bucket(self.limits.proofs_per_s, self.limits.proofs_burst, now)
        # Bounded by what one call can cause, as the shell empties it after each.
        self._outgoing: deque[Deliver | Shut] = deque()

    @property
    def links_open(self) -> int:
        return len(self._links)

    @property
    def rooms_open(self) -> int:
        return len(self._rooms)

    # What the shell reports

    def link_opened(self, now: float, version: int = messages.VERSION) -> int:
        """A link's WebSocket is up at `/link/<version>`; its number from now on. It may be shut at
        once."""
        number = self._next_link
        self._next_link += 1
        link = RelayLink(number, self.limits, now)
        self._links[number] = link
        self.sums.links_opened += 1
        if self._sweep_at is None:
            self._sweep_at = now + SWEEP_S
        challenge = self._challenge(link, now)
        tick_ms = round(self.tick_s * 1000)
        hello = messages.Hello(messages.VERSION, challenge, tick_ms, self.limits.rooms_per_link)
        self._send(link, hello.encode())
        if version != messages.VERSION:
            self._shut(link, Closing.WRONG_VERSION)
        elif self.leaving:
            self._shut(link, Closing.LEAVING)
        elif len(self._links) > self.limits.links:
            self._shut(link, Closing.RELAY_FULL)
        return number

    def link_closed(self, number: int) -> None:
        """The link is gone, whoever closed it. A number that is not known any more is fine."""
        link = self._links.get(number)
        if link is not None:
            self._forget(link)

    def receive(self, number: int, data: bytes, now: float) -> None:
        """One binary message of a link; whatever it holds, nothing is raised."""
        link = self._links.get(number)
        if link is None:  # shut a moment ago, and this was on its way
            return
        try:
            if link.bytes.take(len(data), now) < 0:
                raise _ViolationError(Closing.TOO_FAST)
            message = messages.decode_from_agent(data)
            if isinstance(message, messages.Cells):
                self._receive_cells(link, message, now)
                return
            if link.control.take(1, now) < 0:
                raise _ViolationError(Closing.TOO_FAST)
            if isinstance(message, messages.Ask):
                self._send(link, messages.Challenge(self._challenge(link, now)).encode())
            elif isinstance(message, messages.Open):
                self._receive_open(link, message, now)
            else:
                self._receive_close(link, message, now)
        except _ViolationError as violation:
            self._shut(link, violation.code)
        except DecodeError:
            self._shut(link, Closing.BAD_MESSAGE)

    def malformed(self, number: int) -> None:
        """The link sent what is no message at all: text, a fragment, something too long."""
        link = self._links.get(number)
        if link is not None:
            self._shut(link, Closing.BAD_MESSAGE)

    def too_fast(self, number: int) -> None:
        """The link floods the shell with something that is no message, such as pings."""
        link = self._links.get(number)
        if link is not None:
            self._shut(link, Closing.TOO_FAST)

    def paused(self, number: int, now: float) -> None:
        """The link's buffer is full: its ticks wait here, the oldest give way, and in the end so
        does it."""
        link = self._links.get(number)
        if link is not None and link.paused_at is None:
            link.paused_at = now
            self._paused += 1

    def resumed(self, number: int) -> None:
        """The link's buffer has room again."""
        link = self._links.get(number)
        if link is None or link.paused_at is None:
            return
        link.paused_at = None
        self._paused -= 1
        if kept := link.release():
            self._outgoing.append(Deliver((number,), kept))

    def leave(self) -> None:
        """The relay is going to stop: tells every link to move on, and opens nothing more."""
        if not self.leaving and self._links:
            message = messages.Leaving(messages.LEAVING_SENTENCE).encode()
            self._outgoing.append(Deliver(tuple(self._links), (message,)))
        self.leaving = True

    def shut_all(self) -> None:
        """The relay stops now."""
        for link in list(self._links.values()):
            self._shut(link, Closing.LEAVING)

    # Time

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called, or None."""
        if self._tick_at is None or self._sweep_at is None:
            return self._sweep_at if self._tick_at is None else self._tick_at
        return min(self._tick_at, self._sweep_at)

    def handle_timer(self, now: float) -> None:
        """Sends the tick and looks after stalled and idle links when they are due."""
        if self._tick_at is not None and now >= self._tick_at:
            self._tick(now)
        if self._sweep_at is not None and now >= self._sweep_at:
            self._sweep(now)

    def next_outgoing(self) -> Deliver | Shut | None:
        """The next thing for the shell to do, or None."""
        return self._outgoing.popleft() if self._outgoing else None

    # Rooms

    def _challenge(self, link: RelayLink, now: float) -> bytes:
        challenge = self._entropy(messages.CHALLENGE_BYTES)
        if len(link.challenges) >= self.limits.challenges_per_link:
            del link.challenges[next(iter(link.challenges))]
        link.challenges[link.next_challenge] = (challenge, now)
        link.next_challenge = (link.next_challenge + 1) % 256
        return challenge

    def _receive_open(self, link: RelayLink, message: messages.Open, now: float) -> None:
        challenge, made_at = link.challenges.pop(message.challenge, (b"", 0.0))
        if not challenge or now - made_at > CHALLENGE_S:
            self._refuse(link, message.request, Refusal.EXPIRED)
            return
        if self.leaving:
            self._refuse(link, message.request, Refusal.LEAVING)
            return
        kept = self.limits.proofs_kept if link.proofs >= self.limits.first_proofs_per_link else 0
        if self._proofs.level(now) < 1 + kept:
            self._refuse(link, message.request, Refusal.BUSY)
            return
        self._proofs.take(1, now)
        link.proofs += 1
        key, slot, direction = message.room_key, message.slot, message.direction
        if not proof.verify_proof(self.pin, key, slot, direction, challenge, message.signature):
            raise _ViolationError(Closing.WRONG_PROOF)
        room = self._rooms.get((key, slot))
        if room is not None and room.number in link.rooms:
            self._refuse(link, message.request, Refusal.ALREADY_OPEN)
            return
        if len(link.rooms) >= self.limits.rooms_per_link:
            raise _ViolationError(Closing.TOO_MANY_ROOMS)
        refusal, bits = self._crowded(room, challenge, message)
        if refusal is not None:
            self._refuse(link, message.request, refusal, bits)
            return
        if room is None:
            room = self._new_room(key, slot, now)
        room.links.add(link.number)
        if direction & Direction.RECEIVE:
            room.receivers.add(link.number)
        link.rooms[room.number] = Seat(room, bool(direction & Direction.SEND), now)
        link.roomless_at = None
        self._send(link, messages.Opened(message.request, room.number).encode())

    def _crowded(
        self, room: Room | None, challenge: bytes, message: messages.Open
    ) -> tuple[Refusal | None, int]:
        """A full room refuses the newest and never closes the oldest; one over half full asks for
        work."""
        if room is None:
            return (Refusal.RELAY_FULL if len(self._rooms) >= self.limits.rooms else None), 0
        if len(room.links) >= self.limits.links_per_room:
            return Refusal.ROOM_FULL, 0
        bits = work_bits(len(room.links), self.limits.links_per_room)
        if proof.work_is_enough(challenge, message.room_key, message.work, bits):
            return None, 0
        return Refusal.WORK_WANTED, bits

    def _new_room(self, key: bytes, slot: LaneSlot, now: float) -> Room:
        number = int.from_bytes(self._entropy(4), "big")
        while number in self._numbers:  # at most `rooms` of 2^32 are taken
            number = (number + 1) % (1 << 32)
        room = Room(key, slot, number, self.limits, now)
        self._rooms[(key, slot)] = room
        self._numbers.add(number)
        self.sums.rooms_opened += 1
        return room

    def _refuse(self, link: RelayLink, request: int, refusal: Refusal, bits: int = 0) -> None:
        self.sums.refused[refusal] += 1
        sentence = messages.REFUSAL_SENTENCES[refusal]
        self._send(link, messages.Refused(request, refusal, bits, sentence).encode())

    def _receive_close(self, link: RelayLink, message: messages.Close, now: float) -> None:
        seat = link.rooms.pop(message.room, None)
        if seat is None:
            raise _ViolationError(Closing.NOT_OPEN)
        self._leave_room(link, seat.room)
        if not link.rooms:
            link.roomless_at = now

    def _leave_room(self, link: RelayLink, room: Room) -> None:
        room.leave(link.number)
        if not room.links:
            del self._rooms[(room.key, room.slot)]
            self._numbers.discard(room.number)
            self._pending.pop(room.number, None)

    # Cells

    def _receive_cells(self, link: RelayLink, message: messages.Cells, now: float) -> None:
        seat = link.rooms.get(message.room)
        if seat is None or not seat.sends:
            raise _ViolationError(Closing.NOT_OPEN)
        room = seat.room
        cells = messages.split_cells(message.body, room.rule.cell_bytes, AGENT_MESSAGE_CELLS_MAX)
        self.sums.cells_in += len(cells)
        for cell in cells:
            tokens = seat.bucket.take(1, now)
            if tokens < -self.limits.bursts_over_pace * seat.bucket.burst:
                raise _ViolationError(Closing.TOO_FAST)
            if tokens < 0 or not room.push(link.number, cell, len(self._rooms)):
                self.sums.cells_dropped += 1
        if room.queued:
            self._pending[room.number] = room
            self._set_tick(now)

    def _set_tick(self, now: float) -> None:
        """The next beat of the relay's own clock, which does not depend on when anything
        arrived."""
        if self._tick_at is None:
            beats = int((now - self._start) / self.tick_s) + 1
            # Rounding must not give a beat that has been: a clock that stands still would never get
            # past it.
            while self._start + beats * self.tick_s <= now:
                beats += 1
            self._tick_at = self._start + beats * self.tick_s

    def _tick(self, now: float) -> None:
        self._tick_at = None
        parts: dict[int, list[int]] = {}  # receiver -> rooms with something for it
        built: dict[int, bytes] = {}
        for room in list(self._pending.values()):
            cells = shuffled(room.take(now), self._entropy)
            if not room.queued:
                del self._pending[room.number]
            if cells:
                built[room.number] = messages.encode_cells(room.number, cells)
                self.sums.cells_out += len(cells) * len(room.receivers)
                for receiver in room.receivers:
                    parts.setdefault(receiver, []).append(room.number)
        # Links with the same rooms get the same bytes in one write.
        groups: dict[tuple[int, ...], list[int]] = {}
        for receiver, rooms in parts.items():
            if self._links[receiver].paused_at is None:
                groups.setdefault(tuple(rooms), []).append(receiver)
            else:
                for number in rooms:
                    self.sums.ticks_skipped += self._links[receiver].keep(
                        built[number], self._paused, self.limits
                    )
        for numbers, receivers in groups.items():
            self.sums.ticks_sent += len(receivers)
            self._outgoing.append(
                Deliver(tuple(receivers), tuple(built[number] for number in numbers))
            )
        if self._pending:
            self._set_tick(now)

    # Links

    def _sweep(self, now: float) -> None:
        self._sweep_at = now + SWEEP_S
        limits = self.limits
        for link in list(self._links.values()):
            if link.paused_at is not None and now - link.paused_at > limits.stall_s:
                self._shut(link, Closing.TOO_SLOW)
            elif link.roomless_at is not None and now - link.roomless_at > limits.idle_s:
                self._shut(link, Closing.IDLE)
        if not self._links:
            self._sweep_at = None

    def _send(self, link: RelayLink, message: bytes) -> None:
        """An answer: small and few (the control bucket), so it need not wait behind a full buffer's
        ticks."""
        self._outgoing.append(Deliver((link.number,), (message,)))

    def _shut(self, link: RelayLink, code: Closing) -> None:
        self.sums.closed[code] += 1
        self._forget(link)
        self._outgoing.append(Shut(link.number, code, messages.CLOSING_SENTENCES[code]))

    def _forget(self, link: RelayLink) -> None:
        del self._links[link.number]
        if link.paused_at is not None:
            self._paused -= 1
        for seat in link.rooms.values():
            self._leave_room(link, seat.room)
        link.rooms.clear()
        link.release()
