"""Which entry a link goes by."""

from __future__ import annotations

import itertools

import pytest

from folkmoot.governance import Relay
from folkmoot.meeting.paths import (
    FAILED_S,
    FAILURES_MAX,
    NoPathError,
    Paths,
    Relays,
    hides,
    operator,
    survives_one,
)
from folkmoot.wire.address import RelayAddress


def relay(name: str, label: str = "") -> Relay:
    number = ord(name)
    return Relay(RelayAddress("192.0.2.1", 4000 + number, bytes((number,)) * 32), label)


A, B, C, D, E, F = (relay(name) for name in "ABCDEF")


def plan(used: str, outside: str = "", turn: int = 0) -> dict[str, str]:
    """`plan("ABC")["A"]`: by whom A is reached."""
    names = {relay(name).address: name for name in "ABCDEF"}
    relays = Relays(tuple(map(relay, used)), tuple(map(relay, outside)))
    found = Paths(turn).planned(relays)
    return {names[one]: names[entry.address] for one, entry in found.items()}


def test_three_are_a_ring() -> None:
    assert plan("ABC") == {"A": "C", "B": "A", "C": "B"}


def test_two_hide_each_others_members() -> None:
    assert plan("AB") == {"A": "B", "B": "A"}
    assert not survives_one(Relays((A, B), ()))


def test_one_alone_hides_nobody() -> None:
    assert plan("A") == {}
    assert not hides(Relays((A,), ()))


@pytest.mark.parametrize("used", ["A", "AB", "ABC"])
@pytest.mark.parametrize("outside", ["", "D", "DE", "DEF"])
@pytest.mark.parametrize("turn", range(5))
def test_no_operator_is_on_all_paths_where_that_can_be(used: str, outside: str, turn: int) -> None:
    found = plan(used, outside, turn)
    if len(used + outside) == 1:
        assert not found
        return
    assert all(one != entry for one, entry in found.items())
    on_all = set.intersection(*({one, entry} for one, entry in found.items()))
    possible = len(used) > 1 and len(used + outside) > 2 and (len(used) > 2 or len(outside) > 1)
    assert (not on_all) == possible or len(used) == 1
    relays = Relays(tuple(map(relay, used)), tuple(map(relay, outside)))
    assert survives_one(relays) == (not on_all)


@pytest.mark.parametrize("turn", range(4))
def test_outside_entries_are_preferred_and_shared_out(turn: int) -> None:
    found = plan("ABC", "DEF", turn)
    assert set(found.values()) == {"D", "E", "F"}
    assert set(plan("AB", "DE", turn).values()) == {"D", "E"}
    assert plan("ABC", "D", turn)["A"] in "DC"
    # Agents spread: nobody sees all of a meeting's members.
    assert len({plan("A", "DEF", one)["A"] for one in range(3)}) == 3


def test_relays_with_one_label_are_one_operators() -> None:
    here, there, other = relay("A", "us"), relay("B", "us"), relay("C", "them")
    assert operator(here) == operator(there)
    found = Paths().planned(Relays((here, there, other), ()))
    assert found[here.address] == found[there.address] == other
    assert not hides(Relays((here, there), ()))
    assert not survives_one(Relays((here, there, other), ()))


def test_of_an_invites_relays_those_over_three_are_entries() -> None:
    relays = Relays.of((A, B, C, D, E), (), (F,))
    assert relays == Relays((A, B, C), (F, D, E))
    assert Relays.of((A, B), (C, D), ()) == Relays((A, B), (C, D))


def test_pictures_go_by_another_entry_than_voice() -> None:
    relays, paths = Relays((A, B, C), ()), Paths()
    for one in (A, B, C):
        voice = paths.choose(one.address, "main", relays, 0.0)
        assert paths.choose(one.address, "show", relays, 0.0) not in (voice, None, one.address)


def test_every_entry_is_tried_before_one_is_seen() -> None:
    relays, paths = Relays((A, B, C), (D,)), Paths(rather_seen=True)
    tried = []
    for _ in range(3):
        entry = paths.choose(A.address, "main", relays, 10.0)
        assert entry is not None
        tried.append(entry)
        paths.failed(A.address, entry, 10.0)
    assert set(tried) == {B.address, C.address, D.address}
    assert paths.choose(A.address, "main", relays, 10.0) is None
    assert paths.choose(A.address, "main", relays, 10.0 + FAILED_S) is not None
    paths.worked(A.address, C.address)
    assert paths.choose(A.address, "main", relays, 10.0) == C.address


def test_who_would_rather_be_silent_is_never_seen() -> None:
    relays, paths = Relays((A, B, C), (D,)), Paths()
    now = 0.0
    seen = set()
    for _ in range(50):
        entry = paths.choose(A.address, "main", relays, now)
        assert entry not in (None, A.address)
        seen.add(entry)
        assert entry is not None
        paths.failed(A.address, entry, now)
        now += 0.5
    assert seen == {B.address, C.address, D.address}, "each is tried again and again"
    with pytest.raises(NoPathError, match="no other relay"):
        Paths().choose(A.address, "main", Relays((A,), ()), 0.0)


def test_failures_are_bounded() -> None:
    paths = Paths()
    for one, two in itertools.product(range(40), range(40)):
        paths.failed(
            RelayAddress("192.0.2.2", 1 + one, bytes(32)),
            RelayAddress("192.0.2.3", 1 + two, bytes(32)), 0.0,
        )  # fmt: skip
    assert len(paths._failed) == FAILURES_MAX


def test_a_relay_that_is_not_known_is_reached_by_one_that_is() -> None:
    assert Paths().choose(F.address, "main", Relays((A, B, C), ()), 0.0) is not None
