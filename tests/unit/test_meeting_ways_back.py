"""When a link goes back to its planned entry."""

from __future__ import annotations

import itertools

import pytest

from folkmoot.meeting.paths import Paths, Relays
from folkmoot.meeting.ways_back import BACK_FIRST_S, BACK_MAX_S, WAITS_MAX, WaysBack
from folkmoot.wire.address import RelayAddress
from unit.test_meeting_paths import A, B, C, D, E, relay

RING = Relays((A, B, C), ())
NAMES = {relay(name).address: name for name in "ABCDEF"}
Up = dict[tuple[RelayAddress, str], RelayAddress | None]


def up(ways: str, purpose: str = "main") -> Up:
    """`up("AC BA")`: A is reached by C, and B by A; `-`: directly."""
    return {
        (relay(way[0]).address, purpose): None if way[1] == "-" else relay(way[1]).address
        for way in ways.split()
    }


def said(due: Up) -> set[str]:
    found = set()
    for (to, purpose), by in due.items():
        assert by is not None
        found.add(f"{NAMES[to]}{NAMES[by]}" + ("" if purpose == "main" else f" {purpose}"))
    return found


def due(back: WaysBack, links: Up, relays: Relays = RING, now: float = 1000.0) -> set[str]:
    return said({**back.due(links, Paths(), relays, now)})


def waited(*failed: str, at: float = 0.0) -> WaysBack:
    """One at which these ways failed long ago."""
    back = WaysBack()
    for way in failed:
        back.failed(relay(way[0]).address, relay(way[1]).address, at)
    return back


def test_what_goes_as_planned_stays() -> None:
    assert due(waited("AC", "BA", "CB"), up("AC BA CB")) == set()


def test_a_link_goes_back_after_a_while() -> None:
    back = waited("AC")
    links = up("AB BA CB")
    assert due(back, links, now=BACK_FIRST_S - 0.1) == set()
    assert due(back, links, now=BACK_FIRST_S) == {"AC"}


def test_each_try_that_fails_doubles_the_wait_up_to_a_maximum() -> None:
    back, now, waits = waited("AC"), 0.0, []
    links = up("AB BA CB")
    for _ in range(8):
        began = now
        while not due(back, links, now=now):
            now += 1.0
        waits.append(now - began)
        back.failed(A.address, C.address, now)
    assert waits == [30, 60, 120, 240, 480, 480, 480, 480]
    assert waits[0] == BACK_FIRST_S
    assert waits[-1] == BACK_MAX_S


def test_a_line_that_is_cut_for_long_does_not_make_the_way_back_rare() -> None:
    """Every way fails again and again then, and that says nothing about any."""
    back = WaysBack()
    for second in range(3600):
        back.failed(A.address, C.address, float(second))
    assert due(back, up("AB BA CB"), now=3599.0 + BACK_FIRST_S) == {"AC"}


def test_an_entry_that_comes_and_goes_is_waited_for_longer_and_one_that_held_is_not() -> None:
    back, links = waited("AC"), up("AB BA CB")
    back.worked(A.address, C.address, 30.0)
    back.failed(A.address, C.address, 35.0)
    assert due(back, links, now=35.0 + 1.9 * BACK_FIRST_S) == set()
    assert due(back, links, now=35.0 + 2 * BACK_FIRST_S) == {"AC"}
    back.worked(A.address, C.address, 100.0)
    back.failed(A.address, C.address, 200.0)
    assert due(back, links, now=200.0 + BACK_FIRST_S) == {"AC"}


def test_a_way_that_nothing_failed_on_is_waited_for_too() -> None:
    """After a vote the plan is another, and not all move at once."""
    back, links = WaysBack(), up("AB BA CB")
    assert due(back, links, now=5.0) == set()
    assert due(back, links, now=5.0 + BACK_FIRST_S) == {"AC"}


def test_no_operator_comes_to_be_on_all_ways() -> None:
    """Each link of a ring that is turned round would put one on all, so they go together."""
    back = waited("AC", "BA", "CB")
    turned = up("AB BC CA")
    assert due(back, turned) == {"AC", "BA", "CB"}
    partly = waited("AC", "BA")  # the third has to be waited for
    assert due(partly, turned, now=50.0) == set()


@pytest.mark.parametrize("ways", list(itertools.product("BC", "AC", "AB")))
def test_from_every_state_of_a_ring_the_plan_is_reached_and_never_made_worse(
    ways: tuple[str, ...],
) -> None:
    back = waited("AC", "BA", "CB")
    links = up(" ".join(f"{to}{by}" for to, by in zip("ABC", ways, strict=True)))
    for _ in range(4):
        before = _on_all(links)
        links |= back.due(links, Paths(), RING, 1000.0)
        assert before or not _on_all(links)
    assert said(links) == {"AC", "BA", "CB"}


def _on_all(links: Up) -> set[RelayAddress | None]:
    return set.intersection(*({to, by} for (to, _), by in links.items()))


def test_outside_entries_are_gone_back_to_one_by_one() -> None:
    relays = Relays((A, B), (D, E))
    planned = Paths().planned(relays)
    assert {planned[A.address], planned[B.address]} == {D, E}
    back, links, steps = WaysBack(), up("AB BA"), []
    back.due(links, Paths(), relays, 0.0)
    while moves := back.due(links, Paths(), relays, 1000.0):
        links |= moves
        steps.append(len(moves))
    assert steps == [1, 1]
    assert links[A.address, "main"] == planned[A.address].address


def test_from_a_direct_connection_any_entry_is_better() -> None:
    back = waited("AC", "AB")
    back.failed(A.address, C.address, 1000.0)
    assert due(back, up("A- BA CA"), now=1001.0) == {"AB"}
    assert due(waited("AC", "AB"), up("A- BA CB")) == {"AC"}
    # B would be on all ways, and could silence us: our person would rather be seen.
    assert due(back, up("A- BA CB"), now=1001.0) == set()


def test_pictures_go_back_after_the_voice_and_never_with_it() -> None:
    back = waited("AC", "AB")
    assert due(back, up("AC BA CB") | up("AC", "show")) == {"AB show"}
    # By each other's entries they change places at once.
    assert due(back, up("AB BA CB") | up("AC", "show")) == {"AC", "AB show"}


def test_the_waits_are_bounded() -> None:
    back = WaysBack()
    for port, other in itertools.product(range(1, 41), range(1, 41)):
        one = RelayAddress("192.0.2.2", port, bytes(32))
        back.failed(one, RelayAddress("192.0.2.3", other, bytes(32)), 0.0)
    assert len(back._waits) == WAITS_MAX
