"""The saved state of a seat on this machine: written before anything that depends on it is sent,
gone when the meeting is left, and never open in two agents at once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from pathlib import Path

KEPT_S = 600  # a seat can be taken up again for ten minutes
FILES_MAX = 64  # looked at when a seat is taken up again


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
        self._lock = os.open(
            path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise

    @classmethod
    def fresh(cls, group_id: bytes, random: bytes) -> SeatFile:
        """A new seat in the group."""
        return cls(state_folder() / f"{_prefix(group_id)}-{random.hex()[:16]}.seat")

    @classmethod
    def take_up(cls, group_id: bytes) -> tuple[SeatFile, bytes] | None:
        """A seat of this group that was left in haste less than ten minutes ago, with its state."""
        now = time.time()
        pattern = f"{_prefix(group_id)}-*.seat"
        paths = sorted(state_folder().glob(pattern), key=_modified, reverse=True)
        for path in paths[:FILES_MAX]:
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

    def write(self, data: bytes) -> None:
        """Replaces the state at once or not at all; OSError when the disk will not have it."""
        partial = self._path.with_suffix(".part")
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
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
        for suffix in (".seat", ".part", ".lock"):
            self._path.with_suffix(suffix).unlink(missing_ok=True)
        self.close()


def _prefix(group_id: bytes) -> str:
    return hashlib.sha256(b"Folkmoot 1 seat file" + group_id).hexdigest()[:24]


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
