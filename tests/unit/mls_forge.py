"""Key packages and leaves that say what they should not, signed as they should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import committing, path
from folkmoot.mls.credential import Credential
from folkmoot.mls.crypto import SignaturePrivateKey, suite_of
from folkmoot.mls.extensions import Capabilities, Extension
from folkmoot.mls.key_package import frame_key_package
from folkmoot.mls.leaf_node import LeafContent, LeafNode, Lifetime
from folkmoot.wire import codec
from unit.mls_groups import CUSTOM_EXTENSION, GROUP_ID, World

FOR_EVER = Lifetime(0, 2**64 - 1)


class Forge:
    """A key package that is signed as it should be, whatever it says."""

    def __init__(self, world: World) -> None:
        self.suite = suite_of(world.suite)
        self.signer = self.suite.generate_signature_key(world.entropy)
        self.init = self.suite.generate_hpke_key(world.entropy)
        self.encryption = self.suite.generate_hpke_key(world.entropy).public.data
        self.capabilities = Capabilities((1,), (1, 2, 3), (CUSTOM_EXTENSION,), (), (1,))
        self.credential = Credential.basic(b"mallory")
        self.extensions: tuple[Extension, ...] = ()
        self.lifetime = FOR_EVER
        self.update = False
        self.break_leaf = self.break_package = False

    def _sign(self, label: str, content: bytes) -> bytes:
        return self.suite.sign_with_label(self.signer, label, content)

    def leaf(self) -> LeafNode:
        content = LeafContent(
            self.encryption,
            self.signer.public.data,
            self.credential,
            self.capabilities,
            self.extensions,
        )
        label = "another label" if self.break_leaf else "LeafNodeTBS"

        def sign(tbs: bytes) -> bytes:
            return self._sign(label, tbs)

        if self.update:
            return content.sign_for_update(GROUP_ID, 3, sign)
        return content.sign_for_key_package(self.lifetime, sign)

    def add(self) -> mls.Add:
        content = (
            codec.u16(1)
            + codec.u16(self.suite.id)
            + codec.opaque(self.init.public.data)
            + self.leaf().encoded
            + codec.vector([])
        )
        label = "another label" if self.break_package else "KeyPackageTBS"
        return mls.Add(frame_key_package(content + codec.opaque(self._sign(label, content))))


@dataclass(frozen=True)
class Bend:
    """What is wrong with a leaf, however it comes into the tree; all else is as it should be."""

    change: Callable[[World, LeafContent], LeafContent] = lambda _, content: content
    signer: str = ""  # who signs instead of its owner
    garbled: bool = False  # whether something else is signed
    group_id: bytes = GROUP_ID
    leaf: int | None = None
    lifetime: Lifetime = FOR_EVER

    def key_of(self, world: World, name: str) -> SignaturePrivateKey:
        return world.groups[self.signer or name]._epoch.signer

    def sign(self, signer: SignaturePrivateKey) -> Callable[[bytes], bytes]:
        suite = suite_of(1)
        end = b"!" if self.garbled else b""
        return lambda tbs: suite.sign_with_label(signer, "LeafNodeTBS", tbs + end)

    def add(self, world: World, name: str) -> mls.Add:
        """A key package of a newcomer."""
        bundle = world.bundle(name)
        package, suite = bundle.package, suite_of(world.suite)
        own = suite.load_signature_private(bundle.signature_private)
        signer = world.groups[self.signer]._epoch.signer if self.signer else own
        honest = LeafContent.of(package.leaf_node, package.leaf_node.encryption_key)
        leaf = self.change(world, honest).sign_for_key_package(self.lifetime, self.sign(signer))
        content = (
            codec.u16(1)
            + codec.u16(world.suite)
            + codec.opaque(package.init_key)
            + leaf.encoded
            + codec.vector([])
        )
        signature = suite.sign_with_label(signer, "KeyPackageTBS", content)
        return mls.Add(frame_key_package(content + codec.opaque(signature)))

    def update(self, world: World, name: str) -> mls.Update:
        """An Update of a member, who gives itself a fresh key."""
        epoch = world.groups[name]._epoch
        fresh = epoch.suite.generate_hpke_key(world.entropy).public.data
        content = self.change(world, LeafContent.of(epoch.own_node, fresh))
        leaf = epoch.own_leaf if self.leaf is None else self.leaf
        sign = self.sign(self.key_of(world, name))
        return mls.Update(content.sign_for_update(self.group_id, leaf, sign))

    def in_paths(self, world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on this is the leaf that a commit of `name` gives it."""
        signer = _BentSigner(self.key_of(world, name), self.garbled)

        def create_path(
            suite: Any, tree: Any, leaf: int, content: Any, own: Any, group_id: bytes, *rest: Any
        ) -> Any:
            def bent(key: bytes) -> LeafContent:
                return self.change(world, content(key))

            return path.create_path(suite, tree, leaf, bent, signer, self.group_id, *rest)

        monkeypatch.setattr(committing, "create_path", create_path)


class _BentSigner:
    """A signature key that signs, if it shall, something else than it was given."""

    def __init__(self, key: SignaturePrivateKey, garbled: bool) -> None:
        self.data, self.public, self._key, self._garbled = key.data, key.public, key, garbled

    def sign(self, content: bytes) -> bytes:
        return self._key.sign(content + b"!" if self._garbled else content)
