"""Key packages that say what they should not, signed as they should be."""

from __future__ import annotations

from folkmoot import mls
from folkmoot.mls.credential import Credential
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.extensions import Capabilities, Extension
from folkmoot.mls.key_package import frame_key_package
from folkmoot.mls.leaf_node import LeafContent, LeafNode, Lifetime
from folkmoot.wire import codec
from unit.mls_groups import CUSTOM_EXTENSION, GROUP_ID, World


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
        self.lifetime = Lifetime(0, 2**64 - 1)
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
