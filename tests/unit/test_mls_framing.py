"""Frames: strict to decode, the same bytes again, and errors of one family only."""

from __future__ import annotations

import random

import pytest

from folkmoot.mls import framing
from folkmoot.mls.commit import Commit
from folkmoot.mls.errors import Check, MalformedError, MlsError
from folkmoot.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderData,
)
from folkmoot.mls.message import Body, decode_message, encode_message, wire_format_of
from folkmoot.mls.proposals import Remove
from folkmoot.wire import codec


def _content(sender: Sender, body: framing.Content) -> FramedContent:
    return FramedContent(b"group", 3, sender, b"aad", body)


MEMBER = Sender.member(7)
BODIES: list[Body] = [
    PublicMessage(_content(MEMBER, Remove(1)), b"signature", None, b"tag"),
    PublicMessage(_content(MEMBER, Commit((), None)), b"signature", b"confirmed", b"tag"),
    PublicMessage(_content(MEMBER, b"public"), b"signature", None, b"tag"),
    PublicMessage(_content(Sender(framing.EXTERNAL, 1), Remove(1)), b"s", None, None),
    PublicMessage(_content(Sender(framing.NEW_MEMBER_COMMIT), Commit((), None)), b"s", b"c", None),
    PrivateMessage(b"group", 3, framing.COMMIT, b"aad", b"sender", b"ciphertext"),
]


@pytest.mark.parametrize("body", BODIES)
def test_round_trip(body: Body) -> None:
    data = encode_message(body)
    again = decode_message(data)
    assert again == body
    assert encode_message(again) == data
    assert wire_format_of(again) == int.from_bytes(data[2:4], "big")


@pytest.mark.parametrize("body", BODIES)
def test_torn_or_with_more(body: Body) -> None:
    data = encode_message(body)
    for cut in range(len(data)):
        with pytest.raises(MalformedError) as caught:
            decode_message(data[:cut])
        assert caught.value.check is Check.DECODE
    with pytest.raises(MalformedError):
        decode_message(data + b"\0")


def test_whatever_arrives_is_a_message_or_an_mls_error() -> None:
    noise = random.Random(11)
    seeds = [encode_message(body) for body in BODIES]
    decoded = 0
    for _ in range(5000):
        data = bytearray(noise.choice(seeds))
        for _ in range(noise.randrange(1, 4)):
            data[noise.randrange(len(data))] = noise.randrange(256)
        try:
            body = decode_message(bytes(data))
        except MlsError:
            continue
        decoded += 1
        assert encode_message(body) == data
    assert decoded > 100


def test_versions_and_formats_that_are_not_known() -> None:
    data = encode_message(BODIES[0])
    for head in (b"\0\0\0\1", b"\0\2\0\1", b"\0\1\0\0", b"\0\1\0\6", b"\1\0\0\1"):
        with pytest.raises(MalformedError):
            decode_message(head + data[4:])


def test_senders_and_types_that_are_not_known() -> None:
    for data in (b"\0", b"\5", b"\1\0\0\0"):
        with pytest.raises(codec.DecodeError):
            codec.decode(Sender.read, data)
    for data in (b"\0", b"\4"):
        with pytest.raises(codec.DecodeError):
            codec.decode(framing.read_content_type, data)


def test_leaf_of_a_sender() -> None:
    assert MEMBER.leaf == 7
    assert MEMBER.signs_context
    assert Sender(framing.EXTERNAL, 7).leaf is None
    assert not Sender(framing.EXTERNAL, 7).signs_context
    assert Sender(framing.NEW_MEMBER_COMMIT).signs_context
    assert not Sender(framing.NEW_MEMBER_PROPOSAL).signs_context


def test_only_a_commit_has_a_confirmation_tag() -> None:
    for body, tag in ((Commit((), None), b"tag"), (Remove(1), None), (b"data", None)):
        whole = AuthenticatedContent(framing.PRIVATE_MESSAGE, _content(MEMBER, body), b"s", tag)
        assert codec.decode(AuthenticatedContent.read, whole.encode()) == whole


def test_context_is_signed_by_those_who_know_it() -> None:
    for sender in (MEMBER, Sender(framing.NEW_MEMBER_COMMIT)):
        assert framing.to_be_signed(1, _content(sender, Remove(1)), b"context").endswith(b"context")
    for sender in (Sender(framing.EXTERNAL), Sender(framing.NEW_MEMBER_PROPOSAL)):
        assert b"context" not in framing.to_be_signed(1, _content(sender, Remove(1)), b"context")


def test_sender_data_has_twelve_bytes() -> None:
    data = SenderData(1, 2, b"abcd").encode()
    assert len(data) == 12
    assert codec.decode(SenderData.read, data) == SenderData(1, 2, b"abcd")
