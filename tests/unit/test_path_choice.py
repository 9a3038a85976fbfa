"""Which way links go, and which machine sees what of us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from folkmoot.agent import route
from folkmoot.agent.path_choice import PathChoice, Wish, choices, decided, preview
from folkmoot.governance import Relay
from folkmoot.meeting.paths import Relays
from folkmoot.meeting.relay_book import RelayUse
from folkmoot.meeting.ways_back import BACK_FIRST_S
from folkmoot.wire.address import RelayAddress

EIGHT = [
    Relay(RelayAddress("192.0.2.1", 4000 + number, bytes((number,)) * 32)) for number in range(1, 9)
]
A, B, C, D, *_ = EIGHT
A_NAME = str(A.address)
PROXY = route.parse_via("socks5://127.0.0.1:9050")


def names(*relays: Relay) -> set[str]:
    return {str(one.address) for one in relays}


def way(wish: Wish, relays: Sequence[Relay], to: Relay, *failed: Relay) -> route.Via:
    async def ask() -> route.Via:
        choice = PathChoice(wish, lambda: in_use(*relays), turn=0)
        for one in failed:
            choice.on_way(to.address, "main", route.through(one.address), False)
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
        relays = in_use(A, B)
        choice = PathChoice(Wish(), lambda: relays, turn=0)
        assert choice.route_for(A.address, "main") == route.through(B.address)
        relays[:] = [*in_use(C), RelayUse(A, "left", "room"), RelayUse(B, "left", "room")]
        assert choice.route_for(C.address, "main").entry in (A.address, B.address)
        relays[:] = in_use(C)
        with pytest.raises(route.RouteError, match="did not allow that it sees you"):
            choice.route_for(C.address, "main")

    asyncio.run(scene())


def test_a_person_is_asked_only_where_hiding_has_a_price() -> None:
    assert choices(Wish(), [A], 0) is None
    assert choices(Wish(), [A, B, C], 0) is None
    assert choices(Wish(hide=True), [A, B], 0) is None, "it was said on the command line"
    assert choices(Wish(PROXY), [A, B], 0) is None
    asked = choices(Wish(), [A, B], 0)
    assert asked is not None
    assert [row["sees_address"] for row in asked["hidden"]] == [False, False]
    assert [row["sees_address"] for row in asked["seen"]] == [True, True]


def test_each_machine_sees_an_address_or_the_room_in_a_ring() -> None:
    rows = preview(Wish(), [A, B, C], 0)
    assert [row["sees_address"] for row in rows] == [False, False, False]
    assert all(row["carries"] == "room" for row in rows)
    # Voice of A by C, of B by A, of C by B; pictures of A by B, of B by C.
    assert [set(row["entry_to"]) for row in rows] == [names(B), names(A, C), names(A, B)]
    assert rows[0]["by"] == "by the entry 192.0.2.1:4003 and by the entry 192.0.2.1:4002"


def test_who_goes_directly_is_seen_by_each() -> None:
    direct = preview(Wish(hide=False), [A, B, C], 0)
    assert all(row["sees_address"] and not row["entry_to"] for row in direct)
    assert all(row["by"] == "directly" for row in direct)
    [alone] = preview(Wish(), [A], 0)
    assert alone["sees_address"]
    assert alone["carries"] == "room"


def test_behind_a_proxy_nobody_sees_an_address() -> None:
    proxied = preview(Wish(PROXY), [A, B, C, D], 0)
    assert not any(row["sees_address"] or row["entry_to"] for row in proxied)
    assert {row["by"] for row in proxied} == {"by socks5://127.0.0.1:9050"}
    # An entry that was named, and is reached by a proxy, sees that one.
    named = preview(Wish(route.through(D.address, PROXY)), [A, D], 0)
    assert not any(row["sees_address"] or row["entry_to"] for row in named)
    bare = preview(Wish(route.through(D.address)), [A, D], 0)
    assert A.address in {RelayAddress.parse(one) for one in bare[1]["entry_to"]}


def test_an_entry_that_is_no_relay_of_the_meeting_has_its_row() -> None:
    rows = preview(Wish(route.through(D.address)), [A, B], 0)
    assert [row["use"] for row in rows] == ["in use", "in use", "entry"]
    assert rows[2] == {
        "address": str(D.address), "label": "", "use": "entry", "up": False, "carries": "",
        "sees_address": False, "entry_to": [str(A.address), str(B.address)], "by": "directly",
    }  # fmt: skip
    [*_, behind] = preview(Wish(route.through(D.address, PROXY)), [A], 0)
    assert (behind["entry_to"], behind["by"]) == ([], "by socks5://127.0.0.1:9050")
    # One of the meeting has its own row and no other.
    assert len(preview(Wish(route.through(D.address)), [A, D], 0)) == 2


def test_the_reserve_reached_directly_sees_address_and_door() -> None:
    rows = preview(Wish(hide=False), EIGHT, 0)
    assert [row["use"] for row in rows] == ["in use"] * 3 + ["reserve"] * 5
    assert [row["carries"] for row in rows] == ["room"] * 3 + ["door"] * 3 + [""] * 2
    assert [row["sees_address"] for row in rows] == [True] * 6 + [False] * 2


def test_a_reserve_that_hides_us_sees_its_door_by_another_way() -> None:
    rows = preview(Wish(), EIGHT, 0)
    assert not any(row["sees_address"] for row in rows)
    assert [bool(row["entry_to"]) for row in rows] == [False] * 3 + [True] * 3 + [False] * 2
    assert [row["carries"] for row in rows[3:]] == ["door"] * 3 + [""] * 2
    assert rows[0]["by"] != preview(Wish(), EIGHT, 1)[0]["by"], "entries are drawn by the turn"


class Scene:
    """Links of one meeting, as they come and go."""

    def __init__(self, wish: Wish, *uses: RelayUse) -> None:
        self.choice = PathChoice(wish, lambda: uses, turn=0)

    def up(self, relay: Relay, purpose: str, by: Relay | None) -> None:
        via = route.DIRECT if by is None else route.through(by.address)
        self.choice.on_way(relay.address, purpose, via, True)

    def seen(self, relay: Relay) -> dict[str, Any]:
        return self.choice.seen_by()[relay.address]


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    return lambda: asyncio.run(test())


def in_use(*relays: Relay) -> list[RelayUse]:
    return [RelayUse(one, "in use", "room") for one in relays]


DOOR = RelayUse(D, "reserve", "door")


@in_a_loop
async def test_what_is_seen_follows_what_happens() -> None:
    scene = Scene(Wish(rather_seen=True), *in_use(A, B), RelayUse(C, "reserve", ""))
    scene.up(A, "main", None)
    assert scene.seen(A)["sees_address"]
    assert not scene.seen(B)["sees_address"]
    assert scene.seen(C)["carries"] == ""
    assert scene.seen(C)["entry_to"] == [str(B.address)]


@in_a_loop
async def test_each_purpose_has_an_entry_that_sees_our_address() -> None:
    scene = Scene(Wish(), *in_use(A, B, C), DOOR)
    scene.up(A, "main", D)
    scene.up(A, "watch", C)
    assert A_NAME in scene.seen(D)["entry_to"]
    assert A_NAME in scene.seen(C)["entry_to"]
    assert "4004" in scene.seen(A)["by"]
    assert "4003" in scene.seen(A)["by"]
    scene.choice.on_way(A.address, "watch", route.through(C.address), None)
    assert A_NAME not in scene.seen(C)["entry_to"], "nobody is watched any more"


@in_a_loop
async def test_one_direct_link_is_enough_to_be_seen() -> None:
    scene = Scene(Wish(), *in_use(A, B, C))
    scene.up(A, "main", C)
    scene.up(A, "show", None)
    assert scene.seen(A)["sees_address"]


@in_a_loop
async def test_a_way_that_broke_is_no_longer_now() -> None:
    scene = Scene(Wish(), *in_use(A, B, C))
    scene.up(A, "main", None)
    assert scene.seen(A)["sees_address"]
    scene.choice.on_way(A.address, "main", route.DIRECT, False)
    assert not scene.seen(A)["sees_address"]
    assert scene.seen(A)["by"] == "by the entry 192.0.2.1:4003", "as it will be tried"
    # One by an entry that fails goes on to the next, which then sees who comes.
    scene.choice.on_way(A.address, "main", route.through(C.address), False)
    assert scene.seen(A)["by"] == "by the entry 192.0.2.1:4002"
    assert A_NAME in scene.seen(B)["entry_to"]
    assert A_NAME not in scene.seen(C)["entry_to"]


@in_a_loop
async def test_a_way_that_is_being_tried_shows_us_already() -> None:
    scene = Scene(Wish(), *in_use(A, B, C))
    via = scene.choice.route_for(A.address, "show")
    assert via.entry == B.address
    assert A_NAME in scene.seen(B)["entry_to"]


@in_a_loop
async def test_who_finds_no_entry_in_the_end_may_be_seen() -> None:
    scene = Scene(Wish(rather_seen=True), *in_use(A, B))
    scene.choice.on_way(A.address, "main", route.through(B.address), False)
    assert scene.seen(A)["sees_address"], "the next connection is a direct one"


@in_a_loop
async def test_where_no_way_leads_nothing_is_carried() -> None:
    scene = Scene(Wish(hide=True), *in_use(A))
    assert scene.seen(A) == {"sees_address": False, "entry_to": [], "carries": "", "by": ""}
    with pytest.raises(route.RouteError):
        scene.choice.route_for(A.address, "main")
    scene.choice.on_way(A.address, "main", None, False)
    assert scene.seen(A)["carries"] == ""


@in_a_loop
async def test_a_relay_that_was_left_sees_who_keeps_its_door() -> None:
    scene = Scene(Wish(hide=False), *in_use(A), RelayUse(B, "left", "door"))
    assert scene.seen(B)["sees_address"]
    assert scene.seen(B)["carries"] == "door"


@in_a_loop
async def test_where_a_link_is_being_moved_two_machines_see_our_address() -> None:
    scene = Scene(Wish(), *in_use(A, B, C))
    for one, by in ((A, B), (B, A), (C, B)):
        scene.up(one, "main", by)
    loop = asyncio.get_running_loop()
    scene.choice.ways_back()
    for wait in scene.choice._back._waits.values():
        wait.since = loop.time() - BACK_FIRST_S
    changes: list[int] = []
    [(link, via)] = scene.choice.ways_back(lambda: changes.append(1)).items()
    assert (link, via.entry) == ((A.address, "main"), C.address)
    assert A_NAME in scene.seen(B)["entry_to"]
    assert A_NAME in scene.seen(C)["entry_to"]
    scene.choice.on_move(*link, via, True, lambda: changes.append(2))
    assert A_NAME not in scene.seen(B)["entry_to"]
    assert A_NAME in scene.seen(C)["entry_to"]
    assert changes == [1, 2]
    assert scene.choice.ways_back() == {}


@in_a_loop
async def test_who_named_a_way_or_is_seen_is_not_moved() -> None:
    for wish in (Wish(PROXY), Wish(hide=False), Wish(route.through(D.address))):
        scene = Scene(wish, *in_use(A, B, C))
        scene.up(A, "main", None)
        scene.choice.ways_back()
        assert not scene.choice._back._waits
