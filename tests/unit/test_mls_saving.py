"""What is saved comes back whole or not at all, and a seed replays a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from folkmoot import mls
from folkmoot.mls.epoch import Epoch
from folkmoot.mls.path import PathKeys
from folkmoot.mls.secret_tree import SecretTree
from unit.mls_groups import (
    SUITES,
    World,
    refused,
    state_of,
    trio,
)

pytestmark = pytest.mark.parametrize("suite", SUITES)


def test_save_and_load(suite: int) -> None:
    world = trio(suite)
    alice, bob = world.groups["alice"], world.groups["bob"]
    alice.add_psk(b"id", b"psk")
    first = alice.seal(b"before", entropy=world.entropy)
    loaded = mls.Group.load(alice.save())
    # The ratchet goes on where it was: no key is used twice.
    second = loaded.seal(b"after", entropy=world.entropy)
    for message, data in ((second, b"after"), (first, b"before")):
        heard = bob.receive(message)
        assert isinstance(heard, mls.Application)
        assert heard.data == data
    update = loaded.propose(loaded.update(entropy=world.entropy), entropy=world.entropy)
    for name in ("bob", "carol"):
        world.groups[name].receive(update)
    saved = loaded.save()
    again = mls.Group.load(saved)
    assert again.save() == saved
    assert state_of(again) == state_of(loaded)
    world.groups["alice"] = again
    world.commit("bob", include_stored=True)
    world.commit("alice", [world.groups["alice"].past_epoch_psk(again.epoch, world.entropy)])
    world.check_talk()


def test_a_torn_saved_state_does_not_load(suite: int) -> None:
    saved = trio(suite).groups["alice"].save()
    for end in range(0, len(saved), 37):
        refused(mls.Check.SAVED_STATE, mls.Group.load, saved[:end])
    refused(mls.Check.SAVED_STATE, lambda: mls.Group.load(saved + b"\x00"))
    # Whatever a disk did to it, the answer is a group or this one refusal.
    answers = [_load_flipped(saved, place) for place in range(0, len(saved), 29)]
    assert mls.Check.SAVED_STATE in answers
    assert set(answers) <= {None, mls.Check.SAVED_STATE}


def _load_flipped(saved: bytes, place: int) -> mls.Check | None:
    changed = bytearray(saved)
    changed[place] ^= 0x80
    try:
        mls.Group.load(bytes(changed))
    except mls.MlsError as error:
        return error.check
    return None


def test_a_seed_replays_a_run(suite: int) -> None:
    assert [group.save() for group in trio(suite).groups.values()] == [
        group.save() for group in trio(suite).groups.values()
    ]


def test_bundles_are_saved(suite: int) -> None:
    world = World(suite)
    world.create()
    bundle = world.bundle("bob")
    created, _ = world.commit("alice", [mls.Add(bundle.key_package)])
    assert created.welcome is not None
    again = mls.KeyPackageBundle.decode(bundle.encode())
    assert again == bundle
    world.groups["bob"] = mls.Group.join(created.welcome, again)
    world.check()
    refused(mls.Check.SAVED_STATE, lambda: mls.KeyPackageBundle.decode(bundle.encode()[:-1]))
    other = world.bundle("bob")
    mixed = mls.KeyPackageBundle(
        bundle.key_package,
        bundle.ref,
        other.init_private,
        other.encryption_private,
        other.signature_private,
    )
    refused(mls.Check.PRIVATE_KEY, lambda: mls.KeyPackageBundle.decode(mixed.encode()))
    refused(mls.Check.WELCOME_NOT_OURS, lambda: mls.Group.join(created.welcome or b"", other))


def test_a_state_from_before_our_update_cannot_follow_it(suite: int) -> None:
    world = trio(suite)
    alice, bob = world.groups["alice"], world.groups["bob"]
    older = mls.Group.load(bob.save())
    update = bob.update(entropy=world.entropy)
    message = bob.propose(update, public=True, entropy=world.entropy)
    for group in (alice, older):
        group.receive(message)
    commit = alice.commit(include_stored=True, entropy=world.entropy).message
    refused(mls.Check.PRIVATE_KEY, older.stage, commit)
    assert bob.stage(commit).group is not None


Spoil = Callable[[Epoch, World], None]


def _other_key(epoch: Epoch, world: World) -> None:
    key = epoch.suite.generate_hpke_key(world.entropy)
    epoch.keys = PathKeys(epoch.own_leaf, {**epoch.keys.keys, 2 * epoch.own_leaf: key})


def _other_signer(epoch: Epoch, world: World) -> None:
    epoch.signer = epoch.suite.generate_signature_key(world.entropy)


def _other_tree(epoch: Epoch, world: World) -> None:
    epoch.tree = epoch.tree.copy()
    epoch.tree.remove(1)


def _other_secret_tree(epoch: Epoch, world: World) -> None:
    epoch.secret_tree = SecretTree(epoch.suite, 2, bytes(32))


@pytest.mark.parametrize("spoil", [_other_key, _other_signer, _other_tree, _other_secret_tree])
def test_parts_that_do_not_belong_together(suite: int, spoil: Spoil) -> None:
    world = trio(suite)
    alice = world.groups["alice"]
    spoil(alice._epoch, world)
    refused(mls.Check.SAVED_STATE, mls.Group.load, alice.save())


def test_other_versions(suite: int) -> None:
    world = trio(suite)
    saved = world.groups["alice"].save()
    refused(mls.Check.SAVED_STATE, mls.Group.load, b"Folkmoot MLS 2" + saved[14:])
    bundle = world.bundle("dave").encode()
    refused(mls.Check.SAVED_STATE, mls.KeyPackageBundle.decode, b"\x02" + bundle[1:])


def test_a_bundle_with_the_wrong_secrets_does_not_join(suite: int) -> None:
    world = trio(suite)
    bundle, other = world.bundle("dave"), world.bundle("erin")
    created, _ = world.commit("alice", [mls.Add(bundle.key_package)])
    for name in ("init_private", "encryption_private", "signature_private"):
        mixed = replace(bundle, **{name: getattr(other, name)})
        refused(mls.Check.PRIVATE_KEY, mls.Group.join, created.welcome, mixed)
