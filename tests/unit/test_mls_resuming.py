"""Groups that follow from groups: reinit and branch."""

from __future__ import annotations

import functools

import pytest

from folkmoot import mls
from unit.mls_groups import (
    CUSTOM_EXTENSION,
    GROUP_ID,
    SUITES,
    World,
    disobedient,
    refused,
    trio,
)

pytestmark = pytest.mark.parametrize("suite", SUITES)
OTHERS = ("bob", "carol")


def _ended(world: World, suite: int) -> None:
    reinit = mls.ReInit(b"the next group", suite, (mls.Extension(CUSTOM_EXTENSION, b"new"),))
    _, staged = world.commit("bob", [reinit], force_path=False)
    assert staged["alice"].proposals == ((reinit, 1),)
    for group in world.groups.values():
        assert group.pending_reinit == reinit


def _joined(world: World, created: mls.Created, bundles: dict[str, mls.KeyPackageBundle]) -> World:
    fresh = World(created.staged.parent.suite, seed=9)
    fresh.groups["alice"] = created.staged.merge()
    assert created.welcome is not None
    for name, bundle in bundles.items():
        fresh.groups[name] = mls.Group.join(created.welcome, bundle, parent=world.groups[name])
    fresh.check_talk()
    return fresh


def test_reinit_to_another_suite(suite: int) -> None:
    world = trio(suite)
    other = suite % 3 + 1
    _ended(world, other)
    own = world.bundle("alice", suite=other)
    bundles = {name: world.bundle(name, suite=other) for name in OTHERS}
    created = world.groups["alice"].reinitialize(
        own, [one.key_package for one in bundles.values()], entropy=world.entropy
    )
    fresh = _joined(world, created, bundles)
    alice = fresh.groups["alice"]
    assert (alice.group_id, alice.suite, alice.epoch) == (b"the next group", other, 1)
    assert alice.extensions == (mls.Extension(CUSTOM_EXTENSION, b"new"),)
    for name in ("bob", "carol", "alice"):
        fresh.commit(name)
    fresh.check_talk()


def test_a_group_that_ended_is_silent(suite: int) -> None:
    world = trio(suite)
    _ended(world, suite)
    alice = world.groups["alice"]
    refused(mls.Check.REINIT_DONE, alice.seal, b"x", entropy=world.entropy)
    refused(mls.Check.REINIT_DONE, alice.commit, entropy=world.entropy)
    refused(mls.Check.REINIT_DONE, alice.propose, mls.Remove(1), entropy=world.entropy)
    assert mls.Group.load(alice.save()).pending_reinit == alice.pending_reinit


def test_a_reinit_takes_everybody_along(suite: int) -> None:
    world = trio(suite)
    _ended(world, suite)
    bundle = world.bundle("bob")
    refused(
        mls.Check.WELCOME_REINIT,
        lambda: world.groups["alice"].reinitialize(
            world.bundle("alice"), [bundle.key_package], entropy=world.entropy
        ),
    )


def test_a_reinit_needs_a_reinit(suite: int) -> None:
    world = trio(suite)
    packages = [world.bundle(name).key_package for name in OTHERS]
    refused(
        mls.Check.WELCOME_REINIT,
        lambda: world.groups["alice"].reinitialize(
            world.bundle("alice"), packages, entropy=world.entropy
        ),
    )


def test_who_stayed_behind_refuses_the_reinit(suite: int) -> None:
    world = trio(suite)
    before = world.groups["carol"]
    _ended(world, suite)
    bundles = {name: world.bundle(name) for name in OTHERS}
    created = world.groups["alice"].reinitialize(
        world.bundle("alice"),
        [one.key_package for one in bundles.values()],
        entropy=world.entropy,
    )
    welcome = created.welcome
    assert welcome is not None
    # Carol did not see the ReInit, so she does not have the key of the epoch after it.
    refused(mls.Check.PSK_UNKNOWN, lambda: mls.Group.join(welcome, bundles["carol"], parent=before))
    refused(mls.Check.PSK_UNKNOWN, lambda: mls.Group.join(welcome, bundles["carol"]))
    after = world.groups["carol"]
    keys = {(GROUP_ID, after.epoch): after.resumption_psk}
    refused(
        mls.Check.WELCOME_REINIT,
        lambda: mls.Group.join(welcome, bundles["carol"], resumption_psks=keys),
    )
    refused(
        mls.Check.WELCOME_REINIT,
        lambda: mls.Group.join(welcome, bundles["carol"], resumption_psks=keys, parent=before),
    )


