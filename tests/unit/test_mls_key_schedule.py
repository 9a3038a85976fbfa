"""The key schedule beyond its vectors: external init, saving, and what is not printed."""

from __future__ import annotations

import random

import pytest

from folkmoot.mls import key_schedule, psk
from folkmoot.mls.crypto import CipherSuite, suite_of
from folkmoot.mls.errors import Check, CryptoError, UsageError, ValidationError
from folkmoot.wire import codec

SUITES = [suite_of(number) for number in (1, 2, 3)]


def _epoch(suite: CipherSuite) -> key_schedule.EpochSecrets:
    return key_schedule.derive_epoch(suite, bytes(range(32)))[0]


@pytest.mark.parametrize("suite", SUITES)
def test_external_init(suite: CipherSuite) -> None:
    key = _epoch(suite).external_key()
    entropy = random.Random(1).randbytes
    kem_output, init = key_schedule.external_init_send(suite, key.public.data, entropy)
    assert len(init) == suite.nh
    assert key_schedule.external_init_receive(suite, key, kem_output) == init
    other = suite.generate_hpke_key(entropy)
    assert key_schedule.external_init_receive(suite, other, kem_output) != init
    for wrong in (b"", kem_output[1:]):
        with pytest.raises(CryptoError):
            key_schedule.external_init_receive(suite, key, wrong)
        with pytest.raises(CryptoError):
            key_schedule.external_init_send(suite, wrong, entropy)


def test_confirmation_tag() -> None:
    epoch = _epoch(SUITES[0])
    tag = epoch.confirmation_tag(b"transcript")
    epoch.verify_confirmation_tag(b"transcript", tag)
    for transcript, wrong in ((b"other", tag), (b"transcript", tag[:-1]), (b"transcript", b"")):
        with pytest.raises(CryptoError) as caught:
            epoch.verify_confirmation_tag(transcript, wrong)
        assert caught.value.check is Check.CONFIRMATION_TAG


def test_exporter() -> None:
    epoch = _epoch(SUITES[0])
    out = epoch.export("label", b"context", 32)
    assert out == epoch.export("label", b"context", 32)
    assert len({out, epoch.export("label", b"", 32), epoch.export("labe", b"lcontext", 32)}) == 3
    assert epoch.export("label", b"context", 33)[:32] != out  # the length is bound too
    with pytest.raises(UsageError):
        epoch.export("label", b"", 8161)


def test_all_secrets_differ_and_none_is_printed() -> None:
    epoch = _epoch(SUITES[0])
    names = [name for name in epoch.__slots__ if name != "suite"]
    secrets = {name: getattr(epoch, name) for name in names}
    assert len(set(secrets.values())) == 8
    for secret in secrets.values():
        assert repr(secret) not in repr(epoch)
        assert secret.hex() not in repr(epoch)


def test_saved_secrets_of_the_wrong_size() -> None:
    suite = SUITES[0]
    data = _epoch(suite).encode()
    with pytest.raises(codec.DecodeError):
        codec.decode(
            lambda reader: key_schedule.EpochSecrets.read(suite, reader),
            codec.opaque(bytes(31)) + data[33:],
        )


def test_psk_ids() -> None:
    for named in (
        psk.PreSharedKeyID.external(b"id", b"nonce"),
        psk.PreSharedKeyID.resumption(psk.USAGE_BRANCH, b"group", 7, b"nonce"),
    ):
        assert codec.decode(psk.PreSharedKeyID.read, named.encode()) == named
    rest = codec.opaque(b"group") + codec.u64(7) + codec.opaque(b"nonce")
    codec.decode(psk.PreSharedKeyID.read, b"\2\1" + rest)
    for data in (b"\0" + rest, b"\3" + rest, b"\2\0" + rest, b"\2\4" + rest):
        with pytest.raises(codec.DecodeError):
            codec.decode(psk.PreSharedKeyID.read, data)


def test_psk_secret_depends_on_all_and_on_their_order() -> None:
    suite = SUITES[0]
    one = (psk.PreSharedKeyID.external(b"1", bytes(32)), b"key one")
    two = (psk.PreSharedKeyID.external(b"2", bytes(32)), b"key two")
    renamed = (psk.PreSharedKeyID.external(b"3", bytes(32)), b"key one")
    renonced = (psk.PreSharedKeyID.external(b"1", b"\1" * 32), b"key one")
    lists = [[], [one], [two], [one, two], [two, one], [one, one], [renamed], [renonced]]
    assert psk.psk_secret(suite, []) == bytes(32)
    assert len({psk.psk_secret(suite, listed) for listed in lists}) == len(lists)
    with pytest.raises(ValidationError):
        psk.psk_secret(suite, [one] * (psk.PSKS_MAX + 1))
