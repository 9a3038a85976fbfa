"""Counting of cells by relay, member and quarter of a second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from folkmoot.meeting.arrivals import KEPT_STEPS, STEP_S, Arrivals

RELAY, SEAT, OTHER = b"relay001", b"a" * 16, b"b" * 16

# In order: how many steps later the next cells came, and how many of them.
comings = st.lists(st.tuples(st.integers(0, 3 * KEPT_STEPS), st.integers(1, 60)), max_size=40)


@given(comings, st.integers(0, KEPT_STEPS - 2), st.integers(0, KEPT_STEPS))
def test_a_count_is_what_came_in_those_steps(
    cells: list[tuple[int, int]], back: int, length: int
) -> None:
    arrivals, came, step = Arrivals(), dict[int, int](), 1000
    for later, number in cells:
        step += later
        arrivals.add(RELAY, SEAT, step * STEP_S, number)
        came[step] = came.get(step, 0) + number
    first, last = step - back, step - back + length
    expected = sum(number for at, number in came.items() if first <= at < last)
    assert arrivals.count(RELAY, SEAT, first * STEP_S, last * STEP_S) == expected
    assert arrivals.count(RELAY, OTHER, first * STEP_S, last * STEP_S) == 0


def test_what_came_too_long_ago_is_not_counted() -> None:
    arrivals = Arrivals()
    arrivals.add(RELAY, SEAT, 0.0, 5)
    arrivals.add(RELAY, SEAT, 2 * KEPT_STEPS * STEP_S, 7)
    assert arrivals.count(RELAY, SEAT, 0.0, 1000.0) == 7
    assert arrivals.count(RELAY, SEAT, 0.0, 1.0) == 0


def test_who_is_gone_and_a_relay_that_brings_nothing_are_forgotten() -> None:
    arrivals, now = Arrivals(), KEPT_STEPS * STEP_S
    arrivals.add(RELAY, SEAT, now, 5)
    arrivals.add(RELAY, OTHER, now, 5)
    arrivals.add(b"relay002", SEAT, 0.0, 5)
    arrivals.forget({SEAT}, now)
    assert len(arrivals) == 1
    assert arrivals.count(RELAY, SEAT, now, now + 1) == 5
