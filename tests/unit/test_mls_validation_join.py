"""One forged tree, GroupInfo or Welcome for each check of a newcomer, refused by that check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import committing, joining, validation
from folkmoot.mls import tree as tree_module
from folkmoot.mls.commit import HPKECiphertext
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.errors import Check
from folkmoot.mls.extensions import RATCHET_TREE, Extension
from folkmoot.mls.group_info import GroupInfo
from folkmoot.mls.message import decode_message, encode_message
from folkmoot.mls.tree import ParentNode, RatchetTree
from folkmoot.mls.welcome import EncryptedGroupSecrets, GroupSecrets, Welcome
from folkmoot.wire import codec
from unit.mls_forge import Forge
from unit.mls_groups import (
    GROUP_ID,
    refused,
    trio,
)

SUITE = 1
ALICE, BOB, CAROL = 0, 1, 2


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
    newcomer = world.bundle("ivan")
    for check, tree in cases:
        refused(check, _check_tree, tree)
        # A newcomer is kept out by the same, whoever in it vouches for such a tree. (A leaf that
        # is not right has its cases in `test_mls_validation_leaf.py`.)
        if check in (Check.PARENT_HASH, Check.UNMERGED_LEAVES):
            welcome = _welcome(world.groups["carol"], newcomer, tree)
            refused(check, mls.Group.join, welcome, newcomer)


def _welcome(signer: mls.Group, bundle: mls.KeyPackageBundle, tree: RatchetTree) -> bytes:
    """A Welcome into a tree by one of its members, with nothing wrong but the tree."""
    epoch = signer._epoch
    info = committing.make_group_info(epoch, (), tree_extension=False, external_pub=False)
    listed = (Extension(RATCHET_TREE, tree.encode()),)
    context = replace(info.context, tree_hash=tree.tree_hash())
    return _signed_welcome(signer, bundle, replace(info, context=context, extensions=listed))


def _signed_welcome(signer: mls.Group, bundle: mls.KeyPackageBundle, info: GroupInfo) -> bytes:
    epoch = signer._epoch
    signature = epoch.suite.sign_with_label(epoch.signer, "GroupInfoTBS", info.tbs())
    return _sealed_welcome(bundle, replace(info, signature=signature))


def _sealed_welcome(
    bundle: mls.KeyPackageBundle,
    info: GroupInfo,
    psks: tuple[mls.PreSharedKeyID, ...] = (),
) -> bytes:
    """A GroupInfo for one newcomer, under secrets that lead to nothing."""
    suite, package = suite_of(SUITE), bundle.package
    joiner = bytes(32)
    sealed = committing.seal_group_info(suite, info, joiner, bytes(32))
    secrets = GroupSecrets(joiner, None, psks)
    encrypted = suite.encrypt_with_label(
        suite.load_hpke_public(package.init_key), "Welcome", sealed, secrets.encode(), bytes
    )
    ours = EncryptedGroupSecrets(package.ref(), HPKECiphertext(*encrypted))
    return encode_message(Welcome(SUITE, (ours,), sealed))


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
    bundle = world.bundle("erin")
    refused(
        Check.TREE_KEYS, mls.Group.join, _welcome(world.groups["carol"], bundle, changed), bundle
    )
    # Nor may a parent have what is no key, whatever parent hash vouches for it.
    bent = RatchetTree([*nodes[:3], replace(nodes[3], encryption_key=bytes(32)), *nodes[4:]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validation, "check_parent_hashes", lambda _: None)
        refused(Check.PUBLIC_KEY, _check_tree, bent)


def test_a_tree_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    world.add("alice", "dave")
    monkeypatch.setattr(tree_module, "LEAVES_MAX", 4)
    refused(Check.TREE, world.commit, "alice", [mls.Add(world.bundle("erin").key_package)])


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


def test_a_newcomer_holds_the_keys_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who kept the path secret from a newcomer could shut it out with any later commit, which is
    encrypted to a node whose key the newcomer lacks."""
    world = trio(SUITE)
    bundle, honest = world.bundle("dave"), GroupSecrets
    monkeypatch.setattr(
        committing, "GroupSecrets", lambda joiner, _, psks: honest(joiner, None, psks)
    )
    add = mls.Add(bundle.key_package)
    alice = world.groups["alice"]
    welcome = alice.commit([add], entropy=world.entropy).welcome
    refused(Check.PATH_SECRET, mls.Group.join, welcome, bundle)
    # Without a path there is nothing that it must know.
    welcome = alice.commit([add], force_path=False, entropy=world.entropy).welcome
    assert mls.Group.join(welcome or b"", bundle).own_leaf == 3


@pytest.mark.parametrize(
    ("check", "change"),
    [
        (Check.GROUP_INFO, {"suite": 2}),
        (Check.GROUP_INFO_EXTENSION, {"extensions": (Extension(0xF0F1, b""),)}),
        (Check.TREE_HASH, {"tree_hash": bytes(32)}),
    ],
)
def test_what_a_welcome_says_of_the_group(check: Check, change: dict[str, Any]) -> None:
    world = trio(SUITE)
    alice, bundle = world.groups["alice"], world.bundle("dave")
    info = committing.make_group_info(alice._epoch, (), tree_extension=True, external_pub=False)
    info = replace(info, context=replace(info.context, **change))
    refused(check, mls.Group.join, _signed_welcome(alice, bundle, info), bundle)


