"""The pace: no drift, no bursts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.cells.errors import UsageError
from folkmoot.cells.pace import CATCH_UP_CELLS_MAX, Pacer


def test_late_timers_do_not_add_up() -> None:
    pacer, sent, now = Pacer(0.04, 100.0), 0, 100.0
    while now < 160.0:
        now = pacer.next_timer() + 0.013  # every timer fires 13 ms late
        sent += pacer.due(now)
    assert sent == 1501 or sent == 1500
    assert pacer.skipped == 0


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 0.15), min_size=1, max_size=300), st.sampled_from([0.04, 1 / 60]))
def test_the_count_is_that_of_the_grid(steps: list[float], period: float) -> None:
    pacer, now, sent = Pacer(period, 5.0), 5.0, 0
    for step in steps:
        now += step
        cells = pacer.due(now)
        assert 0 <= cells <= CATCH_UP_CELLS_MAX
        sent += cells
        assert pacer.next_timer() > now - 1e-9
        assert pacer.next_timer() <= now + period + 1e-9
    assert abs(sent + pacer.skipped - (int((now - 5.0) / period) + 1)) <= 1


def test_a_timer_that_is_due_always_sends() -> None:
    """Rounding must not make a caller wake up for nothing, again and again."""
    for start in (0.0, 0.1, 123456.789, 1e6 / 3):
        pacer = Pacer(0.04, start)
        for _ in range(5000):
            assert pacer.due(pacer.next_timer()) >= 1


def test_after_a_suspend_it_goes_on_without_a_burst() -> None:
    pacer = Pacer(0.04, 0.0)
    assert pacer.due(0.0) == 1
    assert pacer.due(3600.0) == CATCH_UP_CELLS_MAX
    assert pacer.due(3600.0) == 0
    assert 3600.0 < pacer.next_timer() <= 3600.04
    assert pacer.skipped > 89_000


def test_nothing_is_due_before_the_start() -> None:
    pacer = Pacer(0.125, 10.0)
    assert pacer.due(9.99) == 0
    assert pacer.next_timer() == 10.0


def test_changing_the_pace() -> None:
    pacer = Pacer(0.5, 0.0)
    pacer.due(0.0)
    pacer.set_period(0.1, 0.2)
    assert pacer.next_timer() == pytest.approx(0.3)
    assert pacer.due(0.3001) == 1
    pacer.set_period(2.0, 0.31)
    assert pacer.next_timer() == pytest.approx(0.4)
    assert pacer.period_s == 2.0
    pacer.due(0.4001)
    assert pacer.next_timer() == pytest.approx(2.4)


@pytest.mark.parametrize("period", [0.0, -1.0, float("nan"), float("inf")])
def test_no_pace(period: float) -> None:
    with pytest.raises(UsageError):
        Pacer(period, 0.0)
    with pytest.raises(UsageError):
        Pacer(1.0, 0.0).set_period(period, 0.0)
