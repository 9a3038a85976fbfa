"""Whether the others settled a commit that we cannot process.

A committer can bend its update path for some, which nobody else can see. Where those are a third of
the electors, the commit does not settle. Fewer may be left behind: they have a commit on their
epoch that does not open, and hear that more than two thirds are in an epoch that they do not hold.
Then no commit that is still to come would help, so a member asks for a fresh leaf at once. What it
says in its old epoch is heard for 10 s more, and it is back long before.

So that nobody does that again and again, see `ticks.EmptyCommits`: a commit that changes nothing is
not named more often than once in ten minutes from one seat, and any other needs somebody's consent.
"""

from __future__ import annotations

SURE_AFTER_S = 2.0  # a commit that only came late, or a sound one beside it, is repeated by then


class LockedOut:
    """Of one epoch."""

    def __init__(self) -> None:
        self.sure = False
        self._has_bent = False
        self._behind_since: float | None = None

    def could_not_process(self) -> None:
        """A commit on this epoch was no valid one to us."""
        self._has_bent = True

    def look(self, others_moved: bool, now: float) -> None:
        """Whether the others are in an epoch that follows this one and that we do not hold."""
        if not others_moved:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = now
        elif now - self._behind_since >= SURE_AFTER_S:
            self.sure = self._has_bent
