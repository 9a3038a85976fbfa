"""The members' side of the door: who knocks, who is let in, and what they are answered.

Every member holds the door's key and hears every knock; anybody can hand out what a settled commit
made, the committer at once and others later if the newcomer still knocks. Knocks are bounded in
number and ordered by their work, so a flood pushes out its own cheap ones first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from folkmoot import mls
from folkmoot.governance.charter import Admission
from folkmoot.governance.seat import seat_of
from folkmoot.meeting.callers import ANSWER_EVERY_S, Caller, FormerDoor, Welcomed
from folkmoot.meeting.context import Context, UsageError
from folkmoot.meeting.door import (
    NO_SUCH_MEMBER,
    SAID_NO,
    VOID,
    WORK_BITS_MAX,
    WORK_BITS_MIN,
    Answer,
    CatchUpAnswer,
    Claim,
    DoorKind,
    Knock,
    LeafAnswer,
    RefusedAnswer,
    Side,
    WaitAnswer,
    WelcomeAnswer,
    WitnessAnswer,
    encode_notice,
    open_knock,
    public_of,
    work_of,
)
from folkmoot.meeting.door_lane import DoorLane
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.epochs import Epochs
from folkmoot.meeting.events import Knocked, KnockGone
from folkmoot.meeting.laggards import Laggards
from folkmoot.meeting.names import clean_name
from folkmoot.meeting.parcel import Parcel, make_parcel
from folkmoot.meeting.pending import Request
from folkmoot.meeting.secrets import DoorSecrets
from folkmoot.meeting.steps import Moved

KNOCKS_MAX = 128
KNOCK_SILENT_S = 10.0  # who knocks no more has gone
OTHERS_AFTER_S = 1.5  # a member's rank in the answering order, times this
CATCH_UP_S = 6.0  # for the missed commits to be enough, before a fresh leaf is made
RECENT_S = 10.0
NEW_KNOCKS_MAX = 40  # in RECENT_S, before the door asks for twice the work
# As many as double the work for the last time.
RECENT_MAX = NEW_KNOCKS_MAX << (WORK_BITS_MAX - WORK_BITS_MIN)
NOTICE_EVERY_S = 1.0
WELCOMES_MAX = 256  # newcomers who can still be answered
SEEN_MAX = 4096
DOOR_KEPT_S = 600.0  # as long as the commits are kept that lead from there to here
DOORS_MAX = 2


@dataclass(slots=True)
class Entrance:
    """One member's part of the door."""

    context: Context
    epochs: Epochs
    laggards: Laggards
    secrets: DoorSecrets
    side_count: Callable[[float], int]
    namings_of: Callable[[bytes], Sequence[bytes]]
    now: float
    lane: DoorLane = field(init=False)
    bits: int = WORK_BITS_MIN
    _former: list[FormerDoor] = field(default_factory=list)
    _callers: dict[str, Caller] = field(default_factory=dict)
    _same: dict[str, str] = field(default_factory=dict)  # a claim at another door: its caller
    _requests: list[Request] = field(default_factory=list)
    _welcomes: dict[bytes, Welcomed] = field(default_factory=dict)  # by key package
    _bad: dict[bytes, None] = field(default_factory=dict)
    _recent: list[float] = field(default_factory=list)
    _notice_at: float = 0.0

    def __post_init__(self) -> None:
        self.lane = DoorLane(self.context, self.secrets.secret, self.now)

    @property
    def room_roots(self) -> list[bytes]:
        """Roots of the rooms of the door and of those before it."""
        return [self.lane.room_root, *(one.lane.room_root for one in self._former)]

    @property
    def doors(self) -> list[DoorSecrets]:
        """The door and those before it, newest first. A member that claims its seat knocks at all:
        where a removal was settled by two sides apart, each has a door of its own, and the last one
        that both know is the one before."""
        return [self.secrets, *(one.secrets for one in self._former)]

    def new_door(self, secrets: DoorSecrets, now: float) -> None:
        """Somebody was removed: whoever waits outside needs another invite."""
        if secrets == self.secrets:
            return
        former = FormerDoor(self.lane, self.secrets, now + DOOR_KEPT_S)
        self._former = [former, *self._former][:DOORS_MAX]
        self.secrets = secrets
        self.lane = DoorLane(self.context, secrets.secret, now)
        self._requests.clear()
        for caller in list(self._callers.values()):
            if caller.knock.claim is None:
                self._untell(caller)
                caller.refused, caller.answered_at = VOID, -ANSWER_EVERY_S
                self._answer(caller, now)

    @property
    def door_key(self) -> bytes:
        """X25519 public key (32 bytes) for invites."""
        return public_of(self.secrets.private)

    # -- hearing

    def receive(self, cells: Sequence[bytes], now: float, root: bytes | None = None) -> bool:
        """Cells of the door room with this root, the present one's if none is given; whether one
        knocked who may come in."""
        knocked = False
        doors = [(self.lane, self.secrets.private)]
        doors += [(one.lane, one.secrets.private) for one in self._former]
        for lane, private in doors:
            if lane.room_root != (root or self.lane.room_root):
                continue
            for message in lane.receive(cells, now):
                if message[:1] == bytes((DoorKind.KNOCK,)):
                    knocked |= self._hear_knock(message[1:], now, lane, private)
                elif message[:1] == bytes((DoorKind.PARCEL,)):
                    lane.deliveries.heard(message[1:], now)
        return knocked

    def _hear_knock(self, body: bytes, now: float, lane: DoorLane, private: bytes) -> bool:
        name = hashlib.sha256(body).digest()[:16]
        caller = self._callers.get(self._same.get(name.hex(), name.hex()))
        if caller is not None:
            caller.heard_at = now
            if caller.knock.claim is not None and not caller.admitted:
                self._welcome_caller(caller, now)
            self._answer(caller, now)
            return True
        bad = name + lane.room_root  # at this door: it may be good at another
        if bad in self._bad:
            return False
        work = work_of(body)
        if work < self.bits:
            self._ask_for_work(lane, now)
            return False
        knock = open_knock(body, private, self.context.group_id)
        view = None
        if knock is not None:
            try:
                view = mls.parse_key_package(knock.key_package)
            except mls.MlsError:
                knock = None
        if view is not None and not self._may_have(view):
            view = None
        if knock is None or view is None:
            if len(self._bad) >= SEEN_MAX:
                self._bad.pop(next(iter(self._bad)))
            self._bad[bad] = None
            return False
        self._recent = [one for one in self._recent if now - one < RECENT_S][-RECENT_MAX:]
        self._recent.append(now)
        if len(self._recent) > NEW_KNOCKS_MAX << (self.bits - WORK_BITS_MIN):
            self.bits = min(self.bits + 1, WORK_BITS_MAX)
        elif len(self._recent) < NEW_KNOCKS_MAX // 4:
            self.bits = max(self.bits - 1, WORK_BITS_MIN)
        same = self._same_claim(knock)
        if same is not None:
            same.heard_at = now
            self._same[name.hex()] = same.id
            return True
        caller = Caller(lane, name.hex(), knock, view, work, now, now)
        if not self._make_place(caller):
            self._ask_for_work(lane, now)
            return False
        self._callers[caller.id] = caller
        self._welcome_caller(caller, now)
        self._answer(caller, now)
        return True

    def _same_claim(self, knock: Knock) -> Caller | None:
        """The caller whose claim this is, too: a claim is said at every door that its member
        knows, sealed to each."""
        if knock.claim is None:
            return None
        return next((one for one in self._callers.values() if one.knock == knock), None)

    def _may_have(self, view: mls.KeyPackageView) -> bool:
        """Whether who has this key may knock for this seat: a member reads which seat a newcomer
        knocks for, and could knock for it, too, and push the newcomer's own knock out."""
        if view.identity == self.context.seat:
            return False  # our own claim, come back from the relay
        return view.identity == seat_of(view.signature_key)

    def _make_place(self, caller: Caller) -> bool:
        """Room for one more: of one seat only the newest knock stays, then the least work goes."""
        for one in [x for x in self._callers.values() if x.view.identity == caller.view.identity]:
            self._forget(one)
            caller.since = min(caller.since, one.since)
            if one.told:
                self.context.tell(KnockGone(one.id))
        if len(self._callers) < KNOCKS_MAX:
            return True
        least = self._least()
        if least is None or (least.work, -least.since) >= (caller.work, -caller.since):
            return False
        self._drop(least)
        return True

    def _least(self) -> Caller | None:
        """Who gives way first."""
        waiting = [one for one in self._callers.values() if not one.admitted]
        return min(waiting, key=lambda one: (one.work, -one.since), default=None)

    def _drop(self, caller: Caller) -> None:
        self._forget(caller)
        if caller.told:
            self.context.tell(KnockGone(caller.id))

    def _forget(self, caller: Caller) -> None:
        del self._callers[caller.id]
        self._same = {one: of for one, of in self._same.items() if of != caller.id}

    def _ask_for_work(self, lane: DoorLane, now: float) -> None:
        if now - self._notice_at >= NOTICE_EVERY_S:
            self._notice_at = now
            bits, least = self.bits, self._least()
            if least is not None and len(self._callers) >= KNOCKS_MAX:
                # Who did as much as the door asks finds no place all the same: say what one costs.
                bits = min(max(bits, least.work + 1), WORK_BITS_MAX)
            lane.send(encode_notice(bits))

    def _welcome_caller(self, caller: Caller, now: float) -> None:
        """What becomes of a new knock: a claim is judged by its evidence, anybody else asks."""
        state, knock = self.epochs.current, caller.knock
        claim = knock.claim
        if claim is not None:
            entry = state.entry_of(caller.view.identity)
            if entry is None:
                caller.refused = NO_SUCH_MEMBER
            elif entry.leaf_hash == claim.readmission.leaf_hash:
                if not claim.must and not self._takes_over(claim, caller, now):
                    return
                caller.admitted = True
                self._requests.append(Request(knock.key_package, claim.readmission))
        elif caller.lane is not self.lane:
            caller.refused = VOID
        elif self.epochs.charter.admission is Admission.OPEN:
            caller.admitted = True
            self._requests.append(Request(knock.key_package, None))
        elif state.entry_of(caller.view.identity) is None:
            caller.told = True
            self.context.tell(Knocked(caller.id, clean_name(knock.name)))

    def _takes_over(self, claim: Claim, caller: Caller, now: float) -> bool:
        """Whether one who could go on with its leaf shall get a fresh one on our side all the
        same."""
        if self.epochs.knows(claim.side.authenticator):
            return False  # it is where we are, and has only not heard us yet
        if now - caller.since < CATCH_UP_S:
            return False
        return self._side(now).rank < claim.side.rank

    def _side(self, now: float) -> Side:
        state = self.epochs.current
        return Side(state.authenticator, state.group.epoch, self.side_count(now))

    # -- answering

    def _answer(self, caller: Caller, now: float) -> None:
        if now - caller.answered_at < ANSWER_EVERY_S:
            return
        found = self._answer_to(caller, now)
        if found is None:
            return
        caller.answered_at = now
        try:
            # The witnesses first, so that what they are for can be judged when it comes.
            for one in (*self._witnesses(caller, found), found):
                caller.tell(one, self.context, now)
        except mls.MlsError:
            self._drop(caller)

    def _witnesses(self, caller: Caller, found: Answer | Parcel) -> list[Answer | Parcel]:
        """What shows that the epoch of an answer is that of the electors, if it is about one."""
        welcomed = self._welcomes.get(caller.view.ref)
        if caller.knock.claim is None and not caller.welcomed:
            # It takes the first that it is offered, and asks again if that led it astray.
            caller.welcomed = welcomed is not None
            return []
        about = found.side.authenticator if isinstance(found, LeafAnswer) else b""
        namings = self.namings_of(welcomed.authenticator if welcomed else about)
        state = self.epochs.current
        return [self._parcel(WitnessAnswer(tuple(namings)), state)] if namings else []

    def _parcel(self, answer: Answer, state: EpochState) -> Answer | Parcel:
        """The answer as it is given, in this epoch."""
        return make_parcel(answer, state.group.export) or answer

    def _answer_to(self, caller: Caller, now: float) -> Answer | Parcel | None:
        welcome = self._welcomes.get(caller.view.ref)
        if welcome is not None:
            # (A newcomer that is in knocks on until who invited it confirms our epoch.)
            ours = welcome.authenticator, self.epochs.current.authenticator
            came = self.epochs.heard_in(caller.view.identity, now) in ours
            return welcome.answer if now >= welcome.not_before and not came else None
        claim = caller.knock.claim
        if caller.refused is not None:
            # Who was removed while it was away sees by which ballots, and that they are valid.
            early = now - caller.since < CATCH_UP_S
            way = self._way(claim) if claim is not None and early else None
            return way or RefusedAnswer(caller.refused)
        if claim is not None:
            return self._answer_to_claim(caller, claim, now) if self._is_turn(caller, now) else None
        if not self._is_turn(caller, now):
            return None
        entry = self.epochs.current.entry_of(caller.view.identity)
        if entry is not None:
            # It was let in, and nobody here has its Welcome.
            return LeafAnswer(entry.leaf_hash, self._side(now))
        order = sorted(self._callers.values(), key=lambda one: (-one.work, one.since))
        return WaitAnswer(order.index(caller) + 1)

    def _answer_to_claim(self, caller: Caller, claim: Claim, now: float) -> Answer | Parcel | None:
        entry = self.epochs.current.entry_of(caller.view.identity)
        if entry is not None and entry.leaf_hash != claim.readmission.leaf_hash:
            # Whoever is on our side claims a leaf of the other's, and hears that from there.
            ours = claim.must or not self.epochs.knows(claim.side.authenticator)
            return LeafAnswer(entry.leaf_hash, self._side(now)) if ours else None
        return self._way(claim)

    def _way(self, claim: Claim) -> Answer | Parcel | None:
        way = self.laggards.way_from(claim.side.authenticator)
        if not way:
            return None
        answer = CatchUpAnswer(tuple(one.encode() for one in way))
        return self._parcel(answer, self.epochs.current)

    def _is_turn(self, caller: Caller, now: float) -> bool:
        """One member answers at once, the next a while later, so that a newcomer gets an answer
        from somebody and not from all: which one is drawn by the knock."""
        seats = sorted(
            (entry.seat for entry in self.epochs.current.roster),
            key=lambda seat: hashlib.sha256(seat + caller.id.encode()).digest(),
        )
        rank = min(seats.index(self.context.seat), 5)
        return now >= caller.since + rank * OTHERS_AFTER_S

    # -- what became of them

    def take_requests(self) -> list[Request]:
        """Requests of those who need nobody's leave."""
        requests, self._requests = self._requests, []
        return requests

    def knocking(self, knock: str) -> tuple[bytes, bytes]:
        """Key package and reference of one who knocks; UsageError when there is no such knock."""
        caller = self._callers.get(knock)
        if caller is None or not caller.told:
            raise UsageError("Nobody knocks under this name any more.")
        return caller.knock.key_package, caller.view.ref

    def caller_of(self, reference: bytes) -> tuple[str, str] | None:
        """Knock and name of whoever knocks with this key package, if they still do."""
        for caller in self._callers.values():
            if caller.view.ref == reference:
                return caller.id, clean_name(caller.knock.name)
        return None

    def let_in(self, request: Request) -> None:
        """Some member let in whoever has this key package."""
        for caller in self._callers.values():
            if caller.knock.key_package == request.key_package:
                caller.admitted, caller.refused = True, None
                self._untell(caller)

    def refuse(self, knock: str) -> None:
        """We do not let them in, and say so; another member still may."""
        caller = self._callers.get(knock)
        if caller is None:
            raise UsageError("Nobody knocks under this name any more.")
        caller.refused = SAID_NO
        caller.answered_at = -ANSWER_EVERY_S
        self._untell(caller)

    def _untell(self, caller: Caller) -> None:
        if caller.told:
            caller.told = False
            self.context.tell(KnockGone(caller.id))

    def settled(self, step: Moved, now: float) -> None:
        """A commit settled: its newcomers are answered, by its committer first."""
        if step.handshake.welcome:
            own = step.committer == self.context.seat
            seats = [entry.seat for entry in step.after.roster]
            rank = 0 if own else 1 + min(seats.index(self.context.seat), 5)
            not_before = now + rank * OTHERS_AFTER_S
            # The tree as bytes: an epoch's secrets must not live on because somebody is slow to
            # join.
            welcome = WelcomeAnswer(step.handshake.welcome, step.after.group.ratchet_tree())
            answer = self._parcel(welcome, step.after)
            for waiting in step.requested:
                if len(self._welcomes) >= WELCOMES_MAX:
                    self._welcomes.pop(next(iter(self._welcomes)))
                self._welcomes[waiting] = Welcomed(answer, not_before, step.after.authenticator)
            for caller in list(self._callers.values()):
                if caller.view.ref in step.requested:
                    self._untell(caller)
                    caller.answered_at = -ANSWER_EVERY_S
                    self._answer(caller, now)
        for caller in list(self._callers.values()):
            claim = caller.knock.claim
            if claim is not None and caller.view.ref not in self._welcomes:
                # The claim was made against a leaf that this commit may have changed.
                self._welcome_caller(caller, now)

    def waiting(self) -> list[tuple[str, str, float]]:
        """Those who ask to be let in: id, name, since when; most work first."""
        shown = [one for one in self._callers.values() if one.told]
        shown.sort(key=lambda one: (-one.work, one.since))
        return [(one.id, clean_name(one.knock.name), one.since) for one in shown]

    def handle_timer(self, now: float) -> None:
        for caller in list(self._callers.values()):
            if now - caller.heard_at > KNOCK_SILENT_S:
                self._drop(caller)
        self._former = [one for one in self._former if one.until > now]
        for lane in (self.lane, *(one.lane for one in self._former)):
            lane.handle_timer(now)

    def next_timer(self) -> float | None:
        times = [one.heard_at + KNOCK_SILENT_S + 0.001 for one in self._callers.values()]
        times += [one.until for one in self._former]
        dues = [one.next_timer() for one in (self.lane, *(former.lane for former in self._former))]
        return min([*times, *(due for due in dues if due is not None)], default=None)
