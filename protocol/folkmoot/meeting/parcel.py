"""Long answers at the door, said once to all whom they are for.

A commit that lets fifty people in has one Welcome and one tree for all of them. Sealed to each they
would take the door's lane minutes. So a long answer travels as a *parcel* under a key of its own,
and each newcomer is told, sealed to it alone, the parcel's name and key. Key and name follow from
the answer and the epoch of those who give it, so that all members make the same bytes of it: what
one has said no other need say (`cells.spread`).

Nobody else can open it, and whoever can is in that epoch, or is about to be: an answer's only
secrets are those that MLS has sealed to each newcomer in the Welcome.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from folkmoot.meeting.door import (
    PARCEL_KEY_BYTES,
    PARCEL_NAME_BYTES,
    Answer,
    DoorKind,
    ParcelAnswer,
    encode_answer,
    read_answer,
)
from folkmoot.meeting.secrets import Exporter
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import SECRET_BYTES, Derive, derive

# What fits a cell, sealed to one newcomer, is no parcel.
INLINE_BYTES_MAX = 900
# Parcels that a newcomer was told of and waits for: so many that nobody who tells it of others has
# the one forgotten that comes within a second or two.
WANTED_MAX = 256
UNCLAIMED_MAX = 2  # parcels that came before anybody spoke of them; anybody outside can send those
AGAIN_S = 2.0  # a newcomer without it asks again each second
SAID_MAX = 64
_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Parcel:
    """`message`: what all hear; `answer`: what each newcomer is told, sealed to it."""

    message: bytes
    answer: ParcelAnswer


def make_parcel(answer: Answer, export: Exporter) -> Parcel | None:
    """A parcel with this answer; None where it is short. `export`: of the group's epoch."""
    plaintext = encode_answer(answer)
    if len(plaintext) <= INLINE_BYTES_MAX:
        return None
    secret = export(Derive.PARCEL.value.decode(), b"", SECRET_BYTES)
    # The answer is the context: one key and nonce for one plaintext.
    digest = hashlib.sha256(plaintext).digest()
    key = derive(secret, Derive.PARCEL, digest, PARCEL_KEY_BYTES)
    sealed = AESGCM(key[:_KEY_BYTES]).encrypt(key[_KEY_BYTES:], plaintext, None)
    return Parcel(codec.u8(DoorKind.PARCEL) + sealed, ParcelAnswer(name_of(sealed), key))


def name_of(sealed: bytes) -> bytes:
    """16 bytes: the name of a parcel with this body."""
    return hashlib.sha256(sealed).digest()[:PARCEL_NAME_BYTES]


class Parcels:
    """A newcomer's side: what it was told of, and what came."""

    def __init__(self) -> None:
        self._wanted: dict[bytes, bytes] = {}  # name: key
        self._unclaimed: deque[bytes] = deque(maxlen=UNCLAIMED_MAX)

    def want(self, told: ParcelAnswer) -> Answer | None:
        """We were told of this parcel: the answer in it, if it came already."""
        self._wanted.pop(told.name, None)
        self._wanted[told.name] = told.key
        if len(self._wanted) > WANTED_MAX:
            del self._wanted[next(iter(self._wanted))]
        here = next((one for one in self._unclaimed if name_of(one) == told.name), None)
        return None if here is None else self._open(here, told.key)

    def receive(self, sealed: bytes) -> Answer | None:
        """A parcel's body: the answer in it, if we were told of it."""
        key = self._wanted.get(name_of(sealed))
        if key is None:
            self._unclaimed.append(sealed)
            return None
        return self._open(sealed, key)

    @staticmethod
    def _open(sealed: bytes, key: bytes) -> Answer | None:
        try:
            plaintext = AESGCM(key[:_KEY_BYTES]).decrypt(key[_KEY_BYTES:], sealed, None)
            answer = codec.decode(read_answer, plaintext)
        except (InvalidTag, DecodeError):
            return None
        return None if isinstance(answer, ParcelAnswer) else answer


class Deliveries:
    """A member's side: when each parcel was last said, by us or by another."""

    def __init__(self, say: Callable[[bytes], None]) -> None:
        self._say = say
        self._said: dict[bytes, float] = {}

    def deliver(self, parcel: Parcel, now: float) -> None:
        """Somebody was told of it, and may not have it."""
        said = self._said.get(parcel.answer.name)
        if said is None or now - said >= AGAIN_S:
            self._note(parcel.answer.name, now)
            self._say(parcel.message)

    def heard(self, sealed: bytes, now: float) -> None:
        """Another member said all of this parcel."""
        name = name_of(sealed)
        if name in self._said:
            self._note(name, now)

    def _note(self, name: bytes, now: float) -> None:
        self._said.pop(name, None)
        self._said[name] = now
        if len(self._said) > SAID_MAX:
            del self._said[next(iter(self._said))]
