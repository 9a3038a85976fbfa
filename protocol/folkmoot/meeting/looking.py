"""What can be seen of a meeting from outside of it: phase, roster, knocks, charter, codes, our
invite."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from folkmoot.governance import Charter, MeetingExtension, Relay
from folkmoot.meeting.context import Context
from folkmoot.meeting.deciding import MotionView
from folkmoot.meeting.events import ChatReceived, Noticed
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.marks import MarkKind
from folkmoot.meeting.names import member_id, safety_code
from folkmoot.meeting.outside import Outside
from folkmoot.meeting.relay_book import RelayUse
from folkmoot.meeting.views import KnockView, MemberView, knocks_of, roster_of
from folkmoot.wire.address import RelayAddress

if TYPE_CHECKING:
    from folkmoot.meeting.walking import Departing

# What a picture may use of its lane: 60 cells a second of some 1,100 bytes, less room for key
# frames.
PICTURE_BITRATE = 400_000


class Phase(enum.Enum):
    KNOCKING = "knocking"
    IN = "in"
    LEFT = "left"


class Looking:
    """The state of one side of a meeting, and views of it that change nothing."""

    def __init__(self, context: Context, name: str) -> None:
        self._context = context
        self.name = name
        self._inside: Inside | None = None
        self._outside: Outside | None = None
        self._left = False
        self._invite: Invite | None = None
        self._invite_cache: tuple[object, str] | None = None  # what it is made of, and the invite
        self._resting: Outside | None = None  # a claim that was not needed after all
        self._knocks_on: Outside | None = None  # our own knock, until who invited us confirms
        self._lost_check_at = 0.0
        self._alone_since: float | None = None
        self._departing: Departing | None = None

    # -- looking

    @property
    def phase(self) -> Phase:
        if self._left:
            return Phase.LEFT
        return Phase.KNOCKING if self._inside is None else Phase.IN

    @property
    def seat(self) -> bytes:
        return self._context.seat

    @property
    def group_id(self) -> bytes:
        return self._context.group_id

    @property
    def relays(self) -> tuple[Relay, ...]:
        """By number, as `OpenRoom` names them: all that the meeting has or had."""
        return self._context.relays.known

    def relay_uses(self) -> list[RelayUse]:
        """Our relays, what each is for, and which rooms of ours are there."""
        return self._context.relays.uses(self._inside is not None)

    def marks(self, now: float) -> dict[RelayAddress, list[MarkKind]]:
        """Against which relays we have marks."""
        return {} if self._inside is None else self._inside.relay_watch.marks(now)

    def noticed(self, now: float) -> list[Noticed]:
        """What is noticed about our relays at present."""
        return [] if self._inside is None else self._inside.relay_watch.noticed(now)

    @property
    def extension(self) -> MeetingExtension | None:
        """Charter, relays and lanes of the current epoch; None while we are not in."""
        return None if self._inside is None else self._inside.extension

    @property
    def charter(self) -> Charter:
        if self._inside is not None:
            return self._inside.epochs.charter
        assert self._invite is not None
        return self._invite.charter

    @property
    def confirmed(self) -> bool:
        """Whether who invited us confirmed our epoch (the founder needs nobody)."""
        return self._inside is not None and self._inside.inviter_key is None

    @property
    def epoch(self) -> int:
        return 0 if self._inside is None else self._inside.epochs.current.group.epoch

    @property
    def safety_code(self) -> str:
        """30 digits in groups of five; empty while we are not in."""
        if self._inside is None:
            return ""
        return safety_code(self._inside.epochs.current.authenticator)

    @property
    def picture_bitrate(self) -> int:
        """Bits a second that fit our picture lane."""
        return PICTURE_BITRATE

    @property
    def chat_log(self) -> list[ChatReceived]:
        return [] if self._inside is None else self._inside.chat.messages

    def roster(self, now: float) -> list[MemberView]:
        """Every seat, ours first, then by name."""
        return [] if self._inside is None else roster_of(self._inside, now)

    def name_of(self, seat: bytes) -> str:
        if self._inside is None:
            return ""
        return self._inside.presence.names(self.name).get(seat, "somebody")

    def tag_of(self, seat: bytes) -> str:
        """The tag behind a member's name; empty where no other looks like it."""
        return "" if self._inside is None else self._inside.presence.tags(self.name).get(seat, "")

    def knocks(self) -> list[KnockView]:
        """Who waits at the door for somebody to let them in, those with most work first."""
        if self._inside is None or self._left:
            return []
        return knocks_of(self._inside)

    def motions(self, now: float) -> list[MotionView]:
        """What the electors are asked now, that which ends first first."""
        if self._inside is None or self._left:
            return []
        return self._inside.motion_views(now)

    def caller_of(self, reference: bytes) -> tuple[str, str] | None:
        """Knock and name of whom a motion to admit (by a key package's reference) is about."""
        return None if self._inside is None else self._inside.entrance.caller_of(reference)

    @property
    def votes(self) -> bool:
        """Whether we are an elector; else a guest."""
        return self._inside is not None and self._inside.epochs.votes

    def hearing(self) -> list[dict[str, object]]:
        """What was received of whom since the last call."""
        if self._inside is None:
            return []
        return [
            {"member": member_id(seat), "kind": kind, "frames": frames, "lost": lost}
            for seat, kind, frames, lost in self._inside.media.hearing()
        ]

    def invite_text(self) -> str:
        """Our own invite to this meeting; that of our inviter while we are not in."""
        if self._inside is None:
            return "" if self._invite is None else self._invite.word()
        door = self._inside.entrance.door_key
        made_of = door, self.charter.hash, self._context.relays.named
        if self._invite_cache is None or self._invite_cache[0] != made_of:
            invite = Invite.make(
                group_id=self._context.group_id,
                inviter_private=self._context.key,
                door_key=door,
                door_secret=self._inside.entrance.secrets.secret,
                charter=self.charter,
                relays=self._context.relays.named,
            )
            self._invite_cache = (made_of, invite.word())
        return self._invite_cache[1]
