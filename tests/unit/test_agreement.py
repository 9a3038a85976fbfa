"""The agreement's rules one by one; whole meetings of it are in tests/simulation."""

from __future__ import annotations

import pytest

from folkmoot.agreement import (
    Action,
    Agreement,
    CommitNow,
    Naming,
    SendNaming,
    Settled,
)
from folkmoot.agreement.candidates import CANDIDATES_MAX, RANK_S
from folkmoot.mls.errors import UsageError

PARENT = b"P" * 32
A, B, C, D = (letter * 16 for letter in (b"a", b"b", b"c", b"d"))
X, Y, Z = (letter * 32 for letter in (b"x", b"y", b"z"))


def machine(
    own: bytes = A, electors: tuple[bytes, ...] = (A, B, C, D), now: float = 0
) -> Agreement:
    return Agreement(own=own, electors=electors, last_committer=None, parent=PARENT, now=now)


def actions(one: Agreement) -> list[Action]:
    found = []
    while (action := one.next_action()) is not None:
        found.append(action)
    return found


def says(child: bytes | None, number: int = 0, locked: bool = False) -> Naming:
    return Naming(PARENT, number, child, locked)


def names(one: Agreement) -> list[Naming]:
    return [action.naming for action in actions(one) if isinstance(action, SendNaming)]


def pass_time(one: Agreement, until: float, others: tuple[bytes, ...] = ()) -> list[Action]:
    """Lets time pass by the machine's own timers while `others` are heard."""
    found, now = actions(one), 0.0
    while (due := one.next_timer()) is not None and due <= until:
        assert due > now
        now = due
        for seat in others:
            one.hear(seat, now)
        one.handle_timer(now)
        found += actions(one)
    one.handle_timer(until)
    return found + actions(one)


# -- whose turn it is


def test_the_first_in_turn_commits_at_once_and_others_wait_for_their_rank() -> None:
    first, third = machine(A, now=10.0), machine(C, now=10.0)
    for one in (first, third):
        one.want_commit(10.0)
    assert actions(first) == [CommitNow()]
    assert actions(third) == []
    third.handle_timer(10.0 + 1.9 * RANK_S)
    assert actions(third) == []
    third.handle_timer(10.01 + 2 * RANK_S)
    assert actions(third) == [CommitNow()]


def test_nobody_commits_while_there_is_something_to_name() -> None:
    one = machine(B)
    one.want_commit(0.0)
    assert one.add_candidate(X, A, 0.1)
    assert CommitNow() not in pass_time(one, 2.0, (A, C, D))


def test_who_was_asked_and_made_nothing_is_asked_again() -> None:
    one = machine(A)
    one.want_commit(0.0)
    assert actions(one) == [CommitNow()]
    one.handle_timer(0.5)
    assert actions(one) == []
    one.handle_timer(1.1)
    assert actions(one) == [CommitNow()]
    one.nothing_pending()
    one.handle_timer(5.0)
    assert actions(one) == []
    assert one.next_timer() is None


def test_the_oldest_wish_counts() -> None:
    one = machine(B)
    one.want_commit(0.0)
    one.want_commit(5.0)
    one.hear(A, 0.5)
    one.handle_timer(0.8)
    assert actions(one) == [CommitNow()]


# -- naming, locking, settling


def test_four_settle_in_one_round() -> None:
    one = machine(A)
    one.want_commit(0.0)
    assert actions(one) == [CommitNow()]
    assert one.add_candidate(X, A, 0.1)
    assert names(one) == [says(X)]
    one.receive_naming(B, says(X), 0.2)
    assert names(one) == []  # two of four are no quorum
    one.receive_naming(C, says(X), 0.3)
    assert names(one) == [says(X, locked=True)]
    one.receive_naming(B, says(X, locked=True), 0.4)
    one.receive_naming(B, says(X, locked=True), 0.4)
    assert actions(one) == []
    one.receive_naming(D, says(X, locked=True), 0.5)
    assert actions(one) == [Settled(X)]
    assert one.settled == X
    one.handle_timer(100.0)
    assert actions(one) == []
    assert one.next_timer() is None


def test_a_later_rank_is_named_later() -> None:
    one = machine(A)
    one.want_commit(0.0)
    actions(one)
    one.add_candidate(Y, C, 0.1)
    assert names(one) == []
    one.add_candidate(X, B, 0.2)
    one.handle_timer(RANK_S)
    assert names(one) == [says(X)]


def test_one_alone_settles_its_own_at_once() -> None:
    one = machine(A, (A,))
    one.want_commit(0.0)
    assert actions(one) == [CommitNow()]
    one.add_candidate(X, A, 0.0)
    assert actions(one)[-1] == Settled(X)


