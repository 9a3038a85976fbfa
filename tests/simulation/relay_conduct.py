"""What a relay of the world does with what passes through it: the honest one, and hostile ones.

The relay is the adversary of this project, so it is an interface here: every message that a link
sends to the real relay core, and every one that the core sends to a link, goes through a `Conduct`.
The honest one passes all of it on. The hostile ones hold no keys, as no relay does; within that
they do what they like with cells: lose, delay, repeat, reorder, bend, replay, keep from some, put
into another room, and close links.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Protocol

from folkmoot.wire import messages
from folkmoot.wire.lanes import LANE_RULES
from folkmoot.wire.messages import RelayType
from folkmoot.wire.relay_core import RelayCore

KEPT_MAX = 400  # cells that a replaying relay has at hand
CELLS = bytes((RelayType.CELLS,))
HEAD = messages.CELLS_HEADER_BYTES

Later = tuple[float, bytes]  # seconds from now (0: in its order), message


class Relaying(Protocol):
    """What a conduct may know and do: what the relay itself knows, and no more."""

    core: RelayCore
    number: int

    def links(self) -> list[int]: ...
    def shut(self, link: int) -> None: ...
    def room_of(self, number: int) -> tuple[int, list[int]] | None: ...
    def say(self, link: int, message: bytes, delay_s: float) -> None: ...
    def at(self, delay_s: float, action: Callable[[], None]) -> None: ...


class Conduct:
    """The honest relay."""

    name = "honest"
    hostile = False

    def begin(self, relay: Relaying) -> None:
        """The relay starts, or takes this conduct up."""

    def into(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        """What of a link's message reaches the core, and when."""
        yield 0.0, message

    def out(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        """What of the core's message reaches the link, and when."""
        yield 0.0, message


class Hostile(Conduct):
    """Takes cells messages apart, so that what follows decides about each cell."""

    name = "hostile"
    hostile = True

    def __init__(self, chance: random.Random, much: float = 0.2) -> None:
        """`much`: how much of what it does, 0 to 1."""
        self.chance = chance
        self.much = much

    def out(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        room = relay.room_of(int.from_bytes(message[1:HEAD], "big"))
        if message[:1] != CELLS or room is None:
            yield 0.0, message
            return
        later: dict[float, list[bytes]] = {}
        size = room[0]
        for start in range(HEAD, len(message), size):
            for delay_s, cell in self.cell(relay, link, message[start : start + size]):
                later.setdefault(delay_s, []).append(cell)
        for delay_s, cells in later.items():
            yield delay_s, message[:HEAD] + b"".join(cells)

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        """What becomes of a cell on its way to one link."""
        yield 0.0, cell


class Losing(Hostile):
    """Loses cells."""

    name = "losing"

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        if self.chance.random() >= self.much:
            yield 0.0, cell


class Delaying(Hostile):
    """Holds some cells back for as long as three seconds."""

    name = "delaying"

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        late = self.chance.random() < self.much
        yield (round(self.chance.uniform(0.05, 3.0), 2) if late else 0.0), cell


class Repeating(Hostile):
    """Gives cells out more than once, at once and later."""

    name = "repeating"

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        yield 0.0, cell
        if self.chance.random() < self.much:
            yield 0.0, cell
            yield round(self.chance.uniform(0.1, 5.0), 1), cell


class Reordering(Hostile):
    """Lets later cells overtake earlier ones, by a second at most."""

    name = "reordering"

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        yield round(self.chance.random() * (0.02 + self.much), 2), cell


class Bending(Hostile):
    """Turns bits over, cuts messages short, makes some up."""

    name = "bending"

    def out(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        yield from super().out(relay, link, message)
        if self.chance.random() < 0.02 * self.much:
            yield 0.0, self.chance.randbytes(self.chance.choice((0, 1, 5, 40, 1157)))
        if self.chance.random() < 0.02 * self.much:
            yield 0.0, message[: self.chance.randrange(len(message))]

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        if self.chance.random() < self.much:
            place, bit = self.chance.randrange(len(cell)), 1 << self.chance.randrange(8)
            bent = bytes((cell[place] ^ bit,))
            cell = cell[:place] + bent + cell[place + 1 :]
        yield 0.0, cell


class Replaying(Hostile):
    """Keeps cells and gives them out again a long time after."""

    name = "replaying"

    def __init__(self, chance: random.Random, much: float = 0.2) -> None:
        super().__init__(chance, much)
        self._kept: dict[int, list[bytes]] = {}  # by size

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        kept = self._kept.setdefault(len(cell), [])
        if len(kept) < KEPT_MAX:
            kept.append(cell)
        elif self.chance.random() < 0.1:  # so that some are old
            kept[self.chance.randrange(KEPT_MAX)] = cell
        yield 0.0, cell
        if self.chance.random() < self.much:
            yield 0.0, self.chance.choice(kept) if kept else cell


class Crossing(Hostile):
    """Puts cells of one room into another of the same size."""

    name = "crossing"

    def __init__(self, chance: random.Random, much: float = 0.2) -> None:
        super().__init__(chance, much)
        self._last: dict[int, bytes] = {}

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        other, self._last[len(cell)] = self._last.get(len(cell), cell), cell
        yield 0.0, cell if self.chance.random() >= self.much else other


class Withholding(Hostile):
    """For some seconds at a time, nobody gets what one link sends."""

    name = "withholding"

    def __init__(self, chance: random.Random, much: float = 0.2) -> None:
        super().__init__(chance, much)
        self.victim: int | None = None

    def begin(self, relay: Relaying) -> None:
        links = relay.links()
        self.victim = self.chance.choice(links) if links and self.chance.random() < 0.6 else None
        relay.at(self.chance.uniform(1.0, 8.0), lambda: self.begin(relay))

    def into(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        if link != self.victim or message[:1] != CELLS:
            yield 0.0, message


class Parting(Hostile):
    """For some seconds at a time, the links are two halves that hear nothing of each other."""

    name = "parting"

    def __init__(self, chance: random.Random, much: float = 0.2) -> None:
        super().__init__(chance, much)
        self._half: set[int] | None = None
        self._from: dict[bytes, int] = {}  # the end of a cell: who sent it

    def begin(self, relay: Relaying) -> None:
        apart = self.chance.random() < 0.5
        self._half = {one for one in relay.links() if self.chance.random() < 0.5} if apart else None
        relay.at(self.chance.uniform(1.0, 12.0), lambda: self.begin(relay))

    def into(self, relay: Relaying, link: int, message: bytes) -> Iterator[Later]:
        room = relay.room_of(int.from_bytes(message[1:HEAD], "big"))
        if message[:1] == CELLS and room is not None:
            if len(self._from) > KEPT_MAX:
                self._from.clear()
            for start in range(HEAD, len(message), room[0]):
                self._from[message[start : start + room[0]][-16:]] = link
        yield 0.0, message

    def cell(self, relay: Relaying, link: int, cell: bytes) -> Iterator[Later]:
        sender, half = self._from.get(cell[-16:]), self._half
        if half is None or sender is None or (sender in half) == (link in half):
            yield 0.0, cell


class Closing(Hostile):
    """Closes links whenever it likes."""

    name = "closing"

    def begin(self, relay: Relaying) -> None:
        links = relay.links()
        if links and self.chance.random() < 0.7:
            relay.shut(self.chance.choice(links))
        relay.at(self.chance.uniform(0.5, 6.0), lambda: self.begin(relay))


HOSTILE: tuple[type[Hostile], ...] = (
    Losing,
    Delaying,
    Repeating,
    Reordering,
    Bending,
    Replaying,
    Crossing,
    Withholding,
    Parting,
    Closing,
)
CELL_SIZES = {rule.cell_bytes for rule in LANE_RULES.values()}
