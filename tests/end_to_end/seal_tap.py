"""An agent that notes what it seals, under which key and number, before it does: a wrapper of this
test and not in the product.

    python seal_tap.py LOG folkmoot's own words …

A line for each seal: a hash of the key and number, and a hash of what was sealed. The same bytes
again under the same number are no second use; anything else is the worst silent fault there is.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from folkmoot.cells import council
from folkmoot.cells.media import LaneId, MediaKeys
from folkmoot.mls.hpke import Aead
from folkmoot.mls.secret_tree import MessageKey, Ratchet, SecretTree


def program(log: Path) -> tuple[str, ...]:
    """Runs `folkmoot` with a tap into `log`, to which every run of a seat appends."""
    return (sys.executable, __file__, str(log))


def used_twice(logs: Path) -> tuple[int, list[str]]:
    """How many seals the logs in this folder hold, and which numbers served twice."""
    seen: dict[str, str] = {}
    twice, count = [], 0
    for log in sorted(logs.iterdir()):
        for line in log.read_text().split("\n"):
            if len(line) != LINE_CHARS:
                continue  # the last one of a process that was killed while it wrote
            number, content = line.split(" ")
            count += 1
            if seen.setdefault(number, content) != content:
                twice.append(f"{log.name}: {line}")
    return count, twice


def _short(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


LINE_CHARS = 2 * len(_short()) + 1


def _tap(log: int) -> None:
    media, take, aead, cell = MediaKeys.seal, SecretTree.next, Aead.seal, council.seal
    messages = 0

    def note(key: tuple[object, ...], *content: object) -> None:
        os.write(log, f"{_short(*key)} {_short(*content)}\n".encode())

    def seal_media(
        self: MediaKeys, lane: LaneId, leaf: int, counter: int, plaintext: bytes
    ) -> bytes:
        note(("media", self._copy_key, lane, leaf, counter), plaintext)
        return media(self, lane, leaf, counter, plaintext)

    def take_message_key(self: SecretTree, leaf: int, kind: Ratchet) -> MessageKey:
        nonlocal messages
        key = take(self, leaf, kind)
        messages += 1  # no two messages may take the same, whatever they say
        note(("message", key.key, key.nonce), os.getpid(), messages)
        return key

    def seal_aead(self: Aead, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        note(("aead", key, nonce), aad, plaintext)
        return aead(self, key, nonce, aad, plaintext)

    def seal_council(secret: bytes, plaintext: bytes, entropy: Callable[[int], bytes]) -> bytes:
        sealed = cell(secret, plaintext, entropy)
        note(("council", secret, sealed[: council.SALT_BYTES]), plaintext)
        return sealed

    MediaKeys.seal = seal_media  # type: ignore[method-assign]
    SecretTree.next = take_message_key  # type: ignore[method-assign]
    Aead.seal = seal_aead  # type: ignore[method-assign]
    council.seal = seal_council


def main() -> None:
    log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    _tap(log)
    from folkmoot.agent.cli import main as folkmoot

    folkmoot()


if __name__ == "__main__":
    main()
