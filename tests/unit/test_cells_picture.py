"""Pictures: cut and put together in any order, signed, bounded, from key frame to key frame."""

from __future__ import annotations

import contextlib
import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.cells import picture, picture_format
from folkmoot.cells.authorship import Author
from folkmoot.cells.errors import UsageError
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import CAMERA, SCREEN, VOICE, Opened
from folkmoot.cells.picture import HOLD_S, STALL_S, PicturePacker, PictureReceiver
from folkmoot.wire.codec import DecodeError

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key()
AUTHOR = Author(b"group", b"a" * 32, b"s" * 16, leaf=3, epoch=5)


def frame(number: int, size: int = 3000, key: bool = False) -> EncodedFrame:
    content = random.Random(number).randbytes(size)
    payloads = tuple(content[start : start + 1200] for start in range(0, size, 1200))
    return EncodedFrame(MediaKind.CAMERA, Codec.VP8, key, number * 33_333, payloads)


class Sender:
    """A packer whose cells are numbered as a lane's are."""

    def __init__(self, author: Author = AUTHOR, packer: PicturePacker | None = None) -> None:
        self.packer = packer or PicturePacker(MediaKind.CAMERA)
        self.author = author
        self.counter = 0

    def cell(self, now: float = 0.0) -> Opened:
        plaintext = self.packer.next_plaintext(KEY, self.author, self.counter, now)
        assert len(plaintext) == 1127
        self.counter += 1
        return Opened(self.author.leaf, self.counter - 1, plaintext, self.author.epoch)

    def cells_of(self, given_frame: EncodedFrame) -> list[Opened]:
        assert self.packer.push(given_frame, 0.0)
        cells = [self.cell()]
        while not self.packer.idle:
            cells.append(self.cell())
        return cells


def feed(
    receiver: PictureReceiver, cells: list[Opened], now: float = 0.0, author: Author = AUTHOR
) -> list[EncodedFrame]:
    return [out for got in cells for out in receiver.receive(got, PUBLIC, author, now)]


@settings(deadline=None)
@given(st.integers(1, 5000) | st.integers(250_000, 258_000), st.randoms(use_true_random=False))
def test_a_frame_comes_back_however_its_cells_are_shuffled(size: int, rng: random.Random) -> None:
    given_frame = frame(1, size, key=True)
    cells = Sender().cells_of(given_frame)
    rng.shuffle(cells)
    receiver = PictureReceiver(CAMERA)
    assert feed(receiver, cells) == [given_frame]
    assert (receiver._held_bytes, len(receiver._partial)) == (0, 0)


def test_pieces_leave_room_for_checks_and_signature_at_every_size() -> None:
    for size in [*range(1, 3600), *range(130_000, 131_500), *range(261_000, 262_145)]:
        pieces = picture_format.cut(bytes(size))
        assert sum(map(len, pieces)) == size
        last = len(pieces[-1]) + 4 * (len(pieces) - 1) + 64
        assert last <= picture_format.DATA_BYTES_MAX
        assert len(pieces) <= picture_format.FRAGMENTS_MAX
    with pytest.raises(UsageError):
        picture_format.cut(bytes(picture_format.FRAME_BYTES_MAX + 10_000))


def test_a_60_kb_key_frame_takes_less_than_a_second_at_60_cells() -> None:
    assert len(Sender().cells_of(frame(0, 60_000, key=True))) <= 55


def test_nothing_to_show_is_a_filler_of_the_same_size() -> None:
    sender = Sender()
    assert sender.packer.idle
    filler = sender.cell()
    assert filler.plaintext == bytes(1127)
    assert feed(PictureReceiver(CAMERA), [filler]) == []


def test_frames_keep_kind_codec_time_key_and_payload_boundaries() -> None:
    packer = PicturePacker(MediaKind.SCREEN)
    sender = Sender(packer=packer)
    receiver = PictureReceiver(SCREEN)
    for index, codec in enumerate(picture_format.PICTURE_CODECS):
        given_frame = EncodedFrame(
            MediaKind.SCREEN, codec, index == 0, 2**48 - 1 - index, (b"a", b"bc" * 500, b"d")
        )
        assert feed(receiver, sender.cells_of(given_frame)) == [given_frame]


