"""The official key-schedule, psk_secret and transcript-hashes vectors."""

from __future__ import annotations

from typing import Any

from folkmoot.mls import key_schedule, psk, transcript
from folkmoot.mls.commit import Commit
from folkmoot.mls.crypto import CipherSuite, suite_of
from folkmoot.mls.framing import AuthenticatedContent
from folkmoot.mls.group_context import GroupContext
from folkmoot.wire import codec
from vectors import vectors

unhex = vectors.unhex


def _check_epoch(
    suite: CipherSuite, context: bytes, init_secret: bytes, told: dict[str, Any]
) -> bytes:
    """Holds one epoch against the vector; gives the init secret of the next."""
    assert context == unhex(told["group_context"])
    psk_secret = unhex(told["psk_secret"])
    commit_secret = unhex(told["commit_secret"])
    joiner = key_schedule.joiner_secret(suite, init_secret, commit_secret, context)
    assert joiner == unhex(told["joiner_secret"])
    welcome = key_schedule.welcome_secret(suite, joiner, psk_secret)
    assert welcome == unhex(told["welcome_secret"])
    root = key_schedule.epoch_secret(suite, joiner, psk_secret, context)
    secrets, encryption = key_schedule.derive_epoch(suite, root)
    assert encryption == unhex(told["encryption_secret"])
    for name in (
        "init_secret",
        "sender_data_secret",
        "exporter_secret",
        "epoch_authenticator",
        "external_secret",
        "confirmation_key",
        "membership_key",
        "resumption_psk",
    ):
        assert getattr(secrets, name) == unhex(told[name]), name
    assert secrets.external_key().public.data == unhex(told["external_pub"])
    exporter = told["exporter"]
    exported = secrets.export(exporter["label"], unhex(exporter["context"]), exporter["length"])
    assert exported == unhex(exporter["secret"])
    again = codec.decode(
        lambda reader: key_schedule.EpochSecrets.read(suite, reader), secrets.encode()
    )
    assert again == secrets
    return secrets.init_secret


def test_key_schedule() -> None:
    for _, case in vectors.cases("key-schedule"):
        suite = suite_of(case["cipher_suite"])
        init_secret = unhex(case["initial_init_secret"])
        assert case["epochs"]
        for epoch, told in enumerate(case["epochs"]):
            context = GroupContext(
                suite.id,
                unhex(case["group_id"]),
                epoch,
                unhex(told["tree_hash"]),
                unhex(told["confirmed_transcript_hash"]),
                (),
            ).encode()
            init_secret = _check_epoch(suite, context, init_secret, told)


def test_psk_secret() -> None:
    for _, case in vectors.cases("psk_secret"):
        suite = suite_of(case["cipher_suite"])
        psks = []
        for told in case["psks"]:
            named = psk.PreSharedKeyID.external(unhex(told["psk_id"]), unhex(told["psk_nonce"]))
            psks.append((named, unhex(told["psk"])))
        assert psk.psk_secret(suite, psks) == unhex(case["psk_secret"])


def test_transcript_hashes() -> None:
    for _, case in vectors.cases("transcript-hashes"):
        suite = suite_of(case["cipher_suite"])
        encoded = unhex(case["authenticated_content"])
        content = codec.decode(AuthenticatedContent.read, encoded)
        assert content.encode() == encoded
        assert isinstance(content.content.body, Commit)
        before = unhex(case["interim_transcript_hash_before"])
        confirmed = transcript.confirmed_transcript_hash(suite, before, content)
        assert confirmed == unhex(case["confirmed_transcript_hash_after"])
        tag = content.confirmation_tag
        assert tag is not None
        assert suite.verify_mac(unhex(case["confirmation_key"]), confirmed, tag)
        interim = transcript.interim_transcript_hash(suite, confirmed, tag)
        assert interim == unhex(case["interim_transcript_hash_after"])