def test_one_left_alone_waits_three_seconds_and_goes_on() -> None:
    one = machine(A, (A, B))
    one.want_commit(0.0)
    actions(one)
    one.add_candidate(X, A, 0.0)
    assert Settled(X) not in pass_time(one, 2.9)
    assert Settled(X) in pass_time(one, 3.1)


def test_who_said_farewell_is_not_waited_for() -> None:
    one = machine(A, (A, B))
    one.leave(B)
    one.add_candidate(X, A, 0.0)
    assert actions(one)[-1] == Settled(X)


def test_offline_nothing_is_decided() -> None:
    one = machine(A, (A, B))
    one.set_online(False, 0.0)
    one.want_commit(0.0)
    one.add_candidate(X, B, 0.0)
    assert pass_time(one, 60.0) == []
    one.set_online(True, 60.0)
    one.handle_timer(61.0)
    assert names(one) == [says(X)]
    one.handle_timer(62.0)
    assert Settled(X) not in actions(one)  # B has the benefit of the doubt
    one.handle_timer(63.1)
    assert Settled(X) in actions(one)


def test_a_guest_follows_and_names_nothing() -> None:
    one = machine(b"guest".ljust(16), (A, B, C))
    one.want_commit(0.0)
    one.add_candidate(X, A, 0.1)
    for seat in (A, B, C):
        one.receive_naming(seat, says(X), 0.2)
    assert actions(one) == []
    for seat in (A, B, C):
        one.receive_naming(seat, says(X, locked=True), 0.3)
    assert actions(one) == [Settled(X)]


def test_who_has_moved_counts_as_locked_in_every_round() -> None:
    one = machine(A, (A, B))
    one.add_candidate(X, B, 0.0)
    one.moved(B, X, 0.1)
    assert actions(one)[-1] == Settled(X)
    behind = machine(A, (A, B, C))
    for seat in (B, C):
        behind.moved(seat, X, 0.1)
    assert actions(behind) == []
    assert behind.lacking is None  # two of three are not enough
    behind.leave(C)
    behind.handle_timer(4.0)
    behind.hear(B, 4.0)
    behind.add_candidate(X, B, 4.0)
    assert Settled(X) in actions(behind)


def test_what_others_settled_and_never_came_is_lacking() -> None:
    one = machine(A, (A, B, C, D))
    for seat in (B, C, D):
        one.moved(seat, X, 0.1)
    assert actions(one) == []
    assert one.lacking == X
    one.add_candidate(X, B, 0.5)
    assert actions(one)[-1] == Settled(X)
    assert one.lacking is None


def test_a_third_commit_of_one_committer_counts_where_the_others_settled_it() -> None:
    """They may have seen the third first; we saw two, which are void, and must not stay behind."""
    one = machine(A, (A, B, C, D))
    for child in (X, Y):
        assert one.add_candidate(child, B, 0.0)
    assert not one.add_candidate(Z, B, 0.1)
    for seat in (B, C):
        one.moved(seat, Z, 0.2)
    assert not one.add_candidate(Z, B, 0.2)  # two of four may lie
    one.moved(D, Z, 0.3)
    assert actions(one) == []
    assert one.lacking == Z
    assert one.add_candidate(Z, B, 0.4)
    assert actions(one)[-1] == Settled(Z)


def test_who_is_locked_names_nothing_else_in_later_rounds() -> None:
    one = machine(A)
    one.add_candidate(X, B, 0.0)
    one.handle_timer(1.0)
    for seat in (B, C):
        one.receive_naming(seat, says(X), 1.0)
    assert names(one)[-1] == says(X, locked=True)
    one.add_candidate(Y, D, 1.1)
    for seat in (B, C, D):
        one.receive_naming(seat, says(None, 1), 4.0)
    one.receive_naming(D, says(Y, 2), 4.0)
    one.receive_naming(C, says(Y, 2), 4.0)
    assert names(one)[-1] == says(X, 2)  # it followed them into the round, and stays with X


def test_a_lock_yields_to_a_later_quorum() -> None:
    one = machine(A)
    one.add_candidate(X, B, 0.0)
    one.handle_timer(1.0)
    for seat in (B, C):
        one.receive_naming(seat, says(X), 1.0)
    one.add_candidate(Y, D, 1.1)
    actions(one)
    for seat in (B, C, D):
        one.receive_naming(seat, says(Y, 3), 4.0)
    assert names(one)[-1] == says(Y, 3, locked=True)


