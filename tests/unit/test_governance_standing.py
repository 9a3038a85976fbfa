"""How motions stand: for every roster up to thirty, no side of a partition and no lying third
decides anything, lines counted or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from folkmoot.governance import PRESETS, Charter
from folkmoot.governance.charter import MORE_THAN_TWO_THIRDS, Share
from folkmoot.governance.motion import MotionKind
from folkmoot.governance.roll import Elector, Roll
from folkmoot.governance.standing import Standing, standing, voters
from unit.governance_parts import CIRCLE, everyone, in_lines, motion, seat

LINES = replace(CIRCLE, lineage=True)
ROSTER_MAX = 30
KINDS = {
    MotionKind.REMOVE: None,
    MotionKind.ADMIT: b"r" * 32,
    MotionKind.RAISE: seat(100),
    MotionKind.AMEND: PRESETS["assembly"].encode(),
}


def shapes(total: int, largest: int | None = None) -> Iterator[list[int]]:
    """Every way to part so many electors into lines, the largest line first."""
    if total == 0:
        yield []
    for first in range(min(total, largest or total), 0, -1):
        for rest in shapes(total - first, first):
            yield [first, *rest]


def roll_of(shape: list[int]) -> Roll:
    electors, number = [], 0
    for size in shape:
        head = seat(number)
        electors += [Elector(seat(number + n), head) for n in range(size)]
        number += size
    return Roll(tuple(electors))


def carried(charter: Charter, kind: MotionKind, roll: Roll, yes: set[bytes], whom: bytes) -> bool:
    subject = KINDS[kind] or whom
    one = motion(kind, subject, charter=charter, roll=roll)
    stands = standing(charter, one, roll, roll, yes)
    return stands is not None and stands.carried


@pytest.mark.parametrize("kind", KINDS)
def test_a_lying_third_carries_nothing_in_any_roster(kind: MotionKind) -> None:
    """The liars sit where they weigh most: they take whole small lines, over half of larger
    ones."""
    tried = 0
    for count in range(1, ROSTER_MAX + 1):
        liars_max = (count - 1) // 3
        assert 3 * liars_max < count
        for shape in shapes(count):
            if kind is not MotionKind.REMOVE and len(shape) % 9:
                continue  # the arithmetic is the same: a part of them is enough
            roll = roll_of(shape)
            liars: set[bytes] = set()
            for line, size in sorted(roll.lines().items(), key=lambda one: one[1]):
                if len(liars) >= liars_max:
                    break
                needed = size // 2 + 1
                if len(liars) + needed <= liars_max:
                    members = [one.seat for one in roll.electors if one.line == line]
                    liars |= set(members[-needed:])
            accused = next(one for one in roll.seats if one not in liars)
            assert not carried(LINES, kind, roll, liars, accused), shape
            tried += 1
        everybody = everyone(count)
        liars = set(everybody.seats[:liars_max])
        assert not carried(CIRCLE, kind, everybody, liars, everybody.seats[-1])
    assert tried > 2000


def test_no_side_of_a_partition_removes_anybody() -> None:
    """Everybody on the side says yes, and those away are counted all the same."""
    for count in range(1, ROSTER_MAX + 1):
        roll = everyone(count)
        for side in range(count):
            yes, accused = set(roll.seats[:side]), roll.seats[-1]
            for charter in (CIRCLE, LINES):
                removed = carried(charter, MotionKind.REMOVE, roll, yes, accused)
                # A side that can is more than two thirds of all, so no other side can.
                assert removed == (3 * side > 2 * count and count > 3)


def test_with_enough_it_is_carried() -> None:
    for count in range(4, ROSTER_MAX + 1):
        roll = everyone(count)
        needed = 2 * count // 3 + 1
        others = roll.seats[:-1]
        assert carried(CIRCLE, MotionKind.REMOVE, roll, set(others[:needed]), roll.seats[-1])
        assert not carried(
            CIRCLE, MotionKind.REMOVE, roll, set(others[: needed - 1]), roll.seats[-1]
        )


def test_with_three_electors_nobody_is_removed_and_no_guest_either() -> None:
    for count in range(1, 4):
        roll = everyone(count)
        for whom in (roll.seats[-1], seat(100)):
            one = motion(subject=whom, roll=roll)
            assert standing(CIRCLE, one, roll, roll, roll.seats) is None
    four = everyone(4)
    guest = motion(subject=seat(100), roll=four)
    assert standing(CIRCLE, guest, four, four, four.seats[:3]) == Standing(3, 3)


def test_the_accused_counts_and_has_no_ballot() -> None:
    roll = everyone(5)
    one = motion(roll=roll)
    assert seat(3) not in voters(one, roll, roll)
    assert standing(CIRCLE, one, roll, roll, roll.seats) == Standing(4, 4)
    assert standing(CIRCLE, one, roll, roll, [seat(0), seat(1), seat(3)]) == Standing(4, 2)
    raised = motion(MotionKind.RAISE, seat(9), roll=roll)
    assert voters(raised, roll, roll) == set(roll.seats)


def test_where_all_must_agree_a_guest_can_be_removed_and_an_elector_cannot() -> None:
    strict = replace(CIRCLE, removal=Share(1, 1), amendment=Share(1, 1))
    roll = everyone(5)
    assert standing(strict, motion(charter=strict), roll, roll, roll.seats) is None
    guest = motion(subject=seat(100), charter=strict)
    assert standing(strict, guest, roll, roll, roll.seats) == Standing(5, 5)


def test_never_is_never() -> None:
    fixed = replace(PRESETS["unremovable"], amendment=None)
    roll = everyone(9)
    for kind, subject in KINDS.items():
        one = motion(kind, subject, charter=fixed, roll=roll)
        stands = standing(fixed, one, roll, roll, roll.seats)
        assert (stands is None) == (kind is not MotionKind.ADMIT)
    one = motion(MotionKind.ADMIT, b"r" * 32, charter=fixed, roll=roll)
    assert standing(fixed, one, roll, roll, ()) == Standing(MORE_THAN_TWO_THIRDS.needed(9), 0)


def test_the_larger_roll_sets_the_threshold_and_only_who_is_on_both_is_counted() -> None:
    nine, five = everyone(9), everyone(5)
    yes = [seat(n) for n in range(9) if n != 3]
    # Four left since: of the five who stay, four are not enough of nine.
    assert standing(CIRCLE, motion(roll=nine), nine, five, yes) == Standing(7, 4)
    # Four came since: they count as electors, and what they say does not.
    assert standing(CIRCLE, motion(roll=five), five, nine, yes) == Standing(7, 4)


def test_a_line_speaks_by_more_than_half_of_its_electors() -> None:
    roll = in_lines((0,), (1, 2, 3, 4), (5,), (6,), (7,))
    one = motion(subject=seat(7), charter=LINES, roll=roll)
    heads = [seat(n) for n in (0, 1, 2, 5, 6)]
    assert standing(LINES, one, roll, roll, heads) == Standing(6, 5, 4, 3)
    assert standing(LINES, one, roll, roll, [*heads, seat(3)]) == Standing(6, 6, 4, 4)
    # Who came into a line, or left it, does not let fewer speak for it.
    larger = in_lines((0,), (1, 2, 3, 4, 8, 9), (5,), (6,), (7,))
    grown = standing(LINES, one, roll, larger, [*heads, seat(3)])
    assert grown == Standing(7, 6, 4, 3)


def test_many_friends_are_not_many_lines_and_many_lines_not_many_heads() -> None:
    # One infiltrator with twenty friends, against nine who came one by one.
    friends = in_lines((0,), range(1, 22), *((n,) for n in range(22, 30)))
    yes = [seat(n) for n in range(1, 22)]
    one = motion(subject=seat(25), charter=LINES, roll=friends)
    stands = standing(LINES, one, friends, friends, yes)
    assert stands == Standing(21, 21, 7, 1)
    assert not stands.carried
    # Nine liars in lines of their own, against one line of twenty.
    lone = in_lines((0,), range(1, 21), *((n,) for n in range(21, 30)))
    one = motion(subject=seat(0), charter=LINES, roll=lone)
    stands = standing(LINES, one, lone, lone, [seat(n) for n in range(21, 30)])
    assert stands == Standing(21, 9, 8, 9)
    assert not stands.carried
