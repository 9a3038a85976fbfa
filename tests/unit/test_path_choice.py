"""Which way links go, and which machine sees what of us."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from folkmoot.agent import route
from folkmoot.agent.check import machines
from folkmoot.agent.path_choice import PathChoice, Wish, choices, decided, preview
from folkmoot.governance import Relay
from folkmoot.meeting.paths import Relays
from folkmoot.wire.address import RelayAddress

A, B, C = (
    Relay(RelayAddress("192.0.2.1", 4000 + number, bytes((number,)) * 32)) for number in (1, 2, 3)
)
PROXY = route.parse_via("socks5://127.0.0.1:9050")


def way(wish: Wish, relays: Sequence[Relay], to: Relay, *failed: Relay) -> route.Via:
    async def ask() -> route.Via:
        choice = PathChoice(wish, lambda: [(one, "in use") for one in relays], turn=0)
        for one in failed:
            choice.on_way(to.address, route.through(one.address), False)
        return choice.route_for(to.address, "main")

    return asyncio.run(ask())


def test_what_nobody_chose_is_hidden_where_it_can_be() -> None:
    assert way(Wish(), [A], A) == route.DIRECT
    assert way(Wish(), [A, B], A) == route.through(B.address)
    assert way(Wish(), [A, B, C], A) == route.through(C.address)
    assert way(Wish(hide=False), [A, B, C], A) == route.DIRECT


def test_who_named_a_way_goes_that_way() -> None:
    assert way(Wish(PROXY, hide=False), [A, B, C], A) == PROXY
    named = route.through(C.address)
    assert way(Wish(named), [A, B], A) == named
    assert not decided(Wish(PROXY), Relays((A, B, C), ()))


def test_directly_is_last_and_only_if_it_is_allowed() -> None:
    assert way(Wish(), [A, B, C], A, C) == route.through(B.address)
    assert way(Wish(rather_seen=True), [A, B, C], A, C, B) == route.DIRECT
    assert way(Wish(), [A, B, C], A, C, B).kind == "entry"
    with pytest.raises(route.RouteError, match="no other relay"):
        way(Wish(hide=True), [A], A)


def test_a_vote_of_others_shows_nobodys_address() -> None:
    async def scene() -> None:
        relays = [(A, "in use"), (B, "in use")]
        choice = PathChoice(Wish(), lambda: relays, turn=0)
        assert choice.route_for(A.address, "main") == route.through(B.address)
        relays[:] = [(C, "in use"), (A, "left"), (B, "left")]
        assert choice.route_for(C.address, "main").entry in (A.address, B.address)
        relays[:] = [(C, "in use")]
        with pytest.raises(route.RouteError, match="did not allow that it sees you"):
            choice.route_for(C.address, "main")

    asyncio.run(scene())


def test_a_person_is_asked_only_where_hiding_has_a_price() -> None:
    assert choices(Wish(), [A]) is None
    assert choices(Wish(), [A, B, C]) is None
    assert choices(Wish(hide=True), [A, B]) is None, "it was said on the command line"
    assert choices(Wish(PROXY), [A, B]) is None
    asked = choices(Wish(), [A, B])
    assert asked is not None
    assert [row["sees_address"] for row in asked["hidden"]] == [False, False]
    assert [row["sees_address"] for row in asked["seen"]] == [True, True]


def test_each_machine_sees_an_address_or_the_room_in_a_ring() -> None:
    rows = preview(Wish(), [A, B, C])
    assert [row["sees_address"] for row in rows] == [False, False, False]
    assert all(row["sees_room"] for row in rows)
    assert [row["entry_to"] for row in rows] == [[str(B.address)], [str(C.address)],
                                                 [str(A.address)]]  # fmt: skip
    direct = preview(Wish(hide=False), [A, B, C])
    assert all(row["sees_address"] and not row["entry_to"] for row in direct)
    proxied = preview(Wish(PROXY), [A, B, C])
    assert not any(row["sees_address"] or row["entry_to"] for row in proxied)


def test_what_is_seen_follows_what_happens() -> None:
    async def scene() -> None:
        choice = PathChoice(
            Wish(rather_seen=True), lambda: [(A, "in use"), (B, "in use"), (C, "reserve")], turn=0
        )
        choice.on_way(A.address, route.DIRECT, True)
        seen = choice.seen_by()
        assert seen[A.address]["sees_address"]
        assert not seen[B.address]["sees_address"]
        assert not seen[C.address]["sees_room"]

    asyncio.run(scene())


def test_check_lists_what_each_machine_sees() -> None:
    rows = machines(Wish(), [A.address, B.address, C.address])
    assert [row[1:4] for row in rows] == [("yes", "yes", "no")] * 3
    assert "it takes you to 192.0.2.1:4002" in rows[0][4]
    assert "you come by the entry 192.0.2.1:4003" in rows[0][4]
    assert [row[1:4] for row in machines(Wish(), [A.address])] == [("yes", "yes", "yes")]
    proxied = machines(Wish(PROXY, hide=False), [A.address, B.address])
    assert [row[1:4] for row in proxied] == [("no", "yes", "no")] * 2
