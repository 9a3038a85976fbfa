"""What comes of the epochs: commits that may count, and what happened to the current one."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.agreement import SendNaming
from folkmoot.governance.judge import Verdict
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.records import Handshake


@dataclass(slots=True)
class Candidate:
    """A commit that was found correct and allowed. `state` is None when it takes our own seat
    away."""

    parent: bytes
    committer: bytes
    verdict: Verdict
    handshake: Handshake
    requested: frozenset[bytes]
    state: EpochState | None


@dataclass(slots=True)
class Kept:
    """A parent that is still heard, until `drop_at`."""

    state: EpochState
    drop_at: float


@dataclass(frozen=True, slots=True)
class Offer:
    """A commit of ours that everybody must get."""

    handshake: Handshake


@dataclass(frozen=True, slots=True)
class Moved:
    """A commit settled: it leads from `before` to `after`, and we are there or further on."""

    before: EpochState
    after: EpochState
    verdict: Verdict
    handshake: Handshake
    committer: bytes
    requested: frozenset[bytes]  # references of the key packages that it added


@dataclass(frozen=True, slots=True)
class Removed:
    """The members settled a commit that takes our own seat away."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class CommitRefused:
    """A commit was not taken up, with the reason; whom by, when that is known."""

    committer: bytes | None
    why: str


Step = Offer | Moved | Removed | CommitRefused | SendNaming
