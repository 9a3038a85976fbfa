"""What the agreement asks its caller to do."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.agreement.naming import Naming


@dataclass(frozen=True, slots=True)
class CommitNow:
    """It is our turn: make a commit of what is pending, and call add_candidate with it."""


@dataclass(frozen=True, slots=True)
class SendNaming:
    """Sign and send this; it comes again until something settled."""

    naming: Naming


@dataclass(frozen=True, slots=True)
class Settled:
    """The members agree on this child; move to it. Nothing comes after this."""

    child: bytes


Action = CommitNow | SendNaming | Settled
