"""A member inside a meeting: epochs, council, presence, media and the door, put together.

Each part knows its own business; here what one of them heard becomes what another must do. Nothing
in this module decides whether a change is allowed: that is the judge's, before anything gets here.
"""

from __future__ import annotations

from collections.abc import Mapping

from folkmoot.agreement import SendNaming
from folkmoot.cells.frames import MediaKind
from folkmoot.cells.picture_format import LANES
from folkmoot.cells.playable import Fault
from folkmoot.cells.reliable import decode_record
from folkmoot.governance.charter import Admission
from folkmoot.governance.evidence import ADMISSION_S, make_sponsor
from folkmoot.meeting.context import UsageError
from folkmoot.meeting.departing import Departing
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import (
    EpochChanged,
    MemberIn,
    MemberOut,
    Refused,
    RosterChanged,
)
from folkmoot.meeting.missing import Missing
from folkmoot.meeting.names import tags
from folkmoot.meeting.pending import Request
from folkmoot.meeting.records import (
    Handshake,
    ItemKind,
    KeyFrameWanted,
    RecordKind,
    Showing,
    item,
    sign_statement,
)
from folkmoot.meeting.rooms import COUNCIL
from folkmoot.meeting.save import Saved
from folkmoot.meeting.steps import CommitRefused, Moved, Offer, Removed
from folkmoot.wire import codec
from folkmoot.wire.labels import Sign

CHECK_EVERY_S = 0.5
# How long the group waits to be looked after when it asked for no earlier moment. Media wakes us
# many times as often, and who is present, what is pending and which round it is do not change with
# every cell.
GROUP_EVERY_S = 0.1
STEPS_MAX = 64  # done in one go


