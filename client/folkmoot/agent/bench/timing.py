"""How long something takes, in time of one core.

The processor's time of this process is counted and not the clock on the wall: what else runs on the
machine then disturbs little. The middle of all rounds stands for the figure, the least beside it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

ROUNDS_MAX = 10_000


class Spent(NamedTuple):
    """Seconds of one core for one piece of work: of the middle round, and of the quickest."""

    middle_s: float
    least_s: float


def spent(works: Iterable[Callable[[], Any]]) -> Spent:
    """Each piece of work is done once; all of them do the same."""
    rounds = []
    for work in works:
        began = time.process_time()
        work()
        rounds.append(time.process_time() - began)
    return Spent(statistics.median(rounds), min(rounds))


def spent_on_each(work: Callable[[int], Any], count: int, rounds: int) -> Spent:
    """For what is too quick to be timed alone: `work(count)` does it so many times."""
    whole = spent([lambda: work(count)] * rounds)
    return Spent(whole.middle_s / count, whole.least_s / count)
