"""Walking out together: some members of a meeting go on in another one, without the rest
(architecture §7, "Secession"; RFC 9420 §11.3).

Somebody *calls* the members that it names. Each of their people says yes or no; with a yes comes a
key package made for this. Then the caller branches the group: a fresh MLS group of those who said
yes, which proves by a resumption PSK that it follows this one, with a group id, rooms and a door of
its own, and one message, *go*, takes all of them there.

*Not by spare key packages*, as first designed: they would take people along whom nobody asked, and
fifty of them would be repeated to each newcomer for nothing. To be asked costs one exchange.

What those who stay learn: who called whom, who said yes, and that these left. Nothing of the new
group: its secrets are in the Welcome, sealed to each key package, its rooms and door are derived
from secrets that are made in it, and its GroupInfo, tree included, is encrypted.

What a hostile member can do: call people, who say no; say yes and not come, or come and tell. It
cannot take anybody along, bring in whom nobody called (a branch is of members of the old group, and
each checks that all have the keys that they have here), sit down in another's seat, or send those
who follow to other relays or under another charter than the call said: then they stay.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot import mls
from folkmoot.governance.charter import Charter
from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.governance.extension import MeetingExtension
from folkmoot.governance.roll import Roll, is_recorded
from folkmoot.governance.terms import Terms
from folkmoot.meeting.context import UsageError
from folkmoot.meeting.door import KEY_PACKAGE_BYTES_MAX
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import CallAnswered, Called, CallOver, Event, Refused
from folkmoot.meeting.founding import SUITE, make_key_package
from folkmoot.meeting.records import Signed, sign_statement
from folkmoot.meeting.secrets import EXTENSION_TYPE as SECRETS_TYPE
from folkmoot.meeting.secrets import DoorSecrets, MeetingSecrets
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import SECRET_BYTES, Sign, load_public_key

CALLED_MAX = 48  # members called at once
CALLS_MAX = 16  # open at the same time; one of each caller
CALL_S = 120  # a call is open for so long
# All have answered, or so long after the first yes: then it goes with those who said yes.
WAIT_S = 30.0
WELCOME_BYTES_MAX = 60 << 10
NAME_BYTES = 32
NONCE_BYTES = 16
GROUP_ID_BYTES = 16
_NAME_PREFIX = b"Folkmoot 1 call"

Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """`seats`: who is called, rising, without the caller in `seat`; `made_s`: wall seconds."""

    seat: bytes
    nonce: bytes
    made_s: int
    seats: tuple[bytes, ...]
    charter: Charter

    def encode(self) -> bytes:
        return (
            self.seat
            + self.nonce
            + codec.u32(self.made_s)
            + codec.vector(self.seats)
            + codec.opaque(self.charter.encode())
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> Call:
        seat, nonce, made_s = reader.take(SEAT_BYTES), reader.take(NONCE_BYTES), reader.u32()
        seats = tuple(reader.vector(lambda one: one.take(SEAT_BYTES), items_max=CALLED_MAX))
        if not seats or list(seats) != sorted(set(seats) - {seat}):
            raise DecodeError("a call to nobody, to somebody twice, or to oneself")
        return cls(seat, nonce, made_s, seats, Charter.decode(reader.opaque(64)))

    def name(self, group_id: bytes) -> bytes:
        """32 bytes that answers to this call name."""
        return hashlib.sha256(_NAME_PREFIX + codec.opaque(group_id) + self.encode()).digest()


@dataclass(frozen=True, slots=True)
class Reply:
    """`key_package`: for the new group; None to stay."""

    seat: bytes
    call: bytes
    key_package: bytes | None

    def encode(self) -> bytes:
        package = self.key_package
        packed = None if package is None else codec.opaque(package)
        return self.seat + self.call + codec.optional(packed)

    @classmethod
    def read(cls, reader: codec.Reader) -> Reply:
        seat, call = reader.take(SEAT_BYTES), reader.take(NAME_BYTES)
        return cls(seat, call, reader.optional(lambda one: one.opaque(KEY_PACKAGE_BYTES_MAX)))


@dataclass(frozen=True, slots=True)
class Go:
    """The caller's last word: the Welcome, and its signature over seat, call and SHA-256 of it."""

    signed: Signed
    welcome: bytes

    def encode(self) -> bytes:
        return self.signed.encode() + codec.opaque(self.welcome)

    @classmethod
    def read(cls, reader: codec.Reader) -> Go:
        signed, welcome = Signed.read(reader), reader.opaque(WELCOME_BYTES_MAX)
        digest = hashlib.sha256(welcome).digest()
        if len(signed.content) != SEAT_BYTES + NAME_BYTES + len(digest):
            raise DecodeError("a go of another size")
        if signed.content[-len(digest) :] != digest:
            raise DecodeError("a go with another Welcome")
        return cls(signed, welcome)

    @property
    def call(self) -> bytes:
        return self.signed.content[SEAT_BYTES : SEAT_BYTES + NAME_BYTES]


