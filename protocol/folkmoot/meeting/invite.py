"""The invite: one word that says where a meeting is, by which rules, and who invites to it
(architecture §6, "Invite").

Whoever holds the word can knock and hear that somebody knocks, nothing more: who comes in is
decided inside. It is signed, so that a relay or a web site that shows it cannot point it elsewhere,
and ends in a checksum, so that a word that was cut off in a chat is told from a forged one. The
charter's hash, which the newcomer holds the meeting to, is not in the word: the charter itself is
shorter than its hash.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from folkmoot.governance.charter import (
    CHARTER_BYTES_MAX,
    Charter,
    NewerCharterError,
    charter_hash,
)
from folkmoot.governance.extension import Relay
from folkmoot.governance.seat import seat_of
from folkmoot.meeting.relay_book import NAMED_MAX
from folkmoot.mls.errors import UsageError
from folkmoot.wire import codec
from folkmoot.wire.labels import (
    SECRET_BYTES,
    SIGNATURE_BYTES,
    Derive,
    Sign,
    derive,
    load_public_key,
    sign,
    verify,
)

SCHEME = "folkmoot:"
INVITE_VERSION = 2
GROUP_ID_BYTES_MIN = 16
GROUP_ID_BYTES_MAX = 32
KEY_BYTES = 32
RELAYS_MAX = NAMED_MAX
CHECKSUM_BYTES = 4
WORD_CHARACTERS_MAX = 4096
_CHECKSUM_PREFIX = b"Folkmoot 1 invite checksum"
# What chats and mail programs put around or into a word when it is copied.
_AROUND = "<>()[]{}\"'`.,;\u201c\u201d\u2018\u2019\u00ab\u00bb"


class InviteError(ValueError):
    """This invite cannot be used."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class NotAnInviteError(InviteError):
    """This is not an invite: an invite is one word that begins with "folkmoot:"."""


class TornInviteError(InviteError):
    """This invite is torn: a part of it is missing or was changed. Copy the whole word again."""


class NewerInviteError(InviteError):
    """This invite was made by a newer version of Folkmoot. Install that version to use it."""


class OlderInviteError(InviteError):
    """This invite was made by an older version of Folkmoot, whose meetings this one cannot be in.
    Ask for an invite of this version."""


class ForgedInviteError(InviteError):
    """This invite is not what who invited you signed. Ask them for another, by another way."""


def _checksum(data: bytes) -> bytes:
    return hashlib.sha256(_CHECKSUM_PREFIX + data).digest()[:CHECKSUM_BYTES]


def door_room_root(secret: bytes) -> bytes:
    """Root (32 bytes) of the door's room keys, from the secret that invite and members hold."""
    return derive(secret, Derive.DOOR_ROOM, b"")


def door_cell_secret(secret: bytes) -> bytes:
    """The secret (32 bytes) that seals the door's cells."""
    return derive(secret, Derive.DOOR_CELL, b"")