def test_the_signature_is_one_seat_epoch_lane_and_counter() -> None:
    cells = Sender().cells_of(frame(0, 3000, key=True))
    assert feed(PictureReceiver(CAMERA), cells) == [frame(0, 3000, key=True)]
    assert feed(PictureReceiver(SCREEN), cells) == []
    moved = [*cells[:-1], cells[-1]._replace(counter=99)]
    assert feed(PictureReceiver(CAMERA), moved) == []
    for author in (
        replace(AUTHOR, seat=b"t" * 16),
        replace(AUTHOR, group_id=b"other"),
        replace(AUTHOR, epoch_authenticator=b"b" * 32),
    ):
        assert feed(PictureReceiver(CAMERA), cells, author=author) == []
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key()
    receiver = PictureReceiver(CAMERA)
    assert [receiver.receive(got, other, AUTHOR, 0.0) for got in cells][-1] == []
    with pytest.raises(UsageError):
        receiver.receive(cells[0]._replace(leaf=4), PUBLIC, AUTHOR, 0.0)


def test_a_frame_may_begin_in_one_epoch_and_end_in_the_next() -> None:
    sender = Sender()
    sender.packer.push(frame(0, 4000, key=True), 0.0)
    first = sender.cell()
    sender.author = replace(AUTHOR, epoch=6, epoch_authenticator=b"n" * 32)
    rest = [sender.cell() for _ in range(3)]
    receiver = PictureReceiver(CAMERA)
    assert receiver.receive(first, PUBLIC, AUTHOR, 0.0) == []
    assert feed(receiver, rest, author=sender.author) == [frame(0, 4000, key=True)]


def forged(original: Opened, change: int, position: int = 20) -> Opened:
    """What another member can seal: other bytes, the right numbers."""
    data = bytearray(original.plaintext)
    data[position] ^= change
    return original._replace(plaintext=bytes(data), counter=original.counter + 1000)


def test_a_forged_fragment_costs_only_itself() -> None:
    cells = Sender().cells_of(frame(0, 5000, key=True))
    receiver = PictureReceiver(CAMERA)
    mixed = [item for got in cells for item in (forged(got, 1), forged(got, 2), got)]
    assert feed(receiver, mixed) == [frame(0, 5000, key=True)]
    receiver = PictureReceiver(CAMERA)
    lasts = [forged(cells[-1], change) for change in range(1, 10)]
    assert feed(receiver, [*lasts, *cells]) == [frame(0, 5000, key=True)]
    receiver = PictureReceiver(CAMERA)
    checks = 8 + int.from_bytes(cells[-1].plaintext[6:8], "big")
    lasts = [forged(cells[-1], change, checks) for change in range(1, 10)]
    assert feed(receiver, [*lasts, *cells]) == [frame(0, 5000, key=True)]


@settings(deadline=None)
@given(st.binary(max_size=1130) | st.binary(min_size=1127, max_size=1127), st.integers(0, 3))
def test_nothing_from_outside_raises(data: bytes, kind: int) -> None:
    receiver = PictureReceiver(CAMERA)
    for plaintext in (data, bytes([kind]) + data[1:]):
        assert feed(receiver, [Opened(3, 0, plaintext, 5)]) == []
        with contextlib.suppress(DecodeError):
            picture_format.decode_fragment(plaintext)
    with contextlib.suppress(DecodeError):
        picture_format.decode_body(data, CAMERA)


