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
who follow to other relays or under another charter than the call said, or seat one who was heard
to say no: then they stay. It can seat one who has not answered yet, by an old key package, and that
seat stays empty.

Who follows speaks there at once, and waits for no word of the caller as a newcomer does for its
inviter's: the caller signed this very Welcome, which says who is in, and each of them is known from
here. Else one that dies after its *go* would leave all the others without a voice. So who is not
confirmed by its inviter, or lost its way, goes nowhere: it would follow those whom it was led to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot import mls
from folkmoot.governance.charter import Charter
from folkmoot.governance.extension import MeetingExtension
from folkmoot.governance.roll import Roll, is_recorded
from folkmoot.governance.terms import Terms
from folkmoot.meeting.calls import CALLED_MAX, NONCE_BYTES, Call, Go, Reply, call_id
from folkmoot.meeting.context import UsageError
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import CallAnswered, Called, CallOver, Event, Refused
from folkmoot.meeting.founding import SUITE, make_key_package
from folkmoot.meeting.records import Signed, sign_statement
from folkmoot.meeting.secrets import DoorSecrets, MeetingSecrets
from folkmoot.meeting.ticks import TICK_AHEAD_S
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import SECRET_BYTES, Sign, load_public_key

CALLS_MAX = 16  # open at the same time; one of each caller
CALL_S = 120  # a call is open for so long
# All have answered, or so long after the first yes: then it goes with those who said yes.
WAIT_S = 30.0
# Who goes waits so long for the replies of those who go along: they come as the caller's word does,
# but where all have left and lines are bad nobody is there to repeat them.
REPLIES_S = 5.0
GROUP_ID_BYTES = 16

Entropy = Callable[[int], bytes]


@dataclass(slots=True)
class OpenCall:
    """A call that we made or were called by. `until`: by the clock of `now`; `keys`: signature keys
    of the caller and the called when it was made. Those who went first have left by the time that
    their way comes to the last, who still knows them by these."""

    call: Call
    name: bytes
    until: float
    keys: dict[bytes, bytes]
    replies: dict[bytes, bytes | None] = field(default_factory=dict)
    own: bool | None = None  # our answer
    bundle: mls.KeyPackageBundle | None = None
    yes_since: float | None = None
    welcome: bytes | None = None  # from an epoch that we are not in yet
    tried: tuple[bytes, int] = (b"", 0)  # our epoch, and how many had replied, when that was seen
    lacks_since: float | None = None  # from when a reply is waited for


