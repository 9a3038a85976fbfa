"""Records every member heard: one file each, encoded frames as received, in a thread of its own.
Whatever happens to the disk, the meeting does not notice."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import os
import queue
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import av

from folkmoot.agent.media.clock import media_clock
from folkmoot.agent.media.limiter import Limiter
from folkmoot.agent.media.matroska import MatroskaFile, copy_voice
from folkmoot.cells import vp8
from folkmoot.cells.frames import EncodedFrame, MediaKind

QUEUE_FRAMES_MAX = 4_096  # some 20 s of ten members; a disk slower than that loses frames
DECIDE_AFTER_S = 2.0  # a picture that comes by then makes the file a .mkv at once
WAITING_FRAMES_MAX = 1_024  # of one member before its file is begun
FILES_MAX = 1_024  # in one recording
NAME_BYTES_MAX = 100
JUMP_MAX_US = 5_000_000  # a member's clock that is further off began anew
KEY_REQUEST_INTERVAL_S = 0.5  # of one member
JOIN_TIMEOUT_S = 10.0
# Names that Windows gives to devices, whatever stands behind their first dot.
_RESERVED = frozenset(
    {"CON", "PRN", "AUX", "NUL", *(f"{n}{i}" for n in ("COM", "LPT") for i in "0123456789¹²³")}
)


class CannotRecord(Exception):
    """Nothing can be recorded there; the text is the sentence for the person."""


def file_stem(name: str, member: str) -> str:
    """A member's name as a file name: letters, digits, space, dot, dash and underscore, at most
    NAME_BYTES_MAX bytes. The member's id where nothing is left of the name."""
    kept = "".join(
        char if char.isalnum() or char in " .-_" else "_"
        for char in unicodedata.normalize("NFC", name)
    )
    while len(kept.encode()) > NAME_BYTES_MAX:
        kept = kept[:-1]
    # A dash in front would be an option to whatever is told to work on all files.
    kept = kept.lstrip(" .-").rstrip(" .")
    if not kept.strip("_"):
        kept = "".join(char for char in member if char.isalnum())[:32] or "member"
    return f"_{kept}" if kept.split(".")[0].rstrip().upper() in _RESERVED else kept


class _Spoilt(Exception):
    """One member's file cannot go on; the others' do."""


@dataclass
class _Take:
    """One member's recording. `waiting` holds its frames until the kind of file is decided."""

    stem: str
    first_at: float
    file: MatroskaFile | None = None
    waiting: list[tuple[EncodedFrame, float]] = field(default_factory=list)
    shift_us: int | None = None  # what turns time_us into the file's time
    last_us: int = 0  # newest time in the file
    last_at: float = 0.0  # when that frame came, on our clock
    last_of: dict[MediaKind, int] = field(default_factory=dict)
    needs_key: bool = True
    requests: Limiter = field(default_factory=lambda: Limiter(KEY_REQUEST_INTERVAL_S))

    def place(self, frame: EncodedFrame, now: float) -> int:
        """The frame's time in the file, µs, later than its stream's last one."""
        expected = self.last_us + int((now - self.last_at) * 1_000_000)
        if self.shift_us is None:
            self.shift_us = -frame.time_us
        elif abs(frame.time_us + self.shift_us - expected) > JUMP_MAX_US:
            self.shift_us = expected - frame.time_us
        at_us = max(0, frame.time_us + self.shift_us, self.last_of.get(frame.kind, -1_000) + 1_000)
        self.last_of[frame.kind] = at_us
        self.last_us, self.last_at = max(self.last_us, at_us), now
        return at_us


# (member, frame, name, or None for a gap; when)
_Item = tuple[str, EncodedFrame | str | None, float]


