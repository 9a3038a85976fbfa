"""The secret tree: message keys of every sender, derived when first needed (RFC 9420 §9).

Deriving a node deletes its parent, and using a key deletes it and all that leads to it, so that
what was read cannot be read again. `peek` looks at a key and consumes nothing: a message is opened
and verified first, and only then is its key consumed, so that forged messages cost no keys.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from folkmoot.mls import tree_math
from folkmoot.mls.crypto import CipherSuite
from folkmoot.mls.errors import Check, GenerationError, UsageError
from folkmoot.wire import codec

# How far ahead of the newest key that was used a message may be. A step costs one hash to look and
# three to take: this bounds what one message can make us do (3 ms, 8 ms if it is genuine), and the
# gap that a sender may leave.
FORWARD_MAX = 1024
# Keys of skipped messages kept for each ratchet. More bears with more reordering and keeps keys of
# lost messages longer: 256 is some minutes of chat, 16 kB.
SKIPPED_MAX = 256
GENERATION_MAX = (1 << 32) - 1


class Ratchet(enum.Enum):
    """Which of a leaf's two ratchets: proposals and commits, or application data."""

    HANDSHAKE = "handshake"
    APPLICATION = "application"


@dataclass(frozen=True, slots=True)
class MessageKey:
    """What one message is sealed with: key of `nk` bytes, nonce of `nn` before the reuse guard."""

    leaf: int
    ratchet: Ratchet
    generation: int
    key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)


