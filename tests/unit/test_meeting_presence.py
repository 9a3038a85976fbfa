"""Who is here: as their own signed beacons say, and only those."""

from __future__ import annotations

from dataclasses import replace

import pytest

from folkmoot.meeting.presence import (
    AWAY_AFTER_S,
    BEHIND_AFTER_S,
    FORK_AFTER_S,
    NOTHING,
    Presence,
)
from folkmoot.meeting.records import Showing
from unit.meeting_parts import GROUP, People, Person, seat_of, signed_by

HERE = AWAY_AFTER_S - 0.01


@pytest.fixture
def people() -> People:
    return People("ada", "bob", "eve")


def presence_of(person: Person) -> Presence:
    found = Presence(person.seat, GROUP)
    found.follow(person.state)
    return found


def test_a_beacon_says_name_and_media(people: People) -> None:
    ada = presence_of(people["ada"])
    body = people["bob"].beacon(5, name="Bob\u202e", showing=Showing.CAMERA)
    assert ada.names("Ada")[seat_of("bob")] == "somebody"
    beacon = ada.receive(body, [people["ada"].state], 10.0)
    assert beacon is not None
    member = ada.members[seat_of("bob")]
    assert (member.name, member.showing, member.heard_at) == ("Bob", Showing.CAMERA, 10.0)
    assert ada.names("Ada") == {
        seat_of("ada"): "Ada", seat_of("bob"): "Bob", seat_of("eve"): "somebody"
    }  # fmt: skip


def test_old_and_repeated_beacons_are_ignored(people: People) -> None:
    ada, states = presence_of(people["ada"]), [people["ada"].state]
    bob = people["bob"]
    assert ada.receive(bob.beacon(5, name="new"), states, 10.0)
    for at_ms in (5, 4):
        assert ada.receive(bob.beacon(at_ms, name="old"), states, 20.0) is None
    member = ada.members[bob.seat]
    assert (member.name, member.heard_at, member.beacon_at_ms) == ("new", 10.0, 5)
    assert ada.receive(bob.beacon(6), states, 20.0)


def test_forged_beacons_change_nothing(people: People) -> None:
    ada, states = presence_of(people["ada"]), [people["ada"].state]
    statement = people["bob"].statement(2**63)
    body = signed_by(people["eve"].key, statement)
    good = people["bob"].beacon(5)
    for forged in (body, good[:-1] + bytes((good[-1] ^ 1,)), good[:-1], b"", good + b"x"):
        assert ada.receive(forged, states, 10.0) is None
    assert ada.members[people["bob"].seat].heard_at is None
    assert ada.receive(good, states, 10.0)


def test_own_beacons_and_those_of_no_seat_are_ignored(people: People) -> None:
    ada, states = presence_of(people["ada"]), [people["ada"].state]
    assert ada.receive(people["ada"].beacon(5), states, 10.0) is None
    statement = replace(people["bob"].statement(5), seat=seat_of("nobody"))
    assert ada.receive(signed_by(people["bob"].key, statement), states, 10.0) is None


def test_a_newcomer_of_an_epoch_that_did_not_settle_here_is_heard(people: People) -> None:
    ada, before = presence_of(people["ada"]), people["ada"].state
    people.add("bob", "cleo")
    cleo = people["cleo"]
    assert ada.receive(cleo.beacon(5), [before], 10.0) is None
    beacon = ada.receive(cleo.beacon(5), [before, people["ada"].state], 10.0)
    assert beacon is not None
    assert cleo.seat not in ada.members
    forged = signed_by(people["eve"].key, cleo.statement(6))
    assert ada.receive(forged, [before, people["ada"].state], 10.0) is None


def test_who_is_not_heard_is_away_and_stays(people: People) -> None:
    ada = presence_of(people["ada"])
    ada.receive(people["bob"].beacon(5), [people["ada"].state], 10.0)
    bob, eve = ada.members[seat_of("bob")], ada.members[seat_of("eve")]
    assert bob.here(10.0 + HERE)
    assert not bob.here(10.0 + AWAY_AFTER_S)
    assert not eve.here(0.0)
    assert (ada.heard_count(10.0 + HERE), ada.heard_count(10.0 + AWAY_AFTER_S)) == (2, 1)
    assert len(ada.members) == 3


