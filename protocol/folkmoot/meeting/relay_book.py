"""Which relays a meeting has, by number, and what each of them carries now (architecture §4, C8).

Council and voice go to all relays in use. Of the reserve only the doors are open, so that its links
are up and whoever finds no other way is heard there, until it is needed (`ways` says when). A relay
that the members left by a vote carries on for a few seconds, so that whoever settles later misses
nothing, and its door stays open for ten minutes, for those who were away.

Numbers are this side's own, and stay with a relay for as long as the meeting lasts, so that handles
of rooms go on to mean the same when the relays change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from folkmoot.governance import Relay
from folkmoot.governance.extension import RELAYS_MAX
from folkmoot.wire.address import RelayAddress

# Known in one meeting's life, so that members who change the relays all the time fill no memory.
# Those over it are not used, and a meeting that lives on none but such is over on this machine.
KNOWN_MAX = 128
LEFT_CARRIES_S = 10.0  # as long as the old epoch's keys are kept
LEFT_DOOR_S = 600.0  # as long as the commits are kept that lead from there to here
FORMER_MAX = 8
NAMED_MAX = 6  # in an invite: more would not fit a QR code that a telephone reads off a screen
# How long no relay in use carries us before the reserve is asked. Less than a link takes to come up
# through Tor would open it at every start; the whole way back has 3 s (C8).
RESERVE_AFTER_S = 0.8
RESERVE_KEPT_S = 10.0  # once open: whatever called for it may be gone and back in a moment
RESERVE_FIRST = 3  # of the reserve are asked first; each carries as much as one in use
RESERVE_NEXT_S = 2.0  # after which, while nothing carries us at all, as many more are


@dataclass(frozen=True, slots=True)
class RelayUse:
    """What a relay is to a meeting, and which rooms we want open there now: those of the meeting
    ("room"; the door is open there, too), the door alone ("door"), or none ("")."""

    relay: Relay
    use: Literal["in use", "reserve", "left"]
    carries: Literal["room", "door", ""]


def first_uses(relays: Iterable[Relay]) -> list[RelayUse]:
    """Of a meeting that we are not in yet, once we are."""
    listed = list(relays)
    used, reserve = listed[:RELAYS_MAX], listed[RELAYS_MAX:]
    doors = len(listed[:NAMED_MAX]) - len(used)
    return [
        *(RelayUse(one, "in use", "room") for one in used),
        *(RelayUse(one, "reserve", "door") for one in reserve[:doors]),
        *(RelayUse(one, "reserve", "") for one in reserve[doors:]),
    ]


class RelayNumbers:
    """Numbers for relays, for one agent's life: shared by the meetings that it walks through."""

    def __init__(self) -> None:
        self._relays: list[Relay] = []
        self._by_address: dict[RelayAddress, int] = {}

    def __len__(self) -> int:
        return len(self._relays)

    def __getitem__(self, number: int) -> Relay:
        return self._relays[number]

    def number(self, relay: Relay) -> int | None:
        """The number of this relay, a new one if it is new; None over KNOWN_MAX."""
        number = self._by_address.get(relay.address)
        if number is None and len(self._relays) < KNOWN_MAX:
            number = self._by_address[relay.address] = len(self._relays)
            self._relays.append(relay)
        elif number is not None:
            self._relays[number] = relay  # its label may be another
        return number


