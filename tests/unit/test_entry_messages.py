"""A tunnel's target: one size, one form for each place."""

from __future__ import annotations

import pytest

from folkmoot.wire.codec import DecodeError
from folkmoot.wire.entry_messages import (
    ENTRY_SENTENCES,
    TARGET_BYTES,
    EntryClosing,
    Target,
    decode_target,
    entry_path,
)
from folkmoot.wire.messages import CLOSE_SENTENCE_BYTES_MAX, Closing

GOOD = Target("relay.example", 7443).encode()


@pytest.mark.parametrize(
    "host", ["relay.example", "a", "8.8.8.8", "2a01:4f8::1", "a." * 126 + "a", "_x.example."]
)
def test_targets_survive_and_have_one_size(host: str) -> None:
    data = Target(host, 65535).encode()
    assert len(data) == TARGET_BYTES == 258
    assert decode_target(data) == Target(host, 65535)


def forged(host: bytes, port: int = 7443, kind: int = 1, length: int | None = None) -> bytes:
    size = len(host) if length is None else length
    return bytes((kind,)) + port.to_bytes(2, "big") + bytes((size,)) + host.ljust(254, b"\0")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\0",
        forged(b"relay.example", kind=2),
        forged(b"relay.example", port=0),
        forged(b"", length=0),
        forged(b"x" * 254, length=254),
        forged(b"relay.example", length=12),
        forged(b"relay.example", length=14),
        forged(b"relay.example", length=255),
        forged(b"Relay.example"),
        forged(b"relay.example:80"),
        forged(b"relay.example/x"),
        forged(b"re lay"),
        forged(b"r\xc3\xa4lay"),
        forged(b"relay\r\nHost: x"),
        forged(b"[2a01::1]"),
        forged(b"2a01:0:0::1"),
        forged(b"fe80::1%eth0"),
        forged(b"127.1"),
        forged(b"2130706433"),
        forged(b"010.0.0.1"),
        forged(b"a..b"),
        forged(b"x" * 64),
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_target(data)


def test_every_closing_has_a_sentence_that_fits() -> None:
    assert set(ENTRY_SENTENCES) == set(EntryClosing)
    assert all(len(text.encode()) <= CLOSE_SENTENCE_BYTES_MAX for text in ENTRY_SENTENCES.values())
    # What a link and a tunnel both know has one number.
    shared = {one.name for one in Closing} & {one.name for one in EntryClosing}
    assert {"BAD_MESSAGE", "LEAVING", "IDLE"} <= shared
    assert all(int(Closing[name]) == int(EntryClosing[name]) for name in shared)
    assert entry_path() == "/entry/1"
