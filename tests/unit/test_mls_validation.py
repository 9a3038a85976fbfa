"""One forged commit, key package, path or tree for each check of RFC 9420, refused by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import committing, evolution, external, joining, protection, validation
from folkmoot.mls import tree as tree_module
from folkmoot.mls.commit import Commit, HPKECiphertext, ProposalOrRef, UpdatePath
from folkmoot.mls.credential import Credential
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.errors import Check
from folkmoot.mls.extensions import REQUIRED_CAPABILITIES, Capabilities, Extension
from folkmoot.mls.key_package import frame_key_package
from folkmoot.mls.leaf_node import LeafContent, LeafNode, Lifetime
from folkmoot.mls.path import NewPath, create_path
from folkmoot.mls.tree import ParentNode, RatchetTree
from folkmoot.mls.welcome import GroupSecrets
from folkmoot.wire import codec
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


# Key packages


class Forge:
    """A key package that is signed as it should be, whatever it says."""

    def __init__(self, world: World) -> None:
        self.suite = suite_of(world.suite)
        self.signer = self.suite.generate_signature_key(world.entropy)
        self.init = self.suite.generate_hpke_key(world.entropy)
        self.encryption = self.suite.generate_hpke_key(world.entropy).public.data
        self.capabilities = Capabilities((1,), (1, 2, 3), (CUSTOM_EXTENSION,), (), (1,))
        self.credential = Credential.basic(b"mallory")
        self.extensions: tuple[Extension, ...] = ()
        self.lifetime = Lifetime(0, 2**64 - 1)
        self.update = False
        self.break_leaf = self.break_package = False

    def _sign(self, label: str, content: bytes) -> bytes:
        return self.suite.sign_with_label(self.signer, label, content)

    def leaf(self) -> LeafNode:
        content = LeafContent(
            self.encryption,
            self.signer.public.data,
            self.credential,
            self.capabilities,
            self.extensions,
        )
        label = "another label" if self.break_leaf else "LeafNodeTBS"

        def sign(tbs: bytes) -> bytes:
            return self._sign(label, tbs)

        if self.update:
            return content.sign_for_update(GROUP_ID, 3, sign)
        return content.sign_for_key_package(self.lifetime, sign)

    def add(self) -> mls.Add:
        content = (
            codec.u16(1)
            + codec.u16(self.suite.id)
            + codec.opaque(self.init.public.data)
            + self.leaf().encoded
            + codec.vector([])
        )
        label = "another label" if self.break_package else "KeyPackageTBS"
        return mls.Add(frame_key_package(content + codec.opaque(self._sign(label, content))))


def _forged(change: Callable[[World, Forge], None]) -> Callable[[World], list[ProposalOrRef]]:
    def make(world: World) -> list[ProposalOrRef]:
        forge = Forge(world)
        change(world, forge)
        return [forge.add()]

    return make


def _init_key(world: World, forge: Forge) -> None:
    forge.encryption = forge.init.public.data


def _no_suite(world: World, forge: Forge) -> None:
    forge.capabilities = replace(forge.capabilities, suites=(2, 3))


def _update_leaf(world: World, forge: Forge) -> None:
    forge.update = True


def _leaf_signature(world: World, forge: Forge) -> None:
    forge.break_leaf = True


def _package_signature(world: World, forge: Forge) -> None:
    forge.break_package = True


def _no_credential_type(world: World, forge: Forge) -> None:
    forge.capabilities = replace(forge.capabilities, credentials=(7,))


def _certificate(world: World, forge: Forge) -> None:
    forge.credential = Credential(2, certificates=(b"a certificate",))
    forge.capabilities = replace(forge.capabilities, credentials=(1, 2))


def _unlisted_extension(world: World, forge: Forge) -> None:
    forge.extensions = (Extension(0xF00F, b""),)


def _ends_before_it_begins(world: World, forge: Forge) -> None:
    forge.lifetime = Lifetime(2, 1)


def _encryption_key_of_bob(world: World, forge: Forge) -> None:
    bob = world.groups["bob"].member(BOB)
    assert bob is not None
    forge.encryption = bob.encryption_key


def _no_group_extension(world: World, forge: Forge) -> None:
    forge.capabilities = replace(forge.capabilities, extensions=())
    world.commit("bob", [mls.GroupContextExtensions([Extension(CUSTOM_EXTENSION, b"")])])


def _key_of_no_curve(world: World, forge: Forge) -> None:
    forge.encryption = b"too short"


def _key_of_low_order(world: World, forge: Forge) -> None:
    forge.encryption = bytes(32)


KEY_PACKAGES = [
    (Check.KEY_PACKAGE_INIT_KEY, _init_key),
    (Check.KEY_PACKAGE_CAPABILITIES, _no_suite),
    (Check.LEAF_SOURCE, _update_leaf),
    (Check.LEAF_SIGNATURE, _leaf_signature),
    (Check.KEY_PACKAGE_SIGNATURE, _package_signature),
    (Check.LEAF_CREDENTIAL, _no_credential_type),
    (Check.LEAF_CREDENTIAL_SHARED, _certificate),
    (Check.LEAF_EXTENSIONS, _unlisted_extension),
    (Check.LEAF_LIFETIME, _ends_before_it_begins),
    (Check.LEAF_ENCRYPTION_KEY, _encryption_key_of_bob),
    (Check.LEAF_GROUP_EXTENSIONS, _no_group_extension),
    (Check.PUBLIC_KEY, _key_of_no_curve),
    (Check.PUBLIC_KEY, _key_of_low_order),
]


# Lists of proposals


def _package(world: World, **more: Any) -> mls.Add:
    return mls.Add(world.bundle("dave", **more).key_package)


def _own_update(world: World) -> list[ProposalOrRef]:
    alice = world.groups["alice"]
    message = alice.propose(alice.update(entropy=world.entropy), entropy=world.entropy)
    stored = world.groups["bob"].receive(message)
    assert isinstance(stored, mls.StoredProposal)
    return [mls.ProposalRef(stored.reference)]


def _add_of_bob(world: World) -> list[ProposalOrRef]:
    return [_package(world, signature_private=world.groups["bob"].signature_private)]


def _same_client_twice(world: World) -> list[ProposalOrRef]:
    private = world.bundle("dave").signature_private
    return [_package(world, signature_private=private) for _ in range(2)]


def _psk(world: World, nonce: bytes) -> mls.PreSharedKey:
    for group in world.groups.values():
        group.add_psk(b"id", b"psk")
    return mls.PreSharedKey(mls.PreSharedKeyID.external(b"id", nonce))


def _unknown_reference(world: World) -> list[ProposalOrRef]:
    alice = world.groups["alice"]
    alice.propose(mls.Remove(CAROL), entropy=world.entropy)
    return [*alice.stored_references()]


def _requires(*types: int) -> mls.GroupContextExtensions:
    return mls.GroupContextExtensions([mls.RequiredCapabilities(types).extension()])


Make = Callable[[World], Sequence[ProposalOrRef]]

LISTS: list[tuple[Check, Make]] = [
    *((check, _forged(change)) for check, change in KEY_PACKAGES),
    (Check.KEY_PACKAGE_SUITE, lambda world: [_package(world, suite=3)]),
    (Check.COMMIT_OWN_UPDATE, _own_update),
    (Check.COMMIT_OWN_REMOVE, lambda _: [mls.Remove(ALICE)]),
    (Check.REMOVE_BLANK, lambda _: [mls.Remove(3)]),
    (Check.REMOVE_BLANK, lambda _: [mls.Remove(3), mls.Remove(CAROL)]),
    (Check.LIST_LEAF_TWICE, lambda _: [mls.Remove(BOB), mls.Remove(BOB)]),
    (Check.LIST_ADD_TWICE, _same_client_twice),
    (Check.LIST_ADD_MEMBER, _add_of_bob),
    (Check.LIST_PSK_TWICE, lambda world: [_psk(world, bytes(32)), _psk(world, bytes(32))]),
    (Check.PSK_NONCE, lambda world: [_psk(world, bytes(31))]),
    (
        Check.LIST_EXTENSIONS_TWICE,
        lambda _: [mls.GroupContextExtensions([]), mls.GroupContextExtensions([])],
    ),
    (Check.LIST_REINIT_ALONE, lambda _: [mls.ReInit(b"next", SUITE), mls.Remove(CAROL)]),
    (Check.LIST_REINIT_ALONE, lambda _: [mls.ReInit(b"next", SUITE), mls.ReInit(b"n", SUITE)]),
    (Check.REINIT_VERSION, lambda _: [mls.ReInit(b"next", SUITE, version=0)]),
    (Check.LIST_EXTERNAL_INIT, lambda _: [mls.ExternalInit(bytes(32))]),
    (Check.PROPOSAL_TYPE, lambda _: [mls.Custom(0xF0F0, b"")]),
    (Check.PROPOSAL_UNKNOWN, _unknown_reference),
    (
        Check.EXTENSIONS,
        lambda _: [mls.GroupContextExtensions([Extension(REQUIRED_CAPABILITIES, b"\xff")])],
    ),
    (
        Check.EXTENSIONS_UNSUPPORTED,
        lambda _: [mls.GroupContextExtensions([Extension(0xF0F1, b"")])],
    ),
    (Check.EXTENSIONS_UNSUPPORTED, lambda _: [_requires(0xF0F1)]),
    (Check.LEAF_REQUIRED, lambda world: [_requires(CUSTOM_EXTENSION), _plain(world)]),
]


def _plain(world: World) -> mls.Add:
    return mls.Add(mls.create_key_package(SUITE, b"dave", world.entropy).key_package)


@pytest.mark.parametrize(("check", "make"), LISTS)
def test_a_list_of_proposals(check: Check, make: Make) -> None:
    world = trio(SUITE)
    proposals = make(world)
    alice, bob = world.groups["alice"], world.groups["bob"]
    with disobedient():
        message = alice.commit(proposals, entropy=world.entropy).message
    before = state_of(bob)
    refused(check, bob.stage, message)
    assert state_of(bob) == before
    # An honest committer does not make it either.
    if check not in (Check.PROPOSAL_UNKNOWN, Check.COMMIT_OWN_UPDATE):
        refused(check, lambda: alice.commit(proposals, entropy=world.entropy))


def test_an_update_must_change_its_key_and_be_made_as_one() -> None:
    for check in (Check.LEAF_SAME_KEY, Check.LEAF_SOURCE):
        world = trio(SUITE)
        alice, bob, carol = (world.groups[name] for name in ("alice", "bob", "carol"))
        node = bob._epoch.own_node
        fresh = suite_of(SUITE).generate_hpke_key(world.entropy).public.data
        key = node.encryption_key if check is Check.LEAF_SAME_KEY else fresh
        content = LeafContent.of(node, key)
        signer = bob._epoch.signer

        def sign(tbs: bytes, signer: Any = signer) -> bytes:
            return suite_of(SUITE).sign_with_label(signer, "LeafNodeTBS", tbs)

        forged = (
            content.sign_for_update(GROUP_ID, BOB, sign)
            if check is Check.LEAF_SAME_KEY
            else content.sign_for_commit(b"", GROUP_ID, BOB, sign)
        )
        with disobedient():
            message = bob.propose(mls.Update(forged), entropy=world.entropy)
            alice.receive(message)
            commit = alice.commit(include_stored=True, entropy=world.entropy)
        refused(check, carol.receive, message)
        # Should carol have stored it all the same, the commit is refused too.
        with disobedient():
            carol.receive(message)
        refused(check, carol.stage, commit.message)


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
    refused(Check.EPOCH_EXHAUSTED, lambda: alice.commit(entropy=world.entropy))


# External commits

Tamper = Callable[[tuple[Any, ...], UpdatePath | None], Commit]


def _external_cases(world: World) -> list[tuple[Check, Tamper]]:
    bob = world.groups["bob"]
    reference = mls.ProposalRef(bytes(32))
    bob.propose(mls.Remove(CAROL), entropy=world.entropy)
    known = bob.stored_references()[0]
    update = world.groups["alice"].update(entropy=world.entropy)
    return [
        (Check.EXTERNAL_INIT_COUNT, lambda items, path: Commit((), path)),
        (Check.EXTERNAL_INIT_COUNT, lambda items, path: Commit((items[0], items[0]), path)),
        (
            Check.EXTERNAL_REMOVES,
            lambda items, path: Commit((*items, mls.Remove(1), mls.Remove(2)), path),
        ),
        (
            Check.EXTERNAL_OTHER,
            lambda items, path: Commit((*items, mls.GroupContextExtensions([])), path),
        ),
        (Check.EXTERNAL_OTHER, lambda items, path: Commit((*items, _package(world)), path)),
        (
            Check.EXTERNAL_OTHER,
            lambda items, path: Commit((*items, mls.Custom(0xF001, b"")), path),
        ),
        (Check.UPDATE_SENDER, lambda items, path: Commit((*items, update), path)),
        (Check.EXTERNAL_PATH, lambda items, path: Commit(items, None)),
        (Check.EXTERNAL_REFERENCE, lambda items, path: Commit((*items, known), path)),
        (Check.PROPOSAL_UNKNOWN, lambda items, path: Commit((*items, reference), path)),
        (Check.EXTERNAL_RESYNC, lambda items, path: Commit((*items, mls.Remove(CAROL)), path)),
    ]


def test_external_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    info = world.groups["alice"].group_info()
    bob = world.groups["bob"]
    for check, tamper in _external_cases(world):
        monkeypatch.setattr(external, "Commit", tamper)
        _, message = mls.Group.external_join(info, world.bundle("dave"), entropy=world.entropy)
        refused(check, bob.stage, message)


# Trees and Welcomes


def _check_tree(tree: RatchetTree) -> None:
    suite = suite_of(SUITE)
    rules = validation.GroupRules.of(SUITE, ())
    validation.check_tree(tree, suite, GROUP_ID, rules, validation.VerifiedLeaves())


def _nodes(tree: RatchetTree) -> list[Any]:
    return [tree.node(index) for index in range(2 * tree.leaf_count - 1)]


def test_trees() -> None:
    world = trio(SUITE)
    world.add("alice", "dave", "erin", "frank", "grace")
    for name in list(world.groups)[::-1]:
        world.commit(name)
    world.add("alice", "heidi", force_path=False)
    tree = world.groups["alice"]._epoch.tree
    _check_tree(tree)
    nodes = _nodes(tree)
    parents = [index for index, node in enumerate(nodes) if isinstance(node, ParentNode)]
    assert parents == [1, 3, 5, 7, 9, 11]
    assert nodes[7].unmerged_leaves == nodes[11].unmerged_leaves == (7,)

    def bent(index: int, node: Any) -> RatchetTree:
        return RatchetTree([*nodes[:index], node, *nodes[index + 1 :]])

    leaf = nodes[2]
    other_key = suite_of(SUITE).generate_hpke_key(world.entropy).public.data
    cases = [
        # No parent may have a key that its maker did not vouch for, nor be there without a maker.
        (Check.PARENT_HASH, bent(1, replace(nodes[1], encryption_key=other_key))),
        (Check.PARENT_HASH, bent(1, replace(nodes[1], parent_hash=bytes(32)))),
        (Check.PARENT_HASH, bent(7, replace(nodes[7], parent_hash=b"x"))),
        (Check.PARENT_HASH, bent(0, None)),
        (Check.PARENT_HASH, bent(13, ParentNode(other_key, bytes(32), (7,)))),
        (Check.PARENT_HASH, bent(1, replace(nodes[1], unmerged_leaves=(1,)))),
        (Check.UNMERGED_LEAVES, bent(14, None)),
        (Check.UNMERGED_LEAVES, bent(1, replace(nodes[1], unmerged_leaves=(7,)))),
        (Check.UNMERGED_LEAVES, bent(11, replace(nodes[11], unmerged_leaves=()))),
        (Check.UNMERGED_LEAVES, bent(7, replace(nodes[7], unmerged_leaves=(6, 7)))),
        (Check.LEAF_SIGNATURE, bent(14, replace(nodes[14], signature=bytes(64)))),
        (Check.LEAF_SIGNATURE_KEY, bent(14, replace(nodes[14], signature_key=leaf.signature_key))),
        (
            Check.LEAF_ENCRYPTION_KEY,
            bent(14, replace(nodes[14], encryption_key=leaf.encryption_key)),
        ),
    ]
    for check, tree in cases:
        refused(check, _check_tree, tree)


def test_a_key_is_in_one_place_of_the_tree() -> None:
    world = trio(SUITE)
    tree = world.groups["alice"]._epoch.tree
    nodes = _nodes(tree)
    # Dave's leaf takes a parent's key: signed by dave, and unmerged everywhere.
    forge = Forge(world)
    forge.encryption = nodes[3].encryption_key
    changed = tree.copy()
    changed.add(forge.leaf())
    refused(Check.TREE_KEYS, _check_tree, changed)


def test_a_tree_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    world.add("alice", "dave")
    monkeypatch.setattr(tree_module, "LEAVES_MAX", 4)
    refused(Check.TREE, world.commit, "alice", [_package(world)])


def test_welcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    alice = world.groups["alice"]
    bundle, stranger = world.bundle("dave"), world.bundle("erin")
    created = alice.commit([mls.Add(bundle.key_package)], entropy=world.entropy)
    welcome = created.welcome
    assert welcome is not None
    refused(Check.WELCOME, mls.Group.join, welcome, world.bundle("dave", suite=3))
    honest = committing._make_welcome

    def for_another(advanced: Any, change: Any, *rest: Any) -> bytes:
        added = ((change.added[0][0], mls.Add(stranger.key_package)),)
        return honest(advanced, replace(change, added=added), *rest)

    monkeypatch.setattr(committing, "_make_welcome", for_another)
    wrong = alice.commit([mls.Add(bundle.key_package)], entropy=world.entropy).welcome
    assert wrong is not None
    refused(Check.WELCOME_NO_LEAF, mls.Group.join, wrong, stranger)


def _forged_info(monkeypatch: pytest.MonkeyPatch, **change: Any) -> None:
    honest = committing.make_group_info

    def forged(epoch: Any, *args: Any, **more: Any) -> Any:
        info = replace(honest(epoch, *args, **more), **change)
        signature = epoch.suite.sign_with_label(epoch.signer, "GroupInfoTBS", info.tbs())
        return replace(info, signature=signature)

    monkeypatch.setattr(committing, "make_group_info", forged)


@pytest.mark.parametrize(
    ("check", "change"),
    [
        (Check.GROUP_INFO, {"signer": 77}),
        # The signer is the leaf that is named, whoever made the signature.
        (Check.GROUP_INFO_SIGNATURE, {"signer": BOB}),
        (Check.CONFIRMATION_TAG, {"confirmation_tag": bytes(32)}),
        (Check.GROUP_INFO_TREE, {"extensions": ()}),
    ],
)
def test_what_a_welcome_says(
    check: Check, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = trio(SUITE)
    bundle = world.bundle("dave")
    _forged_info(monkeypatch, **change)
    created = world.groups["alice"].commit([mls.Add(bundle.key_package)], entropy=world.entropy)
    assert created.welcome is not None
    refused(check, mls.Group.join, created.welcome, bundle)


def test_a_welcome_with_a_wrong_path_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    bundle = world.bundle("dave")
    honest = GroupSecrets
    for secret in (bytes(32), bytes(31)):

        def forged(joiner: bytes, _: Any, psks: Any, secret: bytes = secret) -> Any:
            return honest(joiner, secret, psks)

        monkeypatch.setattr(committing, "GroupSecrets", forged)
        add = mls.Add(bundle.key_package)
        created = world.groups["alice"].commit([add], entropy=world.entropy)
        assert created.welcome is not None
        refused(Check.PATH_SECRET, mls.Group.join, created.welcome, bundle)


def test_a_group_of_another_suite_or_extension() -> None:
    world = trio(SUITE)
    epoch = world.groups["alice"]._epoch
    info = committing.make_group_info(epoch, (), tree_extension=True, external_pub=False)
    other = replace(info, context=replace(info.context, suite=2))
    seen = validation.VerifiedLeaves()
    refused(Check.GROUP_INFO, joining.check_group_info, epoch.suite, other, epoch.tree, seen)
    context = replace(info.context, extensions=(Extension(0xF0F1, b""),))
    package = world.bundle("dave").package
    refused(Check.GROUP_INFO_EXTENSION, joining.check_own_support, package, context)


def test_pre_shared_keys_of_a_welcome() -> None:
    def named(usage: int, fill: int, length: int = 32) -> mls.PreSharedKeyID:
        return mls.PreSharedKeyID.resumption(usage, GROUP_ID, 4, bytes([fill]) * length)

    joining._check_psks([named(2, 0), named(1, 1)], 32)
    refused(Check.WELCOME_PSKS, joining._check_psks, [named(2, 0), named(3, 1)], 32)
    refused(Check.LIST_PSK_TWICE, joining._check_psks, [named(1, 0), named(1, 0)], 32)
    refused(Check.PSK_NONCE, joining._check_psks, [named(1, 0, 31)], 32)


def test_a_branch_and_a_reinit_begin_in_epoch_1() -> None:
    world = trio(SUITE)
    epoch = world.groups["alice"]._epoch
    for usage in (2, 3):
        name = mls.PreSharedKeyID.resumption(usage, GROUP_ID, epoch.context.epoch, bytes(32))
        context = replace(epoch.context, epoch=2)
        refused(Check.WELCOME_EPOCH, joining.check_resumption, [name], context, epoch.tree, epoch)
    branch = mls.PreSharedKeyID.resumption(3, GROUP_ID, epoch.context.epoch, bytes(32))
    context = replace(epoch.context, epoch=1, suite=2)
    refused(Check.WELCOME_BRANCH, joining.check_resumption, [branch], context, epoch.tree, epoch)


@pytest.mark.parametrize(
    "change", [{"group_id": b"other"}, {"suite": 2}, {"extensions": (Extension(9, b""),)}]
)
def test_a_reinit_keeps_to_what_was_asked(change: dict[str, Any]) -> None:
    world = trio(SUITE)
    epoch = world.groups["alice"]._epoch
    epoch.reinit = mls.ReInit(b"next", SUITE)
    name = mls.PreSharedKeyID.resumption(2, GROUP_ID, epoch.context.epoch, bytes(32))
    context = replace(epoch.context, epoch=1, group_id=b"next")
    joining.check_resumption([name], context, epoch.tree, epoch)
    refused(
        Check.WELCOME_REINIT,
        joining.check_resumption,
        [name],
        replace(context, **change),
        epoch.tree,
        epoch,
    )


def test_what_is_kept_has_limits() -> None:
    world = trio(SUITE)
    alice = world.groups["alice"]
    for index in range(16):
        alice.update(entropy=world.entropy)
        assert len(alice._epoch.own_updates) == index + 1
    refused(Check.LIMIT, lambda: alice.update(entropy=world.entropy))
    for index in range(1024):
        alice.add_psk(index.to_bytes(2, "big"), b"")
    refused(Check.LIMIT, alice.add_psk, b"one more", b"")
    alice.add_psk(bytes(2), b"changed")


def test_a_key_package_is_viewed_only_when_it_verifies() -> None:
    world = World(SUITE)
    bundle = world.bundle("dave", not_before=5, not_after=9)
    view = mls.parse_key_package(bundle.key_package)
    assert (view.identity, view.suite, view.ref) == (b"dave", SUITE, bundle.ref)
    assert (view.not_before, view.not_after) == (5, 9)
    for place in range(len(bundle.key_package)):
        tampered = bytearray(bundle.key_package)
        tampered[place] ^= 1
        with pytest.raises(mls.MlsError):
            mls.parse_key_package(bytes(tampered))
    refused(Check.DECODE, mls.parse_key_package, bundle.key_package + b"\x00")
    refused(Check.WIRE_FORMAT, mls.parse_key_package, b"")
    with pytest.raises(mls.UsageError):
        world.bundle("dave", extensions=[Extension(9, b""), Extension(9, b"")])


def test_numbers_of_checks_are_unique() -> None:
    numbers = [check.number for check in Check]
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    assert all(check.section.startswith("§") and check.sentence for check in Check)
