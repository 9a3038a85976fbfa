"""The official tree-math vectors."""

from __future__ import annotations

from collections.abc import Callable

from folkmoot.mls import tree_math
from folkmoot.mls.errors import UsageError
from vectors import vectors


def _each(ask: Callable[[int], int], count: int) -> list[int | None]:
    answers: list[int | None] = []
    for node in range(count):
        try:
            answers.append(ask(node))
        except UsageError:
            answers.append(None)
    return answers


def _agrees(leaves: int, told: dict[str, list[int | None]]) -> bool:
    width = tree_math.node_width(leaves)
    ours = {
        "left": _each(tree_math.left, width),
        "right": _each(tree_math.right, width),
        "parent": _each(lambda node: tree_math.parent(node, leaves), width),
        "sibling": _each(lambda node: tree_math.sibling(node, leaves), width),
    }
    return all(told[name] == answers for name, answers in ours.items())


def test_tree_math() -> None:
    for case in vectors.load("tree-math"):
        leaves = case["n_leaves"]
        assert tree_math.node_width(leaves) == case["n_nodes"]
        assert tree_math.root(leaves) == case["root"]
        assert tree_math.tree_size(case["n_nodes"]) == leaves
        assert _agrees(leaves, case)
