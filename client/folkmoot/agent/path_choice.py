"""By which way each link goes, as the meeting's relays, our person's choice and what failed make
it; and which machine sees what of us."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from folkmoot.agent import route
from folkmoot.governance import Relay
from folkmoot.meeting.hearing import PICTURE_RELAYS
from folkmoot.meeting.paths import PICTURES, NoPathError, Paths, Relays, hides, survives_one
from folkmoot.meeting.relay_book import RelayUse, first_uses
from folkmoot.meeting.ways_back import WaysBack
from folkmoot.wire.address import RelayAddress

Uses = Callable[[], Iterable[RelayUse]]
Link = tuple[RelayAddress, str]  # a relay, and the purpose for which it is connected to
MAIN = "main"  # the purpose that every relay is connected to for; pictures have links of their own


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
    """The ways of one meeting's links. `turn`: any number, by which agents spread over entries."""

    def __init__(self, wish: Wish, uses: Uses, turn: int) -> None:
        self._wish = wish
        self._uses = uses
        self._paths = Paths(turn, wish.rather_seen)
        # Who was hidden stays so, also when the members move to one relay: a vote of others must
        # not show anybody's address.
        self._hidden = False
        # By which way each link that is needed is up, or is being tried; None: by none just now.
        self._links: dict[Link, route.Via | None] = {}
        self._up: set[Link] = set()
        self._back = WaysBack()
        self._moving: dict[Link, route.Via] = {}  # by which links that are up are to go instead

    @property
    def _relays(self) -> Relays:
        uses = list(self._uses())
        used = [one.relay for one in uses if one.use == "in use"]
        # One that the meeting left may go on hiding us, like any other.
        return Relays.of(used, (one.relay for one in uses if one.use != "in use"), ())

    def _way(self, link: Link, relays: Relays, moment: float) -> route.Via:
        """By which a connection goes if it begins at this moment; raises NoPathError."""
        if not (self._hidden or decided(self._wish, relays)):
            return self._wish.via
        entry = self._paths.choose(*link, relays, moment)
        return self._wish.via if entry is None else route.through(entry, self._wish.via)

    def route_for(self, relay: RelayAddress, purpose: str) -> route.Via:
        """For the next connection; raises RouteError when there is none that our person wants."""
        link, relays = (relay, purpose), self._relays
        self._hidden = self._hidden or decided(self._wish, relays)
        self._links[link] = None
        self._up.discard(link)
        try:
            via = self._way(link, relays, asyncio.get_running_loop().time())
        except NoPathError as error:
            raise route.RouteError(str(error)) from None
        # From now on the first machine of this way sees who comes, whether the link comes up or
        # not.
        self._links[link] = via
        return via

    def on_way(
        self, relay: RelayAddress, purpose: str, via: route.Via | None, worked: bool | None
    ) -> None:
        """How a connection went, as `Links` tells it."""
        link = relay, purpose
        self._up.discard(link)
        if worked is None:
            self._links.pop(link, None)
            return
        self._links[link] = via if worked else None
        if worked:
            self._up.add(link)
        self._note(relay, via, worked)

    def _note(self, relay: RelayAddress, via: route.Via | None, worked: bool) -> None:
        entry, moment = None if via is None else via.entry, asyncio.get_running_loop().time()
        if entry is None:
            return
        if worked:
            self._paths.worked(relay, entry)
            self._back.worked(relay, entry, moment)
        else:
            self._paths.failed(relay, entry, moment)
            self._back.failed(relay, entry, moment)

    def ways_back(self, changed: Callable[[], None] = lambda: None) -> dict[Link, route.Via]:
        """The links that are to be moved to other ways now, together: such as went by another
        entry than planned since something failed. `changed` is called when other machines will
        see our address than until now; so it is by `on_move`."""
        relays = self._relays
        if not (self._hidden or decided(self._wish, relays)):
            return {}
        up = {link: via.entry for link, via in self._links.items() if link in self._up and via}
        due = self._back.due(up, self._paths, relays, asyncio.get_running_loop().time())
        # From now on their first machines see who comes, too.
        self._moving = {link: route.through(one, self._wish.via) for link, one in due.items()}
        if due:
            changed()
        return dict(self._moving)

    def on_move(
        self,
        relay: RelayAddress,
        purpose: str,
        via: route.Via,
        worked: bool | None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """How moving a link went, as `Links` tells it: it goes this way now, this way failed, or
        it was given up for another reason (None)."""
        link = relay, purpose
        self._moving.pop(link, None)
        if worked:
            self._links[link] = via
            self._up.add(link)
        if worked is not None:
            self._note(relay, via, worked)
        changed()

    def seen_by(self) -> dict[RelayAddress, dict[str, Any]]:
        """What each relay sees of us now, as `sight` has it: by the links that are up or are being
        tried, and for the others by the ways that they will try next."""
        return self._seen_by(self._links, asyncio.get_running_loop().time(), self._moving)

    def expected(self) -> dict[RelayAddress, dict[str, Any]]:
        """What each would see before anything fails, once somebody shows a picture, too."""
        pictures = [one.address for one in self._relays.in_use[:PICTURE_RELAYS]]
        links = itertools.product(pictures, sorted(PICTURES))
        return self._seen_by(dict.fromkeys(links), 0.0)

    def _seen_by(
        self,
        links: Mapping[Link, route.Via | None],
        moment: float,
        beside: Mapping[Link, route.Via] = MappingProxyType({}),
    ) -> dict[RelayAddress, dict[str, Any]]:
        uses, relays = list(self._uses()), self._relays
        first = {(one.relay.address, MAIN): None for one in uses if one.carries}
        ways: list[tuple[Link, route.Via]] = []
        for link, via in {**first, **links}.items():
            with contextlib.suppress(NoPathError):
                ways.append((link, self._way(link, relays, moment) if via is None else via))
        return sight(uses, [*ways, *beside.items()])


def sight(
    uses: Iterable[RelayUse], ways: Iterable[tuple[Link, route.Via]]
) -> dict[RelayAddress, dict[str, Any]]:
    """By relay, and by each entry that is none of the meeting's: `sees_address` (our address,
    together with a room or a door there), `entry_to` (relays that we reach through it: it sees our
    address, and is not told which room is meant), `carries` ("room", "door" or "", as in RelayUse;
    "" where no way leads there), `by` (the ways to it, in words). `ways`: of every link, by relay
    and purpose; one that is being moved has two."""
    listed = list(ways)
    carries = {use.relay.address: use.carries for use in uses}
    entries = [via.entry for _, via in listed if via.entry is not None]
    found: dict[RelayAddress, dict[str, Any]] = {}
    for address in dict.fromkeys([*carries, *entries]):
        to_it = [via for (relay, _), via in listed if relay == address]
        through = [
            (relay, via.outer or route.DIRECT)
            for (relay, _), via in listed
            if route.sees_both(via, address)
        ]
        seen_through = [relay for relay, outer in through if not outer.hides_address]
        by = to_it if address in carries else [outer for _, outer in through]
        found[address] = {
            "sees_address": any(not via.hides_address for via in to_it),
            "entry_to": [str(one) for one in dict.fromkeys(seen_through)],
            "carries": carries.get(address, "") if to_it else "",
            "by": " and ".join(dict.fromkeys(map(_in_words, by))),
        }
    return found


def rows(
    uses: Iterable[RelayUse],
    up: Mapping[RelayAddress, bool],
    sees: Mapping[RelayAddress, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Who sees what, a row for each relay of the meeting, and for each entry that is none: `use` is
    "in use", "reserve", "left" or "entry". Where nobody knows what a relay sees, as much as it
    could."""
    unknown = {"sees_address": True, "entry_to": [], "by": ""}
    found = {
        one.relay.address: {
            "address": str(one.relay.address),
            "label": one.relay.label,
            "use": one.use,
            "up": up.get(one.relay.address, False),
            "carries": one.carries,
            **sees.get(one.relay.address, unknown),
        }
        for one in uses
    }
    for address, seen in sees.items():
        if address not in found:
            row = {"address": str(address), "label": "", "use": "entry", "up": False, **seen}
            found[address] = row
    return list(found.values())


def _in_words(via: route.Via) -> str:
    return f"by {via}" if via.hides_address else "directly"


def preview(wish: Wish, relays: Iterable[Relay], turn: int) -> list[dict[str, Any]]:
    """The relays of a meeting that we are not in yet, and what each would see. `turn`: as the
    PathChoice of that meeting will have it."""
    uses = first_uses(relays)
    return rows(uses, {}, PathChoice(wish, lambda: uses, turn).expected())


def choices(wish: Wish, relays: Iterable[Relay], turn: int) -> dict[str, Any] | None:
    """What each answer would mean, where our person has to choose between being hidden and having
    no gap; None where there is nothing to choose. `turn`: as for `preview`."""
    listed = list(relays)
    if not wish.open or wish.hide is not None or not choice_is_theirs(Relays.of(listed, (), ())):
        return None
    return {
        "hidden": preview(replace(wish, hide=True), listed, turn),
        "seen": preview(replace(wish, hide=False), listed, turn),
    }
