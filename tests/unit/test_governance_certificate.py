"""Certificates: what carries a motion, and every way of making one that does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.governance import PRESETS, Charter
from folkmoot.governance.ballot import make_ballot
from folkmoot.governance.certificate import Certificate, check_certificate
from folkmoot.governance.motion import MOTION_S, MotionKind
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.governance.roll import Elector, Roll
from folkmoot.governance.standing import Standing
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from unit.governance_parts import (
    CIRCLE,
    GROUP,
    KEYS,
    TICK,
    certificate,
    everyone,
    in_lines,
    key,
    motion,
    moved,
    seat,
)

GOOD = certificate(motion(), (0, 1, 2, 4))


def check(
    one: Certificate,
    *,
    tick: int = TICK + 5,
    charter: Charter = CIRCLE,
    roll: Roll | None = None,
    group: bytes = GROUP,
) -> Standing:
    now = everyone(5) if roll is None else roll
    keys = {s: k for s, k in KEYS.items() if s in now or s == seat(11)}
    return check_certificate(one, group_id=group, tick=tick, charter=charter, roll=now, keys=keys)


def test_it_survives_encoding() -> None:
    larger = certificate(motion(roll=everyone(7)), (0, 1, 2, 4), opening=everyone(7))
    for one in (GOOD, larger):
        assert Certificate.decode(one.encode()) == one
    assert [one.seat for one in larger.gone] == [seat(5), seat(6)]


def test_enough_ballots_carry_a_motion() -> None:
    assert check(GOOD) == Standing(4, 4)
    for tick in (TICK, TICK + MOTION_S):
        check(GOOD, tick=tick)


def test_who_joined_since_and_who_left_since_are_made_out() -> None:
    opening, now = everyone(5), Roll.everyone([seat(n) for n in (0, 1, 2, 3, 7)])
    yes = (0, 1, 2)
    one = certificate(motion(), yes, opening=opening, now=now)
    assert one.gone == (Elector(seat(4)),)
    assert one.later == (seat(7),)
    with pytest.raises(Refusal) as caught:
        check(one, roll=now)
    assert caught.value.rule is Rule.BALLOTS_FEW  # 3 of those on both rolls, and 4 of five wanted
    four = Roll.everyone([seat(n) for n in (0, 1, 2, 3)])
    larger = certificate(motion(roll=four), yes, opening=four, now=four)
    assert check(larger, roll=four) == Standing(3, 3)


def test_lines_are_counted_where_the_charter_counts_them() -> None:
    lines = replace(CIRCLE, lineage=True)
    roll = in_lines((0,), (1, 2, 3, 4), (5,))
    one = motion(subject=seat(5), charter=lines, roll=roll)
    made = certificate(one, (0, 1, 2, 3, 4), opening=roll, now=roll)
    with pytest.raises(Refusal) as caught:
        check(made, charter=lines, roll=roll)
    assert caught.value.rule is Rule.BALLOTS_FEW  # two lines of three
    more = in_lines((0,), (1, 2, 3, 4), (5,), (6,))
    one = motion(subject=seat(5), charter=lines, roll=more)
    made = certificate(one, (0, 1, 2, 3, 6), opening=more, now=more)
    assert check(made, charter=lines, roll=more) == Standing(5, 5, 3, 3)


def ballots_of(*pairs: tuple[bytes, bytes]) -> Certificate:
    """The good certificate with other ballots."""
    return replace(GOOD, ballots=pairs)


def ballot(number: int, *, yes: bool = True, group: bytes = GROUP, other: bool = False) -> bytes:
    one = motion(subject=seat(2)) if other else motion()
    name = one.hash(group)
    return make_ballot(key(number), group, seat(number), name, yes).signature


SIX = everyone(6)
GUESTS = Roll.everyone([seat(n) for n in (0, 1, 2, 3)])


@pytest.mark.parametrize(
    ("made", "arguments", "rule"),
    [
        (GOOD, {"charter": PRESETS["assembly"]}, Rule.MOTION_CHARTER),
        (certificate(motion(charter=PRESETS["assembly"]), (0, 1, 2, 4)), {}, Rule.MOTION_CHARTER),
        # The roll is not the one that the motion names.
        (GOOD, {"roll": SIX}, Rule.MOTION_ROLL),
        (certificate(motion(roll=SIX), (0, 1, 2, 4)), {}, Rule.MOTION_ROLL),
        (replace(GOOD, gone=(Elector(seat(5)),)), {}, Rule.MOTION_ROLL),
        (replace(GOOD, gone=(Elector(seat(1)),)), {}, Rule.MOTION_ROLL),
        (replace(GOOD, later=(seat(4),)), {}, Rule.MOTION_ROLL),
        (replace(GOOD, later=(seat(9),)), {}, Rule.MOTION_ROLL),
        (replace(GOOD, gone=(Elector(seat(9), seat(1)),), later=(seat(4),)), {}, Rule.MOTION_ROLL),
        # Before its opening, after its end.
        (GOOD, {"tick": TICK - 1}, Rule.MOTION_TIME),
        (GOOD, {"tick": TICK + MOTION_S + 1}, Rule.MOTION_TIME),
        # Its mover does not vote, or did not sign.
        (certificate(motion(mover=11), (0, 1, 2, 4)), {}, Rule.MOTION_MOVER),
        (certificate(motion(mover=7), (0, 1, 2, 4)), {}, Rule.MOTION_MOVER),
        (
            replace(GOOD, moved=replace(moved(motion()), signature=bytes(64))),
            {},
            Rule.MOTION_SIGNATURE,
        ),
        (replace(GOOD, moved=moved(motion(), b"h" * 16)), {}, Rule.MOTION_SIGNATURE),
        (certificate(motion(), (0, 1, 2, 4), group=b"h" * 16), {}, Rule.MOTION_SIGNATURE),
        (GOOD, {"group": b"h" * 16}, Rule.MOTION_SIGNATURE),
        # The ballots.
        (certificate(motion(), (0, 1, 2, 3, 4)), {}, Rule.BALLOT_ACCUSED),
        (certificate(motion(), (0, 1, 2, 4, 11)), {}, Rule.BALLOT_VOTER),
        (certificate(motion(), (0, 1, 2, 4, 7)), {}, Rule.BALLOT_VOTER),
        (
            certificate(motion(roll=GUESTS), (0, 1, 2, 4), opening=GUESTS, now=everyone(5)),
            {},
            Rule.BALLOT_VOTER,
        ),
        (certificate(motion(), (0, 1, 2, 4), changes={2: bytes(64)}), {}, Rule.BALLOT_SIGNATURE),
        (certificate(motion(), (0, 1, 2, 4), changes={2: ballot(1)}), {}, Rule.BALLOT_SIGNATURE),
        (
            certificate(motion(), (0, 1, 2, 4), changes={2: ballot(2, yes=False)}),
            {},
            Rule.BALLOT_SIGNATURE,
        ),
        (
            certificate(motion(), (0, 1, 2, 4), changes={2: ballot(2, other=True)}),
            {},
            Rule.BALLOT_SIGNATURE,
        ),
        (
            certificate(motion(), (0, 1, 2, 4), changes={2: ballot(2, group=b"h" * 16)}),
            {},
            Rule.BALLOT_SIGNATURE,
        ),
        (certificate(motion(), (0, 1, 2)), {}, Rule.BALLOTS_FEW),
        (certificate(motion(), ()), {}, Rule.BALLOTS_FEW),
        # Where nobody can be removed, or the charter cannot be changed.
        (
            certificate(motion(charter=PRESETS["unremovable"]), (0, 1, 2, 4)),
            {"charter": PRESETS["unremovable"]},
            Rule.MOTION_IMPOSSIBLE,
        ),
        (
            certificate(
                motion(subject=seat(2), roll=everyone(3)),
                (0, 1),
                opening=everyone(3),
                now=everyone(3),
            ),
            {"roll": everyone(3)},
            Rule.MOTION_IMPOSSIBLE,
        ),
        (
            certificate(
                motion(MotionKind.RAISE, charter=replace(CIRCLE, amendment=None)), (0, 1, 2, 3, 4)
            ),
            {"charter": replace(CIRCLE, amendment=None)},
            Rule.MOTION_IMPOSSIBLE,
        ),
    ],
)
def test_what_carries_nothing(made: Certificate, arguments: dict[str, object], rule: Rule) -> None:
    with pytest.raises(Refusal) as caught:
        check(made, **arguments)  # type: ignore[arg-type]
    assert caught.value.rule is rule, str(caught.value)


def test_an_amendment_needs_its_own_fraction() -> None:
    higher = replace(CIRCLE, amendment=PRESETS["circle"].amendment)
    strict = replace(higher, amendment=type(CIRCLE.removal)(4, 5))  # type: ignore[misc]
    one = motion(MotionKind.AMEND, CIRCLE.encode(), charter=strict, roll=everyone(10))
    roll = everyone(10)
    for voters, enough in ((range(7), False), (range(8), True)):
        made = certificate(one, voters, opening=roll, now=roll)
        if enough:
            assert check(made, charter=strict, roll=roll) == Standing(8, 8)
        else:
            with pytest.raises(Refusal) as caught:
                check(made, charter=strict, roll=roll)
            assert caught.value.rule is Rule.BALLOTS_FEW


def test_one_elector_cannot_stand_in_it_twice() -> None:
    twice = (GOOD.ballots[0], *GOOD.ballots)
    with pytest.raises(DecodeError, match="twice"):
        replace(GOOD, ballots=twice)
    data = GOOD.encode()
    ballots = codec.vector(s + signature for s, signature in GOOD.ballots)
    more = codec.vector(s + signature for s, signature in twice)
    assert data.endswith(ballots)
    with pytest.raises(DecodeError, match="twice"):
        Certificate.decode(data[: -len(ballots)] + more)
    for pairs in (GOOD.ballots[::-1],):
        with pytest.raises(DecodeError, match="order"):
            ballots_of(*pairs)


@given(st.integers(0, len(GOOD.encode()) - 1), st.integers(0, 255))
def test_a_changed_byte_carries_nothing(place: int, value: int) -> None:
    data = bytearray(GOOD.encode())
    if data[place] == value:
        return
    data[place] = value
    with pytest.raises((DecodeError, Refusal)):
        check(Certificate.decode(bytes(data)))


@given(st.binary(max_size=300))
def test_no_bytes_do_harm(data: bytes) -> None:
    try:
        assert Certificate.decode(b"\1" + data).encode() == b"\1" + data
    except DecodeError:
        return
