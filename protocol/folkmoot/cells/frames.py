"""One encoded unit of sound or picture, passed between codecs and cells without decoding."""

from __future__ import annotations

import enum
from dataclasses import dataclass

VOICE_FRAME_US = 20_000  # every Opus frame here lasts 20 ms


class MediaKind(enum.IntEnum):
    VOICE = 0  # Opus, 48 kHz, mono, 20 ms
    CAMERA = 1
    SCREEN = 2


class Codec(enum.IntEnum):
    OPUS = 0
    VP8 = 1
    VP9 = 2
    H264 = 3
    AV1 = 4


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """`time_us`: when it was captured, microseconds on one clock of the sender's for all its
    media (48 bits); `payloads`: RTP payloads verbatim, payload descriptors included (one for
    voice); `key`: decodable by itself."""

    kind: MediaKind
    codec: Codec
    key: bool
    time_us: int
    payloads: tuple[bytes, ...]
