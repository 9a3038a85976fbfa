"""The roll: who votes, in which line, and that no arrangement of invitations makes more lines."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.governance import PRESETS, Electors
from folkmoot.governance.roll import FOUNDER, ROLL_MAX, Elector, Roll, is_recorded
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from unit.governance_parts import in_lines, seat

ROLL = in_lines((0,), (1, 4, 5), (2,))


def test_it_survives_encoding() -> None:
    assert Roll.decode(ROLL.encode()) == ROLL
    assert len(ROLL.encode()) == 3 + 5 * 32
    assert len(ROLL.hash) == 32
    assert ROLL.hash != ROLL.among({seat(0), seat(1)}).hash


@given(st.binary(max_size=120))
def test_whatever_bytes_arrive_only_the_canonical_ones_decode(data: bytes) -> None:
    try:
        roll = Roll.decode(data)
    except DecodeError:
        return
    assert roll.encode() == data


def test_electors_stand_once_and_in_order() -> None:
    a, b = Elector(seat(0)), Elector(seat(1), seat(1))
    for electors in ((b, a), (a, a)):
        with pytest.raises(DecodeError, match="order"):
            Roll(electors)
        encoded = codec.u8(1) + codec.vector(one.encode() for one in electors)
        with pytest.raises(DecodeError, match="order"):
            Roll.decode(encoded)
    with pytest.raises(DecodeError, match="electors"):
        Roll.everyone(number.to_bytes(16, "big") for number in range(ROLL_MAX + 1))
    with pytest.raises(DecodeError, match="version"):
        Roll.decode(b"\x02" + ROLL.encode()[1:])


def test_lines_begin_below_the_founder() -> None:
    assert ROLL.lines() == {seat(0): 1, seat(1): 3, seat(2): 1}
    assert ROLL.line_of(seat(5)) == seat(1)
    assert ROLL.line_of(seat(9)) is None
    assert ROLL.brought_in(seat(7), seat(0)) == Elector(seat(7), seat(7))
    assert ROLL.brought_in(seat(7), seat(1)) == Elector(seat(7), seat(1))
    assert ROLL.brought_in(seat(7), seat(5)) == Elector(seat(7), seat(1))
    assert Elector(seat(0)).line == FOUNDER


def test_who_is_gone_is_passed_over() -> None:
    left = ROLL.among({seat(1), seat(4), seat(9)})
    assert left.seats == (seat(1), seat(4))
    assert seat(0) not in left
    assert left.brought_in(seat(7), seat(4)).line == seat(1)


@pytest.mark.parametrize("seed", range(20))
def test_however_infiltrators_invite_each_other_they_have_one_line(seed: int) -> None:
    """A tree of invitations grown at random; below one infiltrator everybody is its friend."""
    chance = random.Random(seed)
    roll, friends = Roll.of([Elector(seat(0))]), {seat(5)}
    for number in range(1, 40):
        inviter = chance.choice(roll.seats) if number != 5 else seat(chance.randrange(1, 5))
        roll = Roll.of([*roll.electors, roll.brought_in(seat(number), inviter)])
        if inviter in friends:
            friends.add(seat(number))
    assert len({roll.line_of(one) for one in friends}) == 1


def test_the_roll_is_recorded_where_it_is_more_than_the_roster() -> None:
    circle = PRESETS["circle"]
    assert not is_recorded(circle)
    assert not is_recorded(PRESETS["unremovable"])
    assert is_recorded(PRESETS["assembly"])
    assert is_recorded(replace(circle, lineage=True))
    assert is_recorded(replace(circle, electors=Electors.VOUCHED))
