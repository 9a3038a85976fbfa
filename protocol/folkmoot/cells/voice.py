"""Voice cells: two 20 ms frames and the two before them, signed, 25 times a second (§5).

Plaintext of 359 bytes: version u8 ‖ number u32 ‖ time u48 ‖ time of the previous pair u48 ‖ four
slots of 64 bytes (the previous pair, then this one) ‖ zeros ‖ signature (64). A slot is a length
u8, 0 to 63, the Opus packet and zeros. `number` is that of this pair's first slot; every cell is
two slots further whether anybody speaks or not, so that a gap in the numbers is a loss and an
empty slot is silence.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from folkmoot.cells import authorship
from folkmoot.cells.authorship import Author
from folkmoot.cells.errors import UsageError
from folkmoot.cells.frames import VOICE_FRAME_US, Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import VOICE, Opened, plaintext_bytes
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError, Reader
from folkmoot.wire.labels import SIGNATURE_BYTES

VERSION = 1
CELLS_PER_S = 25
SLOT_BYTES = 64
FRAME_BYTES_MAX = SLOT_BYTES - 1  # 24 kbit/s Opus is 60 bytes in 20 ms
PAIR = 2
SLOTS = 2 * PAIR
NUMBER_MAX = (1 << 32) - 1
TIME_MAX = (1 << 48) - 1
PLAINTEXT_BYTES = plaintext_bytes(VOICE)
_USED_BYTES = 1 + 4 + 6 + 6 + SLOTS * SLOT_BYTES
_PADDING_BYTES = PLAINTEXT_BYTES - _USED_BYTES - SIGNATURE_BYTES

# Frames that wait to be sent. A burst after a stall of the browser's fits; beyond it the oldest go.
QUEUE_FRAMES_MAX = 8
# When the queue never held fewer than a pair over this many cells (2 s), the microphone's clock
# runs ahead of the pace: a pair goes, as it would only be delay for the rest of the meeting.
SHED_CELLS = 50
# Two frames pair up when their times say that one follows the other.
_PAIR_TOLERANCE_US = VOICE_FRAME_US // 2

# How long a frame may keep later ones waiting: the next cell brings it again after 40 ms, and
# relays' ticks and detours add some more. Longer is delay for nothing.
HOLD_S = 0.060
# Slots held back at most: 1.3 s. A jump beyond it is a loss, waited for by nobody.
PENDING_SLOTS_MAX = 64

_Pair = tuple[EncodedFrame, ...]


class VoicePacker:
    """One's own voice: frames in, one plaintext for each beat of the lane's pace out."""

    def __init__(self, first_number: int = 0) -> None:
        """`first_number`: where a restarted agent goes on, if it knows."""
        self._number = first_number + first_number % PAIR
        self._queue: deque[EncodedFrame] = deque()
        self._last: EncodedFrame | None = None
        self._previous: _Pair = ()
        self._beats = 0
        self._waiting_least = QUEUE_FRAMES_MAX
        self.dropped = 0
        self.oversize = 0

    @property
    def number(self) -> int:
        """The slot number of the next cell's first frame."""
        return self._number

    def push(self, frame: EncodedFrame) -> bool:
        """Takes a frame of one Opus packet. False if it does not fit its slot: the caller lowers
        the bitrate, and meanwhile the last one that fitted goes in its place."""
        if frame.kind is not MediaKind.VOICE or len(frame.payloads) != 1:
            raise UsageError("a voice frame has one Opus packet")
        fits = 0 < len(frame.payloads[0]) <= FRAME_BYTES_MAX
        if fits:
            self._last = frame
        else:
            self.oversize += 1
            if self._last is None:
                return False
            frame = _at(self._last.payloads[0], frame.time_us)
        if len(self._queue) >= QUEUE_FRAMES_MAX:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(frame)
        return fits

    def clear(self) -> None:
        """The microphone is off: nothing that waits may be sent, nor anything sent again."""
        self._queue.clear()
        self._previous = ()

    def next_plaintext(self, key: Ed25519PrivateKey, author: Author, counter: int) -> bytes:
        """359 bytes for the cell with this counter, the same for every relay's copy. Valid, signed
        and of the same size when there is nothing to say."""
        if self._number > NUMBER_MAX - PAIR:
            raise UsageError("out of voice frame numbers")
        pair = self._next_pair()
        body = b"".join(
            (
                codec.u8(VERSION),
                codec.u32(self._number),
                _time(pair),
                _time(self._previous),
                *_slots(self._previous),
                *_slots(pair),
                bytes(_PADDING_BYTES),
            )
        )
        self._number += PAIR
        self._previous = pair
        digest = hashlib.sha256(body).digest()
        return body + authorship.sign(key, author, VOICE, counter, digest)

    def _next_pair(self) -> _Pair:
        self._shed()
        if not self._queue:
            return ()
        first = self._queue.popleft()
        if self._queue:
            ahead = self._queue[0].time_us - first.time_us - VOICE_FRAME_US
            # One time stands for both frames, so a frame from after a pause begins a pair.
            if abs(ahead) <= _PAIR_TOLERANCE_US:
                return first, self._queue.popleft()
        return (first,)

    def _shed(self) -> None:
        self._waiting_least = min(self._waiting_least, len(self._queue) - PAIR)
        self._beats += 1
        if self._beats < SHED_CELLS:
            return
        if self._waiting_least >= PAIR:
            for _ in range(PAIR):
                self._queue.popleft()
            self.dropped += PAIR
        self._beats = 0
        self._waiting_least = QUEUE_FRAMES_MAX


def _at(payload: bytes, time_us: int) -> EncodedFrame:
    return EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (payload,))


def _time(pair: _Pair) -> bytes:
    return (pair[0].time_us & TIME_MAX if pair else 0).to_bytes(6, "big")


