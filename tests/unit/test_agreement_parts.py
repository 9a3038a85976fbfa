"""The parts of the agreement: its record, presence, counting; and the whole machine under fuzz."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.agreement import NAMING_BYTES_MAX, Agreement, Naming, SendNaming, Settled
from folkmoot.agreement.presence import Presence
from folkmoot.agreement.tally import ROUNDS_KEPT, Tally
from folkmoot.agreement.votes import liars_max, quorum
from folkmoot.wire.codec import DecodeError

PARENT = b"P" * 32
A, B, C, D = (letter * 16 for letter in (b"a", b"b", b"c", b"d"))
X, Y, Z = (letter * 32 for letter in (b"x", b"y", b"z"))


def says(child: bytes | None, number: int = 0, locked: bool = False) -> Naming:
    return Naming(PARENT, number, child, locked)


@pytest.mark.parametrize(
    "naming", [says(X), says(None, 7), says(Y, 0xFFFF, locked=True), says(None)]
)
def test_a_naming_survives_encoding(naming: Naming) -> None:
    assert Naming.decode(naming.encode()) == naming
    assert len(naming.encode()) in (36, NAMING_BYTES_MAX)


@given(st.binary(max_size=80))
def test_whatever_bytes_arrive_only_canonical_namings_decode(data: bytes) -> None:
    try:
        naming = Naming.decode(data)
    except DecodeError:
        return
    assert naming.encode() == data


def test_nobody_locks_nothing() -> None:
    with pytest.raises(DecodeError, match="lock on nothing"):
        Naming.decode(PARENT + bytes(3) + b"\x01")


def test_the_turn_begins_after_the_last_committer() -> None:
    presence = Presence(A, (D, B, A, C), B, {}, 0.0)
    assert presence.order == [C, D, A, B]
    everybody = presence.present(0.0)
    assert [presence.rank(seat, everybody) for seat in (C, D, A, B)] == [0, 1, 2, 3]
    assert Presence(A, (A, C), B, {}, 0.0).order == [C, A]  # who committed may be gone
    assert Presence(A, (B, A), None, {}, 0.0).order == [A, B]


def test_absent_seats_have_no_turn() -> None:
    presence = Presence(A, (A, B, C), C, {}, 0.0)
    presence.hear(C, 2.0)
    present = presence.present(4.0)
    assert present == {A, C}
    assert presence.rank(C, present) == 1
    assert presence.rank(B, present) == 1  # where it would stand
    assert presence.next_absence(4.0) == 5.0
    presence.leave(C)
    assert presence.present(4.0) == {A}
    presence.hear(B, 4.0)
    presence.hear(B, 1.0)
    assert presence.present(4.0) == {A, B}


def test_a_naming_is_final() -> None:
    tally = Tally()
    assert tally.add(B, says(X))
    assert not tally.add(B, says(Y))
    assert not tally.add(B, says(X))
    assert tally.add(B, says(X, locked=True))
    assert not tally.add(B, says(X))
    assert tally.names(0) == {X: {B}}
    assert tally.names(0, locked=True) == {X: {B}}


def test_nobody_pushes_out_what_others_said() -> None:
    tally = Tally()
    tally.add(C, says(X))
    for number in range(1000):
        tally.add(B, says(Y, number))
    assert tally.names(0) == {X: {C}}
    assert len([one for one in tally.rounds() if one]) == ROUNDS_KEPT


def test_more_than_two_thirds() -> None:
    least = [next(n for n in range(base + 1) if quorum(n, base)) for base in range(1, 11)]
    assert least == [1, 2, 3, 3, 4, 5, 5, 6, 7, 7]
    assert not quorum(0, 0)
    for base in range(1, 50):
        # Two quorums share more than can lie.
        smallest = next(n for n in range(base + 1) if quorum(n, base))
        assert 2 * smallest - base > liars_max(base)


SEATS = st.sampled_from([A, B, C, D, b"guest".ljust(16)])
CHILDREN = st.sampled_from([X, Y, Z])
NAMINGS = st.builds(
    lambda number, child, locked: says(child, number, locked and child is not None),
    st.integers(0, 6),
    st.one_of(st.none(), CHILDREN),
    st.booleans(),
)
STEPS = st.one_of(
    st.tuples(st.just("hear"), SEATS),
    st.tuples(st.just("naming"), SEATS, NAMINGS),
    st.tuples(st.just("moved"), SEATS, CHILDREN),
    st.tuples(st.just("candidate"), SEATS, CHILDREN),
    st.tuples(st.just("leave"), SEATS),
    st.tuples(st.just("want")),
    st.tuples(st.just("nothing")),
    st.tuples(st.just("online"), st.booleans()),
    st.tuples(st.just("wait"), st.floats(0, 8)),
)


@given(st.lists(STEPS, max_size=60))
def test_whatever_happens_the_machine_keeps_its_word(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    """Nothing raises, it always comes to rest, it names one child a round and locks only that, and
    settles once, something that it holds."""
    one, now = (
        Agreement(own=A, electors=(A, B, C, D), last_committer=None, parent=PARENT, now=0.0),
        0.0,
    )
    held: set[bytes] = set()
    said: dict[int, bytes | None] = {}
    settled = []
    for kind, *rest in steps:
        if kind == "wait":
            now += rest[0]
            one.handle_timer(now)
        elif kind == "candidate":
            if one.add_candidate(rest[1], rest[0], now):
                held.add(rest[1])
        elif kind == "hear":
            one.hear(rest[0], now)
        elif kind == "naming":
            one.receive_naming(rest[0], rest[1], now)
        elif kind == "moved":
            one.moved(rest[0], rest[1], now)
        elif kind == "leave":
            one.leave(rest[0])
        elif kind == "want":
            one.want_commit(now)
        elif kind == "nothing":
            one.nothing_pending()
        else:
            one.set_online(rest[0], now)
        for _ in range(100):
            action = one.next_action()
            if action is None:
                break
            if isinstance(action, SendNaming):
                naming = action.naming
                assert said.setdefault(naming.round, naming.child) == naming.child
                assert naming.child is None or naming.child in held
            elif isinstance(action, Settled):
                settled.append(action.child)
        else:
            pytest.fail("it never comes to rest")
        due = one.next_timer()
        assert due is None or due > now
    assert len(settled) <= 1
    assert set(settled) <= held
