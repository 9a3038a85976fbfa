"""The SFrame header: key id and counter in 1 to 17 bytes (RFC 9605 §4.3)."""

from __future__ import annotations

from typing import NamedTuple

from folkmoot.wire.codec import DecodeError

HEADER_BYTES_MAX = 17  # the config byte, 8 bytes of key id, 8 of counter
FIELD_MAX = (1 << 64) - 1
_INLINE_MAX = 7  # what three bits of the config byte hold


class Header(NamedTuple):
    """`key_id` and `counter` are below 2^64; `length` is the encoded size in bytes."""

    key_id: int
    counter: int
    length: int


def _field(value: int) -> tuple[int, bytes]:
    if value <= _INLINE_MAX:
        return value, b""
    size = (value.bit_length() + 7) // 8
    return 0x8 | size - 1, value.to_bytes(size, "big")


def encode_header(key_id: int, counter: int) -> bytes:
    """1 to 17 bytes; the shortest form, which is the only one that `decode_header` takes."""
    if not 0 <= key_id <= FIELD_MAX or not 0 <= counter <= FIELD_MAX:
        raise ValueError("a key id and a counter are numbers below 2^64")
    key_bits, key_bytes = _field(key_id)
    counter_bits, counter_bytes = _field(counter)
    return bytes((key_bits << 4 | counter_bits,)) + key_bytes + counter_bytes


def header_length(config: int) -> int:
    """The size in bytes of the whole header that begins with this config byte."""
    return (
        1
        + ((config >> 4 & 0x7) + 1 if config & 0x80 else 0)
        + ((config & 0x7) + 1 if config & 0x08 else 0)
    )


def decode_header(data: bytes) -> Header:
    """The header at the front of `data`; raises DecodeError when short or not minimal.

    Minimal lengths only: one object has one encoding, so equal key id and counter mean equal
    headers to everyone who looks for duplicates.
    """
    if not data:
        raise DecodeError("no SFrame header")
    config = data[0]
    length = header_length(config)
    if len(data) < length:
        raise DecodeError(f"an SFrame header of {length} bytes, {len(data)} are there")
    key_end = 1 + ((config >> 4 & 0x7) + 1 if config & 0x80 else 0)
    key_id = int.from_bytes(data[1:key_end], "big") if config & 0x80 else config >> 4
    counter = int.from_bytes(data[key_end:length], "big") if config & 0x08 else config & 0x07
    if encode_header(key_id, counter) != data[:length]:
        raise DecodeError("an SFrame header that is not minimal")
    return Header(key_id, counter, length)
