"""What a member hears and where it goes: cells to items, items to the part that they are for.

Nothing here decides whether a change is allowed: that is the judge's, in the epochs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from folkmoot.agreement import Naming
from folkmoot.cells.frames import MediaKind
from folkmoot.cells.pace import Pacer
from folkmoot.cells.picture_format import LANES
from folkmoot.cells.reliable import Record
from folkmoot.governance import MeetingExtension
from folkmoot.governance.evidence import Farewell, read_evidence
from folkmoot.meeting.beacons import BeaconMaker
from folkmoot.meeting.chat import ChatBook
from folkmoot.meeting.context import Context
from folkmoot.meeting.council import Council
from folkmoot.meeting.entrance import Entrance
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.epochs import Epochs
from folkmoot.meeting.events import (
    Confirmed,
)
from folkmoot.meeting.laggards import Laggards
from folkmoot.meeting.media import MediaPlane
from folkmoot.meeting.missing import Missing
from folkmoot.meeting.motions import Motions
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
)
from folkmoot.meeting.relay_watch import RelayWatch
from folkmoot.meeting.rooms import COUNCIL, DOOR, VOICE, Lane, Wanted
from folkmoot.meeting.secession import Secession, WalkedOut
from folkmoot.meeting.signalling import Echo, Signalling
from folkmoot.meeting.ways import Ways
from folkmoot.meeting.witnesses import LockedNamings
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import Sign
from folkmoot.wire.lanes import Direction, LaneSlot
from folkmoot.wire.limits import Bucket

# Refused commits that a person is told of: a member can make them by the hundred.
REFUSALS_PER_S = 1 / 20
REFUSALS_BURST = 6.0
# A picture that went off is not opened again before: whoever switches on and off all the time would
# have everybody open and close rooms, more than a relay takes from a link.
WATCH_AGAIN_S = 2.0
PICTURE_RELAYS = 2
PICTURES_PER_S = 60  # cells, in a meeting whose lanes do not say
PICTURES_MAX = 64  # rooms of others' pictures open at once
# Whoever is taken out leaves the others new rooms. A relay opens them to each within a round trip
# of that one's own, and what is said there before is lost to those who wait: so for as long as slow
# ones need all is said in the old rooms, too, under the new epoch's keys.
ROOMS_OPEN_S = 1.0


class Hearing(ABC):
    """The parts of one member's meeting, and what reaches them."""

    def __init__(
        self,
        context: Context,
        state: EpochState,
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
        self.name = name
        self.inviter_key = inviter_key
        self.epochs = Epochs(
            state,
            seat=context.seat,
            wall_s=context.wall_s,
            now=now,
            seals=seals,
        )
        self.presence = Presence(context.seat, context.group_id)
        self.council = Council(context.entropy)
        self.signalling = Signalling(context.entropy)
        self.chat = ChatBook(context.seat)
        self._council_pacer = Pacer(1 / self._pace(LaneSlot.COUNCIL), now)
        voice, pictures = self._pace(LaneSlot.VOICE), self._pace(LaneSlot.PICTURE)
        self.relay_watch = RelayWatch(context, now)
        self.media = MediaPlane(context, voice, pictures, now, self.relay_watch)
        self.motions = Motions(context.group_id, context.seat, context.tell)
        self.laggards = Laggards()
        self.locked = LockedNamings()
        self.entrance = Entrance(
            context,
            self.epochs,
            self.laggards,
            state.secrets.door,
            self.side_count,
            self.locked.of,
            now,
        )
        self.refusals = Bucket(REFUSALS_PER_S, REFUSALS_BURST, now)
        self.microphone = False
        self.hidden: set[bytes] = set()
        self._watch_from: dict[tuple[bytes, MediaKind], float] = {}
        self.beacons = BeaconMaker(context, beacon_after_ms, now)
        # While we ask for a fresh leaf we say nothing: who hears us would wait for our answers.
        self.quiet = not seals
        self._check_at = now
        self.ways = Ways(context)
        self._joined_tick = state.secrets.tick
        self.missing = Missing()
        self.secession = Secession(
            context.group_id, context.seat, context.key, context.tell, context.entropy
        )
        self.walked: WalkedOut | None = None
        self._former_until = now
        self.follow(now)
        if inviter_key is not None:
            self.presence.trust(inviter_key)

    @property
    def extension(self) -> MeetingExtension:
        """Charter, relays and lanes of the current epoch."""
        return self.epochs.current.terms.meeting

    def _pace(self, slot: LaneSlot) -> int:
        """Cells a second of each member, as the current epoch's lanes say."""
        lane = self.extension.lane(slot)
        members = len(self.epochs.current.roster)
        return PICTURES_PER_S if lane is None else lane.cells_per_s(members)

    # -- the epoch changed

    def follow(self, now: float) -> None:
        state = self.epochs.current
        self._speak_in_former(state, now)
        self.context.relays.follow(self.extension.relays, self.extension.reserve, now)
        self.presence.follow(state)
        self.motions.follow(state, self.context.wall_s(now))
        self.listen_anew()
        self._council_pacer.set_period(1 / self._pace(LaneSlot.COUNCIL), now)
        self.media.set_pace(self._pace(LaneSlot.VOICE), self._pace(LaneSlot.PICTURE), now)
        self.relay_watch.settled(state, self._pace(LaneSlot.VOICE), now)
        self.beacons.soon(now)

    def _speak_in_former(self, state: EpochState, now: float) -> None:
        """For a moment after an epoch that only takes seats away: in its parent's rooms, too."""
        if self.epochs.kept:
            before = self.epochs.kept[-1].state
            if {one.seat for one in state.roster} < {one.seat for one in before.roster}:
                self.context.former_root = before.secrets.room_root
                self._former_until = now + ROOMS_OPEN_S

    def look_at_former(self, now: float) -> None:
        """Whether that moment is over."""
        if now >= self._former_until:
            self.context.former_root = None

    def listen_anew(self) -> None:
        """The set of epochs that are heard changed."""
        states = list(self.epochs.states())
        self.signalling.follow(states)
        seats = [entry.seat for entry in self.epochs.current.roster]
        self.media.follow(states, seats)
        self.chat.follow(seats)
        self._watch_from = {one: at for one, at in self._watch_from.items() if one[0] in seats}
        self.context.want_rooms(self.wanted_rooms())

    def roots(self) -> list[bytes]:
        """Room roots to send with, the settled one first."""
        states = [self.epochs.current, *(one.state for one in reversed(self.epochs.kept))]
        return list(dict.fromkeys(state.secrets.room_root for state in states))

    def wanted_rooms(self) -> list[Wanted]:
        """Every room of this meeting that we want open now."""
        wanted: list[Wanted] = []
        roots = list(dict.fromkeys(one.secrets.room_root for one in self.epochs.states()))
        book = self.context.relays
        for relay in book.carrying:
            for root in roots:
                for lane in (COUNCIL, VOICE):
                    wanted.append(Wanted(relay, lane, root, Direction.BOTH, "main"))
        for relay in book.doors:
            for root in dict.fromkeys((*self.entrance.room_roots, *self.more_doors)):
                wanted.append(Wanted(relay, DOOR, root, Direction.BOTH, "main"))
        root = roots[0]
        for relay in self.picture_relays():
            for kind in self.media.showing():
                lane = Lane(LaneSlot.PICTURE, self.context.seat, LANES[kind].stream)
                wanted.append(Wanted(relay, lane, root, Direction.SEND, "show"))
            for seat, kind in self.media.watched():
                lane = Lane(LaneSlot.PICTURE, seat, LANES[kind].stream)
                wanted.append(Wanted(relay, lane, root, Direction.RECEIVE, "watch"))
        return wanted

    def picture_relays(self) -> list[int]:
        """Where pictures are: the first relay that carries us, and the next as its spare."""
        carrying, there = self.context.relays.carrying, self.context.rooms.open_relays(COUNCIL)
        return ([one for one in carrying if one in there] or list(carrying))[:PICTURE_RELAYS]

    # Others agreed, or may agree, on a commit that gives our seat a leaf that we asked for.
    evicted: bool = False
    more_doors: tuple[bytes, ...] = ()  # room roots of other doors that we knock at

    def publish(self, kind: RecordKind, body: bytes, now: float) -> None:
        self.council.publish(kind, body, self.context.wall_s(now))

    @abstractmethod
    def act(self, now: float) -> None:
        """Does what came of what was heard."""

    def side_count(self, now: float) -> int:
        """How many of those whom we know are in epochs that we hear."""
        return self.presence.side_count((one.authenticator for one in self.epochs.states()), now)

    @property
    def online(self) -> bool:
        """Whether any relay carries our council."""
        return self.context.rooms.open_count(COUNCIL) > 0

    # -- hearing

    def receive(self, wanted: Wanted, cells: Sequence[bytes], now: float) -> None:
        """Cells of one of our rooms."""
        slot = wanted.lane.slot
        if slot is LaneSlot.DOOR:
            # Who asks for a fresh leaf itself has nothing to answer others with.
            if not self.quiet:
                if self.entrance.receive(cells, now, wanted.root):
                    self.ways.heard_knock(wanted.relay, now)
                self.act(now)
        elif slot is LaneSlot.COUNCIL:
            for cell in cells:
                echo = self.signalling.echo(cell, wanted.relay)
                if echo is None or echo is Echo.BENT:
                    self._hear_cell(wanted.relay, cell, echo, now)
                    continue
                self.ways.heard_echo(wanted.relay, now)
                self.beacons.heard_echo(wanted.relay, now)
                if echo is Echo.AGAIN:
                    self.relay_watch.repeated(wanted.relay, now)
            self.act(now)
        else:
            self.media.receive(wanted.relay, wanted.lane, wanted.root, cells, now)

    def _hear_cell(self, relay: int, cell: bytes, echo: Echo | None, now: float) -> None:
        """A council cell that is not ours."""
        plaintext = self.signalling.open(cell, now)
        if plaintext is not None:
            for kind, body in self.council.receive(plaintext, now):
                self._hear(kind, body, now)
        elif echo is Echo.BENT:
            self.relay_watch.bent(relay, now)

    def _hear(self, kind: ItemKind, body: bytes, now: float) -> None:
        wall_s = self.context.wall_s(now)
        if kind is ItemKind.BEACON:
            self._hear_beacon(body, now)
        elif kind is ItemKind.HAVE:
            self.council.receive_have(body, now, wall_s)
        elif kind is ItemKind.LOGGED:
            logged = self.council.receive_logged(body, now, wall_s)
            if logged is not None:
                self._hear_record(logged, now)
        elif kind is ItemKind.NAMING:
            self._hear_naming(body, now)
        elif kind is ItemKind.KEY_FRAME_WANTED:
            try:
                wanted = codec.decode(KeyFrameWanted.read, body)
            except DecodeError:
                return
            if wanted.seat == self.context.seat and wanted.stream in (1, 2):
                picture = MediaKind(wanted.stream)
                self.media.key_frame_wanted(picture, wanted.nothing_comes, now)

    def _hear_beacon(self, body: bytes, now: float) -> None:
        beacon = self.presence.receive(body, self.epochs.states(), now)
        if beacon is None:
            return
        self.relay_watch.hear(beacon, now)
        wall_s = self.context.wall_s(now)
        self.council.receive_digest(beacon.digest, now, wall_s)
        self.epochs.hear(beacon.seat, beacon.epoch, beacon.authenticator, now)
        self.chat.heard_in(beacon.authenticator)
        member = self.presence.members.get(beacon.seat)
        if (
            self.inviter_key is not None
            and member is not None
            and member.key.public_bytes_raw() == self.inviter_key
            and self.epochs.knows(beacon.authenticator)
        ):
            # Whoever invited us is in an epoch that we know: the roster it sees has us in it.
            self.inviter_key = None
            # Who let us in may have dated the Welcome otherwise than the commit, which the others
            # have; whoever invited us says what time it is here.
            self.context.check_clock(beacon.at_ms // 1000, now)
            self.presence.rest()
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
            watched = beacon.seat, kind
            if shown and len(list(self.media.watched())) >= PICTURES_MAX:
                continue
            if shown and now < self._watch_from.get(watched, now):
                continue
            if self.media.watch(beacon.seat, kind, shown, now):
                changed = True
                if not shown:
                    self._watch_from[watched] = now + WATCH_AGAIN_S
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
            self.keep_lock(naming, signed)
            self.epochs.receive_naming(signed.seat, naming, now)

    def keep_lock(self, naming: Naming, signed: Signed) -> None:
        """A naming, ours too, that may be a witness of the epoch that it names."""
        if self.epochs.is_settled(naming.parent):
            self.locked.keep(naming, signed)

    def _hear_record(self, record: Record, now: float) -> None:
        state, kind, body = self.epochs.current, record.kind, record.body
        try:
            if kind == RecordKind.HANDSHAKE:
                self.epochs.receive_handshake(codec.decode(Handshake.read, body), now)
                self.listen_anew()
            elif kind == RecordKind.CONTENT:
                self.chat.receive(body, self.epochs.states(), now)
            elif kind == RecordKind.FAREWELL:
                farewell = codec.decode(read_evidence, body)
                if isinstance(farewell, Farewell) and self.epochs.pending.say_farewell(
                    farewell, state
                ):
                    self.epochs.goodbye(farewell.seat, now)
            elif kind == RecordKind.REQUEST and record.tick >= self._joined_tick:
                # Older ones were decided before we came: their commits are not ours to know.
                request = codec.decode(Request.read, body)
                if self.epochs.ask(request, now) is None and self.epochs.pending.grants(request):
                    self.entrance.let_in(request)
            elif kind == RecordKind.MOTION:
                self.motions.receive_motion(body, state, self.context.wall_s(now))
            elif kind == RecordKind.BALLOT:
                self.motions.receive_ballot(body, state, self.context.wall_s(now))
            elif kind == RecordKind.CALL:
                self.secession.hear_call(body, state, now, self.context.wall_s(now))
            elif kind == RecordKind.CALL_REPLY:
                self.secession.hear_reply(body, now)
            elif kind == RecordKind.CALL_GO and self.walked is None:
                self.walked = self.secession.hear_go(body, state, now)
        except DecodeError:
            # A record of a member that we cannot read: kept in the log, so that others compare
            # equal.
            return
