"""Tokens open once and for a minute; the secret is compared whole; the return key is never said."""

from __future__ import annotations

import hashlib
import itertools

from folkmoot.agent.page.keys import TOKEN_LIFE_S, TOKENS_MAX, Keys
from folkmoot.agent.page.returning import ReturnNote
from page_client import proof_of

_count = itertools.count()


def entropy(length: int) -> bytes:
    assert length == 32
    return hashlib.sha256(next(_count).to_bytes(8, "big")).digest()


def test_a_token_opens_once() -> None:
    keys = Keys(entropy)
    token = keys.mint(100.0)
    assert len(token) == 43
    assert keys.redeem(token, 100.1) == keys.secret
    assert keys.redeem(token, 100.2) is None
    assert keys.opens(keys.secret)


def test_a_token_ends() -> None:
    keys = Keys(entropy)
    token = keys.mint(0.0)
    late = keys.mint(0.0)
    assert keys.redeem(token, TOKEN_LIFE_S - 0.001) == keys.secret
    assert keys.redeem(late, TOKEN_LIFE_S) is None


def test_a_wrong_token_costs_the_right_one_nothing() -> None:
    keys = Keys(entropy)
    token = keys.mint(0.0)
    for wrong in ("", "x", token[:-1], token + "A", token.lower(), keys.secret):
        assert keys.redeem(wrong, 1.0) is None
    assert keys.redeem(token, 1.0) == keys.secret


def test_the_token_is_not_the_secret_and_the_secret_is_no_part() -> None:
    keys = Keys(entropy)
    token = keys.mint(0.0)
    for wrong in ("", token, keys.secret[:-1], keys.secret + "A", "A" * 43):
        assert not keys.opens(wrong)


def test_the_oldest_token_makes_room() -> None:
    keys = Keys(entropy)
    tokens = [keys.mint(float(second)) for second in range(TOKENS_MAX + 1)]
    assert keys.redeem(tokens[0], 5.0) is None
    assert all(keys.redeem(token, 5.0) for token in tokens[1:])


def test_each_side_proves_that_it_has_the_return_key() -> None:
    before = Keys(entropy)
    again = Keys(entropy, before.return_key)
    assert not again.opens(before.secret)  # that one ended with its agent
    challenge = again.challenge("n" * 43, 4711)
    assert len(challenge.nonce) == len(challenge.proof) == 43
    assert again.return_key not in repr(challenge)
    note = ReturnNote(4711, before.return_key)
    assert challenge.proof == proof_of("agent", note, "n" * 43, challenge.nonce)
    good = proof_of("page", note, "n" * 43, challenge.nonce)
    assert challenge.is_met_by(good)
    for wrong in ("", good[:-1], good + "A", challenge.proof, before.return_key):
        assert not challenge.is_met_by(wrong)
    # A proof is for one challenge, one port and one key.
    assert not again.challenge("n" * 43, 4711).is_met_by(good)
    other = Keys(entropy).challenge("n" * 43, 4711)
    assert not other.is_met_by(proof_of("page", note, "n" * 43, other.nonce))
    elsewhere = again.challenge("n" * 43, 4712)
    assert not elsewhere.is_met_by(proof_of("page", note, "n" * 43, elsewhere.nonce))
