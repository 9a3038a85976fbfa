"""The signing function, the derivation function, and the keys they refuse."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.wire.labels import _SMALL_ORDER, Derive, Sign, derive, load_public_key, sign, verify

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


def test_a_signature_means_nothing_under_another_label_or_content() -> None:
    signature = sign(KEY, Sign.BEACON, b"content")
    assert len(signature) == 64
    assert verify(KEY.public_key(), Sign.BEACON, b"content", signature)
    assert not verify(KEY.public_key(), Sign.NAMING, b"content", signature)
    assert not verify(KEY.public_key(), Sign.BEACON, b"contents", signature)
    assert not verify(KEY.public_key(), Sign.BEACON, b"content", signature[:-1])


def test_labels_and_contexts_give_independent_secrets() -> None:
    made = {derive(b"s" * 32, label, context) for label in Derive for context in (b"", b"c")}
    assert len(made) == 2 * len(Derive)
    assert (
        derive(b"s" * 32, Derive.COUNCIL_CELL, b"", 28)[:16]
        != derive(b"s" * 32, Derive.COUNCIL_CELL, b"")[:16]
    )


def double(point: tuple[int, int]) -> tuple[int, int]:
    x, y = point
    product = D * x * x * y * y % P
    new_x = 2 * x * y * pow(1 + product, -1, P) % P
    new_y = (y * y + x * x) * pow(1 - product, -1, P) % P
    return new_x, new_y


def decompress(data: bytes) -> tuple[int, int]:
    y = int.from_bytes(data, "little") % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return x, y


@pytest.mark.parametrize("encoded", sorted(_SMALL_ORDER))
def test_points_of_small_order_are_no_keys(encoded: bytes) -> None:
    point = decompress(encoded)
    for _ in range(3):
        point = double(point)
    assert point == (0, 1)  # eight times it is nothing
    assert load_public_key(encoded) is None
    assert load_public_key(encoded[:31] + bytes((encoded[31] | 0x80,))) is None


def test_other_keys_load_and_noise_does_not() -> None:
    assert load_public_key(KEY.public_key().public_bytes_raw()) is not None
    for noise in (b"", b"short", b"x" * 33):
        assert load_public_key(noise) is None
