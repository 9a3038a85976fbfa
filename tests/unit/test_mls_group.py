"""Groups from creation to removal, in all suites, staged and merged."""

from __future__ import annotations

import pytest

from folkmoot import mls
from unit.mls_groups import (
    CUSTOM_EXTENSION,
    CUSTOM_PROPOSAL,
    GROUP_ID,
    SUITES,
    World,
    refused,
    state_of,
    trio,
)

pytestmark = pytest.mark.parametrize("suite", SUITES)


def test_create_add_join(suite: int) -> None:
    world = World(suite)
    alice = world.create(extensions=[mls.Extension(CUSTOM_EXTENSION, b"rules")])
    assert (alice.epoch, alice.own_leaf, alice.group_id) == (0, 0, GROUP_ID)
    given = mls.Extension(0xF00D, b"for newcomers")
    world.add("alice", "bob", group_info_extensions=[given])
    assert given in world.groups["bob"].join_extensions
    world.add("bob", "carol", "dave", tree_extension=False)
    # They may be secret, and are gone with the epoch that they came with.
    assert world.groups["bob"].join_extensions == ()
    for group in world.groups.values():
        assert group.extensions == (mls.Extension(CUSTOM_EXTENSION, b"rules"),)
        assert [one.identity for one in group.members()] == [b"alice", b"bob", b"carol", b"dave"]
        assert group.suite == suite
    world.check_talk()


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("force_path", [False, True])
def test_adds_with_and_without_a_path(suite: int, public: bool, force_path: bool) -> None:
    world = trio(suite)
    world.add("bob", "dave", "erin", public=public, force_path=force_path)
    for name in ("erin", "alice", "dave"):
        world.commit(name, public=public)
    world.check_talk()


def test_what_a_staged_commit_shows(suite: int) -> None:
    world = trio(suite)
    bundle = world.bundle("dave")
    proposals = [mls.Remove(world.leaf("carol")), mls.Add(bundle.key_package)]
    _, staged = world.commit("bob", proposals, authenticated_data=b"evidence")
    shown = staged["alice"]
    assert shown.committer == world.leaf("bob")
    assert shown.authenticated_data == b"evidence"
    assert [(type(one), sender) for one, sender in shown.proposals] == [
        (mls.Remove, 1),
        (mls.Add, 1),
    ]
    assert [one.identity for one in shown.removed] == [b"carol"]
    assert [(one.identity, one.leaf) for one in shown.added] == [(b"dave", 2)]
    assert shown.extensions_before == shown.extensions_after == ()
    assert not shown.self_removed
    carol = staged["carol"]
    assert carol.self_removed
    assert carol.group is None
    refused(mls.Check.REMOVED, carol.merge)
    # What the committer sees of its own commit is what the others see.
    own = staged["bob"]
    assert (own.committer, own.proposals, own.added) == (1, shown.proposals, shown.added)


def test_removal_and_readmission_in_one_commit(suite: int) -> None:
    world = trio(suite)
    old = world.groups["carol"]
    bundle = world.bundle("carol", signature_private=old.signature_private)
    created, _ = world.commit("alice", [mls.Remove(old.own_leaf), mls.Add(bundle.key_package)])
    assert created.welcome is not None
    world.groups["carol"] = mls.Group.join(created.welcome, bundle)
    world.check()
    world.check_talk()
    assert world.leaf("carol") == old.own_leaf


def test_the_tree_shrinks_and_grows(suite: int) -> None:
    world = trio(suite)
    world.add("alice", "dave", "erin", "frank")
    for name in ("frank", "erin", "dave"):
        world.commit("alice", [mls.Remove(world.leaf(name))])
        assert name not in world.groups
    world.commit("bob", [mls.Remove(world.leaf("alice"))])
    world.add("carol", "grace")
    assert world.leaf("grace") == 0
    world.commit("grace")
    world.check_talk()


@pytest.mark.parametrize("public", [False, True])
def test_proposals_sent_alone(suite: int, public: bool) -> None:
    world = trio(suite)
    bob = world.groups["bob"]
    messages = [
        bob.propose(bob.update(entropy=world.entropy), public=public, entropy=world.entropy),
        bob.propose(mls.Remove(world.leaf("carol")), public=public, entropy=world.entropy),
    ]
    for name in ("alice", "carol"):
        for message in messages:
            stored = world.groups[name].receive(message)
            assert isinstance(stored, mls.StoredProposal)
            assert stored.sender == world.leaf("bob")
    before = world.groups["bob"].member(1)
    _, staged = world.commit("alice", include_stored=True)
    assert [type(one) for one, _ in staged["bob"].proposals] == [mls.Update, mls.Remove]
    assert set(world.groups) == {"alice", "bob"}
    after = world.groups["bob"].member(1)
    assert before is not None
    assert after is not None
    assert before.encryption_key != after.encryption_key
    assert before.signature_key == after.signature_key
    world.commit("bob")
    world.check_talk()


