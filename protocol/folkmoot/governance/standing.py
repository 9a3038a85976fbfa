"""How a motion stands: how many must say yes, by heads and by lines, and how many did (architecture
§6, "Charter", "Ballots").

**Heads.** The share that the charter asks for is one of *all* electors, those who are away and the
accused too, so silence is no, and a partition has no power: a side that holds no more than two
thirds of the electors can decide nothing. Every share is more than two thirds, so with fewer than a
third lying a motion is carried only if more than a third of all electors, honest ones, said yes.

**Lines**, where the charter counts them, are asked for as well, never instead. A line says yes when
more than half of its electors did, and as large a share of the lines must. By lines alone nine
liars in lines of their own would outvote twenty-one honest members of one line; by heads alone an
infiltrator with twenty friends would outvote nine lines. Who must win both can do neither. The
price: who has a third of either can block every motion, and then the others walk out together.

**Rolls.** Counted are the answers of those who are electors both at the opening and now; of the two
rolls the larger sets each threshold. So nobody is brought in to vote on what is asked already, and
nobody who leaves or is removed makes the rest weigh more. The price again: in a small meeting one
who joins while a motion is open can make it impossible, and it is moved anew. The opening's roll
alone would not do for a threshold, as a newcomer cannot check it (`certificate.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from folkmoot.governance.charter import Charter, Share
from folkmoot.governance.motion import Motion, MotionKind
from folkmoot.governance.roll import Roll


@dataclass(frozen=True, slots=True)
class Standing:
    """`needed` electors and `lines_needed` lines must say yes; `have` and `lines_have` did. Where
    lines do not count both are 0."""

    needed: int
    have: int
    lines_needed: int = 0
    lines_have: int = 0

    @property
    def carried(self) -> bool:
        return self.have >= self.needed and self.lines_have >= self.lines_needed


def voters(motion: Motion, opening: Roll, now: Roll) -> frozenset[bytes]:
    """The seats whose answers count: electors at the opening and now, but for whom it is about to
    remove."""
    counted = frozenset(seat for seat in now.seats if seat in opening)
    return counted - {motion.subject} if motion.kind is MotionKind.REMOVE else counted


def standing(
    charter: Charter, motion: Motion, opening: Roll, now: Roll, yes: Collection[bytes]
) -> Standing | None:
    """How a motion stands when these seats said yes; None when no number of them would do."""
    electors = max(len(opening), len(now))
    share: Share | None = charter.share_for_admission
    if motion.kind is MotionKind.REMOVE:
        share = charter.removal
        accused_votes = motion.subject in opening or motion.subject in now
        needed = charter.removal_needed(electors, accused_votes=accused_votes)
    elif motion.kind is MotionKind.ADMIT:
        needed = None if share is None else share.needed(electors)
    else:
        share = charter.amendment
        needed = charter.amendment_needed(electors)
    if needed is None or share is None:
        return None
    counted = voters(motion, opening, now) & frozenset(yes)
    if not charter.lineage:
        return Standing(needed, len(counted))
    then, today = opening.lines(), now.lines()
    said: dict[bytes, int] = {}
    for seat in counted:
        line = now.line_of(seat)
        assert line is not None  # who is counted is on the roll
        said[line] = said.get(line, 0) + 1
    lines_have = sum(
        2 * count > max(then.get(line, 0), today.get(line, 0)) for line, count in said.items()
    )
    return Standing(needed, len(counted), share.needed(max(len(then), len(today))), lines_have)
