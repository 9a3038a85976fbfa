"""Picture cells: what is in their 1,127 bytes of plaintext, and how a frame is cut into them.

A plaintext is kind u8 (0 filler, 1 fragment, 2 last fragment) ‖ frame number u32 ‖ index u8 ‖
length u16 ‖ that many bytes of the frame's body ‖ (last only: a check of 4 bytes for each earlier
fragment, signature 64) ‖ zeros. A filler is zeros altogether.

The signature is over a hash of the whole frame. The checks only choose among several fragments
that claim the same place, so that a forged one costs itself and not the frame.

The body is codec u8 ‖ flags u8 (1: key frame) ‖ time u48 ‖ n u16 ‖ n lengths u16 ‖ n payloads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot.cells.errors import UsageError
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import CAMERA, SCREEN, LaneId, plaintext_bytes
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError, Reader
from folkmoot.wire.labels import SIGNATURE_BYTES

PLAINTEXT_BYTES = plaintext_bytes(CAMERA)
HEAD_BYTES = 1 + 4 + 1 + 2
DATA_BYTES_MAX = PLAINTEXT_BYTES - HEAD_BYTES
CHECK_BYTES = 4
FRAME_BYTES_MAX = 256 << 10  # of the body; a key frame of a busy screen is some 60 kB
FRAGMENTS_MAX = 240
PAYLOADS_MAX = 512
PAYLOAD_BYTES_MAX = 1500  # RTP payloads of browsers are about 1,200 bytes
NUMBER_MAX = (1 << 32) - 1
TIME_MAX = (1 << 48) - 1
PICTURE_CODECS = (Codec.VP8, Codec.VP9, Codec.H264, Codec.AV1)

FILLER = bytes(PLAINTEXT_BYTES)
_FRAGMENT = 1
_LAST = 2

LANES = {MediaKind.CAMERA: CAMERA, MediaKind.SCREEN: SCREEN}
KINDS = {lane: kind for kind, lane in LANES.items()}


@dataclass(frozen=True, slots=True)
class Fragment:
    """One piece of a frame's body; `signature` is of the last one only, with `checks` of those
    before it."""

    number: int
    index: int
    data: bytes
    checks: tuple[bytes, ...] = ()
    signature: bytes | None = None


def encode_body(frame: EncodedFrame) -> bytes | None:
    """The body, or None if the frame is over a limit."""
    if frame.codec not in PICTURE_CODECS:
        raise UsageError(f"no picture codec: {frame.codec}")
    sizes = [len(payload) for payload in frame.payloads]
    if not 1 <= len(sizes) <= PAYLOADS_MAX or min(sizes) == 0 or max(sizes) > PAYLOAD_BYTES_MAX:
        return None
    body = b"".join(
        (
            codec.u8(frame.codec),
            codec.u8(frame.key),
            (frame.time_us & TIME_MAX).to_bytes(6, "big"),
            codec.u16(len(sizes)),
            *(codec.u16(size) for size in sizes),
            *frame.payloads,
        )
    )
    return body if len(body) <= FRAME_BYTES_MAX else None


def decode_body(body: bytes, lane: LaneId) -> EncodedFrame:
    """The frame of a lane's verified body; raises DecodeError."""

    def read(reader: Reader) -> EncodedFrame:
        number = reader.u8()
        if number not in PICTURE_CODECS:
            raise DecodeError(f"codec {number}")
        key = reader.boolean()
        time_us = int.from_bytes(reader.take(6), "big")
        count = reader.u16()
        if not 1 <= count <= PAYLOADS_MAX:
            raise DecodeError(f"{count} payloads")
        sizes = [reader.u16() for _ in range(count)]
        if min(sizes) == 0 or max(sizes) > PAYLOAD_BYTES_MAX:
            raise DecodeError("a payload of no bytes, or of too many")
        payloads = tuple(reader.take(size) for size in sizes)
        return EncodedFrame(KINDS[lane], Codec(number), key, time_us, payloads)

    return codec.decode(read, body)


def cut(body: bytes) -> list[bytes]:
    """The pieces of a body, one for each cell; the last leaves room for checks and signature."""
    count = 1
    while (count - 1) * DATA_BYTES_MAX + max(0, _last_bytes_max(count)) < len(body):
        count += 1
    if _last_bytes_max(count) < 0 or count > FRAGMENTS_MAX:
        raise UsageError(f"a body of {len(body)} bytes is too long")
    starts = range(0, count * DATA_BYTES_MAX, DATA_BYTES_MAX)
    return [body[start : start + DATA_BYTES_MAX] for start in starts]


def _last_bytes_max(count: int) -> int:
    return DATA_BYTES_MAX - SIGNATURE_BYTES - CHECK_BYTES * (count - 1)


def check(number: int, index: int, data: bytes) -> bytes:
    """4 bytes that tell this fragment from a forged one."""
    head = codec.u32(number) + codec.u8(index)
    return hashlib.sha256(head + data).digest()[:CHECK_BYTES]


def frame_digest(number: int, count: int, body: bytes) -> bytes:
    """What the signature is over, besides author, lane and counter: 32 bytes."""
    return hashlib.sha256(codec.u32(number) + codec.u8(count) + body).digest()


def encode_fragment(
    number: int, index: int, data: bytes, checks: Sequence[bytes] = (), signature: bytes = b""
) -> bytes:
    """1,127 bytes; with a signature it is the last fragment."""
    kind = _LAST if signature else _FRAGMENT
    head = codec.u8(kind) + codec.u32(number) + codec.u8(index) + codec.u16(len(data))
    return b"".join((head, data, *checks, signature)).ljust(PLAINTEXT_BYTES, b"\0")


def _read_fragment(reader: Reader) -> Fragment | None:
    kind, number, index, length = reader.u8(), reader.u32(), reader.u8(), reader.u16()
    if kind not in (0, _FRAGMENT, _LAST) or index >= FRAGMENTS_MAX:
        raise DecodeError("no picture cell")
    data = reader.take(length)
    checks: tuple[bytes, ...] = ()
    signature = None
    if kind == _LAST:
        checks = tuple(reader.take(CHECK_BYTES) for _ in range(index))
        signature = reader.take(SIGNATURE_BYTES)
    if any(reader.take(reader.remaining)):
        raise DecodeError("padding that is not zero")
    if kind == 0:
        if number or index or length:
            raise DecodeError("a filler with content")
        return None
    return Fragment(number, index, data, checks, signature)


def decode_fragment(plaintext: bytes) -> Fragment | None:
    """The fragment, or None for a filler; raises DecodeError."""
    if len(plaintext) != PLAINTEXT_BYTES:
        raise DecodeError(f"a picture plaintext of {len(plaintext)} bytes")
    return codec.decode(_read_fragment, plaintext)
