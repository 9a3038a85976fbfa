"""When members that are not heard are asked for."""

from __future__ import annotations

from folkmoot.meeting.missing import ASK_EVERY_S, ASK_S, HOLD_S, NOBODY_S, Missing


def times(members: int, heard: int, until: int = 200) -> list[int]:
    """In which seconds it asks."""
    one = Missing()
    return [second for second in range(until) if one.asks(members, heard, float(second))]


def test_nobody_is_asked_for_while_all_are_here() -> None:
    assert times(5, 5) == []
    assert times(1, 1) == []


def test_with_half_at_most_it_asks_soon_and_until_they_are_here() -> None:
    assert times(4, 2)[0] == NOBODY_S
    assert times(4, 2) == list(range(int(NOBODY_S), 200))
    one = Missing()
    assert not one.asks(4, 2, 0.0)
    assert one.asks(4, 2, 10.0)
    assert not one.asks(4, 4, 11.0)
    assert not one.asks(4, 2, 12.0)  # counted anew


def test_who_hears_few_lets_nobody_in_before_it_has_asked() -> None:
    one = Missing()
    held = []
    for second in range(30):
        one.asks(4, 2, float(second))
        held.append(one.holds(float(second)))
    assert held == [second < NOBODY_S + HOLD_S for second in range(30)]
    one.asks(4, 3, 30.0)
    assert not one.holds(30.0)


def test_with_most_here_it_asks_now_and_then() -> None:
    asked = times(5, 3)
    assert asked[0] == ASK_EVERY_S - ASK_S
    assert len(asked) == 200 * ASK_S / ASK_EVERY_S
