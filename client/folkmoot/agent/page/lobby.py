"""What the page talks to before there is a session: the preview, from which no packet leaves.

The page's server needs something to show before the person presses Join, and the session, with its
links to relays, must not exist before that. The lobby stands in for it, and passes everything on
once the session is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from folkmoot.agent.page.interfaces import Event, PageSession

SUBSCRIBERS_MAX: Final = 8


class Lobby:
    """A PageSession: a preview first, then whatever session it is given.

    `preview`: the snapshot to show: `me`, `relays` (with `sees_address`), `charter`, `invite`.
    `on_join` gets `{"do": "join", "name", "microphone", "camera"}`, once; `on_leave` is called when
    the person goes away without joining.
    """

    def __init__(
        self,
        preview: Event,
        *,
        on_join: Callable[[Event], object],
        on_leave: Callable[[], object] = lambda: None,
    ) -> None:
        self._preview: Event = {
            "members": [],
            "knocks": [],
            "chat": [],
            "relays": [],
            **preview,
            "event": "snapshot",
            "phase": "preview",
        }
        self._on_join = on_join
        self._on_leave = on_leave
        self._joined = False
        self._session: PageSession | None = None
        self._subscribers: dict[Callable[[Event], None], Callable[[], None]] = {}

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        if len(self._subscribers) >= SUBSCRIBERS_MAX:
            raise RuntimeError("too many watch this page")
        if self._session is not None:
            self._subscribers[callback] = self._session.subscribe(callback)
        else:
            self._subscribers[callback] = lambda: None
            callback(self.snapshot())

        def end() -> None:
            self._subscribers.pop(callback, lambda: None)()

        return end

    def snapshot(self) -> Event:
        return dict(self._preview) if self._session is None else self._session.snapshot()

    def do(self, command: Event) -> None:
        if self._session is not None:
            if command.get("do") != "join":  # a second press on the button
                self._session.do(command)
        elif command.get("do") == "join":
            if not self._joined:
                self._joined = True
                self._preview = {**self._preview, "me": self._named(command["name"])}
                self._on_join(command)
        elif command.get("do") == "leave":
            self._tell({"event": "left"})
            self._on_leave()

    def enter(self, session: PageSession) -> None:
        """From now on the page shows and steers `session`."""
        self._session = session
        for callback in list(self._subscribers):
            self._subscribers[callback] = session.subscribe(callback)

    def failed(self, sentence: str) -> None:
        """The session could not begin: the person is told, and may try again."""
        self._joined = False
        self._tell({"event": "problem", "sentence": sentence})
        self._tell(self.snapshot())

    def _named(self, name: str) -> dict[str, Any]:
        return {**self._preview.get("me", {}), "name": name}

    def _tell(self, event: Event) -> None:
        for callback in list(self._subscribers):
            callback(event)
