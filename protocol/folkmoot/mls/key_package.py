"""Key packages: how one who is not in the group yet can be added (RFC 9420 §10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from folkmoot.mls.credential import Credential
from folkmoot.mls.crypto import SUITES, SignaturePrivateKey, suite_of
from folkmoot.mls.errors import Check, MalformedError, MlsError, UsageError, ValidationError
from folkmoot.mls.extensions import (
    DEFAULT_EXTENSION_TYPES,
    MLS10,
    Capabilities,
    Extension,
    encode_extensions,
    read_extensions,
)
from folkmoot.mls.hpke import Entropy
from folkmoot.mls.leaf_node import (
    KEY_BYTES_MAX,
    LeafContent,
    LeafNode,
    LeafSource,
    Lifetime,
)
from folkmoot.wire import codec

WIRE_FORMAT_KEY_PACKAGE = 5
_FRAME = codec.u16(MLS10) + codec.u16(WIRE_FORMAT_KEY_PACKAGE)
_BUNDLE_VERSION = 1


@dataclass(frozen=True, slots=True)
class KeyPackage:
    """`KeyPackage` (§10). `encoded` is what was received; its hash is the reference."""

    suite: int
    init_key: bytes
    leaf_node: LeafNode
    extensions: tuple[Extension, ...]
    signature: bytes
    version: int
    encoded: bytes = field(repr=False)
    _content_bytes: int = field(repr=False)

    @classmethod
    def read(cls, reader: codec.Reader) -> KeyPackage:
        start = reader.position
        version = reader.u16()
        if version != MLS10:
            raise codec.DecodeError(f"MLS version {version} is not known")
        suite = reader.u16()
        init_key = reader.opaque(KEY_BYTES_MAX)
        leaf = LeafNode.read(reader)
        extensions = read_extensions(reader)
        content_bytes = reader.position - start
        signature = reader.opaque(KEY_BYTES_MAX)
        encoded = reader.since(start)
        return cls(suite, init_key, leaf, extensions, signature, version, encoded, content_bytes)

    def encode(self) -> bytes:
        return self.encoded

    def tbs(self) -> bytes:
        """`KeyPackageTBS`: what the signature with the label "KeyPackageTBS" covers."""
        return self.encoded[: self._content_bytes]

    def ref(self) -> bytes:
        """KeyPackageRef (§5.2), 32 bytes."""
        return suite_of(self.suite).make_key_package_ref(self.encoded)


def frame_key_package(encoded: bytes) -> bytes:
    """A KeyPackage as an MLSMessage (§6)."""
    return _FRAME + encoded


def unframe_key_package(framed: bytes) -> KeyPackage:
    """The KeyPackage in an MLSMessage; raises MalformedError. Nothing is verified yet."""
    if framed[: len(_FRAME)] != _FRAME:
        raise MalformedError(Check.WIRE_FORMAT, "not an MLSMessage with a key package")
    try:
        return codec.decode(KeyPackage.read, framed[len(_FRAME) :])
    except codec.DecodeError as error:
        raise MalformedError(Check.DECODE, str(error)) from None


def verify_key_package(package: KeyPackage) -> None:
    """The checks of a key package that need no group (§10.1, §7.3); raises MlsError."""
    suite = suite_of(package.suite)
    leaf = package.leaf_node
    if leaf.source is not LeafSource.KEY_PACKAGE:
        raise ValidationError(Check.LEAF_SOURCE, "a key package wants a leaf made for it")
    if package.init_key == leaf.encryption_key:
        raise ValidationError(Check.KEY_PACKAGE_INIT_KEY)
    capabilities = leaf.capabilities
    if package.suite not in capabilities.suites or MLS10 not in capabilities.versions:
        raise ValidationError(Check.KEY_PACKAGE_CAPABILITIES)
    suite.load_hpke_public(package.init_key)
    suite.load_hpke_public(leaf.encryption_key)
    key = suite.load_signature_public(leaf.signature_key)
    if not suite.verify_with_label(key, "LeafNodeTBS", leaf.tbs(b"", 0), leaf.signature):
        raise ValidationError(Check.LEAF_SIGNATURE)
    if not suite.verify_with_label(key, "KeyPackageTBS", package.tbs(), package.signature):
        raise ValidationError(Check.KEY_PACKAGE_SIGNATURE)


@dataclass(frozen=True, slots=True)
class KeyPackageView:
    """What a key package says; one exists only when its signatures verify."""

    ref: bytes
    suite: int
    identity: bytes
    signature_key: bytes
    encryption_key: bytes
    leaf_node: bytes
    not_before: int
    not_after: int
    leaf_extensions: tuple[Extension, ...]
    extensions: tuple[Extension, ...]
    valid: bool = True


def parse_key_package(framed: bytes) -> KeyPackageView:
    """Decodes and verifies an MLSMessage with a key package; raises MlsError."""
    package = unframe_key_package(framed)
    verify_key_package(package)
    leaf = package.leaf_node
    lifetime = leaf.lifetime
    assert lifetime is not None  # verified: the leaf's source is a key package
    return KeyPackageView(
        ref=package.ref(),
        suite=package.suite,
        identity=leaf.credential.identity,
        signature_key=leaf.signature_key,
        encryption_key=leaf.encryption_key,
        leaf_node=leaf.encoded,
        not_before=lifetime.not_before,
        not_after=lifetime.not_after,
        leaf_extensions=leaf.extensions,
        extensions=package.extensions,
    )


@dataclass(frozen=True, slots=True)
class KeyPackageBundle:
    """A key package of our own (`key_package` is framed as an MLSMessage) and its three secrets."""

    key_package: bytes
    ref: bytes
    init_private: bytes = field(repr=False)
    encryption_private: bytes = field(repr=False)
    signature_private: bytes = field(repr=False)

    @property
    def package(self) -> KeyPackage:
        return unframe_key_package(self.key_package)

    def encode(self) -> bytes:
        """For saving: secret."""
        return codec.u8(_BUNDLE_VERSION) + b"".join(
            codec.opaque(part)
            for part in (
                self.key_package,
                self.init_private,
                self.encryption_private,
                self.signature_private,
            )
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> KeyPackageBundle:
        if reader.u8() != _BUNDLE_VERSION:
            raise codec.DecodeError("a key package bundle of another version")
        framed, init, encryption, signature = (reader.opaque() for _ in range(4))
        return cls(framed, unframe_key_package(framed).ref(), init, encryption, signature)

    @classmethod
    def decode(cls, data: bytes) -> KeyPackageBundle:
        """What `encode` gave; raises MlsError."""
        try:
            bundle = codec.decode(cls.read, data)
        except codec.DecodeError as error:
            raise MlsError(Check.SAVED_STATE, str(error)) from None
        bundle.check()
        return bundle

    def check(self) -> None:
        """That the secrets are those of the key package; raises MlsError."""
        package = self.package
        suite, leaf = suite_of(package.suite), package.leaf_node
        if (
            suite.load_hpke_private(self.init_private).public.data != package.init_key
            or suite.load_hpke_private(self.encryption_private).public.data != leaf.encryption_key
            or suite.load_signature_private(self.signature_private).public.data
            != leaf.signature_key
        ):
            raise MlsError(Check.PRIVATE_KEY, "not the secrets of this key package")


def own_capabilities(
    extension_types: Sequence[int] = (), proposal_types: Sequence[int] = ()
) -> Capabilities:
    """What we support: mls10, our suites, basic credentials, and what the application adds."""
    return Capabilities(
        versions=(MLS10,),
        suites=tuple(SUITES),
        extensions=tuple(extension_types),
        proposals=tuple(proposal_types),
        credentials=(1,),
    )


def create_key_package(
    suite: int,
    identity: bytes,
    entropy: Entropy,
    *,
    signature_private: bytes | None = None,
    leaf_extensions: Sequence[Extension] = (),
    extensions: Sequence[Extension] = (),
    extension_types: Sequence[int] = (),
    proposal_types: Sequence[int] = (),
    not_before: int = 0,
    not_after: int = 2**64 - 1,
) -> KeyPackageBundle:
    """A fresh key package with fresh keys (the 32-byte signature key may be given).

    Types of `leaf_extensions` and `extensions` are added to the capabilities (§7.2).
    """
    chosen = suite_of(suite)
    supported = list(extension_types)
    for extension in (*leaf_extensions, *extensions):
        if extension.type not in supported and extension.type not in DEFAULT_EXTENSION_TYPES:
            supported.append(extension.type)
    for listed in (leaf_extensions, extensions):
        if len({extension.type for extension in listed}) != len(listed):
            raise UsageError("the same extension type twice")
    signer: SignaturePrivateKey = (
        chosen.generate_signature_key(entropy)
        if signature_private is None
        else chosen.load_signature_private(signature_private)
    )
    init = chosen.generate_hpke_key(entropy)
    encryption = chosen.generate_hpke_key(entropy)
    leaf = LeafContent(
        encryption.public.data,
        signer.public.data,
        Credential.basic(identity),
        own_capabilities(supported, proposal_types),
        tuple(leaf_extensions),
    ).sign_for_key_package(
        Lifetime(not_before, not_after),
        lambda content: chosen.sign_with_label(signer, "LeafNodeTBS", content),
    )
    content = (
        codec.u16(MLS10)
        + codec.u16(suite)
        + codec.opaque(init.public.data)
        + leaf.encoded
        + encode_extensions(extensions)
    )
    signature = chosen.sign_with_label(signer, "KeyPackageTBS", content)
    encoded = content + codec.opaque(signature)
    return KeyPackageBundle(
        key_package=frame_key_package(encoded),
        ref=chosen.make_key_package_ref(encoded),
        init_private=init.data,
        encryption_private=encryption.data,
        signature_private=signer.data,
    )