@settings(deadline=None)
@given(st.data())
def test_small_lies_in_a_fragment_never_raise(data: st.DataObject) -> None:
    cells = Sender().cells_of(frame(0, 2500, key=True))
    receiver = PictureReceiver(CAMERA)
    for got in cells:
        changed = bytearray(got.plaintext)
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(0, 12))] ^= data.draw(st.integers(1, 255))
        for out in feed(receiver, [got._replace(plaintext=bytes(changed))]):
            assert out == frame(0, 2500, key=True)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\x01" + bytes(6) + b"\0\1\0\1a",  # Opus
        b"\x01\x02" + bytes(6) + b"\0\1\0\1a",  # a key flag of 2
        b"\x01\x01" + bytes(6) + b"\0\0",  # no payloads
        b"\x01\x01" + bytes(6) + b"\0\1\0\0",  # an empty one
        b"\x01\x01" + bytes(6) + b"\0\1\x05\xdd" + bytes(1501),  # one too long
        b"\x01\x01" + bytes(6) + b"\2\1" + b"\0\1" * 513 + bytes(513),  # too many
        b"\x01\x01" + bytes(6) + b"\0\1\0\1ab",  # a byte too many
    ],
)
def test_bodies_that_are_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        picture_format.decode_body(body, CAMERA)


def test_a_newcomer_waits_for_a_key_frame() -> None:
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    sender.cells_of(frame(0, key=True))
    assert receiver.wants_key
    assert feed(receiver, sender.cells_of(frame(1))) == []
    assert receiver.wants_key
    assert feed(receiver, sender.cells_of(frame(2, key=True))) == [frame(2, key=True)]
    assert not receiver.wants_key
    assert feed(receiver, sender.cells_of(frame(3))) == [frame(3)]


def test_after_a_gap_nothing_comes_until_a_key_frame() -> None:
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    feed(receiver, sender.cells_of(frame(0, key=True)))
    assert feed(receiver, sender.cells_of(frame(1))[:-1], now=0.03) == []
    assert feed(receiver, sender.cells_of(frame(2)), now=0.06) == []
    assert receiver.next_timer() == 0.06 + HOLD_S
    assert not receiver.wants_key
    assert receiver.handle_timer(0.06 + HOLD_S) == []
    assert receiver.wants_key
    assert receiver.gaps == 1
    assert feed(receiver, sender.cells_of(frame(3)), now=0.2) == []
    assert feed(receiver, sender.cells_of(frame(4, key=True)), now=0.21) == [frame(4, key=True)]
    assert (receiver.lost, receiver.received, receiver.gaps) == (3, 2, 1)
    assert not receiver.wants_key


def test_frames_that_overtake_each_other_wait_a_little() -> None:
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    feed(receiver, sender.cells_of(frame(0, key=True)))
    one, two = sender.cells_of(frame(1)), sender.cells_of(frame(2))
    assert feed(receiver, two, now=0.05) == []
    assert feed(receiver, one, now=0.05 + HOLD_S / 2) == [frame(1), frame(2)]
    assert receiver.lost == 0
    assert receiver.next_timer() is None


def test_a_lost_end_asks_for_a_key_frame_without_stopping_what_follows() -> None:
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    feed(receiver, sender.cells_of(frame(0, key=True)))
    lost = sender.cells_of(frame(1))
    feed(receiver, [forged(lost[0], 1)], now=1.0)
    assert receiver.next_timer() == 1.0 + STALL_S
    receiver.handle_timer(1.0 + STALL_S)
    assert receiver.wants_key
    assert receiver.next_timer() is None
    assert feed(receiver, lost, now=2.0) == [frame(1)]
    assert not receiver.wants_key


def test_copies_and_replays_come_out_once() -> None:
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    cells = [*sender.cells_of(frame(0, key=True)), *sender.cells_of(frame(1))]
    assert len(feed(receiver, [*cells, *cells])) == 2
    assert feed(receiver, cells) == []
    assert (receiver._held_bytes, len(receiver._partial)) == (0, 0)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 15))
