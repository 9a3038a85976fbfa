"""One forged external commit for each check, refused by that check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import external, protection
from folkmoot.mls.commit import Commit, UpdatePath
from folkmoot.mls.credential import Credential
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.errors import Check
from folkmoot.mls.extensions import Extension
from folkmoot.mls.path import NewPath, create_path
from unit.mls_groups import World, disobedient, refused, trio

SUITE = 1
CAROL = 2

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
        (
            Check.EXTERNAL_OTHER,
            lambda items, path: Commit((*items, mls.Add(world.bundle("erin").key_package)), path),
        ),
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


@pytest.mark.parametrize("nonces", [(32, 32), (31,)])
def test_pre_shared_keys_of_an_external_commit(nonces: tuple[int, ...]) -> None:
    world = trio(SUITE)
    bob = world.groups["bob"]
    bob.add_psk(b"door", b"secret")
    proposals = [
        mls.PreSharedKey(mls.PreSharedKeyID.external(b"door", bytes(length))) for length in nonces
    ]
    with disobedient():
        _, message = mls.Group.external_join(
            world.groups["alice"].group_info(),
            world.bundle("dave"),
            psks={b"door": b"secret"},
            psk_proposals=proposals,
            entropy=world.entropy,
        )
    check = Check.LIST_PSK_TWICE if len(nonces) == 2 else Check.PSK_NONCE
    refused(check, bob.stage, message)


Forge = Callable[..., Any]


def _forge_external_leaf(monkeypatch: pytest.MonkeyPatch, forge: Forge) -> None:
    """The leaf of the next external commits is what `forge` makes of it."""

    def bent(
        suite: Any, tree: Any, leaf: int, content: Any, signer: Any, group_id: bytes, *rest: Any
    ) -> NewPath:
        return create_path(
            suite, tree, leaf, lambda key: forge(content(key)), signer, group_id, *rest
        )

    monkeypatch.setattr(external, "create_path", bent)


def test_the_leaf_of_an_external_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """It meets what any leaf must, and beside an older self what an Update must (§12.2)."""
    world = trio(SUITE)
    alice, bob, carol = (world.groups[name] for name in ("alice", "bob", "carol"))
    node = carol._epoch.own_node
    unlisted = (Extension(0xF00F, b""),)
    key_of_bob = bob._epoch.own_node.encryption_key
    cases: list[tuple[Check, bool, Forge]] = [
        (Check.LEAF_EXTENSIONS, False, lambda one: replace(one, extensions=unlisted)),
        (Check.PATH_KEYS, False, lambda one: replace(one, encryption_key=key_of_bob)),
        (
            Check.LEAF_SAME_KEY,
            True,
            lambda one: replace(one, encryption_key=node.encryption_key),
        ),
        (
            Check.EXTERNAL_RESYNC,
            True,
            lambda one: replace(one, credential=Credential.basic(b"mallory")),
        ),
    ]
    for check, resync, forge in cases:
        bundle = world.bundle("carol" if resync else "dave")
        _forge_external_leaf(monkeypatch, forge)
        with disobedient():
            _, message = mls.Group.external_join(
                alice.group_info(), bundle, resync=resync, entropy=world.entropy
            )
        refused(check, bob.stage, message)


def test_the_leaf_of_an_external_commit_is_for_this_group(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    honest: Any = create_path

    def bent(*arguments: Any) -> Any:
        suite, tree, leaf, content, signer, _, *rest = arguments
        return honest(suite, tree, leaf, content, signer, b"another", *rest)

    monkeypatch.setattr(external, "create_path", bent)
    info = world.groups["alice"].group_info()
    _, message = mls.Group.external_join(info, world.bundle("dave"), entropy=world.entropy)
    refused(Check.LEAF_SIGNATURE, world.groups["bob"].stage, message)


def test_an_external_commit_is_signed_by_who_comes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    world = trio(SUITE)
    honest: Any = protection.sign
    other = suite_of(SUITE).generate_signature_key(world.entropy)

    def forged(suite: Any, wire_format: int, content: Any, _: Any, context: bytes) -> Any:
        return honest(suite, wire_format, content, other, context)

    monkeypatch.setattr(protection, "sign", forged)
    info = world.groups["alice"].group_info()
    _, message = mls.Group.external_join(info, world.bundle("dave"), entropy=world.entropy)
    refused(Check.SIGNATURE, world.groups["bob"].stage, message)
