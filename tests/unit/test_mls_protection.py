"""Messages: every part of every frame is bound, and each wrong one is refused by its check."""

from __future__ import annotations

import dataclasses
import random

import pytest

from folkmoot.mls import framing, protection
from folkmoot.mls.commit import Commit
from folkmoot.mls.crypto import CipherSuite, SignaturePublicKey, suite_of
from folkmoot.mls.errors import (
    Check,
    FramingError,
    MlsError,
    UsageError,
)
from folkmoot.mls.framing import FramedContent, PrivateMessage, PublicMessage, Sender
from folkmoot.mls.proposals import Custom, Remove
from folkmoot.mls.protection import VerifiedContent
from folkmoot.mls.secret_tree import Ratchet, SecretTree

CONTEXT = b"an encoded group context"
KEY = bytes(range(32))
GROUP = b"group"
SUITES = [suite_of(number) for number in (1, 2, 3)]
OURS = Sender.member(1)
BODIES: list[framing.Content] = [b"hello", Remove(2), Custom(0xF0AB, b"x"), Commit((), None)]


class World:
    """One epoch that both sides hold."""

    def __init__(self, suite: CipherSuite) -> None:
        self.suite = suite
        self.entropy = random.Random(7).randbytes
        self.key = suite.generate_signature_key(self.entropy)
        self.ours = SecretTree(suite, 4, KEY)
        self.theirs = SecretTree(suite, 4, KEY)

    def find_key(self, content: FramedContent) -> SignaturePublicKey:
        if content.sender.leaf not in (1, None):
            raise FramingError(Check.SENDER_BLANK)
        return self.key.public

    def sign(
        self, body: framing.Content, wire_format: int, sender: Sender = OURS
    ) -> framing.AuthenticatedContent:
        content = FramedContent(GROUP, 5, sender, b"aad", body)
        signed = protection.sign(self.suite, wire_format, content, self.key, CONTEXT)
        if isinstance(body, Commit):
            return protection.with_confirmation_tag(signed, bytes(32))
        return signed

    def public(self, body: framing.Content, sender: Sender = OURS) -> PublicMessage:
        signed = self.sign(body, framing.PUBLIC_MESSAGE, sender)
        return protection.protect_public(self.suite, signed, KEY, CONTEXT)

    def private(self, body: framing.Content, padding: int = 0) -> PrivateMessage:
        return protection.protect_private(
            self.suite,
            self.sign(body, framing.PRIVATE_MESSAGE),
            KEY,
            self.ours,
            self.entropy,
            padding,
        )

    def open_public(self, message: PublicMessage, context: bytes = CONTEXT) -> VerifiedContent:
        return protection.unprotect_public(self.suite, message, KEY, context, self.find_key)

    def open_private(self, message: PrivateMessage, context: bytes = CONTEXT) -> VerifiedContent:
        return protection.unprotect_private(
            self.suite, message, KEY, self.theirs, context, self.find_key
        )

    def refused_public(self, message: PublicMessage, context: bytes = CONTEXT) -> Check:
        with pytest.raises(MlsError) as caught:
            self.open_public(message, context)
        return caught.value.check

    def refused_private(self, message: PrivateMessage, context: bytes = CONTEXT) -> Check:
        before = self.theirs.encode()
        with pytest.raises(MlsError) as caught:
            self.open_private(message, context)
        assert self.theirs.encode() == before
        return caught.value.check


@pytest.fixture(params=SUITES, ids=lambda suite: f"suite{suite.id}")
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def _flip(data: bytes, index: int = -1) -> bytes:
    index %= len(data)
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


def test_public_round_trip(world: World) -> None:
    for body in BODIES[1:]:
        opened = world.open_public(world.public(body))
        assert opened.content.body == body
        assert opened.sender == Sender.member(1)
        assert opened.used is None


def test_private_round_trip_and_replay(world: World) -> None:
    for body in BODIES:
        message = world.private(body, padding=50)
        opened = world.open_private(message)
        assert opened.content.body == body
        assert opened.content.authenticated_data == b"aad"
        assert opened.used is not None
        world.open_private(message)  # a look consumes nothing
        world.theirs.consume(opened.used)
        assert world.refused_private(message) is Check.GENERATION_USED


def test_private_out_of_order(world: World) -> None:
    sent = [world.private(bytes([n])) for n in range(6)]
    for index in (5, 0, 3, 1, 4, 2):
        opened = world.open_private(sent[index])
        assert opened.content.body == bytes([index])
        assert opened.used is not None
        world.theirs.consume(opened.used)


