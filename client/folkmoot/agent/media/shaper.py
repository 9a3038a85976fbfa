"""Keeps the page's voice inside its slot: what the relay could count must not depend on who speaks
(architecture §5)."""

from __future__ import annotations

from folkmoot.cells.frames import VOICE_FRAME_US
from folkmoot.cells.opus import duration_us

SLOT_BYTES = 63  # an Opus frame in its 64-byte slot of a voice cell
BITRATE_MIN = 12_000
BITRATE_STEP = 2_000
WINDOW_FRAMES = 250  # 5 s: the page needs a renegotiation to follow, and a few frames to settle
# Frames in a window that may be replaced: fewer cannot be heard, and a lower bitrate could.
REPLACED_MAX = 5


class VoiceShaper:
    """Browsers asked for a constant bitrate do not all keep it (Firefox at 24 kbit/s: 27 to 66
    bytes). A frame that does not fit is replaced by the last that did, and while that happens too
    often the bitrate asked for goes down."""

    def __init__(self, bitrate: int) -> None:
        self.bitrate = bitrate  # bits a second, to be named in the next offer
        self.replaced = 0
        self.refused = 0
        self._last: bytes | None = None
        self._frames_in_window = 0
        self._replaced_in_window = 0

    def shape(self, payload: bytes) -> bytes | None:
        """The payload to send instead, None if there is nothing that fits."""
        if duration_us(payload) != VOICE_FRAME_US:
            # The answer agreed to 20 ms; other lengths would break the cells' pace. A frame that
            # the encoder padded to the constant rate (code 3 of RFC 6716 §3.2.5) is as good.
            self.refused += 1
            return None
        self._frames_in_window += 1
        if self._frames_in_window > WINDOW_FRAMES:
            self._frames_in_window, self._replaced_in_window = 1, 0
        if len(payload) <= SLOT_BYTES:
            self._last = payload
            return payload
        self.replaced += 1
        self._replaced_in_window += 1
        if self._replaced_in_window == REPLACED_MAX + 1:
            # Counted once a window, which gives the page time to follow.
            self.bitrate = max(min(BITRATE_MIN, self.bitrate), self.bitrate - BITRATE_STEP)
        return self._last
