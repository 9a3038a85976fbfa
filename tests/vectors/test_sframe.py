"""The published SFrame vectors (RFC 9605 Appendix C and its 256-bit additions), all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag

from folkmoot import sframe
from vectors.vectors import folder


def _load() -> dict[str, list[dict[str, Any]]]:
    path = folder("sframe") / "test-vectors.json"
    if not path.is_file():
        pytest.skip(f"no test vectors at {path}: set FOLKMOOT_VECTORS to the folder that has them")
    loaded: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())
    return loaded


@pytest.fixture(scope="module")
def vectors() -> dict[str, list[dict[str, Any]]]:
    return _load()


def _bytes(vector: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(vector[name]) for name in names]


def test_headers(vectors: dict[str, list[dict[str, Any]]]) -> None:
    assert len(vectors["header"]) == 289
    for vector in vectors["header"]:
        (encoded,) = _bytes(vector, "encoded")
        assert sframe.encode_header(vector["kid"], vector["ctr"]) == encoded
        header = sframe.Header(vector["kid"], vector["ctr"], len(encoded))
        assert sframe.decode_header(encoded) == header
        assert sframe.decode_header(encoded + b"\xff") == header
        assert sframe.header_length(encoded[0]) == len(encoded)


def test_aes_ctr_hmac(vectors: dict[str, list[dict[str, Any]]]) -> None:
    cases = vectors["aes_ctr_hmac"] + vectors["aes_256_ctr_hmac"]
    assert [case["cipher_suite"] for case in cases] == [1, 2, 3, 6, 7, 8]
    for vector in cases:
        key, nonce, aad, plaintext, ciphertext = _bytes(vector, "key", "nonce", "aad", "pt", "ct")
        aead = sframe.make_aead(sframe.SUITES[sframe.SuiteId(vector["cipher_suite"])], key)
        assert vector["enc_key"] + vector["auth_key"] == vector["key"]
        assert aead.encrypt(nonce, plaintext, aad) == ciphertext
        assert aead.decrypt(nonce, ciphertext, aad) == plaintext
        for position in range(len(ciphertext)):
            bad = bytearray(ciphertext)
            bad[position] ^= 1
            with pytest.raises(InvalidTag):
                aead.decrypt(nonce, bytes(bad), aad)


def test_sframe(vectors: dict[str, list[dict[str, Any]]]) -> None:
    assert [vector["cipher_suite"] for vector in vectors["sframe"]] == [1, 2, 3, 4, 5]
    for vector in vectors["sframe"]:
        suite = sframe.SUITES[sframe.SuiteId(vector["cipher_suite"])]
        base_key, secret, key, salt, nonce = _bytes(
            vector, "base_key", "sframe_secret", "sframe_key", "sframe_salt", "nonce"
        )
        metadata, plaintext, ciphertext = _bytes(vector, "metadata", "pt", "ct")
        assert sframe.extract(suite, base_key) == secret
        assert sframe.derive_key_and_salt(suite, secret, vector["kid"]) == (key, salt)
        derived = sframe.derive_key(suite, base_key, vector["kid"])
        assert derived.nonce(vector["ctr"]) == nonce
        assert sframe.seal(derived, vector["ctr"], metadata, plaintext) == ciphertext
        asked: list[int] = []

        def key_of(
            key_id: int, asked: list[int] = asked, derived: sframe.Key = derived
        ) -> sframe.Key:
            asked.append(key_id)
            return derived

        opened = sframe.open(key_of, metadata, ciphertext)
        assert opened is not None
        assert opened.plaintext == plaintext
        assert opened.header[:2] == (vector["kid"], vector["ctr"])
        assert asked == [vector["kid"]]
        assert sframe.open(key_of, metadata + b"\0", ciphertext) is None
        assert sframe.open(key_of, metadata, ciphertext[:-1]) is None
        assert sframe.open(lambda _: None, metadata, ciphertext) is None