def test_stored_proposals_that_cannot_stand_together(suite: int) -> None:
    world = trio(suite)
    alice, bob, carol = (world.groups[name] for name in ("alice", "bob", "carol"))
    for group, proposal in (
        (bob, bob.update(entropy=world.entropy)),
        (bob, bob.update(entropy=world.entropy)),
        (carol, mls.Remove(world.leaf("bob"))),
        (carol, mls.ReInit(b"another", suite)),
        (carol, mls.Remove(world.leaf("alice"))),
    ):
        message = group.propose(proposal, public=True, entropy=world.entropy)
        for other in (alice, bob, carol):
            if other is not group:
                other.receive(message)
    # Our own Updates and our own removal are not ours to commit; a Remove goes before an Update.
    assert len(alice.stored_references()) == 1
    assert len(bob.stored_references()) == 1
    assert len(carol.stored_references()) == 2
    world.commit("alice", include_stored=True)
    assert set(world.groups) == {"alice", "carol"}


def test_external_psk(suite: int) -> None:
    world = trio(suite)
    proposal = world.groups["alice"].external_psk(b"shared", world.entropy)
    refused(mls.Check.PSK_UNKNOWN, world.commit, "alice", [proposal])
    for name in ("alice", "bob"):
        world.groups[name].add_psk(b"shared", b"secret of theirs")
    created = world.groups["alice"].commit([proposal], entropy=world.entropy)
    refused(mls.Check.PSK_UNKNOWN, world.groups["carol"].stage, created.message)
    world.groups["carol"].add_psk(b"shared", b"another secret")
    refused(mls.Check.CONFIRMATION_TAG, world.groups["carol"].stage, created.message)
    world.groups["carol"].add_psk(b"shared", b"secret of theirs")
    world.follow("alice", created)
    bundle = world.bundle("dave")
    fresh = world.groups["bob"].external_psk(b"shared", world.entropy)
    created, _ = world.commit("bob", [fresh, mls.Add(bundle.key_package)])
    welcome = created.welcome
    assert welcome is not None
    refused(mls.Check.PSK_UNKNOWN, lambda: mls.Group.join(welcome, bundle))
    psks = {b"shared": b"secret of theirs"}
    world.groups["dave"] = mls.Group.join(welcome, bundle, psks=psks)
    world.check()


def test_resumption_psk_of_a_past_epoch(suite: int) -> None:
    world = trio(suite)
    past = world.groups["alice"].epoch
    world.commit("bob")
    proposal = world.groups["alice"].past_epoch_psk(past, world.entropy)
    world.commit("alice", [proposal], force_path=False)
    never = world.groups["alice"].past_epoch_psk(0, world.entropy)
    created = world.groups["alice"].commit([never], entropy=world.entropy)
    refused(mls.Check.PSK_UNKNOWN, world.groups["bob"].stage, created.message)


def test_group_context_extensions(suite: int) -> None:
    world = trio(suite)
    required = mls.RequiredCapabilities((CUSTOM_EXTENSION,), (CUSTOM_PROPOSAL,), (1,))
    rules = [required.extension(), mls.Extension(CUSTOM_EXTENSION, b"rules")]
    _, staged = world.commit("alice", [mls.GroupContextExtensions(rules)])
    assert staged["bob"].extensions_before == ()
    assert staged["bob"].extensions_after == tuple(rules)
    assert world.groups["carol"].extensions == tuple(rules)
    world.add("bob", "dave")
    assert world.groups["dave"].extensions == tuple(rules)
    plain = mls.create_key_package(suite, b"erin", world.entropy)
    refused(
        mls.Check.LEAF_REQUIRED,
        world.commit,
        "bob",
        [mls.Add(plain.key_package)],
    )


def test_custom_proposal(suite: int) -> None:
    world = trio(suite)
    proposal = mls.Custom(CUSTOM_PROPOSAL, b"anything")
    _, staged = world.commit("alice", [proposal], force_path=False)
    assert staged["bob"].proposals == ((proposal, 0),)


def test_leaf_extensions_can_be_changed(suite: int) -> None:
    world = trio(suite)
    extension = mls.Extension(CUSTOM_EXTENSION, b"mine")
    world.commit("alice", leaf_extensions=[extension])
    shown = world.groups["bob"].member(0)
    assert shown is not None
    assert shown.extensions == (extension,)
    bob = world.groups["bob"]
    update = bob.update(leaf_extensions=[extension], entropy=world.entropy)
    message = bob.propose(update, entropy=world.entropy)
    for name in ("alice", "carol"):
        world.groups[name].receive(message)
    world.commit("carol", include_stored=True)
    shown = world.groups["alice"].member(1)
    assert shown is not None
    assert shown.extensions == (extension,)


