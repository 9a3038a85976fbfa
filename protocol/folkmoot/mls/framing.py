"""What a message is made of: content, who sent it, its signature, its frame (RFC 9420 §6).

Everything here is as it arrived: nothing in these types says that a signature or a tag was looked
at. `protection` does that, and its `VerifiedContent` is another type.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from folkmoot.mls.commit import Commit
from folkmoot.mls.extensions import MLS10
from folkmoot.mls.group_context import GROUP_ID_BYTES_MAX
from folkmoot.mls.proposals import Proposal, encode_proposal, read_proposal
from folkmoot.wire import codec

PUBLIC_MESSAGE = 1
PRIVATE_MESSAGE = 2
WELCOME = 3
GROUP_INFO = 4
KEY_PACKAGE = 5

APPLICATION = 1
PROPOSAL = 2
COMMIT = 3

MEMBER = 1
EXTERNAL = 2
NEW_MEMBER_PROPOSAL = 3
NEW_MEMBER_COMMIT = 4

# Certificates of a meeting of a thousand ride in the authenticated data: 1,000 ballots of 200 B.
AUTHENTICATED_DATA_BYTES_MAX = 1 << 20
SIGNATURE_BYTES_MAX = 1 << 10
TAG_BYTES_MAX = 64
SENDER_DATA_BYTES_MAX = 256
REUSE_GUARD_BYTES = 4

Content: TypeAlias = bytes | Proposal | Commit


@dataclass(frozen=True, slots=True)
class Sender:
    """`Sender` (§6): a member by leaf, an external sender by its place in the list, a newcomer."""

    type: int
    index: int = 0  # leaf index or sender index, 32 bits; 0 for newcomers

    @classmethod
    def member(cls, leaf: int) -> Sender:
        return cls(MEMBER, leaf)

    @property
    def leaf(self) -> int | None:
        """The sender's leaf index, or None for one outside the group."""
        return self.index if self.type == MEMBER else None

    @property
    def signs_context(self) -> bool:
        """Whether it knows the GroupContext, so that its signature covers it."""
        return self.type in (MEMBER, NEW_MEMBER_COMMIT)

    @classmethod
    def read(cls, reader: codec.Reader) -> Sender:
        kind = reader.u8()
        if kind in (MEMBER, EXTERNAL):
            return cls(kind, reader.u32())
        if kind in (NEW_MEMBER_PROPOSAL, NEW_MEMBER_COMMIT):
            return cls(kind)
        raise codec.DecodeError(f"no sender type {kind} is known")

    def encode(self) -> bytes:
        if self.type in (MEMBER, EXTERNAL):
            return codec.u8(self.type) + codec.u32(self.index)
        return codec.u8(self.type)


def content_type_of(body: Content) -> int:
    if isinstance(body, bytes):
        return APPLICATION
    return COMMIT if isinstance(body, Commit) else PROPOSAL


def read_content_type(reader: codec.Reader) -> int:
    kind = reader.u8()
    if kind not in (APPLICATION, PROPOSAL, COMMIT):
        raise codec.DecodeError(f"no content type {kind} is known")
    return kind


def read_content(reader: codec.Reader, content_type: int) -> Content:
    if content_type == APPLICATION:
        return reader.opaque()
    return read_proposal(reader) if content_type == PROPOSAL else Commit.read(reader)


def encode_content(body: Content) -> bytes:
    if isinstance(body, bytes):
        return codec.opaque(body)
    return body.encode() if isinstance(body, Commit) else encode_proposal(body)


