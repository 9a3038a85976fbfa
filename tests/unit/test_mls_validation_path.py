"""One forged update path for each check, refused by that check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import committing, evolution, protection
from folkmoot.mls.commit import HPKECiphertext, UpdatePath
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.errors import Check
from folkmoot.mls.extensions import Capabilities
from folkmoot.mls.leaf_node import LeafContent
from folkmoot.mls.path import NewPath, PathKeys, create_path
from unit.mls_groups import (
    CUSTOM_EXTENSION,
    GROUP_ID,
    World,
    disobedient,
    refused,
    state_of,
    trio,
)

SUITE = 1
ALICE, BOB, CAROL = 0, 1, 2


# Update paths


def _resigned(made: NewPath, world: World, **change: Any) -> NewPath:
    """The path with another leaf, signed by alice as a leaf should be."""
    node = made.update_path.leaf_node
    epoch = world.groups["alice"]._epoch
    content = LeafContent(
        change.get("encryption_key", node.encryption_key),
        change.get("signature_key", node.signature_key),
        node.credential,
        change.get("capabilities", node.capabilities),
        node.extensions,
    )

    def sign(tbs: bytes) -> bytes:
        label = change.get("label", "LeafNodeTBS")
        return epoch.suite.sign_with_label(epoch.signer, label, tbs)

    if change.get("update"):
        leaf = content.sign_for_update(GROUP_ID, ALICE, sign)
    else:
        parent_hash = change.get("parent_hash", node.parent_hash)
        leaf = content.sign_for_commit(parent_hash, change.get("group_id", GROUP_ID), ALICE, sign)
    return replace(made, update_path=UpdatePath(leaf, made.update_path.nodes))


def _with_first_node(made: NewPath, **change: Any) -> NewPath:
    nodes = made.update_path.nodes
    fresh = (replace(nodes[0], **change), *nodes[1:])
    return replace(made, update_path=replace(made.update_path, nodes=fresh))


def _fewer_nodes(made: NewPath, world: World) -> NewPath:
    return replace(made, update_path=replace(made.update_path, nodes=made.update_path.nodes[1:]))


def _fewer_ciphertexts(made: NewPath, world: World) -> NewPath:
    return _with_first_node(made, encrypted_path_secret=())


def _more_ciphertexts(made: NewPath, world: World) -> NewPath:
    first = made.update_path.nodes[0].encrypted_path_secret
    return _with_first_node(made, encrypted_path_secret=first + first)


def _old_key(made: NewPath, world: World) -> NewPath:
    key = world.groups["alice"]._epoch.own_node.encryption_key
    return _resigned(made, world, encryption_key=key)


def _key_of_bob(made: NewPath, world: World) -> NewPath:
    bob = world.groups["alice"].member(BOB)
    assert bob is not None
    return _resigned(made, world, encryption_key=bob.encryption_key)


def _node_with_key_of_bob(made: NewPath, world: World) -> NewPath:
    bob = world.groups["alice"].member(BOB)
    assert bob is not None
    return _with_first_node(made, encryption_key=bob.encryption_key)


def _node_with_key_of_leaf(made: NewPath, world: World) -> NewPath:
    return _with_first_node(made, encryption_key=made.update_path.leaf_node.encryption_key)


def _node_with_another_key(made: NewPath, world: World) -> NewPath:
    key = suite_of(SUITE).generate_hpke_key(world.entropy).public.data
    return _with_first_node(made, encryption_key=key)


def _node_of_no_curve(made: NewPath, world: World) -> NewPath:
    return _with_first_node(made, encryption_key=b"too short")


def _wrong_secret(made: NewPath, world: World) -> NewPath:
    """Encrypted as it should be, but of a secret that leads to other keys."""
    epoch = world.groups["alice"]._epoch
    bob = epoch.tree.leaf(BOB)
    assert bob is not None
    sealed = epoch.suite.encrypt_with_label(
        epoch.suite.load_hpke_public(bob.encryption_key),
        "UpdatePathNode",
        CONTEXTS[-1],
        bytes(32),
        world.entropy,
    )
    return _with_first_node(made, encrypted_path_secret=(HPKECiphertext(*sealed),))


def _short_secret(made: NewPath, world: World) -> NewPath:
    epoch = world.groups["alice"]._epoch
    bob = epoch.tree.leaf(BOB)
    assert bob is not None
    key = epoch.suite.load_hpke_public(bob.encryption_key)
    sealed = epoch.suite.encrypt_with_label(
        key, "UpdatePathNode", CONTEXTS[-1], bytes(31), world.entropy
    )
    return _with_first_node(made, encrypted_path_secret=(HPKECiphertext(*sealed),))


def _garbled(made: NewPath, world: World) -> NewPath:
    first = made.update_path.nodes[0].encrypted_path_secret[0]
    return _with_first_node(
        made, encrypted_path_secret=(replace(first, ciphertext=bytes(len(first.ciphertext))),)
    )


Bend = Callable[[NewPath, World], NewPath]
CONTEXTS: list[bytes] = []

PATHS: list[tuple[Check, Bend]] = [
    (Check.PATH, _fewer_nodes),
    (Check.PATH_CIPHERTEXTS, _fewer_ciphertexts),
    (Check.PATH_CIPHERTEXTS, _more_ciphertexts),
    (Check.LEAF_SAME_KEY, _old_key),
    (Check.PATH_KEYS, _key_of_bob),
    (Check.PATH_KEYS, _node_with_key_of_bob),
    (Check.PATH_KEYS, _node_with_key_of_leaf),
    (Check.PUBLIC_KEY, _node_of_no_curve),
    (Check.PATH_PARENT_HASH, _node_with_another_key),
    (Check.PATH_SECRET, _wrong_secret),
    (Check.PATH_SECRET, _short_secret),
    (Check.HPKE_OPEN, _garbled),
    (Check.LEAF_SOURCE, lambda made, world: _resigned(made, world, update=True)),
    (Check.LEAF_SIGNATURE, lambda made, world: _resigned(made, world, label="another")),
    (Check.LEAF_SIGNATURE, lambda made, world: _resigned(made, world, group_id=b"another")),
    (Check.PATH_PARENT_HASH, lambda made, world: _resigned(made, world, parent_hash=b"")),
    (Check.PATH_PARENT_HASH, lambda made, world: _resigned(made, world, parent_hash=bytes(32))),
    (
        Check.LEAF_SUITE,
        lambda made, world: _resigned(
            made, world, capabilities=Capabilities((1,), (2,), (CUSTOM_EXTENSION,), (), (1,))
        ),
    ),
    (
        Check.LEAF_SUITE,
        lambda made, world: _resigned(
            made, world, capabilities=Capabilities((), (1,), (CUSTOM_EXTENSION,), (), (1,))
        ),
    ),
]


@pytest.mark.parametrize(("check", "bend"), PATHS)
def test_an_update_path(check: Check, bend: Bend, monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    honest: Any = create_path

    def bent(*arguments: Any) -> NewPath:
        *before, context, entropy = arguments

        def noted(tree_hash: bytes) -> bytes:
            CONTEXTS[:] = [context(tree_hash)]
            return CONTEXTS[-1]

        made: NewPath = honest(*before, noted, entropy)
        return bend(made, world)

    monkeypatch.setattr(committing, "create_path", bent)
    with disobedient():
        message = world.groups["alice"].commit(entropy=world.entropy).message
    bob = world.groups["bob"]
    before = state_of(bob)
    refused(check, bob.stage, message)
    assert state_of(bob) == before


def test_a_path_that_begins_with_a_secret_of_another_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its keys follow from the secret, as they should; its maker chose its size."""
    world = trio(SUITE)
    honest: Any = create_path

    def shorter(*arguments: Any) -> NewPath:
        *before, entropy = arguments
        sizes: list[int] = []

        def drawn(length: int) -> bytes:
            sizes.append(length)
            # First the leaf's key is drawn, then the path secret.
            return bytes(entropy(length)[: 31 if len(sizes) == 2 else length])

        made: NewPath = honest(*before, drawn)
        return made

    monkeypatch.setattr(committing, "create_path", shorter)
    message = world.groups["alice"].commit(entropy=world.entropy).message
    refused(Check.PATH_SECRET, world.groups["bob"].stage, message)
    # A newcomer beside its maker is given the same secret in the Welcome.
    other = World(SUITE)
    bundle = other.bundle("bob")
    add = mls.Add(bundle.key_package)
    welcome = other.create().commit([add], entropy=other.entropy).welcome
    refused(Check.PATH_SECRET, mls.Group.join, welcome, bundle)


