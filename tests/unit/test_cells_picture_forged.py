"""Pieces of another's picture, forged by a member who holds the epoch's keys as all do: they blank
nothing."""

from __future__ import annotations

import random

import pytest

from folkmoot.cells import picture, picture_format
from folkmoot.cells.frames import EncodedFrame
from folkmoot.cells.media import CAMERA, Opened
from folkmoot.cells.picture import PictureReceiver
from unit.test_cells_picture import Sender, feed, frame


@pytest.mark.parametrize("ahead", [1, 5, 30])
def test_pieces_forged_ahead_do_not_blank_a_picture(ahead: int) -> None:
    """Whoever holds the epoch's keys can send pieces of another's next frames: a hundred a second,
    which a relay lets one link send, were enough to fill a place of each."""
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    rng = random.Random(2)
    out: list[EncodedFrame] = []
    for number in range(60):
        now = number / 24
        for _ in range(8):
            plaintext = picture_format.encode_fragment(number + ahead, 0, rng.randbytes(1119))
            feed(receiver, [Opened(3, 9_000 + number, plaintext, 5)], now)
        for got in sender.cells_of(frame(number, 3000, key=number == 0)):
            plaintext = picture_format.encode_fragment(number, 0, rng.randbytes(1119))
            feed(receiver, [Opened(3, 8_000 + number, plaintext, 5)], now)
            out += feed(receiver, [got], now)
        out += receiver.handle_timer(now)
        assert receiver._held_bytes <= picture.HELD_BYTES_MAX
    assert [one.time_us for one in out] == [number * 33_333 for number in range(60)]
    assert receiver.gaps == 0


def test_a_place_has_room_for_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "CANDIDATES_MAX", 8)
    sender, receiver = Sender(), PictureReceiver(CAMERA)
    for count in range(100):
        plaintext = picture_format.encode_fragment(0, 0, count.to_bytes(2, "big") * 500)
        feed(receiver, [Opened(3, count, plaintext, 5)])
    assert receiver._held_bytes == 8 * 1000
    assert feed(receiver, sender.cells_of(frame(0, key=True))) == [frame(0, key=True)]
    assert receiver._held_bytes == 0
