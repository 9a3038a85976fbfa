"""What the page's server needs of the rest of the agent: a session to show and steer, and a bridge
for pictures and sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

Event: TypeAlias = dict[str, Any]


class PageSession(Protocol):
    """The part of `Session` that the page uses. `subscribe` calls back at once with a snapshot."""

    def subscribe(self, callback: Callable[[Event], None], /) -> Callable[[], None]: ...
    def do(self, command: Event, /) -> None: ...
    def snapshot(self) -> Event: ...


class PageBridge(Protocol):
    """One WebRTC endpoint, for one RTCPeerConnection of the page; it always offers, the page always
    answers. `offer` hands the offer to the callback that the factory was given."""

    async def offer(self) -> None: ...
    async def answer(self, sdp: str, /) -> None: ...
    async def close(self) -> None: ...


class BridgeFactory(Protocol):
    """Makes the bridge of a page that is ready for one. `on_state` hears "connected", "failed" or
    "gone" with a sentence. `loopback_only`: this browser takes 127.0.0.1, so no other address of
    the machine need be listened on."""

    def __call__(
        self,
        *,
        on_offer: Callable[[str], None],
        on_state: Callable[[str, str], None],
        loopback_only: bool,
    ) -> PageBridge: ...
