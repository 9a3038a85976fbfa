"""Sockets that have not shown yet that they belong to the page: a few at a time, for a few seconds.

A page that was just loaded says the session secret to the server that it came from. A page that
lost its line says nothing of it: whoever answers on the port now must prove first that it has the
return key, and the page then does the same (see `keys.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from folkmoot.agent.page import messages
from folkmoot.agent.page.keys import Keys

HELLO_S_MAX: Final = 5.0
STRANGERS_MAX: Final = 8


async def receive(socket: WebSocket) -> messages.PageMessage:
    """The next message; WebSocketDisconnect when there is none, MessageError when it is none."""
    event = await socket.receive()
    if event["type"] != "websocket.receive":
        raise WebSocketDisconnect(event.get("code") or 1005)
    text = event.get("text")
    if not isinstance(text, str):
        raise messages.MessageError("not text")
    return messages.parse(text)


@dataclass(frozen=True, slots=True)
class Known:
    """A tab of ours. `instance`: the number of one loaded page; `returns`: it was here before."""

    instance: str
    returns: bool


class Strangers:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._waiting: dict[WebSocket, None] = {}  # oldest first

    async def admit(self, socket: WebSocket, port: int) -> Known | None:
        """Who this is, once it has shown it; None when it has not, in time."""
        while len(self._waiting) >= STRANGERS_MAX:  # the oldest stranger makes room
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            with contextlib.suppress(RuntimeError, OSError):
                await oldest.close(1008, "Too many wait.")
        self._waiting[socket] = None
        try:
            async with asyncio.timeout(HELLO_S_MAX):
                return await self._judge(socket, port)
        except (TimeoutError, WebSocketDisconnect, messages.MessageError, RuntimeError, OSError):
            return None
        finally:
            self._waiting.pop(socket, None)

    async def _judge(self, socket: WebSocket, port: int) -> Known | None:
        message = await receive(socket)
        if isinstance(message, messages.Hello):
            return Known(message.instance, False) if self._keys.opens(message.secret) else None
        if not isinstance(message, messages.Return):
            return None
        challenge = self._keys.challenge(message.nonce, port)
        question = {"event": "challenge", "nonce": challenge.nonce, "proof": challenge.proof}
        await socket.send_text(json.dumps(question))
        answer = await receive(socket)
        if isinstance(answer, messages.Proof) and challenge.is_met_by(answer.proof):
            return Known(message.instance, True)
        return None
