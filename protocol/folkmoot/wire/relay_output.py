"""What the relay core tells its shell to do, and the sums it keeps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from folkmoot.wire.messages import Closing, Refusal


@dataclass(frozen=True, slots=True)
class Deliver:
    """Send these messages, in this order, to each of these links."""

    links: tuple[int, ...]
    messages: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Shut:
    """Close this link, which the core has forgotten already, with this code and sentence."""

    link: int
    code: Closing
    sentence: str


@dataclass(slots=True)
class Sums:
    """What the relay counts: sums over everybody, since its start. Nothing is kept by room or by
    link."""

    links_opened: int = 0
    rooms_opened: int = 0
    cells_in: int = 0
    cells_out: int = 0
    cells_dropped: int = 0
    ticks_sent: int = 0
    ticks_skipped: int = 0
    closed: Counter[Closing] = field(default_factory=Counter)
    refused: Counter[Refusal] = field(default_factory=Counter)