@dataclass(slots=True)
class OpenCall:
    """A call that we made or were called by. `until`: by the clock of `now`."""

    call: Call
    name: bytes
    until: float
    replies: dict[bytes, bytes | None] = field(default_factory=dict)
    own: bool | None = None  # our answer
    bundle: mls.KeyPackageBundle | None = None
    yes_since: float | None = None


@dataclass(frozen=True, slots=True)
class WalkedOut:
    """The first epoch of the new group, as one of its members has it. `caller_key`: who must be
    heard in it before we are; None for the caller itself."""

    state: EpochState
    by: bytes
    caller_key: bytes | None


class Secession:
    """One member's calls. Nothing raises for what others did."""

    def __init__(
        self,
        group_id: bytes,
        own_seat: bytes,
        key: Ed25519PrivateKey,
        tell: Callable[[Event], None],
        entropy: Entropy,
    ) -> None:
        self._group_id = group_id
        self._own = own_seat
        self._key = key
        self._tell = tell
        self._entropy = entropy
        self.open: dict[bytes, OpenCall] = {}
        self._over: dict[bytes, None] = {}  # of those that were open

    def _sign(self, label: Sign, content: bytes) -> Signed:
        return sign_statement(self._key, label, self._group_id, content)

    def _verified(self, signed: Signed, label: Sign, state: EpochState) -> bool:
        entry = state.entry_of(signed.seat)
        key = None if entry is None else load_public_key(entry.signature_key)
        return key is not None and signed.verified(key, label, self._group_id)

    # -- calling and answering

    def call(
        self, seats: Iterable[bytes], charter: Charter, state: EpochState, now: float, wall_s: int
    ) -> bytes:
        """Calls these members; the record to publish. UsageError with a sentence if it cannot."""
        called = sorted(set(seats) - {self._own})
        if not called:
            raise UsageError("Choose who walks out with you.")
        if len(called) > CALLED_MAX:
            raise UsageError(f"At most {CALLED_MAX} members can be called at once.")
        if any(state.entry_of(seat) is None for seat in called):
            raise UsageError("There is no such member.")
        if any(one.call.seat == self._own for one in self.open.values()):
            raise UsageError("You have called some members already: wait for their answers.")
        call = Call(self._own, self._entropy(NONCE_BYTES), wall_s, tuple(called), charter)
        self._take(call, now, now + CALL_S)
        return self._sign(Sign.CALL, call.encode()).encode()

    def answer(self, name: bytes, yes: bool, now: float) -> bytes:
        """Answers a call, finally; the record to publish. UsageError when it cannot be answered."""
        one = self.open[name]
        if one.call.seat == self._own:
            raise UsageError("This call is your own.")
        if one.own is not None:
            raise UsageError("You have answered this call already.")
        one.own = yes
        if yes:
            key = self._key.private_bytes_raw()
            one.bundle = make_key_package(self._own, key, self._entropy)
        package = None if one.bundle is None else one.bundle.key_package
        self._count(one, self._own, package, now)
        return self._sign(Sign.CALL_REPLY, Reply(self._own, name, package).encode()).encode()

    # -- hearing

    def hear_call(self, body: bytes, state: EpochState, now: float, wall_s: int) -> None:
        """A CALL record; of calls to others nothing is kept."""
        try:
            signed = codec.decode(Signed.read, body)
            call = codec.decode(Call.read, signed.content)
        except DecodeError:
            return
        age = wall_s - call.made_s
        if self._own not in call.seats or not -CALL_S <= age <= CALL_S:
            return
        name = call.name(self._group_id)
        if name in self.open or name in self._over:
            return
        if not self._verified(signed, Sign.CALL, state):
            return
        if any(state.entry_of(seat) is None for seat in call.seats):
            return
        for other in [one for one in self.open.values() if one.call.seat == call.seat]:
            self._close(other, False)  # it called anew
        if len(self.open) < CALLS_MAX:
            self._take(call, now, now + CALL_S - max(age, 0))

    def _take(self, call: Call, now: float, until: float) -> None:
        name = call.name(self._group_id)
        self.open[name] = OpenCall(call, name, until)
        self._tell(Called(name, call.seat, call.seats, call.charter))

    def hear_reply(self, body: bytes, state: EpochState, now: float) -> None:
        """A REPLY record."""
        try:
            signed = codec.decode(Signed.read, body)
            reply = codec.decode(Reply.read, signed.content)
        except DecodeError:
            return
        one = self.open.get(reply.call)
        if one is None or reply.seat not in one.call.seats or reply.seat in one.replies:
            return
        if self._verified(signed, Sign.CALL_REPLY, state) and self._fits(reply, state):
            self._count(one, reply.seat, reply.key_package, now)

    @staticmethod
    def _fits(reply: Reply, state: EpochState) -> bool:
        """Whether the key package is one by the member that signed for it."""
        if reply.key_package is None:
            return True
        try:
            view = mls.parse_key_package(reply.key_package)
        except mls.MlsError:
            return False
        entry = state.entry_of(reply.seat)
        return (
            entry is not None
            and view.suite == SUITE
            and view.identity == reply.seat
            and view.signature_key == entry.signature_key
        )

    def _count(self, one: OpenCall, seat: bytes, package: bytes | None, now: float) -> None:
        one.replies[seat] = package
        if package is not None and one.yes_since is None:
            one.yes_since = now
        self._tell(CallAnswered(one.name, seat, package is not None))

    # -- going

    def handle_timer(self, now: float) -> None:
        """Calls that nobody went with are over."""
        for one in [one for one in self.open.values() if now >= one.until]:
            self._close(one, False)

    def ready(self, now: float) -> OpenCall | None:
        """A call of ours that it is time to go with."""
        for one in self.open.values():
            if one.call.seat != self._own:
                continue
            all_answered = len(one.replies) == len(one.call.seats)
            if all_answered and one.yes_since is None:
                self._close(one, False)
                return None
            waited = one.yes_since is not None and now - one.yes_since >= WAIT_S
            if all_answered or waited:
                return one
        return None

    def go(self, one: OpenCall, state: EpochState, tick: int) -> tuple[bytes, WalkedOut] | None:
        """Branches the group: the record that takes the others along, and our own way. None when it
        cannot be done, which is said."""
        packages = {
            seat: package
            for seat, package in one.replies.items()
            # Who left since is not taken along; the branch would be refused.
            if package is not None and state.entry_of(seat) is not None
        }
        terms = terms_of(state, one.call.charter, (self._own, *packages))
        door = DoorSecrets(self._entropy(SECRET_BYTES), self._entropy(SECRET_BYTES))
        fresh = bytes(SECRET_BYTES)  # filled from the epoch's exporter
        secrets = MeetingSecrets(fresh, fresh, tick, False, tick, self._own, door)
        try:
            created = state.group.branch(
                self._entropy(GROUP_ID_BYTES),
                make_key_package(self._own, self._key.private_bytes_raw(), self._entropy),
                list(packages.values()),
                [mls.Extension(*pair) for pair in terms.extensions()],
                group_info_extensions=[mls.Extension(SECRETS_TYPE, secrets.encode())],
                entropy=self._entropy,
            )
        except (mls.MlsError, DecodeError) as error:
            self._tell(Refused("secede", f"You cannot walk out like this: {error}."))
            self._close(one, False)
            return None
        group, welcome = created.staged.group, created.welcome or b""
        assert group is not None
        walked = WalkedOut(EpochState(group, secrets.after_commit(group.export)), self._own, None)
        content = self._own + one.name + hashlib.sha256(welcome).digest()
        self._close(one, True)
        return Go(self._sign(Sign.CALL_GO, content), welcome).encode(), walked

    def hear_go(self, body: bytes, state: EpochState) -> WalkedOut | None:
        """A GO record: our way out, if we said that we come."""
        try:
            go = codec.decode(Go.read, body)
        except DecodeError:
            return None
        one = self.open.get(go.call)
        if one is None or go.signed.seat != one.call.seat or one.call.seat == self._own:
            return None
        if not self._verified(go.signed, Sign.CALL_GO, state):
            return None
        if one.bundle is None:
            self._close(one, True)  # they went without us
            return None
        entry = state.entry_of(one.call.seat)
        assert entry is not None  # it is verified
        try:
            walked = WalkedOut(
                self._join(go.welcome, one, one.bundle, state), one.call.seat, entry.signature_key
            )
        except (mls.MlsError, DecodeError) as error:
            self._tell(Refused("secede", f"You could not walk out with them: {error}."))
            self._close(one, False)
            return None
        self._close(one, True)
        return walked

    def _join(
        self, welcome: bytes, one: OpenCall, bundle: mls.KeyPackageBundle, here: EpochState
    ) -> EpochState:
        """The new group, if it is what the call said; raises MlsError or DecodeError."""
        group = mls.Group.join(welcome, bundle, parent=here.group)
        if group.group_id == self._group_id:
            raise DecodeError("it is no other meeting")
        sealed = {extension.type: extension.data for extension in group.join_extensions}
        before = codec.decode(MeetingSecrets.read, sealed.get(SECRETS_TYPE, b""))
        state = EpochState(group, before.after_commit(group.export))
        seats = [entry.seat for entry in state.roster]
        for entry in state.roster:
            known = here.entry_of(entry.seat)
            if known is None or known.signature_key != entry.signature_key:
                raise DecodeError("somebody in it is not who they are here")
        if not {one.call.seat, self._own} <= set(seats) <= {one.call.seat, *one.call.seats}:
            raise DecodeError("others are in it than were called")
        if state.terms != terms_of(here, one.call.charter, seats):
            raise DecodeError("its rules or its relays are not those of the call")
        return state

    def _close(self, one: OpenCall, went: bool) -> None:
        del self.open[one.name]
        one.bundle = None
        if len(self._over) >= CALLS_MAX * 4:
            self._over.pop(next(iter(self._over)))
        self._over[one.name] = None
        self._tell(CallOver(one.name, went))


def terms_of(here: EpochState, charter: Charter, seats: Iterable[bytes]) -> Terms:
    """What the new group's context says: the call's charter, the relays and lanes of the old one;
    who walks out is an elector there, in a line of its own where lines count."""
    old = here.terms.meeting
    meeting = MeetingExtension(charter, old.relays, old.reserve, old.lanes)
    return Terms(meeting, Roll.everyone(seats) if is_recorded(charter) else None)
