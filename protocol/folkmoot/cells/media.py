"""Media cells: SFrame objects of one size whose header is masked (architecture §5, RFC 9605).

A cell is `header ‖ ciphertext ‖ tag`. The header, 1 to 9 bytes, is masked as QUIC masks packet
numbers (RFC 9001 §5.4): AES-ECB of the cell's last 16 bytes, which are the tag, under a mask key
of copy and lane; the first byte is unmasked first and says how many more there are. To a relay
every byte of a cell is uniformly random. The plaintext is padded with zeros so that a lane's cells
are of one size whatever the header's.

The key id is `lane ‖ leaf (16 bits) ‖ epoch (8 bits)`: the MLS key scheme with the lane as context,
so that each lane has keys and counters of its own. Each relay's copy has a base key of its own,
as equal bytes at two relays would tie two links to one person.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from folkmoot import sframe
from folkmoot.cells.errors import UsageError
from folkmoot.wire import labels
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import LANE_RULES, LaneSlot

SUITE = sframe.SUITES[sframe.SuiteId.AES_128_GCM_SHA256_128]
TAG_BYTES = SUITE.tag_bytes  # 16: also the sample that the mask is made of
LEAF_BITS = 16
EPOCH_BITS = 8
BASE_KEY_BYTES = 32
# 25 a second for five years, 200 a second for eight months: an epoch ends long before.
COUNTER_MAX = (1 << 32) - 1
# config byte, 4 bytes of key id (lane, leaf, epoch), 4 of counter
HEADER_BYTES_MAX = 9
STREAM_MAX = 15
# Keys of senders held for one epoch and copy. Only ids that passed the header check make one, and
# whoever floods those costs others only the making of a key, about 10 µs.
SENDER_KEYS_MAX = 4096


class LaneId(NamedTuple):
    """A lane: the slot of its room, and for pictures which picture of the sender's."""

    slot: LaneSlot
    stream: int

    @property
    def context(self) -> int:
        """The context field of the key id: 0 for voice, 1 to 15 for picture streams."""
        return self.stream


VOICE = LaneId(LaneSlot.VOICE, 0)
CAMERA = LaneId(LaneSlot.PICTURE, 1)
SCREEN = LaneId(LaneSlot.PICTURE, 2)


def check_lane(lane: LaneId) -> None:
    """Voice is stream 0, pictures 1 to 15; raises UsageError for another."""
    good = lane.stream == 0 if lane.slot is LaneSlot.VOICE else 1 <= lane.stream <= STREAM_MAX
    if lane.slot not in (LaneSlot.VOICE, LaneSlot.PICTURE) or not good:
        raise UsageError(f"no media lane: {lane}")


def cell_bytes(lane: LaneId) -> int:
    """The size of each of the lane's cells: 384 for voice, 1,152 for pictures."""
    return LANE_RULES[lane.slot].cell_bytes


def plaintext_bytes(lane: LaneId) -> int:
    """What a cell of the lane carries at least, whatever its header: 359 B voice, 1,127 picture."""
    return cell_bytes(lane) - HEADER_BYTES_MAX - TAG_BYTES


def key_id(lane: LaneId, leaf: int, epoch: int) -> int:
    """The SFrame key id of a sender in an epoch."""
    return sframe.mls_key_id(lane.context, leaf, epoch, leaf_bits=LEAF_BITS, epoch_bits=EPOCH_BITS)


class Sender(NamedTuple):
    """Whose cell this is and its number in the lane and epoch: all that is needed to see that it
    is a duplicate, and no proof of anything."""

    leaf: int
    counter: int


class Opened(NamedTuple):
    """A cell that somebody who holds the epoch's keys sealed: a member, not yet *this* member.
    `plaintext` is `plaintext_bytes(lane)` long; `epoch` is that of the keys which opened it."""

    leaf: int
    counter: int
    plaintext: bytes
    epoch: int

    @property
    def epoch_byte(self) -> int:
        return self.epoch & (1 << EPOCH_BITS) - 1


@dataclass(frozen=True, slots=True, eq=False)
class _Lane:
    """What the keys of one lane need, made once. `mask` is AES-ECB of one block."""

    mask: Callable[[bytes], bytes]
    cell_bytes: int
    plaintext_bytes: int


