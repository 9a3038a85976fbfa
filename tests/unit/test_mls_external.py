"""Coming in from outside: external commits, external senders, newcomers who propose themselves."""

from __future__ import annotations

import pytest

from folkmoot import mls
from unit.mls_groups import CUSTOM_EXTENSION, GROUP_ID, SUITES, World, refused, trio

pytestmark = pytest.mark.parametrize("suite", SUITES)


def _come_in(world: World, name: str, info: bytes, **options: object) -> dict[str, mls.Staged]:
    bundle = options.pop("bundle", None) or world.bundle(name)
    group, message = mls.Group.external_join(
        info,
        bundle,  # type: ignore[arg-type]
        entropy=world.entropy,
        **options,  # type: ignore[arg-type]
    )
    staged = {other: one.stage(message) for other, one in world.groups.items()}
    world.groups = {other: one.merge() for other, one in staged.items() if one.group is not None}
    world.groups[name] = group
    world.check()
    return staged


@pytest.mark.parametrize("tree_extension", [False, True])
def test_external_join(suite: int, tree_extension: bool) -> None:
    world = trio(suite)
    bob = world.groups["bob"]
    given = mls.Extension(0xF00D, b"beside it")
    info = bob.group_info(tree_extension=tree_extension, extensions=[given])
    tree = None if tree_extension else bob.ratchet_tree()
    staged = _come_in(world, "dave", info, ratchet_tree=tree, authenticated_data=b"hello")
    shown = staged["alice"]
    assert shown.committer is None
    assert shown.authenticated_data == b"hello"
    assert [one.identity for one in shown.added] == [b"dave"]
    assert [type(one) for one, _ in shown.proposals] == [mls.ExternalInit]
    assert [sender for _, sender in shown.proposals] == [None]
    assert given in world.groups["dave"].join_extensions
    for name in ("dave", "alice"):
        world.commit(name)
    world.check_talk()


def test_resync_removes_the_older_self(suite: int) -> None:
    world = trio(suite)
    old = world.groups.pop("carol")
    bundle = world.bundle("carol", signature_private=old.signature_private)
    info = world.groups["alice"].group_info()
    # With the old leaf in place its signature key would be in the group twice.
    refused(
        mls.Check.LEAF_SIGNATURE_KEY,
        lambda: mls.Group.external_join(info, bundle, entropy=world.entropy),
    )
    staged = _come_in(world, "carol", info, bundle=bundle, resync=True)
    assert [one.identity for one in staged["bob"].removed] == [b"carol"]
    assert world.leaf("carol") == old.own_leaf
    world.check_talk()


def test_resync_needs_an_older_self(suite: int) -> None:
    world = trio(suite)
    info = world.groups["alice"].group_info()
    refused(
        mls.Check.EXTERNAL_RESYNC,
        lambda: mls.Group.external_join(
            info, world.bundle("dave"), resync=True, entropy=world.entropy
        ),
    )


def test_external_join_with_a_psk(suite: int) -> None:
    world = trio(suite)
    for group in world.groups.values():
        group.add_psk(b"door", b"secret")
    proposal = world.groups["alice"].external_psk(b"door", world.entropy)
    info = world.groups["alice"].group_info()
    _come_in(world, "dave", info, psks={b"door": b"secret"}, psk_proposals=[proposal])
    world.check_talk()


def test_what_is_wrong_with_a_group_info(suite: int) -> None:
    world = trio(suite)
    alice = world.groups["alice"]
    bundle = world.bundle("dave")

    def come_in(info: bytes, tree: bytes | None = None) -> object:
        return mls.Group.external_join(info, bundle, ratchet_tree=tree, entropy=world.entropy)

    plain = alice.group_info(external_pub=False)
    refused(mls.Check.GROUP_INFO_EXTERNAL_PUB, come_in, plain)
    bare = alice.group_info(tree_extension=False)
    refused(mls.Check.GROUP_INFO_TREE, come_in, bare)
    refused(mls.Check.GROUP_INFO_TREE, come_in, bare, b"\x00")
    older = alice.ratchet_tree()
    world.commit("bob")
    fresh = world.groups["alice"].group_info(tree_extension=False)
    refused(mls.Check.TREE_HASH, come_in, fresh, older)
    refused(mls.Check.WIRE_FORMAT, come_in, bundle.key_package)
    garbled = alice.group_info(external_pub=False, extensions=[mls.Extension(4, b"\xff")])
    refused(mls.Check.GROUP_INFO_EXTERNAL_PUB, come_in, garbled)
    bundle = world.bundle("dave", suite=suite % 3 + 1)
    refused(mls.Check.GROUP_INFO, come_in, alice.group_info())
    bundle = world.bundle("dave")
    whole = alice.group_info()
    refused(mls.Check.GROUP_INFO_SIGNATURE, come_in, whole[:-1] + bytes([whole[-1] ^ 1]))


