"""The page's secrets: one-time tokens that open it, the session secret that the open page holds,
and the return key by which an open page and an agent that was started again know each other.

All are 256 bits. A token lives 60 s and opens once; it is worth nothing after. The session secret
lives as long as the agent, in the page's sessionStorage and never in a cookie: cookies are not
bound to a port, so any other program that listens on 127.0.0.1 would be sent it.

The return key lives as long as the seat, in the memory of the open page and in a file beside the
saved seat. It is never sent once the page has it: while no agent runs, any program of this machine
may listen on the agent's port, and what the page sent there would be that program's. So each side
proves that it has the key, over a nonce of the other, the agent first.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

SECRET_BYTES: Final = 32
TOKEN_LIFE_S: Final = 60.0
TOKENS_MAX: Final = 4  # somebody who asks for the page again and again: the oldest goes
LABEL: Final = "Folkmoot 1 page return"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What an agent answers to a page that says it was here before. `nonce`: 43 characters."""

    page_nonce: str
    nonce: str
    port: int
    _key: str = field(repr=False)

    @property
    def proof(self) -> str:
        """That we are the agent of before."""
        return self._proof_of("agent")

    def is_met_by(self, proof: str) -> bool:
        """Whether `proof` is of a page that has the key."""
        return hmac.compare_digest(self._proof_of("page").encode(), proof.encode())

    def _proof_of(self, side: str) -> str:
        text = "\n".join((LABEL, side, str(self.port), self.page_nonce, self.nonce))
        return _text(hmac.digest(self._key.encode(), text.encode(), hashlib.sha256))


class Keys:
    def __init__(self, entropy: Callable[[int], bytes], return_key: str | None = None) -> None:
        """`return_key`: the one of an agent that was here before, so that its page goes on."""
        self._entropy = entropy
        self._secret = self._fresh()
        self._return_key = return_key if return_key is not None else self._fresh()
        self._tokens: dict[str, float] = {}  # token -> when it ends, oldest first

    def _fresh(self) -> str:
        return _text(self._entropy(SECRET_BYTES))

    @property
    def secret(self) -> str:
        """43 characters of base64url."""
        return self._secret

    @property
    def return_key(self) -> str:
        """43 characters of base64url."""
        return self._return_key

    def mint(self, now: float, life_s: float = TOKEN_LIFE_S) -> str:
        self._forget_old(now)
        while len(self._tokens) >= TOKENS_MAX:
            del self._tokens[next(iter(self._tokens))]
        token = self._fresh()
        self._tokens[token] = now + life_s
        return token

    def redeem(self, token: str, now: float) -> str | None:
        """The session secret for a token that is alive, once. A wrong one costs the right one
        nothing, so that nobody can close the door by knocking at it."""
        self._forget_old(now)
        found = None
        for candidate in self._tokens:  # always all: the time does not say which one was near
            if hmac.compare_digest(candidate.encode(), token.encode()):
                found = candidate
        if found is None:
            return None
        del self._tokens[found]
        return self._secret

    def opens(self, secret: str) -> bool:
        return hmac.compare_digest(self._secret.encode(), secret.encode())

    def challenge(self, page_nonce: str, port: int) -> Challenge:
        """For a page that comes back, with a nonce of its own."""
        return Challenge(page_nonce, self._fresh(), port, self._return_key)

    def _forget_old(self, now: float) -> None:
        for token in [token for token, end in self._tokens.items() if now >= end]:
            del self._tokens[token]


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
