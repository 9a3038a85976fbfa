"""Which signalling secrets a member listens with: those of the epochs it hears, and those ahead of
them.

Each addition moves the secret one step by a hash, so a member that missed some commits finds the
others' cells some steps ahead of its own. Looking far ahead costs work for each cell that does not
open, which a hostile relay could send by the thousand; so that is done for a few cells a second
only.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from folkmoot.cells import council
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.secrets import STEPS_AHEAD_MAX, step

NEAR_STEPS = 2  # always looked at
FAR_LOOKS_PER_S = 8.0
FAR_LOOKS_BURST = 16.0
OWN_SALTS_MAX = 512


class Echo(enum.Enum):
    """A cell that has the salt of one of ours, from the relay that we gave that to: `FIRST`, it
    came back; `AGAIN`, once more; `BENT`, it is not what we sent."""

    FIRST = enum.auto()
    AGAIN = enum.auto()
    BENT = enum.auto()


@dataclass(slots=True)
class _Sent:
    """One of our cells; `digest`: its SHA-256."""

    relay: int
    digest: bytes
    came: bool = False


class Signalling:
    """Seals council cells under the current secret and opens them under any that may be in use."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._near: list[bytes] = []
        self._far: list[bytes] = []
        self._steps: frozenset[bytes] = frozenset()  # those ahead of the current epoch's
        self.heard_ahead: bytes | None = None  # that of them under which a cell was opened last
        self._own: dict[bytes, _Sent] = {}  # by salt
        self._looks = FAR_LOOKS_BURST
        self._looked_at: float | None = None

    def follow(self, states: Iterable[EpochState]) -> None:
        """Listens with the secrets of these epochs, the current one first."""
        bases = list(dict.fromkeys(state.secrets.signalling for state in states))
        near = list(bases)
        far: list[bytes] = []
        ahead = bases[0] if bases else None
        for number in range(STEPS_AHEAD_MAX):
            if ahead is None:
                break
            ahead = step(ahead)
            (near if number < NEAR_STEPS else far).append(ahead)
        self._near = list(dict.fromkeys(near))
        self._steps = frozenset(near[len(bases) :] + far)
        if self.heard_ahead not in self._steps:
            self.heard_ahead = None
        elif self.heard_ahead in far:
            self._near.append(self.heard_ahead)
        self._far = [one for one in far if one not in self._near]

    def seal(self, secret: bytes, plaintext: bytes, relay: int) -> bytes:
        """One council cell, for the relay with this number."""
        cell = council.seal(secret, plaintext, self._entropy)
        if len(self._own) >= OWN_SALTS_MAX:
            self._own.pop(next(iter(self._own)))
        self._own[cell[: council.SALT_BYTES]] = _Sent(relay, hashlib.sha256(cell).digest())
        return cell

    def echo(self, cell: bytes, relay: int) -> Echo | None:
        """What of ours this is, if anything. Only the whole cell is an echo, and only from the
        relay that it was sealed for: the salt alone anybody can put on what they like."""
        sent = self._own.get(cell[: council.SALT_BYTES])
        if sent is None or sent.relay != relay:
            return None
        if not hmac.compare_digest(hashlib.sha256(cell).digest(), sent.digest):
            return Echo.BENT
        came, sent.came = sent.came, True
        return Echo.AGAIN if came else Echo.FIRST

    def open(self, cell: bytes, now: float) -> bytes | None:
        """The plaintext of a cell, or None when no secret that may be in use opens it."""
        for secret in self._near:
            plaintext = council.open(secret, cell)
            if plaintext is not None:
                if secret in self._steps:
                    self.heard_ahead = secret
                return plaintext
        if not self._may_look_far(now):
            return None
        for secret in self._far:
            plaintext = council.open(secret, cell)
            if plaintext is not None:
                self._listen_ahead(secret)
                return plaintext
        return None

    def _listen_ahead(self, secret: bytes) -> None:
        """Somebody is there: until our epochs change, that secret is looked at as the near ones
        are."""
        self._far.remove(secret)
        self._near.append(secret)
        self.heard_ahead = secret

    def _may_look_far(self, now: float) -> bool:
        if self._looked_at is not None:
            grown = self._looks + (now - self._looked_at) * FAR_LOOKS_PER_S
            self._looks = min(FAR_LOOKS_BURST, grown)
        self._looked_at = now
        if self._looks < 1:
            return False
        self._looks -= 1
        return True
