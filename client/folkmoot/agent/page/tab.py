"""One open tab: its socket, what waits for it, its media bridge while it is the active one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from folkmoot.agent.page.interfaces import BridgeFactory, Event, PageBridge
from folkmoot.agent.page.outbox import Outbox

logger = logging.getLogger("folkmoot.page")

SEND_S_MAX: Final = 20.0  # a browser that takes nothing for so long is gone
MESSAGES_A_SECOND: Final = 30.0  # a busy person causes two or three
MESSAGES_BURST: Final = 90.0


class Rate:
    """A bucket of messages: `MESSAGES_BURST` at once, `MESSAGES_A_SECOND` after that."""

    def __init__(self, now: float) -> None:
        self._left = MESSAGES_BURST
        self._at = now

    def allows(self, now: float) -> bool:
        self._left = min(MESSAGES_BURST, self._left + (now - self._at) * MESSAGES_A_SECOND)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Tab:
    def __init__(
        self, socket: WebSocket, instance: str, bridge_factory: BridgeFactory | None
    ) -> None:
        self.instance = instance
        self.unsubscribe: Callable[[], None] | None = None
        self._socket = socket
        self._bridge_factory = bridge_factory
        self._bridge: PageBridge | None = None
        self._outbox = Outbox()
        self._media = asyncio.Lock()  # one offer, answer or close at a time
        # Firefox never takes a loopback candidate, Chromium does; where that once did not work,
        # the machine's other addresses are offered too.
        self._loopback_only = "Chrome/" in socket.headers.get("user-agent", "")
        self._unconnected = False

    @property
    def active(self) -> bool:
        return self.unsubscribe is not None

    def put(self, event: Event) -> None:
        self._outbox.put(event)

    async def write(self, fresh_snapshot: Callable[[], Event]) -> None:
        """Sends what waits, until the socket closes or the browser stops reading."""
        with contextlib.suppress(WebSocketDisconnect, OSError, RuntimeError):
            while True:
                event = await self._outbox.take()
                try:
                    text = json.dumps(event, allow_nan=False)
                except (TypeError, ValueError):
                    logger.exception("an event that JSON cannot say")
                    continue
                try:
                    await asyncio.wait_for(self._socket.send_text(text), SEND_S_MAX)
                except TimeoutError:
                    break
                if self._outbox.lost_some and not len(self._outbox) and self.active:
                    self._outbox.lost_some = False
                    self._outbox.put(fresh_snapshot())
        await self.close(1013, "The page does not take what the agent sends.")

    async def close(self, code: int, sentence: str) -> None:
        with contextlib.suppress(WebSocketDisconnect, OSError, RuntimeError):
            await self._socket.close(code, sentence)

    # --- pictures and sound ---

    async def offer(self) -> None:
        """A fresh bridge for a fresh RTCPeerConnection; the one before it goes first."""
        if self._bridge_factory is None:
            self.put({"event": "error", "message": "This agent has no pictures and no sound."})
            return
        async with self._media:
            await self._close_bridge()
            try:
                self._bridge = self._bridge_factory(
                    on_offer=self._send_offer,
                    on_state=self._media_state,
                    loopback_only=self._loopback_only and not self._unconnected,
                )
                self._unconnected = True
                await self._bridge.offer()
            except Exception:  # whatever goes wrong with sound and picture, chat and roster go on
                logger.exception("the bridge to the page did not start")
                await self._close_bridge()
                self.put({"event": "error", "message": "Sound and picture could not be started."})

    def _send_offer(self, sdp: str) -> None:
        self.put({"event": "offer", "sdp": sdp})

    def _media_state(self, state: str, sentence: str) -> None:
        if state == "connected":
            self._unconnected = False
        self.put({"event": "media", "state": state, "sentence": sentence})

    async def answer(self, sdp: str) -> None:
        async with self._media:
            if self._bridge is None:
                return  # an answer to an offer that was withdrawn
            try:
                await self._bridge.answer(sdp)
            except Exception:
                logger.exception("the page's answer was not understood")
                self.put({"event": "error", "message": "Sound and picture could not be started."})

    async def stop_media(self) -> None:
        async with self._media:
            await self._close_bridge()

    async def _close_bridge(self) -> None:
        bridge, self._bridge = self._bridge, None
        if bridge is None:
            return
        try:
            await bridge.close()
        except Exception:
            logger.exception("the bridge did not close properly")
