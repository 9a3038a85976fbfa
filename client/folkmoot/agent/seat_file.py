"""The saved state of a seat on this machine: written before anything that depends on it is sent,
gone when the meeting is left, and never open in two agents at once. Beside it lies a note by which
the page that is open finds the agent that takes the seat up again."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from pathlib import Path

KEPT_S = 600  # a seat can be taken up again for ten minutes
FILES_MAX = 64  # looked at when a seat is taken up again
NOTE_BYTES_MAX = 256
STATE, NOTE, LOCK, PARTIAL = ".seat", ".page", ".lock", ".part"


def state_folder() -> Path:
    """Where this person's meetings are kept, mode 0700."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    folder = Path(base) / "folkmoot" / "meetings"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


class SeatFile:
    """One seat's file, locked for as long as this object is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._note = b""
        self._lock = os.open(path.with_suffix(LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise

    @classmethod
    def fresh(cls, group_id: bytes, random: bytes) -> SeatFile:
        """A new seat in the group."""
        return cls(state_folder() / f"{_prefix(group_id)}-{random.hex()[:16]}{STATE}")

    @classmethod
    def take_up(cls, group_id: bytes) -> tuple[SeatFile, bytes] | None:
        """A seat of this group that was left in haste less than ten minutes ago, with its state."""
        now = time.time()
        for path in _seats(group_id):
            try:
                file = cls(path)
            except OSError:
                continue
            age_s = now - _modified(path)
            data = b""
            with contextlib.suppress(OSError):
                data = path.read_bytes()
            if data and age_s <= KEPT_S:
                return file, data
            file.forget()
        return None

    @classmethod
    def note_left(cls, group_id: bytes) -> bytes:
        """The note beside the seat that `take_up` would give now; empty when there is none."""
        for path in _seats(group_id):
            if time.time() - _modified(path) > KEPT_S:
                continue
            with contextlib.suppress(OSError):
                file = cls(path)  # whose agent still runs has no page that looks for another
                file.close()
                return path.with_suffix(NOTE).read_bytes()[:NOTE_BYTES_MAX]
        return b""

    def keep_note(self, note: bytes) -> None:
        """To lie beside the state from the first time on that it is written."""
        self._note = note

    def write(self, data: bytes) -> None:
        """Replaces the state at once or not at all; OSError when the disk will not have it."""
        self._replace(STATE, data)
        note, self._note = self._note, b""
        if note:
            with contextlib.suppress(OSError):  # the page opens anew then
                self._replace(NOTE, note)

    def _replace(self, suffix: str, data: bytes) -> None:
        partial = self._path.with_suffix(PARTIAL)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path.with_suffix(suffix))
        except OSError:
            partial.unlink(missing_ok=True)
            raise

    def touch(self) -> None:
        """Says that the seat is in use now, so that its ten minutes begin when the agent dies."""
        with contextlib.suppress(OSError):
            os.utime(self._path)

    def close(self) -> None:
        """Gives the seat's file up without forgetting it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def forget(self) -> None:
        """Deletes the state: the seat was left properly, or is too old."""
        for suffix in (STATE, NOTE, PARTIAL, LOCK):
            self._path.with_suffix(suffix).unlink(missing_ok=True)
        self.close()


def _prefix(group_id: bytes) -> str:
    return hashlib.sha256(b"Folkmoot 1 seat file" + group_id).hexdigest()[:24]


def _seats(group_id: bytes) -> list[Path]:
    """The newest first."""
    pattern = f"{_prefix(group_id)}-*{STATE}"
    return sorted(state_folder().glob(pattern), key=_modified, reverse=True)[:FILES_MAX]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
