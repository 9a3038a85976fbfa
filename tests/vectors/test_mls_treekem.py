"""The official treekem vectors: following others' update paths, and making our own."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from folkmoot.mls import path
from folkmoot.mls.commit import UpdatePath
from folkmoot.mls.crypto import CipherSuite, suite_of
from folkmoot.mls.group_context import GroupContext
from folkmoot.mls.hpke import HpkePrivateKey
from folkmoot.mls.leaf_node import LeafContent
from folkmoot.mls.path import PathKeys
from folkmoot.mls.tree import RatchetTree
from folkmoot.wire import codec
from vectors import vectors


def _private_state(suite: CipherSuite, tree: RatchetTree, told: dict[str, Any]) -> PathKeys:
    leaf = told["index"]
    keys: dict[int, HpkePrivateKey] = {
        2 * leaf: suite.load_hpke_private(vectors.unhex(told["encryption_priv"]))
    }
    for item in told["path_secrets"]:
        secret = vectors.unhex(item["path_secret"])
        keys[item["node"]] = suite.derive_key_pair(suite.derive_secret(secret, "node"))
    path.check_path_keys(tree, keys)
    return PathKeys(leaf, keys)


class Case:
    """One vector, loaded."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.suite = suite_of(told["cipher_suite"])
        self.tree = RatchetTree.decode(vectors.unhex(told["ratchet_tree"]))
        self.group_id = vectors.unhex(told["group_id"])
        self.private = {
            one["index"]: _private_state(self.suite, self.tree, one)
            for one in told["leaves_private"]
        }
        self.signers = {
            one["index"]: self.suite.load_signature_private(vectors.unhex(one["signature_priv"]))
            for one in told["leaves_private"]
        }

    def context(self, tree_hash: bytes) -> bytes:
        return GroupContext(
            suite=self.suite.id,
            group_id=self.group_id,
            epoch=self.told["epoch"],
            tree_hash=tree_hash,
            confirmed_transcript_hash=vectors.unhex(self.told["confirmed_transcript_hash"]),
            extensions=(),
        ).encode()

    def merged(self, sender: int, update: UpdatePath) -> RatchetTree:
        tree = self.tree.copy()
        path.check_path_shape(tree, sender, update, ())
        parent_hash = tree.merge_path_keys(sender, [one.encryption_key for one in update.nodes])
        assert parent_hash == update.leaf_node.parent_hash
        tree.set_leaf(sender, update.leaf_node)
        return tree

    def followed(self, sender: int, update: UpdatePath) -> dict[int, path.FollowedPath]:
        tree = self.merged(sender, update)
        context = self.context(tree.tree_hash())
        return {
            leaf: path.follow_path(self.suite, tree, sender, update, own, (), context)
            for leaf, own in self.private.items()
            if leaf != sender
        }


def test_treekem() -> None:
    for _, told in vectors.cases("treekem"):
        case = Case(told)
        for expected in told["update_paths"]:
            sender = expected["sender"]
            update = codec.decode(UpdatePath.read, vectors.unhex(expected["update_path"]))
            assert case.merged(sender, update).tree_hash().hex() == expected["tree_hash_after"]
            followed = case.followed(sender, update)
            assert followed
            for leaf, one in followed.items():
                assert one.path_secret.hex() == expected["path_secrets"][leaf]
                assert one.commit_secret.hex() == expected["commit_secret"]


def _our_path(case: Case, sender: int, entropy: Callable[[int], bytes]) -> path.NewPath:
    leaf = case.tree.leaf(sender)
    assert leaf is not None

    def content(public: bytes) -> LeafContent:
        return LeafContent.of(leaf, public)

    tree, signer = case.tree.copy(), case.signers[sender]
    return path.create_path(
        case.suite, tree, sender, content, signer, case.group_id, (), case.context, entropy
    )


def test_our_own_paths_are_followed() -> None:
    entropy = random.Random(7).randbytes
    for _, told in vectors.cases("treekem"):
        case = Case(told)
        for expected in told["update_paths"]:
            sender = expected["sender"]
            made = _our_path(case, sender, entropy)
            for one in case.followed(sender, made.update_path).values():
                assert one.commit_secret == made.commit_secret
