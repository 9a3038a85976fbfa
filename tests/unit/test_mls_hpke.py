"""Our HPKE against the one of `cryptography`, and what it refuses."""

from __future__ import annotations

import random

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import hpke as other
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from folkmoot.mls import hpke
from folkmoot.mls.errors import Check, CryptoError, UsageError

PAIRS = [
    (
        hpke.HpkeSuite(hpke.KEM_X25519, hpke.AES_128_GCM),
        other.Suite(other.KEM.X25519, other.KDF.HKDF_SHA256, other.AEAD.AES_128_GCM),
    ),
    (
        hpke.HpkeSuite(hpke.KEM_P256, hpke.AES_128_GCM),
        other.Suite(other.KEM.P256, other.KDF.HKDF_SHA256, other.AEAD.AES_128_GCM),
    ),
    (
        hpke.HpkeSuite(hpke.KEM_X25519, hpke.CHACHA20_POLY1305),
        other.Suite(other.KEM.X25519, other.KDF.HKDF_SHA256, other.AEAD.CHACHA20_POLY1305),
    ),
]
SUITES = [ours for ours, _ in PAIRS]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_agrees_with_cryptography(ours: hpke.HpkeSuite, theirs: other.Suite) -> None:
    entropy = random.Random(2).randbytes
    for size in (0, 1, 32, 1000):
        private = ours.kem.derive_key_pair(entropy(32))
        plaintext, info = entropy(size), entropy(size // 3)
        kem_output, ciphertext = ours.seal(private.public, info, b"", plaintext, entropy)
        assert theirs.decrypt(kem_output + ciphertext, private.key, info) == plaintext  # type: ignore[attr-defined]
        sealed = theirs.encrypt(plaintext, private.public.key, info)  # type: ignore[attr-defined]
        cut = len(kem_output)
        assert ours.open(sealed[:cut], private, info, b"", sealed[cut:]) == plaintext


@pytest.mark.parametrize("suite", SUITES)
def test_same_entropy_same_bytes(suite: hpke.HpkeSuite) -> None:
    private = suite.kem.derive_key_pair(bytes(32))
    first = suite.seal(private.public, b"i", b"a", b"text", random.Random(3).randbytes)
    assert first == suite.seal(private.public, b"i", b"a", b"text", random.Random(3).randbytes)
    assert first != suite.seal(private.public, b"i", b"a", b"text", random.Random(4).randbytes)


@pytest.mark.parametrize("suite", SUITES)
def test_both_sides_export_the_same(suite: hpke.HpkeSuite) -> None:
    entropy = random.Random(5).randbytes
    private = suite.kem.derive_key_pair(entropy(32))
    kem_output, sender = suite.setup_sender(private.public, b"info", entropy)
    receiver = suite.setup_receiver(kem_output, private, b"info")
    assert sender.export(b"context", 77) == receiver.export(b"context", 77)
    assert sender.export(b"context", 32) != sender.export(b"other", 32)
    other_info = suite.setup_receiver(kem_output, private, b"other")
    assert other_info.export(b"context", 32) != sender.export(b"context", 32)


def test_rfc_9180_a_1() -> None:
    """RFC 9180 A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM."""
    suite = SUITES[0]
    ikm_e = bytes.fromhex("7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234")
    ikm_r = bytes.fromhex("6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e525037")
    info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    private = suite.kem.derive_key_pair(ikm_r)
    assert private.data.hex() == "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"
    kem_output, context = suite.setup_sender(private.public, info, lambda n: ikm_e[:n])
    assert kem_output.hex() == "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"
    assert context.key.hex() == "4531685d41d65f03dc48f6b8302c05b0"
    assert context.nonce.hex() == "56d890e5accaaf011cff4b7d"
    assert context.export(b"", 32).hex() == (
        "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee"
    )


@pytest.mark.parametrize("suite", SUITES)
def test_what_does_not_open(suite: hpke.HpkeSuite) -> None:
    entropy = random.Random(6).randbytes
    private = suite.kem.derive_key_pair(entropy(32))
    kem_output, sealed = suite.seal(private.public, b"i", b"a", b"text", entropy)
    torn = bytes([sealed[0] ^ 1]) + sealed[1:]
    for info, aad, text in [
        (b"i", b"a", torn),
        (b"j", b"a", sealed),
        (b"i", b"b", sealed),
        (b"i", b"a", b""),
    ]:
        with pytest.raises(CryptoError) as caught:
            suite.open(kem_output, private, info, aad, text)
        assert caught.value.check is Check.HPKE_OPEN
    for kem in (b"", kem_output[:-1], kem_output + b"\0", bytes(len(kem_output))):
        with pytest.raises(CryptoError) as caught:
            suite.open(kem, private, b"i", b"a", sealed)
        assert caught.value.check is Check.PUBLIC_KEY


def test_private_keys_out_of_range() -> None:
    for data in (bytes(32), hpke.P256_ORDER.to_bytes(32, "big"), b"\1" * 31, b"\1" * 33):
        with pytest.raises(CryptoError) as caught:
            hpke.KEM_P256.load_private(data)
        assert caught.value.check is Check.PRIVATE_KEY
    with pytest.raises(CryptoError):
        hpke.KEM_X25519.load_private(bytes(31))


def test_compressed_point_is_refused() -> None:
    point = hpke.KEM_P256.derive_key_pair(bytes(32)).public.data
    compressed = bytes([2 + (point[-1] & 1)]) + point[1:33]
    with pytest.raises(CryptoError):
        hpke.KEM_P256.load_public(compressed)
    with pytest.raises(CryptoError):
        hpke.KEM_P256.load_public(point[:-1] + bytes([point[-1] ^ 1]))


def test_secrets_are_not_printed() -> None:
    for kem in (hpke.KEM_P256, hpke.KEM_X25519):
        private = kem.derive_key_pair(bytes(32))
        assert repr(private.data) not in repr(private)


def test_expand_agrees_with_cryptography() -> None:
    for length in (0, 1, 31, 32, 33, 64, 65, 8160):
        theirs = HKDFExpand(hashes.SHA256(), length, b"info").derive(bytes(32)) if length else b""
        assert hpke.expand(bytes(32), b"info", length) == theirs
    with pytest.raises(UsageError):
        hpke.expand(bytes(32), b"", 8161)


def test_too_little_to_derive_from() -> None:
    with pytest.raises(UsageError):
        hpke.KEM_X25519.derive_key_pair(bytes(31))


def test_points_of_low_order_are_no_keys() -> None:
    private = hpke.KEM_X25519.derive_key_pair(bytes(32))
    for point in hpke._LOW_ORDER:
        for top in (0, 0x80):
            data = point[:31] + bytes([point[31] | top])
            with pytest.raises(CryptoError) as caught:
                hpke.KEM_X25519.load_public(data)
            assert caught.value.check is Check.PUBLIC_KEY
            # The table is right: with each of them the exchange itself fails.
            unchecked = hpke._X25519Public(data, X25519PublicKey.from_public_bytes(data))
            with pytest.raises(CryptoError):
                private.exchange(unchecked)
    assert hpke.KEM_X25519.load_public((2).to_bytes(32, "little"))