def test_who_stays_keeps_name_and_presence_over_an_epoch(people: People) -> None:
    ada, old = presence_of(people["ada"]), people["bob"].beacon(5)
    ada.receive(old, [people["ada"].state], 10.0)
    people.remove("ada", "eve")
    people.add("ada", "cleo")
    ada.follow(people["ada"].state)
    assert set(ada.members) == {seat_of("ada"), seat_of("bob"), seat_of("cleo")}
    assert ada.members[seat_of("bob")].here(10.0)
    assert ada.members[seat_of("cleo")].showing == NOTHING
    assert ada.receive(old, [people["ada"].state], 11.0) is None


def test_one_that_comes_back_with_a_clock_set_back_is_heard_and_its_past_is_not(
    people: People,
) -> None:
    ada = presence_of(people["ada"])
    old = [people["bob"].beacon(at_ms) for at_ms in (5_000, 9_000)]
    for body in old:
        assert ada.receive(body, [people["ada"].state], 10.0)
    people.add("ada", "cleo")
    ada.follow(people["ada"].state)
    states = [people["ada"].state]
    for at_ms in (1_000, 1_001):  # an agent started again says nothing before a newer epoch
        fresh = people["bob"].beacon(at_ms)
        assert ada.receive(fresh, states, 20.0)
        for body in (*old, fresh):
            assert ada.receive(body, states, 21.0) is None
    assert ada.receive(people["bob"].beacon(9_500), states, 22.0)
    assert ada.receive(people["bob"].beacon(1_002), states, 23.0) is None


def test_look_alike_names_have_tags(people: People) -> None:
    ada = presence_of(people["ada"])
    ada.receive(people["bob"].beacon(5, name="ADA"), [people["ada"].state], 10.0)
    tags = ada.tags("Ada")
    assert tags[seat_of("ada")] == seat_of("ada").hex()[:4]
    assert tags[seat_of("bob")] == seat_of("bob").hex()[:4]
    assert tags[seat_of("eve")] == ""


def test_a_change_is_told_once(people: People) -> None:
    ada, states = presence_of(people["ada"]), [people["ada"].state]
    assert ada.changed(0.0)
    assert not ada.changed(0.0)
    for at_ms, more in ((5, {}), (6, {"name": "B"}), (7, {"name": "B", "showing": Showing(6)})):
        ada.receive(people["bob"].beacon(at_ms, **more), states, 1.0)
        assert ada.changed(1.0)
        assert not ada.changed(1.0 + HERE)
    assert ada.changed(1.0 + AWAY_AFTER_S)


def test_a_change_that_is_over_before_anybody_asks_is_told(people: People) -> None:
    """Who looked in between saw it: without that, one who was away for a moment stays "away" on
    the page for as long as nothing else changes."""
    ada, states = presence_of(people["ada"]), [people["ada"].state]
    ada.receive(people["bob"].beacon(5), states, 0.0)
    assert ada.changed(0.0)
    ada.receive(people["bob"].beacon(6), states, AWAY_AFTER_S + 0.1)  # away until now
    assert ada.changed(AWAY_AFTER_S + 0.1)
    assert not ada.changed(AWAY_AFTER_S + 0.1)
    for at_ms, showing in ((7, Showing(6)), (8, Showing(0))):
        ada.receive(people["bob"].beacon(at_ms, showing=showing), states, AWAY_AFTER_S + 0.2)
    assert ada.changed(AWAY_AFTER_S + 0.2)
    assert not ada.changed(AWAY_AFTER_S + 0.2)


def sides(people: People, *others: str) -> dict[str, Person]:
    """The same people after two commits on one parent settled: `others` follow the second."""
    first = {name: Person(name, one.state) for name, one in people.members.items()}
    parent = first[others[0]].state
    people.commit("ada")
    created = parent.group.commit((), entropy=people.entropy)
    for name in first:
        if name not in others:
            first[name] = people[name]
            continue
        group = first[name].state.group
        own = name == others[0]
        staged = created.staged if own else group.stage(created.message)
        assert staged.group is not None
        state = type(parent)(staged.group, parent.secrets)
        first[name] = Person(name, state)
    return first