def _slots(pair: _Pair) -> list[bytes]:
    payloads = [frame.payloads[0] for frame in pair]
    payloads += [b""] * (PAIR - len(payloads))
    return [(codec.u8(len(data)) + data).ljust(SLOT_BYTES, b"\0") for data in payloads]


@dataclass(frozen=True, slots=True)
class VoiceCell:
    """A decoded cell: the slots with numbers `number - 2` to `number + 1`, None for silence."""

    number: int
    slots: tuple[EncodedFrame | None, ...]


def _read_slot(reader: Reader, time_us: int) -> EncodedFrame | None:
    slot = reader.take(SLOT_BYTES)
    length = slot[0]
    if length > FRAME_BYTES_MAX or any(slot[1 + length :]):
        raise DecodeError("not a slot of 64 bytes")
    return _at(slot[1 : 1 + length], time_us & TIME_MAX) if length else None


def _read_cell(reader: Reader) -> VoiceCell:
    if reader.u8() != VERSION:
        raise DecodeError("another version of voice cell")
    number = reader.u32()
    if number % PAIR:
        raise DecodeError("an odd number")
    time_us, time_before_us = (int.from_bytes(reader.take(6), "big") for _ in range(2))
    starts = [
        start + VOICE_FRAME_US * i for start in (time_before_us, time_us) for i in range(PAIR)
    ]
    slots = tuple(_read_slot(reader, start) for start in starts)
    if any(reader.take(_PADDING_BYTES)):
        raise DecodeError("padding that is not zero")
    reader.take(SIGNATURE_BYTES)
    return VoiceCell(number, slots)


def decode_cell(plaintext: bytes) -> VoiceCell:
    """The content of 359 bytes of plaintext, its signature unchecked; raises DecodeError."""
    return codec.decode(_read_cell, plaintext)


def is_signed(opened: Opened, key: Ed25519PublicKey, author: Author) -> bool:
    """Whether `author` signed an opened cell, whatever is in it. `author` is the member at
    `opened.leaf` in `opened.epoch`, and `key` its leaf's signature key."""
    if (opened.leaf, opened.epoch) != (author.leaf, author.epoch):
        raise UsageError("the cell names another leaf or epoch")
    if len(opened.plaintext) != PLAINTEXT_BYTES:
        return False
    body = opened.plaintext[:-SIGNATURE_BYTES]
    signature = opened.plaintext[-SIGNATURE_BYTES:]
    digest = hashlib.sha256(body).digest()
    return authorship.verify(key, author, VOICE, opened.counter, digest, signature)


def verify_cell(opened: Opened, key: Ed25519PublicKey, author: Author) -> VoiceCell | None:
    """The content of an opened cell if `author` signed it, else None; arguments as there."""
    if not is_signed(opened, key, author):
        return None
    try:
        return decode_cell(opened.plaintext)
    except DecodeError:
        return None


class VoiceReceiver:
    """One seat's voice: verified cells in, each 20 ms frame once and in order out.

    Its state lasts over epochs, as the numbers do. A frame goes out when it comes in if all before
    it did; one that is missing is waited for at most HOLD_S, then it and no other counts as lost.
    """

    def __init__(self) -> None:
        self._next: int | None = None
        self._pending: dict[int, tuple[float, EncodedFrame | None]] = {}  # number: arrival, slot
        self._newest_epoch = -1
        self._restarted_in = -1
        self._newest_number = -1
        self._sounded = False  # whether the last slot that came held a frame
        self.received = 0  # frames that came; a silent slot is none
        # Slots that never came in time and had sound before or behind them: a gap amid silence is
        # most likely silence, and nobody misses it.
        self.lost = 0

    def receive(self, cell: VoiceCell, epoch: int, now: float) -> list[EncodedFrame]:
        """The frames that are due, oldest first. `epoch` is the one whose keys opened the cell."""
        first = cell.number - PAIR
        if epoch < self._restarted_in:
            # Of the agent that is no more: its high numbers, which a relay may have kept for now,
            # would make us wait until those of its successor are as high.
            return []
        if epoch > self._newest_epoch and cell.number < self._newest_number:
            # Numbers of one agent only grow, and what it sealed in a new epoch it sealed later: so
            # this seat's agent was started again and counts from the beginning.
            self._next = None
            self._pending.clear()
            self._newest_number = -1
            self._restarted_in = epoch
        self._newest_epoch = max(self._newest_epoch, epoch)
        self._newest_number = max(self._newest_number, cell.number)
        if self._next is None:
            self._next = max(first, 0)
        for number, frame in enumerate(cell.slots, first):
            if number >= self._next:
                self._pending.setdefault(number, (now, frame))
        return self._release(now)

    def handle_timer(self, now: float) -> list[EncodedFrame]:
        """What waited long enough for a frame that did not come."""
        return self._release(now)

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, if at all."""
        # What is held back, is held back by a missing frame: all that came in order went out.
        if not self._pending:
            return None
        return min(arrived for arrived, _ in self._pending.values()) + HOLD_S

    def _release(self, now: float) -> list[EncodedFrame]:
        frames: list[EncodedFrame] = []
        while self._pending and self._next is not None:
            held = self._pending.pop(self._next, None)
            if held is not None:
                self._next += 1
                self._sounded = held[1] is not None
                if held[1] is not None:
                    self.received += 1
                    frames.append(held[1])
                continue
            due = self.next_timer()
            waits = due is not None and now < due
            if waits and max(self._pending) - self._next < PENDING_SLOTS_MAX:
                break
            lowest = min(self._pending)
            if self._sounded or self._pending[lowest][1] is not None:
                self.lost += lowest - self._next
            self._next = lowest
        return frames
