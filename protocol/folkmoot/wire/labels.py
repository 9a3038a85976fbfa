"""One signing function, one derivation function, and the registry of every label for them.

One key, one purpose, with a label: a signature or secret made for one use means nothing in another.
Signatures are Ed25519 over RFC 9420's SignContent (§5.1.2) with our own prefix, so that nothing
signed here can pass for an MLS signature although members use their leaf's key for both. Secrets
are HKDF-SHA256 expansions over the shape of RFC 9420's KDFLabel (§8).
"""

from __future__ import annotations

import enum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from folkmoot.wire import codec

PREFIX = b"Folkmoot 1 "
SECRET_BYTES = 32
SIGNATURE_BYTES = 64
# Under a public key of small order one signature is good for every message, so nobody could be held
# to what they signed. These are all encodings of such points, without the sign bit.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


class Sign(enum.Enum):
    """What may be signed. Except for ROOM_PROOF the content begins with group id and seat."""

    ROOM_PROOF = b"room proof"  # by the room's key: pin, room id, lane slot, direction, challenge
    BEACON = b"beacon"
    NAMING = b"naming"
    FAREWELL = b"farewell"
    READMISSION = b"readmission"
    ADMISSION = b"admission"  # by a sponsor: reference of the newcomer's key package
    INVITE = b"invite"
    MOTION = b"motion"
    BALLOT = b"ballot"
    CALL = b"call"  # to walk out together
    CALL_REPLY = b"call reply"
    CALL_GO = b"call go"
    VOICE_CELL = b"voice cell"
    PICTURE_FRAME = b"picture frame"


class Derive(enum.Enum):
    """What may be derived."""

    ROOM_KEY = b"room key"  # room root -> Ed25519 seed of a room: pin, lane
    ROOM_ROOT = b"room root"  # exporter secret of a commit that takes a seat away -> new room root
    DOOR_KEY = b"door key"  # exporter secret of a removal -> X25519 private key that opens knocks
    DOOR_SECRET = b"door secret"  # exporter secret of a removal -> what the new invites hold
    DOOR_ROOM = b"door room"  # invite's door secret -> room root of the door
    DOOR_CELL = b"door cell"  # invite's door secret -> secret that seals the door's cells
    PARCEL = b"parcel"  # exporter secret, hash of a long answer at the door -> AES key and nonce
    SIGNALLING = b"signalling"  # exporter secret -> signalling secret
    SIGNALLING_STEP = b"signalling step"  # signalling secret -> the next one, at a commit that adds
    COUNCIL_CELL = b"council cell"  # signalling secret, 16 random bytes -> AES key and nonce
    MEDIA_COPY = b"media copy"  # SFrame base key of the epoch, pin -> base key of that relay's copy
    HEADER_MASK = b"header mask"  # base key of a copy, lane -> AES key that masks the header


def _sign_content(label: Sign, content: bytes) -> bytes:
    return codec.opaque(PREFIX + label.value) + codec.opaque(content)


def sign(key: Ed25519PrivateKey, label: Sign, content: bytes) -> bytes:
    """64 bytes of Ed25519 signature over `content`."""
    return key.sign(_sign_content(label, content))


def verify(key: Ed25519PublicKey, label: Sign, content: bytes, signature: bytes) -> bool:
    """Whether `signature` over `content` is by `key`; never raises."""
    try:
        key.verify(signature, _sign_content(label, content))
    except InvalidSignature:
        return False
    return True


def load_public_key(data: bytes) -> Ed25519PublicKey | None:
    """The Ed25519 key of these 32 bytes, or None when they are none or a point of small order."""
    if data[:31] + bytes(one & 0x7F for one in data[31:]) in _SMALL_ORDER:
        return None
    try:
        return Ed25519PublicKey.from_public_bytes(data)
    except ValueError:
        return None


def derive(secret: bytes, label: Derive, context: bytes, length: int = SECRET_BYTES) -> bytes:
    """`length` bytes expanded from a uniformly random `secret` for one purpose and `context`."""
    info = codec.u16(length) + codec.opaque(PREFIX + label.value) + codec.opaque(context)
    return HKDFExpand(hashes.SHA256(), length, info).derive(secret)