def test_branch(suite: int) -> None:
    world = trio(suite)
    world.add("alice", "dave")
    bundles = {name: world.bundle(name) for name in OTHERS}
    created = world.groups["alice"].branch(
        b"a branch",
        world.bundle("alice"),
        [one.key_package for one in bundles.values()],
        entropy=world.entropy,
    )
    fresh = _joined(world, created, bundles)
    assert fresh.groups["carol"].group_id == b"a branch"
    assert len(fresh.groups["carol"].members()) == 3
    # The group that was branched from goes on.
    world.commit("dave")
    world.check_talk()


def test_a_branch_takes_no_stranger(suite: int) -> None:
    world = trio(suite)
    bundles = {name: world.bundle(name) for name in ("bob", "mallory")}
    packages = [one.key_package for one in bundles.values()]
    alice = world.groups["alice"]
    own = world.bundle("alice")
    refused(
        mls.Check.WELCOME_BRANCH,
        lambda: alice.branch(b"a branch", own, packages, entropy=world.entropy),
    )
    # Bob compares with the group that he knows, which here is one from before mallory came.
    older = world.groups["bob"]
    world.add("alice", "mallory")
    created = world.groups["alice"].branch(b"a branch", own, packages, entropy=world.entropy)
    welcome = created.welcome
    assert welcome is not None
    keys = {(GROUP_ID, world.groups["bob"].epoch): world.groups["bob"].resumption_psk}
    refused(
        mls.Check.WELCOME_BRANCH,
        lambda: mls.Group.join(welcome, bundles["bob"], parent=older, resumption_psks=keys),
    )


def test_a_branch_from_before_some_left(suite: int) -> None:
    """Its Welcome comes late to Bob: who is in it was in the group then, and he knows that."""
    world = trio(suite)
    bundles = {name: world.bundle(name) for name in OTHERS}
    created = world.groups["alice"].branch(
        b"a branch",
        world.bundle("alice"),
        [one.key_package for one in bundles.values()],
        entropy=world.entropy,
    )
    welcome = created.welcome
    assert welcome is not None
    carol = next(one for one in world.groups["bob"].members() if one.identity == b"carol")
    world.commit("bob", [mls.Remove(carol.leaf)])
    bob = world.groups["bob"]
    for former in ((), (b"dave",)):
        refused(
            mls.Check.WELCOME_BRANCH,
            functools.partial(mls.Group.join, welcome, bundles["bob"], parent=bob, former=former),
        )
    joined = mls.Group.join(welcome, bundles["bob"], parent=bob, former=(b"carol",))
    assert joined.epoch_authenticator == created.staged.merge().epoch_authenticator


def test_resumption_keys_have_their_place(suite: int) -> None:
    world = trio(suite)
    alice = world.groups["alice"]
    for usage in (2, 3):
        name = mls.PreSharedKeyID.resumption(usage, GROUP_ID, alice.epoch, bytes(32))
        proposal = mls.PreSharedKey(name)
        with pytest.raises(mls.MlsError, match="for a reinit or a branch"):
            alice.commit([proposal], entropy=world.entropy)
        with disobedient():
            created = alice.commit([proposal], entropy=world.entropy)
        refused(mls.Check.PSK_USAGE, world.groups["bob"].stage, created.message)


def test_an_ordinary_welcome_is_no_branch(suite: int) -> None:
    world = trio(suite)
    bundle = world.bundle("bob")
    other = World(suite, seed=3)
    other.create("alice")
    created, _ = other.commit("alice", [mls.Add(bundle.key_package)])
    assert created.welcome is not None
    refused(
        mls.Check.WELCOME_REINIT,
        lambda: mls.Group.join(created.welcome or b"", bundle, parent=world.groups["bob"]),
    )