class Inside(Departing):
    """What a member does while it is in the meeting."""

    _last_lock: bytes = b""  # our naming in the current epoch, once locked
    _group_at: float = 0.0  # when the epochs are looked after at the latest

    # -- acting

    def act(self, now: float) -> None:
        """Does what the epochs and the door came to."""
        for request in self.entrance.take_requests():
            self.epochs.ask(request, now)
        self.decide(now)
        for _ in range(STEPS_MAX):
            if self.epochs.commit_wanted:
                self.epochs.commit(now=now, entropy=self.context.entropy)
            step = self.epochs.next_step()
            if step is None:
                break
            if isinstance(step, Offer):
                self.save(now)
                self.publish(RecordKind.HANDSHAKE, step.handshake.encode(), now)
                self.listen_anew()
            elif isinstance(step, SendNaming):
                signed = sign_statement(
                    self.context.key,
                    Sign.NAMING,
                    self.context.group_id,
                    self.context.seat + step.naming.encode(),
                )
                about = codec.u16(step.naming.round)
                self.council.state(ItemKind.NAMING, signed.encode(), about)
                self.keep_lock(step.naming, signed)
                if step.naming.locked:
                    self._last_lock = signed.encode()
            elif isinstance(step, Moved):
                self._moved(step, now)
            elif isinstance(step, Removed):
                if self.context.seat in step.verdict.left:
                    self._farewell_taken = True
                elif step.verdict.removed == self.context.seat:
                    self.expel(step.verdict, now)
                else:
                    self.evicted = True
            else:
                assert isinstance(step, CommitRefused)
                if self.refusals.level(now) >= 1:
                    self.refusals.take(1, now)
                    self.context.tell(Refused("commit", step.why))
        self._tell_chat(now)

    def _moved(self, step: Moved, now: float) -> None:
        names = self.presence.names(self.name)
        self.laggards.settled(step.handshake)
        self.motions.follow(step.after, self.context.wall_s(now))
        self.presence.forget(step.verdict.gone)
        if step.verdict.removed is not None:
            self.entrance.new_door(step.after.secrets.door, now)
            self.secession.forget(step.verdict.removed)
        self.follow(now)
        self.save(now)
        for seat in step.verdict.joined:
            self.context.tell(MemberIn(seat))
        marks = tags(names)
        if step.verdict.takes_away and self._last_lock:
            # Who left cannot follow us; our naming in the old epoch tells it that it is out.
            self.laggards.say_there(step.before, [item(ItemKind.NAMING, self._last_lock)])
        self._last_lock = b""
        for seat in step.verdict.left:
            self._tell_out(seat, "left", names, marks)
        if step.verdict.removed is not None:
            self._tell_out(step.verdict.removed, "removed", names, marks)
        if step.verdict.carried is not None:
            self.motions.carried_out(step.verdict.carried)
        self.context.tell(EpochChanged(step.after.group.epoch, step.after.authenticator))
        self.chat.retry(self.epochs.states(), now)
        # (Not of this step's: who catches up takes several at once, and others came in since.)
        self._say_again(self.epochs.current.secrets.tick, now)
        if self.departure_deadline is not None:
            # Our leaf is another one if the commit was ours, and the farewell to the old one stale.
            self._farewell_taken = False
            self._say_farewell(now)
        self.entrance.settled(step, now)

    def _tell_out(
        self, seat: bytes, cause: str, names: Mapping[bytes, str], marks: Mapping[bytes, str]
    ) -> None:
        name, tag = names.get(seat, "somebody"), marks.get(seat, "")
        self.context.tell(MemberOut(seat, name, cause, tag))

    def settle_in(self, now: float) -> None:
        """Says that we are here, and starts what waits."""
        self.save(now)
        self.context.want_rooms(self.wanted_rooms())
        self.act(now)

    # -- content

    def say(self, text: str, now: float) -> None:
        """A chat message of ours to everybody."""
        if self.needs_leaf:
            raise UsageError("You are not back in the meeting yet: wait a moment.")
        body = self.chat.write(
            text,
            self.epochs.current,
            at_ms=self.context.wall_ms(now),
            cut_off=self.alone(now),
            entropy=self.context.entropy,
        )
        self.publish(RecordKind.CONTENT, body, now)
        self._tell_chat(now)

    def _say_again(self, tick: int | None, now: float) -> None:
        for body in self.chat.again(self.epochs.current, tick, self.context.entropy):
            self.publish(RecordKind.CONTENT, body, now)

    def _tell_chat(self, now: float) -> None:
        names = self.presence.names(self.name)
        for received in self.chat.take(names):
            self.context.tell(received)
        while self.chat.floods:
            self.media.blame(self.chat.floods.pop(), Fault.CHAT)

    # -- going and coming back

    @property
    def needs_leaf(self) -> bool:
        """Whether this is a saved state come back, in which nothing may be sealed, or the others
        gave our seat a fresh leaf that we have not got, or settled what we cannot process, or are
        elsewhere while only strangers are here."""
        lost = self.epochs.locked_out.sure or self.presence.astray
        return not self.epochs.seals or self.evicted or lost

    def is_lost(self, now: float) -> bool:
        """Whether the others are in an epoch that we cannot reach by ourselves."""
        if self.departure_deadline is not None:
            return False
        return self.presence.lost(self.epochs.current, self.held(), now)

    def held(self) -> set[bytes]:
        """Authenticators of the epochs that we hear."""
        return {state.authenticator for state in self.epochs.states()}

    def finds_few(self, now: float) -> bool:
        """Whether so few are heard that somebody has to be asked at the door."""
        heard = self.presence.heard_count(now)
        members = len(self.epochs.current.roster) + self.presence.missed_count(now)
        return self.missing.asks(members, heard if self.carried(now) else members, now)

    def is_behind(self, now: float) -> bool:
        """Whether others have gone on without us, and their commits do not come by themselves."""
        if self.departure_deadline is not None:
            return False
        return self.presence.behind(self.epochs.current, self.held(), now)

    def is_well(self, now: float) -> bool:
        """Whether nothing has to be asked for at the door."""
        asks = self.needs_leaf or self.is_lost(now) or self.finds_few(now) or self.is_behind(now)
        return not asks

    def catch_up(self, handshake: Handshake, now: float) -> None:
        """A commit that we missed, from somebody at the door."""
        self.epochs.receive_handshake(handshake, now)
        self.listen_anew()
        self.act(now)

    def come_back(self, state: EpochState, now: float, *, known: bool) -> None:
        """Takes over an epoch in which our seat has a fresh leaf; `known`: most of those whom we
        know vouch for it."""
        self.quiet = self.evicted = False
        self.missing = Missing()
        if self.inviter_key is not None or not self.epochs.seals:
            # Else our clock was right enough, and whoever gives us a leaf could put it wrong.
            self.context.check_clock(state.secrets.tick, now)
        self.epochs.replace(state, now)
        # Somebody may have been removed since we were away, or where the others went another way.
        self.entrance.new_door(state.secrets.door, now)
        # Whoever asked to be let in while we were away was decided upon without us: to ask again
        # for one of them, who may have left since, would seat somebody who is not there.
        self._joined_tick = state.secrets.tick
        # Of those who said farewell on a side that lost, the farewell still holds here.
        for record in map(decode_record, self.council.log.records()):
            if record.kind == RecordKind.FAREWELL:
                self._hear_record(record, now)
        self.follow(now)
        self.presence.astray = False
        if known and self.inviter_key is None:
            self.presence.rest()
        self.settle_in(now)
        self.chat.retry(self.epochs.states(), now)
        self._say_again(None, now)

    def rooms_changed(self, now: float) -> None:
        """A relay opened or lost a room, or we show something else."""
        self.ways.rooms_changed(now)
        self.ways.look(self.presence.others(), self.relay_watch.silenced(now), now)
        self.epochs.set_online(self.carried(now), now)
        self.context.want_rooms(self.wanted_rooms())
        self.act(now)

    def carried(self, now: float) -> bool:
        """Whether we can be heard and hear."""
        return self.ways.carried(now)

    def alone(self, now: float) -> bool:
        """Whether nobody else is heard."""
        return not any(one.here(now) for one in self.presence.members.values())

    def refresh(self, now: float) -> None:
        """Leaves the epoch of a saved state by a commit of our own: there is nobody to ask."""
        self.epochs.refresh(now=now, entropy=self.context.entropy)
        self.act(now)

    # -- people's wishes

    def hide(self, seat: bytes, on: bool, now: float) -> None:
        """Stops receiving a member's pictures, or starts again."""
        if on:
            self.hidden.add(seat)
            for kind in LANES:
                self.media.watch(seat, kind, False, now)
        else:
            self.hidden.discard(seat)
            member = self.presence.members.get(seat)
            if member is not None and member.beacon is not None:
                self._watch(member.beacon, now)
        self.context.want_rooms(self.wanted_rooms())

    def showing(self) -> Showing:
        """What our beacon says of our own media."""
        showing = Showing.MICROPHONE if self.microphone else Showing(0)
        for kind in self.media.showing():
            showing |= Showing.CAMERA if kind is MediaKind.CAMERA else Showing.SCREEN
        return showing

    def admit(self, knock: str, now: float) -> None:
        """Lets the newcomer in as its sponsor."""
        if not self.epochs.votes:
            raise UsageError("You are a guest here: those who vote let people in.")
        if self.epochs.charter.admission is Admission.BALLOT:
            raise UsageError("This meeting lets people in by a vote: move that they be admitted.")
        key_package, reference = self.entrance.knocking(knock)
        sponsor = make_sponsor(
            self.context.key,
            self.context.group_id,
            self.context.seat,
            reference,
            max(self.context.wall_s(now), self.epochs.current.secrets.tick) + ADMISSION_S // 2,
        )
        request = Request(key_package, sponsor)
        why = self.epochs.ask(request, now)
        if why is not None:
            self.context.tell(Refused("admit", f"They cannot come in: {why}."))
            return
        self.entrance.let_in(request)
        self.publish(RecordKind.REQUEST, request.encode(), now)
        self.epochs.wanted(now)
        self.act(now)

    # -- time

    def handle_timer(self, now: float) -> None:
        if self.departure_deadline is not None:
            self._depart(now)
        due = self.epochs.next_timer()
        if now >= self._group_at or (due is not None and now >= due):
            self._group_at = now + GROUP_EVERY_S
            self._look_after_group(now)
        self.look_at_former(now)
        if now >= self._check_at:
            self._check_at = now + CHECK_EVERY_S
            if self.presence.changed(now):
                self.context.tell(RosterChanged())
        self.relay_watch.look(now)
        if self.relay_watch.contested:
            missed = self.relay_watch.missed_ourselves
            self.beacons.hurry(len(self.epochs.current.roster), missed, now)
        if self.beacons.due(len(self.epochs.current.roster), now):
            self._say_beacon(now)
        for _ in range(self._council_pacer.due(now)):
            self._beat(now)
        sealing = self.epochs.current if self.epochs.seals else None
        self.media.send_due(sealing, self.roots(), now)
        self.media.handle_timer(now)
        for seat, kind in self.media.key_frames_to_ask(now):
            member = self.presence.members.get(seat)
            if member is not None and member.here(now):  # else nobody is there who could answer
                nothing = self.media.nothing_comes(seat, kind, now)
                wanted = KeyFrameWanted(seat, LANES[kind].stream, nothing)
                about = KeyFrameWanted(seat, LANES[kind].stream, False).encode()
                self.council.state(ItemKind.KEY_FRAME_WANTED, wanted.encode(), about)
        self.entrance.handle_timer(now)

    def _look_after_group(self, now: float) -> None:
        self.check_expelled(now)
        self._look_after_calls(now)
        self.motions.handle_timer(self.epochs.current, self.context.wall_s(now))
        self.epochs.set_online(self.carried(now), now)
        self.finds_few(now)
        self.epochs.lets_in = not self.missing.holds(now)
        others = self.presence.others()
        reached = self.ways.look(others, self.relay_watch.silenced(now), now)
        self.media.spare_wanted = self.ways.spare_wanted(others, now)
        before = {one.authenticator for one in self.epochs.states()}
        self.epochs.handle_timer(now)
        self.act(now)
        if reached or before != {one.authenticator for one in self.epochs.states()}:
            self.listen_anew()

    def next_timer(self) -> float:
        times = [self.beacons.next_timer(), self._check_at, self._council_pacer.next_timer()]
        times.append(self.media.next_timer())
        for other in (self.epochs.next_timer(), self.entrance.next_timer()):
            if other is not None:
                times.append(other)
        departure = self.departure_deadline
        return min(times if departure is None else [*times, departure])

    def _say_beacon(self, now: float) -> None:
        digest = self.council.digest(self.context.wall_s(now))
        state, watch = self.epochs.current, self.relay_watch
        signed = self.beacons.make(state, self.name, self.showing(), digest, watch, now)
        self.council.state(ItemKind.BEACON, signed.encode())

    def beacon_soon(self, now: float) -> None:
        """Something that our beacon says changed: it goes out with the next beat."""
        self.beacons.soon(now)

    def _beat(self, now: float) -> None:
        """One council cell to each relay: for those behind if somebody waits there, else for
        all."""
        state, roots, plaintext = self.epochs.current, self.roots(), b""
        secret = state.secrets.signalling
        quiet = self.quiet and self.departure_deadline is None
        answer = None if quiet else self.laggards.next_cell()
        if answer is not None:
            state, plaintext = answer
            roots = [state.secrets.room_root, *roots]
            secret = state.secrets.signalling
        elif not quiet:
            plaintext = self.council.next_plaintext(now, self.context.wall_s(now))
            if self.presence.ahead(state, self.held(), now):
                # They cannot step back to our secret, and would not learn what we lack.
                secret = self.signalling.heard_ahead or secret
        # Each relay's copy is sealed anew. That receivers open each of them is the price of cells
        # that name no author: a filter on what all copies have in common would let any member keep
        # another's out, by being first with the same mark.
        for relay, room in self.context.ways_out(COUNCIL, roots, self.context.relays.carrying):
            self.context.send(room, (self.signalling.seal(secret, plaintext, relay),))

    # -- keeping

    def save(self, now: float) -> None:
        """Everything that is needed to take this seat up again."""
        if self.departure_deadline is not None:
            return
        current = self.epochs.current
        saved = Saved(
            group=current.group.save(),
            secrets=current.secrets,
            extension=self.extension,
            seat=self.context.seat,
            name=self.name,
            beacon_ms=max(self.beacons.last_ms, self.context.wall_ms(now)),
            muted=frozenset(self.media.muted),
            hidden=frozenset(self.hidden),
            inviter_key=self.inviter_key,
        )
        self.context.save(saved.encode())
