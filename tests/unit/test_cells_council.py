"""Council cells: sealed by salt, opened or None."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.cells import council
from folkmoot.cells.errors import UsageError

SECRET = b"s" * 32
RNG = random.Random(1)


@settings(deadline=None)
@given(st.binary(max_size=council.PLAINTEXT_BYTES))
def test_a_cell_comes_back_padded(plaintext: bytes) -> None:
    cell = council.seal(SECRET, plaintext, RNG.randbytes)
    assert len(cell) == 1152
    assert council.open(SECRET, cell) == plaintext.ljust(1120, b"\0")
    assert council.open(b"t" * 32, cell) is None


@settings(deadline=None)
@given(st.binary(max_size=1160) | st.binary(min_size=1152, max_size=1152))
def test_anything_else_is_none(cell: bytes) -> None:
    assert council.open(SECRET, cell) is None


@pytest.mark.parametrize("position", [0, 15, 16, 600, 1135, 1136, 1151])
def test_one_wrong_bit_costs_the_cell(position: int) -> None:
    cell = bytearray(council.seal(SECRET, b"text", RNG.randbytes))
    cell[position] ^= 0x80
    assert council.open(SECRET, bytes(cell)) is None


def test_equal_plaintexts_make_unrelated_cells() -> None:
    first, second = (council.seal(SECRET, b"", RNG.randbytes) for _ in range(2))
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 20


def test_too_long_a_plaintext() -> None:
    with pytest.raises(UsageError):
        council.seal(SECRET, bytes(1121), RNG.randbytes)
