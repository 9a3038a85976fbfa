"""Each way in which a leaf can be wrong (RFC 9420 §7.3), at each place where one comes in: in an
Add, in an Update, in the path of a commit, and in the tree that a newcomer is given. The check that
refuses it is the same at all of them, but where an earlier one has a name of its own for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import key_package
from folkmoot.mls.credential import Credential
from folkmoot.mls.errors import Check
from folkmoot.mls.extensions import Capabilities, Extension
from folkmoot.mls.leaf_node import LeafContent, Lifetime
from unit.mls_forge import Bend
from unit.mls_groups import (
    CUSTOM_EXTENSION,
    CUSTOM_PROPOSAL,
    World,
    disobedient,
    refused,
)

SUITE = 1
BOB, CAROL = 1, 2
X509 = 2  # a type of credential that all members support and nobody has
PLACES = ("add", "update", "path", "tree")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Alice, bob and carol in a group that requires one of everything."""
    honest = key_package.own_capabilities

    def wide(*types: Any) -> Capabilities:
        return replace(honest(*types), credentials=(1, X509))

    monkeypatch.setattr(key_package, "own_capabilities", wide)
    required = mls.RequiredCapabilities((CUSTOM_EXTENSION,), (CUSTOM_PROPOSAL,), (X509,))
    world = World(SUITE)
    world.create("alice", [required.extension(), Extension(CUSTOM_EXTENSION, b"rules")])
    world.add("alice", "bob", "carol")
    for name in ("bob", "carol", "alice"):
        world.commit(name)
    return world


def _capabilities(**change: tuple[int, ...]) -> Callable[[World, LeafContent], LeafContent]:
    return lambda _, content: replace(content, capabilities=replace(content.capabilities, **change))


def _of_carol(field: str) -> Callable[[World, LeafContent], LeafContent]:
    def change(world: World, content: LeafContent) -> LeafContent:
        carol = world.groups["alice"].member(CAROL)
        return replace(content, **{field: getattr(carol, field)})

    return change


def _certificate(world: World, content: LeafContent) -> LeafContent:
    return replace(content, credential=Credential(X509, certificates=(b"a certificate",)))


def _only_certificates(world: World, content: LeafContent) -> LeafContent:
    """Others support its type, and it does not support theirs."""
    narrow = replace(content.capabilities, credentials=(X509,))
    return replace(_certificate(world, content), capabilities=narrow)


def _no_basic(world: World, content: LeafContent) -> LeafContent:
    return replace(content, capabilities=replace(content.capabilities, credentials=(X509,)))


def _unlisted_extension(world: World, content: LeafContent) -> LeafContent:
    return replace(content, extensions=(Extension(0xF00F, b""),))


def _same_key(world: World, content: LeafContent) -> LeafContent:
    """The encryption key of the leaf that this one replaces, whoever's that is."""
    for member in world.groups["alice"].members():
        if member.signature_key == content.signature_key:
            return replace(content, encryption_key=member.encryption_key)
    raise AssertionError("a leaf of nobody")


def _key(data: bytes) -> Callable[[World, LeafContent], LeafContent]:
    return lambda _, content: replace(content, encryption_key=data)


