"""`folkmoot` processes that speak JSON, for tests that drive them as another program would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0
Event = dict[str, Any]
PROGRAM = (sys.executable, "-m", "folkmoot.agent.cli")


class Command:
    """A `folkmoot` process that speaks JSON; its events are read as they come."""

    def __init__(
        self,
        state: Path,
        *words: str,
        stdin: Any = subprocess.PIPE,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("FOLKMOOT_") and name not in ("DISPLAY", "WAYLAND_DISPLAY")
        }
        state.mkdir(parents=True, exist_ok=True)
        environment["XDG_STATE_HOME"] = str(state)
        self.state = state
        self.process = subprocess.Popen(
            [*program, *words],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.events: list[Event] = []
        self.words: list[str] = []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read_events),
            threading.Thread(target=self._read_words),
        ]
        for reader in self._readers:
            reader.start()

    def _read_events(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event = json.loads(line)
            with self._news:
                self.events.append(event)
                self._news.notify_all()

    def _read_words(self) -> None:
        assert self.process.stderr is not None
        self.words += [line.rstrip("\n") for line in self.process.stderr]

    def wait_for(self, kind: str, /, **fields: Any) -> Event:
        """The first event of this kind with these fields."""

        def found() -> Event | None:
            wanted = {"event": kind, **fields}.items()
            return next((one for one in self.events if wanted <= _flat(one).items()), None)

        with self._news:
            assert self._news.wait_for(found, PATIENCE_S), (kind, self.events, self.words)
        event = found()
        assert event is not None
        return event

    def do(self, **command: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Waits for its end; gives the exit status."""
        status = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


def _flat(event: Event) -> Event:
    return {name: value for name, value in event.items() if not isinstance(value, list | dict)}


class Commands:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running: list[Command] = []

    def start(
        self,
        *words: str,
        stdin: Any = subprocess.PIPE,
        program: Sequence[str] = PROGRAM,
        state: Path | None = None,
    ) -> Command:
        """`state`: the folder of an earlier command whose work this one takes up; else a fresh
        one."""
        folder = state or self._folder / f"state-{len(self.running)}"
        command = Command(folder, *words, "--json", stdin=stdin, program=program)
        self.running.append(command)
        return command

    def close(self) -> None:
        for command in self.running:
            command.close()
