"""The TLS presentation language as RFC 9420 uses it (§2.1): strict readers, plain writers.

Everything this project puts on a wire or a disk is written with these few functions, so there is
one decoder to audit. A reader refuses trailing bytes, non-minimal lengths and anything over a
stated limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

# No single vector is longer than this: a ratchet tree of 10,000 members fits, a memory bomb
# does not.
VECTOR_BYTES_MAX = 1 << 24


class DecodeError(ValueError):
    """These bytes are not what they should be."""


class Reader:
    """Reads one encoded object from the front of `data`; raises DecodeError when it cannot."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._end = len(data)

    @property
    def position(self) -> int:
        """How many bytes were read so far."""
        return self._position

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self._end - self._position

    def take(self, length: int) -> bytes:
        """Exactly `length` bytes."""
        start = self._position
        if length < 0 or self._end - start < length:
            raise DecodeError(f"{length} bytes wanted, {self._end - start} left")
        self._position = start + length
        return self._data[start : start + length]

    def since(self, start: int) -> bytes:
        """The bytes from `start` to here as received: what was signed, not a re-encoding."""
        return self._data[start : self._position]

    def u8(self) -> int:
        # Not by `take`: a tree of 1,000 members has a hundred thousand of these.
        position = self._position
        if position >= self._end:
            raise DecodeError("1 byte wanted, 0 left")
        self._position = position + 1
        return self._data[position]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def boolean(self) -> bool:
        """One byte, 0 or 1."""
        value = self.u8()
        if value > 1:
            raise DecodeError(f"neither 0 nor 1: {value}")
        return value == 1

    def length(self) -> int:
        """A variable-size length of 1, 2 or 4 bytes, minimal (RFC 9420 §2.1.2)."""
        first = self.u8()
        prefix = first >> 6
        if prefix == 0:
            return first
        if prefix == 3:
            raise DecodeError("a length with the prefix 3")
        value = first & 0x3F
        for byte in self.take((1 << prefix) - 1):
            value = value << 8 | byte
        if value < (1 << 6 if prefix == 1 else 1 << 14):
            raise DecodeError("a length that is not minimal")
        return value

    def opaque(self, bytes_max: int = VECTOR_BYTES_MAX) -> bytes:
        """`opaque data<V>` of at most `bytes_max` bytes."""
        length = self.length()
        if length > bytes_max:
            raise DecodeError(f"{length} bytes, at most {bytes_max} are allowed")
        return self.take(length)

    def vector(
        self,
        read: Callable[[Reader], T],
        bytes_max: int = VECTOR_BYTES_MAX,
        items_max: int = 1 << 20,
    ) -> list[T]:
        """`T items<V>`: `read` is called until the vector's bytes are used up."""
        inner = Reader(self.opaque(bytes_max))
        items: list[T] = []
        while inner.remaining:
            if len(items) >= items_max:
                raise DecodeError(f"more than {items_max} items")
            before = inner.remaining
            items.append(read(inner))
            if inner.remaining == before:
                raise DecodeError("an item of no bytes")
        return items

    def optional(self, read: Callable[[Reader], T]) -> T | None:
        """`optional<T>`: a byte 0, or a byte 1 and the value."""
        return read(self) if self.boolean() else None

    def text(self, bytes_max: int) -> str:
        """`opaque` that must be UTF-8."""
        try:
            return self.opaque(bytes_max).decode("utf-8")
        except UnicodeDecodeError:
            raise DecodeError("not UTF-8") from None

    def finish(self) -> None:
        """Nothing may be left."""
        if self.remaining:
            raise DecodeError(f"{self.remaining} bytes too many")


def decode(read: Callable[[Reader], T], data: bytes) -> T:
    """The whole of `data` as one object."""
    reader = Reader(data)
    value = read(reader)
    reader.finish()
    return value


def u8(value: int) -> bytes:
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    return value.to_bytes(8, "big")


def length(value: int) -> bytes:
    """A variable-size length (RFC 9420 §2.1.2)."""
    if value < 1 << 6:
        return value.to_bytes(1, "big")
    if value < 1 << 14:
        return (value | 1 << 14).to_bytes(2, "big")
    if value < 1 << 30:
        return (value | 2 << 30).to_bytes(4, "big")
    raise ValueError(f"{value} bytes do not fit a vector")


def opaque(data: bytes) -> bytes:
    """`opaque data<V>`."""
    return length(len(data)) + data


def text(value: str) -> bytes:
    """A string as `opaque` UTF-8."""
    return opaque(value.encode("utf-8"))


def vector(items: Iterable[bytes]) -> bytes:
    """`T items<V>` of items that are encoded already."""
    return opaque(b"".join(items))


def optional(encoded: bytes | None) -> bytes:
    """`optional<T>` of a value that is encoded already."""
    return b"\x00" if encoded is None else b"\x01" + encoded
