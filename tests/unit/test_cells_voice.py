"""Voice: slots, redundancy, signatures; each frame once and in order under loss and shuffling."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.cells import voice
from folkmoot.cells.authorship import Author
from folkmoot.cells.errors import UsageError
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import Opened
from folkmoot.cells.voice import HOLD_S, VoiceCell, VoicePacker, VoiceReceiver, verify_cell
from folkmoot.wire.codec import DecodeError

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
AUTHOR = Author(b"group", b"a" * 32, b"s" * 16, leaf=3, epoch=5)


def frame(number: int, size: int = 60) -> EncodedFrame:
    payload = number.to_bytes(4, "big").ljust(size, b"v")
    return EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, number * 20_000, (payload,))


def cell(packer: VoicePacker, counter: int = 0, author: Author = AUTHOR) -> VoiceCell:
    plaintext = packer.next_plaintext(KEY, author, counter)
    assert len(plaintext) == voice.PLAINTEXT_BYTES == 359
    opened = Opened(author.leaf, counter, plaintext, author.epoch)
    verified = verify_cell(opened, KEY.public_key(), author)
    assert verified is not None
    return verified


def stream(count: int, packer: VoicePacker | None = None) -> list[VoiceCell]:
    """`count` cells of continuous speech, two frames in each."""
    packer = packer or VoicePacker()
    cells = []
    for counter in range(count):
        packer.push(frame(2 * counter))
        packer.push(frame(2 * counter + 1))
        cells.append(cell(packer, counter))
    return cells


def test_a_cell_holds_its_pair_and_the_one_before() -> None:
    first, second, third = stream(3)
    assert first.slots == (None, None, frame(0), frame(1))
    assert second.slots == (frame(0), frame(1), frame(2), frame(3))
    assert (first.number, second.number, third.number) == (0, 2, 4)


def test_silence_has_the_same_size_and_goes_on_counting() -> None:
    packer = VoicePacker()
    assert cell(packer) == VoiceCell(0, (None,) * 4)
    packer.push(frame(0))
    assert cell(packer).slots == (None, None, frame(0), None)
    assert cell(packer) == VoiceCell(4, (frame(0), None, None, None))


def test_frames_from_after_a_pause_begin_a_pair_of_their_own() -> None:
    packer = VoicePacker()
    packer.push(frame(0))
    packer.push(frame(500))
    packer.push(frame(501))
    assert cell(packer).slots == (None, None, frame(0), None)
    assert cell(packer).slots == (frame(0), None, frame(500), frame(501))


def test_switching_the_microphone_off_sends_nothing_more() -> None:
    packer = VoicePacker()
    for number in range(4):
        packer.push(frame(number))
    cell(packer)
    packer.clear()
    assert cell(packer).slots == (None,) * 4


def test_what_does_not_fit_its_slot_is_replaced_by_the_last_that_did() -> None:
    packer = VoicePacker()
    assert not packer.push(frame(0, size=64))
    assert packer.push(frame(1, size=63))
    assert not packer.push(frame(2, size=200))
    assert packer.oversize == 2
    sent = cell(packer).slots[2:]
    assert sent == (frame(1, 63), replace(frame(1, 63), time_us=frame(2).time_us))


def test_a_full_queue_loses_its_oldest() -> None:
    packer = VoicePacker()
    for number in range(voice.QUEUE_FRAMES_MAX + 3):
        packer.push(frame(number))
    assert packer.dropped == 3
    assert cell(packer).slots[2] == frame(3)


def test_a_microphone_that_runs_ahead_adds_no_delay_for_long() -> None:
    packer, pushed = VoicePacker(), 0
    for _ in range(6):
        packer.push(frame(pushed))
        pushed += 1
    for counter in range(2 * voice.SHED_CELLS):
        packer.push(frame(pushed))
        packer.push(frame(pushed + 1))
        pushed += 2
        newest = cell(packer, counter).slots[3]
    assert newest is not None
    assert pushed - newest.time_us // 20_000 <= 3
    assert packer.dropped >= 4


def test_a_signature_is_one_seat_epoch_lane_and_counter() -> None:
    packer = VoicePacker()
    plaintext = packer.next_plaintext(KEY, AUTHOR, 7)
    opened = Opened(3, 7, plaintext, 5)
    public = KEY.public_key()
    assert verify_cell(opened, public, AUTHOR) is not None
    assert verify_cell(opened._replace(counter=8), public, AUTHOR) is None
    for other_author in (
        replace(AUTHOR, group_id=b"other"),
        replace(AUTHOR, epoch_authenticator=b"b" * 32),
        replace(AUTHOR, seat=b"t" * 16),
    ):
        assert verify_cell(opened, public, other_author) is None
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key()
    assert verify_cell(opened, other, AUTHOR) is None
    elsewhere = replace(AUTHOR, leaf=4)
    assert verify_cell(opened._replace(leaf=4), public, elsewhere) is None
    with pytest.raises(UsageError):
        verify_cell(opened, public, elsewhere)
    assert verify_cell(opened._replace(plaintext=plaintext[:-1]), public, AUTHOR) is None
    for position in (0, 4, 20, 100, 290, 300):
        bad = bytearray(plaintext)
        bad[position] ^= 1
        assert verify_cell(opened._replace(plaintext=bytes(bad)), public, AUTHOR) is None


@settings(deadline=None)
@given(st.binary(max_size=400) | st.binary(min_size=359, max_size=359))
def test_no_bytes_raise_anything_but_decode_error(data: bytes) -> None:
    assert verify_cell(Opened(3, 0, data, 5), KEY.public_key(), AUTHOR) is None
    try:
        voice.decode_cell(data)
    except DecodeError:
        return


@pytest.mark.parametrize("position", [0, 4, 17, 17 + 61, 280])
def test_signed_nonsense_is_refused(position: int) -> None:
    """Version, an odd number, a length over 63, a slot's and the cell's padding."""
    packer = VoicePacker()
    packer.push(frame(0))
    cell(packer)
    plaintext = bytearray(packer.next_plaintext(KEY, AUTHOR, 0))
    assert voice.decode_cell(bytes(plaintext)).slots[0] == frame(0)
    plaintext[position] ^= 0x41
    with pytest.raises(DecodeError):
        voice.decode_cell(bytes(plaintext))


def play(cells: list[tuple[float, VoiceCell]], epoch: int = 5) -> tuple[list[int], VoiceReceiver]:
    """The frames' numbers as they come out, timers run when due."""
    receiver, out = VoiceReceiver(), []
    for now, got in cells:
        timer = receiver.next_timer()
        while timer is not None and timer <= now:
            out += receiver.handle_timer(timer)
            assert receiver.next_timer() != timer
            timer = receiver.next_timer()
        out += receiver.receive(got, epoch, now)
    timer = receiver.next_timer()
    if timer is not None:
        out += receiver.handle_timer(timer + HOLD_S)
    return [int.from_bytes(item.payloads[0][:4], "big") for item in out], receiver


