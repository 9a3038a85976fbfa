"""Groups for tests: seeded members who follow each other, and one who does not obey."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import validation

SUITES = (1, 2, 3)
GROUP_ID = b"a group"
CUSTOM_PROPOSAL = 0xF001
CUSTOM_EXTENSION = 0xF002


class World:
    """Members by name, all in the same epoch; every commit is followed by everybody."""

    def __init__(self, suite: int, seed: int = 0) -> None:
        self.suite = suite
        self.entropy = random.Random(f"{suite} {seed}").randbytes
        self.groups: dict[str, mls.Group] = {}

    def bundle(self, name: str, **more: Any) -> mls.KeyPackageBundle:
        return mls.create_key_package(
            more.pop("suite", self.suite),
            name.encode(),
            self.entropy,
            **{
                "extension_types": [CUSTOM_EXTENSION],
                "proposal_types": [CUSTOM_PROPOSAL],
                **more,
            },
        )

    def create(self, name: str = "alice", extensions: Sequence[mls.Extension] = ()) -> mls.Group:
        group = mls.Group.create(
            self.suite, GROUP_ID, self.bundle(name), extensions, entropy=self.entropy
        )
        self.groups[name] = group
        return group

    def commit(
        self, name: str, proposals: Sequence[Any] = (), **options: Any
    ) -> tuple[mls.Created, dict[str, mls.Staged]]:
        """A commit by one member, followed by all others who are in the group."""
        created = self.groups[name].commit(proposals, entropy=self.entropy, **options)
        return created, self.follow(name, created)

    def follow(self, name: str, created: mls.Created) -> dict[str, mls.Staged]:
        staged = {
            other: created.staged if other == name else group.stage(created.message)
            for other, group in self.groups.items()
        }
        self.groups = {other: one.merge() for other, one in staged.items() if one.group is not None}
        self.check()
        return staged

    def add(self, name: str, *newcomers: str, **options: Any) -> mls.Created:
        bundles = {one: self.bundle(one) for one in newcomers}
        adds = [mls.Add(bundle.key_package) for bundle in bundles.values()]
        created, _ = self.commit(name, adds, **options)
        assert created.welcome is not None
        tree = self.groups[name].ratchet_tree()
        for one, bundle in bundles.items():
            whole = options.get("tree_extension", True)
            self.groups[one] = mls.Group.join(
                created.welcome, bundle, ratchet_tree=None if whole else tree
            )
        self.check()
        return created

    def leaf(self, name: str) -> int:
        return self.groups[name].own_leaf

    def check(self) -> None:
        """All agree on the epoch, hear each other, and hold the same tree."""
        groups = list(self.groups.values())
        assert len({group.epoch_authenticator for group in groups}) == 1
        assert len({group.ratchet_tree() for group in groups}) == 1
        assert len({group.export("test", b"context", 40) for group in groups}) == 1
        for group in groups:
            assert group.tree_hash == group.computed_tree_hash()
            assert group.member(group.own_leaf) is not None

    def check_talk(self) -> None:
        for name, group in self.groups.items():
            message = group.seal(name.encode(), b"data", entropy=self.entropy)
            for other, listener in self.groups.items():
                if other != name:
                    heard = listener.receive(message)
                    assert heard == mls.Application(group.own_leaf, name.encode(), b"data")


def trio(suite: int, seed: int = 0) -> World:
    """Alice, bob and carol, each having committed once."""
    world = World(suite, seed)
    world.create("alice")
    world.add("alice", "bob", "carol")
    for name in ("bob", "carol", "alice"):
        world.commit(name)
    return world


def state_of(group: mls.Group) -> tuple[object, ...]:
    """All of a group that a refused message may not change; keys may be derived, not used."""
    return (
        group.epoch_authenticator,
        group.context,
        group.ratchet_tree(),
        group.confirmation_tag,
        group.export("state", b"", 32),
        group.stored_references(),
        group.pending_reinit,
    )


@contextmanager
def disobedient() -> Iterator[None]:
    """Who acts in here skips every check of `validation`: what it sends, others must refuse."""
    with pytest.MonkeyPatch.context() as patch:
        for name in dir(validation):
            if name.startswith("check_"):
                patch.setattr(validation, name, lambda *_args, **_more: None)
        patch.setattr(validation.GroupRules, "check", lambda *_args: None)
        patch.setattr(
            validation.GroupRules,
            "of",
            classmethod(lambda cls, suite, extensions: cls(suite, mls.RequiredCapabilities(), ())),
        )
        for name in ("check_leaf", "check_key_package"):
            patch.setattr(validation.VerifiedLeaves, name, lambda *_args: None)
        yield


def refused(
    check: mls.Check, act: Callable[..., object], *arguments: Any, **named: Any
) -> mls.MlsError:
    """That `act` is refused by exactly this check, and the group whose method it is stays the same
    to the byte."""
    group = getattr(act, "__self__", None)
    before = group.save() if isinstance(group, mls.Group) else b""
    with pytest.raises(mls.MlsError) as caught:
        act(*arguments, **named)
    assert caught.value.check is check, str(caught.value)
    if isinstance(group, mls.Group):
        assert group.save() == before
    return caught.value
