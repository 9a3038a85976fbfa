"""The ratchet tree: what it remembers is what it would compute, and copies are apart."""

from __future__ import annotations

import random

import pytest

from folkmoot import mls
from folkmoot.mls import tree_math, validation
from folkmoot.mls.crypto import CipherSuite
from folkmoot.mls.key_package import unframe_key_package
from folkmoot.mls.leaf_node import LeafNode
from folkmoot.mls.tree import ParentNode, RatchetTree
from folkmoot.wire import codec
from unit.mls_groups import World, refused, trio


def _anew(tree: RatchetTree) -> RatchetTree:
    """The same tree with nothing remembered."""
    return RatchetTree.decode(tree.encode())


def _check_remembered(tree: RatchetTree) -> None:
    fresh = _anew(tree)
    assert fresh.leaf_count == tree.leaf_count
    for index in range(2 * tree.leaf_count - 1):
        assert tree.tree_hash(index) == fresh.tree_hash(index)
        assert tree.resolution(index) == fresh.resolution(index)
    for leaf, _ in tree.leaves():
        assert tree.filtered_direct_path(leaf) == fresh.filtered_direct_path(leaf)


def _leaf(world: World, name: str) -> LeafNode:
    return unframe_key_package(world.bundle(name).key_package).leaf_node


@pytest.mark.parametrize("seed", range(6))
def test_random_changes(seed: int) -> None:
    chance = random.Random(seed)
    world = World(1, seed)
    leaves = [_leaf(world, f"{one}") for one in range(9)]
    tree = RatchetTree([leaves[0]])
    history = []
    for _ in range(60):
        members = [leaf for leaf, _ in tree.leaves()]
        deed = chance.random()
        if deed < 0.4 or len(members) < 2:
            tree.add(chance.choice(leaves))
        elif deed < 0.6:
            tree.remove(chance.choice(members))
        elif deed < 0.7:
            tree.update(chance.choice(members), chance.choice(leaves))
        else:
            leaf = chance.choice(members)
            path = tree.filtered_direct_path(leaf)
            tree.merge_path_keys(leaf, [chance.randbytes(32) for _ in path])
        # The tree is full, and no larger than its rightmost member needs after a removal.
        assert tree.leaf_count & (tree.leaf_count - 1) == 0
        _check_remembered(tree)
        history.append((tree, tree.encode(), tree.tree_hash()))
        tree = tree.copy()
    for older, encoded, tree_hash in history:
        assert older.encode() == encoded
        assert older.tree_hash() == tree_hash


def test_unmerged_leaves_are_blanked_in_the_original_hash() -> None:
    world = trio(1)
    tree = world.groups["alice"]._epoch.tree
    before = {index: tree.tree_hash(index) for index in range(2 * tree.leaf_count - 1)}
    changed = tree.copy()
    added = changed.add(_leaf(world, "dave"))
    assert added == 3
    without = frozenset({added})
    for index, tree_hash in before.items():
        assert changed.original_tree_hash(index, without) == tree_hash
        if tree_math.in_subtree(2 * added, index):
            assert changed.tree_hash(index) != tree_hash


def test_what_does_not_decode() -> None:
    world = trio(1)
    encoded = world.groups["alice"].ratchet_tree()
    leaf = _leaf(world, "dave").encoded
    parent = ParentNode(bytes(32)).encode()
    blank, a_leaf, a_parent = b"\x00", b"\x01\x01" + leaf, b"\x01\x02" + parent
    disordered = b"\x01\x02" + codec.opaque(bytes(32)) + codec.opaque(b"")
    for wrong in (
        b"",
        codec.vector([]),
        codec.vector([blank]),
        codec.vector([a_leaf, blank]),
        codec.vector([a_leaf, a_leaf]),
        codec.vector([a_parent]),
        codec.vector([a_leaf, a_parent, a_parent]),
        codec.vector([b"\x01\x03" + leaf]),
        codec.vector([b"\x02"]),
        codec.vector([a_leaf, b"\x01\x03", a_leaf]),
        codec.vector(
            [a_leaf, disordered + codec.vector([codec.u32(1), codec.u32(0)]), a_leaf],
        ),
        codec.vector(
            [a_leaf, disordered + codec.vector([codec.u32(1), codec.u32(1)]), a_leaf],
        ),
        encoded + b"\x00",
        encoded[:-1],
    ):
        with pytest.raises(codec.DecodeError):
            RatchetTree.decode(wrong)
    assert RatchetTree.decode(encoded).encode() == encoded


def test_a_path_has_a_key_for_each_node() -> None:
    tree = trio(1).groups["alice"]._epoch.tree
    wanted = len(tree.filtered_direct_path(0))
    for count in (wanted - 1, wanted + 1):
        refused(mls.Check.PATH, tree.copy().merge_path_keys, 0, [bytes(32)] * count)


class Counter:
    """Counts signatures as they are verified."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.labels: list[str] = []
        honest = CipherSuite.verify_with_label

        def counted(
            suite: CipherSuite, key: object, label: str, content: bytes, signature: bytes
        ) -> bool:
            self.labels.append(label)
            return honest(suite, key, label, content, signature)  # type: ignore[arg-type]

        monkeypatch.setattr(CipherSuite, "verify_with_label", counted)


def test_each_leaf_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(1)
    counter = Counter(monkeypatch)
    message = world.groups["alice"].commit(entropy=world.entropy).message
    bob = world.groups["bob"]
    assert counter.labels == []
    bob.stage(message)
    assert counter.labels == ["FramedContentTBS", "LeafNodeTBS"]
    bob.stage(message)
    assert counter.labels == ["FramedContentTBS", "LeafNodeTBS", "FramedContentTBS"]


def test_a_leaf_is_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(1)
    monkeypatch.setattr(validation, "VERIFIED_MAX", 2)
    seen = validation.VerifiedLeaves()
    epoch = world.groups["alice"]._epoch
    counter = Counter(monkeypatch)
    for leaf in (0, 1, 1, 2, 0, 2):
        node = epoch.tree.leaf(leaf)
        assert node is not None
        seen.check_leaf(epoch.suite, node, epoch.context.group_id, leaf)
    assert len(counter.labels) == 4
    # The same bytes at another leaf, or in another group, are another claim.
    node = epoch.tree.leaf(0)
    assert node is not None
    for group_id, leaf in ((epoch.context.group_id, 1), (b"another", 0)):
        with pytest.raises(mls.MlsError):
            seen.check_leaf(epoch.suite, node, group_id, leaf)