def test_in_order_frames_come_out_at_once() -> None:
    receiver = VoiceReceiver()
    for index, got in enumerate(stream(20)):
        assert receiver.receive(got, 5, 0.0) == [frame(2 * index), frame(2 * index + 1)]
        assert receiver.next_timer() is None
    assert receiver.lost == 0


@pytest.mark.parametrize("missing", range(1, 18))
def test_one_lost_cell_is_not_heard(missing: int) -> None:
    cells = [(0.04 * i, got) for i, got in enumerate(stream(20)) if i != missing]
    out, receiver = play(cells)
    assert out == list(range(40))
    assert receiver.lost == 0


def test_two_lost_cells_in_a_row_lose_one_pair_and_hold_up_the_rest_for_60_ms() -> None:
    cells = stream(20)
    receiver = VoiceReceiver()
    for index in range(5):
        receiver.receive(cells[index], 5, 0.04 * index)
    assert receiver.receive(cells[7], 5, 1.0) == []
    assert receiver.next_timer() == 1.0 + HOLD_S
    assert receiver.handle_timer(1.05) == []
    assert receiver.handle_timer(1.0 + HOLD_S) == [frame(n) for n in range(12, 16)]
    assert receiver.lost == 2
    assert receiver.next_timer() is None
    assert receiver.receive(cells[6], 5, 1.07) == []


def test_a_straggler_within_60_ms_is_heard() -> None:
    cells = stream(8)
    order = [(0.0, cells[0]), (0.04, cells[1]), (0.1, cells[4]), (0.15, cells[3])]
    out, receiver = play(order)
    assert out == list(range(10))
    assert receiver.lost == 0


