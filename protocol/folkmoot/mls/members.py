"""What a group shows of its members and of the messages that it opened."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.mls.extensions import Extension
from folkmoot.mls.leaf_node import LeafNode
from folkmoot.mls.proposals import Proposal


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an epoch; `leaf_node` is its leaf as it is encoded in the tree."""

    leaf: int
    identity: bytes
    signature_key: bytes
    encryption_key: bytes
    leaf_node: bytes
    extensions: tuple[Extension, ...]

    @classmethod
    def of(cls, leaf: int, node: LeafNode) -> Member:
        return cls(
            leaf,
            node.credential.identity,
            node.signature_key,
            node.encryption_key,
            node.encoded,
            node.extensions,
        )


@dataclass(frozen=True, slots=True)
class Application:
    """Application data of a member, verified."""

    sender_leaf: int
    data: bytes
    authenticated_data: bytes


@dataclass(frozen=True, slots=True)
class StoredProposal:
    """A proposal that was verified and is kept for a commit to refer to."""

    proposal: Proposal
    sender: int | None  # None for one from outside the group
    reference: bytes
    authenticated_data: bytes
