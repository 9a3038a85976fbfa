"""Marks against relays: what came through one of them as an honest relay alone never brings it.

An honest relay passes each cell on once, unaltered, soon, and in the order in which its sender sent
it. A mark says that one of the four was not so. It is one's own observation: nobody else's word
adds to it, it is told to nobody else, and it takes nothing from anybody. The meeting goes on by
what the other relays bring, so a mark is for people, who may vote for other relays.

**What it proves.** That it came *through this relay*, and no more: whoever is in the meeting holds
the keys of its rooms, and can send there what it likes. So each kind is asked what a member can
make alone, with an honest relay between, and its words (`agent.notices`) say no more than is left:

- `REPEATS`, the same cell twice, and `BENDS`, a cell that has the name of one and another content:
  a member can do both with anybody's cells, ours included. The words name both, relay and member.
- `LATE`, as compared with the copies that other relays brought of the same cells: a member can hold
  back its own copies, and so can two together, but not those of a third, nor make our own come back
  late. So most of what comes must be late, of more than two others (of different lines, where lines
  count), or ours and another's. What a member cannot do alone a slow line of ours can: the words
  name both, relay and line.
- `REORDERS`: some cells come so late that later ones of the same sender overtook them. A link
  brings what it is given in order, so no line does that while it lasts; only a sender that connects
  anew may be overtaken by itself, for a moment. Asked for is that of as many as for `LATE`, over
  some seconds. A member can do that alone, with anybody's cells: it seals again, under the
  meeting's keys, what others said and an honest relay never brought, as it was away for a moment or
  a line lost it. That comes for the first time, so no repeats show it. The words name both.

A relay that works for somebody inside can spare our own and most others' cells, and has no mark
then. What it can do so is what `noticing` looks for, or nothing that anybody feels.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from folkmoot.meeting.noticing import LIARS

STEP_S = 1.0
STEPS_KEPT = 10
SEEN_MIN = 3  # of what no honest relay does by itself, within the steps that are kept
LATE_STEPS = 5  # looked at for what is late: one stall of a line is late in one of them, or two
LATE_IN_STEPS = 4
LATE_S = 1.0  # after the first copy of the same cell
LATE_MIN = 8
LATE_SHARE = 0.8  # of all copies that came through the relay meanwhile
OVERTAKEN_STEPS = 6
OVERTAKEN_IN_STEPS = 3
OVERTAKEN_MIN = 6
LASTS_S = 60.0  # a mark stands so long after it was last earned
OURS = b""
RELAYS_MAX = 16  # that are watched at once: in use, the open reserve, and those just left


class MarkKind(enum.Enum):
    """What came through a relay: the same cells more than once; altered cells; all of it late;
    cells that later ones had overtaken."""

    REPEATS = "repeats"
    BENDS = "bends"
    LATE = "late"
    REORDERS = "reorders"


@dataclass(slots=True)
class _Step:
    """What came through one relay in one second."""

    number: int
    repeats: int = 0
    bent: int = 0
    in_time: int = 0
    late: int = 0
    overtaken: int = 0
    late_lines: set[bytes] = field(default_factory=set)
    overtaken_lines: set[bytes] = field(default_factory=set)


class Marks:
    """One member's marks. Relays are given by their numbers, senders by their lines: OURS is that
    of our own cells alone, as whoever came in by us is another."""

    def __init__(self) -> None:
        self._steps: dict[int, deque[_Step]] = {}
        self._earned: dict[tuple[int, MarkKind], float] = {}  # when last

    # -- what is seen

    def repeated(self, relay: int, now: float) -> None:
        """A cell came through again."""
        step = self._step(relay, now)
        step.repeats += 1

    def bent(self, relay: int, now: float) -> None:
        """A cell came that is another's by its name, and not by its content."""
        step = self._step(relay, now)
        step.bent += 1

    def came(self, relay: int, line: bytes, late_s: float, now: float) -> None:
        """A copy of a voice cell, so long after the first through any relay."""
        step = self._step(relay, now)
        if late_s > LATE_S:
            step.late += 1
            step.late_lines.add(line)
        else:
            step.in_time += 1

    def overtaken(self, relay: int, line: bytes, now: float) -> None:
        """A voice cell came for the first time, a good while after a later one of its sender."""
        step = self._step(relay, now)
        step.overtaken += 1
        step.overtaken_lines.add(line)

    def _step(self, relay: int, now: float) -> _Step:
        number = int(now / STEP_S)
        steps = self._steps.get(relay)
        if steps is None:
            if len(self._steps) >= RELAYS_MAX:
                # Whichever brought nothing for the longest time.
                del self._steps[min(self._steps, key=lambda one: self._steps[one][-1].number)]
            steps = self._steps[relay] = deque(maxlen=STEPS_KEPT)
        if not steps or steps[-1].number < number:
            steps.append(_Step(number))
        return steps[-1]

    # -- what is made of it

    def look(self, now: float) -> list[tuple[int, MarkKind]]:
        """Marks that were earned, and did not stand already."""
        self._earned = {mark: at for mark, at in self._earned.items() if now - at < LASTS_S}
        new = []
        for relay, steps in self._steps.items():
            for kind in self._earned_by(steps, int(now / STEP_S)):
                if (relay, kind) not in self._earned:
                    new.append((relay, kind))
                self._earned[relay, kind] = now
        return new

    def standing(self, now: float) -> dict[int, list[MarkKind]]:
        """The marks that stand, by relay."""
        marks: dict[int, list[MarkKind]] = {}
        for (relay, kind), at in self._earned.items():
            if now - at < LASTS_S:
                marks.setdefault(relay, []).append(kind)
        return marks

    def _earned_by(self, steps: Iterable[_Step], last: int) -> Iterable[MarkKind]:
        kept = [one for one in steps if one.number > last - STEPS_KEPT]
        if sum(one.repeats for one in kept) >= SEEN_MIN:
            yield MarkKind.REPEATS
        if sum(one.bent for one in kept) >= SEEN_MIN:
            yield MarkKind.BENDS
        if self._is_late([one for one in kept if one.number > last - LATE_STEPS]):
            yield MarkKind.LATE
        if self._reorders([one for one in kept if one.number > last - OVERTAKEN_STEPS]):
            yield MarkKind.REORDERS

    def _is_late(self, steps: list[_Step]) -> bool:
        late, in_time = sum(one.late for one in steps), sum(one.in_time for one in steps)
        return (
            late >= LATE_MIN
            and late >= LATE_SHARE * (late + in_time)
            and sum(one.late > 0 for one in steps) >= LATE_IN_STEPS
            and self._are_enough(*(one.late_lines for one in steps))
        )

    def _reorders(self, steps: list[_Step]) -> bool:
        return (
            sum(one.overtaken for one in steps) >= OVERTAKEN_MIN
            and sum(one.overtaken > 0 for one in steps) >= OVERTAKEN_IN_STEPS
            and self._are_enough(*(one.overtaken_lines for one in steps))
        )

    def _are_enough(self, *lines: set[bytes]) -> bool:
        """Whether no two members who lie together can have done that with their own cells."""
        senders = set().union(*lines)
        others = senders - {OURS}
        return len(others) > LIARS or (len(others) > 0 and OURS in senders)
