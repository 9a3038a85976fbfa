"""Leaf nodes: a member's keys, credential and capabilities, signed by it (RFC 9420 §7.2)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from folkmoot.mls.credential import Credential
from folkmoot.mls.extensions import Capabilities, Extension, encode_extensions, read_extensions
from folkmoot.wire import codec

# Keys of the suites here are 32, 65 and 133 bytes; a post-quantum key would still fit.
KEY_BYTES_MAX = 1 << 13


class LeafSource(enum.IntEnum):
    """How a leaf came into the tree (§7.2)."""

    KEY_PACKAGE = 1
    UPDATE = 2
    COMMIT = 3


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds since 1970 between which a key package may be used, both ends included."""

    not_before: int
    not_after: int

    @classmethod
    def read(cls, reader: codec.Reader) -> Lifetime:
        return cls(reader.u64(), reader.u64())

    def encode(self) -> bytes:
        return codec.u64(self.not_before) + codec.u64(self.not_after)


@dataclass(frozen=True, slots=True)
class LeafNode:
    """`LeafNode` (§7.2). `encoded` is what was received, and what is hashed and passed on."""

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: LeafSource
    lifetime: Lifetime | None
    parent_hash: bytes
    extensions: tuple[Extension, ...]
    signature: bytes
    encoded: bytes = field(repr=False)
    _content_bytes: int = field(repr=False)

    @classmethod
    def read(cls, reader: codec.Reader) -> LeafNode:
        start = reader.position
        encryption_key = reader.opaque(KEY_BYTES_MAX)
        signature_key = reader.opaque(KEY_BYTES_MAX)
        credential = Credential.read(reader)
        capabilities = Capabilities.read(reader)
        try:
            source = LeafSource(reader.u8())
        except ValueError:
            raise codec.DecodeError("a leaf of no known source") from None
        lifetime = Lifetime.read(reader) if source is LeafSource.KEY_PACKAGE else None
        parent_hash = reader.opaque(64) if source is LeafSource.COMMIT else b""
        extensions = read_extensions(reader)
        content_bytes = reader.position - start
        signature = reader.opaque(KEY_BYTES_MAX)
        return cls(
            encryption_key,
            signature_key,
            credential,
            capabilities,
            source,
            lifetime,
            parent_hash,
            extensions,
            signature,
            reader.since(start),
            content_bytes,
        )

    def encode(self) -> bytes:
        return self.encoded

    def tbs(self, group_id: bytes, leaf: int) -> bytes:
        """`LeafNodeTBS`: what the signature with the label "LeafNodeTBS" covers (§7.2)."""
        return self.encoded[: self._content_bytes] + _context(self.source, group_id, leaf)


def _context(source: LeafSource, group_id: bytes, leaf: int) -> bytes:
    if source is LeafSource.KEY_PACKAGE:
        return b""
    return codec.opaque(group_id) + codec.u32(leaf)


@dataclass(frozen=True, slots=True)
class LeafContent:
    """What a member wants its leaf to say; `sign` turns it into a LeafNode."""

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    extensions: tuple[Extension, ...]

    @classmethod
    def of(
        cls,
        leaf: LeafNode,
        encryption_key: bytes,
        extensions: Sequence[Extension] | None = None,
    ) -> LeafContent:
        """The same leaf with a fresh encryption key (32 or 65 bytes), perhaps other extensions."""
        return cls(
            encryption_key,
            leaf.signature_key,
            leaf.credential,
            leaf.capabilities,
            leaf.extensions if extensions is None else tuple(extensions),
        )

    def _sign(
        self, source: LeafSource, variant: bytes, context: bytes, sign: Callable[[bytes], bytes]
    ) -> LeafNode:
        content = (
            codec.opaque(self.encryption_key)
            + codec.opaque(self.signature_key)
            + self.credential.encode()
            + self.capabilities.encode()
            + codec.u8(source)
            + variant
            + encode_extensions(self.extensions)
        )
        return codec.decode(LeafNode.read, content + codec.opaque(sign(content + context)))

    def sign_for_key_package(self, lifetime: Lifetime, sign: Callable[[bytes], bytes]) -> LeafNode:
        """A leaf for a key package. `sign` is SignWithLabel(., "LeafNodeTBS", content)."""
        return self._sign(LeafSource.KEY_PACKAGE, lifetime.encode(), b"", sign)

    def sign_for_update(
        self, group_id: bytes, leaf: int, sign: Callable[[bytes], bytes]
    ) -> LeafNode:
        """A leaf for an Update proposal by the member at `leaf`."""
        context = _context(LeafSource.UPDATE, group_id, leaf)
        return self._sign(LeafSource.UPDATE, b"", context, sign)

    def sign_for_commit(
        self, parent_hash: bytes, group_id: bytes, leaf: int, sign: Callable[[bytes], bytes]
    ) -> LeafNode:
        """A leaf for the UpdatePath of a commit by the member at `leaf`."""
        context = _context(LeafSource.COMMIT, group_id, leaf)
        return self._sign(LeafSource.COMMIT, codec.opaque(parent_hash), context, sign)
