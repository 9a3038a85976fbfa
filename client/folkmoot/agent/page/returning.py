"""What an agent leaves beside its saved seat, so that the open page finds the agent that is started
again: the port that the page knows, and the key by which they know each other."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Final

from folkmoot.agent.page.keys import SECRET_BYTES

NOTE_BYTES_MAX: Final = 256
KEY_CHARACTERS: Final = (SECRET_BYTES * 8 + 5) // 6  # of base64url, without padding


@dataclass(frozen=True, slots=True)
class ReturnNote:
    """For the owner's eyes only (mode 0600): it is worth as much as the seat that it lies
    beside."""

    port: int
    key: str = field(repr=False)

    def encode(self) -> bytes:
        return json.dumps({"port": self.port, "key": self.key}).encode()

    @classmethod
    def decode(cls, data: bytes) -> ReturnNote | None:
        """What `encode` gave; None for anything else, and the page opens anew as if there were
        none."""
        if len(data) > NOTE_BYTES_MAX:
            return None
        try:
            found = json.loads(data)
            port, key = found["port"], found["key"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if type(port) is not int or not 1024 <= port <= 65_535 or not isinstance(key, str):
            return None
        if len(key) != KEY_CHARACTERS or not all("!" <= letter <= "~" for letter in key):
            return None
        return cls(port, key)
