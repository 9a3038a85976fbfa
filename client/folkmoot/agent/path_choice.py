"""By which way each link goes, as the meeting's relays, our person's choice and what failed make
it; and which machine sees what of us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from folkmoot.agent import route
from folkmoot.governance import Relay
from folkmoot.meeting.paths import NoPathError, Paths, Relays, hides, survives_one
from folkmoot.wire.address import RelayAddress

Uses = Callable[[], Iterable[tuple[Relay, str]]]  # relays, each "in use", "reserve" or "left"


@dataclass(frozen=True, slots=True)
class Wish:
    """What our person wants. `via`: how the first connection of a path goes out; `hide`: by entries
    (None: wherever that costs nothing, see `decided`); `rather_seen`: than silent, when no entry
    works."""

    via: route.Via = route.DIRECT
    hide: bool | None = None
    rather_seen: bool = False

    @property
    def open(self) -> bool:
        """Whether entries are left to us to choose: a proxy or an entry that was named hides our
        address already."""
        return self.via.kind == "direct"


def choice_is_theirs(relays: Relays) -> bool:
    """Whether to be hidden has a price that a person has to choose: by two relays that hide each
    other's members, a relay that fails takes both paths along."""
    return hides(relays) and not survives_one(relays) and len(relays.in_use) > 1


def decided(wish: Wish, relays: Relays) -> bool:
    """Whether entries are used. What nobody chose is hidden where it can be: being silent for a
    moment can be made good, having been seen cannot."""
    if not wish.open:
        return False
    return hides(relays) if wish.hide is None else wish.hide


class PathChoice:
    """The ways of one meeting's links."""

    def __init__(self, wish: Wish, uses: Uses, turn: int) -> None:
        self._wish = wish
        self._uses = uses
        self._paths = Paths(turn, wish.rather_seen)
        # Who was hidden stays so, also when the members move to one relay: a vote of others must
        # not show anybody's address.
        self._hidden = False
        self._now: dict[RelayAddress, route.Via] = {}  # by which each relay is reached

    @property
    def _relays(self) -> Relays:
        uses = list(self._uses())
        used = [one for one, use in uses if use == "in use"]
        # One that the meeting left may go on hiding us, like any other.
        return Relays.of(used, (one for one, use in uses if use != "in use"), ())

    def route_for(self, relay: RelayAddress, purpose: str) -> route.Via:
        """For the next connection; raises RouteError when there is none that our person wants."""
        relays, wish = self._relays, self._wish
        self._hidden = self._hidden or decided(wish, relays)
        if not self._hidden:
            return wish.via
        moment = asyncio.get_running_loop().time()
        try:
            entry = self._paths.choose(relay, purpose, relays, moment)
        except NoPathError as error:
            raise route.RouteError(str(error)) from None
        return wish.via if entry is None else route.through(entry, wish.via)

    def on_way(self, relay: RelayAddress, via: route.Via, worked: bool) -> None:
        """How a connection went."""
        if worked:
            self._now[relay] = via
        if via.entry is None:
            return
        if worked:
            self._paths.worked(relay, via.entry)
        else:
            self._paths.failed(relay, via.entry, asyncio.get_running_loop().time())

    def seen_by(self) -> dict[RelayAddress, dict[str, Any]]:
        """What each relay sees of us, as `sight` has it."""
        relays = self._relays
        return sight(self._wish, relays, self._now, self._paths)


def sight(
    wish: Wish, relays: Relays, now: dict[RelayAddress, route.Via], paths: Paths
) -> dict[RelayAddress, dict[str, Any]]:
    """By relay: `sees_address` (our address, together with the room), `sees_room`, `entry_to`
    (relays that we reach through it: it sees our address and not which room), `by` (the way to it,
    in words). `now`: the ways that are up; others are as planned."""
    planned = paths.planned(relays) if decided(wish, relays) else {}
    ways = dict(now)
    for one in relays.in_use:
        entry = planned.get(one.address)
        way = wish.via if entry is None else route.through(entry.address, wish.via)
        ways.setdefault(one.address, way)
    used = {one.address for one in relays.in_use}
    found: dict[RelayAddress, dict[str, Any]] = {}
    for relay in (*relays.in_use, *relays.outside):
        way = ways.get(relay.address, wish.via)
        through = [
            one for one, other in ways.items() if other.entry == relay.address and one in used
        ]
        found[relay.address] = {
            "sees_address": relay.address in used and not way.hides_address,
            "sees_room": relay.address in used,
            "entry_to": [str(one) for one in through] if not wish.via.hides_address else [],
            "by": str(way) if relay.address in used else "",
        }
    return found


def preview(wish: Wish, relays: Iterable[Relay]) -> list[dict[str, Any]]:
    """The relays of a meeting that we are not in yet, and what each would see."""
    listed = list(relays)
    seen = sight(wish, Relays.of(listed, (), ()), {}, Paths())
    return [
        {"address": str(one.address), "label": one.label, "up": False, **seen[one.address]}
        for one in listed
    ]


def choices(wish: Wish, relays: Iterable[Relay]) -> dict[str, Any] | None:
    """What each answer would mean, where our person has to choose between being hidden and having
    no gap; None where there is nothing to choose."""
    listed = list(relays)
    if not wish.open or wish.hide is not None or not choice_is_theirs(Relays.of(listed, (), ())):
        return None
    return {
        "hidden": preview(replace(wish, hide=True), listed),
        "seen": preview(replace(wish, hide=False), listed),
    }
