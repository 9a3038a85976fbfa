"""A member inside a meeting: epochs, council, presence, media and the door, put together.

Each part knows its own business; here what one of them heard becomes what another must do. Nothing
in this module decides whether a change is allowed: that is the judge's, before anything gets here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot.agreement import Naming, SendNaming
from folkmoot.cells.frames import MediaKind
from folkmoot.cells.pace import Pacer
from folkmoot.cells.picture_format import LANES
from folkmoot.governance import MeetingExtension
from folkmoot.governance.evidence import Farewell, make_farewell, make_sponsor, read_evidence
from folkmoot.meeting.beacons import BeaconMaker
from folkmoot.meeting.chat import ChatBook
from folkmoot.meeting.context import Context
from folkmoot.meeting.council import Council
from folkmoot.meeting.entrance import Entrance
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.epochs import CommitRefused, Epochs, Moved, Offer, Removed
from folkmoot.meeting.events import (
    Confirmed,
    EpochChanged,
    Left,
    MemberIn,
    MemberOut,
    Refused,
    RosterChanged,
)
from folkmoot.meeting.laggards import Laggards
from folkmoot.meeting.media import MediaPlane
from folkmoot.meeting.pending import Request
from folkmoot.meeting.presence import Presence
from folkmoot.meeting.records import (
    Beacon,
    Handshake,
    ItemKind,
    KeyFrameWanted,
    RecordKind,
    Showing,
    Signed,
    sign_statement,
)
from folkmoot.meeting.rooms import COUNCIL, DOOR, VOICE, Lane, Wanted
from folkmoot.meeting.save import Saved
from folkmoot.meeting.signalling import Signalling
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import Sign
from folkmoot.wire.lanes import Direction, LaneSlot

CHECK_EVERY_S = 0.5
FAREWELL_WAIT_S = 3.0  # for somebody to commit our farewell; then we go all the same
STEPS_MAX = 64  # done in one go
PICTURES_MAX = 64  # rooms of others' pictures open at once


@dataclass(slots=True)
class Departure:
    """We said farewell."""

    deadline: float


class Inside:
    """What a member does while it is in the meeting."""

    def __init__(
        self,
        context: Context,
        state: EpochState,
        extension: MeetingExtension,
        *,
        name: str,
        inviter_key: bytes | None,
        now: float,
        seals: bool = True,
        beacon_after_ms: int = 0,
    ) -> None:
        """`inviter_key`: who must confirm our epoch before we are heard and seen; None for the
        founder and for one who comes back."""
        self.context = context
        self.extension = extension
        self.name = name
        self.inviter_key = inviter_key
        self.epochs = Epochs(
            state, seat=context.seat, charter=extension.charter, now=now, seals=seals
        )
        self.presence = Presence(context.seat, context.group_id)
        self.council = Council(context.entropy)
        self.signalling = Signalling(context.entropy)
        self.chat = ChatBook(context.seat)
        members = len(state.roster)
        council_lane, voice_lane = extension.lane(LaneSlot.COUNCIL), extension.lane(LaneSlot.VOICE)
        picture_lane = extension.lane(LaneSlot.PICTURE)
        assert council_lane is not None and voice_lane is not None  # the extension's own promise
        self._council_lane = council_lane
        self._council_pacer = Pacer(1 / council_lane.cells_per_s(members), now)
        pictures = 60 if picture_lane is None else picture_lane.cells_per_s(members)
        self.media = MediaPlane(context, voice_lane.cells_per_s(members), pictures, now)
        self.entrance = Entrance(context, self.epochs, state.secrets.door)
        self.microphone = False
        self.hidden: set[bytes] = set()
        self.departure: Departure | None = None
        self.laggards = Laggards()
        self.beacons = BeaconMaker(context, beacon_after_ms, now)
        # While we ask for a fresh leaf we say nothing: who hears us would wait for our answers.
        self.quiet = not seals
        self._check_at = now
        self._follow(now)

    # -- the epoch changed

    def _follow(self, now: float) -> None:
        state = self.epochs.current
        self.presence.follow(state)
        self.listen_anew()
        self._council_pacer.set_period(1 / self._council_lane.cells_per_s(len(state.roster)), now)
        self.beacons.soon(now)

    def listen_anew(self) -> None:
        """The set of epochs that are heard changed."""
        states = list(self.epochs.states())
        self.signalling.follow(states)
        self.media.follow(states, [entry.seat for entry in self.epochs.current.roster])
        self.context.want_rooms(self.wanted_rooms())

    def roots(self) -> list[bytes]:
        """Room roots to send with, the settled one first."""
        states = [self.epochs.current, *(one.state for one in reversed(self.epochs.kept))]
        return list(dict.fromkeys(state.secrets.room_root for state in states))

    def wanted_rooms(self) -> list[Wanted]:
        """Every room of this meeting that we want open now."""
        wanted: list[Wanted] = []
        roots = list(dict.fromkeys(one.secrets.room_root for one in self.epochs.states()))
        for relay in range(len(self.context.relays)):
            for root in roots:
                for lane in (COUNCIL, VOICE):
                    wanted.append(Wanted(relay, lane, root, Direction.BOTH, "main"))
            wanted.append(Wanted(relay, DOOR, self.entrance.room_root, Direction.BOTH, "main"))
            root = roots[0]
            for kind in self.media.showing():
                lane = Lane(LaneSlot.PICTURE, self.context.seat, LANES[kind].stream)
                wanted.append(Wanted(relay, lane, root, Direction.SEND, "show"))
            for seat, kind in self.media.watched():
                lane = Lane(LaneSlot.PICTURE, seat, LANES[kind].stream)
                wanted.append(Wanted(relay, lane, root, Direction.RECEIVE, "watch"))
        return wanted

    # -- hearing

    def receive(self, wanted: Wanted, cells: Sequence[bytes], now: float) -> None:
        """Cells of one of our rooms."""
        slot = wanted.lane.slot
        if slot is LaneSlot.DOOR:
            self.entrance.receive(cells, now)
            self._after(now)
        elif slot is LaneSlot.COUNCIL:
            for cell in cells:
                if (sent := self.signalling.echo_of(cell)) is not None:
                    self.beacons.heard_echo(wanted.relay)
                    self.chat.delivered(sent)
                elif (plaintext := self.signalling.open(cell, now)) is not None:
                    for kind, body in self.council.receive(plaintext, now):
                        self._hear(kind, body, now)
            self._after(now)
        else:
            self.media.receive(wanted.relay, wanted.lane, cells, now)

    def _hear(self, kind: ItemKind, body: bytes, now: float) -> None:
        wall_s = self.context.wall_s(now)
        if kind is ItemKind.BEACON:
            self._hear_beacon(body, now)
        elif kind is ItemKind.HAVE:
            self.council.receive_have(body, now, wall_s)
        elif kind is ItemKind.LOGGED:
            logged = self.council.receive_logged(body, now, wall_s)
            if logged is not None:
                self._hear_record(*logged, now)
        elif kind is ItemKind.NAMING:
            self._hear_naming(body, now)
        elif kind is ItemKind.KEY_FRAME_WANTED:
            try:
                wanted = codec.decode(KeyFrameWanted.read, body)
            except DecodeError:
                return
            if wanted.seat == self.context.seat and wanted.stream in (1, 2):
                self.media.key_frame_wanted(MediaKind(wanted.stream), now)

    def _hear_beacon(self, body: bytes, now: float) -> None:
        beacon = self.presence.receive(body, self.epochs.states(), now)
        if beacon is None:
            return
        wall_s = self.context.wall_s(now)
        self.council.receive_digest(beacon.digest, now, wall_s)
        self.epochs.hear(beacon.seat, beacon.epoch, beacon.authenticator, now)
        member = self.presence.members.get(beacon.seat)
        if (
            self.inviter_key is not None
            and member is not None
            and member.key.public_bytes_raw() == self.inviter_key
            and self.epochs.knows(beacon.authenticator)
        ):
            # Whoever invited us is in an epoch that we know: the roster it sees has us in it.
            self.inviter_key = None
            self.context.tell(Confirmed())
        behind = next(
            (
                one.state
                for one in self.epochs.kept
                if one.state.authenticator == beacon.authenticator
            ),
            None,
        )
        if behind is not None:
            self.laggards.answer(behind, self.epochs.current, now, wall_s)
        self._watch(beacon, now)

    def _watch(self, beacon: Beacon, now: float) -> None:
        """Opens the pictures that somebody shows and closes those that are off."""
        changed = False
        for kind, flag in ((MediaKind.CAMERA, Showing.CAMERA), (MediaKind.SCREEN, Showing.SCREEN)):
            shown = bool(beacon.showing & flag) and beacon.seat not in self.hidden
            shown = shown and beacon.seat in self.presence.members
            if shown and len(list(self.media.watched())) >= PICTURES_MAX:
                continue
            changed |= self.media.watch(beacon.seat, kind, shown, now)
        if changed:
            self.context.want_rooms(self.wanted_rooms())

    def _hear_naming(self, body: bytes, now: float) -> None:
        try:
            signed = codec.decode(Signed.read, body)
            naming = codec.decode(Naming.read, signed.content[16:])
        except DecodeError:
            return
        member = self.presence.members.get(signed.seat)
        if member is None or signed.seat == self.context.seat:
            return
        if signed.verified(member.key, Sign.NAMING, self.context.group_id):
            self.epochs.receive_naming(signed.seat, naming, now)

    def _hear_record(self, kind: int, body: bytes, now: float) -> None:
        state = self.epochs.current
        try:
            if kind == RecordKind.HANDSHAKE:
                self.epochs.receive_handshake(codec.decode(Handshake.read, body), now)
                self.listen_anew()
            elif kind == RecordKind.CONTENT:
                self.chat.receive(body, self.epochs.states())
            elif kind == RecordKind.FAREWELL:
                farewell = codec.decode(read_evidence, body)
                if isinstance(farewell, Farewell) and self.epochs.pending.say_farewell(
                    farewell, state
                ):
                    self.epochs.goodbye(farewell.seat, now)
            elif kind == RecordKind.REQUEST:
                request = codec.decode(Request.read, body)
                if self.epochs.pending.ask(request, state, now) is None:
                    self.entrance.let_in(request)
                    self.epochs.wanted(now)
        except DecodeError:
            # A record of a member that we cannot read: kept in the log, so that others compare
            # equal.
            return

    # -- acting

    def _after(self, now: float) -> None:
        """Does what the epochs and the door came to."""
        for request in self.entrance.take_requests():
            if self.epochs.pending.ask(request, self.epochs.current, now) is None:
                self.epochs.wanted(now)
        for _ in range(STEPS_MAX):
            if self.epochs.commit_wanted:
                self.epochs.commit(
                    wall_s=self.context.wall_s(now), now=now, entropy=self.context.entropy
                )
            step = self.epochs.next_step()
            if step is None:
                break
            if isinstance(step, Offer):
                self.save(now)
                self._publish(RecordKind.HANDSHAKE, step.handshake.encode(), now)
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
            elif isinstance(step, Moved):
                self._moved(step, now)
            elif isinstance(step, Removed):
                if self.departure is not None:
                    self.departure = None
                    self.context.tell(Left("You left the meeting."))
            else:
                assert isinstance(step, CommitRefused)
                self.context.tell(Refused("commit", step.why))
        self._tell_chat(now)

    def _publish(self, kind: RecordKind, body: bytes, now: float) -> int:
        return self.council.publish(kind, body, self.context.wall_s(now))

    def _moved(self, step: Moved, now: float) -> None:
        names = self.presence.names(self.name)
        self.laggards.settled(step.handshake)
        self._follow(now)
        self.save(now)
        current = self.epochs.current
        for seat in step.verdict.joined:
            self.context.tell(MemberIn(seat))
        for seat in step.verdict.left:
            self.context.tell(MemberOut(seat, names.get(seat, "somebody"), "left"))
        self.context.tell(EpochChanged(current.group.epoch, current.authenticator))
        self.chat.retry(self.epochs.states())
        self._send_content(now)
        self.entrance.settled(step, current, now)

    def settle_in(self, now: float) -> None:
        """Says that we are here, and starts what waits."""
        self.save(now)
        self.context.want_rooms(self.wanted_rooms())
        self._after(now)

    # -- content

    def say(self, text: str, now: float) -> None:
        """A chat message of ours to everybody."""
        self.chat.write(text, self.context.wall_ms(now), self.context.entropy)
        self._send_content(now)
        self._tell_chat(now)

    def _send_content(self, now: float) -> None:
        """Seals what waits in the settled epoch; what nobody had before the epoch changed,
        again."""
        if not self.epochs.seals:
            return
        self.chat.publish(
            self.epochs.current,
            self.context.entropy,
            lambda body: self._publish(RecordKind.CONTENT, body, now),
        )

    def _tell_chat(self, now: float) -> None:
        names = self.presence.names(self.name)
        for received in self.chat.take(names):
            self.context.tell(received)

    # -- going and coming back

    @property
    def needs_leaf(self) -> bool:
        """Whether this is a saved state come back, in which nothing may be sealed."""
        return not self.epochs.seals

    def is_lost(self, now: float) -> bool:
        """Whether the others are in an epoch that we cannot reach by ourselves."""
        if self.departure is not None:
            return False
        held = {state.authenticator for state in self.epochs.states()}
        return self.presence.lost(self.epochs.current, held, now)

    def catch_up(self, handshake: Handshake, now: float) -> None:
        """A commit that we missed, from somebody at the door."""
        self.epochs.receive_handshake(handshake, now)
        self.listen_anew()
        self._after(now)

    def come_back(self, state: EpochState, now: float) -> None:
        """Takes over an epoch in which our seat has a fresh leaf."""
        self.quiet = False
        self.epochs.replace(state, now)
        self._follow(now)
        self.settle_in(now)
        self.chat.retry(self.epochs.states())
        self._send_content(now)

    def rooms_changed(self, now: float) -> None:
        """A relay opened or lost a room, or we show something else."""
        self.epochs.set_online(self.context.rooms.open_count(COUNCIL) > 0, now)
        self.context.want_rooms(self.wanted_rooms())
        self._after(now)

    def alone_for(self, now: float) -> bool:
        """Whether nobody else was heard for long although a relay carries us."""
        others = [one for one in self.presence.members.values() if one.seat != self.context.seat]
        return self.context.rooms.open_count(COUNCIL) > 0 and not any(
            one.here(now) for one in others
        )

    def refresh(self, now: float) -> None:
        """Leaves the epoch of a saved state by a commit of our own: there is nobody to ask."""
        self.epochs.refresh(wall_s=self.context.wall_s(now), now=now, entropy=self.context.entropy)
        self._after(now)

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
        key_package, reference = self.entrance.knocking(knock)
        sponsor = make_sponsor(
            self.context.key, self.context.group_id, self.context.seat, reference
        )
        request = Request(key_package, sponsor)
        why = self.epochs.pending.ask(request, self.epochs.current, now)
        if why is not None:
            self.context.tell(Refused("admit", f"They cannot come in: {why}."))
            return
        self.entrance.let_in(request)
        self._publish(RecordKind.REQUEST, request.encode(), now)
        self.epochs.wanted(now)
        self._after(now)

    def leave(self, now: float) -> None:
        """Says farewell; when we are alone there is nobody to say it to."""
        if self.departure is not None:
            return
        entry = self.epochs.current.entry_of(self.context.seat)
        assert entry is not None
        self.context.save(b"")
        if len(self.epochs.current.roster) == 1 or not self.context.rooms.open_count(COUNCIL):
            self.context.tell(Left("You left the meeting."))
            return
        farewell = make_farewell(
            self.context.key, self.context.group_id, self.context.seat, entry.leaf_hash
        )
        self._publish(RecordKind.FAREWELL, farewell.encode(), now)
        self.departure = Departure(now + FAREWELL_WAIT_S)

    # -- time

    def handle_timer(self, now: float) -> None:
        if self.departure is not None and now >= self.departure.deadline:
            self.departure = None
            self.context.tell(Left("You left the meeting; nobody confirmed it."))
            return
        self.epochs.set_online(self.context.rooms.open_count(COUNCIL) > 0, now)
        before = {one.authenticator for one in self.epochs.states()}
        self.epochs.handle_timer(now)
        self._after(now)
        if before != {one.authenticator for one in self.epochs.states()}:
            self.listen_anew()
        if now >= self._check_at:
            self._check_at = now + CHECK_EVERY_S
            if self.presence.changed(now):
                self.context.tell(RosterChanged())
        if self.beacons.due(len(self.epochs.current.roster), now):
            self._say_beacon(now)
        for _ in range(self._council_pacer.due(now)):
            self._beat(now)
        sealing = self.epochs.current if self.epochs.seals else None
        self.media.send_due(sealing, self.roots(), now)
        self.media.handle_timer(now)
        for seat, kind in self.media.key_frames_to_ask(now):
            wanted = KeyFrameWanted(seat, LANES[kind].stream)
            self.council.state(ItemKind.KEY_FRAME_WANTED, wanted.encode(), wanted.encode())
        self.entrance.handle_timer(now)

    def next_timer(self) -> float:
        times = [self.beacons.next_timer(), self._check_at, self._council_pacer.next_timer()]
        times.append(self.media.next_timer())
        for due in (self.epochs.next_timer(), self.entrance.next_timer()):
            if due is not None:
                times.append(due)
        if self.departure is not None:
            times.append(self.departure.deadline)
        return min(times)

    def _say_beacon(self, now: float) -> None:
        digest = self.council.digest(self.context.wall_s(now))
        signed = self.beacons.make(self.epochs.current, self.name, self.showing(), digest, now)
        self.council.state(ItemKind.BEACON, signed.encode())

    def beacon_soon(self, now: float) -> None:
        """Something that our beacon says changed: it goes out with the next beat."""
        self.beacons.soon(now)

    def _beat(self, now: float) -> None:
        """One council cell to each relay: for those behind if somebody waits there, else for
        all."""
        state, roots, plaintext = self.epochs.current, self.roots(), b""
        answer = None if self.quiet else self.laggards.next_cell()
        if answer is not None:
            state, plaintext = answer
            roots = [state.secrets.room_root, *roots]
        elif not self.quiet:
            plaintext = self.council.next_plaintext(now, self.context.wall_s(now))
        for relay in range(len(self.context.relays)):
            room = self.context.rooms.send_handle(relay, COUNCIL, roots)
            if room is not None:
                sent = 0 if answer is not None else self.council.sent
                cell = self.signalling.seal(state.secrets.signalling, plaintext, sent)
                self.context.send(room, (cell,))

    # -- keeping

    def save(self, now: float) -> None:
        """Everything that is needed to take this seat up again."""
        if self.departure is not None:
            return
        current = self.epochs.current
        saved = Saved(
            group=current.group.save(),
            secrets=current.secrets,
            extension=self.extension,
            seat=self.context.seat,
            name=self.name,
            beacon_ms=max(self.beacons.last_ms, self.context.wall_ms(now)),
        )
        self.context.save(saved.encode())
