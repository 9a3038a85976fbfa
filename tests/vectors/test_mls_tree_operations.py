"""The official tree-operations vectors."""

from __future__ import annotations

from folkmoot.mls.proposals import Add, Remove, Update, read_proposal
from folkmoot.mls.tree import RatchetTree
from folkmoot.wire import codec
from vectors import vectors


def test_tree_operations() -> None:
    for _, case in vectors.cases("tree-operations"):
        before = vectors.unhex(case["tree_before"])
        tree = RatchetTree.decode(before)
        assert tree.encode() == before
        assert tree.tree_hash().hex() == case["tree_hash_before"]
        proposal = codec.decode(read_proposal, vectors.unhex(case["proposal"]))
        changed = tree.copy()
        if isinstance(proposal, Add):
            changed.add(proposal.package.leaf_node)
        elif isinstance(proposal, Update):
            changed.update(case["proposal_sender"], proposal.leaf_node)
        else:
            assert isinstance(proposal, Remove)
            changed.remove(proposal.leaf)
        assert changed.encode().hex() == case["tree_after"]
        assert changed.tree_hash().hex() == case["tree_hash_after"]
        # What a copy goes through leaves the original as it was.
        assert tree.encode() == before
        assert tree.tree_hash().hex() == case["tree_hash_before"]