def test_padding_hides_the_size_and_must_be_zero(world: World) -> None:
    short, long = world.private(b"a", padding=9), world.private(b"a" * 10)
    if not world.suite.ecdsa:  # whose signatures differ in size
        assert len(short.ciphertext) == len(long.ciphertext)
    signed = world.sign(b"a", framing.PRIVATE_MESSAGE)
    plaintext = b"\x01a" + framing.encode_auth(signed.signature, None) + b"\x00\x01\x00"
    assert world.refused_private(_sealed(world, plaintext)) is Check.PADDING
    assert world.refused_private(_sealed(world, b"\x05a")) is Check.DECODE
    assert world.refused_private(_sealed(world, b"")) is Check.DECODE


def _sealed(world: World, plaintext: bytes, leaf: int = 1) -> PrivateMessage:
    """What one who holds the group's secrets could seal."""
    suite = world.suite
    frame = PrivateMessage(GROUP, 5, framing.APPLICATION, b"aad", b"", b"")
    key = SecretTree(suite, 4, KEY).peek(leaf % 4, Ratchet.APPLICATION, 0)
    ciphertext = suite.aead_seal(key.key, key.nonce, frame.content_aad(), plaintext)
    sender = suite.aead_seal(
        *protection.sender_data_key_and_nonce(suite, KEY, ciphertext),
        frame.sender_data_aad(),
        framing.SenderData(leaf, 0, bytes(4)).encode(),
    )
    return dataclasses.replace(frame, encrypted_sender_data=sender, ciphertext=ciphertext)


def test_a_member_cannot_speak_as_another(world: World) -> None:
    signed = world.sign(b"a", framing.PRIVATE_MESSAGE)
    plaintext = b"\x01a" + framing.encode_auth(signed.signature, None)
    world.open_private(_sealed(world, plaintext))
    assert world.refused_private(_sealed(world, plaintext, leaf=2)) is Check.SENDER_BLANK
    assert world.refused_private(_sealed(world, plaintext, leaf=5)) is Check.SENDER_BLANK
    forged = b"\x01b" + framing.encode_auth(signed.signature, None)
    assert world.refused_private(_sealed(world, forged)) is Check.SIGNATURE


def test_every_part_of_a_private_message_is_bound(world: World) -> None:
    message = world.private(b"hello")
    replace = dataclasses.replace
    wrong = {
        "group": replace(message, group_id=b"other"),
        "epoch": replace(message, epoch=6),
        "type": replace(message, content_type=framing.PROPOSAL),
        "sender": replace(message, encrypted_sender_data=_flip(message.encrypted_sender_data)),
        "no sender": replace(message, encrypted_sender_data=b""),
        "sample": replace(message, ciphertext=_flip(message.ciphertext, 0)),
        "short": replace(message, ciphertext=b""),
    }
    for name, one in wrong.items():
        assert world.refused_private(one) is Check.SENDER_DATA, name
    for one in (
        replace(message, authenticated_data=b"xad"),
        replace(message, ciphertext=_flip(message.ciphertext)),
        replace(message, ciphertext=message.ciphertext[:-1]),
    ):
        assert world.refused_private(one) is Check.AEAD_OPEN
    assert world.refused_private(message, b"another context") is Check.SIGNATURE
    assert world.open_private(message).content.body == b"hello"


def test_every_part_of_a_public_message_is_bound(world: World) -> None:
    message = world.public(Commit((), None))
    replace = dataclasses.replace
    content = message.content
    contents = [
        FramedContent(b"other", 5, content.sender, b"aad", content.body),
        FramedContent(GROUP, 6, content.sender, b"aad", content.body),
        FramedContent(GROUP, 5, Sender.member(2), b"aad", content.body),
        FramedContent(GROUP, 5, content.sender, b"xad", content.body),
        FramedContent(GROUP, 5, content.sender, b"aad", Remove(1)),
    ]
    wrong = [replace(message, content=one) for one in contents]
    wrong.append(replace(message, signature=_flip(message.signature)))
    wrong.append(replace(message, confirmation_tag=bytes(31) + b"\1"))
    wrong.append(replace(message, membership_tag=b""))
    wrong.append(replace(message, membership_tag=None))
    wrong.append(replace(message, membership_tag=_flip(message.membership_tag or b"")))
    for one in wrong:
        assert world.refused_public(one) is Check.MEMBERSHIP_TAG
    assert world.refused_public(message, b"another context") is Check.MEMBERSHIP_TAG