def answers(found: dict[str, Person], seconds: float) -> dict[str, bool]:
    """Whether each is lost after all have heard each other's beacons for so long."""
    all_lost = {}
    for name, person in found.items():
        presence = presence_of(person)
        held = {person.state.authenticator}
        for tenth in range(round(seconds * 10) + 1):
            now = 100 + tenth / 10
            for other in found.values():
                presence.receive(other.beacon(tenth + 1), [person.state], now)
            all_lost[name] = presence.lost(person.state, held, now)
    return all_lost


def test_the_smaller_side_moves() -> None:
    found = sides(People("ada", "bob", "eve", "cleo", "dan"), "dan", "cleo")
    moves = answers(found, FORK_AFTER_S + 0.1)
    assert {name for name, lost in moves.items() if lost} == {"dan", "cleo"}


@pytest.mark.parametrize("seed", range(6))
def test_of_equal_sides_exactly_one_moves(seed: int) -> None:
    found = sides(People("ada", "bob", "eve", "cleo", seed=seed), "eve", "cleo")
    moves = answers(found, FORK_AFTER_S + 0.1)
    assert moves["ada"] == moves["bob"] != moves["eve"] == moves["cleo"]
    lower = min(found.values(), key=lambda one: one.state.authenticator)
    assert not moves[lower.name]


def test_of_equal_sides_the_earlier_epoch_moves() -> None:
    people = People("ada", "bob")
    behind = Person("bob", people["bob"].state)
    people.commit("ada")
    found = {"ada": people["ada"], "bob": behind}
    assert answers(found, BEHIND_AFTER_S + 0.1) == {"ada": False, "bob": True}


def test_nobody_moves_at_once() -> None:
    found = sides(People("ada", "bob", "eve"), "eve")
    assert not any(answers(found, FORK_AFTER_S - 0.2).values())
    people = People("ada", "bob")
    behind = Person("bob", people["bob"].state)
    people.commit("ada")
    assert not any(answers({"ada": people["ada"], "bob": behind}, BEHIND_AFTER_S - 0.2).values())


def test_an_epoch_that_we_hold_is_no_reason_to_move(people: People) -> None:
    ada, before = presence_of(people["ada"]), people["ada"].state
    people.commit("bob")
    held = {before.authenticator, people["bob"].state.authenticator}
    for tenth in range(200):
        now = 100 + tenth / 10
        for name in ("bob", "eve"):
            ada.receive(people[name].beacon(tenth + 1), [before], now)
        assert not ada.lost(before, held, now)
    assert ada.side_count(held, now) == 3
    assert ada.side_count({before.authenticator}, now) == 1


def test_who_is_not_heard_any_more_does_not_count(people: People) -> None:
    ada, before = presence_of(people["ada"]), people["ada"].state
    people.commit("bob")
    for name in ("bob", "eve"):
        ada.receive(people[name].beacon(1), [before], 100.0)
    held = {before.authenticator}
    assert not any(ada.lost(before, held, 100 + tenth / 10) for tenth in range(200))


def test_one_who_is_ahead_for_long_is_enough_to_be_behind() -> None:
    """Where some are away: those who came in meanwhile have keys that we do not know."""
    people = People("ada", "bob", "eve", "dan")  # Dan is away
    ada, before = presence_of(people["ada"]), people["ada"].state
    eve = Person("eve", people["eve"].state)
    people.commit("bob")
    held = {before.authenticator}
    answers = []
    for tenth in range(round(BEHIND_AFTER_S * 10) + 2):
        now = 100 + tenth / 10
        ada.receive(people["bob"].beacon(tenth + 1), [before], now)
        ada.receive(eve.beacon(tenth + 1), [before], now)
        assert ada.ahead(before, held, now)
        assert not ada.ahead(before, {*held, people["bob"].state.authenticator}, now)
        assert not ada.lost(before, held, now)
        answers.append(ada.behind(before, held, now))
    assert answers[-1]
    assert not any(answers[:-3])
    # Bob falls silent: nobody is ahead any more, and the waiting begins anew.
    later = 100 + BEHIND_AFTER_S + AWAY_AFTER_S + 1
    assert not ada.behind(before, held, later)
    assert not ada.ahead(before, held, later)
