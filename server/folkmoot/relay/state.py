"""Where a relay keeps its key, and how two relays are kept from using one folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from folkmoot.relay.errors import RelayError

try:
    import fcntl
except ImportError:  # not on Windows, where nothing keeps two relays apart but their ports
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = "lock"


def default_folder(listen: str) -> Path:
    """One folder for each listen address and port, under the XDG state folder."""
    home = os.environ.get("XDG_STATE_HOME", "")
    base = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return base / "folkmoot" / "relay" / listen.replace(":", "_").replace("/", "_")


@contextlib.contextmanager
def held(folder: Path, listen: str) -> Iterator[None]:
    """Holds the folder (made with mode 0700 if it is not there) for this process. The lock goes
    with the process, however that ends."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise RelayError(f"The folder {folder} cannot be used: {error.strerror}.") from error
    try:
        _lock(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {listen}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 400, 0).decode("utf-8", "replace").split()
        who = f"process {holder[0]}, listening on {holder[1]}" if len(holder) == 2 else "a process"
        raise RelayError(
            f"The folder {folder} is in use by another relay ({who}): stop that one, or give this"
            " one a folder of its own with --state."
        ) from error
