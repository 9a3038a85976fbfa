"""The newcomer's side of the door: knocking, waiting, and joining what the Welcome says.

A member that lost its way, or comes back from a saved state, knocks too, with a claim to its seat
in place of somebody's leave. It goes nowhere but where enough of those whom it knew are
(`witnesses`). Nothing of ours is sent before the charter is the one that we agreed to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot import mls
from folkmoot.governance import differences
from folkmoot.governance.charter import Charter
from folkmoot.governance.evidence import make_readmission
from folkmoot.meeting.context import Context
from folkmoot.meeting.door import (
    HANDSHAKES_MAX,
    NOWHERE,
    SAID_NO,
    SENTENCES,
    WORK_BITS_MIN,
    Answer,
    CatchUpAnswer,
    Claim,
    DoorKind,
    Knock,
    LeafAnswer,
    ParcelAnswer,
    RefusedAnswer,
    Side,
    WaitAnswer,
    WelcomeAnswer,
    WitnessAnswer,
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
from folkmoot.meeting.parcel import Parcels
from folkmoot.meeting.records import Handshake
from folkmoot.meeting.rooms import DOOR, Wanted
from folkmoot.meeting.secrets import EXTENSION_TYPE as SECRETS_TYPE
from folkmoot.meeting.secrets import DoorSecrets, MeetingSecrets
from folkmoot.meeting.witnesses import NOBODY, Known, Witnesses
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import load_public_key
from folkmoot.wire.lanes import Direction, LaneSlot

KNOCK_EVERY_S = 1.0
# One that is in and not yet confirmed, or whose person reads another charter, knocks on just so
# often that nobody thinks it gone. Most are confirmed before the first of these.
KNOCK_ON_EVERY_S = 4.0
OFFERS_MAX = 4  # epochs that the door offered; each is offered again as long as one knocks
ANSWERS_KNOWN_MAX = 64
FOLLOW_EVERY_S = 5.0
WELCOME_WAIT_S = 8.0
BEST_SIDE_S = 10.0
LEAF_ANSWERS_MAX = 8  # a claim is made anew at most so often in LEAF_ANSWERS_S
LEAF_ANSWERS_S = 20.0


@dataclass(slots=True)
class _Doorway:
    """One door that we knock at: `key` (X25519, 32 bytes) seals our knock, which is `message` once
    it was made; `bits`: the work that this door asks for."""

    key: bytes
    lane: DoorLane
    bits: int = WORK_BITS_MIN
    message: bytes = b""


@dataclass(frozen=True, slots=True)
class _Offer:
    """An epoch that the door offered, and when first."""

    state: EpochState
    at: float


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
        self._answer_private = context.entropy(32)
        self._claim: Claim | None = None
        self._must = False
        self._followed_at = now
        self._held: set[bytes] = set()  # epochs that we hear ourselves
        self._best: tuple[Side, float] | None = None  # the side that we asked for a leaf, and when
        self._knock_at = now
        self._doors = [_Doorway(door_key, DoorLane(context, door_secret, now))]
        self._offers: list[_Offer] = []
        self._answers: dict[bytes, None] = {}  # Welcomes that were looked at, by their hash
        self._witnesses = Witnesses()
        self._known = NOBODY
        self._differs: bytes | None = None  # hash of the charter that our person was shown
        self._accepted: bytes | None = None
        self._is_in = False  # a newcomer that is in and not yet confirmed
        self._handshakes: list[Handshake] = []
        self._position = 0
        self._refused: set[str] = set()  # what was told
        self._granted_at: float | None = None
        self._leaf_answers = 0
        self._leaf_since = now
        self._parcels = Parcels()

    @classmethod
    def of_invite(
        cls, context: Context, invite: Invite, name: str, key: bytes, now: float
    ) -> Outside:
        """A newcomer with an invite; `key`: the private key (32 bytes) of its leaf to be."""
        outside = cls(
            context,
            bundle=make_key_package(key, context.entropy),
            name=name,
            charter=invite.charter,
            door_key=invite.door_key,
            door_secret=invite.door_secret,
            now=now,
        )
        outside._know_inviter(invite.inviter_seat, invite.inviter_key)
        context.want_rooms(
            [
                Wanted(relay, DOOR, outside._doors[0].lane.room_root, Direction.BOTH, "main")
                for relay in context.relays.doors
            ]
        )
        return outside

    @classmethod
    def of_member(cls, context: Context, inside: Inside, now: float) -> Outside:
        """A member that asks for the commits that it missed, or for a fresh leaf in its seat."""
        state = inside.epochs.current
        entry = state.entry_of(context.seat)
        assert entry is not None
        door = inside.entrance.secrets
        outside = cls(
            context,
            bundle=make_key_package(state.group.signature_private, context.entropy),
            name=inside.name,
            charter=inside.extension.charter,
            door_key=public_of(door.private),
            door_secret=door.secret,
            now=now,
        )
        outside.resume(inside, now)
        return outside

    def _know_inviter(self, seat: bytes, key: bytes) -> None:
        """A newcomer knows who invited it, and nobody else."""
        public = load_public_key(key)
        if public is not None:
            self._known = Known({}, frozenset(), {seat: public}, False)

    def resume(self, inside: Inside, now: float) -> None:
        """Begins to claim our seat, or goes on with it."""
        self._must = inside.needs_leaf
        self._claim = None
        self._leaf_answers = 0
        self._knock_at = now
        self.follow(inside, now)

    def follow(self, inside: Inside, now: float) -> None:
        """What our claim says of the epoch that we are in may have changed."""
        self._held = inside.held()
        self._known = inside.presence.known(self._held, now)
        state, claim = inside.epochs.current, self._claim
        side = Side(state.authenticator, state.group.epoch, inside.side_count(now))
        moved = claim is None or claim.side.authenticator != side.authenticator
        if inside.needs_leaf and not self._must:
            self._must = moved = True  # somebody gave our seat another leaf meanwhile
        if not moved and now < self._followed_at + FOLLOW_EVERY_S:
            return
        self._followed_at = now
        self._knock_at_all(inside.entrance.doors, now)
        entry = state.entry_of(self._context.seat)
        if entry is not None and (claim is None or claim.side != side or claim.must != self._must):
            self._claim_leaf(side, entry.leaf_hash)

    def _knock_at_all(self, doors: Sequence[DoorSecrets], now: float) -> None:
        """The door that we know, and those before it (`Entrance.doors`)."""
        known = {door.key: door for door in self._doors}
        keys = {public_of(one.private): one.secret for one in doors}
        self._doors = [
            known.get(key) or _Doorway(key, DoorLane(self._context, secret, now))
            for key, secret in keys.items()
        ]

    def _claim_leaf(self, side: Side, leaf_hash: bytes) -> None:
        readmission = make_readmission(
            self._context.key,
            self._context.group_id,
            self._context.seat,
            leaf_hash,
            self._bundle.ref,
        )
        self._claim = Claim(side, readmission, self._must)
        for door in self._doors:
            door.message = b""

    @property
    def room_roots(self) -> tuple[bytes, ...]:
        """Roots of the rooms of the doors that we knock at."""
        return tuple(door.lane.room_root for door in self._doors)

    # -- hearing

    def receive(self, wanted: Wanted, cells: Sequence[bytes], now: float) -> None:
        """Cells of one of our rooms."""
        if wanted.lane.slot is not LaneSlot.DOOR:
            return
        for door in self._doors:
            if door.lane.room_root != wanted.root:
                continue
            for message in door.lane.receive(cells, now):
                self._hear_message(door, message, now)

    def _hear_message(self, door: _Doorway, message: bytes, now: float) -> None:
        kind, body = message[:1], message[1:]
        if kind == bytes((DoorKind.NOTICE,)):
            bits = read_notice(body)
            if bits is not None and bits > door.bits:
                door.bits, door.message = bits, b""
        elif kind == bytes((DoorKind.ANSWER,)):
            answer = open_answer(body, self._answer_private, self._context.group_id)
            if isinstance(answer, ParcelAnswer):
                answer = self._parcels.want(answer)
            self._hear_answer(answer, now)
        elif kind == bytes((DoorKind.PARCEL,)):
            self._hear_answer(self._parcels.receive(body), now)

    def _hear_answer(self, answer: Answer | None, now: float) -> None:
        if isinstance(answer, WelcomeAnswer):
            self._join(answer, now)
        elif isinstance(answer, WitnessAnswer):
            self._witnesses.hear(answer.namings, self._known, self._context.group_id)
        elif self._is_in:
            return  # we are in, and knock only to be found by who invited us
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
        elif isinstance(answer, LeafAnswer) and self._moves_to(answer.side, now):
            self._hear_leaf(answer.leaf_hash, now)

    def _moves_to(self, side: Side, now: float) -> bool:
        """Whether we would take a leaf on this side. If we can go on with our own leaf: on our side
        there is no other to be had, and from one that gives way to ours its members come. Of others
        the best that was heard of for a while, or two sides would be claimed in turn and neither
        kept. What a side says of itself counts after who vouches for it."""
        claim, best = self._claim, self._best
        ours = claim.side if claim is not None and not claim.must else None
        if ours and (side.authenticator in self._held or side.rank >= ours.rank):
            return False
        if best is not None and now - best[1] < BEST_SIDE_S and self._better(best[0], side):
            return best[0].authenticator == side.authenticator
        self._best = side, now
        return True

    def _better(self, one: Side, other: Side) -> bool:
        """Whether the first of two sides is."""
        vouched, against = (self._vouched(each.authenticator) for each in (one, other))
        return (-vouched, one.rank) < (-against, other.rank)

    def _vouched(self, authenticator: bytes) -> int:
        """How many of those whom we know vouch for this epoch."""
        return len(self._witnesses.of(authenticator) & self._known.base.keys())

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
        """Our seat has a leaf already; perhaps it is not the one that we claimed."""
        if now - self._leaf_since >= LEAF_ANSWERS_S:
            self._leaf_since, self._leaf_answers = now, 0
        if self._claims(leaf_hash):
            return
        own = mls.parse_key_package(self._bundle.key_package).leaf_node
        if leaf_hash == hashlib.sha256(own).digest():
            # It is the one that we asked for: the Welcome is on its way to us, or nobody has it any
            # more and we must ask for another.
            self._granted_at = self._granted_at or now
            if now - self._granted_at < WELCOME_WAIT_S:
                return
            self._granted_at = None
            self._bundle = make_key_package(
                self._context.key.private_bytes_raw(), self._context.entropy
            )
        self._leaf_answers += 1
        if self._claim is None:
            # A newcomer was let in and its Welcome lost: it claims the seat as any member would.
            self._must = True
            self._claim_leaf(NOWHERE, leaf_hash)
        else:
            self._claim_leaf(self._claim.side, leaf_hash)
        self._knock_at = now

    def _join(self, answer: WelcomeAnswer, now: float) -> None:
        name = hashlib.sha256(answer.welcome + answer.tree).digest()
        if name in self._answers:
            return
        if len(self._answers) >= ANSWERS_KNOWN_MAX:
            self._answers.pop(next(iter(self._answers)))
        self._answers[name] = None
        try:
            group = mls.Group.join(answer.welcome, self._bundle, ratchet_tree=answer.tree)
            sealed = {one.type: one.data for one in group.join_extensions}
            before = codec.decode(MeetingSecrets.read, sealed.get(SECRETS_TYPE, b""))
            state = EpochState(group, before.after_commit(group.export))
            if state.terms.extensions() != tuple((one.type, one.data) for one in group.extensions):
                # The members' judge lets nothing else in; whoever sends us this is no member.
                raise DecodeError("a group with more in it than the meeting's terms")
            state.check_seats()
        except (mls.MlsError, DecodeError):
            self._tell_refused("What the door gave us is not a meeting.")
            return
        if group.group_id != self._context.group_id:
            self._tell_refused("The door let us into another meeting.")
            return
        self._offers.append(_Offer(state, now))
        if len(self._offers) > OFFERS_MAX:
            # It is looked at again if it is offered again.
            least = min(self._offers, key=lambda one: self._vouched(one.state.authenticator))
            self._offers.remove(least)
            self._answers.clear()

    # -- what came of it

    def accept_charter(self) -> None:
        """Our person read what is different and goes on."""
        self._accepted = self._differs

    def take_admitted(self, now: float) -> EpochState | None:
        """The epoch to go to, if one of those that were offered is: to a newcomer the first, or one
        that who invited it vouches for; to a member that enough vouch for. Held back while its
        charter is not the one that we agreed to."""
        best = sorted(self._offers, key=lambda one: -self._vouched(one.state.authenticator))
        taken = next((one.state for one in best if self._is_taken(one, now)), None)
        if taken is None:
            return None
        charter = taken.terms.charter
        if charter.hash in (self._charter.hash, self._accepted):
            return taken
        if charter.hash != self._differs:
            self._differs = charter.hash
            self._context.tell(CharterDiffers(tuple(differences(self._charter, charter))))
        return None

    def _is_taken(self, offer: _Offer, now: float) -> bool:
        authenticator, claim = offer.state.authenticator, self._claim
        if self._is_in:
            return self._vouched(authenticator) > 0
        if claim is None or claim.side == NOWHERE:
            return True
        waited_s = now - offer.at
        return self._witnesses.vouch(authenticator, self._known, waited_s, claim.must)

    def is_known(self, state: EpochState) -> bool:
        """Whether most of those whom we know vouch for this epoch."""
        return 2 * self._vouched(state.authenticator) > len(self._known.base)

    def knock_on(self, now: float) -> None:
        """We are in, and who invited us has not confirmed it yet: whoever answered first may have
        let us into a meeting of its own."""
        self._is_in = True
        self._knock_at = now + KNOCK_ON_EVERY_S
        self._offers.clear()

    def take_handshakes(self) -> list[Handshake]:
        """Commits that we missed."""
        handshakes, self._handshakes = self._handshakes, []
        return handshakes

    # -- time

    def handle_timer(self, now: float) -> None:
        if now >= self._knock_at:
            rarely = self._is_in or self._differs != self._accepted
            self._knock_at = now + (KNOCK_ON_EVERY_S if rarely else KNOCK_EVERY_S)
            if self._context.rooms.open_count(DOOR):
                for door in self._doors:
                    door.lane.send(self._knock(door))
        for door in self._doors:
            door.lane.handle_timer(now)

    def _knock(self, door: _Doorway) -> bytes:
        # The same bytes each time: members know a repeated knock by its hash, without opening it.
        if not door.message:
            knock = Knock(
                self._bundle.key_package,
                self._name,
                public_of(self._answer_private),
                self._charter.hash,
                self._claim,
            )
            door.message = seal_knock(
                knock, door.key, self._context.group_id, door.bits, self._context.entropy
            )
        return door.message

    def next_timer(self) -> float:
        """When `handle_timer` is due."""
        dues = (door.lane.next_timer() for door in self._doors)
        return min([self._knock_at, *(due for due in dues if due is not None)])
