"""Proposals: the changes that a commit may make (RFC 9420 §12.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from folkmoot.mls.extensions import MLS10, Extension, encode_extensions, read_extensions
from folkmoot.mls.group_context import GROUP_ID_BYTES_MAX
from folkmoot.mls.key_package import KeyPackage, frame_key_package, unframe_key_package
from folkmoot.mls.leaf_node import KEY_BYTES_MAX, LeafNode
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.wire import codec

ADD = 1
UPDATE = 2
REMOVE = 3
PSK = 4
REINIT = 5
EXTERNAL_INIT = 6
GROUP_CONTEXT_EXTENSIONS = 7

# Without a path these would not keep their promise (§12.4).
PATH_REQUIRED_TYPES = frozenset({UPDATE, REMOVE, EXTERNAL_INIT, GROUP_CONTEXT_EXTENSIONS})

CUSTOM_BYTES_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Add:
    """A newcomer. `key_package` is framed as an MLSMessage; malformed bytes raise MlsError."""

    key_package: bytes
    package: KeyPackage = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "package", unframe_key_package(self.key_package))

    @property
    def type(self) -> int:
        return ADD

    @classmethod
    def read(cls, reader: codec.Reader) -> Add:
        return cls(frame_key_package(KeyPackage.read(reader).encoded))

    def encode(self) -> bytes:
        return self.package.encoded


@dataclass(frozen=True, slots=True)
class Update:
    """The sender's new leaf (§12.1.2)."""

    leaf_node: LeafNode

    @property
    def type(self) -> int:
        return UPDATE

    @classmethod
    def read(cls, reader: codec.Reader) -> Update:
        return cls(LeafNode.read(reader))

    def encode(self) -> bytes:
        return self.leaf_node.encoded


@dataclass(frozen=True, slots=True)
class Remove:
    """Who shall go, by leaf index (§12.1.3)."""

    leaf: int

    @property
    def type(self) -> int:
        return REMOVE

    @classmethod
    def read(cls, reader: codec.Reader) -> Remove:
        return cls(reader.u32())

    def encode(self) -> bytes:
        return codec.u32(self.leaf)


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """A pre-shared key to be mixed in (§12.1.4)."""

    psk: PreSharedKeyID

    @property
    def type(self) -> int:
        return PSK

    @classmethod
    def read(cls, reader: codec.Reader) -> PreSharedKey:
        return cls(PreSharedKeyID.read(reader))

    def encode(self) -> bytes:
        return self.psk.encode()


@dataclass(frozen=True, slots=True)
class ReInit:
    """The group shall end and go on as another (§12.1.5)."""

    group_id: bytes
    suite: int
    extensions: tuple[Extension, ...] = ()
    version: int = MLS10

    @property
    def type(self) -> int:
        return REINIT

    @classmethod
    def read(cls, reader: codec.Reader) -> ReInit:
        group_id = reader.opaque(GROUP_ID_BYTES_MAX)
        version = reader.u16()
        return cls(group_id, reader.u16(), read_extensions(reader), version)

    def encode(self) -> bytes:
        return (
            codec.opaque(self.group_id)
            + codec.u16(self.version)
            + codec.u16(self.suite)
            + encode_extensions(self.extensions)
        )


@dataclass(frozen=True, slots=True)
class ExternalInit:
    """The KEM output by which an external joiner sets the init secret (§12.1.6)."""

    kem_output: bytes

    @property
    def type(self) -> int:
        return EXTERNAL_INIT

    @classmethod
    def read(cls, reader: codec.Reader) -> ExternalInit:
        return cls(reader.opaque(KEY_BYTES_MAX))

    def encode(self) -> bytes:
        return codec.opaque(self.kem_output)


@dataclass(frozen=True, slots=True)
class GroupContextExtensions:
    """The group's extensions, all of them anew (§12.1.7)."""

    extensions: Sequence[Extension]

    def __post_init__(self) -> None:
        object.__setattr__(self, "extensions", tuple(self.extensions))

    @property
    def type(self) -> int:
        return GROUP_CONTEXT_EXTENSIONS

    @classmethod
    def read(cls, reader: codec.Reader) -> GroupContextExtensions:
        return cls(read_extensions(reader))

    def encode(self) -> bytes:
        return encode_extensions(self.extensions)


@dataclass(frozen=True, slots=True)
class Custom:
    """A proposal of a type that RFC 9420 does not define; its meaning is the application's.

    The RFC leaves the content's form open. A length and bytes is what OpenMLS and mls-rs write,
    and it lets those who do not know the type step over it.
    """

    type: int
    data: bytes

    @classmethod
    def read(cls, reader: codec.Reader, kind: int) -> Custom:
        if kind == 0:
            raise codec.DecodeError("proposal type 0 is reserved")
        return cls(kind, reader.opaque(CUSTOM_BYTES_MAX))

    def encode(self) -> bytes:
        return codec.opaque(self.data)


Proposal: TypeAlias = (
    Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions | Custom
)

_READERS: dict[int, Callable[[codec.Reader], Proposal]] = {
    ADD: Add.read,
    UPDATE: Update.read,
    REMOVE: Remove.read,
    PSK: PreSharedKey.read,
    REINIT: ReInit.read,
    EXTERNAL_INIT: ExternalInit.read,
    GROUP_CONTEXT_EXTENSIONS: GroupContextExtensions.read,
}


def read_proposal(reader: codec.Reader) -> Proposal:
    """`Proposal` (§12.1): its type in 2 bytes, then its content."""
    kind = reader.u16()
    read = _READERS.get(kind)
    return Custom.read(reader, kind) if read is None else read(reader)


def encode_proposal(proposal: Proposal) -> bytes:
    return codec.u16(proposal.type) + proposal.encode()