class MediaKeys:
    """The media keys of one epoch for one relay's copy."""

    def __init__(self, base_key: bytes, epoch: int, pin: bytes) -> None:
        """`base_key`: 32 bytes, the MLS exporter's "SFrame 1.0 Base Key" of the epoch; `pin`: the
        relay's, 32 bytes."""
        if len(base_key) != BASE_KEY_BYTES:
            raise UsageError(f"a base key has {BASE_KEY_BYTES} bytes")
        self.epoch = epoch
        self._copy_key = labels.derive(base_key, labels.Derive.MEDIA_COPY, pin)
        self._secret = sframe.extract(SUITE, self._copy_key)
        self._lanes: dict[LaneId, _Lane] = {}
        self._senders: dict[int, sframe.Key] = {}

    def _lane(self, lane: LaneId) -> _Lane:
        held = self._lanes.get(lane)
        if held is None:
            check_lane(lane)
            context = bytes((lane.slot, lane.stream))
            key = labels.derive(self._copy_key, labels.Derive.HEADER_MASK, context, 16)
            # One encryptor serves for ever: ECB has no state between blocks, and making one for
            # each cell would cost ten times the mask.
            encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
            held = _Lane(encryptor.update, cell_bytes(lane), plaintext_bytes(lane))
            self._lanes[lane] = held
        return held

    def _key(self, number: int) -> sframe.Key:
        key = self._senders.get(number)
        if key is None:
            if len(self._senders) >= SENDER_KEYS_MAX:
                self._senders.pop(next(iter(self._senders)))
            secret_and_salt = sframe.derive_key_and_salt(SUITE, self._secret, number)
            aead = sframe.make_aead(SUITE, secret_and_salt[0])
            key = self._senders[number] = sframe.Key(SUITE, number, aead, secret_and_salt[1])
        return key

    def seal(self, lane: LaneId, leaf: int, counter: int, plaintext: bytes) -> bytes:
        """A cell of exactly the lane's size. A counter serves once in an epoch and lane, for the
        same plaintext at every relay's copy."""
        held = self._lane(lane)
        if not 0 <= counter <= COUNTER_MAX:
            raise UsageError(f"counter {counter} is outside 0 … {COUNTER_MAX}")
        if len(plaintext) > held.plaintext_bytes:
            raise UsageError(f"{len(plaintext)} bytes do not fit {held.plaintext_bytes}")
        if not 0 <= leaf < 1 << LEAF_BITS:
            raise UsageError(f"leaf {leaf} does not fit {LEAF_BITS} bits")
        key = self._key(key_id(lane, leaf, self.epoch))
        header = sframe.encode_header(key.key_id, counter)
        padded = plaintext.ljust(held.cell_bytes - len(header) - TAG_BYTES, b"\0")
        sealed = key.aead.encrypt(key.nonce(counter), padded, header)
        return _masked(header, held.mask(sealed[-TAG_BYTES:])) + sealed

    def _header(self, held: _Lane, lane: LaneId, cell: bytes) -> tuple[sframe.Header, bytes] | None:
        """The unmasked header, and its bytes, if it can be one of this lane and epoch: one AES
        block, which nearly all cells of other epochs, copies and lanes do not pass."""
        if len(cell) != held.cell_bytes:
            return None
        mask = held.mask(cell[-TAG_BYTES:])
        length = sframe.header_length(cell[0] ^ mask[0])
        if length > HEADER_BYTES_MAX:
            return None
        encoded = _masked(cell[:length], mask)
        try:
            header = sframe.decode_header(encoded)
        except DecodeError:
            return None
        key = header.key_id
        if (
            key & (1 << EPOCH_BITS) - 1 != self.epoch & (1 << EPOCH_BITS) - 1
            or key >> LEAF_BITS + EPOCH_BITS != lane.context
            or header.counter > COUNTER_MAX
        ):
            return None
        return header, encoded

    def peek(self, lane: LaneId, cell: bytes) -> Sender | None:
        """Who seems to have sent it, without opening it; None if it is not of this epoch, copy and
        lane. Nothing is proved: only for skipping duplicates."""
        found = self._header(self._lane(lane), lane, cell)
        return None if found is None else Sender(_leaf(found[0]), found[0].counter)

    def open(
        self, lane: LaneId, cell: bytes, fresh: Callable[[int, int], bool] | None = None
    ) -> Opened | None:
        """The cell's content, or None. `fresh(leaf, counter)`, such as `DuplicateFilter.fresh`, is
        asked before anything is decrypted."""
        held = self._lane(lane)
        found = self._header(held, lane, cell)
        if found is None:
            return None
        header, encoded = found
        leaf, counter = _leaf(header), header.counter
        if fresh is not None and not fresh(leaf, counter):
            return None
        key = self._key(header.key_id)
        try:
            # A header has one encoding, so these bytes are those that were sealed with it.
            padded = key.aead.decrypt(key.nonce(counter), cell[header.length :], encoded)
        except InvalidTag:
            return None
        plaintext = padded[: held.plaintext_bytes]
        if any(padded[held.plaintext_bytes :]):
            return None
        return Opened(leaf, counter, plaintext, self.epoch)


def _masked(header: bytes, mask: bytes) -> bytes:
    """The header with as much of the mask laid over it, or taken off again."""
    # As numbers: a loop over the bytes would cost more than sealing all of the cell.
    length = len(header)
    laid = int.from_bytes(header, "big") ^ int.from_bytes(mask[:length], "big")
    return laid.to_bytes(length, "big")


def _leaf(header: sframe.Header) -> int:
    return header.key_id >> EPOCH_BITS & (1 << LEAF_BITS) - 1


def open_any(
    keys: Sequence[MediaKeys],
    lane: LaneId,
    cell: bytes,
    fresh: Callable[[int, int, int], bool] | None = None,
) -> Opened | None:
    """The first of `keys` (newest settled epoch first) that opens the cell. A wrong epoch costs
    one AES block. `fresh(epoch, leaf, counter)` as in `MediaKeys.open`."""
    for held in keys:
        ask = None if fresh is None else functools.partial(fresh, held.epoch)
        opened = held.open(lane, cell, ask)
        if opened is not None:
            return opened
    return None