def test_a_tree_that_is_handed_over_is_that_of_the_welcome() -> None:
    world = trio(SUITE)
    alice, bundle = world.groups["alice"], world.bundle("dave")
    older = alice.ratchet_tree()
    created, _ = world.commit("alice", [mls.Add(bundle.key_package)], tree_extension=False)
    welcome = created.welcome or b""
    refused(Check.TREE_HASH, mls.Group.join, welcome, bundle, ratchet_tree=older)
    refused(Check.GROUP_INFO_TREE, mls.Group.join, welcome, bundle)
    tree = world.groups["alice"].ratchet_tree()
    assert mls.Group.join(welcome, bundle, ratchet_tree=tree).epoch == alice.epoch + 1


def test_a_tree_ends_with_a_member_and_has_its_nodes_in_their_places() -> None:
    world = trio(SUITE)
    bundle = world.bundle("dave")
    created, _ = world.commit("alice", [mls.Add(bundle.key_package)], tree_extension=False)
    nodes = _nodes(world.groups["alice"]._epoch.tree)
    encoded = [
        RatchetTree([node]).encode() if index % 2 == 0 else b"" for index, node in enumerate(nodes)
    ]
    leaf = codec.decode(codec.Reader.opaque, encoded[0])
    parent = b"\x01\x02" + ParentNode(bytes(32)).encode()
    for items in ([leaf, b"\x00", b"\x00"], [b"\x00"], [], [leaf, leaf, leaf], [parent], [b"\x02"]):
        tree = codec.vector(items)
        refused(Check.GROUP_INFO_TREE, mls.Group.join, created.welcome, bundle, ratchet_tree=tree)


def test_a_welcome_is_from_somebody_else() -> None:
    world = trio(SUITE)
    alice = world.groups["alice"]
    bundle = world.bundle("alice", signature_private=alice.signature_private)
    tree = alice._epoch.tree.copy()
    tree.update(ALICE, bundle.package.leaf_node)
    refused(Check.WELCOME, mls.Group.join, _welcome(alice, bundle, tree), bundle)


def test_pre_shared_keys_of_a_welcome() -> None:
    def named(usage: int, fill: int, length: int = 32) -> mls.PreSharedKeyID:
        return mls.PreSharedKeyID.resumption(usage, GROUP_ID, 4, bytes([fill]) * length)

    world = trio(SUITE)
    epoch = world.groups["alice"]._epoch
    info = committing.make_group_info(epoch, (), tree_extension=True, external_pub=False)
    bundle = world.bundle("dave")
    for check, psks in (
        (Check.WELCOME_PSKS, (named(2, 0), named(3, 1))),
        (Check.LIST_PSK_TWICE, (named(1, 0), named(1, 0))),
        (Check.PSK_NONCE, (named(1, 0, 31),)),
        (Check.PSK_UNKNOWN, (named(2, 0), named(1, 1))),
    ):
        refused(check, mls.Group.join, _sealed_welcome(bundle, info, psks), bundle)


def test_what_seals_a_welcome() -> None:
    world = trio(SUITE)
    epoch = world.groups["alice"]._epoch
    info = committing.make_group_info(epoch, (), tree_extension=True, external_pub=False)
    bundle, suite = world.bundle("dave"), suite_of(SUITE)
    message = decode_message(_sealed_welcome(bundle, info))
    assert isinstance(message, Welcome)
    bent = replace(message, encrypted_group_info=message.encrypted_group_info[:-1])
    refused(Check.HPKE_OPEN, mls.Group.join, encode_message(bent), bundle)
    # The secrets are bound to the GroupInfo beside them: who binds them to another gets no further.
    secrets = GroupSecrets(bytes(31) + b"!", None, ())
    encrypted = suite.encrypt_with_label(
        suite.load_hpke_public(bundle.package.init_key),
        "Welcome",
        message.encrypted_group_info,
        secrets.encode(),
        bytes,
    )
    ours = EncryptedGroupSecrets(bundle.ref, HPKECiphertext(*encrypted))
    bent = replace(message, secrets=(ours,))
    refused(Check.AEAD_OPEN, mls.Group.join, encode_message(bent), bundle)


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


def test_a_reinit_takes_everybody_along() -> None:
    world = trio(SUITE)
    epoch = world.groups["alice"]._epoch
    epoch.reinit = mls.ReInit(b"next", SUITE)
    name = mls.PreSharedKeyID.resumption(2, GROUP_ID, epoch.context.epoch, bytes(32))
    context = replace(epoch.context, epoch=1, group_id=b"next")
    fewer = epoch.tree.copy()
    fewer.remove(BOB)
    refused(Check.WELCOME_REINIT, joining.check_resumption, [name], context, fewer, epoch)


class Garbage:
    """Encodes as what does not decode."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def encode(self) -> bytes:
        return b"\xff"


@pytest.mark.parametrize("part", ["GroupSecrets", "make_group_info"])
def test_a_welcome_with_garbage_inside(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    bundle = world.bundle("dave")
    monkeypatch.setattr(committing, part, Garbage)
    created = world.groups["alice"].commit([mls.Add(bundle.key_package)], entropy=world.entropy)
    refused(Check.DECODE, mls.Group.join, created.welcome, bundle)
