"""Which commits come at their time: what a member does not name for its date, or as its committer
makes too many, and what it does not commit yet (architecture §6).

Safety does not hang on it: the judge looks at a commit's tick and its evidence, never at a clock,
and what the others settle is followed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from folkmoot.governance.judge import Verdict

# Of a commit before our own clock, for us to name it. Not 5 s, as first designed: computers that
# nobody looks after are often half a minute off, and two such people could let nobody in. Less than
# an admission holds, so that a commit this far ahead voids none that is made after it.
TICK_AHEAD_S = 45
# Of a commit by certificate behind our clock: else one who kept a certificate that came too late
# could use it as long as nobody commits anything, by an old date. Others that are late harm nobody.
TICK_BEHIND_S = 45
# Those who were let in are waited for before more are: nobody may run ahead of people who come all
# at once, commit by commit, while none of them has a say.
NEWCOMERS_S = 2.0
EMPTY_EVERY_S = 600  # of one seat: fresh keys for oneself, which nobody needs more often


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


class EmptyCommits:
    """When each elector last made a commit that changes nothing but keys, as far as we saw: such a
    one costs its maker nothing, and is work for everybody."""

    def __init__(self) -> None:
        self._ticks: dict[bytes, int] = {}

    @staticmethod
    def _is_empty(verdict: Verdict) -> bool:
        return not (verdict.joined or verdict.left or verdict.readmitted or verdict.carried)

    def allows(self, verdict: Verdict, committer: bytes) -> bool:
        """Whether a commit by `committer` is named."""
        last = self._ticks.get(committer)
        early = last is not None and verdict.tick < last + EMPTY_EVERY_S
        return not (early and self._is_empty(verdict))

    def settled(self, verdict: Verdict, committer: bytes, electors: Collection[bytes]) -> None:
        """Counts what settled; of electors alone, so that there are no more than those."""
        if self._is_empty(verdict):
            self._ticks[committer] = verdict.tick
        self._ticks = {seat: tick for seat, tick in self._ticks.items() if seat in electors}


class Newcomers:
    """Those whom a commit let in, and who have not been heard."""

    def __init__(self, seats: Iterable[bytes], now: float) -> None:
        self._awaited = set(seats)
        self._until = now + NEWCOMERS_S

    def heard(self, seat: bytes) -> None:
        """This member is here."""
        self._awaited.discard(seat)

    def are_awaited(self, now: float) -> bool:
        """Whether others who want to come in wait for them."""
        return bool(self._awaited) and now < self._until
