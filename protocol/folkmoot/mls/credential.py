"""Credentials: what a member says it is (RFC 9420 §5.3). The application judges them."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.wire import codec

BASIC = 1
X509 = 2

# An identity of ours is a name and a seat; a foreign one may be longer, but not a memory bomb.
IDENTITY_BYTES_MAX = 1 << 16
CERTIFICATES_MAX = 16


@dataclass(frozen=True, slots=True)
class Credential:
    """`Credential` (§5.3): 1 and an `identity`, or 2 and DER `certificates`, leaf first."""

    type: int
    identity: bytes = b""
    certificates: tuple[bytes, ...] = ()

    @classmethod
    def basic(cls, identity: bytes) -> Credential:
        """A credential that is a bare identity."""
        return cls(BASIC, identity)

    @classmethod
    def read(cls, reader: codec.Reader) -> Credential:
        kind = reader.u16()
        if kind == BASIC:
            return cls(kind, reader.opaque(IDENTITY_BYTES_MAX))
        if kind == X509:
            certificates = reader.vector(
                lambda inner: inner.opaque(IDENTITY_BYTES_MAX), items_max=CERTIFICATES_MAX
            )
            return cls(kind, b"", tuple(certificates))
        # No length stands before a credential's content, so an unknown type cannot be stepped over.
        raise codec.DecodeError(f"credential type {kind} is not known")

    def encode(self) -> bytes:
        if self.type == BASIC:
            return codec.u16(BASIC) + codec.opaque(self.identity)
        return codec.u16(self.type) + codec.vector(codec.opaque(item) for item in self.certificates)
