"""What travels through the door: knocks to the members, answers to one newcomer (architecture §4,
"Lane").

A knock is sealed to the door's public key, which only members can open, and an answer to a key
that only the knock names; so neither a relay nor another holder of the invite reads who comes.
Proof of work makes a flood cost something and orders those who wait; it admits nobody.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from folkmoot.governance.evidence import Readmission, read_evidence
from folkmoot.meeting.records import AUTHENTICATOR_BYTES, HANDSHAKE_BYTES_MAX, NAME_BYTES_MAX
from folkmoot.mls import MlsError, UsageError, hpke
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError

KEY_BYTES = 32
REFERENCE_BYTES = 32
TAG_BYTES = 8
NONCE_BYTES = 8
KNOCK_VERSION = 1
KEY_PACKAGE_BYTES_MAX = 720
# All knocks have one size, which a cell just holds: so one cell is one knock, and who else has the
# invite learns neither how long the name is nor whether a member comes back.
KNOCK_BYTES = 1056
KNOCK_SEALED_BYTES = KNOCK_BYTES + 16
SEALED_BYTES_MAX = 1 << 20
TREE_BYTES_MAX = 1 << 19
WELCOME_BYTES_MAX = 1 << 18
HANDSHAKES_MAX = 64
SENTENCE_BYTES_MAX = 300
PARCEL_NAME_BYTES = 16
PARCEL_KEY_BYTES = 28
SIGNED_NAMING_BYTES_MAX = 160
WITNESSES_MAX = 1024  # as many as can vote
WORK_BITS_MIN = 10  # a thousand hashes: nothing for a person, something for a flood
WORK_BITS_MAX = 18
# What a refusal may say: it comes from whoever is inside, and is shown as our own program's words.
NO_SUCH_MEMBER = "This meeting has no such member any more: ask to be invited anew."
SAID_NO = "Somebody inside said no."
VOID = "This invite is void since somebody was removed: ask for another."
SENTENCES = (NO_SUCH_MEMBER, SAID_NO, VOID)
_WORK_PREFIX = b"Folkmoot 1 work"
_KNOCK_INFO = b"Folkmoot 1 knock"
_ANSWER_INFO = b"Folkmoot 1 answer"
_HPKE = hpke.HpkeSuite(hpke.KEM_X25519, hpke.AES_128_GCM)

Entropy = Callable[[int], bytes]


class DoorKind(enum.IntEnum):
    """The first byte of a message."""

    KNOCK = 1
    ANSWER = 2
    NOTICE = 3
    PARCEL = 4


class AnswerKind(enum.IntEnum):
    """The first byte of an answer's plaintext."""

    WAITING = 1
    WELCOME = 2
    CATCH_UP = 3
    REFUSED = 4
    LEAF = 5
    PARCEL = 6
    WITNESSES = 7


@dataclass(frozen=True, slots=True)
class Side:
    """Where one is in a meeting that may have fallen apart: the epoch (its authenticator, 32 bytes,
    and number), and how many members one hears there, oneself included."""

    authenticator: bytes
    epoch: int
    heard: int

    @property
    def rank(self) -> tuple[int, int, bytes]:
        """Orders sides that cannot hear each other: the lowest stays, the others move to it. More
        members first, then the later epoch, then the lower authenticator."""
        return (-self.heard, -self.epoch, self.authenticator)

    def encode(self) -> bytes:
        """42 bytes: authenticator, epoch as u64, heard as u16."""
        return self.authenticator + codec.u64(self.epoch) + codec.u16(self.heard)

    @classmethod
    def read(cls, reader: codec.Reader) -> Side:
        """One side; raises DecodeError."""
        return cls(reader.take(AUTHENTICATOR_BYTES), reader.u64(), reader.u16())


NOWHERE = Side(bytes(AUTHENTICATOR_BYTES), 0, 1)  # of a newcomer


@dataclass(frozen=True, slots=True)
class Claim:
    """A member that comes back: where it is, and its claim to a fresh leaf. `must`: it cannot go on
    with the old one; else the commits that it missed may be enough."""

    side: Side
    readmission: Readmission
    must: bool

    def encode(self) -> bytes:
        return self.side.encode() + codec.opaque(self.readmission.encode()) + codec.u8(self.must)

    @classmethod
    def read(cls, reader: codec.Reader) -> Claim:
        side, evidence = Side.read(reader), codec.decode(read_evidence, reader.opaque(300))
        if not isinstance(evidence, Readmission):
            raise DecodeError("a claim without a readmission")
        return cls(side, evidence, reader.boolean())


