"""One forged key package or list of proposals for each check, refused by that check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import protection, stored
from folkmoot.mls import psk as psks
from folkmoot.mls.commit import ProposalOrRef
from folkmoot.mls.credential import Credential
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.errors import Check
from folkmoot.mls.extensions import REQUIRED_CAPABILITIES, Extension
from folkmoot.mls.framing import PUBLIC_MESSAGE, FramedContent, Sender
from folkmoot.mls.leaf_node import LeafContent, Lifetime
from folkmoot.mls.message import encode_message
from unit.mls_forge import Forge
from unit.mls_groups import (
    CUSTOM_EXTENSION,
    CUSTOM_PROPOSAL,
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


def _by_bob(world: World, *proposals: mls.Proposal) -> list[ProposalOrRef]:
    """References of what bob proposed and everybody stored."""
    for one in proposals:
        message = world.groups["bob"].propose(one, entropy=world.entropy)
        for name in ("alice", "carol"):
            world.groups[name].receive(message)
    return [mls.ProposalRef(reference) for reference in world.groups["alice"]._epoch.stored]


def _update_and_remove(world: World) -> list[ProposalOrRef]:
    bob = world.groups["bob"]
    return [*_by_bob(world, bob.update(entropy=world.entropy)), mls.Remove(BOB)]


def _two_updates(world: World) -> list[ProposalOrRef]:
    bob = world.groups["bob"]
    return _by_bob(world, *(bob.update(entropy=world.entropy) for _ in range(2)))


def _update_by_value(world: World) -> list[ProposalOrRef]:
    """By value it is its committer's."""
    return [world.groups["alice"].update(entropy=world.entropy)]


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
    (Check.COMMIT_OWN_UPDATE, _update_by_value),
    (Check.COMMIT_OWN_REMOVE, lambda _: [mls.Remove(ALICE)]),
    (Check.REMOVE_BLANK, lambda _: [mls.Remove(3)]),
    (Check.REMOVE_BLANK, lambda _: [mls.Remove(3), mls.Remove(CAROL)]),
    (Check.LIST_LEAF_TWICE, lambda _: [mls.Remove(BOB), mls.Remove(BOB)]),
    (Check.LIST_LEAF_TWICE, _update_and_remove),
    (Check.LIST_LEAF_TWICE, _two_updates),
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
    judge = world.groups["carol"] if make in (_update_and_remove, _two_updates) else bob
    before = state_of(judge)
    refused(check, judge.stage, message)
    assert state_of(judge) == before
    # An honest committer does not make it either.
    if make not in (_unknown_reference, _own_update):
        refused(check, alice.commit, proposals, entropy=world.entropy)


# Dave is one who knows of no extension, and of no proposal that RFC 9420 does not define.
DAVE = 3


def _bob_again(world: World) -> list[ProposalOrRef]:
    return [mls.Remove(BOB), *_add_of_bob(world)]


def _what_dave_lacks(world: World) -> list[ProposalOrRef]:
    return [mls.Remove(DAVE), _requires(CUSTOM_EXTENSION)]


def _unknown_to_those_who_come_and_go(world: World) -> list[ProposalOrRef]:
    return [mls.Custom(CUSTOM_PROPOSAL, b""), mls.Remove(DAVE), _plain(world)]


@pytest.mark.parametrize("make", [_bob_again, _what_dave_lacks, _unknown_to_those_who_come_and_go])
def test_what_the_rules_except(make: Make) -> None:
    """§12.2 and §12.1.7 look at the group without those whom the commit removes."""
    world = trio(SUITE)
    bundle = mls.create_key_package(SUITE, b"dave", world.entropy)
    created, _ = world.commit("alice", [mls.Add(bundle.key_package)])
    assert created.welcome is not None
    world.groups["dave"] = mls.Group.join(created.welcome, bundle)
    proposals = make(world)
    _, staged = world.commit("carol", proposals)
    assert staged["alice"].group is not None
    assert [type(one) for one, _ in staged["alice"].proposals] == [type(one) for one in proposals]
    # With dave in, two of them are not.
    if make is not _bob_again:
        world = trio(SUITE)
        world.commit("alice", [mls.Add(bundle.key_package)])
        check = Check.EXTENSIONS_UNSUPPORTED
        if make is _unknown_to_those_who_come_and_go:
            check = Check.PROPOSAL_TYPE
        others = [one for one in make(world) if one != mls.Remove(DAVE)]
        refused(check, world.groups["carol"].commit, others, entropy=world.entropy)


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


def test_no_extension_stands_twice_in_a_group() -> None:
    world = trio(SUITE)
    twice = [Extension(CUSTOM_EXTENSION, b"one"), Extension(CUSTOM_EXTENSION, b"two")]
    refused(Check.EXTENSIONS, world.commit, "alice", [mls.GroupContextExtensions(twice)])
    with pytest.raises(mls.MlsError):
        World(SUITE).create(extensions=twice)


def test_a_sender_is_in_the_tree() -> None:
    world = trio(SUITE)
    epoch = world.groups["alice"]._epoch
    for leaf in (3, 4, 2**32 - 1):
        content = FramedContent(
            GROUP_ID, epoch.context.epoch, Sender.member(leaf), b"", mls.Remove(BOB)
        )
        signed = protection.sign(
            epoch.suite, PUBLIC_MESSAGE, content, epoch.signer, epoch.context_bytes
        )
        message = protection.protect_public(
            epoch.suite, signed, epoch.secrets.membership_key, epoch.context_bytes
        )
        refused(Check.SENDER_BLANK, world.groups["carol"].receive, encode_message(message))


def test_application_data_wait_for_the_commit_of_what_was_proposed() -> None:
    """A Remove must take effect before anything more is said (§12.4)."""
    world = trio(SUITE)
    alice, bob = world.groups["alice"], world.groups["bob"]
    message = bob.propose(mls.Remove(CAROL), entropy=world.entropy)
    alice.receive(message)
    for group in (alice, bob):
        refused(Check.PROPOSALS_WAIT, group.seal, b"x", entropy=world.entropy)
    world.groups["carol"].receive(message)
    world.commit("alice", include_stored=True)
    world.check_talk()


def test_there_is_a_most_of_pre_shared_keys() -> None:
    name = mls.PreSharedKeyID.external(b"id", bytes(32))
    refused(Check.PSK, psks.psk_secret, suite_of(SUITE), [(name, b"")] * (psks.PSKS_MAX + 1))


def test_what_is_kept_has_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    alice = world.groups["alice"]
    monkeypatch.setattr(stored, "STORED_PROPOSALS_MAX", 2)
    for _ in range(2):
        alice.propose(alice.external_psk(b"id", world.entropy), entropy=world.entropy)
    refused(Check.LIMIT, alice.propose, mls.Remove(BOB), entropy=world.entropy)
    for index in range(16):
        alice.update(entropy=world.entropy)
        assert len(alice._epoch.own_updates) == index + 1
    refused(Check.LIMIT, alice.update, entropy=world.entropy)
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
    # The version inside the frame counts too.
    framed = bundle.key_package
    refused(Check.DECODE, mls.parse_key_package, framed[:4] + b"\x00\x02" + framed[6:])
    with pytest.raises(mls.UsageError):
        world.bundle("dave", extensions=[Extension(9, b""), Extension(9, b"")])
