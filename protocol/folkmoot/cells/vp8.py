"""The VP8 RTP payload descriptor (RFC 7741 §4.2) and frame header (RFC 6386 §9.1): just enough to
find key frames, to cut a frame into payloads, and to put one together for a file."""

from __future__ import annotations

from collections.abc import Sequence

KEY_HEAD_BYTES = 10  # of a key frame: tag, start code, width, height
PAYLOAD_BYTES = 1_000  # of a headless member's frames: fits a picture cell and every path
_START, _GOES_ON = b"\x10", b"\x00"  # one-byte descriptors: S set on the frame's first payload


def descriptor_bytes(payload: bytes) -> int | None:
    """Length of the descriptor in front of the VP8 data, 1 to 6 bytes; None if the payload is too
    short for it."""
    if not payload:
        return None
    size = 1
    if payload[0] & 0x80:  # X: extension octet
        if len(payload) < 3:
            return None
        extension = payload[1]
        size = 2
        if extension & 0x80:  # I: picture id, 7 or 15 bits
            size += 2 if payload[2] & 0x80 else 1
        size += bool(extension & 0x40)  # L: TL0PICIDX
        size += bool(extension & 0x30)  # T or K share an octet
    return size if len(payload) > size else None


def starts_frame(payload: bytes) -> bool:
    """S bit with partition index 0: the first payload of a frame."""
    return bool(payload) and payload[0] & 0x17 == 0x10


def is_key(payload: bytes) -> bool:
    """Whether a frame's first payload begins a key frame (P bit of the frame header clear)."""
    size = descriptor_bytes(payload)
    return size is not None and starts_frame(payload) and not payload[size] & 1


def pack(frame: bytes) -> tuple[bytes, ...]:
    """A VP8 frame as RTP payloads of at most PAYLOAD_BYTES, with the one-byte descriptor."""
    room = PAYLOAD_BYTES - 1
    parts = [frame[at : at + room] for at in range(0, len(frame), room)]
    return tuple((_GOES_ON if index else _START) + part for index, part in enumerate(parts))


def unpack(payloads: Sequence[bytes]) -> bytes | None:
    """The frame without its descriptors; None if a payload is malformed or the first does not begin
    a frame."""
    if not payloads or not starts_frame(payloads[0]):
        return None
    parts = []
    for payload in payloads:
        size = descriptor_bytes(payload)
        if size is None:
            return None
        parts.append(payload[size:])
    return b"".join(parts)


def frame_head(payloads: Sequence[bytes]) -> bytes | None:
    """The first bytes of a frame, up to KEY_HEAD_BYTES of them, whichever payloads they are in;
    None if a descriptor is malformed, or another payload than the first begins a frame: readers
    disagree about which one counts."""
    if not payloads or not starts_frame(payloads[0]) or any(map(starts_frame, payloads[1:])):
        return None
    head = b""
    for payload in payloads:
        size = descriptor_bytes(payload)
        if size is None:
            return None
        head += payload[size : size + KEY_HEAD_BYTES - len(head)]
    return head


def key_frame_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height of a key frame without descriptor, from its ten-byte header; None if it is
    none."""
    if len(frame) < KEY_HEAD_BYTES or frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        return None
    width = int.from_bytes(frame[6:8], "little") & 0x3FFF
    height = int.from_bytes(frame[8:10], "little") & 0x3FFF
    return (width, height) if width and height else None
