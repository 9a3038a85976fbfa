"""Which commits are of our time: what a member does not name for its date alone (architecture §6).

Safety does not hang on it: the judge looks at a commit's tick and its evidence, never at a clock.
"""

from __future__ import annotations

from folkmoot.governance.judge import Verdict

# Of a commit before our own clock, for us to name it. Not 5 s, as first designed: computers that
# nobody looks after are often half a minute off, and two such people could let nobody in. Less than
# an admission holds, so that a commit this far ahead voids none that is made after it.
TICK_AHEAD_S = 45
# Of a commit by certificate behind our clock: else one who kept a certificate that came too late
# could use it as long as nobody commits anything, by an old date. Others that are late harm nobody.
TICK_BEHIND_S = 45


def is_timely(verdict: Verdict, parent_tick: int, wall_s: int) -> bool:
    """Whether a commit of this tick, on a parent of that one (seconds, as `wall_s`), is named.

    Ticks never fall, and an admission holds for a while only: one commit from far ahead would keep
    everybody out for ever. An old one harms nobody, and may only have come late, unless it dates a
    certificate back; nor does one that goes no further than its parent: if that was settled in
    spite of all, everything that follows is as far ahead.
    """
    if verdict.carried is not None and verdict.tick < wall_s - TICK_BEHIND_S:
        return False
    return verdict.tick <= max(wall_s + TICK_AHEAD_S, parent_tick)
