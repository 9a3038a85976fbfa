"""What a meeting asks of its driver, and what it tells it (the contract of every machine in
protocol/)."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.cells.frames import EncodedFrame, MediaKind
from folkmoot.governance.charter import Charter
from folkmoot.governance.motion import Motion
from folkmoot.meeting.marks import MarkKind
from folkmoot.meeting.noticing import NoticeKind
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import Direction, LaneSlot

# What the driver must do, in this order.


@dataclass(frozen=True, slots=True)
class OpenRoom:
    """Open the room of the Ed25519 `seed` on relay number `relay`; name it `room` from now on."""

    room: int
    relay: int
    purpose: str  # main, show or watch: rooms of one purpose share a link
    slot: LaneSlot
    seed: bytes
    direction: Direction

    def __repr__(self) -> str:
        return f"OpenRoom(room={self.room}, relay={self.relay}, slot={self.slot.name})"


@dataclass(frozen=True, slots=True)
class CloseRoom:
    room: int


@dataclass(frozen=True, slots=True)
class SendCells:
    room: int
    cells: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Save:
    """Store `data` (mode 0600) before doing anything that follows; empty: forget what is stored."""

    data: bytes

    def __repr__(self) -> str:
        return f"Save({len(self.data)} bytes)"


Outgoing = OpenRoom | CloseRoom | SendCells | Save


# What happened.


@dataclass(frozen=True, slots=True)
class Joined:
    """We are a member now."""


@dataclass(frozen=True, slots=True)
class RosterChanged:
    """Somebody's name, presence or media changed, or who knocks; look at the meeting again."""


@dataclass(frozen=True, slots=True)
class MemberIn:
    seat: bytes


@dataclass(frozen=True, slots=True)
class MemberOut:
    seat: bytes
    name: str
    cause: str  # left or removed
    tag: str = ""  # where another's name looks the same


@dataclass(frozen=True, slots=True)
class EpochChanged:
    """A commit settled."""

    epoch: int
    authenticator: bytes


@dataclass(frozen=True, slots=True)
class Knocked:
    knock: str
    name: str


@dataclass(frozen=True, slots=True)
class KnockGone:
    knock: str


@dataclass(frozen=True, slots=True)
class ChatReceived:
    seat: bytes
    name: str
    text: str
    at_ms: int
    tag: str = ""  # where another's name looks the same


@dataclass(frozen=True, slots=True)
class FrameReceived:
    """A frame of another member's sound or picture, in order, each once."""

    seat: bytes
    frame: EncodedFrame


@dataclass(frozen=True, slots=True)
class PictureGap:
    """A frame of the member's picture is missing: nothing more comes before its next key frame."""

    seat: bytes
    kind: MediaKind


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Some of what a member sends is neither shown nor played. Told once for each member and
    reason; `why` ends a sentence, such as "its picture is damaged"."""

    seat: bytes
    why: str


@dataclass(frozen=True, slots=True)
class KeyFrameNeeded:
    """Others need a key frame of our own picture now."""

    kind: MediaKind


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Who invited us confirmed our epoch: microphone and camera may be sent."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """We knocked and somebody inside heard it."""

    position: int


@dataclass(frozen=True, slots=True)
class MotionMade:
    """Somebody asks the electors something; `name`: 32 bytes; `needed`: how many must say yes."""

    name: bytes
    motion: Motion
    needed: int


@dataclass(frozen=True, slots=True)
class BallotCast:
    """The elector in `seat` answered the motion `name`."""

    name: bytes
    seat: bytes
    yes: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """The motion `name` was carried and is carried out; or it failed."""

    name: bytes
    motion: Motion
    carried: bool


@dataclass(frozen=True, slots=True)
class Called:
    """The member in `seat` calls those in `seats` to walk out together, to a meeting under this
    charter; `name`: 32 bytes. We are one of them, or the caller."""

    name: bytes
    seat: bytes
    seats: tuple[bytes, ...]
    charter: Charter


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """The member in `seat` comes along, or stays."""

    name: bytes
    seat: bytes
    yes: bool


@dataclass(frozen=True, slots=True)
class CallOver:
    """A call is over: those who said yes `went`, or nobody did."""

    name: bytes
    went: bool


@dataclass(frozen=True, slots=True)
class WalkedOut:
    """We are in another meeting now, with those who came along: Joined and EpochChanged follow."""

    by: bytes
    seats: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Noticed:
    """What this relay does to the member in `seat` (to us: when it lets nothing reach us), by the
    counts of several members. Told once while it goes on; every half minute again where we can do
    something about it."""

    kind: NoticeKind
    relay: RelayAddress
    seat: bytes


@dataclass(frozen=True, slots=True)
class Marked:
    """A mark against a relay, by what we ourselves got through it. Told once while it lasts."""

    kind: MarkKind
    relay: RelayAddress


@dataclass(frozen=True, slots=True)
class Refused:
    """Something was not done. `what`: admission, commit, chat and so on; `why`: a sentence; `seat`:
    whose it was, if that is known and not ours."""

    what: str
    why: str
    seat: bytes | None = None


@dataclass(frozen=True, slots=True)
class CharterDiffers:
    """The meeting's charter is not the one that the invite named; nothing was sent since."""

    sentences: tuple[str, ...]


LEFT_WELL = "You left the meeting."  # and the others know it, or there were none


@dataclass(frozen=True, slots=True)
class Removal:
    """That the members took our seat away by their vote: `how`, who moved it and who said yes, and
    the `rules` by which it was decided, in sentences."""

    how: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """We are out, properly or not; nothing more happens. `why` says it whole."""

    why: str
    removal: Removal | None = None


Event = (
    Joined
    | RosterChanged
    | MemberIn
    | MemberOut
    | EpochChanged
    | Knocked
    | KnockGone
    | ChatReceived
    | FrameReceived
    | PictureGap
    | LeftOut
    | KeyFrameNeeded
    | Confirmed
    | Waiting
    | MotionMade
    | BallotCast
    | Decided
    | Called
    | CallAnswered
    | CallOver
    | WalkedOut
    | Noticed
    | Marked
    | Refused
    | CharterDiffers
    | Left
)
