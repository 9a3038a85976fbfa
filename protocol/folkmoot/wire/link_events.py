"""What an agent's end of a link tells whoever drives it."""

from __future__ import annotations

from dataclasses import dataclass


class UsageError(Exception):
    """The caller did what this machine does not allow."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The relay said hello. `tick_ms`: its clock; `rooms_max`: rooms that one link may open
    there."""

    tick_ms: int
    rooms_max: int


@dataclass(frozen=True, slots=True)
class RoomOpened:
    handle: int


@dataclass(frozen=True, slots=True)
class RoomRefused:
    """The room was not opened and is forgotten here; opening it again later is up to the caller.
    `code`: a `messages.Refusal`, a code of a newer relay, or 0 when no answer came."""

    handle: int
    code: int
    sentence: str


@dataclass(frozen=True, slots=True)
class CellsArrived:
    """Cells of one tick, in the relay's shuffled order, our own among them."""

    handle: int
    cells: list[bytes]


@dataclass(frozen=True, slots=True)
class RelayLeaving:
    """The relay is stopping: use another, or come back later."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The relay sent what it should not; it is ignored and counts against it."""

    reason: str


@dataclass(frozen=True, slots=True)
class LinkBroken:
    """Nothing can come of this link: close it."""

    sentence: str


Event = Ready | RoomOpened | RoomRefused | CellsArrived | RelayLeaving | Rejected | LinkBroken
