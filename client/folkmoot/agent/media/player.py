"""Plays a file as a member's voice and picture: decoded, encoded as a page would (Opus, VP8), and
delivered in real time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from folkmoot.agent.media.clock import media_clock
from folkmoot.agent.media.encoders import SAMPLES, PictureEncoder, VoiceEncoder
from folkmoot.agent.media.limiter import Limiter
from folkmoot.cells import vp8
from folkmoot.cells.frames import VOICE_FRAME_US, Codec, EncodedFrame, MediaKind

PICTURE_SIZE_MAX = (640, 480)
PICTURES_PER_S_MAX = 25
PICTURE_BITRATE = 400_000
# A machine that slept goes on from where it is instead of sending everything at once.
LATE_MAX_S = 1.0
# A picture later than this is skipped: it would only make the next one late.
PICTURE_LATE_MAX_S = 0.1
KEY_FRAME_INTERVAL_S = 0.3
JOIN_TIMEOUT_S = 5.0

OnFrame = Callable[[EncodedFrame], None]


class CannotPlay(Exception):
    """The file cannot be played; the text is the sentence for the person."""


def _open(path: Path) -> InputContainer:
    try:
        return av.open(str(path), "r", metadata_errors="replace")
    except FileNotFoundError:
        raise CannotPlay(f"{path} cannot be played: there is no such file.") from None
    except IsADirectoryError:
        raise CannotPlay(f"{path} cannot be played: it is a folder.") from None
    except PermissionError:
        raise CannotPlay(f"{path} cannot be played: it may not be read.") from None
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "its format is unknown"
        raise CannotPlay(f"{path} cannot be played: {reason}.") from None


def _voice(container: InputContainer) -> AudioStream | None:
    return next(iter(container.streams.audio), None)


def _picture(container: InputContainer) -> VideoStream | None:
    """The first moving picture: a cover image in a music file is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