def test_a_signature_is_checked_behind_the_membership_tag(world: World) -> None:
    """Every member holds the membership key: the tag alone says nothing about who."""
    signed = world.sign(Remove(3), framing.PUBLIC_MESSAGE)
    forged = dataclasses.replace(signed, signature=_flip(signed.signature))
    message = protection.protect_public(world.suite, forged, KEY, CONTEXT)
    assert world.refused_public(message) is Check.SIGNATURE
    # Nor does a signature for one wire format count for the other.
    private = world.sign(Remove(3), framing.PRIVATE_MESSAGE)
    moved = dataclasses.replace(private, wire_format=framing.PUBLIC_MESSAGE)
    message = protection.protect_public(world.suite, moved, KEY, CONTEXT)
    assert world.refused_public(message) is Check.SIGNATURE


def test_senders_from_outside(world: World) -> None:
    external = Sender(framing.EXTERNAL, 0)
    joining = Sender(framing.NEW_MEMBER_COMMIT)
    assert world.open_public(world.public(Remove(0), external)).sender == external
    assert world.open_public(world.public(Commit((), None), joining)).sender == joining
    # External senders do not know the context, joining ones have it from the GroupInfo.
    world.open_public(world.public(Remove(0), external), b"another context")
    joined = world.public(Commit((), None), joining)
    assert world.refused_public(joined, b"another context") is Check.SIGNATURE


def test_who_may_send_what(world: World) -> None:
    external = Sender(framing.EXTERNAL, 0)
    proposing = Sender(framing.NEW_MEMBER_PROPOSAL)
    joining = Sender(framing.NEW_MEMBER_COMMIT)
    for body, sender in (
        (Commit((), None), external),
        (Commit((), None), proposing),
        (Remove(0), proposing),
        (Remove(0), joining),
    ):
        tag = bytes(32) if isinstance(body, Commit) else None
        message = PublicMessage(FramedContent(GROUP, 5, sender, b"", body), b"", tag, None)
        assert world.refused_public(message) is Check.SENDER
        with pytest.raises(FramingError):
            world.public(body, sender)


def test_application_data_are_never_public(world: World) -> None:
    message = PublicMessage(FramedContent(GROUP, 5, Sender.member(1), b"", b"x"), b"", None, b"")
    assert world.refused_public(message) is Check.PUBLIC_APPLICATION
    with pytest.raises(UsageError):
        world.public(b"x")
    with pytest.raises(FramingError):
        world.sign(b"x", framing.PRIVATE_MESSAGE, Sender(framing.EXTERNAL, 0))


def test_frame(world: World) -> None:
    for message in (world.public(Remove(0)).content, world.private(b"x")):
        protection.check_frame(message, GROUP, 5)
        for group, epoch, check in (
            (b"grouq", 5, Check.GROUP_ID),
            (GROUP, 4, Check.EPOCH),
            (GROUP, 6, Check.EPOCH),
        ):
            with pytest.raises(FramingError) as caught:
                protection.check_frame(message, group, epoch)
            assert caught.value.check is check


def test_misuse(world: World) -> None:
    proposal = world.sign(Remove(0), framing.PUBLIC_MESSAGE)
    with pytest.raises(UsageError):
        protection.with_confirmation_tag(proposal, bytes(32))
    with pytest.raises(UsageError):
        protection.protect_private(world.suite, proposal, KEY, world.ours, world.entropy)
    private = world.sign(Remove(0), framing.PRIVATE_MESSAGE)
    with pytest.raises(UsageError):
        protection.protect_public(world.suite, private, KEY, CONTEXT)
    with pytest.raises(UsageError):
        world.sign(Remove(0), framing.PRIVATE_MESSAGE, Sender(framing.EXTERNAL, 0))
    untagged = dataclasses.replace(
        world.sign(Commit((), None), framing.PUBLIC_MESSAGE), confirmation_tag=None
    )
    with pytest.raises(UsageError):
        protection.protect_public(world.suite, untagged, KEY, CONTEXT)


def test_nobody_else_makes_verified_content(world: World) -> None:
    signed = world.sign(Remove(0), framing.PUBLIC_MESSAGE)
    with pytest.raises(AssertionError):
        VerifiedContent(signed, None, object())
    assert protection.signed_by_us(signed).content.body == Remove(0)
