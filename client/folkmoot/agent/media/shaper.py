"""Keeps the page's voice inside its slot: what the relay could count must not depend on who speaks
(architecture §5)."""

from __future__ import annotations

SLOT_BYTES = 63  # an Opus frame in its 64-byte slot of a voice cell
BITRATE_MIN = 12_000
BITRATE_STEP = 2_000
STEP_INTERVAL_S = 5.0  # the page needs a renegotiation to follow, and a few frames to settle

# Opus TOC configurations of 20 ms (RFC 6716 §3.1, table 2): SILK, hybrid and CELT ones.
_CONFIGS_20_MS = frozenset({1, 5, 9, 13, 15, 19, 23, 27, 31})


def is_20_ms(payload: bytes) -> bool:
    """One Opus frame of 20 ms: code 0 of the table-of-contents byte."""
    return bool(payload) and payload[0] & 3 == 0 and payload[0] >> 3 in _CONFIGS_20_MS


class VoiceShaper:
    """Browsers asked for a constant bitrate do not all keep it (Firefox: 70 to 93 bytes around 81).
    A frame that does not fit is replaced by the last that did, and the bitrate asked for goes down
    until all fit."""

    def __init__(self, bitrate: int) -> None:
        self.bitrate = bitrate  # bits a second, to be named in the next offer
        self.replaced = 0
        self.refused = 0
        self._last: bytes | None = None
        self._lowered_at: float | None = None

    def shape(self, payload: bytes, now: float) -> bytes | None:
        """The payload to send instead, None if there is nothing that fits."""
        if not is_20_ms(payload):
            # The answer agreed to 20 ms; other lengths would break the cells' pace.
            self.refused += 1
            return None
        if len(payload) <= SLOT_BYTES:
            self._last = payload
            return payload
        self.replaced += 1
        if self._lowered_at is None or now - self._lowered_at >= STEP_INTERVAL_S:
            self._lowered_at = now
            self.bitrate = max(BITRATE_MIN, self.bitrate - BITRATE_STEP)
        return self._last
