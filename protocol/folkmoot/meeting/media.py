"""The media plane: sound and pictures as cells, at a pace that says nothing, in whichever epochs
are heard.

Every member sends the same number of voice cells a second from joining to leaving. A picture lane
is paced while it is on. Cells are sealed in the settled epoch and opened in any that is heard, so
a change of epoch makes no gap; who sent a cell is what its signature says, not the key that opened
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from folkmoot.cells.authorship import Author
from folkmoot.cells.frames import EncodedFrame, MediaKind
from folkmoot.cells.media import VOICE as VOICE_LANE
from folkmoot.cells.media import LaneId, MediaKeys, Opened
from folkmoot.cells.pace import Pacer
from folkmoot.cells.picture import PicturePacker, PictureReceiver
from folkmoot.cells.picture_format import KINDS, LANES
from folkmoot.cells.playable import Fault
from folkmoot.cells.voice import VoicePacker, VoiceReceiver, decode_cell, is_signed
from folkmoot.meeting.context import Context
from folkmoot.meeting.copies import Copies, Look, Watch
from folkmoot.meeting.epoch_media import EpochMedia
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.events import FrameReceived, KeyFrameNeeded, LeftOut, PictureGap
from folkmoot.meeting.own_picture import KEY_FRAMES_BURST, KEY_FRAMES_PER_S, OwnPicture
from folkmoot.meeting.rooms import VOICE, Lane
from folkmoot.meeting.screen import Screen
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import LaneSlot
from folkmoot.wire.limits import Bucket

ASK_KEY_EVERY_S = 0.7
# Pictures have cells all the time while they are on: none for so long is no bad line.
NOTHING_S = 1.0
EPOCHS_MAX = 24  # whose keys are held: those that are heard, and those just forgotten


class MediaPlane:
    """One member's sound and pictures."""

    def __init__(
        self,
        context: Context,
        voice_cells_per_s: int,
        picture_cells_per_s: int,
        now: float,
        watch: Watch,
    ) -> None:
        """`watch` hears of every voice cell through which relay it came, the second and third copy,
        and our own that come back, included."""
        self._context = context
        self._copies = Copies(watch)
        self._picture_cells_per_s = picture_cells_per_s
        self._voice = VoicePacker()
        self._voice_pacer = Pacer(1 / voice_cells_per_s, now)
        self._pictures: dict[MediaKind, OwnPicture] = {}
        self._epochs: dict[bytes, EpochMedia] = {}
        self._order: list[EpochMedia] = []
        self._voices: dict[bytes, VoiceReceiver] = {}
        self._watched: dict[tuple[bytes, MediaKind], PictureReceiver] = {}
        self._asked_at: dict[tuple[bytes, MediaKind], float] = {}
        self._came_at: dict[tuple[bytes, MediaKind], float] = {}  # a cell of it, or since we watch
        self._decoder_wants: set[tuple[bytes, MediaKind]] = set()
        self._picture_numbers: dict[MediaKind, int] = {}
        self._hearing: dict[tuple[bytes, str], tuple[int, int]] = {}
        self.muted: set[bytes] = set()
        self.screen = Screen()
        self.spare_wanted = False  # somebody here does not hear the relay that pictures go through

    # -- following the meeting

    def follow(self, states: Iterable[EpochState], seats: Iterable[bytes]) -> None:
        """Listens in these epochs, newest settled first; forgets members who are gone.

        `seats`: of the settled epoch. Whoever is in another epoch that is heard is kept, too: a
        newcomer speaks before its commit settled here, and who left may be heard to the end; one
        that is forgotten between two cells would be heard twice, as each holds the last frames
        again."""
        before, self._epochs = self._epochs, {}
        staying = set(seats)
        for state in states:
            staying.update(entry.seat for entry in state.roster)
            if len(self._epochs) < EPOCHS_MAX:
                held = before.get(state.authenticator) or EpochMedia(state)
                self._epochs[state.authenticator] = held
        self._order = list(self._epochs.values())
        self.screen.follow(staying)
        for seat in [one for one in self._voices if one not in staying]:
            del self._voices[seat]
        for watched in [one for one in self._watched if one[0] not in staying]:
            self._unwatch(watched)

    def _keys(self, held: EpochMedia, relay: int) -> MediaKeys:
        return held.keys_at(relay, self._context.relays.pin(relay))

    # -- sending

    def voice(self, frame: EncodedFrame) -> bool:
        """A frame of our own; False when it is too large for its slot."""
        return self._voice.push(frame)

    def set_pace(self, voice_cells_per_s: int, picture_cells_per_s: int, now: float) -> None:
        """The pace of the epoch that settled."""
        if 1 / voice_cells_per_s != self._voice_pacer.period_s:
            self._voice_pacer.set_period(1 / voice_cells_per_s, now)
        if picture_cells_per_s != self._picture_cells_per_s:
            self._picture_cells_per_s = picture_cells_per_s
            for picture in self._pictures.values():
                picture.pacer.set_period(1 / picture_cells_per_s, now)

    def silence(self) -> None:
        """The microphone is off: nothing that waits is sent."""
        self._voice.clear()

    def show(self, kind: MediaKind, on: bool, now: float) -> None:
        """Turns a picture of ours on or off."""
        if on and kind not in self._pictures:
            # Frame numbers go on where they stopped: who watches must not take them for old ones.
            packer = PicturePacker(kind, self._picture_numbers.get(kind, 0))
            self._pictures[kind] = OwnPicture(
                packer,
                Pacer(1 / self._picture_cells_per_s, now),
                Bucket(KEY_FRAMES_PER_S, KEY_FRAMES_BURST, now),
            )
        elif not on and (picture := self._pictures.pop(kind, None)) is not None:
            self._picture_numbers[kind] = picture.packer.number + 1

    def watch(self, seat: bytes, kind: MediaKind, on: bool, now: float) -> bool:
        """Whether something changed: we watch this picture from now on, or no longer."""
        if on == ((seat, kind) in self._watched):
            return False
        if on:
            self._watched[seat, kind] = PictureReceiver(LANES[kind])
            self._came_at[seat, kind] = now
        else:
            self._unwatch((seat, kind))
            self.screen.begins(seat, kind)
        return True

    def _unwatch(self, watched: tuple[bytes, MediaKind]) -> None:
        del self._watched[watched]
        del self._came_at[watched]
        self._asked_at.pop(watched, None)

    def watched(self) -> Iterable[tuple[bytes, MediaKind]]:
        """Whose pictures we receive."""
        return self._watched.keys()

    def key_frames_to_ask(self, now: float) -> list[tuple[bytes, MediaKind]]:
        """Pictures that cannot go on without a key frame, each at most once in a while."""
        due = []
        for watched, receiver in self._watched.items():
            wants = receiver.wants_key or watched in self._decoder_wants
            wants = wants or self.nothing_comes(*watched, now)
            if wants and now - self._asked_at.get(watched, -ASK_KEY_EVERY_S) >= ASK_KEY_EVERY_S:
                self._asked_at[watched] = now
                due.append(watched)
        self._decoder_wants.clear()
        return due

    def nothing_comes(self, seat: bytes, kind: MediaKind, now: float) -> bool:
        """Whether not even a cell of this picture, which we watch, came for a while."""
        return now - self._came_at[seat, kind] >= NOTHING_S

    def want_key(self, seat: bytes) -> None:
        """Whoever shows this member's pictures cannot decode them."""
        self._decoder_wants |= {one for one in self._watched if one[0] == seat}

    def picture(self, frame: EncodedFrame, now: float) -> None:
        """A frame of our own camera or screen; dropped when that is not on."""
        picture = self._pictures.get(frame.kind)
        if picture is not None:
            picture.packer.push(frame, now)
            if picture.packer.wants_key:
                # We dropped one ourselves: nothing goes out before the next, whoever else asks.
                self._need_key(picture, frame.kind, now)

    def key_frame_wanted(self, kind: MediaKind, nothing_comes: bool, now: float) -> None:
        """Somebody says that it misses a frame of ours: perhaps not by a lossy line, but since the
        relay keeps it back."""
        picture = self._pictures.get(kind)
        if picture is None:
            return
        picture.needs_spare(nothing_comes, now)
        if picture.key_frames.level(now) >= 1:
            self._need_key(picture, kind, now)

    def _need_key(self, picture: OwnPicture, kind: MediaKind, now: float) -> None:
        if picture.key_is_due(now):
            self._context.tell(KeyFrameNeeded(kind))

    def showing(self) -> Iterable[MediaKind]:
        """Which pictures of ours are on."""
        return self._pictures.keys()

    def send_due(self, sealing: EpochState | None, roots: Sequence[bytes], now: float) -> None:
        """Sends the cells that are due, in the epoch `sealing`; without one the beats pass
        unused."""
        beats = self._voice_pacer.due(now)
        held = None if sealing is None else self._epochs.get(sealing.authenticator)
        for _ in range(beats if held is not None else 0):
            assert held is not None
            self._seal_voice(held, roots)
        for kind, picture in self._pictures.items():
            beats = picture.pacer.due(now)
            for _ in range(beats if held is not None else 0):
                assert held is not None
                self._seal_picture(held, kind, picture, roots, now)

    def _next(self, held: EpochMedia, lane: LaneId) -> tuple[Author, int]:
        leaf = held.state.own_leaf
        known = held.author(leaf)
        assert known is not None  # we are in our own epochs
        counter = held.counters.get(lane, 0)
        held.counters[lane] = counter + 1
        return known[0], counter

    def _seal_voice(self, held: EpochMedia, roots: Sequence[bytes]) -> None:
        author, counter = self._next(held, VOICE_LANE)
        plaintext = self._voice.next_plaintext(self._context.key, author, counter)
        self._send(held, VOICE_LANE, VOICE, author.leaf, counter, plaintext, roots)

    def _seal_picture(
        self,
        held: EpochMedia,
        kind: MediaKind,
        picture: OwnPicture,
        roots: Sequence[bytes],
        now: float,
    ) -> None:
        lane = LANES[kind]
        author, counter = self._next(held, lane)
        plaintext = picture.packer.next_plaintext(self._context.key, author, counter, now)
        room = Lane(LaneSlot.PICTURE, self._context.seat, lane.stream)
        copies = 2 if self.spare_wanted or now < picture.spare_until else 1
        self._send(held, lane, room, author.leaf, counter, plaintext, roots, copies)

    def _send(
        self,
        held: EpochMedia,
        lane: LaneId,
        room_lane: Lane,
        leaf: int,
        counter: int,
        plaintext: bytes,
        roots: Sequence[bytes],
        copies: int | None = None,
    ) -> None:
        ways = self._context.ways_out(room_lane, roots, self._context.relays.carrying)
        for relay, room in ways[:copies]:
            cell = self._keys(held, relay).seal(lane, leaf, counter, plaintext)
            self._context.send(room, (cell,))

    # -- receiving

    def receive(
        self, relay: int, lane: Lane, root: bytes, cells: Sequence[bytes], now: float
    ) -> None:
        """Cells of one room, of this root; what does not open, is not signed or came before is
        dropped."""
        media_lane = VOICE_LANE if lane.slot is LaneSlot.VOICE else LaneId(lane.slot, lane.stream)
        for cell in cells:
            found = self._open(relay, media_lane, root, cell, now)
            if found is None:
                continue
            held, opened = found
            known = held.author(opened.leaf)
            if known is None or known[0].seat == self._context.seat:
                continue
            author, key = known
            if lane.slot is LaneSlot.VOICE:
                self._receive_voice(relay, root, held, cell, opened, author, key, now)
            elif author.seat == lane.seat:
                self._receive_picture(held, media_lane, opened, author, key, now)

    def _open(
        self, relay: int, lane: LaneId, root: bytes, cell: bytes, now: float
    ) -> tuple[EpochMedia, Opened] | None:
        failed: list[Look] = []
        for held in self._order:
            look: Look | None = None

            def opens(leaf: int, counter: int) -> bool:
                nonlocal look
                if lane != VOICE_LANE:
                    return held.is_new(lane, leaf, counter)  # noqa: B023
                look = self._copies.look(relay, root, held, leaf, counter, now)  # noqa: B023
                return look is not None and look.opens

            opened = self._keys(held, relay).open(lane, cell, opens)
            if opened is None:
                if look is not None and look.opens:
                    failed.append(look)
                continue
            if look is not None and not look.is_new:
                self._copies.opened(look, opened, now)
                return None
            return held, opened
        for look in failed:
            self._copies.failed(look, cell, now)
        return None

    def _receive_voice(
        self,
        relay: int,
        root: bytes,
        held: EpochMedia,
        cell: bytes,
        opened: Opened,
        author: Author,
        key: Ed25519PublicKey,
        now: float,
    ) -> None:
        if not is_signed(opened, key, author):
            self._copies.unsigned(relay, held, cell, opened, now)
            return
        if not held.filter(VOICE_LANE).accept(opened.epoch, opened.leaf, opened.counter):
            return
        self._copies.accepted(relay, root, held, cell, opened, now)
        try:
            decoded = decode_cell(opened.plaintext)
        except DecodeError:
            self.blame(author.seat, Fault.SOUND)
            return
        receiver = self._voices.get(author.seat)
        if receiver is None:
            receiver = self._voices[author.seat] = VoiceReceiver()
        self._deliver(author.seat, receiver.receive(decoded, opened.epoch, now), now)

    def _receive_picture(
        self,
        held: EpochMedia,
        lane: LaneId,
        opened: Opened,
        author: Author,
        key: Ed25519PublicKey,
        now: float,
    ) -> None:
        seat, kind = author.seat, KINDS[lane]
        watched = self._watched.get((seat, kind))
        if watched is None:
            return
        self._came_at[seat, kind] = now
        gaps, nonsense, verified = watched.gaps, watched.nonsense, watched.verified
        self._deliver(seat, watched.receive(opened, key, author, now), now)
        if watched.gaps > gaps:
            self._context.tell(PictureGap(seat, kind))
        if watched.nonsense > nonsense:
            self.blame(seat, Fault.PICTURE)
        if watched.verified > verified and watched.until_key:
            self.screen.waits_for_key(seat, kind, now)
        self._tell_faults()

    def _deliver(self, seat: bytes, frames: Iterable[EncodedFrame], now: float) -> None:
        for frame in frames:
            if not self.screen.passes(seat, frame, now):
                if frame.kind is not MediaKind.VOICE:
                    # What follows refers to it: nothing more before a key frame.
                    self._context.tell(PictureGap(seat, frame.kind))
            elif seat not in self.muted or frame.kind is not MediaKind.VOICE:
                self._context.tell(FrameReceived(seat, frame))
        self._tell_faults()

    def blame(self, seat: bytes, fault: Fault) -> None:
        """Something of this member's is left out; told once."""
        self.screen.blame(seat, fault)
        self._tell_faults()

    def _tell_faults(self) -> None:
        for seat, fault in self.screen.take():
            self._context.tell(LeftOut(seat, fault.value))

    def hearing(self) -> list[tuple[bytes, str, int, int]]:
        """Since the last call: seat, kind, frames received and lost."""
        rows = []
        counts: dict[tuple[bytes, str], tuple[int, int]] = {
            (seat, "voice"): (one.received, one.lost) for seat, one in self._voices.items()
        }
        for (seat, kind), one in self._watched.items():
            counts[seat, kind.name.lower()] = one.received, one.lost
        for (seat, name), (received, lost) in counts.items():
            before = self._hearing.get((seat, name), (0, 0))
            rows.append((seat, name, received - before[0], lost - before[1]))
        self._hearing = counts
        return rows

    # -- time

    def handle_timer(self, now: float) -> None:
        for seat, voice in self._voices.items():
            self._deliver(seat, voice.handle_timer(now), now)
        for (seat, _), picture in self._watched.items():
            self._deliver(seat, picture.handle_timer(now), now)

    def next_timer(self) -> float:
        times = [self._voice_pacer.next_timer()]
        times += [one.pacer.next_timer() for one in self._pictures.values()]
        receivers: tuple[VoiceReceiver | PictureReceiver, ...] = (
            *self._voices.values(),
            *self._watched.values(),
        )
        times += [due for one in receivers if (due := one.next_timer()) is not None]
        return min(times)
