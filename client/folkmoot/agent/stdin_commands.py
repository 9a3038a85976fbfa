"""Commands of a program on standard input: one JSON object a line (`--headless --json`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Callable
from typing import Any

LINE_BYTES_MAX = 65_536
READ_BYTES = 65_536


def parse(line: bytes) -> dict[str, Any]:
    """One command; raises ValueError with what is wrong."""
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"A line has at most {LINE_BYTES_MAX} bytes.")
    try:
        command = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("This line is not JSON.") from None
    if not isinstance(command, dict) or not isinstance(command.get("do"), str):
        raise ValueError('A command is an object with "do".')
    return command


class LineSplitter:
    """Cuts what is read into lines, and keeps no more of an endless one than says that it is too
    long."""

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> list[bytes]:
        *lines, rest = (self._kept + data).split(b"\n")
        self._kept = rest[: LINE_BYTES_MAX + 1]
        return [line for line in lines if line.strip()]


def read_commands(
    on_command: Callable[[dict[str, Any]], None], on_refused: Callable[[str], None]
) -> None:
    """Reads standard input from now on, in a thread of its own: it may be a file, a pipe or a
    terminal, and only a thread can wait for all three. Its end is no reason to leave."""
    loop = asyncio.get_running_loop()

    def handle(line: bytes) -> None:
        try:
            command = parse(line)
        except ValueError as error:
            on_refused(str(error))
        else:
            on_command(command)

    def read() -> None:
        splitter = LineSplitter()
        # Closed from the start, or the loop has ended: then nobody gives commands any more. Not
        # sys.stdin: its lock would be held by this thread while the interpreter ends.
        with contextlib.suppress(OSError, RuntimeError):
            while data := os.read(0, READ_BYTES):
                for line in splitter.feed(data):
                    loop.call_soon_threadsafe(handle, line)

    threading.Thread(target=read, name="standard input", daemon=True).start()
