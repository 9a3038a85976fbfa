"""The key schedule: from one epoch's init secret to the secrets of the next (RFC 9420 §8).

Contexts are encoded GroupContexts. The joiner secret, the epoch secret and the encryption secret
are handed out and not kept here: who keeps one past its use gives up forward secrecy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from folkmoot.mls.crypto import CipherSuite
from folkmoot.mls.errors import Check, CryptoError
from folkmoot.mls.hpke import Entropy, HpkePrivateKey
from folkmoot.wire import codec

_EXTERNAL_INIT_LABEL = b"MLS 1.0 external init secret"
_SECRET_BYTES_MAX = 64


def joiner_secret(
    suite: CipherSuite, init_secret: bytes, commit_secret: bytes, context: bytes
) -> bytes:
    """What a Welcome carries, KDF.Nh bytes; `context` is the new epoch's GroupContext."""
    mixed = suite.extract(init_secret, commit_secret)
    return suite.expand_with_label(mixed, "joiner", context, suite.nh)


def welcome_secret(suite: CipherSuite, joiner: bytes, psk_secret: bytes) -> bytes:
    """What seals the GroupInfo of a Welcome, KDF.Nh bytes."""
    return suite.derive_secret(suite.extract(joiner, psk_secret), "welcome")


def welcome_key_and_nonce(suite: CipherSuite, secret: bytes) -> tuple[bytes, bytes]:
    """Key and nonce that seal the GroupInfo (§12.4.3.1)."""
    key = suite.expand_with_label(secret, "key", b"", suite.nk)
    return key, suite.expand_with_label(secret, "nonce", b"", suite.nn)


def epoch_secret(suite: CipherSuite, joiner: bytes, psk_secret: bytes, context: bytes) -> bytes:
    """The root of an epoch's secrets, KDF.Nh bytes."""
    return suite.expand_with_label(suite.extract(joiner, psk_secret), "epoch", context, suite.nh)


@dataclass(frozen=True, slots=True, repr=False)
class EpochSecrets:
    """The secrets of an epoch that last as long as it does, each of KDF.Nh bytes (§8, table 4)."""

    suite: CipherSuite
    sender_data_secret: bytes
    exporter_secret: bytes
    external_secret: bytes
    confirmation_key: bytes
    membership_key: bytes
    resumption_psk: bytes
    epoch_authenticator: bytes
    init_secret: bytes = field()  # of the next epoch

    @classmethod
    def read(cls, suite: CipherSuite, reader: codec.Reader) -> EpochSecrets:
        """What `encode` wrote."""
        secrets = [reader.opaque(_SECRET_BYTES_MAX) for _ in range(8)]
        if any(len(secret) != suite.nh for secret in secrets):
            raise codec.DecodeError("an epoch secret of the wrong size")
        return cls(suite, *secrets)

    def encode(self) -> bytes:
        """For saving: these bytes are as secret as the epoch."""
        return b"".join(
            codec.opaque(secret)
            for secret in (
                self.sender_data_secret,
                self.exporter_secret,
                self.external_secret,
                self.confirmation_key,
                self.membership_key,
                self.resumption_psk,
                self.epoch_authenticator,
                self.init_secret,
            )
        )

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """MLS-Exporter (§8.5): `length` bytes, at most 8,160."""
        suite = self.suite
        secret = suite.derive_secret(self.exporter_secret, label)
        return suite.expand_with_label(secret, "exported", suite.hash(context), length)

    def external_key(self) -> HpkePrivateKey:
        """The key pair that an external joiner seals its init secret to (§8.3)."""
        return self.suite.derive_key_pair(self.external_secret)

    def confirmation_tag(self, confirmed_transcript_hash: bytes) -> bytes:
        """The MAC that says a committer reached this epoch (§8.1)."""
        return self.suite.mac(self.confirmation_key, confirmed_transcript_hash)

    def verify_confirmation_tag(self, confirmed_transcript_hash: bytes, tag: bytes) -> None:
        """Raises CryptoError when the tag is not of this epoch."""
        if not self.suite.verify_mac(self.confirmation_key, confirmed_transcript_hash, tag):
            raise CryptoError(Check.CONFIRMATION_TAG)


def derive_epoch(suite: CipherSuite, secret: bytes) -> tuple[EpochSecrets, bytes]:
    """From an epoch secret, which is random in a new group: (secrets, encryption secret).

    The encryption secret is for `SecretTree` and must be forgotten once that has it.
    """

    def derive(label: str) -> bytes:
        return suite.derive_secret(secret, label)

    secrets = EpochSecrets(
        suite,
        sender_data_secret=derive("sender data"),
        exporter_secret=derive("exporter"),
        external_secret=derive("external"),
        confirmation_key=derive("confirm"),
        membership_key=derive("membership"),
        resumption_psk=derive("resumption"),
        epoch_authenticator=derive("authentication"),
        init_secret=derive("init"),
    )
    return secrets, derive("encryption")


def external_init_send(
    suite: CipherSuite, external_pub: bytes, entropy: Entropy
) -> tuple[bytes, bytes]:
    """What an external joiner does (§8.3): (kem_output, init secret); raises CryptoError."""
    public = suite.load_hpke_public(external_pub)
    kem_output, context = suite.hpke.setup_sender(public, b"", entropy)
    return kem_output, context.export(_EXTERNAL_INIT_LABEL, suite.nh)


def external_init_receive(suite: CipherSuite, private: HpkePrivateKey, kem_output: bytes) -> bytes:
    """What the group does (§8.3): the same init secret; raises CryptoError."""
    context = suite.hpke.setup_receiver(kem_output, private, b"")
    return context.export(_EXTERNAL_INIT_LABEL, suite.nh)