# A defect, the check that refuses it, and places where another does, or where it cannot be.
Elsewhere = dict[str, Check | None]
DEFECTS: list[tuple[str, Bend, Check, Elsewhere]] = [
    (
        "no basic credential",
        Bend(_no_basic),
        Check.LEAF_CREDENTIAL,
        {"tree": Check.LEAF_CREDENTIAL_SHARED},
    ),
    ("types of others", Bend(_only_certificates), Check.LEAF_CREDENTIAL_SHARED, {}),
    ("no extension", Bend(_capabilities(extensions=())), Check.LEAF_REQUIRED, {}),
    ("no proposal", Bend(_capabilities(proposals=())), Check.LEAF_REQUIRED, {}),
    ("no credential", Bend(_capabilities(credentials=(1,))), Check.LEAF_REQUIRED, {}),
    ("unlisted extension", Bend(_unlisted_extension), Check.LEAF_EXTENSIONS, {}),
    (
        "no suite",
        Bend(_capabilities(suites=(2, 3))),
        Check.LEAF_SUITE,
        {"add": Check.KEY_PACKAGE_CAPABILITIES},
    ),
    (
        "no version",
        Bend(_capabilities(versions=(2,))),
        Check.LEAF_SUITE,
        {"add": Check.KEY_PACKAGE_CAPABILITIES},
    ),
    ("another's signature", Bend(signer="carol"), Check.LEAF_SIGNATURE, {}),
    ("another content", Bend(garbled=True), Check.LEAF_SIGNATURE, {}),
    ("another group", Bend(group_id=b"another"), Check.LEAF_SIGNATURE, {"add": None}),
    (
        "another leaf",
        Bend(leaf=7),
        Check.LEAF_SIGNATURE,
        {"add": None, "path": None, "tree": None},
    ),
    (
        "carol's signature key",
        Bend(_of_carol("signature_key"), signer="carol"),
        Check.LEAF_SIGNATURE_KEY,
        # Its owner would have to sign the GroupInfo too: `test_trees` hands over such a tree.
        {"add": Check.LIST_ADD_MEMBER, "tree": None},
    ),
    (
        "carol's encryption key",
        Bend(_of_carol("encryption_key")),
        Check.LEAF_ENCRYPTION_KEY,
        {"path": Check.PATH_KEYS},
    ),
    (
        "the key that it replaces",
        Bend(_same_key),
        Check.LEAF_SAME_KEY,
        {"add": None, "tree": None},
    ),
    # With such an Update in it no commit can be made at all: see below.
    ("a key of no curve", Bend(_key(b"short")), Check.PUBLIC_KEY, {"update": None}),
    ("a key of low order", Bend(_key(bytes(32))), Check.PUBLIC_KEY, {"update": None}),
    (
        "a lifetime that ends before it begins",
        Bend(lifetime=Lifetime(2, 1)),
        Check.LEAF_LIFETIME,
        {"update": None, "path": None, "tree": None},
    ),
]
CASES = [
    pytest.param(place, bend, elsewhere.get(place, check), id=f"{place}: {name}")
    for name, bend, check, elsewhere in DEFECTS
    for place in PLACES
    if elsewhere.get(place, check) is not None
]
GOOD = [
    Bend(),
    # Types and values that nobody knows mean nothing and do no harm (§7.2, §13.5).
    Bend(_capabilities(suites=(1, 0x0A0A), proposals=(CUSTOM_PROPOSAL, 0x1A1A))),
    Bend(_capabilities(credentials=(1, X509, 0x2A2A))),
    Bend(_certificate),
]


class Sent:
    """A commit of alice with the leaf at one place, and what looks at it."""

    def __init__(
        self, world: World, place: str, bend: Bend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.world = world
        self.newcomer = world.bundle("dave")
        self.proposal = b""
        alice, carol = world.groups["alice"], world.groups["carol"]
        proposals: list[mls.Add | mls.ProposalRef] = []
        with disobedient():
            if place == "add":
                proposals = [bend.add(world, "erin")]
            elif place == "tree":
                proposals = [mls.Add(self.newcomer.key_package)]
            elif place == "update":
                bob = world.groups["bob"]
                self.proposal = bob.propose(bend.update(world, "bob"), entropy=world.entropy)
                for group in (alice, carol):
                    group.receive(self.proposal)
                proposals = [*alice.stored_references()]
            if place in ("path", "tree"):
                bend.in_paths(world, "alice", monkeypatch)
            self.proposals = proposals
            self.created = alice.commit(proposals, entropy=world.entropy)

    def join(self) -> mls.Group:
        assert self.created.welcome is not None
        return mls.Group.join(self.created.welcome, self.newcomer)


@pytest.mark.parametrize(("place", "bend", "check"), CASES)
def test_a_leaf(
    place: str, bend: Bend, check: Check, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Sent(world, place, bend, monkeypatch)
    alice, carol = world.groups["alice"], world.groups["carol"]
    if place == "tree":
        refused(check, sent.join)
        return
    refused(check, carol.stage, sent.created.message)
    if place != "path":
        # An honest committer does not make it either.
        refused(check, alice.commit, sent.proposals, entropy=world.entropy)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("bend", GOOD)
def test_the_same_leaf_without_a_defect(
    place: str, bend: Bend, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = Sent(world, place, bend, monkeypatch)
    staged = world.groups["carol"].stage(sent.created.message)
    assert staged.group is not None
    if place == "tree":
        assert sent.join().epoch_authenticator == staged.group.epoch_authenticator


@pytest.mark.parametrize("key", [b"short", bytes(32)])
def test_an_update_to_what_is_no_key(key: bytes, world: World) -> None:
    bob, carol = world.groups["bob"], world.groups["carol"]
    update = Bend(_key(key)).update(world, "bob")
    carol.receive(bob.propose(update, entropy=world.entropy))
    references = carol.stored_references()
    # It spoils nobody's commit: of what came in, that which can be committed is chosen.
    assert references == []
    reference = mls.ProposalRef(next(iter(carol._epoch.stored)))
    refused(Check.PUBLIC_KEY, carol.commit, [reference], entropy=world.entropy)


def test_an_update_is_looked_at_when_it_comes(world: World) -> None:
    """What needs no commit to be seen is refused before it is stored."""
    bob, carol = world.groups["bob"], world.groups["carol"]
    with disobedient():
        message = bob.propose(Bend(_same_key).update(world, "bob"), entropy=world.entropy)
    refused(Check.LEAF_SAME_KEY, carol.receive, message)
    assert carol.stored_references() == []
