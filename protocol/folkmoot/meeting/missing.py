"""When to ask at the door because members are not heard.

Perhaps they are away; perhaps they settled something apart from us, in rooms that we do not know.
Of sides that settled apart each may hear most of its own roster: so where anybody is away that is
asked now and then, too.
"""

from __future__ import annotations

NOBODY_S = 3.0  # with the 5 s after which somebody is away: long after a relay's restart
# While only some are away: asked in the last ASK_S of each ASK_EVERY_S. That is long enough to be
# given a leaf on another side.
ASK_EVERY_S = 40.0
ASK_S = 10.0
# Who hears few lets nobody in before it has asked for so long: it may only just be back, and would
# settle alone what the others never see.
HOLD_S = 8.0


class Missing:
    """Of one member, while it is in."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._hears_few = False

    def asks(self, members: int, heard: int, now: float) -> bool:
        """Whether to ask now, `heard` of `members` being here, ourselves included."""
        if heard == members:
            self._since = None
        elif self._since is None:
            self._since = now
        if self._since is None:
            self._hears_few = False
            return False
        since = now - self._since
        self._hears_few = 2 * heard <= members
        if self._hears_few:
            return since >= NOBODY_S
        return since % ASK_EVERY_S >= ASK_EVERY_S - ASK_S

    def holds(self, now: float) -> bool:
        """Whether nobody is let in yet, as of the last call of `asks`."""
        since = self._since
        return self._hears_few and since is not None and now - since < NOBODY_S + HOLD_S
