"""What waits to be sent to one page: bounded, and of all states only the newest.

A browser that is busy must not make the agent grow. A snapshot replaces the one that still waits,
since it says all that the older one said; so does the newest level of a speaker. When even that is
not enough the oldest event goes and a fresh snapshot follows, which holds the chat and the roster
whole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

Event: TypeAlias = Mapping[str, Any]

EVENTS_MAX: Final = 512


class Outbox:
    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._filled = asyncio.Event()
        self.lost_some = False

    def put(self, event: Event) -> None:
        kind = event.get("event")
        if kind == "snapshot":
            self._drop(lambda other: other.get("event") == "snapshot")
        elif kind == "speaking":
            member = event.get("member")
            self._drop(
                lambda other: other.get("event") == "speaking" and other.get("member") == member
            )
        if len(self._events) >= EVENTS_MAX:
            self._events.popleft()
            self.lost_some = True
        self._events.append(event)
        self._filled.set()

    def _drop(self, which: Any) -> None:
        for index, event in enumerate(self._events):  # at most one such event waits
            if which(event):
                del self._events[index]
                return

    async def take(self) -> Event:
        while not self._events:
            self._filled.clear()
            await self._filled.wait()
        return self._events.popleft()

    def __len__(self) -> int:
        return len(self._events)