def test_order_and_continuity_under_loss_and_shuffling(
    rng: random.Random, loss_percent: int
) -> None:
    """Ten cells a tick, shuffled within it; what comes out starts with a key frame and has no gap
    that a key frame does not end. (No tick has two key frames: the first whole one begins.)"""
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    cells = [
        got
        for number in range(40)
        for got in sender.cells_of(frame(number, rng.randrange(2500, 6000), key=number % 8 == 0))
    ]
    out: list[EncodedFrame] = []
    now = 0.0
    for start in range(0, len(cells), 10):
        tick = [got for got in cells[start : start + 10] if rng.randrange(100) >= loss_percent]
        rng.shuffle(tick)
        now += 0.05
        timer = receiver.next_timer()
        if timer is not None and timer <= now:
            out += receiver.handle_timer(timer)
            later = receiver.next_timer()
            assert later is None or later > timer
        out += feed(receiver, tick, now)
    out += receiver.handle_timer(now + 1)
    numbers = [round(item.time_us / 33_333) for item in out]
    assert numbers == sorted(set(numbers))
    for before, number, item in zip([-9, *numbers], numbers, out, strict=False):
        assert item.key or number == before + 1
    if not loss_percent:
        assert numbers == list(range(40))
    assert receiver.received == len(out)


def test_an_agent_started_again_counts_from_the_beginning_in_a_new_epoch() -> None:
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    for number in range(10):
        feed(receiver, sender.cells_of(frame(number, key=number == 0)))
    later = replace(AUTHOR, epoch=6)
    again = Sender(later)
    same_epoch = Sender()
    assert feed(receiver, same_epoch.cells_of(frame(50, key=True))) == []
    assert feed(receiver, again.cells_of(frame(60, key=True)), author=later) == [
        frame(60, key=True)
    ]
    assert feed(receiver, again.cells_of(frame(61)), author=later) == [frame(61)]


def test_old_frames_of_an_agent_that_was_started_again_do_not_stop_it() -> None:
    """A relay that kept a key frame until now could: nothing would be seen before the new agent's
    numbers are as high."""
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    for number in range(10):
        feed(receiver, sender.cells_of(frame(number, key=number == 0)))
    kept = sender.cells_of(frame(10, key=True))
    later = replace(AUTHOR, epoch=6)
    again = Sender(later)
    assert feed(receiver, again.cells_of(frame(60, key=True)), author=later) == [
        frame(60, key=True)
    ]
    assert feed(receiver, kept) == []
    assert receiver.handle_timer(5.0) == []
    assert feed(receiver, again.cells_of(frame(61)), author=later) == [frame(61)]


def test_a_flood_of_pieces_is_bounded_and_stops_no_frame() -> None:
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    rng = random.Random(1)
    honest = sender.cells_of(frame(0, 30_000, key=True))
    out: list[EncodedFrame] = []
    for got in honest:
        for _ in range(20):
            plaintext = picture_format.encode_fragment(
                rng.randrange(1 << 32), rng.randrange(200), rng.randbytes(1119)
            )
            feed(receiver, [Opened(3, 0, plaintext, 5)])
        assert len(receiver._partial) <= picture.PARTIAL_FRAMES_MAX
        assert receiver._held_bytes <= picture.HELD_BYTES_MAX
        out += feed(receiver, [got])
    assert out == [frame(0, 30_000, key=True)]
    receiver.handle_timer(10.0)
    assert receiver._held_bytes == 0


def test_held_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "HELD_BYTES_MAX", 20_000)
    receiver = PictureReceiver(CAMERA)
    for number in range(5):
        for index in range(10):
            plaintext = picture_format.encode_fragment(number, index, bytes(1119))
            feed(receiver, [Opened(3, 0, plaintext, 5)])
            assert receiver._held_bytes <= 20_000
    sender = Sender()
    feed(receiver, sender.cells_of(frame(0, key=True)))
    for number in range(1, 30):
        cells = sender.cells_of(frame(number))
        if number != 1:
            feed(receiver, cells, now=0.01)
        assert receiver._held_bytes <= 20_000 + 3200


