"""The official welcome vectors."""

from __future__ import annotations

from folkmoot.mls import key_schedule
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.joining import open_welcome
from folkmoot.mls.key_package import unframe_key_package
from folkmoot.mls.message import decode_message
from folkmoot.mls.welcome import Welcome
from vectors import vectors


def test_welcome() -> None:
    for _, case in vectors.cases("welcome"):
        suite = suite_of(case["cipher_suite"])
        package = unframe_key_package(vectors.unhex(case["key_package"]))
        welcome = decode_message(vectors.unhex(case["welcome"]))
        assert isinstance(welcome, Welcome)
        init_key = suite.load_hpke_private(vectors.unhex(case["init_priv"]))
        opened = open_welcome(welcome, package.ref(), init_key, {}, {})
        info = opened.info
        signer = suite.load_signature_public(vectors.unhex(case["signer_pub"]))
        assert suite.verify_with_label(signer, "GroupInfoTBS", info.tbs(), info.signature)
        secret = key_schedule.epoch_secret(
            suite, opened.secrets.joiner_secret, opened.psk_secret, info.context.encode()
        )
        secrets, _ = key_schedule.derive_epoch(suite, secret)
        secrets.verify_confirmation_tag(
            info.context.confirmed_transcript_hash, info.confirmation_tag
        )
