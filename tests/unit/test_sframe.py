"""SFrame beyond its vectors: strict headers, the MLS key scheme, anything from outside."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot import sframe
from folkmoot.wire.codec import DecodeError

_U64 = st.integers(0, 2**64 - 1) | st.integers(0, 300)
_KEY = sframe.derive_key(sframe.SUITES[sframe.SuiteId.AES_128_GCM_SHA256_128], bytes(32), 9)


@settings(deadline=None)
@given(_U64, _U64, st.binary(max_size=4))
def test_headers_come_back(key_id: int, counter: int, rest: bytes) -> None:
    encoded = sframe.encode_header(key_id, counter)
    assert sframe.decode_header(encoded + rest) == (key_id, counter, len(encoded))


@settings(deadline=None)
@given(st.binary(max_size=20))
def test_a_header_has_one_encoding(data: bytes) -> None:
    try:
        header = sframe.decode_header(data)
    except DecodeError:
        return
    assert sframe.encode_header(header.key_id, header.counter) == data[: header.length]


@pytest.mark.parametrize("data", ["", "80", "8007", "0807", "08", "8900080001", "09 00 ff"])
def test_short_and_long_forms_are_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        sframe.decode_header(bytes.fromhex(data))


@pytest.mark.parametrize(("key_id", "counter"), [(-1, 0), (0, -1), (2**64, 0), (0, 2**64)])
def test_numbers_that_no_header_holds(key_id: int, counter: int) -> None:
    with pytest.raises(ValueError, match="below 2"):
        sframe.encode_header(key_id, counter)


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_nothing_from_outside_raises(data: bytes) -> None:
    assert sframe.open(lambda _: _KEY, b"", data) is None


def test_the_mls_key_scheme() -> None:
    key_id = sframe.mls_key_id(2, 5, 0x1FF, leaf_bits=4, epoch_bits=8)
    assert key_id == 0b10_0101_11111111
    assert sframe.split_mls_key_id(key_id, leaf_bits=4, epoch_bits=8) == (2, 5, 0xFF)
    with pytest.raises(ValueError, match="leaf 16"):
        sframe.mls_key_id(0, 16, 0, leaf_bits=4, epoch_bits=8)
    with pytest.raises(ValueError, match="context"):
        sframe.mls_key_id(1 << 52, 0, 0, leaf_bits=4, epoch_bits=8)


def test_a_key_shows_no_secret() -> None:
    assert not hasattr(_KEY, "__dict__")
    with pytest.raises(ValueError, match="16 bytes"):
        sframe.make_aead(_KEY.suite, bytes(15))
