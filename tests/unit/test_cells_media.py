"""Media cells: sizes, masked headers, keys per lane, copy and epoch; whatever comes in."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot import sframe
from folkmoot.cells import media
from folkmoot.cells.duplicates import SENDERS_MAX, WINDOW_CELLS, DuplicateFilter
from folkmoot.cells.errors import UsageError
from folkmoot.cells.media import CAMERA, SCREEN, VOICE, LaneId, MediaKeys
from folkmoot.wire.lanes import LaneSlot

BASE = bytes(range(32))
PIN = b"p" * 32
KEYS = MediaKeys(BASE, 300, PIN)
LANES = [VOICE, CAMERA, SCREEN]


@settings(deadline=None)
@given(
    st.sampled_from(LANES),
    st.integers(0, 2**16 - 1),
    st.integers(0, media.COUNTER_MAX) | st.integers(0, 300),
    st.binary(max_size=media.plaintext_bytes(VOICE)),
)
def test_a_cell_comes_back(lane: LaneId, leaf: int, counter: int, plaintext: bytes) -> None:
    cell = KEYS.seal(lane, leaf, counter, plaintext)
    assert len(cell) == media.cell_bytes(lane)
    opened = KEYS.open(lane, cell)
    assert opened is not None
    padded = plaintext.ljust(media.plaintext_bytes(lane), b"\0")
    assert opened == (leaf, counter, padded, 300)
    assert opened.epoch_byte == 300 % 256
    assert KEYS.peek(lane, cell) == (leaf, counter)
    assert media.open_any([MediaKeys(BASE, 301, PIN), KEYS], lane, cell) == opened


def test_inside_the_mask_is_an_sframe_object() -> None:
    """What another SFrame implementation would open, once the mask is off."""
    cell = KEYS.seal(CAMERA, 7, 1000, b"hello")
    key_id = sframe.mls_key_id(1, 7, 300, leaf_bits=16, epoch_bits=8)
    header = sframe.encode_header(key_id, 1000)
    key = sframe.derive_key(media.SUITE, KEYS._copy_key, key_id)
    opened = sframe.open(lambda _: key, b"", header + cell[len(header) :])
    assert opened is not None
    assert opened.plaintext.rstrip(b"\0") == b"hello"
    assert cell[: len(header)] != header


def test_other_keys_open_nothing() -> None:
    cell = KEYS.seal(VOICE, 3, 9, b"sound")
    others = [
        MediaKeys(BASE, 300, b"q" * 32),
        MediaKeys(b"x" * 32, 300, PIN),
        MediaKeys(BASE, 301, PIN),
        MediaKeys(BASE, 300 + 256, b"q" * 32),
    ]
    assert media.open_any(others, VOICE, cell) is None
    picture = KEYS.seal(CAMERA, 3, 9, b"sight")
    assert KEYS.open(SCREEN, picture) is None
    assert media.open_any([], VOICE, cell) is None


def test_equal_plaintexts_at_two_relays_have_no_bytes_in_common() -> None:
    """More equal bytes than chance has would tie two links to one person."""
    other = MediaKeys(BASE, 300, b"q" * 32)
    pairs = zip(KEYS.seal(CAMERA, 3, 9, b""), other.seal(CAMERA, 3, 9, b""), strict=True)
    assert sum(a == b for a, b in pairs) < 20


def test_each_lane_epoch_and_copy_has_a_mask_of_its_own() -> None:
    keys = [KEYS, MediaKeys(BASE, 300, b"q" * 32), MediaKeys(b"x" * 32, 300, PIN)]
    masks = {held._lane(lane).mask(bytes(16)) for held in keys for lane in LANES}
    assert len(masks) == 9


@pytest.mark.parametrize("position", [0, 1, 5, 200, 367, 368, 383])
def test_one_wrong_bit_costs_the_cell(position: int) -> None:
    cell = bytearray(KEYS.seal(VOICE, 3, 9, b"sound"))
    for bit in range(8):
        cell[position] ^= 1 << bit
        assert KEYS.open(VOICE, bytes(cell)) is None
        cell[position] ^= 1 << bit


@settings(deadline=None)
@given(st.sampled_from(LANES), st.data())
def test_nothing_from_outside_raises(lane: LaneId, data: st.DataObject) -> None:
    size = media.cell_bytes(lane)
    cell = data.draw(st.binary(max_size=size + 1) | st.binary(min_size=size, max_size=size))
    assert KEYS.open(lane, cell) is None
    KEYS.peek(lane, cell)


def test_headers_are_refused_that_no_member_makes() -> None:
    """Sealed with the right keys, but another encoding, a counter or padding out of bounds."""
    held = KEYS._lane(VOICE)
    key = KEYS._key(media.key_id(VOICE, 3, 300))

    def cell_of(header: bytes, counter: int, padding: bytes) -> bytes:
        size = held.cell_bytes - len(header) - media.TAG_BYTES
        plaintext = bytes(held.plaintext_bytes) + padding.rjust(size - held.plaintext_bytes, b"\0")
        sealed = key.aead.encrypt(key.nonce(counter), plaintext[:size], header)
        mask = held.mask(sealed[-16:])
        return bytes(a ^ b for a, b in zip(header, mask, strict=False)) + sealed

    good = sframe.encode_header(key.key_id, 9)
    assert KEYS.open(VOICE, cell_of(good, 9, b"")) is not None
    assert KEYS.open(VOICE, cell_of(good, 9, b"\1")) is None
    long_counter = bytes((good[0] & 0xF0 | 0x9,)) + good[1:-1] + b"\0\x09"
    assert KEYS.open(VOICE, cell_of(long_counter, 9, b"")) is None
    key = KEYS._key(media.key_id(CAMERA, 3, 300))
    assert KEYS.open(VOICE, cell_of(sframe.encode_header(key.key_id, 9), 9, b"")) is None
    key = KEYS._key(media.key_id(VOICE, 3, 300))
    too_high = sframe.encode_header(key.key_id, media.COUNTER_MAX + 1)
    assert KEYS.open(VOICE, cell_of(too_high, media.COUNTER_MAX + 1, b"")) is None


@pytest.mark.parametrize(
    ("lane", "leaf", "counter", "size"),
    [
        (VOICE, 0, 0, 360),
        (VOICE, 1 << 16, 0, 1),
        (VOICE, -1, 0, 1),
        (VOICE, 0, -1, 1),
        (VOICE, 0, 1 << 32, 1),
        (LaneId(LaneSlot.VOICE, 1), 0, 0, 1),
        (LaneId(LaneSlot.PICTURE, 0), 0, 0, 1),
        (LaneId(LaneSlot.COUNCIL, 0), 0, 0, 1),
    ],
)
def test_our_own_mistakes(lane: LaneId, leaf: int, counter: int, size: int) -> None:
    with pytest.raises(UsageError):
        KEYS.seal(lane, leaf, counter, bytes(size))


def test_a_base_key_of_another_size() -> None:
    with pytest.raises(UsageError):
        MediaKeys(bytes(16), 0, PIN)


def test_keys_held_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "SENDER_KEYS_MAX", 4)
    keys = MediaKeys(BASE, 1, PIN)
    cells = [keys.seal(VOICE, leaf, 0, b"") for leaf in range(20)]
    assert len(keys._senders) == 4
    assert all(keys.open(VOICE, cell) is not None for cell in cells)
    assert len(keys._senders) == 4


def test_a_duplicate_is_found_before_it_is_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    copies = [MediaKeys(BASE, 300, pin) for pin in (PIN, b"q" * 32)]
    cells = [copy.seal(VOICE, 3, 9, b"sound") for copy in copies]
    window = DuplicateFilter()
    opened = media.open_any(copies[:1], VOICE, cells[0], window.fresh)
    assert opened is not None
    assert media.open_any(copies[1:], VOICE, cells[1], window.fresh) == opened
    assert window.accept(opened.epoch, opened.leaf, opened.counter)
    monkeypatch.setattr(MediaKeys, "_key", None)  # no key is wanted for what comes now
    assert media.open_any(copies[1:], VOICE, cells[1], window.fresh) is None
    assert not window.accept(opened.epoch, opened.leaf, opened.counter)


def test_the_window_against_a_plain_set() -> None:
    rng = random.Random(5)
    window, had, highest = DuplicateFilter(), set[int](), 0
    for _ in range(20_000):
        counter = max(0, highest + rng.choice([1, 1, 2, -1, -3, -900, -1030, rng.randrange(3000)]))
        expected = counter not in had and counter > highest - WINDOW_CELLS
        assert window.fresh(1, 2, counter) == expected or not had
        assert window.accept(1, 2, counter) == expected or not had
        if expected or not had:
            had.add(counter)
            highest = max(highest, counter)


def test_asking_moves_no_window_and_forgetting_an_epoch_drops_its_own() -> None:
    window = DuplicateFilter()
    assert window.fresh(1, 2, 2**32 - 1)
    assert window.fresh(1, 2, 0)
    assert window.accept(1, 2, 2**32 - 1)
    assert window.accept(2, 2, 0)
    window.forget(1)
    assert len(window) == 1
    assert window.fresh(1, 2, 0)
    assert not window.fresh(2, 2, 0)
    for leaf in range(SENDERS_MAX + 10):
        window.accept(3, leaf, 0)
    assert len(window) == SENDERS_MAX
