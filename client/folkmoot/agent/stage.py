"""The meeting as the page sees it, from the preview on: before the person presses join there is no
link to any relay, and nothing of the camera or the microphone goes anywhere.

Who opens a meeting is in it from the start, so that the invite exists; who follows an invite is not
even knocking. Both see the preview first, and their microphone and camera wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from folkmoot.agent.media import Bridge
from folkmoot.agent.session import Session
from folkmoot.agent.view import charter_view
from folkmoot.cells.frames import EncodedFrame
from folkmoot.governance import Charter, Relay

Event = dict[str, Any]


class Stage:
    """What the page's server shows and steers; one for each `meet` or `join`.

    `enter(name)` begins the session of somebody who follows an invite, once they pressed join.
    """

    def __init__(
        self,
        *,
        invite: str,
        name: str,
        charter: Charter,
        relays: Sequence[Relay],
        relay_sees_address: bool,
        enter: Callable[[str], None],
    ) -> None:
        self._invite = invite
        self._name = name
        self._charter = charter
        self._relays = tuple(relays)
        self._sees_address = relay_sees_address
        self._enter = enter
        self._session: Session | None = None
        self._joined = False
        self._left = False
        self._subscribers: list[Callable[[Event], None]] = []
        self._bridges: list[Bridge] = []

    # -- the session behind it

    def attach(self, session: Session) -> None:
        """The session runs; from now on what happens in it is shown."""
        self._session = session
        session.subscribe(self._publish)
        if self._joined:
            self._attach_bridges()

    def _attach_bridges(self) -> None:
        assert self._session is not None
        for bridge in self._bridges:
            self._session.attach_media(bridge)

    # -- what the page's server calls

    def subscribe(self, callback: Callable[[Event], None], /) -> Callable[[], None]:
        self._subscribers.append(callback)
        callback(self.snapshot())

        def unsubscribe() -> None:
            if callback in self._subscribers:
                self._subscribers.remove(callback)

        return unsubscribe

    def snapshot(self) -> Event:
        """Everything that the page shows now."""
        if self._session is not None:
            return self._seen(self._session.snapshot())
        return {
            "event": "snapshot",
            "phase": "left" if self._left else "preview",
            "me": {"member": "", "name": self._name},
            "group_name": "",
            "invite": self._invite,
            "members": [],
            "knocks": [],
            "chat": [],
            "safety_code": "",
            "epoch": 0,
            "relays": [
                {
                    "address": str(relay.address),
                    "label": relay.label,
                    "up": False,
                    "sees_address": self._sees_address,
                }
                for relay in self._relays
            ],
            "confirmed": False,
            "charter": charter_view(self._charter),
        }

    def _seen(self, event: Event) -> Event:
        """A session's event as the page should see it."""
        if event.get("event") != "snapshot":
            return event
        relays = [{**relay, "sees_address": self._sees_address} for relay in event["relays"]]
        phase = event["phase"] if self._joined or event["phase"] == "left" else "preview"
        return {**event, "phase": phase, "relays": relays}

    def do(self, command: Event, /) -> None:
        """What the person does in the page."""
        what = command.get("do")
        if what == "join" and not self._joined:
            self._join(command)
        elif what == "leave" and self._session is None:
            self._left = True
            self._publish(self.snapshot())
            self._publish({"event": "left"})
        elif self._session is not None and what != "join":
            self._session.do(command)

    def _join(self, command: Event) -> None:
        self._joined = True
        self._name = str(command.get("name") or self._name)
        if self._session is None:
            self._enter(self._name)
        else:
            self._attach_bridges()
            if self._name != self._session.meeting.name:
                self._session.do({"do": "rename", "name": self._name})
        if self._session is not None:
            for what in ("microphone", "camera"):
                self._session.do({"do": what, "on": command.get(what) is True})
        self._publish(self.snapshot())

    def _publish(self, event: Event) -> None:
        for callback in list(self._subscribers):
            callback(self._seen(event))

    # -- sound and picture

    def make_bridge(
        self,
        *,
        on_offer: Callable[[str], None],
        on_state: Callable[[str, str], None],
        loopback_only: bool,
    ) -> Bridge:
        """A bridge to the page, attached to the session for as long as the page keeps it."""
        bridge = StagedBridge(
            on_offer=on_offer,
            on_state=on_state,
            loopback_only=loopback_only,
            on_voice=self._voice,
            on_picture=self._picture,
            on_keyframe_wanted_of=self._want_keyframe,
        )
        bridge.on_closed = lambda: self._detach(bridge)
        self._bridges.append(bridge)
        if self._session is not None and self._joined:
            self._session.attach_media(bridge)
        return bridge

    def _detach(self, bridge: Bridge) -> None:
        if bridge in self._bridges:
            self._bridges.remove(bridge)
        if self._session is not None:
            self._session.detach_media(bridge)

    def _voice(self, frame: EncodedFrame) -> None:
        if self._session is not None and self._joined:
            self._session.voice_in(frame)

    def _picture(self, frame: EncodedFrame) -> None:
        if self._session is not None and self._joined:
            self._session.picture_in(frame)

    def _want_keyframe(self, member: str) -> None:
        if self._session is not None:
            self._session.want_keyframe(member)


class StagedBridge(Bridge):
    """A bridge that says when the page lets go of it."""

    on_closed: Callable[[], None] | None = None

    async def close(self) -> None:
        closed, self.on_closed = self.on_closed, None
        if closed is not None:
            closed()
        await super().close()
