"""GroupInfo: what a newcomer must know of an epoch, signed by one member (RFC 9420 §12.4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.mls.extensions import Extension, encode_extensions, find, read_extensions
from folkmoot.mls.group_context import HASH_BYTES_MAX, GroupContext
from folkmoot.mls.leaf_node import KEY_BYTES_MAX
from folkmoot.wire import codec


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """`GroupInfo`; `signer` is the leaf index whose signature key signs."""

    context: GroupContext
    extensions: tuple[Extension, ...]
    confirmation_tag: bytes
    signer: int
    signature: bytes = b""

    @classmethod
    def read(cls, reader: codec.Reader) -> GroupInfo:
        return cls(
            GroupContext.read(reader),
            read_extensions(reader),
            reader.opaque(HASH_BYTES_MAX),
            reader.u32(),
            reader.opaque(KEY_BYTES_MAX),
        )

    def tbs(self) -> bytes:
        """`GroupInfoTBS`: what the signature with the label "GroupInfoTBS" covers."""
        return (
            self.context.encode()
            + encode_extensions(self.extensions)
            + codec.opaque(self.confirmation_tag)
            + codec.u32(self.signer)
        )

    def encode(self) -> bytes:
        return self.tbs() + codec.opaque(self.signature)

    def extension(self, kind: int) -> bytes | None:
        """The data of the extension of this type (not of the GroupContext's), or None."""
        return find(self.extensions, kind)