class Recorder:
    """`write` and the others return at once and never raise; `on_problem(sentence)` and
    `on_keyframe_wanted_of(member)` are called in the recorder's thread."""

    def __init__(
        self,
        directory: Path,
        *,
        on_problem: Callable[[str], None],
        on_keyframe_wanted_of: Callable[[str], None] = lambda member: None,
        clock: Callable[[], float] = media_clock,
    ) -> None:
        """Makes the folder if need be. Raises CannotRecord."""
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = directory / f".folkmoot-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise CannotRecord(f"{directory} cannot be recorded to: {_why(error)}.") from None
        self._directory = directory
        self._on_problem = on_problem
        self._on_keyframe_wanted_of = on_keyframe_wanted_of
        self._clock = clock
        self._queue: queue.Queue[_Item | None] = queue.Queue(QUEUE_FRAMES_MAX)
        self._takes: dict[str, _Take] = {}
        self._names: dict[str, str] = {}
        self._spoilt: set[str] = set()
        self._stopped = threading.Event()
        self.lost = 0  # frames that the disk was too slow for
        self._thread = threading.Thread(target=self._run, name="folkmoot record", daemon=True)
        self._thread.start()

    def name(self, member: str, name: str) -> None:
        """What the member's file will be called; a file that is begun keeps its name."""
        self._put((member, name, self._clock()))

    def write(self, member: str, frame: EncodedFrame) -> None:
        self._put((member, frame, self._clock()))

    def gap(self, member: str) -> None:
        """A picture frame of this member was lost: nothing of its picture until the next key
        frame."""
        self._put((member, None, self._clock()))

    def _put(self, item: _Item) -> None:
        if self._stopped.is_set():
            return
        try:
            self._queue.put_nowait(item)
        except queue.Full:
            self.lost += 1

    async def close(self) -> None:
        """Finishes all files. Returns the loop to others meanwhile."""
        await asyncio.to_thread(self.finish)

    def finish(self) -> None:
        self._stopped.set()
        try:
            self._queue.put(None, timeout=JOIN_TIMEOUT_S)
        except queue.Full:
            # A disk that hangs: the thread is a daemon and the files are playable as they are.
            return
        self._thread.join(JOIN_TIMEOUT_S)

    # ---- in the thread ----

    def _run(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                self._alone(item[0], functools.partial(self._take_in, *item))
            for member in list(self._takes):
                self._alone(member, functools.partial(self._end, member))
        except Exception as error:  # a recording never takes a meeting down
            self._give_up(error)
        while not self._stopped.is_set() or not self._queue.empty():
            if self._queue.get() is None:
                return

    def _alone(self, member: str, act: Callable[[], None]) -> None:
        """What one member sends must not end the recording of the others: only a disk does."""
        if member in self._spoilt:
            return
        try:
            act()
        except (_Spoilt, av.FFmpegError, ValueError):
            self._spoilt.add(member)
            take = self._takes.pop(member, None)
            if take is not None and take.file is not None:
                with contextlib.suppress(av.FFmpegError, ValueError):
                    take.file.close()
            name = self._names.get(member, "a member")
            self._on_problem(f"The recording of {name} has stopped: a frame cannot be written.")

    def _give_up(self, error: Exception) -> None:
        self._stopped.set()
        for take in self._takes.values():
            if take.file is not None:
                try:
                    take.file.close()
                except (OSError, av.FFmpegError, ValueError):
                    continue
        why = _why(error) if isinstance(error, OSError) else "a frame could not be written"
        self._on_problem(f"The recording has stopped: {why}. The meeting goes on.")

    def _take_in(self, member: str, what: EncodedFrame | str | None, at: float) -> None:
        if isinstance(what, str):
            self._names[member] = what
            begun = self._takes.get(member)
            if begun is not None and begun.file is None:
                begun.stem = file_stem(what, member)
            return
        take = self._takes.get(member)
        if what is None:
            if take is not None:
                take.needs_key = True
            return
        if take is None:
            if len(self._takes) >= FILES_MAX or what.kind is MediaKind.SCREEN:
                return
            take = self._takes[member] = _Take(file_stem(self._names.get(member, ""), member), at)
        if what.kind is MediaKind.SCREEN:
            return  # a screen is recorded when screens are shared
        if what.kind is MediaKind.CAMERA and take.needs_key:
            if not what.key:
                if take.requests.take(at):
                    self._on_keyframe_wanted_of(member)
                return
            take.needs_key = False
        if take.file is not None:
            self._write(take, what, at)
            return
        take.waiting.append((what, at))
        if (
            what.kind is MediaKind.CAMERA
            or at - take.first_at >= DECIDE_AFTER_S
            or len(take.waiting) >= WAITING_FRAMES_MAX
        ):
            self._begin(take)

    def _begin(self, take: _Take) -> None:
        """Opens the file of a member and writes what waited, oldest first."""
        waiting, take.waiting = sorted(take.waiting, key=lambda item: item[0].time_us), []
        take.last_at = waiting[0][1]
        size = next((s for frame, _ in waiting if (s := _size(frame)) is not None), None)
        take.file = self._new_file(take.stem, size)
        for frame, at in waiting:
            self._write(take, frame, at)

    def _new_file(self, stem: str, size: tuple[int, int] | None) -> MatroskaFile:
        suffix = "mka" if size is None else "mkv"
        for number in range(1, FILES_MAX + 1):
            name = stem if number == 1 else f"{stem} ({number})"
            # NAME.mka and NAME.mkv belong to one member, whichever it is in the end.
            if any((self._directory / f"{name}.{other}").exists() for other in ("mka", "mkv")):
                continue
            return MatroskaFile(self._directory / f"{name}.{suffix}", stem, size)
        raise _Spoilt("there are too many recordings of that name")

    def _write(self, take: _Take, frame: EncodedFrame, at: float) -> None:
        assert take.file is not None
        if frame.kind is MediaKind.VOICE:
            take.file.voice(frame.payloads[0], take.place(frame, at))
            return
        data = vp8.unpack(frame.payloads)
        if data is None:
            take.needs_key = True
            return
        if take.file.size is None:
            size = _size(frame)
            if size is None:
                return
            self._add_picture(take, size)
        take.file.picture(data, take.place(frame, at), frame.key)

    def _add_picture(self, take: _Take, size: tuple[int, int]) -> None:
        """A picture came late: the voice so far goes into a new file that has room for both."""
        assert take.file is not None
        old = take.file
        old.close()
        new = MatroskaFile(old.path.with_suffix(".mkv"), take.stem, size)
        take.file = new
        if old.frames:  # none if what came was key frames without a size: nothing can be read back
            copy_voice(old.path, new)
        old.path.unlink(missing_ok=True)

    def _end(self, member: str) -> None:
        take = self._takes.pop(member)
        if take.file is None and take.waiting:
            self._begin(take)
        if take.file is not None:
            take.file.close()


def _size(frame: EncodedFrame) -> tuple[int, int] | None:
    if frame.kind is MediaKind.VOICE or not frame.key:
        return None
    data = vp8.unpack(frame.payloads)
    return None if data is None else vp8.key_frame_size(data)


def _why(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full"
    return (error.strerror or str(error)).lower()