def test_a_late_queue_drops_to_the_next_key_frame() -> None:
    packer = PicturePacker(MediaKind.CAMERA)
    assert packer.wants_key
    assert not packer.push(frame(0), 0.0)
    assert packer.push(frame(1, key=True), 0.0)
    assert not packer.wants_key
    sender, receiver, out = Sender(packer=packer), PictureReceiver(CAMERA), []
    out += feed(receiver, [sender.cell(0.0)])
    for number in range(2, 10):
        assert packer.push(frame(number), 0.1)
    assert not packer.wants_key
    out += feed(receiver, [sender.cell(2.2)])
    assert packer.wants_key
    assert not packer.push(frame(10), 2.2)
    assert packer.push(frame(11, key=True), 2.3)
    assert packer.push(frame(12), 2.3)
    while not packer.idle:
        out += feed(receiver, [sender.cell(2.4)])
    assert out == [frame(1, key=True), frame(11, key=True), frame(12)]
    assert receiver.lost == 0
    assert packer.dropped == 10
    assert packer._queue_bytes == 0


def test_a_waiting_key_frame_is_what_a_full_queue_keeps() -> None:
    packer = PicturePacker(MediaKind.CAMERA)
    sender = Sender(packer=packer)
    packer.push(frame(0, 1000, key=True), 0.0)
    packer.push(frame(1, 250_000), 0.0)
    packer.push(frame(2, 30_000, key=True), 0.0)
    assert packer.push(frame(3, 120_000), 0.0)
    assert packer._queue_bytes < picture.QUEUE_BYTES_MAX
    assert packer.dropped == 2
    assert packer.push(frame(4, 100_000), 0.0)
    assert not packer.push(frame(5, 200_000), 0.0)
    assert packer.wants_key
    assert [waiting.key for waiting in packer._queue] == [True]
    out = []
    receiver = PictureReceiver(CAMERA)
    while not packer.idle:
        out += feed(receiver, [sender.cell(1.0)])
    assert out == [frame(2, 30_000, key=True)]


def test_many_small_frames_are_bounded_too() -> None:
    packer = PicturePacker(MediaKind.CAMERA)
    packer.push(frame(0, 10, key=True), 0.0)
    for number in range(1, picture.QUEUE_FRAMES_MAX + 20):
        packer.push(frame(number, 10), 0.0)
        assert len(packer._queue) <= picture.QUEUE_FRAMES_MAX
    assert packer.wants_key


def test_a_frame_over_the_limits_is_dropped_to_the_next_key_frame() -> None:
    packer = PicturePacker(MediaKind.CAMERA)
    assert packer.push(frame(0, key=True), 0.0)
    assert not packer.push(frame(1, 270_000), 0.0)
    assert packer.wants_key
    assert not packer.push(replace(frame(2, key=True), payloads=(bytes(1501),)), 0.0)
    assert not packer.push(replace(frame(2, key=True), payloads=()), 0.0)
    assert not packer.push(replace(frame(2, key=True), payloads=(b"a",) * 513), 0.0)
    assert packer.oversize == 4
    assert packer.push(frame(3, key=True), 0.0)


def test_switching_the_camera_off_sends_nothing_more() -> None:
    packer = PicturePacker(MediaKind.CAMERA)
    sender = Sender(packer=packer)
    packer.push(frame(0, key=True), 0.0)
    packer.push(frame(1), 0.0)
    sender.cell()
    packer.clear()
    assert packer.idle
    assert packer.wants_key
    assert sender.cell().plaintext == picture_format.FILLER
    receiver = PictureReceiver(CAMERA)
    assert feed(receiver, sender.cells_of(frame(2, key=True))) == [frame(2, key=True)]


def test_our_own_mistakes() -> None:
    with pytest.raises(UsageError):
        PicturePacker(MediaKind.VOICE)
    with pytest.raises(UsageError):
        PictureReceiver(VOICE)
    with pytest.raises(UsageError):
        PicturePacker(MediaKind.SCREEN).push(frame(0, key=True), 0.0)
    with pytest.raises(UsageError):
        PicturePacker(MediaKind.CAMERA).push(replace(frame(0, key=True), codec=Codec.OPUS), 0.0)
    sender = Sender(packer=PicturePacker(MediaKind.CAMERA, 1 << 32))
    with pytest.raises(UsageError):
        sender.cells_of(frame(0, key=True))
