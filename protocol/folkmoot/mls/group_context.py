"""The GroupContext: the public summary that an epoch's keys are bound to (RFC 9420 §8.1)."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.mls.extensions import MLS10, Extension, encode_extensions, read_extensions
from folkmoot.wire import codec

GROUP_ID_BYTES_MAX = 1 << 10
HASH_BYTES_MAX = 64


@dataclass(frozen=True, slots=True)
class GroupContext:
    """`GroupContext` (§8.1); hashes of KDF.Nh bytes, the transcript's empty in epoch 0."""

    suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: tuple[Extension, ...]
    version: int = MLS10

    @classmethod
    def read(cls, reader: codec.Reader) -> GroupContext:
        version = reader.u16()
        if version != MLS10:
            raise codec.DecodeError(f"MLS version {version} is not known")
        return cls(
            suite=reader.u16(),
            group_id=reader.opaque(GROUP_ID_BYTES_MAX),
            epoch=reader.u64(),
            tree_hash=reader.opaque(HASH_BYTES_MAX),
            confirmed_transcript_hash=reader.opaque(HASH_BYTES_MAX),
            extensions=read_extensions(reader),
        )

    def encode(self) -> bytes:
        return (
            codec.u16(self.version)
            + codec.u16(self.suite)
            + codec.opaque(self.group_id)
            + codec.u64(self.epoch)
            + codec.opaque(self.tree_hash)
            + codec.opaque(self.confirmed_transcript_hash)
            + encode_extensions(self.extensions)
        )
