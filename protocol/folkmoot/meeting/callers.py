"""What the door keeps: who knocks, what newcomers are given, and doors from before a removal."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot import mls
from folkmoot.meeting.context import Context
from folkmoot.meeting.door import Answer, Knock, seal_answer
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
    welcomed: bool = False
    refused: str | None = None

    def tell(self, found: Answer | Parcel, context: Context, now: float) -> None:
        """Answers it; MlsError when its answer key is none."""
        answer = found.answer if isinstance(found, Parcel) else found
        key = self.knock.answer_key
        self.lane.send(seal_answer(answer, key, context.group_id, context.entropy))
        if isinstance(found, Parcel):
            self.lane.deliveries.deliver(found, now)


@dataclass(frozen=True, slots=True)
class Welcomed:
    """What the newcomers of one commit, which made the epoch with this authenticator, are answered,
    and from when by us."""

    answer: Answer | Parcel
    not_before: float
    authenticator: bytes


@dataclass(frozen=True, slots=True)
class FormerDoor:
    """A door from before somebody was removed. Who holds an invite to it is told that it is void;
    members who were away meanwhile know no other, and are answered until `until`."""

    lane: DoorLane
    secrets: DoorSecrets
    until: float
