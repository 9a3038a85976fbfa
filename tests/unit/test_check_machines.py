"""What `folkmoot check` says that each machine sees."""

from __future__ import annotations

from folkmoot.agent import route
from folkmoot.agent.check import machines
from folkmoot.agent.path_choice import Wish
from folkmoot.wire.address import RelayAddress

RELAYS = [RelayAddress("192.0.2.1", 4000 + number, bytes((number,)) * 32) for number in range(1, 9)]
PROXY = route.parse_via("socks5://127.0.0.1:9050")


def test_in_a_ring_each_sees_both_and_not_together() -> None:
    rows = machines(Wish(), RELAYS[:3])
    assert [row[0] for row in rows] == [f"192.0.2.1:400{number}" for number in (1, 2, 3)]
    assert [row[1:4] for row in rows] == [("yes", "a room", "no")] * 3
    assert "it takes you to 192.0.2.1:4002, and is not told what is there" in rows[0][4]
    assert "it takes you to 192.0.2.1:4003 and 192.0.2.1:4001, and" in rows[1][4]
    assert "you come by the entry 192.0.2.1:4003 and by the entry 192.0.2.1:4002" in rows[0][4]


def test_one_relay_sees_all() -> None:
    assert machines(Wish(), RELAYS[:1]) == [
        ("192.0.2.1:4001", "yes", "a room", "yes", "you come directly")
    ]


def test_a_reserve_reached_directly_sees_us_at_its_door() -> None:
    rows = machines(Wish(hide=False), RELAYS)
    assert [row[1:4] for row in rows] == [
        *[("yes", "a room", "yes")] * 3,
        *[("yes", "its door", "yes")] * 3,
        *[("no", "no", "no")] * 2,
    ]
    assert rows[3][4] == "in reserve, and only the door is open there; you come directly"
    assert rows[7][4] == "you do not connect to it while the others are there"


def test_a_reserve_that_is_an_entry_sees_our_address() -> None:
    rows = machines(Wish(), RELAYS[:6])
    assert [row[1:4] for row in rows[:3]] == [("no", "a room", "no")] * 3
    assert [row[1:4] for row in rows[3:]] == [("yes", "its door", "no")] * 3
    assert all("it takes you to " in row[4] for row in rows[3:])


def test_behind_a_proxy_none_sees_our_address() -> None:
    rows = machines(Wish(PROXY, hide=False), RELAYS[:4])
    assert [row[1:4] for row in rows] == [("no", "a room", "no")] * 3 + [("no", "its door", "no")]
    assert all("by socks5://127.0.0.1:9050" in row[4] for row in rows)


def test_a_named_entry_has_its_row() -> None:
    entry = RELAYS[5]
    *relays, named = machines(Wish(route.through(entry)), RELAYS[:2])
    assert [row[1:4] for row in relays] == [("no", "a room", "no")] * 2
    assert named == (
        "192.0.2.1:4006", "yes", "no", "no",
        "no relay of the meeting; you come directly; it takes you to 192.0.2.1:4001 and "
        "192.0.2.1:4002, and is not told what is there",
    )  # fmt: skip
    *_, behind = machines(Wish(route.through(entry, PROXY)), RELAYS[:1])
    assert behind[1] == "no"