def test_who_lost_a_key_does_not_guess() -> None:
    """A state without the key that a path is encrypted to: no honest way leads there."""
    world = trio(SUITE)
    carol = world.groups["carol"]
    epoch = carol._epoch
    epoch.keys = PathKeys(CAROL, {})
    refused(
        Check.PATH_SECRET, carol.stage, world.groups["alice"].commit(entropy=world.entropy).message
    )


def test_a_commit_without_the_path_that_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    alice, bob = world.groups["alice"], world.groups["bob"]
    honest: Any = evolution.evolve
    monkeypatch.setattr(
        committing,
        "evolve",
        lambda *args, **more: replace(honest(*args, **more), path_required=False),
    )
    for proposals in ([], [mls.Remove(CAROL)], [mls.GroupContextExtensions([])]):
        message = alice.commit(proposals, force_path=False, entropy=world.entropy).message
        refused(Check.PATH_REQUIRED, bob.stage, message)


def test_a_wrong_confirmation_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    honest = protection.with_confirmation_tag
    monkeypatch.setattr(protection, "with_confirmation_tag", lambda one, _: honest(one, bytes(32)))
    for public in (False, True):
        message = world.groups["alice"].commit(public=public, entropy=world.entropy).message
        refused(Check.CONFIRMATION_TAG, world.groups["bob"].stage, message)


def test_the_last_epoch_has_no_successor() -> None:
    world = World(SUITE)
    alice = world.create()
    epoch = alice._epoch
    epoch.context = replace(epoch.context, epoch=2**64 - 1)
    refused(Check.EPOCH_EXHAUSTED, alice.commit, entropy=world.entropy)


def test_nothing_follows_a_reinit() -> None:
    world = trio(SUITE)
    before = world.groups["bob"]
    world.commit("alice", [mls.ReInit(b"next", SUITE)])
    alice, bob = world.groups["alice"], world.groups["bob"]
    assert before.pending_reinit is None
    alice._epoch.reinit = None
    message = alice.commit(entropy=world.entropy).message
    refused(Check.REINIT_DONE, bob.stage, message)
