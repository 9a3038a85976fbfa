"""Processes that speak JSON lines, and what each of them said, with when it came."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folkmoot.agent.failure import Failure

EVENTS_MAX = 50_000
WORDS_MAX = 20
LINE_BYTES_MAX = 1 << 20
READY_S = 60.0
STOP_S = 5.0


@dataclass(frozen=True)
class Told:
    """One line; `at`: the loop's clock when it was read."""

    at: float
    event: dict[str, Any]


class Speaking:
    """One process. It ends when its standard input does, and with this object's `stop`."""

    def __init__(self, name: str, *command: str, env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.told: deque[Told] = deque(maxlen=EVENTS_MAX)
        self.watchers: list[Callable[[Told], None]] = []
        self._words: deque[str] = deque(maxlen=WORDS_MAX)
        self._command, self._env, self._folder = command, env, folder
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    async def start(self) -> None:
        state = self._folder / self.name
        state.mkdir(exist_ok=True)
        outside = {one: value for one, value in os.environ.items() if not one.startswith("FOLKM")}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            *self._command,
            env={**outside, "XDG_STATE_HOME": str(state), "XDG_RUNTIME_DIR": str(state),
                 **self._env},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            start_new_session=True,
        )  # fmt: skip
        self._readers = [asyncio.create_task(self._read()), asyncio.create_task(self._words_of())]

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        loop = asyncio.get_running_loop()
        while line := await self._process.stdout.readline():
            with contextlib.suppress(ValueError):
                told = Told(loop.time(), json.loads(line))
                self.told.append(told)
                self._news.set()
                for watcher in list(self.watchers):
                    watcher(told)

    async def _words_of(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            self._words.append(line.decode("utf-8", "replace").strip())

    def order(self, **what: Any) -> None:
        """Says something to it; one that is gone is told nothing."""
        if self._process is None or self._process.returncode is not None:
            return
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write((json.dumps(what) + "\n").encode())

    def say_line(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write((line + "\n").encode())

    async def wait_for(self, kind: str, wait_s: float = READY_S, /, **fields: Any) -> Told:
        """The first event of this kind with these fields, from now or before; Failure in the
        process's own words when none comes."""
        wanted = {"event": kind, **fields}
        try:
            async with asyncio.timeout(wait_s):
                while True:
                    self._news.clear()
                    for told in list(self.told):
                        if all(told.event.get(one) == value for one, value in wanted.items()):
                            return told
                    if self._process is None or self._process.returncode is not None:
                        break
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._news.wait(), 0.5)
        except TimeoutError:
            pass
        said = " ".join(self._words) or "it says nothing"
        raise Failure(f"{self.name} did not come to {kind}: {said}")

    def after(self, at: float, kind: str) -> list[Told]:
        """Events of this kind since then, oldest first."""
        return [one for one in self.told if one.at >= at and one.event.get("event") == kind]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def kill(self) -> None:
        """At once, as a machine that is switched off."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)

    async def stop(self) -> None:
        """Ends it, properly if it will."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
