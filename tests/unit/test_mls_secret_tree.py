"""The secret tree: once used, gone; a look changes nothing; out of order within limits."""

from __future__ import annotations

import random

import pytest

from folkmoot.mls import secret_tree
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.errors import Check, GenerationError, UsageError
from folkmoot.mls.secret_tree import Ratchet, SecretTree
from folkmoot.wire import codec

SUITE = suite_of(1)
ROOT = bytes(range(32))
LEAVES = 8


def _tree() -> SecretTree:
    return SecretTree(SUITE, LEAVES, ROOT)


def _check_of(tree: SecretTree, leaf: int, kind: Ratchet, generation: int) -> Check:
    before = tree.encode()
    with pytest.raises(GenerationError) as caught:
        tree.peek(leaf, kind, generation)
    assert tree.encode() == before
    return caught.value.check


def test_a_look_changes_nothing() -> None:
    tree = _tree()
    before = tree.encode()
    for leaf in range(LEAVES):
        for kind in Ratchet:
            for generation in (5, 0, 5):
                key = tree.peek(leaf, kind, generation)
                assert (key.leaf, key.ratchet, key.generation) == (leaf, kind, generation)
                assert len(key.key) == SUITE.nk
                assert len(key.nonce) == SUITE.nn
    assert tree.encode() == before


def test_all_keys_differ_in_whatever_order_they_are_derived() -> None:
    keys = {}
    for leaf in range(LEAVES):
        for kind in Ratchet:
            for generation in range(3):
                keys[leaf, kind, generation] = _tree().peek(leaf, kind, generation)
    assert len({key.key for key in keys.values()}) == len(keys)
    tree = _tree()
    order = list(keys)
    random.Random(1).shuffle(order)
    for leaf, kind, generation in order:
        key = tree.peek(leaf, kind, generation)
        assert key == keys[leaf, kind, generation]
        tree.consume(key)
    for leaf, kind, generation in order:
        assert _check_of(tree, leaf, kind, generation) is Check.GENERATION_USED


def test_what_was_used_is_not_in_the_state() -> None:
    tree = _tree()
    assert ROOT in tree.encode()
    for _ in range(3):
        used = tree.next(3, Ratchet.APPLICATION)
        state = tree.encode()
        assert ROOT not in state
        assert used.key not in state
        assert used.nonce not in state
    skipped = tree.peek(3, Ratchet.APPLICATION, 4)
    tree.consume(tree.peek(3, Ratchet.APPLICATION, 6))
    assert skipped.key in tree.encode()
    tree.consume(skipped)
    assert skipped.key not in tree.encode()


def test_next_counts_up_on_each_ratchet_alone() -> None:
    tree = _tree()
    assert [tree.next(0, Ratchet.APPLICATION).generation for _ in range(3)] == [0, 1, 2]
    assert tree.next(0, Ratchet.HANDSHAKE).generation == 0
    assert tree.next(1, Ratchet.APPLICATION).generation == 0
    assert _check_of(tree, 0, Ratchet.APPLICATION, 2) is Check.GENERATION_USED


def test_too_far_ahead() -> None:
    tree = _tree()
    last = secret_tree.FORWARD_MAX
    tree.peek(0, Ratchet.HANDSHAKE, last)
    assert _check_of(tree, 0, Ratchet.HANDSHAKE, last + 1) is Check.GENERATION_FAR
    assert _check_of(tree, 0, Ratchet.HANDSHAKE, (1 << 32) - 1) is Check.GENERATION_EXHAUSTED


def test_skipped_keys_are_few() -> None:
    tree = _tree()
    newest = 2 * secret_tree.SKIPPED_MAX
    tree.consume(tree.peek(0, Ratchet.APPLICATION, newest))
    oldest = newest + 1 - secret_tree.SKIPPED_MAX
    tree.consume(tree.peek(0, Ratchet.APPLICATION, oldest))
    assert _check_of(tree, 0, Ratchet.APPLICATION, oldest) is Check.GENERATION_USED
    assert _check_of(tree, 0, Ratchet.APPLICATION, oldest - 1) is Check.GENERATION_USED
    tree.consume(tree.peek(0, Ratchet.APPLICATION, newest - 1))


def test_senders_that_are_not_there() -> None:
    tree = _tree()
    for leaf in (LEAVES, 1 << 31, (1 << 32) - 1):
        assert _check_of(tree, leaf, Ratchet.HANDSHAKE, 0) is Check.SENDER_BLANK


def test_exhausted() -> None:
    tree = SecretTree(SUITE, 1, ROOT)
    tree.next(0, Ratchet.HANDSHAKE)
    tree._ratchets[0][Ratchet.HANDSHAKE].generation = secret_tree.GENERATION_MAX
    with pytest.raises(UsageError):
        tree.next(0, Ratchet.HANDSHAKE)


def test_saved_and_loaded() -> None:
    tree = _tree()
    tree.consume(tree.peek(5, Ratchet.HANDSHAKE, 3))
    tree.next(2, Ratchet.APPLICATION)
    data = tree.encode()
    again = codec.decode(lambda reader: SecretTree.read(SUITE, reader), data)
    assert again.encode() == data
    for leaf in range(LEAVES):
        for kind in Ratchet:
            assert again.peek(leaf, kind, 9) == tree.peek(leaf, kind, 9)
    assert again.peek(5, Ratchet.HANDSHAKE, 1) == tree.peek(5, Ratchet.HANDSHAKE, 1)
    assert _check_of(again, 5, Ratchet.HANDSHAKE, 3) is Check.GENERATION_USED


def test_saved_trees_that_are_not_whole() -> None:
    def saved(leaves: int, *nodes: int) -> bytes:
        listed = codec.vector(codec.u32(node) + codec.opaque(ROOT) for node in nodes)
        return codec.u32(leaves) + listed + codec.vector(())

    def load(data: bytes) -> SecretTree:
        return codec.decode(lambda reader: SecretTree.read(SUITE, reader), data)

    for data in (saved(4, 3), saved(4, 1, 5), saved(4, 0, 2, 5), saved(1, 0)):
        load(data)
    for data in (
        saved(0),
        saved(3, 3),
        saved(4),
        saved(4, 1),
        saved(4, 1, 1),
        saved(4, 1, 0, 2),
        saved(4, 7),
        saved(4, 3, 1),
        saved(4, 1, 4),
    ):
        with pytest.raises(codec.DecodeError):
            load(data)