class _HashRatchet:
    """One chain of secrets, and the keys of generations that were skipped."""

    __slots__ = ("generation", "secret", "skipped")

    def __init__(self, secret: bytes, generation: int = 0) -> None:
        self.secret = secret
        self.generation = generation  # of the next key that the chain gives
        self.skipped: dict[int, tuple[bytes, bytes]] = {}  # in rising order of generation

    def step(self, suite: CipherSuite) -> tuple[bytes, bytes]:
        """Key and nonce of this generation; the chain moves on."""
        generation = self.generation
        key = suite.derive_tree_secret(self.secret, "key", generation, suite.nk)
        nonce = suite.derive_tree_secret(self.secret, "nonce", generation, suite.nn)
        self.secret = suite.derive_tree_secret(self.secret, "secret", generation, suite.nh)
        self.generation = generation + 1
        return key, nonce

    def _check(self, generation: int) -> None:
        if generation >= GENERATION_MAX:
            # The last one has no successor to number; nobody honest gets there.
            raise GenerationError(Check.GENERATION_EXHAUSTED, str(generation))
        if generation < self.generation and generation not in self.skipped:
            raise GenerationError(Check.GENERATION_USED, str(generation))
        if generation - self.generation > FORWARD_MAX:
            raise GenerationError(
                Check.GENERATION_FAR, f"{generation}, we are at {self.generation}"
            )

    def peek(self, suite: CipherSuite, generation: int) -> tuple[bytes, bytes]:
        self._check(generation)
        if generation < self.generation:
            return self.skipped[generation]
        secret = self.secret
        for skipped in range(self.generation, generation):
            secret = suite.derive_tree_secret(secret, "secret", skipped, suite.nh)
        return _HashRatchet(secret, generation).step(suite)

    def consume(self, suite: CipherSuite, generation: int) -> None:
        self._check(generation)
        if generation < self.generation:
            del self.skipped[generation]
            return
        while self.generation < generation:
            skipped = self.generation
            self.skipped[skipped] = self.step(suite)
        self.step(suite)
        oldest = self.generation - SKIPPED_MAX
        for old in [one for one in self.skipped if one < oldest]:
            del self.skipped[old]

    def encode(self) -> bytes:
        return (
            codec.u32(self.generation)
            + codec.opaque(self.secret)
            + codec.vector(
                codec.u32(generation) + codec.opaque(key) + codec.opaque(nonce)
                for generation, (key, nonce) in self.skipped.items()
            )
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> _HashRatchet:
        generation = reader.u32()
        ratchet = cls(reader.opaque(), generation)

        def read_skipped(inner: codec.Reader) -> tuple[int, tuple[bytes, bytes]]:
            return inner.u32(), (inner.opaque(), inner.opaque())

        ratchet.skipped = dict(reader.vector(read_skipped, items_max=SKIPPED_MAX))
        return ratchet


class SecretTree:
    """The message keys of one epoch, for `leaves` senders (a power of two)."""

    __slots__ = ("_leaves", "_nodes", "_ratchets", "_suite")

    def __init__(self, suite: CipherSuite, leaves: int, encryption_secret: bytes) -> None:
        self._suite = suite
        self._leaves = leaves
        # The secrets of nodes that are derived and whose children are not.
        self._nodes: dict[int, bytes] = {tree_math.root(leaves): encryption_secret}
        self._ratchets: dict[int, dict[Ratchet, _HashRatchet]] = {}

    @property
    def leaves(self) -> int:
        return self._leaves

    def _child(self, secret: bytes, side: bytes) -> bytes:
        return self._suite.expand_with_label(secret, "tree", side, self._suite.nh)

    def _missing(self, leaf: int) -> tuple[int, list[int]]:
        """The lowest ancestor whose secret is held, and the nodes from there down to the leaf."""
        if not 0 <= leaf < self._leaves:
            raise GenerationError(Check.SENDER_BLANK, f"leaf {leaf} of {self._leaves}")
        node = tree_math.leaf_to_node(leaf)
        missing: list[int] = []
        while node not in self._nodes:
            missing.append(node)
            node = tree_math.parent(node, self._leaves)
        return node, missing[::-1]

    def _new_ratchet(self, leaf_secret: bytes, kind: Ratchet) -> _HashRatchet:
        suite = self._suite
        return _HashRatchet(suite.expand_with_label(leaf_secret, kind.value, b"", suite.nh))

    def _taken(self, leaf: int, kind: Ratchet) -> _HashRatchet:
        """A ratchet to consume from; the secrets that it comes from go, their siblings stay."""
        both = self._ratchets.get(leaf)
        if both is None:
            node, missing = self._missing(leaf)
            for below in missing:
                secret = self._nodes.pop(node)
                self._nodes[tree_math.left(node)] = self._child(secret, b"left")
                self._nodes[tree_math.right(node)] = self._child(secret, b"right")
                node = below
            secret = self._nodes.pop(node)
            both = {one: self._new_ratchet(secret, one) for one in Ratchet}
            self._ratchets[leaf] = both
        return both[kind]

    def _looked_at(self, leaf: int, kind: Ratchet) -> _HashRatchet:
        """The same ratchet, or a copy of what it would be: nothing in the tree changes."""
        both = self._ratchets.get(leaf)
        if both is not None:
            return both[kind]
        node, missing = self._missing(leaf)
        secret = self._nodes[node]
        for below in missing:
            secret = self._child(secret, b"left" if below < node else b"right")
            node = below
        return self._new_ratchet(secret, kind)

    def peek(self, leaf: int, kind: Ratchet, generation: int) -> MessageKey:
        """The key of a message that arrived; raises GenerationError, changes nothing."""
        key, nonce = self._looked_at(leaf, kind).peek(self._suite, generation)
        return MessageKey(leaf, kind, generation, key, nonce)

    def consume(self, used: MessageKey) -> None:
        """The message under this key was verified: the key is gone, those skipped are kept."""
        self._taken(used.leaf, used.ratchet).consume(self._suite, used.generation)

    def next(self, leaf: int, kind: Ratchet) -> MessageKey:
        """The key of our own next message; it is consumed, so no key seals two messages."""
        ratchet = self._taken(leaf, kind)
        generation = ratchet.generation
        if generation >= GENERATION_MAX:
            raise UsageError("no generation is left in this epoch: commit first")
        key, nonce = ratchet.step(self._suite)
        return MessageKey(leaf, kind, generation, key, nonce)

    def encode(self) -> bytes:
        """For saving: these bytes are as secret as the epoch's messages."""
        return (
            codec.u32(self._leaves)
            + codec.vector(
                codec.u32(node) + codec.opaque(secret) for node, secret in self._nodes.items()
            )
            + codec.vector(
                codec.u32(leaf) + b"".join(both[kind].encode() for kind in Ratchet)
                for leaf, both in self._ratchets.items()
            )
        )

    @classmethod
    def read(cls, suite: CipherSuite, reader: codec.Reader) -> SecretTree:
        """What `encode` wrote; raises DecodeError."""
        leaves = reader.u32()
        if leaves == 0 or leaves & (leaves - 1) or leaves > tree_math.LEAVES_MAX:
            raise codec.DecodeError(f"{leaves} leaves")

        def read_node(inner: codec.Reader) -> tuple[int, bytes]:
            return inner.u32(), inner.opaque()

        def read_leaf(inner: codec.Reader) -> tuple[int, dict[Ratchet, _HashRatchet]]:
            return inner.u32(), {kind: _HashRatchet.read(inner) for kind in Ratchet}

        tree = cls(suite, leaves, b"")
        tree._nodes = dict(reader.vector(read_node))
        tree._ratchets = dict(reader.vector(read_leaf))
        tree._check_whole()
        return tree

    def _check_whole(self) -> None:
        """A saved tree gives every leaf once, so that no later walk can run past the root."""
        width = tree_math.node_width(self._leaves)
        spans = [(leaf, 1) for leaf in self._ratchets]
        for node in self._nodes:
            if node >= width:
                raise codec.DecodeError(f"node {node} is not in the tree")
            span = 1 << tree_math.level(node)
            spans.append(((node + 1 - span) // 2, span))
        next_leaf = 0
        for first, span in sorted(spans):
            if first != next_leaf:
                raise codec.DecodeError("a secret tree that does not give every leaf once")
            next_leaf += span
        if next_leaf != self._leaves:
            raise codec.DecodeError("a secret tree that does not cover its leaves")