@dataclass(frozen=True, slots=True)
class Invite:
    """`group_id`: 16 to 32 bytes; `inviter_key`: Ed25519, 32; `door_key`: X25519 public key, 32, to
    which knocks are sealed; `door_secret`: 32; `relays`: 1 to 6."""

    group_id: bytes
    inviter_key: bytes
    door_key: bytes
    door_secret: bytes = field(repr=False)
    charter: Charter
    relays: tuple[Relay, ...]
    signature: bytes = field(repr=False)

    @classmethod
    def make(
        cls,
        *,
        group_id: bytes,
        inviter_private: Ed25519PrivateKey,
        door_key: bytes,
        door_secret: bytes,
        charter: Charter,
        relays: Sequence[Relay],
    ) -> Invite:
        """An invite signed by `inviter_private`, the key of the inviter's leaf."""
        key = inviter_private.public_key().public_bytes_raw()
        unsigned = cls(group_id, key, door_key, door_secret, charter, tuple(relays), b"")
        unsigned._check_sizes()
        signature = sign(inviter_private, Sign.INVITE, unsigned._signed_content())
        return replace(unsigned, signature=signature)

    def _check_sizes(self) -> None:
        if not GROUP_ID_BYTES_MIN <= len(self.group_id) <= GROUP_ID_BYTES_MAX:
            raise UsageError("a group id has 16 to 32 bytes")
        if len(self.door_key) != KEY_BYTES or len(self.door_secret) != SECRET_BYTES:
            raise UsageError("the door's key and secret have 32 bytes each")
        if not 1 <= len(self.relays) <= RELAYS_MAX:
            raise UsageError(f"an invite names 1 to {RELAYS_MAX} relays")

    @property
    def inviter_seat(self) -> bytes:
        """16 bytes: the seat of the inviter's key."""
        return seat_of(self.inviter_key)

    @property
    def charter_hash(self) -> bytes:
        """32 bytes: the charter that the newcomer agrees to, and no other."""
        return charter_hash(self.charter.encode())

    @property
    def room_root(self) -> bytes:
        """Root of the door's room keys."""
        return door_room_root(self.door_secret)

    @property
    def cell_secret(self) -> bytes:
        """The secret that seals the door's cells."""
        return door_cell_secret(self.door_secret)

    def _unsigned(self) -> bytes:
        return (
            codec.u8(INVITE_VERSION)
            + codec.opaque(self.group_id)
            + self.inviter_key
            + self.door_key
            + self.door_secret
            + codec.opaque(self.charter.encode())
            + codec.vector(relay.encode() for relay in self.relays)
        )

    def _signed_content(self) -> bytes:
        return codec.opaque(self.group_id) + self.inviter_seat + self._unsigned()

    def encode(self) -> bytes:
        """The whole invite with signature (64) and checksum (4)."""
        data = self._unsigned() + self.signature
        return data + _checksum(data)

    def word(self) -> str:
        """The invite as people pass it on: `folkmoot:` and base64url without padding."""
        return SCHEME + base64.urlsafe_b64encode(self.encode()).decode("ascii").rstrip("=")

    @classmethod
    def parse(cls, text: str) -> Invite:
        """The invite in `text`, which may be broken over lines or stand in brackets or quotes;
        raises InviteError, whose text is for people."""
        if len(text) > WORD_CHARACTERS_MAX:
            raise NotAnInviteError
        word = "".join(text.split()).strip(_AROUND)
        if word[: len(SCHEME)].lower() != SCHEME:
            raise NotAnInviteError
        body = word[len(SCHEME) :].rstrip("=")
        try:
            data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise TornInviteError from None
        if base64.urlsafe_b64encode(data).decode("ascii").rstrip("=") != body:
            raise TornInviteError  # bits left over at the end, or the other alphabet
        return cls.decode(data)

    @classmethod
    def decode(cls, data: bytes) -> Invite:
        """The invite of these bytes; raises InviteError."""
        content, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
        if not content or _checksum(content) != checksum:
            raise TornInviteError
        # Every version begins with its number and ends with this checksum, so that an old agent can
        # tell a new invite from a torn one.
        if content[0] > INVITE_VERSION:
            raise NewerInviteError
        if content[0] < INVITE_VERSION:
            raise OlderInviteError
        try:
            invite = codec.decode(cls._read, content)
        except NewerCharterError:
            raise NewerInviteError from None
        except codec.DecodeError:
            raise ForgedInviteError from None
        key = load_public_key(invite.inviter_key)
        if key is None or not verify(key, Sign.INVITE, invite._signed_content(), invite.signature):
            raise ForgedInviteError
        return invite

    @classmethod
    def _read(cls, reader: codec.Reader) -> Invite:
        reader.u8()  # the version
        group_id = reader.opaque(GROUP_ID_BYTES_MAX)
        if len(group_id) < GROUP_ID_BYTES_MIN:
            raise codec.DecodeError("a group id that is too short")
        key = reader.take(KEY_BYTES)
        door_key, door_secret = reader.take(KEY_BYTES), reader.take(SECRET_BYTES)
        if _of_low_order(door_key):
            raise codec.DecodeError("a door key that everybody can open")
        charter = Charter.decode(reader.opaque(CHARTER_BYTES_MAX))
        relays = tuple(reader.vector(Relay.read, items_max=RELAYS_MAX))
        if not relays:
            raise codec.DecodeError("no relay")
        signature = reader.take(SIGNATURE_BYTES)
        return cls(group_id, key, door_key, door_secret, charter, relays, signature)


def _of_low_order(public: bytes) -> bool:
    """Whether what is sealed to this X25519 key could be opened by everybody (RFC 7748 §6.1)."""
    probe = X25519PrivateKey.from_private_bytes(b"\x01" * KEY_BYTES)
    try:
        probe.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return True
    return False