def test_a_second_gap_is_not_waited_for_again() -> None:
    cells = stream(20)
    receiver = VoiceReceiver()
    receiver.receive(cells[0], 5, 0.0)
    assert receiver.receive(cells[5], 5, 0.5) == []
    assert receiver.receive(cells[10], 5, 0.5) == []
    out = receiver.handle_timer(0.5 + HOLD_S)
    assert out == [frame(n) for n in (8, 9, 10, 11, 18, 19, 20, 21)]


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 20))
def test_shuffled_and_doubled_copies_come_out_once_and_in_order(
    rng: random.Random, loss_percent: int
) -> None:
    """Two relays, each with loss, a delay and a shuffle in each tick."""
    cells = stream(60)
    arrivals = [
        (0.04 * index + relay * 0.013 + rng.choice([0.0, 0.01, 0.045]), rng.random(), got)
        for index, got in enumerate(cells)
        for relay in range(2)
        if rng.randrange(100) >= loss_percent
    ]
    arrivals.sort(key=lambda item: item[:2])
    out, receiver = play([(now, got) for now, _, got in arrivals])
    assert out == sorted(set(out))
    assert len(out) == receiver.received
    if out:
        assert out[-1] - out[0] + 1 == receiver.received + receiver.lost
    if not loss_percent:
        assert out == list(range(120))


def test_a_long_absence_is_a_loss_and_holds_up_nothing() -> None:
    cells = stream(200)
    receiver = VoiceReceiver()
    receiver.receive(cells[0], 5, 0.0)
    assert receiver.receive(cells[150], 5, 6.0) == [frame(n) for n in range(298, 302)]
    assert receiver.lost == 296


def spoken(pairs: int, speaks: range) -> list[VoiceCell]:
    """Cells of one who speaks in these pairs and is silent in the others."""
    packer, cells = VoicePacker(), []
    for pair in range(pairs):
        for number in (2 * pair, 2 * pair + 1) if pair in speaks else ():
            packer.push(frame(number))
        cells.append(cell(packer))
    return cells


@pytest.mark.parametrize(
    ("gone", "lost"), [(range(2, 6), 0), (range(8, 12), 6), (range(13, 16), 4), (range(22, 26), 0)]
)
def test_silence_is_no_frame_and_its_loss_no_loss(gone: range, lost: int) -> None:
    cells = spoken(30, range(10, 20))
    arrivals = [(0.04 * i, got) for i, got in enumerate(cells) if i not in gone]
    out, receiver = play(arrivals)
    # The cell behind a gap brings the pair before it again.
    never = {2 * pair + i for pair in gone[:-1] for i in (0, 1)}
    assert out == [number for number in range(20, 40) if number not in never]
    assert (receiver.received, receiver.lost) == (len(out), lost)


def test_numbers_go_on_over_epochs_and_late_cells_of_the_old_one_fit_in() -> None:
    cells = stream(6)
    receiver = VoiceReceiver()
    receiver.receive(cells[0], 5, 0.0)
    receiver.receive(cells[1], 5, 0.04)
    assert receiver.receive(cells[4], 6, 0.1) == []
    assert len(receiver.receive(cells[3], 5, 0.11)) == 6
    assert receiver.lost == 0


def test_an_agent_started_again_is_heard_in_its_new_epoch_only() -> None:
    receiver = VoiceReceiver()
    for got in stream(20):
        receiver.receive(got, 5, 0.0)
    again = stream(3)
    assert receiver.receive(again[0], 5, 1.0) == []
    assert receiver.receive(again[0], 6, 1.0) == [frame(0), frame(1)]
    assert receiver.receive(again[1], 6, 1.0) == [frame(2), frame(3)]
    assert receiver.receive(stream(20)[19], 5, 1.0) == []


def test_old_cells_of_an_agent_that_was_started_again_do_not_silence_it() -> None:
    """A relay that kept one until now could: nothing would be heard before the new agent's numbers
    are as high."""
    receiver = VoiceReceiver()
    for got in stream(20):
        receiver.receive(got, 5, 0.0)
    again = stream(3)
    assert receiver.receive(again[0], 6, 1.0) == [frame(0), frame(1)]
    assert receiver.receive(stream(40)[39], 5, 1.0) == []
    assert receiver.handle_timer(2.0) == []
    assert receiver.receive(again[1], 6, 2.0) == [frame(2), frame(3)]
    assert receiver.lost == 0


def test_held_back_slots_are_bounded() -> None:
    receiver = VoiceReceiver()
    cells = stream(200)
    receiver.receive(cells[0], 5, 0.0)
    for got in cells[3:]:
        receiver.receive(got, 5, 0.0)
        assert len(receiver._pending) <= voice.PENDING_SLOTS_MAX


def test_our_own_mistakes() -> None:
    packer = VoicePacker()
    with pytest.raises(UsageError):
        packer.push(replace(frame(0), payloads=(b"a", b"b")))
    with pytest.raises(UsageError):
        packer.push(replace(frame(0), kind=MediaKind.CAMERA))
    with pytest.raises(UsageError):
        VoicePacker(voice.NUMBER_MAX - 1).next_plaintext(KEY, AUTHOR, 0)
    assert VoicePacker(7).number == 8
