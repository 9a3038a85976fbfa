"""The newcomer's side of the door: knocking, waiting, and joining what the Welcome says.

A member that lost its way, or comes back from a saved state, knocks too, with a claim to its seat
in place of somebody's leave. Nothing of ours is sent before the charter is the one that we agreed
to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from folkmoot import mls
from folkmoot.governance import differences
from folkmoot.governance.charter import Charter
from folkmoot.governance.evidence import make_readmission
from folkmoot.meeting.context import Context
from folkmoot.meeting.door import (
    HANDSHAKES_MAX,
    SAID_NO,
    SENTENCES,
    WORK_BITS_MIN,
    CatchUpAnswer,
    Claim,
    DoorKind,
    Knock,
    LeafAnswer,
    RefusedAnswer,
    WaitAnswer,
    WelcomeAnswer,
    open_answer,
    public_of,
    read_notice,
    seal_knock,
)
from folkmoot.meeting.door_lane import DoorLane
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import CharterDiffers, Refused, Waiting
from folkmoot.meeting.founding import make_key_package
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.records import AUTHENTICATOR_BYTES, Handshake
from folkmoot.meeting.rooms import DOOR, Wanted
from folkmoot.meeting.secrets import EXTENSION_TYPE as SECRETS_TYPE
from folkmoot.meeting.secrets import MeetingSecrets
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import Direction, LaneSlot

KNOCK_EVERY_S = 1.0
FOLLOW_EVERY_S = 5.0
WELCOME_WAIT_S = 8.0
LEAF_ANSWERS_MAX = 8  # a claim is made anew at most so often


class Outside:
    """One who knocks."""

    def __init__(
        self,
        context: Context,
        *,
        bundle: mls.KeyPackageBundle,
        name: str,
        charter: Charter,
        door_key: bytes,
        door_secret: bytes,
        now: float,
    ) -> None:
        self._context = context
        self._bundle = bundle
        self._name = name
        self._charter = charter
        self._door_key = door_key
        self._answer_private = context.entropy(32)
        self._claim: Claim | None = None
        self._must = False
        self._followed_at = now - FOLLOW_EVERY_S
        self._bits = WORK_BITS_MIN
        self._message = b""
        self._knock_at = now
        self._lane = DoorLane(context, door_secret, now)
        self._admitted: EpochState | None = None
        self._accepted = False
        self._handshakes: list[Handshake] = []
        self._position = 0
        self._refused: set[str] = set()  # what was told
        self._granted_at: float | None = None
        self._leaf_answers = 0

    @classmethod
    def of_invite(
        cls, context: Context, invite: Invite, name: str, key: bytes, now: float
    ) -> Outside:
        """A newcomer with an invite; `key`: the private key (32 bytes) of its leaf to be."""
        outside = cls(
            context,
            bundle=make_key_package(context.seat, key, context.entropy),
            name=name,
            charter=invite.charter,
            door_key=invite.door_key,
            door_secret=invite.door_secret,
            now=now,
        )
        context.want_rooms(
            [
                Wanted(relay, DOOR, outside._lane.room_root, Direction.BOTH, "main")
                for relay in range(len(context.relays))
            ]
        )
        return outside

    @classmethod
    def of_member(cls, context: Context, inside: Inside, now: float) -> Outside:
        """A member that asks for the commits that it missed, or for a fresh leaf in its seat."""
        state = inside.epochs.current
        entry = state.entry_of(context.seat)
        assert entry is not None
        door = state.secrets.door
        outside = cls(
            context,
            bundle=make_key_package(context.seat, state.group.signature_private, context.entropy),
            name=inside.name,
            charter=inside.extension.charter,
            door_key=public_of(door.private),
            door_secret=door.secret,
            now=now,
        )
        outside.resume(inside, now)
        return outside

    def resume(self, inside: Inside, now: float) -> None:
        """Begins to claim our seat, or goes on with it."""
        self._must = inside.needs_leaf
        self._claim = None
        self._followed_at = now - FOLLOW_EVERY_S
        self._leaf_answers = 0
        self._knock_at = now
        self.follow(inside, now)

    def follow(self, inside: Inside, now: float) -> None:
        """What our claim says of the epoch that we are in may have changed."""
        if now < self._followed_at + FOLLOW_EVERY_S:
            return
        self._followed_at = now
        state = inside.epochs.current
        entry = state.entry_of(self._context.seat)
        heard = inside.side_count(now)
        claim = self._claim
        if entry is None or (
            claim is not None and (claim.authenticator, claim.heard) == (state.authenticator, heard)
        ):
            return
        self._claim_leaf(state.authenticator, entry.leaf_hash, state.group.epoch, heard)

    def _claim_leaf(self, authenticator: bytes, leaf_hash: bytes, epoch: int, heard: int) -> None:
        readmission = make_readmission(
            self._context.key,
            self._context.group_id,
            self._context.seat,
            leaf_hash,
            self._bundle.ref,
        )
        self._claim = Claim(authenticator, readmission, self._must, epoch, heard)
        self._message = b""

    # -- hearing

    def receive(self, wanted: Wanted, cells: Sequence[bytes], now: float) -> None:
        """Cells of one of our rooms."""
        if wanted.lane.slot is not LaneSlot.DOOR:
            return
        for message in self._lane.receive(cells, now):
            if message[:1] == bytes((DoorKind.NOTICE,)):
                bits = read_notice(message[1:])
                if bits is not None and bits > self._bits:
                    self._bits, self._message = bits, b""
            elif message[:1] == bytes((DoorKind.ANSWER,)):
                self._hear_answer(message[1:], now)

    def _hear_answer(self, body: bytes, now: float) -> None:
        answer = open_answer(body, self._answer_private, self._context.group_id)
        if isinstance(answer, WelcomeAnswer):
            self._join(answer)
        elif isinstance(answer, WaitAnswer):
            if answer.position != self._position:
                self._position = answer.position
                self._context.tell(Waiting(answer.position))
        elif isinstance(answer, RefusedAnswer):
            self._tell_refused(answer.why if answer.why in SENTENCES else SAID_NO)
        elif isinstance(answer, CatchUpAnswer):
            if self._claim is None:
                return  # a newcomer missed nothing, and would keep them for ever
            for data in answer.handshakes[: HANDSHAKES_MAX - len(self._handshakes)]:
                try:
                    self._handshakes.append(codec.decode(Handshake.read, data))
                except DecodeError:
                    return
        elif isinstance(answer, LeafAnswer) and not self._claims(answer.leaf_hash):
            self._hear_leaf(answer.leaf_hash, now)

    def _tell_refused(self, why: str) -> None:
        """Once each: any member can answer, and again and again."""
        if why not in self._refused:
            self._refused.add(why)
            self._context.tell(Refused("admission", why))

    def _claims(self, leaf_hash: bytes) -> bool:
        """Whether we claim this leaf already, or claimed often enough."""
        claim = self._claim
        known = claim is not None and claim.readmission.leaf_hash == leaf_hash
        return known or self._leaf_answers >= LEAF_ANSWERS_MAX

    def _hear_leaf(self, leaf_hash: bytes, now: float) -> None:
        """Our seat has a leaf already, and it is not the one that we claimed."""
        own = mls.parse_key_package(self._bundle.key_package).leaf_node
        if leaf_hash == hashlib.sha256(own).digest():
            # It is the one that we asked for: the Welcome is on its way to us, or nobody has it any
            # more and we must ask for another.
            self._granted_at = self._granted_at or now
            if now - self._granted_at < WELCOME_WAIT_S:
                return
            self._granted_at = None
            self._bundle = make_key_package(
                self._context.seat, self._context.key.private_bytes_raw(), self._context.entropy
            )
        self._leaf_answers += 1
        if self._claim is None:
            # A newcomer was let in and its Welcome lost: it claims the seat as any member would.
            self._must = True
            self._claim_leaf(bytes(AUTHENTICATOR_BYTES), leaf_hash, 0, 1)
        else:
            claim = self._claim
            self._claim_leaf(claim.authenticator, leaf_hash, claim.epoch, claim.heard)
        self._knock_at = now

    def _join(self, answer: WelcomeAnswer) -> None:
        if self._admitted is not None:
            return
        try:
            group = mls.Group.join(answer.welcome, self._bundle, ratchet_tree=answer.tree)
            sealed = {one.type: one.data for one in group.join_extensions}
            before = codec.decode(MeetingSecrets.read, sealed.get(SECRETS_TYPE, b""))
            state = EpochState(group, before.after_commit(group.export))
            if state.terms.extensions() != tuple((one.type, one.data) for one in group.extensions):
                # The members' judge lets nothing else in; whoever sends us this is no member.
                raise DecodeError("a group with more in it than the meeting's terms")
        except (mls.MlsError, DecodeError):
            self._tell_refused("What the door gave us is not a meeting.")
            return
        if group.group_id != self._context.group_id:
            self._tell_refused("The door let us into another meeting.")
            return
        charter = state.terms.charter
        if charter.hash != self._charter.hash and not self._accepted:
            sentences = differences(self._charter, charter)
            self._context.tell(CharterDiffers(tuple(sentences)))
        self._admitted = state

    # -- what came of it

    def accept_charter(self) -> None:
        """Our person read what is different and goes on."""
        self._accepted = True

    def take_admitted(self) -> EpochState | None:
        """The epoch that we are in now; held back while its charter is not the invite's."""
        if self._admitted is None:
            return None
        if self._admitted.terms.charter.hash != self._charter.hash and not self._accepted:
            return None
        return self._admitted

    def take_handshakes(self) -> list[Handshake]:
        """Commits that we missed."""
        handshakes, self._handshakes = self._handshakes, []
        return handshakes

    # -- time

    def handle_timer(self, now: float) -> None:
        if now >= self._knock_at and self._admitted is None:
            self._knock_at = now + KNOCK_EVERY_S
            if self._context.rooms.open_count(DOOR):
                self._lane.send(self._knock())
        self._lane.handle_timer(now)

    def _knock(self) -> bytes:
        # The same bytes each time: members know a repeated knock by its hash, without opening it.
        if not self._message:
            knock = Knock(
                self._bundle.key_package,
                self._name,
                public_of(self._answer_private),
                self._charter.hash,
                self._claim,
            )
            self._message = seal_knock(
                knock,
                self._door_key,
                self._context.group_id,
                self._bits,
                self._context.entropy,
            )
        return self._message

    def next_timer(self) -> float | None:
        """When `handle_timer` is due; whoever is let in and reads the charter waits for nothing."""
        times = [] if self._admitted is not None else [self._knock_at]
        if (due := self._lane.next_timer()) is not None:
            times.append(due)
        return min(times, default=None)