@dataclass(frozen=True, slots=True)
class FramedContent:
    """`FramedContent` (§6); `encoded` is what arrived: what is verified is what was signed."""

    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    body: Content
    encoded: bytes = field(default=b"", compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.encoded:
            object.__setattr__(self, "encoded", self._encode())

    def _encode(self) -> bytes:
        return (
            codec.opaque(self.group_id)
            + codec.u64(self.epoch)
            + self.sender.encode()
            + codec.opaque(self.authenticated_data)
            + codec.u8(self.content_type)
            + encode_content(self.body)
        )

    @property
    def content_type(self) -> int:
        return content_type_of(self.body)

    @classmethod
    def read(cls, reader: codec.Reader) -> FramedContent:
        start = reader.position
        group_id = reader.opaque(GROUP_ID_BYTES_MAX)
        epoch = reader.u64()
        sender = Sender.read(reader)
        authenticated_data = reader.opaque(AUTHENTICATED_DATA_BYTES_MAX)
        body = read_content(reader, read_content_type(reader))
        return cls(group_id, epoch, sender, authenticated_data, body, reader.since(start))

    def encode(self) -> bytes:
        return self.encoded


def read_auth(reader: codec.Reader, content_type: int) -> tuple[bytes, bytes | None]:
    """`FramedContentAuthData` (§6.1): (signature, confirmation tag of a commit or None)."""
    signature = reader.opaque(SIGNATURE_BYTES_MAX)
    return signature, reader.opaque(TAG_BYTES_MAX) if content_type == COMMIT else None


def encode_auth(signature: bytes, confirmation_tag: bytes | None) -> bytes:
    tag = b"" if confirmation_tag is None else codec.opaque(confirmation_tag)
    return codec.opaque(signature) + tag


@dataclass(frozen=True, slots=True)
class AuthenticatedContent:
    """`AuthenticatedContent` (§6): content, the wire format it goes by, and what proves it."""

    wire_format: int
    content: FramedContent
    signature: bytes
    confirmation_tag: bytes | None = None

    @classmethod
    def read(cls, reader: codec.Reader) -> AuthenticatedContent:
        wire_format = reader.u16()
        content = FramedContent.read(reader)
        return cls(wire_format, content, *read_auth(reader, content.content_type))

    def encode(self) -> bytes:
        return (
            codec.u16(self.wire_format)
            + self.content.encoded
            + encode_auth(self.signature, self.confirmation_tag)
        )


def to_be_signed(wire_format: int, content: FramedContent, context: bytes) -> bytes:
    """`FramedContentTBS` (§6.1); `context` is the encoded GroupContext of the content's epoch."""
    return (
        codec.u16(MLS10)
        + codec.u16(wire_format)
        + content.encoded
        + (context if content.sender.signs_context else b"")
    )


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """`PublicMessage` (§6.2), as it arrived; a member's has a membership tag."""

    content: FramedContent
    signature: bytes
    confirmation_tag: bytes | None
    membership_tag: bytes | None

    @classmethod
    def read(cls, reader: codec.Reader) -> PublicMessage:
        content = FramedContent.read(reader)
        signature, confirmation_tag = read_auth(reader, content.content_type)
        member = content.sender.type == MEMBER
        tag = reader.opaque(TAG_BYTES_MAX) if member else None
        return cls(content, signature, confirmation_tag, tag)

    def encode(self) -> bytes:
        tag = b"" if self.membership_tag is None else codec.opaque(self.membership_tag)
        return self.content.encoded + encode_auth(self.signature, self.confirmation_tag) + tag

    @property
    def authenticated(self) -> AuthenticatedContent:
        return AuthenticatedContent(
            PUBLIC_MESSAGE, self.content, self.signature, self.confirmation_tag
        )


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """`PrivateMessage` (§6.3), as it arrived."""

    group_id: bytes
    epoch: int
    content_type: int
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, reader: codec.Reader) -> PrivateMessage:
        return cls(
            reader.opaque(GROUP_ID_BYTES_MAX),
            reader.u64(),
            read_content_type(reader),
            reader.opaque(AUTHENTICATED_DATA_BYTES_MAX),
            reader.opaque(SENDER_DATA_BYTES_MAX),
            reader.opaque(),
        )

    def encode(self) -> bytes:
        return (
            self.content_aad()
            + codec.opaque(self.encrypted_sender_data)
            + codec.opaque(self.ciphertext)
        )

    def sender_data_aad(self) -> bytes:
        """`SenderDataAAD` (§6.3.2)."""
        return codec.opaque(self.group_id) + codec.u64(self.epoch) + codec.u8(self.content_type)

    def content_aad(self) -> bytes:
        """`PrivateContentAAD` (§6.3.1)."""
        return self.sender_data_aad() + codec.opaque(self.authenticated_data)


@dataclass(frozen=True, slots=True)
class SenderData:
    """`SenderData` (§6.3.2): who sent a PrivateMessage, and with which of its keys. 12 bytes."""

    leaf: int
    generation: int
    reuse_guard: bytes

    @classmethod
    def read(cls, reader: codec.Reader) -> SenderData:
        return cls(reader.u32(), reader.u32(), reader.take(REUSE_GUARD_BYTES))

    def encode(self) -> bytes:
        return codec.u32(self.leaf) + codec.u32(self.generation) + self.reuse_guard
