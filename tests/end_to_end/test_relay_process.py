"""The relay that `folkmoot meet` starts: it comes back when it dies, and ends with its agent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from folkmoot.agent.failure import Failure
from folkmoot.agent.relay_process import RelayProcess

PATIENCE_S = 20.0


async def _until(condition: object, what: str) -> None:
    assert callable(condition)
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.02)
    assert condition(), what


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1.0).close()
    except OSError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_starts_dies_and_comes_back_with_the_same_address() -> None:
    async def run() -> None:
        said: list[str] = []
        relay = RelayProcess("127.0.0.1", 0, said.append)
        address = await relay.start()
        assert address.host == "127.0.0.1"
        assert _accepts(address.host, address.port)
        first = relay.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await _until(lambda: len(said) == 2, "it says that it died, and that it is back")
        assert "stopped" in said[0]
        assert "again, at the same address" in said[1]
        assert relay.pid != first
        assert _accepts(address.host, address.port)
        second = relay.pid
        assert second is not None
        await relay.stop()
        assert not _alive(second)
        assert not _accepts(address.host, address.port)
        assert len(said) == 2

    asyncio.run(run())


def test_a_port_in_use_is_one_sentence() -> None:
    async def run(port: int) -> str:
        relay = RelayProcess("127.0.0.1", port, print)
        with pytest.raises(Failure) as failure:
            await relay.start()
        return str(failure.value)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        sentence = asyncio.run(run(taken.getsockname()[1]))
    assert "in use by another program" in sentence
    assert "\n" not in sentence


AGENT = """
    import asyncio, sys
    from folkmoot.agent.relay_process import RelayProcess

    async def run():
        relay = RelayProcess("127.0.0.1", 0, print)
        await relay.start()
        print(relay.pid, flush=True)
        await asyncio.sleep(600)

    asyncio.run(run())
"""


def test_it_ends_with_an_agent_that_is_killed() -> None:
    agent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(AGENT)], stdout=subprocess.PIPE, text=True
    )
    with agent:
        assert agent.stdout is not None
        relay = int(agent.stdout.readline())
        assert _alive(relay)
        agent.kill()
    end = time.monotonic() + PATIENCE_S
    while _alive(relay) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _alive(relay)
