"""What members say in the council: each thing reads back, and no bytes of others' do harm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.governance.evidence import make_farewell, make_sponsor
from folkmoot.meeting.pending import Request
from folkmoot.meeting.records import (
    CHAT_BYTES_MAX,
    DIGEST_BYTES_MAX,
    HANDSHAKE_BYTES_MAX,
    MISSED_MAX,
    NAME_BYTES_MAX,
    RECEIPTS_MAX,
    Beacon,
    Chat,
    Content,
    Handshake,
    ItemKind,
    KeyFrameWanted,
    Receipt,
    Showing,
    Signed,
    item,
    sign_statement,
    split_item,
)
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import Sign

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
SEAT, AUTH, GROUP = b"s" * 16, b"a" * 32, b"g" * 16
RECEIPT = Receipt(b"p" * 8, True, (b"1234", b"5678"))
BEACON = Beacon(
    SEAT, 1_800_000_000_123, 7, AUTH, Showing.CAMERA | Showing.MICROPHONE, "Ada", b"digest",
    (RECEIPT, Receipt(b"q" * 8, False, ())), b"extra",
)  # fmt: skip
SPONSOR = make_sponsor(KEY, GROUP, SEAT, b"r" * 32, 1_800_000_000)

VALUES: list[Any] = [
    RECEIPT,
    BEACON,
    Signed(SEAT + b"rest", b"x" * 64),
    Handshake(AUTH, b"commit", b""),
    Handshake(AUTH, b"c" * HANDSHAKE_BYTES_MAX, b"welcome"),
    Handshake(AUTH, bytes(60_000), bytes(5_492)),  # with 5 bytes before it 65,535
    Content(AUTH, b"message"),
    Chat(b"12345678", 5, "two\nlines, é"),
    KeyFrameWanted(SEAT, 2, nothing_comes=True),
    Request(b"key package", None),
    Request(b"key package", SPONSOR),
]
READERS: list[Callable[[codec.Reader], Any]] = [
    Receipt.read,
    Beacon.read,
    Signed.read,
    Handshake.read,
    Content.read,
    Chat.read,
    KeyFrameWanted.read,
    Request.read,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_is_written_is_read(value: Any) -> None:
    assert codec.decode(type(value).read, value.encode()) == value


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_nothing_may_be_missing_or_follow(value: Any) -> None:
    encoded = value.encode()
    for data in (encoded[:-1], encoded + b"\0", b""):
        with pytest.raises(DecodeError):
            codec.decode(type(value).read, data)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__qualname__)
@given(data=st.data())
def test_no_bytes_do_harm(read: Callable[[codec.Reader], Any], data: st.DataObject) -> None:
    whole = [one.encode() for one in VALUES if type(one).read == read]
    changed = st.builds(
        lambda base, at, new: base[: at % len(base)] + new + base[at % len(base) + len(new) :],
        st.sampled_from(whole),
        st.integers(0, 300),
        st.binary(min_size=1, max_size=4),
    )
    found = data.draw(st.one_of(st.binary(max_size=200), changed))
    try:
        value = codec.decode(read, found)
    except DecodeError:
        return
    if not isinstance(value, Beacon):  # whose later flags are passed over
        assert value.encode() == found


@pytest.mark.parametrize(
    ("read", "encoded"),
    [
        (Beacon.read, BEACON.encode().replace(b"\x03Ada", codec.text("a" * 65))),
        (Beacon.read, BEACON.encode().replace(b"\x03Ada", codec.opaque(b"\xff\xfe"))),
        (Beacon.read, BEACON.encode().replace(b"\x06digest", codec.opaque(bytes(401)))),
        (Receipt.read, Receipt(b"p" * 8, True, (b"1234",) * (MISSED_MAX + 1)).encode()),
        (Receipt.read, b"p" * 8 + b"\x02\x00"),
        (Receipt.read, b"p" * 8 + b"\x01\x03abc"),
        (Signed.read, Signed(b"s" * 15, b"x" * 64).encode()),
        (Signed.read, Signed(b"s" * 1001, b"x" * 64).encode()),
        (Signed.read, Signed(b"s" * 16, b"x" * 65).encode()),
        (Handshake.read, Handshake(AUTH, bytes(HANDSHAKE_BYTES_MAX + 1), b"").encode()),
        (Handshake.read, Handshake(AUTH, b"", bytes(60_001)).encode()),
        (Handshake.read, Handshake(AUTH, bytes(60_000), bytes(5_493)).encode()),
        (Content.read, Content(AUTH, bytes(CHAT_BYTES_MAX + 1001)).encode()),
        (Chat.read, Chat(b"12345678", 5, "a" * (CHAT_BYTES_MAX + 1)).encode()),
        (Chat.read, b"\x02" + Chat(b"12345678", 5, "a").encode()[1:]),
        (Request.read, codec.opaque(bytes(8001)) + b"\0"),
        (
            Request.read,
            codec.opaque(b"key package")
            + codec.optional(make_farewell(KEY, GROUP, SEAT, b"l" * 32).encode()),
        ),
    ],
)
def test_nothing_beyond_its_limits_is_read(
    read: Callable[[codec.Reader], Any], encoded: bytes
) -> None:
    with pytest.raises(DecodeError):
        codec.decode(read, encoded)


def test_a_beacon_names_no_more_relays_than_there_can_be() -> None:
    def beacon(receipts: int) -> bytes:
        return Beacon(
            SEAT, 1, 1, AUTH, Showing(0), "", b"", (Receipt(b"p" * 8, True, ()),) * receipts
        ).encode()

    assert len(codec.decode(Beacon.read, beacon(RECEIPTS_MAX)).receipts) == RECEIPTS_MAX
    with pytest.raises(DecodeError):
        codec.decode(Beacon.read, beacon(RECEIPTS_MAX + 1))


def test_the_largest_beacon_that_is_made_can_be_read_when_signed() -> None:
    largest = Beacon(
        SEAT, 2**64 - 1, 2**64 - 1, AUTH, Showing(7), "é" * (NAME_BYTES_MAX // 2),
        bytes(DIGEST_BYTES_MAX), (Receipt(b"p" * 8, True, ()),) * RECEIPTS_MAX, bytes(64),
    )  # fmt: skip
    signed = sign_statement(KEY, Sign.BEACON, GROUP, largest.encode())
    assert codec.decode(Signed.read, signed.encode()) == signed
    assert codec.decode(Beacon.read, signed.content) == largest


def test_what_a_later_version_shows_is_passed_over() -> None:
    encoded = BEACON.encode()
    place = 16 + 8 + 8 + 32
    assert encoded[place] == 3
    later = encoded[:place] + b"\xfb" + encoded[place + 1 :]
    assert codec.decode(Beacon.read, later).showing == BEACON.showing


def test_a_statement_holds_for_its_key_label_group_and_words_only() -> None:
    signed = sign_statement(KEY, Sign.BEACON, GROUP, SEAT + b"words")
    public = KEY.public_key()
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key()
    assert signed.seat == SEAT
    assert signed.verified(public, Sign.BEACON, GROUP)
    assert not signed.verified(other, Sign.BEACON, GROUP)
    assert not signed.verified(public, Sign.NAMING, GROUP)
    assert not signed.verified(public, Sign.BEACON, b"another group...")
    assert not Signed(SEAT + b"swords", signed.signature).verified(public, Sign.BEACON, GROUP)
    for signature in (b"", signed.signature[:-1], bytes(64)):
        assert not Signed(signed.content, signature).verified(public, Sign.BEACON, GROUP)


@pytest.mark.parametrize("kind", ItemKind)
def test_items_say_their_kind(kind: ItemKind) -> None:
    assert split_item(item(kind, b"body")) == (kind, b"body")
    assert split_item(item(kind, b"")) == (kind, b"")


@pytest.mark.parametrize("data", [b"", b"\x00body", b"\x06body", b"\xffbody"])
def test_items_of_other_kinds_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        split_item(data)
