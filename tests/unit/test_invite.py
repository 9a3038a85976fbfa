"""The invite: one word, signed, and a sentence for whoever has a broken one."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.governance.charter import PRESETS
from folkmoot.governance.extension import Relay
from folkmoot.meeting import invite as invites
from folkmoot.meeting.invite import (
    ForgedInviteError,
    Invite,
    InviteError,
    NewerInviteError,
    NotAnInviteError,
    OlderInviteError,
    TornInviteError,
    door_cell_secret,
    door_room_root,
)
from folkmoot.mls.errors import UsageError
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.labels import Sign, sign

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
DOOR = X25519PrivateKey.from_private_bytes(b"d" * 32).public_key().public_bytes_raw()
RELAYS = [
    Relay(RelayAddress("192.0.2.1", 443, b"1" * 32)),
    Relay(RelayAddress("2001:db8:1:2:3:4:5:6", 4433, b"2" * 32)),
    Relay(RelayAddress("relay.example.org", 4433, b"3" * 32), "Example"),
]


def make(**changes: object) -> Invite:
    fields: dict[str, object] = {
        "group_id": b"g" * 16,
        "inviter_private": KEY,
        "door_key": DOOR,
        "door_secret": b"x" * 32,
        "charter": PRESETS["unremovable"],
        "relays": RELAYS,
    }
    return Invite.make(**{**fields, **changes})  # type: ignore[arg-type]


INVITE = make()
WORD = INVITE.word()


def sealed(content: bytes) -> bytes:
    """`content` with the right checksum."""
    return content + hashlib.sha256(b"Folkmoot 1 invite checksum" + content).digest()[:4]


def test_the_word_survives() -> None:
    assert Invite.parse(WORD) == INVITE
    assert WORD.startswith("folkmoot:")
    assert INVITE.charter_hash == PRESETS["unremovable"].hash
    assert "x" * 32 not in repr(INVITE)


def test_the_word_fits_a_qr_code_that_people_can_scan() -> None:
    one_relay = make(relays=RELAYS[:1])
    print(f"one relay: {len(one_relay.encode())} bytes, {len(one_relay.word())} characters")
    print(f"three relays: {len(INVITE.encode())} bytes, {len(WORD)} characters")
    assert len(one_relay.word()) <= 367  # QR version 12, level L
    assert len(WORD) <= 586  # QR version 16, level L


@pytest.mark.parametrize(
    "text",
    [
        f"  {WORD}\n",
        f"<{WORD}>",
        f"“{WORD}”.",
        f"({WORD}),",
        WORD.replace("folkmoot:", "Folkmoot:"),
        "\r\n".join(WORD[start : start + 76] for start in range(0, len(WORD), 76)),
        WORD + "==",
    ],
)
def test_what_chats_do_to_a_word_does_no_harm(text: str) -> None:
    assert Invite.parse(text) == INVITE


@pytest.mark.parametrize("text", ["", "hello", "https://example.org", "folkmoot", "x" * 5000])
def test_something_else_is_no_invite(text: str) -> None:
    with pytest.raises(NotAnInviteError, match="begins with"):
        Invite.parse(text)


@given(st.integers(len("folkmoot:"), len(WORD) - 1))
def test_a_torn_word_is_recognised(length: int) -> None:
    with pytest.raises(TornInviteError, match="torn"):
        Invite.parse(WORD[:length])


@given(st.integers(len("folkmoot:"), len(WORD) - 1), st.sampled_from("AbZ09-_+/%ä\x00"))
def test_a_changed_character_is_recognised(place: int, character: str) -> None:
    changed = WORD[:place] + character + WORD[place + 1 :]
    if changed == WORD:
        return
    with pytest.raises(TornInviteError):
        Invite.parse(changed)


def test_a_newer_version_is_named_as_such() -> None:
    for content in (b"\x03", b"\x03" + b"anything at all" * 20):
        word = "folkmoot:" + base64.urlsafe_b64encode(sealed(content)).decode().rstrip("=")
        with pytest.raises(NewerInviteError, match="newer version"):
            Invite.parse(word)


def test_an_older_version_is_named_as_such() -> None:
    """Also one that is right in all else: its meeting's seats are any 16 bytes."""
    for content in (b"\x01", b"\x01" + INVITE.encode()[1:-4]):
        with pytest.raises(OlderInviteError, match="older version"):
            Invite.decode(sealed(content))


def test_a_newer_charter_is_named_as_such() -> None:
    content = INVITE.encode()[:-4].replace(PRESETS["unremovable"].encode(), b"\x02" + b"?" * 7)
    with pytest.raises(NewerInviteError):
        Invite.decode(sealed(content))


@given(st.integers(1, len(INVITE.encode()) - 5), st.integers(1, 255))
def test_whoever_changes_a_byte_cannot_sign_it(place: int, change: int) -> None:
    content = bytearray(INVITE.encode()[:-4])
    content[place] ^= change
    with pytest.raises(InviteError) as caught:
        Invite.decode(sealed(bytes(content)))
    assert isinstance(caught.value, ForgedInviteError | NewerInviteError)


def test_a_signature_for_something_else_is_refused() -> None:
    content = INVITE.encode()[: -4 - 64]
    signed = b"\x10" + b"g" * 16 + INVITE.inviter_seat + content
    assert sign(KEY, Sign.INVITE, signed) == INVITE.signature
    for signature in (sign(KEY, Sign.BEACON, signed), sign(KEY, Sign.INVITE, content)):
        with pytest.raises(ForgedInviteError, match="signed"):
            Invite.decode(sealed(content + signature))


@given(st.binary(max_size=400), st.booleans())
def test_whatever_bytes_arrive_the_result_is_a_sentence(data: bytes, fix: bool) -> None:
    with pytest.raises(InviteError) as caught:
        Invite.decode(sealed(data) if fix else data)
    assert str(caught.value).endswith(".")


@given(st.text(max_size=200))
def test_whatever_people_paste_the_result_is_a_sentence(text: str) -> None:
    for pasted in (text, "folkmoot:" + text):
        with pytest.raises(InviteError):
            Invite.parse(pasted)


@pytest.mark.parametrize("door_key", [bytes(32), b"\x01" + bytes(31)])
def test_a_door_that_everybody_can_open_is_refused(door_key: bytes) -> None:
    with pytest.raises(ForgedInviteError):
        Invite.parse(make(door_key=door_key).word())


@pytest.mark.parametrize(
    "changes",
    [
        {"group_id": b"g" * 15},
        {"group_id": b"g" * 33},
        {"door_key": b"d"},
        {"door_secret": b"d"},
        {"relays": []},
        {"relays": [RELAYS[0]] * 7},
    ],
)
def test_an_invite_that_makes_no_sense_is_not_made(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        make(**changes)


def test_the_doors_secrets_differ() -> None:
    assert INVITE.room_root == door_room_root(b"x" * 32)
    assert INVITE.cell_secret == door_cell_secret(b"x" * 32)
    assert len({INVITE.room_root, INVITE.cell_secret, INVITE.door_secret}) == 3


def test_every_error_says_something_to_people() -> None:
    errors = [
        value
        for value in vars(invites).values()
        if isinstance(value, type) and issubclass(value, InviteError)
    ]
    assert len(errors) == 6
    assert all(error.__doc__ and error.__doc__.endswith(".") for error in errors)
