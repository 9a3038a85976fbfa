"""Commits and the update paths in them (RFC 9420 §7.6, §12.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from folkmoot.mls.leaf_node import KEY_BYTES_MAX, LeafNode
from folkmoot.mls.proposals import Proposal, encode_proposal, read_proposal
from folkmoot.wire import codec

# A thousand members at once are added with a thousand proposals.
PROPOSALS_MAX = 4096
PATH_NODES_MAX = 32
RESOLUTION_MAX = 1 << 15
REFERENCE_BYTES_MAX = 64


@dataclass(frozen=True, slots=True)
class HPKECiphertext:
    """`HPKECiphertext` (§7.6): a KEM output of 32 or 65 bytes, and the ciphertext."""

    kem_output: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, reader: codec.Reader) -> HPKECiphertext:
        return cls(reader.opaque(KEY_BYTES_MAX), reader.opaque())

    def encode(self) -> bytes:
        return codec.opaque(self.kem_output) + codec.opaque(self.ciphertext)


@dataclass(frozen=True, slots=True)
class ProposalRef:
    """The hash of a proposal that was sent before (§5.2), KDF.Nh bytes."""

    reference: bytes


ProposalOrRef: TypeAlias = Proposal | ProposalRef


def read_proposal_or_ref(reader: codec.Reader) -> ProposalOrRef:
    kind = reader.u8()
    if kind == 1:
        return read_proposal(reader)
    if kind == 2:
        return ProposalRef(reader.opaque(REFERENCE_BYTES_MAX))
    raise codec.DecodeError("neither a proposal nor a reference")


def encode_proposal_or_ref(item: ProposalOrRef) -> bytes:
    if isinstance(item, ProposalRef):
        return codec.u8(2) + codec.opaque(item.reference)
    return codec.u8(1) + encode_proposal(item)


@dataclass(frozen=True, slots=True)
class UpdatePathNode:
    """A parent's new public key, and its path secret for each of the copath's resolution (§7.6)."""

    encryption_key: bytes
    encrypted_path_secret: tuple[HPKECiphertext, ...]

    @classmethod
    def read(cls, reader: codec.Reader) -> UpdatePathNode:
        key = reader.opaque(KEY_BYTES_MAX)
        return cls(key, tuple(reader.vector(HPKECiphertext.read, items_max=RESOLUTION_MAX)))

    def encode(self) -> bytes:
        return codec.opaque(self.encryption_key) + codec.vector(
            item.encode() for item in self.encrypted_path_secret
        )


@dataclass(frozen=True, slots=True)
class UpdatePath:
    """The committer's new leaf, and its filtered direct path from the leaf upwards (§7.6)."""

    leaf_node: LeafNode
    nodes: tuple[UpdatePathNode, ...]

    @classmethod
    def read(cls, reader: codec.Reader) -> UpdatePath:
        leaf = LeafNode.read(reader)
        return cls(leaf, tuple(reader.vector(UpdatePathNode.read, items_max=PATH_NODES_MAX)))

    def encode(self) -> bytes:
        return self.leaf_node.encoded + codec.vector(node.encode() for node in self.nodes)


@dataclass(frozen=True, slots=True)
class Commit:
    """`Commit` (§12.4)."""

    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None

    @classmethod
    def read(cls, reader: codec.Reader) -> Commit:
        proposals = tuple(reader.vector(read_proposal_or_ref, items_max=PROPOSALS_MAX))
        return cls(proposals, reader.optional(UpdatePath.read))

    def encode(self) -> bytes:
        path = None if self.path is None else self.path.encode()
        return codec.vector(
            encode_proposal_or_ref(item) for item in self.proposals
        ) + codec.optional(path)
