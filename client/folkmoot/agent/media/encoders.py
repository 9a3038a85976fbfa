"""The two encoders of a headless member, set as the bridge asks a browser to set its own
(architecture §5)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.video.frame import PictureType, VideoFrame

SAMPLES = 960  # 20 ms at 48 kHz
VOICE_BITRATE = 24_000  # 60 bytes a frame
# Of 10: a third of the processor's time of the highest (70 µs a frame instead of 230), and speech
# at this rate sounds no different.
VOICE_COMPLEXITY = "5"
KEY_FRAME_PERCENT = "400"  # of an average frame: a larger key frame would hold up the picture lane
_GROUP_MAX = 30_000  # key frames come when they are asked for, and hardly ever by themselves
_SAMPLE_BYTES = 4


class VoiceEncoder:
    """Opus, 24 kbit/s, constant size, made for any sound and not for speech alone."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "w")
        codec.sample_rate, codec.layout, codec.format = 48_000, "mono", "flt"
        codec.bit_rate, codec.time_base = VOICE_BITRATE, Fraction(1, 48_000)
        codec.options = {"application": "audio", "vbr": "off", "frame_duration": "20"}
        codec.options |= {"compression_level": VOICE_COMPLEXITY}
        self._codec = codec
        self._samples = 0

    def encode(self, frame: AudioFrame) -> bytes:
        """One packet of 60 bytes for 960 samples, float, mono. A shorter frame is filled up with
        silence."""
        if frame.samples < SAMPLES:
            data = bytes(frame.planes[0])[: frame.samples * _SAMPLE_BYTES]
            frame = AudioFrame(format="flt", layout="mono", samples=SAMPLES)
            room = frame.planes[0].buffer_size
            frame.planes[0].update(data + bytes(room - len(data)))
            frame.sample_rate = 48_000
        frame.pts, frame.time_base = self._samples, self._codec.time_base
        self._samples += SAMPLES
        packets = self._codec.encode(frame)
        assert len(packets) == 1, "libopus gives a packet for each 20 ms"
        return bytes(packets[0])


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    data: bytes
    key: bool


class PictureEncoder:
    """VP8 as for a call: realtime, one thread, no frames ahead, constant bitrate."""

    def __init__(self, width: int, height: int, bitrate: int, pictures_per_s: int) -> None:
        self.made_for = (width, height, bitrate)
        codec = av.CodecContext.create("libvpx", "w")
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.time_base, codec.framerate = Fraction(1, 1_000_000), Fraction(pictures_per_s)
        codec.bit_rate, codec.gop_size, codec.thread_count = bitrate, _GROUP_MAX, 1
        codec.options = {
            "deadline": "realtime",
            "cpu-used": "-6",
            "lag-in-frames": "0",
            "error-resilient": "default",
            "minrate": str(bitrate),
            "maxrate": str(bitrate),
            "bufsize": str(bitrate // 2),
            "max-intra-rate": KEY_FRAME_PERCENT,
        }
        self._codec = codec
        self._last_us = -1

    def encode(self, frame: VideoFrame, time_us: int, key: bool) -> EncodedPicture | None:
        """None when the encoder leaves this picture out to keep its bitrate."""
        width, height, _ = self.made_for
        scaled = frame.reformat(width=width, height=height, format="yuv420p")
        # A decoded frame remembers what it was in its file, and would force key frames there.
        scaled.pict_type = PictureType.I if key else PictureType.NONE
        self._last_us = max(time_us, self._last_us + 1)
        scaled.pts, scaled.time_base = self._last_us, self._codec.time_base
        packets = self._codec.encode(scaled)
        if not packets:
            return None
        return EncodedPicture(bytes(packets[0]), packets[0].is_keyframe)
