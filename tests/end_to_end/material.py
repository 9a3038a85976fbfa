"""Speech and pictures to test with, made on the spot; decoding and comparing what came out."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

Samples = npt.NDArray[np.float32]
SENTENCE = "The moot is open. Every member may speak, and no operator can take a person out."


def speech(path: Path, text: str = SENTENCE) -> Path:
    """`text` spoken by espeak-ng, as a WAV file. Skips the test where espeak-ng is missing."""
    program = shutil.which("espeak-ng")
    if program is None:
        pytest.skip("espeak-ng is not here: apt-get install espeak-ng")
    subprocess.run([program, "-w", str(path), text], check=True)
    return path


def film(
    path: Path,
    seconds: float,
    *,
    voice: Path | None = None,
    size: tuple[int, int] = (640, 480),
    per_s: int = 25,
) -> Path:
    """A moving picture, `per_s` a second, in VP8 and Opus; the sound is that of `voice`."""
    width, height = size
    with av.open(str(path), "w") as out:
        picture = out.add_stream("libvpx", rate=Fraction(per_s))
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        picture.codec_context.options = {"deadline": "realtime", "cpu-used": "8"}
        sound = out.add_stream("libopus", rate=48_000) if voice is not None else None
        row = np.arange(width, dtype=np.int64)[None, :] + np.arange(height, dtype=np.int64)[:, None]
        for number in range(int(seconds * per_s)):
            planes = np.full((height * 3 // 2, width), 128, np.uint8)
            planes[:height] = ((row + number * 4) % 256).astype(np.uint8)
            frame = VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, per_s)
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        if sound is not None and voice is not None:
            with av.open(str(voice)) as source:
                for frame_in in source.decode(audio=0):
                    out.mux(sound.encode(frame_in))
            out.mux(sound.encode(None))
    return path


def decoded(path: Path, rate: int = 16_000) -> Samples:
    """All of a file's sound, mono, floats."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    parts: list[Samples] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            if isinstance(frame, AudioFrame):
                parts += [_flat(part) for part in resampler.resample(frame)]
        parts += [_flat(part) for part in resampler.resample(None)]
    return np.concatenate(parts)


def _flat(frame: AudioFrame) -> Samples:
    return frame.to_ndarray().ravel().astype(np.float32)


def correlation(source: Samples, heard: Samples) -> tuple[float, int]:
    """The normalised correlation of all of `source` with `heard` after the one best shift, and that
    shift in samples."""
    size = 1 << (len(source) + len(heard)).bit_length()
    product = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(source, size)), size)
    shift = int(np.argmax(product))
    if shift > size // 2:
        shift -= size
    aligned = np.zeros_like(source)
    begin, end = max(0, shift), min(len(heard), shift + len(source))
    aligned[begin - shift : end - shift] = heard[begin:end]
    scale = float(np.linalg.norm(source) * np.linalg.norm(aligned))
    return (float(source @ aligned) / scale if scale else 0.0), shift


def pictures(path: Path) -> list[VideoFrame]:
    with av.open(str(path)) as container:
        return [frame for frame in container.decode(video=0) if isinstance(frame, VideoFrame)]
