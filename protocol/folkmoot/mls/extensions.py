"""Extensions and the lists that say who supports what (RFC 9420 §7.2, §11.1, §12.1.8.1, §13.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from folkmoot.mls.credential import Credential
from folkmoot.wire import codec

APPLICATION_ID = 1
RATCHET_TREE = 2
REQUIRED_CAPABILITIES = 3
EXTERNAL_PUB = 4
EXTERNAL_SENDERS = 5

# Types that RFC 9420 defines: everybody has them, so nobody lists them (§7.2).
DEFAULT_EXTENSION_TYPES = frozenset(range(1, 6))
DEFAULT_PROPOSAL_TYPES = frozenset(range(1, 8))

EXTENSIONS_MAX = 64
CAPABILITIES_MAX = 256
EXTERNAL_SENDERS_MAX = 64

MLS10 = 1


@dataclass(frozen=True, slots=True)
class Extension:
    """`Extension` (§7.2): a type of 16 bits and its bytes."""

    type: int
    data: bytes

    @classmethod
    def read(cls, reader: codec.Reader) -> Extension:
        return cls(reader.u16(), reader.opaque())

    def encode(self) -> bytes:
        return codec.u16(self.type) + codec.opaque(self.data)


def read_extensions(reader: codec.Reader) -> tuple[Extension, ...]:
    """`Extension extensions<V>`, in which no type may stand twice (§13.4)."""
    extensions = tuple(reader.vector(Extension.read, items_max=EXTENSIONS_MAX))
    if len({extension.type for extension in extensions}) != len(extensions):
        raise codec.DecodeError("the same extension type twice")
    return extensions


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    return codec.vector(extension.encode() for extension in extensions)


def find(extensions: Iterable[Extension], kind: int) -> bytes | None:
    """The data of the extension of this type, or None."""
    return next((extension.data for extension in extensions if extension.type == kind), None)


def _read_u16_list(reader: codec.Reader) -> tuple[int, ...]:
    # In one go and not one by one: each leaf of a tree has five of them.
    data = reader.opaque(2 * CAPABILITIES_MAX)
    if len(data) % 2:
        raise codec.DecodeError("half a number in a list of numbers of 16 bits")
    return struct.unpack(f">{len(data) // 2}H", data)


def _encode_u16_list(values: Sequence[int]) -> bytes:
    return codec.vector(codec.u16(value) for value in values)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """`Capabilities` of a leaf (§7.2); unknown values are kept and mean nothing."""

    versions: tuple[int, ...]
    suites: tuple[int, ...]
    extensions: tuple[int, ...]
    proposals: tuple[int, ...]
    credentials: tuple[int, ...]

    @classmethod
    def read(cls, reader: codec.Reader) -> Capabilities:
        lists = [_read_u16_list(reader) for _ in range(5)]
        return cls(*lists)

    def encode(self) -> bytes:
        return b"".join(
            _encode_u16_list(values)
            for values in (
                self.versions,
                self.suites,
                self.extensions,
                self.proposals,
                self.credentials,
            )
        )

    def has_extension(self, kind: int) -> bool:
        return kind in DEFAULT_EXTENSION_TYPES or kind in self.extensions

    def has_proposal(self, kind: int) -> bool:
        return kind in DEFAULT_PROPOSAL_TYPES or kind in self.proposals


@dataclass(frozen=True, slots=True)
class RequiredCapabilities:
    """`RequiredCapabilities` (§11.1): what every member of a group must support."""

    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    @classmethod
    def read(cls, reader: codec.Reader) -> RequiredCapabilities:
        lists = [_read_u16_list(reader) for _ in range(3)]
        return cls(*lists)

    def encode(self) -> bytes:
        return b"".join(
            _encode_u16_list(values)
            for values in (self.extensions, self.proposals, self.credentials)
        )

    def met_by(self, capabilities: Capabilities) -> bool:
        """Whether a leaf with these capabilities may be a member."""
        return (
            all(capabilities.has_extension(kind) for kind in self.extensions)
            and all(capabilities.has_proposal(kind) for kind in self.proposals)
            and all(kind in capabilities.credentials for kind in self.credentials)
        )

    def extension(self) -> Extension:
        return Extension(REQUIRED_CAPABILITIES, self.encode())


@dataclass(frozen=True, slots=True)
class ExternalSender:
    """`ExternalSender` (§12.1.8.1): a key outside the group that may send proposals to it."""

    signature_key: bytes
    credential: Credential

    @classmethod
    def read(cls, reader: codec.Reader) -> ExternalSender:
        return cls(reader.opaque(), Credential.read(reader))

    def encode(self) -> bytes:
        return codec.opaque(self.signature_key) + self.credential.encode()


def read_external_senders(reader: codec.Reader) -> tuple[ExternalSender, ...]:
    return tuple(reader.vector(ExternalSender.read, items_max=EXTERNAL_SENDERS_MAX))


def external_senders_extension(senders: Iterable[ExternalSender]) -> Extension:
    return Extension(EXTERNAL_SENDERS, codec.vector(sender.encode() for sender in senders))


def required_capabilities(extensions: Iterable[Extension]) -> RequiredCapabilities | None:
    """The group's required capabilities, or None; raises DecodeError when they are malformed."""
    data = find(extensions, REQUIRED_CAPABILITIES)
    return None if data is None else codec.decode(RequiredCapabilities.read, data)


def external_senders(extensions: Iterable[Extension]) -> tuple[ExternalSender, ...]:
    """Who may send proposals from outside; raises DecodeError when the extension is malformed."""
    data = find(extensions, EXTERNAL_SENDERS)
    return () if data is None else codec.decode(read_external_senders, data)


def read_external_pub(reader: codec.Reader) -> bytes:
    """`ExternalPub` (§12.4.3.2): the HPKE public key for external commits."""
    return reader.opaque()
