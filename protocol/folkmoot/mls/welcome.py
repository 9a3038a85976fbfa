"""Welcome: the secrets of an epoch for those whom its commit added (RFC 9420 §12.4.3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.mls.commit import PROPOSALS_MAX, REFERENCE_BYTES_MAX, HPKECiphertext
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.wire import codec

SECRET_BYTES_MAX = 64
PSKS_MAX = 256


@dataclass(frozen=True, slots=True)
class GroupSecrets:
    """`GroupSecrets`; the path secret is of the lowest node above both newcomer and committer."""

    joiner_secret: bytes
    path_secret: bytes | None
    psks: tuple[PreSharedKeyID, ...]

    @classmethod
    def read(cls, reader: codec.Reader) -> GroupSecrets:
        return cls(
            reader.opaque(SECRET_BYTES_MAX),
            reader.optional(lambda inner: inner.opaque(SECRET_BYTES_MAX)),
            tuple(reader.vector(PreSharedKeyID.read, items_max=PSKS_MAX)),
        )

    def encode(self) -> bytes:
        path_secret = None if self.path_secret is None else codec.opaque(self.path_secret)
        return (
            codec.opaque(self.joiner_secret)
            + codec.optional(path_secret)
            + codec.vector(psk.encode() for psk in self.psks)
        )


@dataclass(frozen=True, slots=True)
class EncryptedGroupSecrets:
    """`EncryptedGroupSecrets`: for the key package with the reference `new_member` (32 bytes)."""

    new_member: bytes
    encrypted: HPKECiphertext

    @classmethod
    def read(cls, reader: codec.Reader) -> EncryptedGroupSecrets:
        return cls(reader.opaque(REFERENCE_BYTES_MAX), HPKECiphertext.read(reader))

    def encode(self) -> bytes:
        return codec.opaque(self.new_member) + self.encrypted.encode()


@dataclass(frozen=True, slots=True)
class Welcome:
    """`Welcome`: one ciphertext of the GroupInfo for all, and the secrets to open it for each."""

    suite: int
    secrets: tuple[EncryptedGroupSecrets, ...]
    encrypted_group_info: bytes

    @classmethod
    def read(cls, reader: codec.Reader) -> Welcome:
        return cls(
            reader.u16(),
            tuple(reader.vector(EncryptedGroupSecrets.read, items_max=PROPOSALS_MAX)),
            reader.opaque(),
        )

    def encode(self) -> bytes:
        return (
            codec.u16(self.suite)
            + codec.vector(secret.encode() for secret in self.secrets)
            + codec.opaque(self.encrypted_group_info)
        )
