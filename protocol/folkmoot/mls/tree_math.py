"""Where nodes are in a left-balanced binary tree kept as an array (RFC 9420 appendix C).

Leaves have even indices: leaf `i` is node `2 i`. The number of leaves is a power of two, as a
ratchet tree's always is (§7.7). Arguments out of range are our own mistakes: UsageError.
"""

from __future__ import annotations

from folkmoot.mls.errors import UsageError

LEAVES_MAX = 1 << 31  # a node index fits 32 bits


def level(node: int) -> int:
    """The height of a node: 0 for a leaf."""
    # The number of trailing one bits.
    return (~node & (node + 1)).bit_length() - 1


def node_width(leaves: int) -> int:
    """The number of nodes of a tree with so many leaves."""
    return 0 if leaves == 0 else 2 * leaves - 1


def tree_size(nodes: int) -> int:
    """The number of leaves of the smallest full tree that has at least so many nodes."""
    if nodes <= 0:
        raise UsageError("a tree has a node")
    return 1 << (nodes // 2).bit_length()


def root(leaves: int) -> int:
    """The root of a tree with so many leaves."""
    if not 0 < leaves <= LEAVES_MAX:
        raise UsageError(f"no tree has {leaves} leaves")
    return (1 << (node_width(leaves).bit_length() - 1)) - 1


def is_leaf(node: int) -> bool:
    return node & 1 == 0


def leaf_to_node(leaf: int) -> int:
    return 2 * leaf


def node_to_leaf(node: int) -> int:
    if node & 1:
        raise UsageError(f"node {node} is not a leaf")
    return node >> 1


def left(node: int) -> int:
    """The left child of a parent."""
    height = level(node)
    if height == 0:
        raise UsageError(f"leaf {node} has no child")
    return node ^ (1 << (height - 1))


def right(node: int) -> int:
    """The right child of a parent."""
    height = level(node)
    if height == 0:
        raise UsageError(f"leaf {node} has no child")
    return node ^ (3 << (height - 1))


def parent(node: int, leaves: int) -> int:
    """The parent of a node that is not the root."""
    if node == root(leaves):
        raise UsageError("the root has no parent")
    height = level(node)
    bit = (node >> (height + 1)) & 1
    return (node | (1 << height)) ^ (bit << (height + 1))


def sibling(node: int, leaves: int) -> int:
    """The other child of a node's parent."""
    above = parent(node, leaves)
    return right(above) if node < above else left(above)


def direct_path(node: int, leaves: int) -> list[int]:
    """The node's ancestors from its parent to the root: at most 31."""
    top = root(leaves)
    path: list[int] = []
    while node != top:
        node = parent(node, leaves)
        path.append(node)
    return path


def copath(node: int, leaves: int) -> list[int]:
    """The siblings of the node and of its ancestors below the root, from the bottom."""
    if node == root(leaves):
        return []
    path = [node, *direct_path(node, leaves)[:-1]]
    return [sibling(one, leaves) for one in path]


def in_subtree(node: int, top: int) -> bool:
    """Whether `node` is `top` or below it."""
    span = (1 << level(top)) - 1
    return top - span <= node <= top + span


def common_ancestor(one: int, other: int) -> int:
    """The lowest node that both are in the subtree of."""
    while not in_subtree(other, one):
        height = level(one)
        one = (one | (1 << height)) & ~(1 << (height + 1))
    return one
