"""Tree arithmetic against a tree that is built by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from folkmoot.mls import tree_math
from folkmoot.mls.errors import UsageError


def _walk(low: int, high: int, above: list[int], paths: dict[int, list[int]]) -> None:
    """Records the ancestors of every node in [low, high], halving from the middle."""
    middle = (low + high) // 2
    paths[middle] = above
    if low < high:
        _walk(low, middle - 1, [middle, *above], paths)
        _walk(middle + 1, high, [middle, *above], paths)


@pytest.mark.parametrize("leaves", [1, 2, 4, 8, 64])
def test_paths(leaves: int) -> None:
    paths: dict[int, list[int]] = {}
    width = tree_math.node_width(leaves)
    _walk(0, width - 1, [], paths)
    for node in range(width):
        path = tree_math.direct_path(node, leaves)
        assert path == paths[node]
        copath = tree_math.copath(node, leaves)
        assert len(copath) == len(path)
        for one, above in zip(copath, path, strict=True):
            assert paths[one][0] == above
            assert one not in (node, *path)
        for top in range(width):
            assert tree_math.in_subtree(node, top) == (top in (node, *path))
        for other in range(width):
            wanted = next(up for up in (node, *path) if up in (other, *paths[other]))
            assert tree_math.common_ancestor(node, other) == wanted


def test_size_of_a_cut_tree() -> None:
    assert [tree_math.tree_size(n) for n in range(1, 10)] == [1, 2, 2, 4, 4, 4, 4, 8, 8]
    assert tree_math.node_width(0) == 0


def test_misuse() -> None:
    asked: list[Callable[[], int]] = [
        lambda: tree_math.left(2),
        lambda: tree_math.right(0),
        lambda: tree_math.parent(3, 4),
        lambda: tree_math.sibling(0, 1),
        lambda: tree_math.root(0),
        lambda: tree_math.tree_size(0),
        lambda: tree_math.node_to_leaf(1),
    ]
    for wrong in asked:
        with pytest.raises(UsageError):
            wrong()
    assert tree_math.node_to_leaf(tree_math.leaf_to_node(5)) == 5
    assert tree_math.is_leaf(4)
    assert not tree_math.is_leaf(5)