class _Timeline:
    """When position 0 of the file is (or was) due, shared by both threads, so that sound and
    picture stay together."""

    def __init__(self, clock: Callable[[], float], parties: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._start_us = int(clock() * 1_000_000)
        self._length_us = 0
        self._barrier = threading.Barrier(parties, action=self._again)

    def time_us(self, position_us: int) -> int:
        with self._lock:
            return self._start_us + position_us

    def late_s(self, position_us: int) -> float:
        """How long ago this position was due; negative if it is still to come."""
        return self._clock() - self.time_us(position_us) / 1_000_000

    def skip(self, seconds: float) -> None:
        with self._lock:
            self._start_us += int(seconds * 1_000_000)

    def repeat(self, end_us: int) -> bool:
        """Waits for the other thread's end of the file; False if playing was stopped meanwhile."""
        with self._lock:
            self._length_us = max(self._length_us, end_us)
        try:
            self._barrier.wait()
        except threading.BrokenBarrierError:
            return False
        return True

    def _again(self) -> None:
        with self._lock:
            self._start_us += max(self._length_us, VOICE_FRAME_US)
            self._length_us = 0

    def stop(self) -> None:
        self._barrier.abort()


class Player:
    """Reads and decodes a little of the file at once, so that what cannot be played is known before
    the meeting."""

    def __init__(
        self,
        path: Path,
        *,
        loop: bool = False,
        picture_bitrate: int = PICTURE_BITRATE,
        clock: Callable[[], float] = media_clock,
    ) -> None:
        """Raises CannotPlay. `loop`: begin again at the end, for as long as the meeting lasts."""
        self._path = path
        self._loop = loop
        self._clock = clock
        self._picture_bitrate = picture_bitrate
        self._key_wanted = threading.Event()
        self._keys = Limiter(KEY_FRAME_INTERVAL_S)
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._timeline: _Timeline | None = None
        self._running = 0
        self.has_voice, self.has_picture = self._probe()

    def _probe(self) -> tuple[bool, bool]:
        found = [False, False]
        for index, find in enumerate((_voice, _picture)):
            with _open(self._path) as container:
                stream = find(container)
                if stream is None:
                    continue
                try:
                    found[index] = next(iter(container.decode(stream)), None) is not None
                except (av.FFmpegError, OSError, ValueError):
                    continue
        if not any(found):
            raise CannotPlay(
                f"{self._path} cannot be played: no sound or picture in it can be read."
            )
        return found[0], found[1]

    def start(
        self, on_voice: OnFrame, on_picture: OnFrame, on_end: Callable[[], None] = lambda: None
    ) -> None:
        """Begins to play. Callbacks come on the running event loop; `on_end` once, when nothing
        more will come."""
        loop = asyncio.get_running_loop()
        tracks: list[tuple[str, Callable[[OnFrame], None], OnFrame]] = []
        if self.has_voice:
            tracks.append(("folkmoot voice", self._play_voice, on_voice))
        if self.has_picture:
            tracks.append(("folkmoot picture", self._play_picture, on_picture))
        self._timeline = _Timeline(self._clock, len(tracks))
        self._running = len(tracks)

        def ended() -> None:
            self._running -= 1
            if not self._running:
                on_end()

        def post(call: Callable[[], None]) -> None:
            if not self._stopped.is_set():
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(call)

        def run(play: Callable[[OnFrame], None], on_frame: OnFrame) -> None:
            def deliver(frame: EncodedFrame) -> None:
                post(lambda: None if self._stopped.is_set() else on_frame(frame))

            try:
                play(deliver)
            except (av.FFmpegError, OSError, ValueError, CannotPlay):
                # The file is damaged from here on, or went away: what could be played was played.
                timeline = self._timeline
                if timeline is not None:
                    timeline.stop()
            post(ended)

        for name, play, on_frame in tracks:
            thread = threading.Thread(target=run, args=(play, on_frame), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def keyframe_wanted(self) -> None:
        """The next picture will be a key frame."""
        if self._keys.take(self._clock()):
            self._key_wanted.set()

    def limits(self, voice_bitrate: int, picture_bitrate: int) -> None:
        """Bits a second; voice has its constant rate anyway."""
        self._picture_bitrate = picture_bitrate

    async def close(self) -> None:
        self._stopped.set()
        if self._timeline is not None:
            self._timeline.stop()
        threads, self._threads = self._threads, []
        for thread in threads:
            await asyncio.to_thread(thread.join, JOIN_TIMEOUT_S)

    # ---- in the threads ----

    def _wait(self, position_us: int) -> bool:
        """Until the position is due; False if playing was stopped."""
        assert self._timeline is not None
        late = self._timeline.late_s(position_us)
        if late > LATE_MAX_S:
            self._timeline.skip(late)
        return not (self._stopped.wait(-late) if late < 0 else self._stopped.is_set())

    def _passes(self) -> Iterator[InputContainer]:
        """The file opened once, or again and again."""
        while not self._stopped.is_set():
            with _open(self._path) as container:
                yield container
            if not self._loop:
                return

    def _play_voice(self, deliver: OnFrame) -> None:
        assert self._timeline is not None
        encoder = VoiceEncoder()
        for container in self._passes():
            stream = _voice(container)
            if stream is None:
                return
            position_us = _offset_us(container, stream)
            for samples in _twenty_ms(container, stream, tail=not self._loop):
                payload = encoder.encode(samples)
                # A microphone has the frame when its last sample is there.
                if not self._wait(position_us + VOICE_FRAME_US):
                    return
                time_us = self._timeline.time_us(position_us)
                deliver(EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (payload,)))
                position_us += VOICE_FRAME_US
            if self._loop and not self._timeline.repeat(position_us):
                return

    def _play_picture(self, deliver: OnFrame) -> None:
        assert self._timeline is not None
        encoder: PictureEncoder | None = None
        step_us = 1_000_000 // PICTURES_PER_S_MAX
        for container in self._passes():
            stream = _picture(container)
            if stream is None:
                return
            begin_us = _begin_us(container)
            due_us = end_us = 0
            for frame in container.decode(stream):
                if not isinstance(frame, VideoFrame):
                    continue
                at = end_us if frame.time is None else int(frame.time * 1_000_000) - begin_us
                end_us = max(end_us, at + step_us)
                if at < due_us - 2_000:  # the source has more pictures a second than we send
                    continue
                if not self._wait(at):
                    return
                if self._timeline.late_s(at) > PICTURE_LATE_MAX_S:
                    continue
                due_us = max(due_us + step_us, at)
                width, height = fitted(frame.width, frame.height)
                rate = self._picture_bitrate
                if encoder is None or encoder.made_for != (width, height, rate):
                    encoder = PictureEncoder(width, height, rate, PICTURES_PER_S_MAX)
                key = self._key_wanted.is_set()
                self._key_wanted.clear()
                encoded = encoder.encode(frame, self._timeline.time_us(at), key)
                if encoded is not None:
                    payloads = vp8.pack(encoded.data)
                    time_us = self._timeline.time_us(at)
                    deliver(
                        EncodedFrame(MediaKind.CAMERA, Codec.VP8, encoded.key, time_us, payloads)
                    )
            if self._loop and not self._timeline.repeat(end_us):
                return


def fitted(width: int, height: int) -> tuple[int, int]:
    """The size to send: inside PICTURE_SIZE_MAX with the same shape, never larger than the source,
    both even."""
    scale = min(1.0, PICTURE_SIZE_MAX[0] / max(width, 1), PICTURE_SIZE_MAX[1] / max(height, 1))
    return max(16, int(width * scale) & ~1), max(16, int(height * scale) & ~1)


def _begin_us(container: InputContainer) -> int:
    """Where the file's own time begins, so that sound and picture keep their distance."""
    starts = [
        int(stream.start_time * stream.time_base * 1_000_000)
        for stream in (_voice(container), _picture(container))
        if stream is not None and stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=0)


def _offset_us(container: InputContainer, stream: AudioStream) -> int:
    if stream.start_time is None or stream.time_base is None:
        return 0
    return max(0, int(stream.start_time * stream.time_base * 1_000_000) - _begin_us(container))


def _twenty_ms(
    container: InputContainer, stream: AudioStream, *, tail: bool
) -> Iterator[AudioFrame]:
    """The file's sound, 48 kHz mono, in frames of 960 samples. `tail`: one more frame of silence,
    which pushes out what the encoder still holds (it is 6.5 ms behind)."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000, frame_size=SAMPLES)
    for frame in container.decode(stream):
        if not isinstance(frame, AudioFrame):
            continue
        frame.pts = None  # the sample count is the time: a file's own stamps may have holes
        yield from resampler.resample(frame)
    yield from resampler.resample(None)
    if tail:
        silence = AudioFrame(format="flt", layout="mono", samples=SAMPLES)
        silence.planes[0].update(bytes(silence.planes[0].buffer_size))
        silence.sample_rate = 48_000
        yield silence
