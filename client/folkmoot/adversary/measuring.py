"""What an attack achieved, from what each member says that it heard (architecture §2).

Pure: counts of frames by second come in, verdicts come out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

FRAMES_PER_S = 50  # of a member who speaks all the time, 20 ms each
WINDOW_S = 5
SILENCED_OVER = 0.10  # of somebody's voice, over any window, at anybody
ROW_S = 1.0  # what a row of what was heard is about, if none was there before it
ROW_S_MAX = 3.0  # of a member that a busy machine kept waiting; rows further apart are of two times


@dataclass
class Hearing:
    """How many frames of each speaker one listener had, by seconds since the attack began."""

    frames: dict[str, dict[int, float]] = field(default_factory=dict)
    _until: dict[str, float] = field(default_factory=dict)

    def add(self, speaker: str, second: int, frames: float) -> None:
        """So many were heard in that second."""
        seconds = self.frames.setdefault(speaker, {})
        seconds[second] = seconds.get(second, 0) + frames

    def add_row(self, speaker: str, at: float, frames: int) -> None:
        """So many were heard since the speaker's last row, which came in order of their times `at`.
        A row is told about once a second and never exactly: put into the one second in which it
        was told, two would fall into one second sooner or later, and none into the next."""
        before = self._until.get(speaker, -math.inf)
        begin = before if at - before <= ROW_S_MAX else at - ROW_S
        self._until[speaker] = at
        if at <= begin:
            return
        for second in range(max(0, math.floor(begin)), math.ceil(at)):
            part = (min(at, second + 1) - max(begin, second)) / (at - begin)
            self.add(speaker, second, frames * part)

    def losses(self, speaker: str, begin: int, end: int) -> list[float]:
        """The part of the speaker's voice that was lost in each window that lies within the
        seconds `begin` to `end` (exclusive); each window is named by its place in the list."""
        heard = self.frames.get(speaker, {})
        return [
            1 - sum(heard.get(one, 0) for one in range(at, at + WINDOW_S)) / WINDOW_S / FRAMES_PER_S
            for at in range(begin, end - WINDOW_S + 1)
        ]


Hearings = Mapping[str, Hearing]  # by listener


def _bad(hearings: Hearings, speaker: str, listener: str, begin: int, end: int) -> list[int]:
    losses = hearings[listener].losses(speaker, begin, end)
    return [begin + place for place, loss in enumerate(losses) if loss > SILENCED_OVER]


@dataclass(frozen=True)
class Silence:
    """How a person fared: silenced in some window, and when that was over, in seconds after the
    attack began: None while it was not, or where nobody was silenced."""

    silenced: bool
    worst: float
    healed_s: float | None


def silence_of(
    hearings: Hearings, person: str, others: Iterable[str], begin: int, end: int
) -> Silence:
    """Whether anybody of `others` lost the person, or the person lost any of them, in any window of
    the seconds `begin` (the attack) to `end` (while it went on)."""
    bad: set[int] = set()
    worst = 0.0
    for other in others:
        for speaker, listener in ((person, other), (other, person)):
            if listener not in hearings:
                continue
            bad.update(_bad(hearings, speaker, listener, begin, end))
            worst = max([worst, *hearings[listener].losses(speaker, begin, end)])
    last = max(bad, default=None)
    healed = None
    if last is not None and last + WINDOW_S < end:
        # The window that is named by its first second was the last that lost too much; the next is
        # well, so what was lost ended within it.
        healed = float(last + 1 - begin)
    return Silence(bool(bad), worst, healed)


@dataclass(frozen=True)
class Collateral:
    """How many members besides the target were silenced among themselves, and when that was over
    for the last of them, in seconds after the attack began: None while it was not."""

    silenced: int
    healed_s: float | None


def collateral_of(
    hearings: Hearings, target: str, members: Iterable[str], begin: int, end: int
) -> Collateral:
    others = [one for one in members if one != target]
    found = [
        silence_of(hearings, one, [other for other in others if other != one], begin, end)
        for one in others
    ]
    times = [one.healed_s for one in found if one.silenced]
    healed = [one for one in times if one is not None]
    return Collateral(len(times), max(healed) if healed and len(healed) == len(times) else None)
