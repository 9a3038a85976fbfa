"""The public ratchet tree: nodes, resolutions, hashes and a commit's changes (RFC 9420 §4, §7).

Nodes are immutable and shared between epochs; `copy` copies three lists of references. Each node's
tree hash and resolution are kept beside it and forgotten along the path of a change, so that a
commit at 1,000 members costs ten hashes and not two thousand. All suites here hash with SHA-256.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from folkmoot.mls import tree_math
from folkmoot.mls.errors import Check, ValidationError
from folkmoot.mls.leaf_node import KEY_BYTES_MAX, LeafNode
from folkmoot.wire import codec

# 16,384 members: far more than a meeting, little enough that a forged tree is no memory bomb.
LEAVES_MAX = 1 << 14
NODES_MAX = 2 * LEAVES_MAX - 1

_LEAF = 1
_PARENT = 2


@dataclass(frozen=True, slots=True)
class ParentNode:
    """`ParentNode` (§7.1): a key, a parent hash of 0 or 32 bytes, leaf indices in order."""

    encryption_key: bytes
    parent_hash: bytes = b""
    unmerged_leaves: tuple[int, ...] = ()

    @classmethod
    def read(cls, reader: codec.Reader) -> ParentNode:
        node = cls(
            reader.opaque(KEY_BYTES_MAX),
            reader.opaque(64),
            tuple(reader.vector(codec.Reader.u32, items_max=LEAVES_MAX)),
        )
        leaves = node.unmerged_leaves
        if any(one >= other for one, other in itertools.pairwise(leaves)):
            raise codec.DecodeError("unmerged leaves out of order")
        return node

    def encode(self) -> bytes:
        return (
            codec.opaque(self.encryption_key)
            + codec.opaque(self.parent_hash)
            + codec.vector(codec.u32(leaf) for leaf in self.unmerged_leaves)
        )

    def with_unmerged(self, leaf: int) -> ParentNode:
        leaves = tuple(sorted({*self.unmerged_leaves, leaf}))
        return ParentNode(self.encryption_key, self.parent_hash, leaves)


TreeNode: TypeAlias = LeafNode | ParentNode


def _read_node(reader: codec.Reader) -> TreeNode | None:
    if not reader.boolean():
        return None
    kind = reader.u8()
    if kind == _LEAF:
        return LeafNode.read(reader)
    if kind == _PARENT:
        return ParentNode.read(reader)
    raise codec.DecodeError("neither leaf nor parent")


class RatchetTree:
    """A full binary tree of 2^d leaves in an array; node indices are those of appendix C."""

    __slots__ = ("_hashes", "_leaves", "_nodes", "_resolutions")

    def __init__(self, nodes: Sequence[TreeNode | None]) -> None:
        """`nodes` has 2^(d+1) - 1 entries."""
        self._nodes: list[TreeNode | None] = list(nodes)
        self._leaves = (len(self._nodes) + 1) // 2
        self._hashes: list[bytes | None] = [None] * len(self._nodes)
        self._resolutions: list[tuple[int, ...] | None] = [None] * len(self._nodes)

    # Encoding

    @classmethod
    def read(cls, reader: codec.Reader) -> RatchetTree:
        """`optional<Node> ratchet_tree<V>` (§12.4.3.3)."""
        nodes = reader.vector(_read_node, items_max=NODES_MAX)
        if not nodes or nodes[-1] is None:
            raise codec.DecodeError("a ratchet tree that is empty or ends with a blank node")
        for index, node in enumerate(nodes):
            if node is not None and isinstance(node, LeafNode) != (index % 2 == 0):
                raise codec.DecodeError("a leaf where a parent belongs, or a parent for a leaf")
        width = tree_math.node_width(tree_math.tree_size(len(nodes)))
        nodes.extend([None] * (width - len(nodes)))
        return cls(nodes)

    @classmethod
    def decode(cls, data: bytes) -> RatchetTree:
        return codec.decode(cls.read, data)

    def encode(self) -> bytes:
        """The `ratchet_tree` extension's data: no blank nodes at the end."""
        last = max(index for index, node in enumerate(self._nodes) if node is not None)
        parts = []
        for node in self._nodes[: last + 1]:
            if node is None:
                parts.append(b"\x00")
            elif isinstance(node, LeafNode):
                parts.append(b"\x01\x01" + node.encoded)
            else:
                parts.append(b"\x01\x02" + node.encode())
        return codec.vector(parts)

    def copy(self) -> RatchetTree:
        """A tree that may be changed without changing this one; the nodes are shared."""
        other = RatchetTree.__new__(RatchetTree)
        other._nodes = self._nodes.copy()
        other._leaves = self._leaves
        other._hashes = self._hashes.copy()
        other._resolutions = self._resolutions.copy()
        return other

    # Looking

    @property
    def leaf_count(self) -> int:
        """The number of leaves, blank ones too: a power of two."""
        return self._leaves

    @property
    def root(self) -> int:
        return self._leaves - 1

    def node(self, index: int) -> TreeNode | None:
        return self._nodes[index]

    def leaf(self, leaf: int) -> LeafNode | None:
        """The leaf with this index; None when it is blank or not in the tree."""
        if not 0 <= leaf < self._leaves:
            return None
        node = self._nodes[2 * leaf]
        assert node is None or isinstance(node, LeafNode)
        return node

    def parent_node(self, index: int) -> ParentNode | None:
        node = self._nodes[index]
        assert node is None or isinstance(node, ParentNode)
        return node

    def leaves(self) -> Iterator[tuple[int, LeafNode]]:
        """The members: (leaf index, leaf), from left to right."""
        for index in range(0, len(self._nodes), 2):
            node = self._nodes[index]
            if isinstance(node, LeafNode):
                yield index >> 1, node

    def parents(self) -> Iterator[tuple[int, ParentNode]]:
        """The parents that are not blank: (node index, node)."""
        for index in range(1, len(self._nodes), 2):
            node = self._nodes[index]
            if isinstance(node, ParentNode):
                yield index, node

    def encryption_keys(self) -> set[bytes]:
        """Every HPKE public key in the tree."""
        return {node.encryption_key for node in self._nodes if node is not None}

    def find(self, encoded_leaf: bytes) -> int | None:
        """The index of the leaf that is encoded so."""
        for leaf, node in self.leaves():
            if node.encoded == encoded_leaf:
                return leaf
        return None

    def resolution(self, index: int) -> tuple[int, ...]:
        """The node indices that together cover the subtree (§4.1.1)."""
        known = self._resolutions[index]
        if known is not None:
            return known
        node = self._nodes[index]
        if node is not None:
            unmerged = () if isinstance(node, LeafNode) else node.unmerged_leaves
            found: tuple[int, ...] = (index, *(2 * leaf for leaf in unmerged))
        elif tree_math.is_leaf(index):
            found = ()
        else:
            found = self.resolution(tree_math.left(index)) + self.resolution(tree_math.right(index))
        self._resolutions[index] = found
        return found

    def filtered_direct_path(self, leaf: int) -> list[tuple[int, int]]:
        """(node, its copath child) from the bottom, where that child is not empty (§4.1.2)."""
        path = []
        below = 2 * leaf
        for above in tree_math.direct_path(below, self._leaves):
            left = tree_math.left(above)
            beside = tree_math.right(above) if left == below else left
            if self.resolution(beside):
                path.append((above, beside))
            below = above
        return path

    # Changing

    def _touch(self, index: int) -> None:
        """Forgets what was computed of this node and of all above it."""
        self._hashes[index] = None
        self._resolutions[index] = None
        for above in tree_math.direct_path(index, self._leaves):
            self._hashes[above] = None
            self._resolutions[above] = None

    def set_leaf(self, leaf: int, node: LeafNode | None) -> None:
        """Puts a leaf in its place and changes nothing else."""
        self._nodes[2 * leaf] = node
        self._touch(2 * leaf)

    def set_parents(self, leaf: int, nodes: dict[int, ParentNode]) -> None:
        """Makes the direct path of `leaf` blank but for these nodes."""
        for index in tree_math.direct_path(2 * leaf, self._leaves):
            self._nodes[index] = nodes.get(index)
        self._touch(2 * leaf)

    def blank_leaf_index(self) -> int:
        """The leftmost blank leaf, extending the tree when there is none (§12.1.1, §7.7)."""
        for index in range(0, len(self._nodes), 2):
            if self._nodes[index] is None:
                return index >> 1
        if self._leaves >= LEAVES_MAX:
            raise ValidationError(Check.TREE, f"more than {LEAVES_MAX} leaves")
        added = len(self._nodes) + 1
        self._nodes += [None] * added
        self._hashes += [None] * added
        self._resolutions += [None] * added
        self._leaves *= 2
        return self._leaves // 2

    def add(self, node: LeafNode) -> int:
        """Applies an Add; the new member's leaf index (§12.1.1)."""
        leaf = self.blank_leaf_index()
        self._nodes[2 * leaf] = node
        for index in tree_math.direct_path(2 * leaf, self._leaves):
            above = self.parent_node(index)
            if above is not None:
                self._nodes[index] = above.with_unmerged(leaf)
        self._touch(2 * leaf)
        return leaf

    def update(self, leaf: int, node: LeafNode) -> None:
        """Applies an Update (§12.1.2)."""
        self._nodes[2 * leaf] = node
        self.set_parents(leaf, {})

    def remove(self, leaf: int) -> None:
        """Applies a Remove (§12.1.3), and truncates the tree."""
        self._nodes[2 * leaf] = None
        self.set_parents(leaf, {})
        self._truncate()

    def _truncate(self) -> None:
        last = max((leaf for leaf, _ in self.leaves()), default=0)
        leaves = 1 << last.bit_length()
        if leaves < self._leaves:
            width = tree_math.node_width(leaves)
            del self._nodes[width:], self._hashes[width:], self._resolutions[width:]
            self._leaves = leaves

    # Hashing

    def tree_hash(self, index: int | None = None) -> bytes:
        """The tree hash of the subtree at a node, or of the whole tree: 32 bytes (§7.8)."""
        if index is None:
            index = self.root
        known = self._hashes[index]
        if known is None:
            known = self._hash(index, self._nodes[index], frozenset())
            self._hashes[index] = known
        return known

    def _hash(self, index: int, node: TreeNode | None, without: frozenset[int]) -> bytes:
        if tree_math.is_leaf(index):
            content = None if node is None else node.encode()
            data = b"\x01" + codec.u32(index >> 1) + codec.optional(content)
        else:
            left, right = tree_math.left(index), tree_math.right(index)
            data = (
                b"\x02"
                + codec.optional(None if node is None else node.encode())
                + codec.opaque(self.original_tree_hash(left, without))
                + codec.opaque(self.original_tree_hash(right, without))
            )
        return hashlib.sha256(data).digest()

    def original_tree_hash(self, index: int, without: frozenset[int]) -> bytes:
        """The tree hash of a subtree as if the leaves `without` had never been added (§7.9)."""
        inside = frozenset(leaf for leaf in without if tree_math.in_subtree(2 * leaf, index))
        if not inside:
            return self.tree_hash(index)
        node = self._nodes[index]
        if isinstance(node, LeafNode):
            node = None
        elif node is not None:
            kept = tuple(leaf for leaf in node.unmerged_leaves if leaf not in inside)
            node = ParentNode(node.encryption_key, node.parent_hash, kept)
        return self._hash(index, node, inside)

    def parent_hash(self, node: ParentNode, copath_child: int) -> bytes:
        """The parent hash of `node` with this copath child: 32 bytes (§7.9)."""
        without = frozenset(node.unmerged_leaves)
        return hashlib.sha256(
            codec.opaque(node.encryption_key)
            + codec.opaque(node.parent_hash)
            + codec.opaque(self.original_tree_hash(copath_child, without))
        ).digest()

    def merge_path_keys(self, leaf: int, keys: Sequence[bytes]) -> bytes:
        """Puts new public keys on the filtered direct path; the leaf's parent hash, empty for none.

        `keys` go from the bottom; there is one for each node of the filtered direct path (§7.5).
        """
        path = self.filtered_direct_path(leaf)
        if len(path) != len(keys):
            raise ValidationError(Check.PATH, f"{len(keys)} nodes, {len(path)} are wanted")
        nodes: dict[int, ParentNode] = {}
        parent_hash = b""
        # From the root down, since each hash holds the one above it. The copath's subtrees are not
        # on the path, so their tree hashes are those before the change too.
        for (index, beside), key in reversed(list(zip(path, keys, strict=True))):
            nodes[index] = ParentNode(key, parent_hash)
            parent_hash = self.parent_hash(nodes[index], beside)
        self.set_parents(leaf, nodes)
        return parent_hash
