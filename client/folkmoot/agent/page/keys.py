"""The page's secrets: one-time tokens that open it, and the session secret that the open page
holds.

Both are 256 bits. A token lives 60 s and opens once; it is worth nothing after. The session secret
lives as long as the agent, in the page's sessionStorage and never in a cookie: cookies are not
bound to a port, so any other program that listens on 127.0.0.1 would be sent it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Final

SECRET_BYTES: Final = 32
TOKEN_LIFE_S: Final = 60.0
TOKENS_MAX: Final = 4  # somebody who asks for the page again and again: the oldest goes


class Keys:
    def __init__(self, entropy: Callable[[int], bytes], secret: str | None = None) -> None:
        """`secret`: the one of an agent that was here before on the same port, so that its page
        goes on."""
        self._entropy = entropy
        self._secret = secret if secret is not None else self._fresh()
        self._tokens: dict[str, float] = {}  # token -> when it ends, oldest first

    def _fresh(self) -> str:
        return base64.urlsafe_b64encode(self._entropy(SECRET_BYTES)).rstrip(b"=").decode()

    @property
    def secret(self) -> str:
        """43 characters of base64url."""
        return self._secret

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

    def _forget_old(self, now: float) -> None:
        for token in [token for token, end in self._tokens.items() if now >= end]:
            del self._tokens[token]
