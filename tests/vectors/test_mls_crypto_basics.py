"""The official crypto-basics vectors."""

from __future__ import annotations

import random
from typing import Any

import pytest

from folkmoot.mls import crypto
from vectors import vectors

unhex = vectors.unhex


@pytest.fixture(params=vectors.SUITES)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    (found,) = [
        one for _, one in vectors.cases("crypto-basics") if one["cipher_suite"] == request.param
    ]
    return found


@pytest.fixture
def suite(case: dict[str, Any]) -> crypto.CipherSuite:
    return crypto.suite_of(case["cipher_suite"])


def test_ref_hash(case: dict[str, Any], suite: crypto.CipherSuite) -> None:
    told = case["ref_hash"]
    assert suite.ref_hash(told["label"], unhex(told["value"])) == unhex(told["out"])


def test_expand_with_label(case: dict[str, Any], suite: crypto.CipherSuite) -> None:
    told = case["expand_with_label"]
    out = suite.expand_with_label(
        unhex(told["secret"]), told["label"], unhex(told["context"]), told["length"]
    )
    assert out == unhex(told["out"])


def test_derive_secret(case: dict[str, Any], suite: crypto.CipherSuite) -> None:
    told = case["derive_secret"]
    assert suite.derive_secret(unhex(told["secret"]), told["label"]) == unhex(told["out"])


def test_derive_tree_secret(case: dict[str, Any], suite: crypto.CipherSuite) -> None:
    told = case["derive_tree_secret"]
    out = suite.derive_tree_secret(
        unhex(told["secret"]), told["label"], told["generation"], told["length"]
    )
    assert out == unhex(told["out"])


def test_sign_with_label(case: dict[str, Any], suite: crypto.CipherSuite) -> None:
    told = case["sign_with_label"]
    public = suite.load_signature_public(unhex(told["pub"]))
    private = suite.load_signature_private(unhex(told["priv"]))
    content, signature = unhex(told["content"]), unhex(told["signature"])
    assert private.public.data == public.data
    assert suite.verify_with_label(public, told["label"], content, signature)
    ours = suite.sign_with_label(private, told["label"], content)
    assert suite.verify_with_label(public, told["label"], content, ours)
    assert not suite.verify_with_label(public, told["label"] + "x", content, ours)


def test_encrypt_with_label(case: dict[str, Any], suite: crypto.CipherSuite) -> None:
    told = case["encrypt_with_label"]
    public = suite.load_hpke_public(unhex(told["pub"]))
    private = suite.load_hpke_private(unhex(told["priv"]))
    label, context, plaintext = told["label"], unhex(told["context"]), unhex(told["plaintext"])
    assert private.public.data == public.data
    opened = suite.decrypt_with_label(
        private, label, context, unhex(told["kem_output"]), unhex(told["ciphertext"])
    )
    assert opened == plaintext
    ours = suite.encrypt_with_label(public, label, context, plaintext, random.Random(1).randbytes)
    assert suite.decrypt_with_label(private, label, context, *ours) == plaintext
