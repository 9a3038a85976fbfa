"""The suites: what they refuse, and that a seed replays them."""

from __future__ import annotations

import random

import pytest

from folkmoot.mls import crypto
from folkmoot.mls.errors import Check, CryptoError, MlsError

SUITES = [crypto.suite_of(number) for number in (1, 2, 3)]


@pytest.mark.parametrize("suite", SUITES)
def test_signatures(suite: crypto.CipherSuite) -> None:
    key = suite.generate_signature_key(random.Random(1).randbytes)
    signature = suite.sign_with_label(key, "Label", b"content")
    assert signature == suite.sign_with_label(key, "Label", b"content")
    assert suite.verify_with_label(key.public, "Label", b"content", signature)
    assert not suite.verify_with_label(key.public, "Labe", b"lcontent", signature)
    assert not suite.verify_with_label(key.public, "Label", b"contend", signature)
    assert not suite.verify_with_label(key.public, "Label", b"content", b"")
    assert not suite.verify_with_label(key.public, "Label", b"content", signature[:-1])
    other = suite.generate_signature_key(random.Random(2).randbytes)
    assert not suite.verify_with_label(other.public, "Label", b"content", signature)
    again = suite.load_signature_private(key.data)
    assert again.public.data == key.public.data
    assert repr(key.data) not in repr(key)


@pytest.mark.parametrize("suite", SUITES)
def test_keys_that_are_none(suite: crypto.CipherSuite) -> None:
    for size in (0, 31, 33, 64):
        for load in (suite.load_signature_public, suite.load_hpke_public):
            with pytest.raises(CryptoError) as caught:
                load(bytes(size))
            assert caught.value.check is Check.PUBLIC_KEY
        for load_private in (suite.load_signature_private, suite.load_hpke_private):
            with pytest.raises(CryptoError) as caught:
                load_private(bytes(size))
            assert caught.value.check is Check.PRIVATE_KEY


def test_unknown_suites() -> None:
    for number in (0, 4, 5, 7, 0x0A0A):
        with pytest.raises(MlsError) as caught:
            crypto.suite_of(number)
        assert caught.value.check is Check.SUITE


@pytest.mark.parametrize("suite", SUITES)
def test_mac_and_aead(suite: crypto.CipherSuite) -> None:
    tag = suite.mac(b"key", b"data")
    assert len(tag) == suite.nh
    assert suite.verify_mac(b"key", b"data", tag)
    for wrong in (b"", tag[:-1], tag + b"\0", bytes([tag[0] ^ 1]) + tag[1:]):
        assert not suite.verify_mac(b"key", b"data", wrong)
    key, nonce = bytes(suite.nk), bytes(suite.nn)
    sealed = suite.aead_seal(key, nonce, b"aad", b"text")
    assert suite.aead_open(key, nonce, b"aad", sealed) == b"text"
    for aad, text in [(b"axd", sealed), (b"aad", sealed[:-1]), (b"aad", b"")]:
        with pytest.raises(CryptoError) as caught:
            suite.aead_open(key, nonce, aad, text)
        assert caught.value.check is Check.AEAD_OPEN
