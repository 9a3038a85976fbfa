"""A seat on the disk reads back whole, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot import mls
from folkmoot.meeting.save import Saved
from folkmoot.wire.codec import DecodeError
from unit.meeting_parts import People

PEOPLE = People("ada", "bob")
STATE = PEOPLE["ada"].state
SAVED = Saved(STATE.group.save(), STATE.secrets, PEOPLE.extension, PEOPLE["ada"].seat, "Ada é", 7)


def test_a_saved_seat_reads_back() -> None:
    saved = Saved.decode(SAVED.encode())
    assert saved == SAVED
    assert mls.Group.load(saved.group).epoch_authenticator == STATE.authenticator


@pytest.mark.parametrize("data", [b"", b"\2" + SAVED.encode()[1:], SAVED.encode() + b"\0"])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Saved.decode(data)


@given(st.integers(0, len(SAVED.encode()) - 1), st.binary(max_size=3))
def test_no_damage_does_harm(place: int, new: bytes) -> None:
    encoded = SAVED.encode()
    try:
        Saved.decode(encoded[:place] + new)
        Saved.decode(encoded[:place] + new + encoded[place + len(new) :])
    except DecodeError:
        return


def test_secrets_are_not_shown() -> None:
    assert "secrets" not in repr(SAVED)
    assert "group" not in repr(SAVED)
