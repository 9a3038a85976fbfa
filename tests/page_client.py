"""A client of the page's server for its tests: HTTP with any header, and the page's socket."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from folkmoot.agent.page import PageServer, ReturnNote
from page_session import FakeSession

Headers = dict[str, str]


@contextlib.asynccontextmanager
async def serving(session: FakeSession | None = None, **options: Any) -> AsyncIterator[PageServer]:
    page = PageServer(session or FakeSession(phase="in"), entropy=os.urandom, **options)
    await page.start()
    try:
        yield page
    finally:
        await page.stop()


def port_of(page: PageServer) -> int:
    return int(page.url.split(":")[2].rstrip("/"))


def own(page: PageServer) -> str:
    return page.url.rstrip("/")


async def ask(
    page: PageServer, method: str, path: str, headers: Headers | None = None, body: bytes = b""
) -> tuple[int, Headers, bytes]:
    """One HTTP request, its headers exactly as given (Host included unless it is given)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(page))
    try:
        lines = {"Host": f"127.0.0.1:{port_of(page)}", **(headers or {})}
        if body:
            lines["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode() + body)
        answer = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()
    top, _, rest = answer.partition(b"\r\n\r\n")
    first, *others = top.decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in others)
    return int(first.split()[1]), {name.lower(): value for name, value in pairs}, rest


async def exchange(page: PageServer, token: str, headers: Headers | None = None) -> tuple[int, Any]:
    body = json.dumps({"token": token}).encode()
    given = (
        {"Origin": own(page), "Content-Type": "application/json"} if headers is None else headers
    )
    status, _, answer = await ask(page, "POST", "/session", given, body)
    return status, json.loads(answer) if status == 200 else answer


def token_of(page: PageServer) -> str:
    return page.handover_url().split("#")[1]


def dial(page: PageServer, **options: Any) -> connect:
    options.setdefault("origin", own(page))
    return connect(f"ws://127.0.0.1:{port_of(page)}/page", compression=None, **options)


async def say(line: ClientConnection, **message: Any) -> None:
    await line.send(json.dumps(message))


async def hear(line: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(line.recv(), 5))


async def hear_until(line: ClientConnection, event: str) -> Any:
    while True:
        heard = await hear(line)
        if heard["event"] == event:
            return heard


async def closes(line: ClientConnection) -> tuple[int, str]:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            async for _ in line:
                pass
    await line.wait_closed()
    assert line.close_code is not None
    return line.close_code, line.close_reason or ""


@contextlib.asynccontextmanager
async def tab(page: PageServer, instance: str = "one") -> AsyncIterator[ClientConnection]:
    """A page that was just loaded, known to the agent; what the agent says next is a snapshot or
    that the meeting is in another tab."""
    async with dial(page) as line:
        await say(line, do="hello", secret=page.secret, instance=instance)
        with contextlib.suppress(ConnectionClosed):  # where there are too many
            assert (await hear(line))["event"] == "welcome"
        yield line


def proof_of(side: str, note: ReturnNote, page_nonce: str, agent_nonce: str) -> str:
    """Written out here once more, from the words of `keys.py`: base64url of the HMAC-SHA-256 of
    five lines."""
    lines = ("Folkmoot 1 page return", side, str(note.port), page_nonce, agent_nonce)
    mac = hmac.new(note.key.encode(), "\n".join(lines).encode(), "sha256").digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


@contextlib.asynccontextmanager
async def returning(page: PageServer, note: ReturnNote) -> AsyncIterator[ClientConnection]:
    """A page that lost its line, and checks who answers; up to the agent's `welcome`."""
    async with dial(page) as line:
        await say(line, do="return", nonce="n" * 43, instance="one")
        question = await hear(line)
        assert question["event"] == "challenge"
        assert question["proof"] == proof_of("agent", note, "n" * 43, question["nonce"])
        await say(line, do="proof", proof=proof_of("page", note, "n" * 43, question["nonce"]))
        yield line


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
