"""A seat on the disk reads back whole, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot import mls
from folkmoot.meeting import Meeting
from folkmoot.meeting.save import CHECKSUM_BYTES, Saved, _checksum
from folkmoot.wire.codec import DecodeError
from unit.meeting_parts import People, entropy_of

PEOPLE = People("ada", "bob")
STATE = PEOPLE["ada"].state
SAVED = Saved(STATE.group.save(), STATE.secrets, PEOPLE.extension, PEOPLE["ada"].seat, "Ada é", 7)


def test_a_saved_seat_reads_back() -> None:
    saved = Saved.decode(SAVED.encode())
    assert saved == SAVED
    assert mls.Group.load(saved.group).epoch_authenticator == STATE.authenticator


def test_another_version_or_age_is_refused() -> None:
    content = b"\1" + SAVED.encode()[1:-CHECKSUM_BYTES]
    late = replace(SAVED, beacon_ms=(1 << 64) - 1).encode()
    for data in (b"", content + _checksum(content), SAVED.encode() + b"\0", late):
        with pytest.raises(DecodeError):
            Saved.decode(data)


@given(st.integers(0, len(SAVED.encode()) - 1), st.binary(max_size=3))
def test_all_damage_is_seen(place: int, new: bytes) -> None:
    encoded = SAVED.encode()
    for torn in (encoded[:place] + new, encoded[:place] + new + encoded[place + len(new) :]):
        if torn != encoded:
            with pytest.raises(DecodeError):
                Saved.decode(torn)


def test_the_seat_of_another_leaf_is_not_taken_up() -> None:
    """Else the member claims a seat that is not its own, and trips over it."""
    for seat in (PEOPLE["bob"].seat, bytes(16)):
        saved = Saved.decode(replace(SAVED, seat=seat).encode())
        with pytest.raises(mls.MlsError):
            Meeting.restore(saved, name=None, now=1.0, wall_s=1e9, entropy=entropy_of(1))


def test_secrets_are_not_shown() -> None:
    assert "secrets" not in repr(SAVED)
    assert "group" not in repr(SAVED)
