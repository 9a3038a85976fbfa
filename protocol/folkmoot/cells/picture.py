"""Pictures: encoded frames to cells at a constant pace and back, from key frame to key frame.

The sender's queue is bounded in bytes and time; over it everything up to the next key frame is
dropped. The receiver puts frames together whatever the order of the cells, passes them on in order,
and after a gap waits for a key frame: a decoder that is given the frames after a gap shows
garbage or stands still (measured, see the bridge's notes).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from folkmoot.cells import authorship
from folkmoot.cells import picture_format as form
from folkmoot.cells.authorship import Author
from folkmoot.cells.errors import UsageError
from folkmoot.cells.frames import EncodedFrame, MediaKind
from folkmoot.cells.media import LaneId, Opened
from folkmoot.wire.codec import DecodeError

# A key frame of 120 kB at 60 cells a second takes two seconds: less would drop what follows it
# for nothing, more would be delay that nobody wants to look at.
QUEUE_S_MAX = 2.0
QUEUE_BYTES_MAX = 384 << 10
QUEUE_FRAMES_MAX = 120

# How long a whole frame waits for the one before it: ticks shuffle within 10 ms, and a spare
# relay's way may be longer by some tens.
HOLD_S = 0.1
# A frame no piece of which came for so long is not waited for: the end of it was lost.
STALL_S = 0.5
PARTIAL_FRAMES_MAX = 64
WHOLE_FRAMES_MAX = 64
HELD_BYTES_MAX = 2 << 20
# Different fragments that claim the same place, the newest of them. All but one are forged: frame
# numbers are foreseen easily, so what was sent ahead must not keep the right one out, and who sends
# behind it has a frame's own time to send so many.
CANDIDATES_MAX = 256
LASTS_MAX = 16


@dataclass(frozen=True, slots=True)
class _Waiting:
    body: bytes
    key: bool
    since: float


class PicturePacker:
    """One's own camera or screen: frames in, one plaintext for each beat of the lane's pace out."""

    def __init__(self, kind: MediaKind, first_number: int = 0) -> None:
        """`first_number`: where a restarted agent goes on, if it knows."""
        if kind not in form.LANES:
            raise UsageError("a picture is of a camera or a screen")
        self.kind = kind
        self.lane = form.LANES[kind]
        self._number = first_number
        self._queue: deque[_Waiting] = deque()
        self._queue_bytes = 0
        self._count = 0  # fragments of the frame under way
        self._pieces: deque[bytes] = deque()
        self._checks: list[bytes] = []
        self._digest = b""
        self._until_key = True
        self.dropped = 0
        self.oversize = 0

    @property
    def wants_key(self) -> bool:
        """Whether the encoder is to make a key frame: nothing but one will be sent next."""
        return self._until_key

    @property
    def number(self) -> int:
        """The number of the frame under way, or of the next."""
        return self._number

    @property
    def idle(self) -> bool:
        """Whether the next cell is a filler."""
        return not self._pieces and not self._queue

    def push(self, frame: EncodedFrame, now: float) -> bool:
        """Takes a frame for sending; False if it is dropped: too large, or between a drop and the
        next key frame."""
        if frame.kind is not self.kind:
            raise UsageError(f"a frame of {frame.kind!r} in the lane of {self.kind!r}")
        if self._until_key and not frame.key:
            self.dropped += 1
            return False
        body = form.encode_body(frame)
        if body is None:
            self.oversize += 1
            self.dropped += 1
            self._until_key = True
            return False
        self._until_key = False
        self._queue.append(_Waiting(body, frame.key, now))
        self._queue_bytes += len(body)
        self._shed(now)
        return bool(self._queue) and self._queue[-1].body is body

    def clear(self) -> None:
        """The camera is off: nothing that waits is sent, and the next frame must be a key frame."""
        self._drop(len(self._queue))
        self._pieces.clear()
        self._until_key = True

    def next_plaintext(
        self, key: Ed25519PrivateKey, author: Author, counter: int, now: float
    ) -> bytes:
        """1,127 bytes for the cell with this counter, the same for every relay's copy; a filler if
        nothing waits."""
        self._shed(now)
        if not self._pieces and not self._start():
            return form.FILLER
        index = self._count - len(self._pieces)
        data = self._pieces.popleft()
        if self._pieces:
            self._checks.append(form.check(self._number, index, data))
            return form.encode_fragment(self._number, index, data)
        signature = authorship.sign(key, author, self.lane, counter, self._digest)
        plaintext = form.encode_fragment(self._number, index, data, self._checks, signature)
        self._number += 1
        return plaintext

    def _start(self) -> bool:
        if not self._queue:
            return False
        if self._number > form.NUMBER_MAX:
            raise UsageError("out of picture frame numbers")
        body = self._queue.popleft().body
        self._queue_bytes -= len(body)
        self._pieces = deque(form.cut(body))
        self._count = len(self._pieces)
        self._checks = []
        self._digest = form.frame_digest(self._number, self._count, body)
        return True

    def _over(self, now: float) -> bool:
        return bool(self._queue) and (
            self._queue_bytes > QUEUE_BYTES_MAX
            or len(self._queue) > QUEUE_FRAMES_MAX
            or now - self._queue[0].since > QUEUE_S_MAX
        )

    def _shed(self, now: float) -> None:
        """Over a limit: drops up to the newest key frame that waits; if that is the first or there
        is none, also what follows, up to the next."""
        while self._over(now):
            keys = [place for place, waiting in enumerate(self._queue) if waiting.key]
            if keys and keys[-1] > 0:
                self._drop(keys[-1])
                continue
            if keys and len(self._queue) == 1:
                return  # old, but what everybody waits for
            first = self._queue[0] if keys else None
            self._drop(len(self._queue))
            self._until_key = True
            if first is not None:
                self.dropped -= 1
                self._queue.append(first)
                self._queue_bytes += len(first.body)

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._queue_bytes -= len(self._queue.popleft().body)
        self.dropped += count


@dataclass(frozen=True, slots=True)
class _Last:
    """A last fragment and what its signature is checked with."""

    fragment: form.Fragment
    counter: int
    key: Ed25519PublicKey
    author: Author


@dataclass(slots=True)
class _Partial:
    progress_at: float
    epoch: int
    size: int = 0
    chunks: dict[int, dict[bytes, bytes]] = field(default_factory=dict)  # index: check: data
    lasts: list[_Last] = field(default_factory=list)


def _put(partial: _Partial, fragment: form.Fragment, last: _Last) -> int | None:
    """Bytes that the frame takes more (or less, where an older piece makes room), None if the
    fragment is not new."""
    if fragment.signature is not None:
        if last in partial.lasts:
            return None
        # The newest stays: an honest last fragment comes when all others are there, and is used up
        # at once.
        gone = partial.lasts[: len(partial.lasts) + 1 - LASTS_MAX]
        partial.lasts = [*partial.lasts[len(gone) :], last]
        lost = sum(len(one.fragment.data) for one in gone)
    else:
        candidates = partial.chunks.setdefault(fragment.index, {})
        check = form.check(fragment.number, fragment.index, fragment.data)
        if check in candidates:
            return None
        lost = 0
        if len(candidates) >= CANDIDATES_MAX:
            lost = len(candidates.pop(next(iter(candidates))))
        candidates[check] = fragment.data
    grown = len(fragment.data) - lost
    partial.size += grown
    return grown


@dataclass(frozen=True, slots=True)
class _Whole:
    frame: EncodedFrame
    since: float
    size: int


class PictureReceiver:
    """One seat's picture lane: opened cells in, verified frames in order out.

    Only verified frames move it on; pieces of frames never verified are bounded and go first.
    """

    def __init__(self, lane: LaneId) -> None:
        if lane not in form.KINDS:
            raise UsageError(f"no picture lane: {lane}")
        self._lane = lane
        self._partial: dict[int, _Partial] = {}  # in the order of their last progress
        self._whole: dict[int, _Whole] = {}
        self._held_bytes = 0
        self._next: int | None = None
        self._until_key = True
        self._stalled = False
        self._newest_epoch = -1
        self._newest_number = -1
        self._restarted_in = -1
        self.received = 0
        self.lost = 0
        self.gaps = 0  # times that frames after a loss were held back until a key frame
        self.verified = 0  # frames that are signed, whether they can be shown or not
        self.nonsense = 0  # frames that are signed and hold nothing that can be read

    @property
    def wants_key(self) -> bool:
        """Whether a key frame should be asked for, again and again until it is False."""
        return self._until_key or self._stalled

    @property
    def until_key(self) -> bool:
        """Whether nothing is passed on before a key frame."""
        return self._until_key

    def receive(
        self, opened: Opened, key: Ed25519PublicKey, author: Author, now: float
    ) -> list[EncodedFrame]:
        """The frames that are due, oldest first. `author` is the member at `opened.leaf` in
        `opened.epoch`, `key` its leaf's signature key."""
        if (opened.leaf, opened.epoch) != (author.leaf, author.epoch):
            raise UsageError("the cell names another leaf or epoch")
        try:
            fragment = form.decode_fragment(opened.plaintext)
        except DecodeError:
            return []
        if fragment is None or self._is_past(fragment.number, opened.epoch):
            return self._release(now)
        partial = self._partial.get(fragment.number) or _Partial(now, opened.epoch)
        grown = _put(partial, fragment, _Last(fragment, opened.counter, key, author))
        if grown is not None:
            partial.progress_at = now
            partial.epoch = max(partial.epoch, opened.epoch)
            self._held_bytes += grown
            self._partial.pop(fragment.number, None)
            self._partial[fragment.number] = partial
            if partial.lasts:
                self._assemble(fragment.number, partial, now)
        self._bound()
        return self._release(now)

    def handle_timer(self, now: float) -> list[EncodedFrame]:
        """Gives up what was waited for long enough; returns what that releases."""
        return self._release(now)

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, if at all."""
        times = [whole.since + HOLD_S for whole in self._whole.values()]
        if self._partial:
            times.append(next(iter(self._partial.values())).progress_at + STALL_S)
        return min(times, default=None)

    def _is_past(self, number: int, epoch: int) -> bool:
        """Frames before the next are past, unless an agent that was started again counts anew: it
        can only seal in a new epoch. All of the agent before it are past, too: their high numbers,
        which a relay may have kept for now, would make us wait for as high ones."""
        if number in self._whole or epoch < self._restarted_in:
            return True
        return self._next is not None and number < self._next and epoch <= self._newest_epoch

    def _assemble(self, number: int, partial: _Partial, now: float) -> None:
        for last in list(partial.lasts):
            places = enumerate(last.fragment.checks)
            pieces = [partial.chunks.get(index, {}).get(check) for index, check in places]
            found = [piece for piece in pieces if piece is not None]
            if len(found) < len(pieces):
                continue
            body = b"".join((*found, last.fragment.data))
            digest = form.frame_digest(number, last.fragment.index + 1, body)
            signature = last.fragment.signature or b""
            if len(body) > form.FRAME_BYTES_MAX or not authorship.verify(
                last.key, last.author, self._lane, last.counter, digest, signature
            ):
                partial.lasts.remove(last)
                partial.size -= len(last.fragment.data)
                self._held_bytes -= len(last.fragment.data)
                continue
            self._forget(number)
            try:
                frame = form.decode_body(body, self._lane)
            except DecodeError:
                self.nonsense += 1
                return  # a gap like any other
            self._verified(number, last.author.epoch)
            self._whole[number] = _Whole(frame, now, len(body))
            self._held_bytes += len(body)
            return

    def _verified(self, number: int, epoch: int) -> None:
        if epoch > self._newest_epoch and number < self._newest_number:
            # This seat's agent was started again and counts from the beginning.
            self._clear_whole(None)
            self._next = None
            self._until_key = True
            self._newest_number = -1
            self._restarted_in = epoch
        self._newest_epoch = max(self._newest_epoch, epoch)
        self._newest_number = max(self._newest_number, number)
        self.verified += 1

    def _release(self, now: float) -> list[EncodedFrame]:
        frames: list[EncodedFrame] = []
        while self._whole:
            if self._next is None or self._next not in self._whole or self._until_key:
                keys = [number for number, whole in self._whole.items() if whole.frame.key]
                oldest = min(whole.since for whole in self._whole.values())
                waits = now < oldest + HOLD_S and not self._whole_over()
                if keys and (self._until_key or not waits):
                    self._jump(min(keys))
                elif waits:
                    break
                else:
                    self._give_up(now)
                    continue
            assert self._next is not None
            whole = self._whole.pop(self._next)
            self._held_bytes -= whole.size
            self._next += 1
            self.received += 1
            self._stalled = False
            frames.append(whole.frame)
        for number in [n for n, held in self._partial.items() if self._is_past(n, held.epoch)]:
            self._forget(number)
        self._expire(now)
        return frames

    def _jump(self, number: int) -> None:
        """Goes on at a key frame."""
        if self._next is not None:
            self.lost += max(0, number - self._next)
        self._clear_whole(number)
        self._next = number
        self._until_key = False

    def _give_up(self, now: float) -> None:
        """What has waited for HOLD_S has waited for a frame that is lost, or for a key frame."""
        if not self._until_key:
            self._until_key = True
            self.gaps += 1
        for number in [n for n, whole in self._whole.items() if now >= whole.since + HOLD_S]:
            self._held_bytes -= self._whole.pop(number).size
        while self._whole_over():
            self._held_bytes -= self._whole.pop(min(self._whole)).size

    def _whole_over(self) -> bool:
        return len(self._whole) > WHOLE_FRAMES_MAX or (
            bool(self._whole) and self._held_bytes > HELD_BYTES_MAX
        )

    def _clear_whole(self, below: int | None) -> None:
        for number in [n for n in self._whole if below is None or n < below]:
            self._held_bytes -= self._whole.pop(number).size

    def _forget(self, number: int) -> None:
        self._held_bytes -= self._partial.pop(number).size

    def _expire(self, now: float) -> None:
        while self._partial:
            number, partial = next(iter(self._partial.items()))
            if now < partial.progress_at + STALL_S:
                return
            self._forget(number)
            # Not yet a gap, as anybody can forge a piece of a frame that never was: what is
            # verified still goes on. But a key frame would help if it was one.
            self._stalled = True

    def _bound(self) -> None:
        while self._partial and (
            len(self._partial) > PARTIAL_FRAMES_MAX or self._held_bytes > HELD_BYTES_MAX
        ):
            self._forget(next(iter(self._partial)))
