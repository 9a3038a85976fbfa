"""To a relay cells are uniformly random bytes: chi-square at each position and over all.

The seed is fixed, so this passes or fails once and for all. The control is the same cells with the
mask left off, which must fail.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.cells import council, media
from folkmoot.cells.authorship import Author
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import CAMERA, VOICE, MediaKeys
from folkmoot.cells.picture import PicturePacker
from folkmoot.cells.voice import VoicePacker

CELLS = 4000
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
AUTHOR = Author(b"group", b"a" * 32, b"s" * 16, leaf=3, epoch=5)
KEYS = MediaKeys(b"b" * 32, 5, b"p" * 32)


def silent_voice() -> Iterator[bytes]:
    """A member who says nothing for 160 s, then speaks."""
    packer = VoicePacker()
    for counter in range(CELLS):
        if counter > CELLS // 2:
            for half in range(2):
                time_us = 20_000 * (2 * counter + half)
                packer.push(EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (b"o" * 60,)))
        plaintext = packer.next_plaintext(KEY, AUTHOR, counter)
        yield KEYS.seal(VOICE, AUTHOR.leaf, counter, plaintext)


def picture() -> Iterator[bytes]:
    packer = PicturePacker(MediaKind.CAMERA)
    for counter in range(CELLS):
        if counter % 50 == 0:
            payloads = (bytes(1200),) * 20
            packer.push(
                EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, counter, payloads), counter / 60
            )
        plaintext = packer.next_plaintext(KEY, AUTHOR, counter, counter / 60)
        yield KEYS.seal(CAMERA, AUTHOR.leaf, counter, plaintext)


def council_cells() -> Iterator[bytes]:
    rng = random.Random(7)
    for _ in range(CELLS):
        yield council.seal(b"s" * 32, b"", rng.randbytes)


def matrix(cells: Iterator[bytes]) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    return np.frombuffer(b"".join(cells), dtype=np.uint8).reshape(CELLS, -1)


def deviation(counts: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    """How many standard deviations the chi-square of 256 counts is off its mean of 255."""
    expected = counts.sum() / 256
    return float(((counts - expected) ** 2 / expected).sum() - 255) / math.sqrt(2 * 255)


def positions(cells: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> list[float]:
    return [deviation(np.bincount(column, minlength=256)) for column in cells.T]


@pytest.mark.parametrize("make", [silent_voice, picture, council_cells])
def test_cells_look_random(make: Callable[[], Iterator[bytes]]) -> None:
    cells = matrix(make())
    # Of a thousand positions the highest is seldom over 4 deviations; a field that is constant or
    # only counts is hundreds.
    assert max(positions(cells)) < 6
    assert abs(deviation(np.bincount(cells.ravel(), minlength=256))) < 5
    # No byte follows from the one before it, or from the same place of the cell before.
    assert abs(deviation(np.bincount((cells[:, 1:] ^ cells[:, :-1]).ravel(), minlength=256))) < 5
    assert max(positions(cells[1:] ^ cells[:-1])) < 6
    assert max(positions(cells[1:] - cells[:-1])) < 6
    assert len({cell.tobytes()[:16] for cell in cells}) == CELLS


def test_without_the_mask_the_same_test_fails() -> None:
    keys = MediaKeys(b"b" * 32, 5, b"p" * 32)
    held = keys._lane(VOICE)
    bare = media._Lane(lambda _: bytes(16), held.cell_bytes, held.plaintext_bytes)
    keys._lanes[VOICE] = bare
    cells = matrix(keys.seal(VOICE, 3, counter, b"") for counter in range(CELLS))
    assert min(positions(cells)[:4]) > 100


def test_speaking_and_silence_are_of_one_size() -> None:
    sizes = {len(cell) for cell in silent_voice()}
    assert sizes == {384}
