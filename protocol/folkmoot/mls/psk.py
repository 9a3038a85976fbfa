"""Pre-shared keys: what names them, and how many become one (RFC 9420 §8.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot.mls.crypto import CipherSuite
from folkmoot.mls.errors import Check, ValidationError
from folkmoot.wire import codec

EXTERNAL = 1
RESUMPTION = 2

USAGE_APPLICATION = 1
USAGE_REINIT = 2
USAGE_BRANCH = 3

PSK_ID_BYTES_MAX = 1 << 10
NONCE_BYTES_MAX = 64
# `index` and `count` have 16 bits in PSKLabel.
PSKS_MAX = (1 << 16) - 1


@dataclass(frozen=True, slots=True)
class PreSharedKeyID:
    """`PreSharedKeyID` (§8.4): an external key by id, or an earlier epoch's by group and epoch.

    `usage` and `psk_epoch` are 0 and `psk_id` is the external id when `type` is EXTERNAL; else
    `psk_id` is the group's id. `nonce` has KDF.Nh fresh random bytes.
    """

    type: int
    psk_id: bytes
    nonce: bytes
    usage: int = 0
    psk_epoch: int = 0

    @classmethod
    def external(cls, psk_id: bytes, nonce: bytes) -> PreSharedKeyID:
        return cls(EXTERNAL, psk_id, nonce)

    @classmethod
    def resumption(cls, usage: int, group_id: bytes, epoch: int, nonce: bytes) -> PreSharedKeyID:
        return cls(RESUMPTION, group_id, nonce, usage, epoch)

    @classmethod
    def read(cls, reader: codec.Reader) -> PreSharedKeyID:
        kind = reader.u8()
        usage = epoch = 0
        if kind == EXTERNAL:
            psk_id = reader.opaque(PSK_ID_BYTES_MAX)
        elif kind == RESUMPTION:
            usage = reader.u8()
            if usage not in (USAGE_APPLICATION, USAGE_REINIT, USAGE_BRANCH):
                raise codec.DecodeError(f"no use {usage} of a resumption PSK is known")
            psk_id = reader.opaque(PSK_ID_BYTES_MAX)
            epoch = reader.u64()
        else:
            raise codec.DecodeError(f"no PSK type {kind} is known")
        return cls(kind, psk_id, reader.opaque(NONCE_BYTES_MAX), usage, epoch)

    def encode(self) -> bytes:
        if self.type == EXTERNAL:
            body = codec.opaque(self.psk_id)
        else:
            body = codec.u8(self.usage) + codec.opaque(self.psk_id) + codec.u64(self.psk_epoch)
        return codec.u8(self.type) + body + codec.opaque(self.nonce)

    @property
    def key(self) -> tuple[int, bytes, int]:
        """What the key itself is looked up by: all but nonce and use."""
        return self.type, self.psk_id, self.psk_epoch


def psk_secret(suite: CipherSuite, psks: Sequence[tuple[PreSharedKeyID, bytes]]) -> bytes:
    """All PSKs in one secret of KDF.Nh bytes, zero when there are none (§8.4)."""
    if len(psks) > PSKS_MAX:
        raise ValidationError(Check.PSK, f"{len(psks)} of them")
    zero = bytes(suite.nh)
    secret = zero
    count = codec.u16(len(psks))
    for index, (psk_id, psk) in enumerate(psks):
        label = psk_id.encode() + codec.u16(index) + count
        extracted = suite.extract(zero, psk)
        given = suite.expand_with_label(extracted, "derived psk", label, suite.nh)
        secret = suite.extract(given, secret)
    return secret