@dataclass(frozen=True, slots=True)
class WalkedOut:
    """The first epoch of the new group, as one of its members has it; `by`: who called."""

    state: EpochState
    by: bytes


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

    def _verified(self, signed: Signed, label: Sign, keys: Mapping[bytes, bytes]) -> bool:
        key = load_public_key(keys.get(signed.seat, b""))
        return key is not None and signed.verified(key, label, self._group_id)

    # -- calling and answering

    def _check_free(self) -> None:
        """Who goes two ways would be an empty seat at the end of one, for good."""
        if any(one.call.seat == self._own for one in self.open.values()):
            raise UsageError("You have called some members already: wait for their answers.")
        if any(one.own for one in self.open.values()):
            raise UsageError("You come along with others already: wait a moment.")

    def call(
        self, seats: Iterable[bytes], charter: Charter, state: EpochState, now: float, wall_s: int
    ) -> bytes:
        """Calls these members; the record to publish. UsageError with a sentence if it cannot."""
        called = sorted(set(seats) - {self._own})
        if not called:
            raise UsageError("Choose who walks out with you.")
        if len(called) > CALLED_MAX:
            raise UsageError(f"At most {CALLED_MAX} members can be called at once.")
        keys = keys_of((self._own, *called), state)
        if keys is None:
            raise UsageError("There is no such member.")
        self._check_free()
        call = Call(self._own, self._entropy(NONCE_BYTES), wall_s, tuple(called), charter)
        self._take(call, keys, now + CALL_S)
        return self._sign(Sign.CALL, call.encode()).encode()

    def answer(self, name: bytes, yes: bool, now: float) -> bytes:
        """Answers a call, finally; the record to publish. UsageError when it cannot be answered."""
        one = self.open[name]
        if one.call.seat == self._own:
            raise UsageError("This call is your own.")
        if one.own is not None:
            raise UsageError("You have answered this call already.")
        if yes:
            self._check_free()
        one.own = yes
        if yes:
            key = self._key.private_bytes_raw()
            one.bundle = make_key_package(key, self._entropy)
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
        if self._own not in call.seats or not -TICK_AHEAD_S <= age <= CALL_S:
            return  # (of a call from far ahead the new meeting's time would be as far ahead)
        name = call.name(self._group_id)
        if name in self._over or any(call_id(one) == call_id(name) for one in self.open):
            # Also one that is made to look like another: a yes must mean what it was said to.
            return
        keys = keys_of((call.seat, *call.seats), state)
        if keys is None or not self._verified(signed, Sign.CALL, keys):
            return
        for other in [one for one in self.open.values() if one.call.seat == call.seat]:
            self._close(other, False)  # it called anew
        if len(self.open) < CALLS_MAX:
            self._take(call, keys, now + CALL_S - max(age, 0))

    def _take(self, call: Call, keys: dict[bytes, bytes], until: float) -> None:
        name = call.name(self._group_id)
        self.open[name] = OpenCall(call, name, until, keys)
        self._tell(Called(name, call.seat, call.seats, call.charter))

    def hear_reply(self, body: bytes, now: float) -> None:
        """A REPLY record."""
        try:
            signed = codec.decode(Signed.read, body)
            reply = codec.decode(Reply.read, signed.content)
        except DecodeError:
            return
        one = self.open.get(reply.call)
        if one is None or reply.seat not in one.call.seats or reply.seat in one.replies:
            return
        if self._verified(signed, Sign.CALL_REPLY, one.keys) and self._fits(reply, one.keys):
            self._count(one, reply.seat, reply.key_package, now)

    @staticmethod
    def _fits(reply: Reply, keys: Mapping[bytes, bytes]) -> bool:
        """Whether the key package is one by the member that signed for it."""
        if reply.key_package is None:
            return True
        try:
            view = mls.parse_key_package(reply.key_package)
        except mls.MlsError:
            return False
        return (
            view.suite == SUITE
            and view.identity == reply.seat
            and view.signature_key == keys[reply.seat]
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
            if one.welcome is not None:
                self._tell(Refused("secede", "You could not walk out with them: it came too late."))
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

    def forget(self, seat: bytes) -> None:
        """This member was removed: nobody goes its way, nor is it taken along."""
        for one in list(self.open.values()):
            one.keys.pop(seat, None)
            if one.call.seat == seat:
                self._close(one, False)

    def go(self, one: OpenCall, state: EpochState) -> tuple[bytes, WalkedOut] | None:
        """Branches the group: the record that takes the others along, and our own way. None when it
        cannot be done, which is said."""
        packages = {
            seat: package
            for seat, package in one.replies.items()
            # Who left since is not taken along; the branch would be refused.
            if package is not None and state.entry_of(seat) is not None
        }
        terms = terms_of(state, one.call.charter, (self._own, *packages))
        try:
            created = state.group.branch(
                self._entropy(GROUP_ID_BYTES),
                make_key_package(self._key.private_bytes_raw(), self._entropy),
                list(packages.values()),
                [mls.Extension(*pair) for pair in terms.extensions()],
                entropy=self._entropy,
            )
        except (mls.MlsError, DecodeError) as error:
            self._tell(Refused("secede", f"You cannot walk out like this: {error}."))
            self._close(one, False)
            return None
        group, welcome = created.staged.group, created.welcome or b""
        assert group is not None
        walked = WalkedOut(first_epoch(group, one.call), self._own)
        content = self._own + one.name + hashlib.sha256(welcome).digest()
        self._close(one, True)
        return Go(self._sign(Sign.CALL_GO, content), welcome).encode(), walked

    def hear_go(self, body: bytes, state: EpochState, now: float) -> WalkedOut | None:
        """A GO record: our way out, if we said that we come."""
        try:
            go = codec.decode(Go.read, body)
        except DecodeError:
            return None
        one = self.open.get(go.call)
        if one is None or go.signed.seat != one.call.seat or one.call.seat == self._own:
            return None
        if not self._verified(go.signed, Sign.CALL_GO, one.keys):
            return None
        if one.bundle is None:
            self._close(one, True)  # they went without us
            return None
        return self._follow(one, one.bundle, go.welcome, state, now)

    def catch_up(self, state: EpochState, now: float) -> WalkedOut | None:
        """Our way out from an epoch that we were not in when we heard of it, or before all replies
        were here."""
        for one in self.open.values():
            late = one.lacks_since is not None and now - one.lacks_since >= REPLIES_S
            tried = one.tried == (state.authenticator, len(one.replies)) and not late
            if one.welcome is not None and not tried:
                assert one.bundle is not None
                return self._follow(one, one.bundle, one.welcome, state, now)
        return None

    def _follow(
        self,
        one: OpenCall,
        bundle: mls.KeyPackageBundle,
        welcome: bytes,
        state: EpochState,
        now: float,
    ) -> WalkedOut | None:
        try:
            there = self._join(welcome, one, bundle, state)
        except (mls.MlsError, DecodeError) as error:
            if isinstance(error, mls.MlsError) and error.check is mls.Check.PSK_UNKNOWN:
                one.lacks_since = None
                one.welcome, one.tried = welcome, (state.authenticator, len(one.replies))
                return None
            self._tell(Refused("secede", f"You could not walk out with them: {error}."))
            self._close(one, False)
            return None
        if not {entry.seat for entry in there.roster} <= {one.call.seat, *one.replies}:
            one.lacks_since = now if one.lacks_since is None else one.lacks_since
            if now - one.lacks_since < REPLIES_S:
                one.welcome, one.tried = welcome, (state.authenticator, len(one.replies))
                return None
        self._close(one, True)
        return WalkedOut(there, one.call.seat)

    def _join(
        self, welcome: bytes, one: OpenCall, bundle: mls.KeyPackageBundle, here: EpochState
    ) -> EpochState:
        """The new group, if it is what the call said; raises MlsError or DecodeError."""
        group = mls.Group.join(welcome, bundle, parent=here.group, former=one.keys)
        if group.group_id == self._group_id:
            raise DecodeError("it is no other meeting")
        state = first_epoch(group, one.call)
        seats = [entry.seat for entry in state.roster]
        for entry in state.roster:
            if entry.seat not in one.keys:
                raise DecodeError("others are in it than were called")
            if one.keys[entry.seat] != entry.signature_key:
                raise DecodeError("somebody in it is not who they are here")
        if not {one.call.seat, self._own} <= set(seats):
            raise DecodeError("who called, or you, are not in it")
        if state.terms != terms_of(here, one.call.charter, seats):
            raise DecodeError("its rules or its relays are not those of the call")
        if state.terms.extensions() != tuple((each.type, each.data) for each in group.extensions):
            raise DecodeError("there is more in it than the meeting's terms")
        # Who said no would be an empty seat there, which counts wherever all who vote count.
        if any(one.replies.get(seat, b"") is None for seat in seats):
            raise DecodeError("somebody in it said no")
        return state

    def _close(self, one: OpenCall, went: bool) -> None:
        del self.open[one.name]
        one.bundle = None
        if len(self._over) >= CALLS_MAX * 4:
            self._over.pop(next(iter(self._over)))
        self._over[one.name] = None
        self._tell(CallOver(one.name, went))


def first_epoch(group: mls.Group, call: Call) -> EpochState:
    """The new group's first epoch. What is not of MLS in it follows from the group and the call
    alone: what a caller could choose it could choose badly, or otherwise for each. Raises
    DecodeError when it is no meeting."""
    nothing = bytes(SECRET_BYTES)  # filled from the epoch's exporter
    door = DoorSecrets(nothing, nothing)
    made = MeetingSecrets(nothing, nothing, call.made_s, False, call.made_s, call.seat, door)
    return EpochState(group, made.after_commit(group.export))


def keys_of(seats: Iterable[bytes], state: EpochState) -> dict[bytes, bytes] | None:
    """The signature keys of these members; None when one of them is none."""
    entries = [state.entry_of(seat) for seat in seats]
    keys = {entry.seat: entry.signature_key for entry in entries if entry is not None}
    return keys if len(keys) == len(entries) else None


def terms_of(here: EpochState, charter: Charter, seats: Iterable[bytes]) -> Terms:
    """What the new group's context says: the call's charter, the relays and lanes of the old one;
    who walks out is an elector there, in a line of its own where lines count."""
    old = here.terms.meeting
    meeting = MeetingExtension(charter, old.relays, old.reserve, old.lanes)
    return Terms(meeting, Roll.everyone(seats) if is_recorded(charter) else None)