@dataclass(frozen=True, slots=True)
class Knock:
    """`key_package`: an MLSMessage; `answer_key`: X25519 public key (32) for answers;
    `charter_hash`: of the charter that the newcomer agrees to."""

    key_package: bytes
    name: str
    answer_key: bytes
    charter_hash: bytes
    claim: Claim | None = None

    def encode(self) -> bytes:
        return (
            codec.u8(KNOCK_VERSION)
            + codec.opaque(self.key_package)
            + codec.text(self.name)
            + self.answer_key
            + self.charter_hash
            + codec.optional(None if self.claim is None else self.claim.encode())
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> Knock:
        if reader.u8() != KNOCK_VERSION:
            raise DecodeError("a knock of another version")
        return cls(
            key_package=reader.opaque(KEY_PACKAGE_BYTES_MAX),
            name=reader.text(NAME_BYTES_MAX),
            answer_key=reader.take(KEY_BYTES),
            charter_hash=reader.take(32),
            claim=reader.optional(Claim.read),
        )

    def pad(self) -> bytes:
        """The 1,056 bytes that are sealed: the knock as a vector, and zeros."""
        padded = codec.opaque(self.encode()).ljust(KNOCK_BYTES, b"\0")
        if len(padded) > KNOCK_BYTES or len(self.key_package) > KEY_PACKAGE_BYTES_MAX:
            raise UsageError("a knock that does not fit a cell")
        return padded

    @classmethod
    def unpad(cls, data: bytes) -> Knock:
        """The inverse of `pad`; raises DecodeError."""
        reader = codec.Reader(data)
        knock = codec.decode(cls.read, reader.opaque(KNOCK_BYTES))
        if len(data) != KNOCK_BYTES or any(reader.take(reader.remaining)):
            raise DecodeError("a knock of another size, or with something behind it")
        return knock


def work_of(body: bytes) -> int:
    """Leading zero bits of the hash over a knock with its nonce: the work that it shows."""
    digest = hashlib.sha256(_WORK_PREFIX + body).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()


def seal_knock(
    knock: Knock, door_key: bytes, group_id: bytes, bits: int, entropy: Entropy
) -> bytes:
    """A knock message with at least `bits` of work. Takes 2^bits hashes on average."""
    public = _HPKE.kem.load_public(door_key)
    output, sealed = _HPKE.seal(public, _KNOCK_INFO + group_id, b"", knock.pad(), entropy)
    body = codec.opaque(output) + codec.opaque(sealed)
    nonce = int.from_bytes(entropy(NONCE_BYTES), "big")
    bits = min(bits, WORK_BITS_MAX)
    for _ in range(1 << (WORK_BITS_MAX + 6)):
        nonce = (nonce + 1) % (1 << 64)
        whole = body + codec.u64(nonce)
        if work_of(whole) >= bits:
            break
    return codec.u8(DoorKind.KNOCK) + whole


def open_knock(body: bytes, door_private: bytes, group_id: bytes) -> Knock | None:
    """The knock in a message's body, or None."""
    try:
        reader = codec.Reader(body)
        output, sealed = reader.opaque(KEY_BYTES), reader.opaque(KNOCK_SEALED_BYTES)
        reader.take(NONCE_BYTES)
        reader.finish()
        if len(sealed) != KNOCK_SEALED_BYTES:  # before the costly part
            return None
        private = _HPKE.kem.load_private(door_private)
        plaintext = _HPKE.open(output, private, _KNOCK_INFO + group_id, b"", sealed)
        return Knock.unpad(plaintext)
    except (DecodeError, MlsError):
        return None


@dataclass(frozen=True, slots=True)
class WaitAnswer:
    """We heard it; `position`: place among those who wait, from 1."""

    position: int


@dataclass(frozen=True, slots=True)
class WelcomeAnswer:
    """The Welcome, and the ratchet tree of its epoch."""

    welcome: bytes
    tree: bytes


@dataclass(frozen=True, slots=True)
class CatchUpAnswer:
    """Encoded handshakes that lead from the claimed epoch to the current one, oldest first."""

    handshakes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class RefusedAnswer:
    why: str


@dataclass(frozen=True, slots=True)
class LeafAnswer:
    """The claim names a leaf that is not in the tree of this `side`: this is the hash of the seat's
    leaf there."""

    leaf_hash: bytes
    side: Side


@dataclass(frozen=True, slots=True)
class ParcelAnswer:
    """The answer is in the parcel of this name (16 bytes), under this key and nonce (28)."""

    name: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WitnessAnswer:
    """Signed namings, by which the epoch of another answer was agreed on (`witnesses`)."""

    namings: tuple[bytes, ...]


Answer = (
    WaitAnswer
    | WelcomeAnswer
    | CatchUpAnswer
    | RefusedAnswer
    | LeafAnswer
    | ParcelAnswer
    | WitnessAnswer
)


def encode_answer(answer: Answer) -> bytes:
    """An answer's plaintext."""
    if isinstance(answer, WaitAnswer):
        return codec.u8(AnswerKind.WAITING) + codec.u16(min(answer.position, 0xFFFF))
    if isinstance(answer, WelcomeAnswer):
        body = codec.opaque(answer.welcome) + codec.opaque(answer.tree)
        return codec.u8(AnswerKind.WELCOME) + body
    if isinstance(answer, CatchUpAnswer):
        body = codec.vector(codec.opaque(one) for one in answer.handshakes)
        return codec.u8(AnswerKind.CATCH_UP) + body
    if isinstance(answer, RefusedAnswer):
        return codec.u8(AnswerKind.REFUSED) + codec.text(answer.why)
    if isinstance(answer, ParcelAnswer):
        return codec.u8(AnswerKind.PARCEL) + answer.name + answer.key
    if isinstance(answer, WitnessAnswer):
        body = codec.vector(codec.opaque(one) for one in answer.namings)
        return codec.u8(AnswerKind.WITNESSES) + body
    return codec.u8(AnswerKind.LEAF) + answer.leaf_hash + answer.side.encode()


def read_answer(reader: codec.Reader) -> Answer:
    """What an answer's plaintext says; raises DecodeError."""
    kind = reader.u8()
    if kind == AnswerKind.WAITING:
        return WaitAnswer(reader.u16())
    if kind == AnswerKind.WELCOME:
        return WelcomeAnswer(reader.opaque(WELCOME_BYTES_MAX), reader.opaque(TREE_BYTES_MAX))
    if kind == AnswerKind.CATCH_UP:
        handshakes = reader.vector(
            lambda inner: inner.opaque(2 * HANDSHAKE_BYTES_MAX), items_max=HANDSHAKES_MAX
        )
        return CatchUpAnswer(tuple(handshakes))
    if kind == AnswerKind.REFUSED:
        return RefusedAnswer(reader.text(SENTENCE_BYTES_MAX))
    if kind == AnswerKind.LEAF:
        return LeafAnswer(reader.take(32), Side.read(reader))
    if kind == AnswerKind.PARCEL:
        return ParcelAnswer(reader.take(PARCEL_NAME_BYTES), reader.take(PARCEL_KEY_BYTES))
    if kind == AnswerKind.WITNESSES:
        namings = reader.vector(
            lambda inner: inner.opaque(SIGNED_NAMING_BYTES_MAX), items_max=WITNESSES_MAX
        )
        return WitnessAnswer(tuple(namings))
    raise DecodeError(f"an answer of the unknown kind {kind}")


def answer_tag(answer_key: bytes) -> bytes:
    """8 bytes by which a newcomer knows its own answers among others'."""
    return hashlib.sha256(_ANSWER_INFO + answer_key).digest()[:TAG_BYTES]


def seal_answer(answer: Answer, answer_key: bytes, group_id: bytes, entropy: Entropy) -> bytes:
    """An answer message; MlsError when `answer_key` is no key."""
    public = _HPKE.kem.load_public(answer_key)
    info = _ANSWER_INFO + group_id
    output, sealed = _HPKE.seal(public, info, b"", encode_answer(answer), entropy)
    return (
        codec.u8(DoorKind.ANSWER)
        + answer_tag(answer_key)
        + codec.opaque(output)
        + codec.opaque(sealed)
    )


def open_answer(body: bytes, answer_private: bytes, group_id: bytes) -> Answer | None:
    """The answer in a message's body if it is for this key (32 bytes), else None."""
    try:
        private = _HPKE.kem.load_private(answer_private)
        reader = codec.Reader(body)
        if reader.take(TAG_BYTES) != answer_tag(private.public.data):
            return None
        output, sealed = reader.opaque(KEY_BYTES), reader.opaque(SEALED_BYTES_MAX)
        reader.finish()
        plaintext = _HPKE.open(output, private, _ANSWER_INFO + group_id, b"", sealed)
        return codec.decode(read_answer, plaintext)
    except (DecodeError, MlsError):
        return None


def public_of(private: bytes) -> bytes:
    """The X25519 public key (32 bytes) of a private one."""
    return _HPKE.kem.load_private(private).public.data


def encode_notice(bits: int) -> bytes:
    """What the door asks of everybody who knocks, as a message: work of so many bits."""
    return codec.u8(DoorKind.NOTICE) + codec.u8(bits)


def read_notice(body: bytes) -> int | None:
    """The bits of a notice, if they are in range. Whoever holds the invite could have sent it, so
    it only ever raises the work, to a maximum that a person's machine does in seconds."""
    if len(body) != 1 or not WORK_BITS_MIN <= body[0] <= WORK_BITS_MAX:
        return None
    return body[0]
