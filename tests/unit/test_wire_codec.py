"""The one decoder: what it takes, and everything next to it that it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from folkmoot.mls.extensions import CAPABILITIES_MAX, Capabilities
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError, Reader


@pytest.mark.parametrize(
    ("encoded", "value"),
    [
        ("00", 0),
        ("3f", 63),
        ("4040", 64),
        ("7fff", 16383),
        ("80004000", 16384),
        ("bfffffff", (1 << 30) - 1),
    ],
)
def test_a_length_has_one_form(encoded: str, value: int) -> None:
    assert codec.length(value) == bytes.fromhex(encoded)
    assert codec.decode(Reader.length, bytes.fromhex(encoded)) == value


@pytest.mark.parametrize(
    "encoded",
    ["", "40", "403f", "4000", "80", "8000", "800000", "80003fff", "80000000", "c0", "ffffffff"],
)
def test_a_length_that_is_short_or_longer_than_it_must_be(encoded: str) -> None:
    with pytest.raises(DecodeError):
        codec.decode(Reader.length, bytes.fromhex(encoded))


def test_a_length_that_no_vector_has() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        codec.length(1 << 30)


READS: list[tuple[Callable[[Reader], Any], int, bytes]] = [
    (Reader.u8, 7, codec.u8(7)),
    (Reader.u16, 0x0102, codec.u16(0x0102)),
    (Reader.u32, 0x01020304, codec.u32(0x01020304)),
    (Reader.u64, 1 << 56, codec.u64(1 << 56)),
]


@pytest.mark.parametrize(("read", "value", "encoded"), READS)
def test_numbers_are_read_whole(read: Callable[[Reader], int], value: int, encoded: bytes) -> None:
    assert codec.decode(read, encoded) == value
    for end in range(len(encoded)):
        with pytest.raises(DecodeError):
            codec.decode(read, encoded[:end])
    with pytest.raises(DecodeError):
        codec.decode(read, encoded + b"\0")


def test_a_reader_knows_where_it_is() -> None:
    reader = Reader(b"\1\2\3\4")
    assert reader.u8() == 1
    assert reader.take(2) == b"\2\3"
    assert (reader.position, reader.remaining) == (3, 1)
    assert reader.since(1) == b"\2\3"
    with pytest.raises(DecodeError):
        reader.take(2)
    with pytest.raises(DecodeError):
        reader.take(-1)
    assert reader.u8() == 4
    with pytest.raises(DecodeError):
        reader.u8()
    reader.finish()


def test_a_vector_ends_with_an_item() -> None:
    items = codec.vector([codec.u16(1), codec.u16(2)])
    assert codec.decode(lambda reader: reader.vector(Reader.u16), items) == [1, 2]
    for wrong in (b"\3\0\1\0", b"\2\0", b"\1\0"):
        with pytest.raises(DecodeError):
            codec.decode(lambda reader: reader.vector(Reader.u16), wrong)
    with pytest.raises(DecodeError, match="more than 1"):
        codec.decode(lambda reader: reader.vector(Reader.u16, items_max=1), items)
    with pytest.raises(DecodeError, match="at most 3"):
        codec.decode(lambda reader: reader.vector(Reader.u16, bytes_max=3), items)
    with pytest.raises(DecodeError, match="no bytes"):
        codec.decode(lambda reader: reader.vector(lambda _: 0), b"\1\0")


def test_optional_values_and_text() -> None:
    assert codec.decode(lambda reader: reader.optional(Reader.u8), b"\0") is None
    assert codec.decode(lambda reader: reader.optional(Reader.u8), b"\1\7") == 7
    for wrong in (b"\2\7", b"\1", b"\0\7", b""):
        with pytest.raises(DecodeError):
            codec.decode(lambda reader: reader.optional(Reader.u8), wrong)
    assert codec.decode(lambda reader: reader.text(9), codec.text("Zoë")) == "Zoë"
    with pytest.raises(DecodeError, match="UTF-8"):
        codec.decode(lambda reader: reader.text(9), b"\1\xff")


def test_capabilities_are_lists_of_whole_numbers() -> None:
    """They are read in one go, and as strictly as one by one."""
    most = tuple(range(CAPABILITIES_MAX))
    capabilities = Capabilities((1,), (1, 2, 3), most, (), (0xFFFF,))
    assert codec.decode(Capabilities.read, capabilities.encode()) == capabilities
    empty = codec.vector([])
    for wrong in (b"\1\0", b"\3\0\1\0", codec.vector(codec.u16(one) for one in (*most, 1))):
        with pytest.raises(DecodeError):
            codec.decode(Capabilities.read, wrong + 4 * empty)
