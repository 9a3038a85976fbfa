"""The official secret-tree and message-protection vectors."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest

from folkmoot.mls import crypto, framing, message, protection
from folkmoot.mls.commit import Commit
from folkmoot.mls.errors import UsageError
from folkmoot.mls.framing import FramedContent, PrivateMessage, PublicMessage, Sender
from folkmoot.mls.group_context import GroupContext
from folkmoot.mls.proposals import read_proposal
from folkmoot.mls.secret_tree import Ratchet, SecretTree
from folkmoot.wire import codec
from vectors import vectors

unhex = vectors.unhex
SENDER = Sender.member(1)


def test_sender_data() -> None:
    for _, case in vectors.cases("secret-tree"):
        suite, told = crypto.suite_of(case["cipher_suite"]), case["sender_data"]
        key, nonce = protection.sender_data_key_and_nonce(
            suite, unhex(told["sender_data_secret"]), unhex(told["ciphertext"])
        )
        assert key == unhex(told["key"])
        assert nonce == unhex(told["nonce"])


def test_secret_tree() -> None:
    for _, case in vectors.cases("secret-tree"):
        suite = crypto.suite_of(case["cipher_suite"])
        leaves = len(case["leaves"])
        peeked = SecretTree(suite, leaves, unhex(case["encryption_secret"]))
        used = SecretTree(suite, leaves, unhex(case["encryption_secret"]))
        for leaf, generations in enumerate(case["leaves"]):
            assert generations
            for told in generations:
                for kind in Ratchet:
                    key = peeked.peek(leaf, kind, told["generation"])
                    assert key.key == unhex(told[f"{kind.value}_key"])
                    assert key.nonce == unhex(told[f"{kind.value}_nonce"])
                    assert used.peek(leaf, kind, told["generation"]) == key
                    used.consume(key)


@dataclass(frozen=True)
class Epoch:
    """What a message-protection case gives."""

    suite: crypto.CipherSuite
    case: dict[str, Any]

    @property
    def context(self) -> bytes:
        case = self.case
        return GroupContext(
            self.suite.id,
            unhex(case["group_id"]),
            case["epoch"],
            unhex(case["tree_hash"]),
            unhex(case["confirmed_transcript_hash"]),
            (),
        ).encode()

    def secrets(self) -> SecretTree:
        return SecretTree(self.suite, 2, unhex(self.case["encryption_secret"]))

    def find_key(self, content: FramedContent) -> crypto.SignaturePublicKey:
        assert content.sender == SENDER
        return self.suite.load_signature_public(unhex(self.case["signature_pub"]))

    def open(self, body: message.Body) -> framing.Content:
        if isinstance(body, PublicMessage):
            protection.check_frame(body.content, unhex(self.case["group_id"]), self.case["epoch"])
            key = unhex(self.case["membership_key"])
            return protection.unprotect_public(
                self.suite, body, key, self.context, self.find_key
            ).content.body
        assert isinstance(body, PrivateMessage)
        protection.check_frame(body, unhex(self.case["group_id"]), self.case["epoch"])
        return protection.unprotect_private(
            self.suite,
            body,
            unhex(self.case["sender_data_secret"]),
            self.secrets(),
            self.context,
            self.find_key,
        ).content.body

    def sign(self, wire_format: int, body: framing.Content) -> framing.AuthenticatedContent:
        key = self.suite.load_signature_private(unhex(self.case["signature_priv"]))
        content = FramedContent(
            unhex(self.case["group_id"]), self.case["epoch"], SENDER, b"aad", body
        )
        signed = protection.sign(self.suite, wire_format, content, key, self.context)
        if isinstance(body, Commit):
            signed = protection.with_confirmation_tag(signed, bytes(32))
        return signed

    def protect(self, wire_format: int, body: framing.Content) -> message.Body:
        signed = self.sign(wire_format, body)
        if wire_format == framing.PUBLIC_MESSAGE:
            key = unhex(self.case["membership_key"])
            return protection.protect_public(self.suite, signed, key, self.context)
        return protection.protect_private(
            self.suite,
            signed,
            unhex(self.case["sender_data_secret"]),
            self.secrets(),
            random.Random(1).randbytes,
            padding_bytes=7,
        )


@pytest.fixture(params=vectors.SUITES)
def epoch(request: pytest.FixtureRequest) -> Epoch:
    (case,) = [
        one
        for _, one in vectors.cases("message-protection")
        if one["cipher_suite"] == request.param
    ]
    return Epoch(crypto.suite_of(request.param), case)


def _bodies(case: dict[str, Any]) -> dict[str, framing.Content]:
    return {
        "proposal": codec.decode(read_proposal, unhex(case["proposal"])),
        "commit": codec.decode(Commit.read, unhex(case["commit"])),
        "application": unhex(case["application"]),
    }


def test_theirs_open(epoch: Epoch) -> None:
    for name, body in _bodies(epoch.case).items():
        for suffix in ("pub", "priv") if name != "application" else ("priv",):
            encoded = unhex(epoch.case[f"{name}_{suffix}"])
            decoded = message.decode_message(encoded)
            assert message.encode_message(decoded) == encoded
            opened = epoch.open(decoded)
            assert framing.encode_content(opened) == framing.encode_content(body)


def test_ours_open(epoch: Epoch) -> None:
    for body in _bodies(epoch.case).values():
        for wire_format in (framing.PUBLIC_MESSAGE, framing.PRIVATE_MESSAGE):
            if wire_format == framing.PUBLIC_MESSAGE and isinstance(body, bytes):
                with pytest.raises(UsageError):
                    epoch.protect(wire_format, body)
                continue
            sent = message.encode_message(epoch.protect(wire_format, body))
            opened = epoch.open(message.decode_message(sent))
            assert framing.encode_content(opened) == framing.encode_content(body)
