"""The page of one `meet` or `join`: its lobby, its server, and the browser that it opens in.

Whoever opens a meeting and whoever follows an invite see the preview first. Nothing is sent to any
relay from it, and microphone and camera wait for it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import webbrowser
from collections.abc import Callable, Sequence
from typing import Any

from folkmoot.agent.console import Output
from folkmoot.agent.failure import Failure
from folkmoot.agent.page import Lobby, PageBridge, PageServer, ReturnNote, bridges_of
from folkmoot.agent.session import Session, entropy
from folkmoot.agent.view import charter_view
from folkmoot.governance import Charter

# Without a display a person has to carry the address to a browser by hand.
TYPED_TOKEN_LIFE_S = 600.0
# After leaving, so that the page hears it before its server goes.
LAST_WORDS_S = 0.3
# A page that is open looks for its agent every three seconds or so; after this a new one is opened.
OLD_PAGE_WAIT_S = 6.0
# A page that is away for longer than a reload takes: its browser may have died, and with it the
# only key to the page. A person whose meeting it is gets another; who closed it needs none.
NEW_PAGE_AFTER_S = 3.0

Event = dict[str, Any]


class _Seen:
    """A session as this page should see it: with the invite by which this person comes back if the
    agent ends."""

    def __init__(self, session: Session, more: Event) -> None:
        self._session = session
        self._more = more

    def subscribe(self, callback: Callable[[Event], None], /) -> Callable[[], None]:
        return self._session.subscribe(lambda event: callback(self._seen(event)))

    def do(self, command: Event, /) -> None:
        self._session.do(command)

    def snapshot(self) -> Event:
        return self._seen(self._session.snapshot())

    def _seen(self, event: Event) -> Event:
        if event.get("event") != "snapshot":
            return event
        return {**event, **self._more}


class PageSide:
    """`enter(name, hidden)` begins the session once the person pressed join, and gives it;
    `hidden` is what they chose where there was something to choose. `gone` is called when they
    closed the page, or left without joining.

    `opens`: this person opens the meeting. `relay_here`: its relay runs with this agent. `note`:
    what an agent that died left for this one; a page that is still open, and shows that it is the
    page of that note, is in the meeting again without a preview: `enter(None)`.
    """

    def __init__(
        self,
        *,
        invite: str,
        name: str,
        charter: Charter,
        relays: Sequence[Event],
        choice: Event | None,
        opens: bool,
        relay_here: bool,
        note: ReturnNote | None,
        enter: Callable[[str | None, bool | None], Session],
        gone: Callable[[], None],
    ) -> None:
        self._chooses = choice is not None
        self._more: Event = {"return_with": invite, "relay_here": relay_here}
        self._enter = enter
        self._gone = gone
        self._session: Session | None = None
        self._wanted: dict[str, bool] = {}
        self._returns = note is not None
        self._back = asyncio.Event()
        self._browser: asyncio.Task[None] | None = None
        self._output: Output | None = None
        self._new_page: asyncio.TimerHandle | None = None
        preview = {
            "me": {"member": "", "name": name},
            "group_name": "",
            "invite": invite,
            "safety_code": "",
            "epoch": 0,
            "confirmed": False,
            "opens": opens,
            **self._more,
            "charter": charter_view(charter),
            "relays": list(relays),
            "choice": choice,
        }
        self._lobby = Lobby(preview, on_join=self._on_join, on_leave=gone)
        self._server = self._make_server(note)

    def _make_server(self, note: ReturnNote | None) -> PageServer:
        server = PageServer(
            self._lobby, entropy=entropy, bridge_factory=self._make_bridge, note=note
        )
        server.on_page_gone = self._gone
        server.on_page_away = self._on_page_away
        server.on_page_back = self._on_page_back
        return server

    @property
    def note(self) -> ReturnNote:
        """For an agent that takes this one's place."""
        return self._server.note

    async def open(self, output: Output) -> None:
        """Serves the page and opens it, or says where it is; raises Failure."""
        self._output = output
        try:
            await self._serve()
        except OSError as error:
            raise Failure(f"The page cannot be served on 127.0.0.1: {error.strerror}.") from None
        if not has_display():
            url = self._server.handover_url(TYPED_TOKEN_LIFE_S)
            output.event({"event": "page", "url": url})
            self._say(output, f"Open this in a browser on this machine: {url}")
        elif self._returns:
            self._browser = asyncio.create_task(self._open_unless_back(output))
        else:
            await self._open_browser(output)

    async def _serve(self) -> None:
        if self._returns:
            try:
                await self._server.start()
                return
            except OSError:  # another program has that port now: there is no way back for the page
                self._returns = False
                self._server = self._make_server(None)
        await self._server.start()

    async def _open_unless_back(self, output: Output) -> None:
        try:
            await asyncio.wait_for(self._back.wait(), OLD_PAGE_WAIT_S)
        except TimeoutError:
            await self._open_browser(output)
        else:
            output.event({"event": "page", "url": self._server.url})
            self._say(output, "The page that was open has the meeting again.")

    async def _open_browser(self, output: Output) -> None:
        file = self._server.handover_file().as_uri()
        opened = await asyncio.to_thread(webbrowser.open, file)
        url = self._server.url if opened else self._server.handover_url(TYPED_TOKEN_LIFE_S)
        output.event({"event": "page", "url": url})
        if opened:
            self._say(output, f"The meeting is open in your browser, at {url}")
        else:
            self._say(output, f"Open this in a browser on this machine: {url}")

    def _on_page_away(self) -> None:
        self._switch_off()
        self._forget_new_page()
        loop = asyncio.get_running_loop()
        self._new_page = loop.call_later(NEW_PAGE_AFTER_S, self._offer_new_page)

    def _offer_new_page(self) -> None:
        self._new_page = None
        if self._output is None or self._session is None or self._server.has_page:
            return
        url = self._server.handover_url()
        self._output.event({"event": "page", "url": url})
        self._say(
            self._output,
            f"The page is away, and in a minute you leave. To go on, open this in a browser: {url}",
        )

    def _forget_new_page(self) -> None:
        if self._new_page is not None:
            self._new_page.cancel()
            self._new_page = None

    @staticmethod
    def _say(output: Output, sentence: str) -> None:
        if not output.as_json:
            output.say(sentence)

    async def close(self, in_haste: bool) -> None:
        """Ends the page's server, after its last words."""
        self._forget_new_page()
        if self._browser is not None:
            self._browser.cancel()
            await asyncio.gather(self._browser, return_exceptions=True)
        if not in_haste:
            await asyncio.sleep(LAST_WORDS_S)
        await self._server.stop()
        self._forget_new_page()

    def _on_page_back(self) -> None:
        """A page lost its line and has it again. Where this agent never knew it, it is the page of
        the agent before: its person had joined, and is in again."""
        self._back.set()
        if self._returns and self._session is None:
            self._begin(None, {}, None)

    def _on_join(self, command: Event) -> None:
        wanted = {what: command.get(what) is True for what in ("microphone", "camera")}
        hidden = command.get("hidden") is True if self._chooses else None
        self._begin(str(command["name"]), wanted, hidden)

    def _begin(self, name: str | None, wanted: dict[str, bool], hidden: bool | None) -> None:
        try:
            session = self._enter(name, hidden)
        except Failure as failure:
            self._lobby.failed(str(failure))
            return
        self._session = session
        self._wanted = wanted
        if name is not None and name != session.meeting.name:
            session.do({"do": "rename", "name": name})
        self._lobby.enter(_Seen(session, self._more))
        session.subscribe(self._on_event)
        self._switch_on()

    def _on_event(self, event: Event) -> None:
        if event["event"] == "joined":
            self._switch_on()

    def _switch_on(self) -> None:
        """Microphone and camera as the person chose in the preview, as soon as they are in."""
        if self._session is None or self._session.snapshot()["phase"] != "in":
            return
        wanted, self._wanted = self._wanted, {}
        for what, on in wanted.items():
            self._session.do({"do": what, "on": on})

    def _switch_off(self) -> None:
        """Nothing comes from a page that is away: others should not look at its last picture."""
        if self._session is not None and self._session.snapshot()["phase"] == "in":
            for what in ("microphone", "camera"):
                self._session.do({"do": what, "on": False})

    def _make_bridge(
        self,
        *,
        on_offer: Callable[[str], None],
        on_state: Callable[[str, str], None],
        loopback_only: bool,
    ) -> PageBridge:
        if self._session is None:
            # The preview shows one's own camera by itself: nothing of it has to come here.
            raise RuntimeError("a bridge before the person has joined")
        make = bridges_of(self._session)
        return make(on_offer=on_offer, on_state=on_state, loopback_only=loopback_only)


def has_display() -> bool:
    """Whether a browser that is opened here can be seen."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
