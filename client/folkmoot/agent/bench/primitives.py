"""What no implementation of MLS can do without: signatures, key agreements, key pairs, ciphers.

Each is timed alone, as `cryptography` has it, and a peer's time is so many times each. Hashing,
coding and the checks are left out, so it is less than any program needs.
"""

from __future__ import annotations

import importlib.metadata
import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from folkmoot.agent.bench.timing import Spent, spent_on_each

TIMES = 200


def name() -> str:
    return f"cryptography {importlib.metadata.version('cryptography')}"


@dataclass(frozen=True)
class Count:
    """How often each is needed. `pairs`: a key pair made from bytes, its public half included;
    `loads`: a public key that came in bytes; `sealed`: AES-128-GCM of 32 bytes, key and all."""

    signs: int = 0
    verifies: int = 0
    agreements: int = 0
    pairs: int = 0
    loads: int = 0
    sealed: int = 0

    def words(self) -> str:
        named = {
            "signatures": self.signs,
            "verifications": self.verifies,
            "key agreements": self.agreements,
            "key pairs": self.pairs,
            "public keys loaded": self.loads,
            "ciphertexts": self.sealed,
        }
        return ", ".join(f"{count:,} {what}" for what, count in named.items() if count)


class Primitives:
    """Ed25519, X25519 and AES-128-GCM: the seconds that one of each takes."""

    def __init__(self, rounds: int) -> None:
        data, secret = secrets.token_bytes(300), secrets.token_bytes(32)
        signer = Ed25519PrivateKey.generate()
        verifier, signature = signer.public_key(), signer.sign(data)
        ours, theirs = X25519PrivateKey.generate(), X25519PrivateKey.generate().public_key()
        public = theirs.public_bytes_raw()

        def each(work: object) -> Spent:
            assert callable(work)

            def many(times: int) -> None:
                for _ in range(times):
                    work()

            return spent_on_each(many, TIMES, rounds)

        self._sign = each(lambda: signer.sign(data))
        self._verify = each(lambda: verifier.verify(signature, data))
        self._agree = each(lambda: ours.exchange(theirs))
        self._pair = each(
            lambda: X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
        )
        self._load = each(lambda: X25519PublicKey.from_public_bytes(public))
        self._seal = each(lambda: AESGCM(secret[:16]).encrypt(secret[:12], secret, None))

    def sum(self, count: Count) -> Spent:
        """So many of each, one after the other."""
        parts = (
            (count.signs, self._sign),
            (count.verifies, self._verify),
            (count.agreements, self._agree),
            (count.pairs, self._pair),
            (count.loads, self._load),
            (count.sealed, self._seal),
        )
        return Spent(
            sum(times * one.middle_s for times, one in parts),
            sum(times * one.least_s for times, one in parts),
        )