def test_tampered_external_commits(suite: int) -> None:
    world = trio(suite)
    alice = world.groups["alice"]
    info = alice.group_info()
    _, message = mls.Group.external_join(info, world.bundle("dave"), entropy=world.entropy)
    for place in range(0, len(message), 7):
        tampered = bytearray(message)
        tampered[place] ^= 1 << (place % 8)
        with pytest.raises(mls.MlsError):
            alice.stage(bytes(tampered))
    assert alice.stage(message).committer is None


def test_a_newcomer_proposes_itself(suite: int) -> None:
    world = trio(suite)
    bundle = world.bundle("dave")
    message = mls.propose_own_add(bundle, GROUP_ID, world.groups["alice"].epoch)
    for group in world.groups.values():
        stored = group.receive(message)
        assert isinstance(stored, mls.StoredProposal)
        assert stored.sender is None
    created, staged = world.commit("bob", include_stored=True)
    assert staged["alice"].proposals == ((mls.Add(bundle.key_package), None),)
    assert created.welcome is not None
    world.groups["dave"] = mls.Group.join(created.welcome, bundle)
    world.check_talk()


def test_external_senders(suite: int) -> None:
    world = World(suite)
    service = mls.create_key_package(suite, b"service", world.entropy)
    key = mls.parse_key_package(service.key_package).signature_key
    sender = mls.ExternalSender(key, mls.Credential.basic(b"service"))
    world.create(extensions=[mls.external_senders_extension([sender])])
    world.add("alice", "bob", "carol")
    alice = world.groups["alice"]

    def propose(index: int, proposal: mls.Remove, private: bytes) -> bytes:
        return mls.propose_from_outside(suite, GROUP_ID, alice.epoch, index, proposal, private)

    private = service.signature_private
    refused(mls.Check.SENDER, alice.receive, propose(1, mls.Remove(1), private))
    wrong = world.bundle("mallory").signature_private
    refused(mls.Check.SIGNATURE, alice.receive, propose(0, mls.Remove(1), wrong))
    refused(mls.Check.REMOVE_BLANK, alice.receive, propose(0, mls.Remove(3), private))
    message = propose(0, mls.Remove(1), private)
    for group in world.groups.values():
        group.receive(message)
    _, staged = world.commit("carol", include_stored=True)
    assert staged["alice"].proposals == ((mls.Remove(1), None),)
    assert set(world.groups) == {"alice", "carol"}


def test_what_external_senders_may_not_propose(suite: int) -> None:
    world = World(suite)
    service = mls.create_key_package(suite, b"service", world.entropy)
    key = mls.parse_key_package(service.key_package).signature_key
    sender = mls.ExternalSender(key, mls.Credential.basic(b"service"))
    alice = world.create(extensions=[mls.external_senders_extension([sender])])
    update = alice.update(entropy=world.entropy)
    for proposal in (update, mls.ExternalInit(b"x"), mls.Custom(0xF001, b"")):
        message = mls.propose_from_outside(
            suite,
            GROUP_ID,
            0,
            0,
            proposal,  # type: ignore[arg-type]
            service.signature_private,
        )
        refused(mls.Check.EXTERNAL_PROPOSAL, alice.receive, message)


def test_external_joiners_meet_the_rules(suite: int) -> None:
    world = World(suite)
    world.create(extensions=[mls.Extension(CUSTOM_EXTENSION, b"rules")])
    info = world.groups["alice"].group_info()
    plain = mls.create_key_package(suite, b"dave", world.entropy)
    refused(
        mls.Check.GROUP_INFO_EXTENSION,
        lambda: mls.Group.external_join(info, plain, entropy=world.entropy),
    )