class RelayBook:
    """The relays of one meeting."""

    def __init__(
        self,
        relays: Iterable[Relay],
        reserve: Iterable[Relay] = (),
        *,
        numbers: RelayNumbers | None = None,
    ) -> None:
        """`numbers`: of another meeting of the same agent, to go on with."""
        self.numbers = RelayNumbers() if numbers is None else numbers
        self.in_use = self._number(relays)
        self.reserve = self._number(reserve)
        self._former: dict[int, float] = {}  # when it was left
        self._needed_at: float | None = None  # the reserve, last
        self._bare_since: float | None = None  # no relay in use carries us
        self._opened: tuple[int, ...] = ()  # of the reserve
        self.calls_reserve = False  # we need it ourselves
        self._carrying = self.in_use
        self._doors = self._named

    def _number(self, relays: Iterable[Relay]) -> tuple[int, ...]:
        numbers = (self.numbers.number(relay) for relay in relays)
        return tuple(dict.fromkeys(one for one in numbers if one is not None))

    def __getitem__(self, number: int) -> Relay:
        return self.numbers[number]

    def pin(self, number: int) -> bytes:
        """32 bytes."""
        return self.numbers[number].address.pin

    @property
    def known(self) -> tuple[Relay, ...]:
        """By number: all that this agent knows or knew."""
        return tuple(self.numbers[one] for one in range(len(self.numbers)))

    @property
    def named(self) -> tuple[Relay, ...]:
        """The first ones in use and in reserve, as invites name them."""
        return tuple(self.numbers[one] for one in self._named)

    @property
    def _named(self) -> tuple[int, ...]:
        return (*self.in_use, *self.reserve)[:NAMED_MAX]

    @property
    def carrying(self) -> tuple[int, ...]:
        """Where council and voice are open, the ones in use first."""
        return self._carrying

    @property
    def doors(self) -> tuple[int, ...]:
        """Where the door is open."""
        return self._doors

    def follow(self, relays: Sequence[Relay], reserve: Sequence[Relay], now: float) -> bool:
        """The relays of the epoch that settled; whether other rooms are to be open."""
        before = {*self._named, *self._opened}
        self.in_use, self.reserve = self._number(relays), self._number(reserve)
        for number in before.difference(self.in_use, self.reserve):
            self._former[number] = now
        return self._look(now)

    def watch(self, *, carried: bool, misses: bool, called: bool, now: float) -> bool:
        """What is known now of our ways: `carried`, whether a relay in use carries our council;
        `misses`, whether somebody has to be looked for on the reserve; `called`, whether somebody
        says that it needs the reserve. Whether other rooms are to be open."""
        if carried:
            self._bare_since = None
        elif self._bare_since is None:
            self._bare_since = now
        bare = self._bare_since is not None and now - self._bare_since >= RESERVE_AFTER_S
        self.calls_reserve = bare or misses
        if self.calls_reserve or called:
            self._needed_at = now
        return self._look(now)

    def _look(self, now: float) -> bool:
        needed = self._needed_at is not None and now - self._needed_at < RESERVE_KEPT_S
        self._opened = self.reserve[: self._reach(now)] if needed else ()
        current = (*self.in_use, *self._opened)
        named = tuple(dict.fromkeys((*self._named, *current)))
        left = {
            number: at
            for number, at in self._former.items()
            if now - at < LEFT_DOOR_S and number not in named
        }
        self._former = dict(sorted(left.items(), key=lambda one: -one[1])[:FORMER_MAX])
        lately = tuple(one for one, at in self._former.items() if now - at < LEFT_CARRIES_S)
        before = self._carrying, self._doors
        self._carrying, self._doors = (*current, *lately), (*named, *self._former)
        return before != (self._carrying, self._doors)

    def _reach(self, now: float) -> int:
        """How many of the reserve are asked. All members count alike, so that they meet: one whom
        none of the first carries finds nobody on the others unless nobody has those."""
        bare_s = 0.0 if self._bare_since is None else now - self._bare_since - RESERVE_AFTER_S
        return RESERVE_FIRST * (1 + max(0, int(bare_s / RESERVE_NEXT_S)))

    def uses(self, inside: bool) -> list[RelayUse]:
        """All that are in use, in reserve, or left a moment ago; of somebody who is not inside yet
        nothing but doors is open."""
        current = {*self.in_use, *self.reserve}
        left = [one for one in self.doors if one not in current]
        return [
            *(RelayUse(self[one], "in use", self._carries(one, inside)) for one in self.in_use),
            *(RelayUse(self[one], "reserve", self._carries(one, inside)) for one in self.reserve),
            *(RelayUse(self[one], "left", self._carries(one, inside)) for one in left),
        ]

    def _carries(self, number: int, inside: bool) -> Literal["room", "door", ""]:
        if inside and number in self.carrying:
            return "room"
        return "door" if number in self.doors else ""

    def beside(self, relays: Iterable[Relay], reserve: Iterable[Relay]) -> RelayBook:
        """The book of another meeting that this agent goes on in."""
        return RelayBook(relays, reserve, numbers=self.numbers)
