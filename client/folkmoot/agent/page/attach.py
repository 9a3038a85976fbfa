"""The bridge of a page, tied to a session for as long as that page is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from folkmoot.agent.media import Bridge
from folkmoot.agent.page.interfaces import BridgeFactory, PageBridge
from folkmoot.cells.frames import EncodedFrame


class MediaSession(Protocol):
    """The part of `Session` that sound and picture pass through."""

    def attach_media(self, sink: Any, /) -> None: ...
    def detach_media(self, sink: Any, /) -> None: ...
    def voice_in(self, frame: EncodedFrame, /) -> None: ...
    def picture_in(self, frame: EncodedFrame, /) -> None: ...
    def want_keyframe(self, member: str, /) -> None: ...


class _Attached:
    def __init__(self, bridge: Bridge, session: MediaSession) -> None:
        self._bridge = bridge
        self._session = session

    async def offer(self) -> None:
        self._session.attach_media(self._bridge)
        await self._bridge.offer()

    async def answer(self, sdp: str) -> None:
        await self._bridge.answer(sdp)

    async def close(self) -> None:
        self._session.detach_media(self._bridge)
        await self._bridge.close()


def bridges_of(session: MediaSession) -> BridgeFactory:
    """For `PageServer`: each page gets a bridge of its own to this session."""

    def make(
        *,
        on_offer: Callable[[str], None],
        on_state: Callable[[str, str], None],
        loopback_only: bool,
    ) -> PageBridge:
        bridge = Bridge(
            on_offer=on_offer,
            on_voice=session.voice_in,
            on_picture=session.picture_in,
            on_keyframe_wanted_of=session.want_keyframe,
            on_state=on_state,
            loopback_only=loopback_only,
        )
        return _Attached(bridge, session)

    return make