def test_staging_changes_nothing_and_is_repeatable(suite: int) -> None:
    world = trio(suite)
    alice, bob, carol = (world.groups[name] for name in ("alice", "bob", "carol"))
    from_bob = bob.commit(entropy=world.entropy)
    from_carol = carol.commit([mls.Remove(1)], entropy=world.entropy)
    before = state_of(alice)
    first, second = alice.stage(from_bob.message), alice.stage(from_carol.message)
    again = alice.stage(from_bob.message)
    assert state_of(alice) == before
    assert first.group is not None
    assert second.group is not None
    assert again.group is not None
    assert first.group.epoch_authenticator == again.group.epoch_authenticator
    assert first.group.epoch_authenticator == from_bob.staged.merge().epoch_authenticator
    assert second.group.epoch_authenticator != first.group.epoch_authenticator
    # Both are whole, and so is what follows from one that is not merged.
    assert second.group.export("x", b"", 16) != first.group.export("x", b"", 16)
    assert from_carol.staged.group is not None
    later = from_carol.staged.group.commit(entropy=world.entropy)
    assert second.group.stage(later.message).group is not None
    merged = second.merge()
    assert merged is second.group
    refused(mls.Check.STALE, first.merge)


def test_messages_before_and_after_a_merge(suite: int) -> None:
    world = trio(suite)
    old = dict(world.groups)
    late = old["bob"].seal(b"late", entropy=world.entropy)
    created, _ = world.commit("alice")
    early = world.groups["alice"].seal(b"early", entropy=world.entropy)
    # The old object still opens what is late; the new one knows nothing of it.
    refused(mls.Check.EPOCH, world.groups["carol"].receive, late)
    heard = old["carol"].receive(late)
    assert isinstance(heard, mls.Application)
    assert heard.data == b"late"
    refused(mls.Check.GENERATION_USED, old["carol"].receive, late)
    assert isinstance(world.groups["carol"].receive(early), mls.Application)
    refused(mls.Check.EPOCH, world.groups["carol"].stage, created.message)


def test_our_own_messages_are_not_for_us(suite: int) -> None:
    world = trio(suite)
    alice = world.groups["alice"]
    for public in (False, True):
        created = alice.commit(public=public, entropy=world.entropy)
        refused(mls.Check.OWN_MESSAGE, alice.stage, created.message)
    sealed = alice.seal(b"x", entropy=world.entropy)
    refused(mls.Check.OWN_MESSAGE, alice.receive, sealed)


def test_wrong_doors(suite: int) -> None:
    world = trio(suite)
    alice, bob = world.groups["alice"], world.groups["bob"]
    created = bob.commit([mls.Add(world.bundle("dave").key_package)], entropy=world.entropy)
    sealed = bob.seal(b"x", entropy=world.entropy)
    refused(mls.Check.WIRE_FORMAT, alice.receive, created.message)
    refused(mls.Check.WIRE_FORMAT, alice.stage, sealed)
    assert created.welcome is not None
    refused(mls.Check.WIRE_FORMAT, alice.stage, created.welcome or b"")
    refused(mls.Check.WIRE_FORMAT, lambda: mls.Group.join(sealed, world.bundle("erin")))
    refused(mls.Check.DECODE, alice.stage, b"")
    other = World(suite, seed=1)
    other.create("alice")
    other.add("alice", "bob")
    stranger = mls.create_key_package(suite, b"x", other.entropy)
    elsewhere = mls.Group.create(suite, b"elsewhere", stranger, entropy=other.entropy)
    refused(mls.Check.GROUP_ID, alice.stage, elsewhere.commit(entropy=other.entropy).message)
    # The same group id and epoch, and yet another group.
    forged = other.groups["alice"].commit(public=True, entropy=other.entropy)
    other_epoch = world.groups["alice"].epoch
    assert other_epoch != 1
    refused(mls.Check.EPOCH, alice.stage, forged.message)


def test_misuse(suite: int) -> None:
    world = trio(suite)
    alice = world.groups["alice"]
    with pytest.raises(mls.UsageError):
        alice.export("x", b"", 255 * 32 + 1)
    other = mls.create_key_package(suite % 3 + 1, b"x", world.entropy)
    with pytest.raises(mls.UsageError):
        mls.Group.create(suite, GROUP_ID, other, entropy=world.entropy)
    assert alice.member(77) is None
    refused(mls.Check.SUITE, lambda: mls.create_key_package(7, b"x", world.entropy))
