"""One Matroska file of encoded frames as they came, written so that it can be played after a kill,
and so that a full disk is an answer and not an exception out of the muxer."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.stream import Stream

MICROSECOND = Fraction(1, 1_000_000)
CLUSTER_MS = 1_000  # what a kill can cost
INTERLEAVE_US = 500_000  # a stream that pauses holds the other one up no longer than this
_VOICE_US = 20_000
_BINARY = getattr(os, "O_BINARY", 0)  # Windows alone tells text from bytes here


class _Sink:
    """The file under the muxer. After a failure it swallows everything, so that closing is
    quiet."""

    def __init__(self, path: Path) -> None:
        # What was said is for this person alone, whoever else has an account on the machine.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
        self._raw = os.fdopen(handle, "wb", buffering=0)
        self.failure: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data)
        total = len(view)
        while view and self.failure is None:
            try:
                view = view[self._raw.write(view) :]
            except OSError as error:
                self.failure = error
        return total

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        try:
            self._raw.close()
        except OSError as error:
            self.failure = self.failure or error


class MatroskaFile:
    """`size`: width and height of the picture, None for a file of voice alone. Raises OSError if it
    cannot be made."""

    def __init__(self, path: Path, title: str, size: tuple[int, int] | None) -> None:
        self.path = path
        self.size = size
        self.frames = 0
        self._sink = _Sink(path)
        try:
            self._begin(title, size)
        except BaseException:
            self._sink.close()
            self._forget_if_empty()
            raise

    def _begin(self, title: str, size: tuple[int, int] | None) -> None:
        options = {
            "cluster_time_limit": str(CLUSTER_MS),
            "flush_packets": "1",
            "max_interleave_delta": str(INTERLEAVE_US),
        }
        self._container: OutputContainer = av.open(
            self._sink, "w", format="matroska", options=options
        )
        self._container.metadata["title"] = title
        # The encoder is opened for its OpusHead only: what is written was encoded by the member.
        self._voice: AudioStream = self._container.add_stream("libopus", rate=48_000)
        self._voice.codec_context.layout, self._voice.codec_context.format = "mono", "flt"
        self._voice.time_base = MICROSECOND
        self._picture: Stream | None = None
        if size is not None:
            self._picture = self._container.add_mux_stream("vp8", width=size[0], height=size[1])
            self._picture.time_base = MICROSECOND
        self._container.start_encoding()
        self._check()

    def voice(self, data: bytes, at_us: int) -> None:
        self._write(self._voice, data, at_us, True, _VOICE_US)

    def picture(self, data: bytes, at_us: int, key: bool) -> None:
        assert self._picture is not None, "a file without a picture gets none"
        self._write(self._picture, data, at_us, key, 0)

    def _write(self, stream: Stream, data: bytes, at_us: int, key: bool, duration: int) -> None:
        packet: av.Packet[Stream] = av.Packet(data)
        packet.stream, packet.time_base = stream, MICROSECOND
        packet.pts = packet.dts = at_us
        packet.duration, packet.is_keyframe = duration, key
        self._container.mux_one(packet)
        self.frames += 1
        self._check()

    def _check(self) -> None:
        if self._sink.failure is not None:
            raise self._sink.failure

    def close(self) -> None:
        """Never raises a failure twice: OSError if the last bytes could not be written."""
        before = self._sink.failure
        self._container.close()
        self._sink.close()
        self._forget_if_empty()
        if before is None:
            self._check()

    def _forget_if_empty(self) -> None:
        with contextlib.suppress(OSError):
            if self.path.stat().st_size == 0:
                self.path.unlink()


def copy_voice(source: Path, target: MatroskaFile) -> None:
    """All of a voice file's frames into another file, with their times."""
    with av.open(str(source), "r") as container:
        stream = container.streams.audio[0]
        for packet in container.demux(stream):
            if packet.pts is not None and packet.size and packet.time_base is not None:
                at_us = int(packet.pts * packet.time_base * 1_000_000)
                target.voice(bytes(packet), at_us)
