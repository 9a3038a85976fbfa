"""The last look at what a member sends before a person's decoders and files get it: well formed,
and no faster than it can be played. What is left out is told, once for each reason.

A signature says who sent a frame, not that it is harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from folkmoot.cells.frames import EncodedFrame, MediaKind
from folkmoot.cells.playable import Fault, fault_of
from folkmoot.wire.limits import Bucket

# A voice has 50 frames a second, a camera at most 30. What waited at a relay that hung comes at
# once: a second or two of it is let through.
VOICE_FRAMES_PER_S = 60.0
PICTURE_FRAMES_PER_S = 60.0
FRAMES_BURST = 150.0
KEYLESS_S = 15.0  # with frames all the time, and never one to begin with


@dataclass(slots=True)
class _Seat:
    """What is remembered of one member."""

    paces: dict[MediaKind, Bucket] = field(default_factory=dict)
    keyless_since: dict[MediaKind, float] = field(default_factory=dict)
    told: set[Fault] = field(default_factory=set)


class Screen:
    """One member's judgement of all others' frames."""

    def __init__(self) -> None:
        self._seats: dict[bytes, _Seat] = {}
        self._news: list[tuple[bytes, Fault]] = []

    def follow(self, seats: Iterable[bytes]) -> None:
        """Forgets who is gone."""
        staying = set(seats)
        for seat in self._seats.keys() - staying:
            del self._seats[seat]

    def passes(self, seat: bytes, frame: EncodedFrame, now: float) -> bool:
        """Whether this frame of the member in `seat` may be played."""
        fault = fault_of(frame)
        if fault is None and not self._in_pace(self._of(seat), frame.kind, now):
            fault = Fault.PACE
        if fault is not None:
            self.blame(seat, fault)
            return False
        self._of(seat).keyless_since.pop(frame.kind, None)
        return True

    @staticmethod
    def _in_pace(one: _Seat, kind: MediaKind, now: float) -> bool:
        bucket = one.paces.get(kind)
        if bucket is None:
            pace = VOICE_FRAMES_PER_S if kind is MediaKind.VOICE else PICTURE_FRAMES_PER_S
            bucket = one.paces[kind] = Bucket(pace, FRAMES_BURST, now)
        if bucket.level(now) < 1:
            return False
        bucket.take(1, now)
        return True

    def waits_for_key(self, seat: bytes, kind: MediaKind, now: float) -> None:
        """A frame of this member's picture came whole, and one to begin with is still missing."""
        if now - self._of(seat).keyless_since.setdefault(kind, now) >= KEYLESS_S:
            self.blame(seat, Fault.KEYLESS)

    def begins(self, seat: bytes, kind: MediaKind) -> None:
        """The picture goes on, or is off."""
        self._of(seat).keyless_since.pop(kind, None)

    def blame(self, seat: bytes, fault: Fault) -> None:
        """Something that only the member in `seat` can have sent is left out."""
        one = self._of(seat)
        if fault not in one.told:
            one.told.add(fault)
            self._news.append((seat, fault))

    def take(self) -> Iterator[tuple[bytes, Fault]]:
        """What there is to tell since the last call."""
        news, self._news = self._news, []
        yield from news

    def _of(self, seat: bytes) -> _Seat:
        return self._seats.setdefault(seat, _Seat())
