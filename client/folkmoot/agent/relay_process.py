"""The relay that `folkmoot meet` starts by itself: a child process, never a thread of the agent.

What it holds is no more than any relay holds, so it must not be able to see the agent's memory, nor
end with a mistake in it. It is started again, at the same address with the same key, if it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import Callable

from folkmoot.agent.failure import Failure
from folkmoot.wire.address import RelayAddress, format_host_port
from folkmoot.wire.codec import DecodeError

READY_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0
RESTART_FIRST_S = 0.2
RESTART_MAX_S = 5.0
STEADY_S = 10.0  # one that ran so long is started again at once
WORDS_MAX = 20  # lines of its standard error that are kept, to say why it died
LINE_BYTES_MAX = 65_536


class RelayProcess:
    """One relay on this machine. `on_trouble(sentence)` is called when it died, and when it is
    back."""

    def __init__(self, host: str, port: int, on_trouble: Callable[[str], None]) -> None:
        self._listen = format_host_port(host, port)
        self._on_trouble = on_trouble
        self._state = ""
        self._process: asyncio.subprocess.Process | None = None
        self._words: deque[str] = deque(maxlen=WORDS_MAX)
        self._watch: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self) -> RelayAddress:
        """Starts it, and returns once it accepts links; raises Failure with the relay's own
        words."""
        # Its key is kept while the meeting lasts, so that a restart keeps the address that the
        # invites name; a meeting's relay is nobody's business once it is over.
        self._state = tempfile.mkdtemp(prefix="folkmoot-relay-")
        try:
            address = await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._listen = format_host_port(address.host, address.port)
        self._watch = asyncio.create_task(self._keep_alive(), name="the meeting's relay")
        return address

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return self._process.pid if self._process is not None else None

    async def _launch(self) -> RelayAddress:
        self._words.clear()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "folkmoot.relay.cli",
            *("--listen", self._listen, "--state", self._state, "--json"),
            # However the agent ends, kill -9 included, its end of the pipe closes, and the relay
            # with it: nothing is left behind on this machine.
            "--until-stdin-closes",
            env={name: value for name, value in os.environ.items() if not _is_ours(name)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
            # Ctrl-C is for the agent, which leaves the meeting first: that needs the relay.
            start_new_session=True,
        )
        self._reader = asyncio.create_task(self._read_words(self._process))
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                return await self._ready(self._process)
        except TimeoutError:
            raise Failure("The relay on this machine did not start in time.") from None

    async def _ready(self, process: asyncio.subprocess.Process) -> RelayAddress:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            with contextlib.suppress(ValueError, TypeError, KeyError, DecodeError):
                event = json.loads(line)
                if event["event"] == "ready":
                    return RelayAddress.parse(event["address"])
                if event["event"] == "error":
                    self._words.append(str(event["message"]))
        await process.wait()
        if self._reader is not None:
            await self._reader
        why = self._words[-1] if self._words else f"it ended with status {process.returncode}"
        raise Failure(f"The relay on this machine did not start: {why}")

    async def _read_words(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            if words := line.decode("utf-8", "replace").strip():
                self._words.append(words)

    async def _keep_alive(self) -> None:
        delay = RESTART_FIRST_S
        while True:
            assert self._process is not None
            assert self._process.stdout is not None
            began = asyncio.get_running_loop().time()
            while await self._process.stdout.read(LINE_BYTES_MAX):
                pass
            await self._process.wait()
            if asyncio.get_running_loop().time() - began > STEADY_S:
                delay = RESTART_FIRST_S
            self._on_trouble("The relay on this machine stopped; it is started again.")
            while True:
                await asyncio.sleep(delay)
                delay = min(RESTART_MAX_S, delay * 2)
                try:
                    await self._launch()
                except Failure as failure:
                    await self._end_child()
                    self._on_trouble(str(failure))
                    continue
                self._on_trouble("The relay on this machine runs again, at the same address.")
                break

    async def stop(self) -> None:
        """Ends it, properly if it will."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._end_child()
        if self._reader is not None:
            await asyncio.gather(self._reader, return_exceptions=True)
        shutil.rmtree(self._state, ignore_errors=True)

    async def _end_child(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        for end in (process.terminate, process.kill):
            with contextlib.suppress(ProcessLookupError):
                end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
                return


def _is_ours(name: str) -> bool:
    """Settings of the agent's command, which are not meant for its relay."""
    return name.startswith("FOLKMOOT_")
