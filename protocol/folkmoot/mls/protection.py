"""Signing, sealing, opening and verifying messages (RFC 9420 §6.1, §6.2, §6.3).

A message that arrived becomes a `VerifiedContent` here or it becomes an error: no other way leads
to that type, and nothing else should be acted on. Opening changes nothing in the group: the key
that was used is named in the result, for the group to consume when it takes the message.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from folkmoot.mls.crypto import CipherSuite, SignaturePrivateKey, SignaturePublicKey
from folkmoot.mls.errors import Check, CryptoError, FramingError, MalformedError, UsageError
from folkmoot.mls.framing import (
    APPLICATION,
    COMMIT,
    MEMBER,
    NEW_MEMBER_COMMIT,
    NEW_MEMBER_PROPOSAL,
    PRIVATE_MESSAGE,
    PROPOSAL,
    PUBLIC_MESSAGE,
    REUSE_GUARD_BYTES,
    AuthenticatedContent,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderData,
    encode_auth,
    encode_content,
    read_auth,
    read_content,
    to_be_signed,
)
from folkmoot.mls.hpke import Entropy
from folkmoot.mls.proposals import Add
from folkmoot.mls.secret_tree import MessageKey, Ratchet, SecretTree
from folkmoot.wire import codec

_LABEL = "FramedContentTBS"
_MADE_HERE = object()

# Finds the key that must have signed some content: that of a member's leaf in the tree, of an
# external sender in the group's list, of a newcomer in what it sent. Raises MlsError if none may.
FindKey = Callable[[FramedContent], SignaturePublicKey]


@dataclass(frozen=True, slots=True)
class VerifiedContent:
    """A message whose signature, tags and frame were verified, or that we signed ourselves.

    `used` is the key that opened a PrivateMessage: `SecretTree.consume` it once that is taken.
    """

    authenticated: AuthenticatedContent
    used: MessageKey | None = field(repr=False)
    made_by: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        assert self.made_by is _MADE_HERE, "only what verifies may call it verified"

    @property
    def content(self) -> FramedContent:
        return self.authenticated.content

    @property
    def sender(self) -> Sender:
        return self.authenticated.content.sender


def check_frame(message: FramedContent | PrivateMessage, group_id: bytes, epoch: int) -> None:
    """Raises FramingError unless the message is of this group and epoch."""
    if message.group_id != group_id:
        raise FramingError(Check.GROUP_ID)
    if message.epoch != epoch:
        raise FramingError(Check.EPOCH, f"{message.epoch} instead of {epoch}")


def _check_sender(content: FramedContent) -> None:
    """Who may send what (§6, §12.1.8, §12.4.3.2)."""
    kind, sender = content.content_type, content.sender.type
    if kind == APPLICATION and sender != MEMBER:
        raise FramingError(Check.SENDER, "application data from outside")
    if kind == COMMIT and sender not in (MEMBER, NEW_MEMBER_COMMIT):
        raise FramingError(Check.SENDER, "a commit by one who is no member and does not join")
    if kind == PROPOSAL and sender == NEW_MEMBER_COMMIT:
        raise FramingError(Check.SENDER, "a proposal alone by one who joins with a commit")
    if sender == NEW_MEMBER_PROPOSAL and not isinstance(content.body, Add):
        raise FramingError(Check.SENDER, "a newcomer may propose its own Add and nothing else")


def sign(
    suite: CipherSuite,
    wire_format: int,
    content: FramedContent,
    key: SignaturePrivateKey,
    context: bytes,
) -> AuthenticatedContent:
    """Content with our signature (§6.1). A commit gets its tag later: `with_confirmation_tag`."""
    _check_sender(content)
    if wire_format == PUBLIC_MESSAGE and content.content_type == APPLICATION:
        raise UsageError("application data are always sealed (RFC 9420 §6.2)")
    if wire_format == PRIVATE_MESSAGE and content.sender.type != MEMBER:
        raise UsageError("only members send PrivateMessages")
    signed = to_be_signed(wire_format, content, context)
    signature = suite.sign_with_label(key, _LABEL, signed)
    return AuthenticatedContent(wire_format, content, signature)


def with_confirmation_tag(signed: AuthenticatedContent, tag: bytes) -> AuthenticatedContent:
    """A signed commit with the tag of the epoch that it leads to."""
    if signed.content.content_type != COMMIT:
        raise UsageError("only a commit has a confirmation tag")
    return AuthenticatedContent(signed.wire_format, signed.content, signed.signature, tag)


def signed_by_us(authenticated: AuthenticatedContent) -> VerifiedContent:
    """What we signed ourselves a moment ago needs no verifying."""
    return VerifiedContent(authenticated, None, _MADE_HERE)


def _check_tag_presence(authenticated: AuthenticatedContent) -> None:
    if (authenticated.confirmation_tag is None) == (authenticated.content.content_type == COMMIT):
        raise UsageError("a commit has a confirmation tag, and nothing else has")


def _verify(
    suite: CipherSuite,
    authenticated: AuthenticatedContent,
    context: bytes,
    find_key: FindKey,
    used: MessageKey | None,
) -> VerifiedContent:
    content = authenticated.content
    _check_sender(content)
    signed = to_be_signed(authenticated.wire_format, content, context)
    if not suite.verify_with_label(find_key(content), _LABEL, signed, authenticated.signature):
        raise CryptoError(Check.SIGNATURE)
    return VerifiedContent(authenticated, used, _MADE_HERE)


def _membership_tag(
    suite: CipherSuite, authenticated: AuthenticatedContent, membership_key: bytes, context: bytes
) -> bytes:
    """The MAC over `AuthenticatedContentTBM` (§6.2)."""
    auth = encode_auth(authenticated.signature, authenticated.confirmation_tag)
    signed = to_be_signed(authenticated.wire_format, authenticated.content, context)
    return suite.mac(membership_key, signed + auth)


def protect_public(
    suite: CipherSuite, authenticated: AuthenticatedContent, membership_key: bytes, context: bytes
) -> PublicMessage:
    """A PublicMessage of what `sign` gave; `membership_key` is not used for senders outside."""
    if authenticated.wire_format != PUBLIC_MESSAGE:
        raise UsageError("this was signed for another wire format")
    _check_tag_presence(authenticated)
    tag = None
    if authenticated.content.sender.type == MEMBER:
        tag = _membership_tag(suite, authenticated, membership_key, context)
    return PublicMessage(
        authenticated.content, authenticated.signature, authenticated.confirmation_tag, tag
    )


def unprotect_public(
    suite: CipherSuite,
    message: PublicMessage,
    membership_key: bytes,
    context: bytes,
    find_key: FindKey,
) -> VerifiedContent:
    """Verifies membership tag and signature; `check_frame` comes before. Raises MlsError."""
    content, authenticated = message.content, message.authenticated
    if content.content_type == APPLICATION:
        raise FramingError(Check.PUBLIC_APPLICATION)
    if content.sender.type == MEMBER:
        wanted = _membership_tag(suite, authenticated, membership_key, context)
        if not hmac.compare_digest(wanted, message.membership_tag or b""):
            raise CryptoError(Check.MEMBERSHIP_TAG)
    return _verify(suite, authenticated, context, find_key, None)


def sender_data_key_and_nonce(
    suite: CipherSuite, sender_data_secret: bytes, ciphertext: bytes
) -> tuple[bytes, bytes]:
    """What seals the sender data, from a sample of the ciphertext (§6.3.2)."""
    sample = ciphertext[: suite.nh]
    key = suite.expand_with_label(sender_data_secret, "key", sample, suite.nk)
    return key, suite.expand_with_label(sender_data_secret, "nonce", sample, suite.nn)


def _guarded(nonce: bytes, reuse_guard: bytes) -> bytes:
    """The nonce with the reuse guard in its first four bytes (§6.3.1)."""
    head = bytes(a ^ b for a, b in zip(nonce, reuse_guard, strict=False))
    return head + nonce[REUSE_GUARD_BYTES:]


def ratchet_of(content_type: int) -> Ratchet:
    return Ratchet.APPLICATION if content_type == APPLICATION else Ratchet.HANDSHAKE


def protect_private(
    suite: CipherSuite,
    authenticated: AuthenticatedContent,
    sender_data_secret: bytes,
    secrets: SecretTree,
    entropy: Entropy,
    padding_bytes: int = 0,
) -> PrivateMessage:
    """A PrivateMessage of what `sign` gave; it consumes a key of our own ratchet."""
    if authenticated.wire_format != PRIVATE_MESSAGE:
        raise UsageError("this was signed for another wire format")
    _check_tag_presence(authenticated)
    content = authenticated.content
    leaf = content.sender.index
    key = secrets.next(leaf, ratchet_of(content.content_type))
    reuse_guard = entropy(REUSE_GUARD_BYTES)
    plaintext = (
        encode_content(content.body)
        + encode_auth(authenticated.signature, authenticated.confirmation_tag)
        + bytes(padding_bytes)
    )
    frame = PrivateMessage(
        content.group_id,
        content.epoch,
        content.content_type,
        content.authenticated_data,
        b"",
        b"",
    )
    nonce = _guarded(key.nonce, reuse_guard)
    ciphertext = suite.aead_seal(key.key, nonce, frame.content_aad(), plaintext)
    sender_data = SenderData(leaf, key.generation, reuse_guard).encode()
    sealed_sender = suite.aead_seal(
        *sender_data_key_and_nonce(suite, sender_data_secret, ciphertext),
        frame.sender_data_aad(),
        sender_data,
    )
    return PrivateMessage(
        frame.group_id,
        frame.epoch,
        frame.content_type,
        frame.authenticated_data,
        sealed_sender,
        ciphertext,
    )


def open_sender_data(
    suite: CipherSuite, message: PrivateMessage, sender_data_secret: bytes
) -> SenderData:
    """Who says it sent this: not verified. Raises MlsError."""
    key, nonce = sender_data_key_and_nonce(suite, sender_data_secret, message.ciphertext)
    try:
        opened = suite.aead_open(
            key, nonce, message.sender_data_aad(), message.encrypted_sender_data
        )
        return codec.decode(SenderData.read, opened)
    except (CryptoError, codec.DecodeError):
        raise FramingError(Check.SENDER_DATA) from None


def _read_plaintext(plaintext: bytes, message: PrivateMessage, leaf: int) -> AuthenticatedContent:
    """`PrivateMessageContent` (§6.3.1)."""
    reader = codec.Reader(plaintext)
    try:
        body = read_content(reader, message.content_type)
        signature, tag = read_auth(reader, message.content_type)
    except codec.DecodeError as error:
        raise MalformedError(Check.DECODE, str(error)) from None
    padding = reader.take(reader.remaining)
    if padding.count(0) != len(padding):
        raise FramingError(Check.PADDING)
    content = FramedContent(
        message.group_id, message.epoch, Sender.member(leaf), message.authenticated_data, body
    )
    return AuthenticatedContent(PRIVATE_MESSAGE, content, signature, tag)


def unprotect_private(
    suite: CipherSuite,
    message: PrivateMessage,
    sender_data_secret: bytes,
    secrets: SecretTree,
    context: bytes,
    find_key: FindKey,
) -> VerifiedContent:
    """Opens and verifies; `check_frame` comes before. Raises MlsError; consumes no key."""
    sender_data = open_sender_data(suite, message, sender_data_secret)
    key = secrets.peek(sender_data.leaf, ratchet_of(message.content_type), sender_data.generation)
    plaintext = suite.aead_open(
        key.key,
        _guarded(key.nonce, sender_data.reuse_guard),
        message.content_aad(),
        message.ciphertext,
    )
    authenticated = _read_plaintext(plaintext, message, sender_data.leaf)
    return _verify(suite, authenticated, context, find_key, key)
