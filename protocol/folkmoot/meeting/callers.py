"""What the door keeps: who knocks, what newcomers are given, and doors from before a removal."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot import mls
from folkmoot.meeting.door import Answer, Knock
from folkmoot.meeting.door_lane import DoorLane
from folkmoot.meeting.parcel import Parcel
from folkmoot.meeting.secrets import DoorSecrets

ANSWER_EVERY_S = 2.0  # to one newcomer


@dataclass(slots=True)
class Caller:
    """One who knocks, at which door."""

    lane: DoorLane
    id: str
    knock: Knock
    view: mls.KeyPackageView
    work: int
    since: float
    heard_at: float
    answered_at: float = -ANSWER_EVERY_S
    admitted: bool = False
    told: bool = False
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Welcomed:
    """What the newcomers of one commit are answered, and from when by us."""

    answer: Answer | Parcel
    not_before: float


@dataclass(frozen=True, slots=True)
class FormerDoor:
    """A door from before somebody was removed. Who holds an invite to it is told that it is void;
    members who were away meanwhile know no other, and are answered until `until`."""

    lane: DoorLane
    secrets: DoorSecrets
    until: float
