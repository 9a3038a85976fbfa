"""Long answers at the door: made alike by all, said once, opened by whom they are for alone."""

from __future__ import annotations

import hashlib
import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from folkmoot.meeting.door import (
    Answer,
    CatchUpAnswer,
    ParcelAnswer,
    RefusedAnswer,
    WelcomeAnswer,
    encode_answer,
)
from folkmoot.meeting.parcel import (
    AGAIN_S,
    INLINE_BYTES_MAX,
    SAID_MAX,
    UNCLAIMED_MAX,
    WANTED_MAX,
    Deliveries,
    Parcel,
    Parcels,
    make_parcel,
    name_of,
)

LONG: Answer = WelcomeAnswer(b"w" * 5000, b"t" * 5000)


def export(label: str, context: bytes, length: int) -> bytes:
    return hashlib.sha256(b"epoch" + label.encode() + context).digest()[:length]


def another(label: str, context: bytes, length: int) -> bytes:
    return hashlib.sha256(b"other" + label.encode() + context).digest()[:length]


def parcel(answer: Answer = LONG) -> Parcel:
    made = make_parcel(answer, export)
    assert made is not None
    return made


def test_all_members_of_an_epoch_make_the_same_and_no_others() -> None:
    assert parcel() == parcel()
    assert make_parcel(LONG, another) != parcel()
    other = parcel(CatchUpAnswer((b"h" * 5000,)))
    assert other.answer.key != parcel().answer.key  # one key for one plaintext
    assert repr(parcel().answer.key) not in repr(parcel().answer)


def test_a_short_answer_needs_none() -> None:
    assert make_parcel(RefusedAnswer("no"), export) is None
    least = next(n for n in range(2000) if make_parcel(CatchUpAnswer((b"h" * n,)), export))
    assert len(encode_answer(CatchUpAnswer((b"h" * least,)))) == INLINE_BYTES_MAX + 1


@pytest.mark.parametrize("told_first", [True, False])
def test_it_opens_for_whom_was_told(told_first: bool) -> None:
    made, mine = parcel(), Parcels()
    body = made.message[1:]
    if told_first:
        assert mine.want(made.answer) is None
        assert mine.receive(body) == LONG
    else:
        assert mine.receive(body) is None
        assert mine.want(made.answer) == LONG


def test_nothing_else_opens() -> None:
    made, mine = parcel(), Parcels()
    body = made.message[1:]
    mine.want(ParcelAnswer(made.answer.name, bytes(28)))
    assert mine.receive(body) is None
    mine.want(made.answer)
    assert mine.receive(body[:-1] + bytes([body[-1] ^ 1])) is None
    assert mine.receive(body) == LONG


def test_a_parcel_in_a_parcel_is_none() -> None:
    """Nobody can send a newcomer round in circles."""
    key, mine = b"k" * 28, Parcels()
    inner = encode_answer(ParcelAnswer(b"n" * 16, key))
    sealed = AESGCM(key[:16]).encrypt(key[16:], inner, None)
    mine.want(ParcelAnswer(name_of(sealed), key))
    assert mine.receive(sealed) is None


def test_strangers_push_out_only_what_nobody_spoke_of() -> None:
    made, mine = parcel(), Parcels()
    mine.want(made.answer)
    for _ in range(50):
        assert mine.receive(os.urandom(100)) is None
    assert len(mine._unclaimed) == UNCLAIMED_MAX
    assert mine.receive(made.message[1:]) == LONG
    for number in range(WANTED_MAX + 50):
        mine.want(ParcelAnswer(number.to_bytes(16, "big"), bytes(28)))
    assert len(mine._wanted) == WANTED_MAX


def test_it_is_said_again_only_after_a_while_whoever_said_it() -> None:
    said: list[bytes] = []
    one, made = Deliveries(said.append), parcel()
    for _ in range(40):
        one.deliver(made, 10.0)
    assert said == [made.message]
    one.heard(made.message[1:], 11.0)
    one.deliver(made, 10.0 + AGAIN_S)
    assert len(said) == 1
    one.deliver(made, 11.0 + AGAIN_S)
    assert len(said) == 2
    for number in range(2 * SAID_MAX):
        one.heard(number.to_bytes(4, "big"), 20.0)  # of which we said nothing
    assert len(one._said) == 1
