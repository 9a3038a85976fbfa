"""Stored proposals: what one member sends spoils nobody else's commit."""

from __future__ import annotations

import pytest

from folkmoot import mls
from folkmoot.mls.leaf_node import LeafContent
from folkmoot.mls.proposals import Update
from unit.mls_groups import SUITES, World, disobedient, trio

pytestmark = pytest.mark.parametrize("suite", SUITES)


def _spoiled_update(world: World) -> Update:
    """Bob's Update, properly signed, with the encryption key of carol's leaf."""
    bob, carol = world.groups["bob"], world.groups["carol"]
    epoch = bob._epoch
    stolen = carol.members()[2].encryption_key
    return Update(
        LeafContent.of(epoch.own_node, stolen).sign_for_update(
            bob.group_id,
            bob.own_leaf,
            lambda tbs: epoch.suite.sign_with_label(epoch.signer, "LeafNodeTBS", tbs),
        )
    )


def _bad(world: World) -> list[mls.Proposal]:
    required = mls.RequiredCapabilities((0xF0E0,)).extension()
    return [
        _spoiled_update(world),
        mls.Add(world.bundle("other", suite=world.suite % 3 + 1).key_package),
        mls.GroupContextExtensions([required]),
        mls.Custom(0xF0E1, b"nobody supports this"),
        world.groups["bob"].external_psk(b"nobody knows this", world.entropy),
    ]


def test_bad_proposals_are_left_out(suite: int) -> None:
    world = trio(suite)
    bob = world.groups["bob"]
    good = mls.Add(world.bundle("dave").key_package)
    bad = _bad(world)
    for proposal in [*bad[:3], good, *bad[3:]]:
        with disobedient():
            message = bob.propose(proposal, entropy=world.entropy)
        for name in ("alice", "carol"):
            world.groups[name].receive(message)
    created, _ = world.commit("alice", include_stored=True)
    assert [one for one, _ in created.staged.proposals] == [good]
    world.check_talk()


def test_what_is_committed_by_value_comes_first(suite: int) -> None:
    world = trio(suite)
    remove = mls.Remove(world.leaf("carol"))
    message = world.groups["bob"].propose(remove, entropy=world.entropy)
    for name in ("alice", "carol"):
        world.groups[name].receive(message)
    created, staged = world.commit("alice", [remove], include_stored=True)
    assert created.staged.proposals == ((remove, 0),)
    assert staged["carol"].self_removed


def test_one_already_named_is_not_named_twice(suite: int) -> None:
    world = trio(suite)
    message = world.groups["bob"].propose(mls.Remove(world.leaf("carol")), entropy=world.entropy)
    for name in ("alice", "carol"):
        world.groups[name].receive(message)
    references = world.groups["alice"].stored_references()
    created, _ = world.commit("alice", references, include_stored=True)
    assert len(created.staged.proposals) == 1