def test_a_lock_does_not_yield_to_an_earlier_quorum() -> None:
    one = machine(A)
    one.add_candidate(X, B, 0.0)
    one.add_candidate(Y, D, 0.0)
    for seat in (B, C):
        one.receive_naming(seat, says(X, 2), 1.0)
    one.receive_naming(D, says(None, 2), 1.0)
    assert names(one)[-1] == says(X, 2, locked=True)
    for seat in (B, C, D):
        one.receive_naming(seat, says(Y, 1), 2.0)
    one.receive_naming(B, says(None, 3), 2.1)
    one.receive_naming(C, says(None, 3), 2.1)
    assert names(one)[-1] == says(X, 3)


def test_a_round_that_nobody_wins_ends_by_time_and_names_nothing() -> None:
    one = machine(C)
    one.add_candidate(X, A, 0.0)
    for seat in (A, B):
        one.receive_naming(seat, says(None), 0.0)
    found = [
        action.naming for action in pass_time(one, 3.0, (A, B, D)) if isinstance(action, SendNaming)
    ]
    assert says(X) in found
    assert one.round == 1


def test_namings_are_said_again_until_it_settled() -> None:
    one = machine(A)
    one.add_candidate(X, A, 0.0)
    found = pass_time(one, 2.2, (B, C, D))
    assert [action.naming for action in found if isinstance(action, SendNaming)] == [says(X)] * 5


# -- candidates


def test_two_candidates_of_one_are_both_void() -> None:
    one = machine(B)
    one.want_commit(0.0)
    assert one.add_candidate(X, A, 0.0)
    assert one.add_candidate(Y, A, 0.0)
    assert not one.add_candidate(Z, A, 0.0)
    assert one.add_candidate(X, A, 0.0)  # known already
    found = pass_time(one, 0.9, (A, C, D))
    assert found == [CommitNow()]  # the turn goes on to B, and nothing is named
    one.add_candidate(Z, B, 1.0)
    assert names(one) == [says(Z)]


def test_a_void_candidate_that_won_before_counts() -> None:
    one = machine(B)
    one.add_candidate(X, A, 0.0)
    actions(one)
    for seat in (A, C):
        one.receive_naming(seat, says(X), 0.1)
    one.add_candidate(Y, A, 0.2)
    assert names(one) == [says(X, locked=True)]


def test_at_most_eight_candidates_and_only_of_electors() -> None:
    electors = tuple(bytes([number]) * 16 for number in range(12))
    one = machine(electors[0], electors)
    kept = [one.add_candidate(bytes([number]) * 32, electors[number], 0.0) for number in range(12)]
    assert kept == [True] * CANDIDATES_MAX + [False] * (12 - CANDIDATES_MAX)
    assert not one.add_candidate(X, b"?" * 16, 0.0)
    assert not one.add_candidate(b"short", electors[11], 0.0)


def test_void_candidates_make_room() -> None:
    electors = tuple(bytes([number]) * 16 for number in range(12))
    one = machine(electors[11], electors)
    for number in range(4):
        for copy in range(2):
            assert one.add_candidate(bytes([number, copy]) * 16, electors[number], 0.0)
    assert one.add_candidate(X, electors[5], 0.0)


# -- what must not matter


def test_others_words_are_ignored() -> None:
    one = machine(A, (A, B))
    one.add_candidate(X, B, 0.0)
    actions(one)
    guest = b"guest".ljust(16)
    one.receive_naming(guest, says(X, locked=True), 0.1)
    one.receive_naming(A, says(X, locked=True), 0.1)  # our own, come back
    one.receive_naming(B, Naming(Y, 0, X, True), 0.1)  # on another parent
    one.moved(guest, X, 0.1)
    one.moved(A, X, 0.1)
    one.hear(guest, 0.1)
    one.leave(guest)
    assert actions(one) == []


def test_one_liar_drags_nobody_into_far_rounds() -> None:
    one = machine(A)
    one.add_candidate(X, A, 0.0)
    one.receive_naming(B, says(X, 60_000), 0.1)
    actions(one)
    assert one.round == 0
    one.receive_naming(C, says(X, 5), 0.1)
    actions(one)
    assert one.round == 5  # a second one was there, so one of them is honest


def test_who_says_nothing_for_three_rounds_is_not_waited_for() -> None:
    one = machine(A, (A, B, C))
    one.add_candidate(X, A, 0.0)
    now = 0.0
    while one.settled is None and now < 30:
        now += 0.25
        one.hear(C, now)  # there, but mute
        one.receive_naming(B, says(X, one.round), now)
        one.receive_naming(B, says(X, one.round, locked=one.round >= 3), now)
        one.handle_timer(now)
        actions(one)
    assert 8 < now < 13


def test_a_parent_has_32_bytes() -> None:
    with pytest.raises(UsageError):
        Agreement(own=A, electors=(A,), last_committer=None, parent=b"", now=0.0)
