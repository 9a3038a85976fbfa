"""The official tree-validation vectors."""

from __future__ import annotations

from folkmoot.mls import validation
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.tree import RatchetTree
from vectors import vectors


def test_tree_validation() -> None:
    for _, case in vectors.cases("tree-validation"):
        suite = suite_of(case["cipher_suite"])
        encoded, group_id = vectors.unhex(case["tree"]), vectors.unhex(case["group_id"])
        tree = RatchetTree.decode(encoded)
        assert tree.encode() == encoded
        width = 2 * tree.leaf_count - 1
        assert [list(tree.resolution(index)) for index in range(width)] == case["resolutions"]
        assert [tree.tree_hash(index).hex() for index in range(width)] == case["tree_hashes"]
        rules = validation.GroupRules.of(suite.id, ())
        validation.check_tree(tree, suite, group_id, rules, validation.VerifiedLeaves())
