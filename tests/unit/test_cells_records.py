"""Records: side by side in a cell, cut and put together, bounded, and hard to spoil."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.cells import fragments
from folkmoot.cells.council import PLAINTEXT_BYTES
from folkmoot.cells.errors import UsageError
from folkmoot.cells.fragments import (
    COUNCIL_RECORD_BYTES_MAX,
    DOOR_RECORD_BYTES_MAX,
    ENTRY_BYTES_MAX,
    Assembler,
    decode_fragment,
    fragment,
)
from folkmoot.cells.records import Inbox, Outbox, pack, unpack
from folkmoot.wire.codec import DecodeError

SIZES = st.integers(1, 40) | st.integers(1100, 1130) | st.integers(1, 20_000)


def record(size: int, seed: int = 0) -> bytes:
    return random.Random(f"{size} {seed}").randbytes(size)


@settings(deadline=None)
@given(st.lists(SIZES, max_size=12), st.randoms(use_true_random=False))
def test_records_come_back_however_the_cells_are_shuffled(
    sizes: list[int], rng: random.Random
) -> None:
    given_records = [record(size, index) for index, size in enumerate(sizes)]
    plaintexts = pack(given_records)
    assert all(0 < len(plaintext) <= PLAINTEXT_BYTES for plaintext in plaintexts)
    rng.shuffle(plaintexts)
    inbox = Inbox(COUNCIL_RECORD_BYTES_MAX)
    got = [
        item
        for plaintext in plaintexts
        for item in inbox.receive(plaintext.ljust(PLAINTEXT_BYTES, b"\0"), 0.0)
    ]
    assert sorted(got) == sorted(given_records)
    assert len(inbox._assembler) == 0 == inbox._assembler.size


def test_short_records_share_a_cell_in_order() -> None:
    given_records = [record(100, index) for index in range(10)]
    (plaintext,) = pack(given_records)
    assert [entry.data for entry in unpack(plaintext)] == given_records


@settings(deadline=None)
@given(st.binary(max_size=1125))
def test_no_plaintext_raises_anything_but_decode_error(data: bytes) -> None:
    inbox = Inbox(COUNCIL_RECORD_BYTES_MAX)
    got = inbox.receive(data, 0.0)
    try:
        whole = [entry.data for entry in unpack(data) if not entry.is_fragment]
    except DecodeError:
        assert got == []
    else:
        assert got == whole


@settings(deadline=None)
@given(st.binary(max_size=1118))
def test_no_fragment_raises_anything_but_decode_error(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_fragment(data)
    assert Assembler(COUNCIL_RECORD_BYTES_MAX).receive(data, 0.0) is None


@pytest.mark.parametrize(
    "plaintext",
    [b"\x00\x05abc", b"\x00\x00\x01", b"\x00\x01a\x01", b"\x80\x00", b"\x04\x5f" + bytes(1119)],
)
def test_bad_entries(plaintext: bytes) -> None:
    with pytest.raises(DecodeError):
        unpack(plaintext)


@pytest.mark.parametrize("size", [ENTRY_BYTES_MAX + 1, 2 * 1082, 2 * 1082 + 1, 65536, 1 << 20])
def test_every_fragment_fits_and_proves_itself(size: int) -> None:
    pieces = fragment(record(size))
    assert max(map(len, pieces)) <= ENTRY_BYTES_MAX
    assembler = Assembler(DOOR_RECORD_BYTES_MAX)
    whole = [assembler.receive(piece, 0.0) for piece in reversed(pieces)]
    assert whole[-1] == record(size)
    assert set(whole[:-1]) == {None}


def test_the_same_record_is_cut_alike_by_everybody() -> None:
    """So that repeats by different members fit together."""
    pieces, again = fragment(record(5000)), fragment(record(5000))
    assembler = Assembler(COUNCIL_RECORD_BYTES_MAX)
    got = [
        assembler.receive(piece, 0.0)
        for piece in (pieces[0], again[3], pieces[2], again[1], pieces[4])
    ]
    assert got[-1] == record(5000)


def test_a_forged_fragment_costs_only_itself() -> None:
    pieces = fragment(record(5000))
    assembler = Assembler(COUNCIL_RECORD_BYTES_MAX)
    for piece in pieces:
        for position in range(0, len(piece), 37):
            bad = bytearray(piece)
            bad[position] ^= 1
            assert assembler.receive(bytes(bad), 0.0) is None
        assert assembler.receive(piece[:-1], 0.0) is None
    assert len(assembler) == 0
    assert [assembler.receive(piece, 0.0) for piece in pieces][-1] == record(5000)


def test_copies_of_a_finished_record_start_nothing() -> None:
    pieces = fragment(record(3000))
    assembler = Assembler(COUNCIL_RECORD_BYTES_MAX)
    assert [assembler.receive(piece, 0.0) for piece in pieces][-1] is not None
    assert [assembler.receive(piece, 1.0) for piece in pieces] == [None] * len(pieces)
    assert len(assembler) == 0
    later = fragments.FINISHED_AGE_S + 1
    assert [assembler.receive(piece, later) for piece in pieces][-1] is not None


def test_what_is_under_way_is_bounded() -> None:
    """A flood of first fragments pushes out itself, not the record that makes progress."""
    assembler = Assembler(COUNCIL_RECORD_BYTES_MAX)
    honest = fragment(record(50_000))
    for index, piece in enumerate(honest):
        got = assembler.receive(piece, float(index) / 8)
        for forged in range(30):
            assembler.receive(fragment(record(1500, index * 100 + forged))[0], float(index) / 8)
        assert len(assembler) <= fragments.PARTIAL_RECORDS_MAX
    assert got == record(50_000)


def test_bytes_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "PARTIAL_BYTES_FACTOR", 1)
    assembler = Assembler(10_000)
    for seed in range(10):
        for piece in fragment(record(9000, seed))[:-1]:
            assembler.receive(piece, 0.0)
            assert assembler.size <= 10_000
    assembler.expire(fragments.PARTIAL_AGE_S + 0.1)
    assert (len(assembler), assembler.size) == (0, 0)


def test_records_over_the_limit_are_never_held() -> None:
    assembler = Assembler(10_000)
    assert {assembler.receive(piece, 0.0) for piece in fragment(record(20_000))} == {None}
    assert len(assembler) == 0
    assert [assembler.receive(p, 0.0) for p in fragment(record(10_001))][-1] is None
    assert [assembler.receive(p, 0.0) for p in fragment(record(10_000))][-1] == record(10_000)


def test_finished_records_remembered_are_bounded() -> None:
    assembler = Assembler(COUNCIL_RECORD_BYTES_MAX)
    for seed in range(fragments.FINISHED_MAX + 5):
        for piece in fragment(record(1200, seed)):
            assembler.receive(piece, 0.0)
    assert len(assembler._finished) == fragments.FINISHED_MAX


def test_the_outbox_fills_cells_and_lets_the_urgent_by() -> None:
    outbox = Outbox()
    for index in range(3):
        assert outbox.push(record(600, index))
    assert outbox.push(record(2000, 9))
    assert outbox.push(record(400, 10), urgent=True)
    inbox, got = Inbox(COUNCIL_RECORD_BYTES_MAX), []
    cells = 0
    while outbox.size:
        cells += 1
        got += inbox.receive(outbox.next_plaintext(), 0.0)
    expected = [(400, 10), (600, 0), (600, 1), (600, 2), (2000, 9)]
    assert got == [record(*which) for which in expected]
    assert cells == 5
    assert outbox.next_plaintext() == b""


def test_a_full_outbox_takes_nothing_of_a_record() -> None:
    outbox = Outbox(bytes_max=3000)
    assert not outbox.push(record(3000))
    assert outbox.size == 0
    assert outbox.push(record(1000))


def test_our_own_mistakes() -> None:
    with pytest.raises(UsageError):
        pack([b""])
    with pytest.raises(UsageError):
        fragment(record(1118))
    with pytest.raises(UsageError):
        fragment(bytes(5 << 20))


def test_repeats_that_wait_make_room_for_what_is_new() -> None:
    outbox = Outbox(bytes_max=10_000)
    while outbox.push(b"repeat" * 100):
        pass
    assert outbox.push(b"new" * 1000, urgent=True)
    assert outbox.size <= 10_000
    # New things do not push each other out.
    while outbox.push(b"news" * 200, urgent=True):
        pass
    assert not outbox.push(b"news" * 200, urgent=True)
    inbox, heard = Inbox(65_536), []
    while outbox.size:
        heard += inbox.receive(outbox.next_plaintext(), 0.0)
    assert heard[0] == b"new" * 1000
