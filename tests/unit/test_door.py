"""What travels through the door: knocks that only members read, answers that only one newcomer
reads."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.cells.fragments import ENTRY_BYTES_MAX
from folkmoot.governance.evidence import Readmission, make_readmission
from folkmoot.meeting.door import (
    KEY_PACKAGE_BYTES_MAX,
    WORK_BITS_MAX,
    WORK_BITS_MIN,
    Answer,
    CatchUpAnswer,
    Claim,
    DoorKind,
    Knock,
    LeafAnswer,
    RefusedAnswer,
    Side,
    WaitAnswer,
    WelcomeAnswer,
    encode_notice,
    open_answer,
    open_knock,
    public_of,
    read_notice,
    seal_answer,
    seal_knock,
    work_of,
)
from folkmoot.mls import MlsError, UsageError
from folkmoot.wire.codec import DecodeError

GROUP = b"g" * 16
DOOR = b"d" * 32
ANSWER = b"a" * 32
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def entropy_of(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


def knock_of(name: str = "Ada", key_package: bytes = b"p" * 294, claim: bool = False) -> Knock:
    readmission = make_readmission(KEY, GROUP, b"s" * 16, b"h" * 32, b"r" * 32)
    return Knock(
        key_package,
        name,
        public_of(ANSWER),
        b"c" * 32,
        Claim(Side(b"e" * 32, 7, 3), readmission, True) if claim else None,
    )


def sealed(knock: Knock, bits: int = WORK_BITS_MIN, seed: int = 1) -> bytes:
    return seal_knock(knock, public_of(DOOR), GROUP, bits, entropy_of(seed))


@pytest.mark.parametrize("claim", [False, True])
def test_members_read_a_knock(claim: bool) -> None:
    knock = knock_of(claim=claim)
    message = sealed(knock)
    assert message[0] == DoorKind.KNOCK
    assert open_knock(message[1:], DOOR, GROUP) == knock
    assert work_of(message[1:]) >= WORK_BITS_MIN


def test_nobody_else_reads_a_knock() -> None:
    message = sealed(knock_of(name="Ada Lovelace"))
    assert b"Lovelace" not in message
    assert open_knock(message[1:], ANSWER, GROUP) is None
    assert open_knock(message[1:], DOOR, b"h" * 16) is None  # the door of another group


def test_every_knock_is_one_cell_of_one_size() -> None:
    longest = knock_of("ä" * 32, bytes(KEY_PACKAGE_BYTES_MAX), claim=True)
    sizes = {len(sealed(one)) for one in (knock_of(""), knock_of(claim=True), longest)}
    assert sizes == {1116}
    assert max(sizes) <= ENTRY_BYTES_MAX


def test_what_does_not_fit_is_not_knocked_with() -> None:
    with pytest.raises(UsageError):
        sealed(knock_of(key_package=bytes(KEY_PACKAGE_BYTES_MAX + 1)))
    with pytest.raises(UsageError):
        sealed(knock_of("x" * 500, bytes(KEY_PACKAGE_BYTES_MAX)))


def test_nothing_hides_behind_a_knock() -> None:
    padded = knock_of().pad()
    assert Knock.unpad(padded) == knock_of()
    for wrong in (padded[:-1], padded + b"\0", padded[:-1] + b"\1", b"\1" + padded[1:]):
        with pytest.raises(DecodeError):
            Knock.unpad(wrong)


def test_a_name_has_at_most_64_bytes() -> None:
    padded = knock_of("ä" * 32).pad()
    assert Knock.unpad(padded).name == "ä" * 32
    with pytest.raises(DecodeError):
        Knock.unpad(knock_of("ä" * 33).pad())


def test_a_seed_replays_a_knock_and_another_differs() -> None:
    assert sealed(knock_of()) == sealed(knock_of())
    assert sealed(knock_of(), seed=2) != sealed(knock_of())


def test_work_is_over_the_sealed_bytes() -> None:
    message = bytearray(sealed(knock_of(), bits=12))
    assert work_of(bytes(message[1:])) >= 12
    message[40] ^= 1
    assert work_of(bytes(message[1:])) < 12
    assert open_knock(bytes(message[1:]), DOOR, GROUP) is None


def test_who_asks_for_endless_work_gets_the_maximum() -> None:
    assert work_of(sealed(knock_of(), bits=200, seed=3)[1:]) >= WORK_BITS_MAX


@given(st.integers(0, 1115), st.integers(1, 255))
def test_a_changed_knock_does_not_open(place: int, change: int) -> None:
    message = bytearray(sealed(knock_of(), bits=0))
    message[place] ^= change
    opened = open_knock(bytes(message[1:]), DOOR, GROUP)
    # The nonce proves work and says nothing: only there a change is not noticed.
    assert (opened is not None) == (place == 0 or place >= 1108)


ANSWERS: list[Answer] = [
    WaitAnswer(3),
    WelcomeAnswer(b"w" * 900, b"t" * 20_000),
    CatchUpAnswer((b"one", b"two" * 1000)),
    CatchUpAnswer(()),
    RefusedAnswer("Somebody inside said no."),
    LeafAnswer(b"l" * 32, Side(b"e" * 32, 7, 3)),
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_only_the_newcomer_reads_its_answer(answer: Answer) -> None:
    message = seal_answer(answer, public_of(ANSWER), GROUP, entropy_of(5))
    assert message[0] == DoorKind.ANSWER
    assert open_answer(message[1:], ANSWER, GROUP) == answer
    assert open_answer(message[1:], DOOR, GROUP) is None
    assert open_answer(message[1:], ANSWER, b"h" * 16) is None


@given(st.sampled_from(ANSWERS), st.integers(0, 60), st.integers(1, 255))
def test_a_changed_answer_does_not_open(answer: Answer, place: int, change: int) -> None:
    message = bytearray(seal_answer(answer, public_of(ANSWER), GROUP, entropy_of(5)))
    place = 1 + place % (len(message) - 1)
    message[place] ^= change
    assert open_answer(bytes(message[1:]), ANSWER, GROUP) is None


@pytest.mark.parametrize("key", [b"", b"short", bytes(32)])
def test_a_key_that_cannot_be_answered_is_an_mls_error(key: bytes) -> None:
    with pytest.raises(MlsError):
        seal_answer(WaitAnswer(1), key, GROUP, entropy_of(5))


@given(st.binary(max_size=1200))
def test_whatever_bytes_arrive_nothing_raises(data: bytes) -> None:
    assert open_knock(data, DOOR, GROUP) is None
    assert open_answer(data, ANSWER, GROUP) is None
    bits = read_notice(data)
    assert bits is None or encode_notice(bits)[1:] == data


@given(st.binary(max_size=60))
def test_whatever_a_holder_of_the_door_key_seals_nothing_raises(data: bytes) -> None:
    """The door's public key is in every invite, so what opens may still be anything."""
    for padded in (data, data.ljust(1056, b"\0"), b"\x40\x20" + data.ljust(1054, b"\0")):
        try:
            knock = Knock.unpad(padded)
        except DecodeError:
            continue
        assert knock.pad() == padded


@pytest.mark.parametrize("bits", [0, WORK_BITS_MIN - 1, WORK_BITS_MAX + 1, 255])
def test_a_notice_asks_for_no_more_than_seconds_of_work(bits: int) -> None:
    assert read_notice(encode_notice(bits)[1:]) is None
    assert read_notice(encode_notice(WORK_BITS_MAX)[1:]) == WORK_BITS_MAX


def test_a_claim_holds_a_readmission_and_nothing_else() -> None:
    claim = knock_of(claim=True).claim
    assert claim is not None
    assert isinstance(claim.readmission, Readmission)
    data = knock_of(claim=True).encode()
    at = data.index(claim.readmission.encode())
    with pytest.raises(DecodeError):
        Knock.unpad(_padded(data[:at] + b"\x02" + data[at + 1 :]))


def _padded(data: bytes) -> bytes:
    return (bytes([0x40 | len(data) >> 8, len(data) & 0xFF]) + data).ljust(1056, b"\0")
