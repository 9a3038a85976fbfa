"""The page's server: static files, the exchange of the token for the secret, and one WebSocket of
the active page.

It listens on 127.0.0.1 alone, inside the agent's own loop. `guard.py` judges each request,
`messages.py` each message; what is here decides which tab is the active one, and notices when the
page is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket as sockets
import sys
from collections.abc import Callable, Generator
from importlib import resources
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, Request, Response, WebSocket
from starlette.websockets import WebSocketDisconnect

from folkmoot.agent.page import messages, qr
from folkmoot.agent.page.guard import LINE, Guard
from folkmoot.agent.page.handover import HandoverFile
from folkmoot.agent.page.interfaces import BridgeFactory, Event, PageSession
from folkmoot.agent.page.keys import TOKEN_LIFE_S, Keys
from folkmoot.agent.page.lines import Lines, line_of
from folkmoot.agent.page.returning import ReturnNote
from folkmoot.agent.page.strangers import HELLO_S_MAX, Strangers, receive
from folkmoot.agent.page.tab import Rate, Tab

logger = logging.getLogger("folkmoot.page")

GONE_AFTER_S: Final = 60.0  # a closed tab may be a mistake, or a browser that starts anew
TABS_MAX: Final = 4  # the active one and those that say "it is open in another tab"
RELOAD_S: Final = 0.4  # how long a reloaded page's old socket may still be seen
TOKEN_BODY_BYTES_MAX: Final = 1_024
BACKLOG: Final = 48  # connections that the system holds for us

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Signals belong to the agent, which leaves the meeting properly before it ends."""
        yield


class PageServer:
    """`on_page_gone` is called once a page was there and none has been for `gone_after_s`."""

    def __init__(
        self,
        session: PageSession,
        *,
        entropy: Callable[[int], bytes],
        bridge_factory: BridgeFactory | None = None,
        note: ReturnNote | None = None,
        gone_after_s: float = GONE_AFTER_S,
        handover_folder: Path | None = None,
    ) -> None:
        self.on_page_gone: Callable[[], object] | None = None
        # The active tab closed, is loaded again or lost its place: no camera is behind it now.
        self.on_page_away: Callable[[], object] | None = None
        # A page that was open before this agent was started is back, and no other tab is here.
        self.on_page_back: Callable[[], object] | None = None
        self.on_stats: Callable[[messages.Stats], object] | None = None
        self.stats: messages.Stats | None = None
        self._session = session
        self._bridge_factory = bridge_factory
        # The page of before looks for the agent at the port that it knows, and nowhere else.
        self._port = 0 if note is None else note.port
        self._keys = Keys(entropy, None if note is None else note.key)
        self._gone_after_s = gone_after_s
        self._handover_folder = handover_folder
        self._handovers: dict[str, HandoverFile] = {}  # by token
        self._lines = Lines()
        self._files = dict(_static_files())
        self._strangers = Strangers(self._keys)
        self._tabs: list[Tab] = []
        self._active: Tab | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._gone_timer: asyncio.TimerHandle | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._uvicorn: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None

    # --- what the agent calls ---

    @property
    def secret(self) -> str:
        return self._keys.secret

    @property
    def note(self) -> ReturnNote:
        """To be kept with the agent's saved seat: an agent started with it has its page back."""
        return ReturnNote(self._port, self._keys.return_key)

    async def start(self) -> str:
        """Listens, and gives the page's address without any secret. OSError when the port is in
        use."""
        listener = sockets.socket(sockets.AF_INET, sockets.SOCK_STREAM)
        try:
            if sys.platform == "win32":  # there, address reuse would let another program join in
                listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_EXCLUSIVEADDRUSE, 1)
            else:
                listener.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", self._port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        self._port = listener.getsockname()[1]
        config = uvicorn.Config(
            Guard(self._application(), self._port),
            http=line_of(self._lines),
            ws="websockets-sansio",
            ws_max_size=messages.TEXT_BYTES_MAX,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=16_384,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        # Its lines would name who asked and what; they are errors of ours that `logger` tells
        # already.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._uvicorn = _Uvicorn(config)
        self._serving = asyncio.create_task(self._uvicorn.serve([listener]))
        while not self._uvicorn.started:
            if self._serving.done():
                await self._serving
                raise OSError("the page's server did not start")
            await asyncio.sleep(0)
        return self.url

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    @property
    def has_page(self) -> bool:
        """Whether a tab is here that shows the meeting."""
        return self._active is not None

    def handover_url(self, life_s: float = TOKEN_LIFE_S) -> str:
        """The page's address with a fresh one-time token: for a terminal without a display. Not
        for argv."""
        return f"{self.url}#{self._mint(life_s)}"

    def handover_file(self) -> Path:
        """A file, readable by its owner only, that leads a browser to the page once; it is deleted
        after its use or after TOKEN_LIFE_S. Open it with `webbrowser.open(path.as_uri())`."""
        token = self._mint(TOKEN_LIFE_S)
        handover = HandoverFile(f"{self.url}#{token}", self._handover_folder)
        self._handovers[token] = handover
        self._later(TOKEN_LIFE_S, lambda: self._delete_handover(token))
        return handover.path

    async def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        for token in list(self._handovers):
            self._delete_handover(token)
        for tab in list(self._tabs):
            self._deactivate(tab)
            await tab.stop_media()
            await tab.close(1001, "The agent has ended.")
        self._cancel_gone_timer()
        if self._uvicorn is not None and self._serving is not None:
            self._uvicorn.should_exit = True
            await self._serving

    def _mint(self, life_s: float) -> str:
        return self._keys.mint(asyncio.get_running_loop().time(), life_s)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(delay_s, run)
        self._timers.add(timer)

    def _delete_handover(self, token: str) -> None:
        handover = self._handovers.pop(token, None)
        if handover is not None:
            handover.delete()

    # --- HTTP ---

    def _application(self) -> FastAPI:
        application = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        application.add_api_route("/session", self._exchange, methods=["POST"])
        application.add_api_route("/{name:path}", self._file, methods=["GET", "HEAD"])
        application.add_api_websocket_route("/page", self._page)
        return application

    async def _file(self, name: str) -> Response:
        """Only what was read at the start, by its exact name: there is no path to climb out of."""
        found = self._files.get(name or "index.html")
        if found is None:
            return Response("There is nothing here.", 404, media_type="text/plain")
        body, media_type = found
        return Response(body, media_type=media_type)

    async def _exchange(self, request: Request) -> Response:
        """The one-time token for the session secret."""
        refusal = Response(
            "This address was used already, or is too old.", 403, media_type="text/plain"
        )
        body = bytearray()
        try:
            async with asyncio.timeout(HELLO_S_MAX):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > TOKEN_BODY_BYTES_MAX:
                        return Response("Too long.", 413, media_type="text/plain")
            token = json.loads(bytes(body))["token"]
        except (TimeoutError, ValueError, KeyError, TypeError, RecursionError):
            return refusal
        if not isinstance(token, str) or not token.isascii():
            return refusal
        secret = self._keys.redeem(token, asyncio.get_running_loop().time())
        if secret is None:
            return refusal
        self._delete_handover(token)
        return Response(json.dumps({"secret": secret}), media_type="application/json")

    # --- the page's socket ---

    async def _page(self, socket: WebSocket) -> None:
        await socket.accept()
        known = await self._strangers.admit(socket, self._port)
        if known is None:
            with contextlib.suppress(RuntimeError, OSError):
                await socket.close(1008, "This page does not have the key of this meeting.")
            return
        if len(self._tabs) >= TABS_MAX:
            await socket.close(1013, "The meeting is open in too many tabs.")
            return
        self._lines.knows(socket.scope[LINE])
        tab = Tab(socket, known.instance, self._bridge_factory)
        self._tabs.append(tab)
        # The secret of an agent that was started again is another one: a reload needs it.
        tab.put({"event": "welcome", "secret": self.secret, "return_key": self._keys.return_key})
        writer = asyncio.create_task(tab.write(self._snapshot))
        try:
            if known.returns and self._active is None and self.on_page_back is not None:
                self.on_page_back()
            await self._enter(tab)
            await self._read(socket, tab)
        finally:
            writer.cancel()
            self._tabs.remove(tab)
            self._deactivate(tab)
            await tab.stop_media()

    async def _enter(self, tab: Tab) -> None:
        """The first tab is the active one. A page that lost its socket and comes again takes its
        own place."""
        current = self._active
        if current is not None and current.instance == tab.instance:
            self._deactivate(current)
            await current.close(1001, "This page has connected again.")
        if self._active is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._free.wait(), RELOAD_S)
        if self._active is None:
            self._activate(tab)
        else:
            tab.put({"event": "other_tab"})

    async def _read(self, socket: WebSocket, tab: Tab) -> None:
        loop = asyncio.get_running_loop()
        rate = Rate(loop.time())
        try:
            while True:
                message = await receive(socket)
                if not rate.allows(loop.time()):
                    await tab.close(1008, "The page sends too much.")
                    return
                await self._act(tab, message)
        except messages.MessageError as problem:
            await tab.close(1008, f"The agent does not understand the page: {problem}.")
        except WebSocketDisconnect:
            pass

    async def _act(self, tab: Tab, message: messages.PageMessage) -> None:
        if isinstance(message, messages.Take):
            await self._take(tab)
            return
        if not tab.active:
            return  # a tab that is not the active one may only ask to be
        match message:
            case messages.Again():
                await tab.offer()
            case messages.Answer(sdp):
                await tab.answer(sdp)
            case messages.Stats():
                self.stats = message
                if self.on_stats is not None:
                    self.on_stats(message)
            case messages.Command(body):
                try:
                    self._session.do(dict(body))
                except Exception:  # the page must not be able to end the agent
                    logger.exception("the session failed at %s", body.get("do"))
                    tab.put({"event": "error", "message": "That did not work."})

    # --- which tab ---

    async def _take(self, tab: Tab) -> None:
        current = self._active
        if current is tab:
            return
        if current is not None:
            self._deactivate(current)
            current.put({"event": "other_tab"})
            await current.stop_media()
        if self._active is None:  # nobody was quicker while the other's camera was let go
            self._activate(tab)

    def _activate(self, tab: Tab) -> None:
        self._cancel_gone_timer()
        self._active = tab
        self._free.clear()
        tab.unsubscribe = self._session.subscribe(lambda event: tab.put(self._for_page(event)))

    def _deactivate(self, tab: Tab) -> None:
        if tab.unsubscribe is not None:
            tab.unsubscribe()
            tab.unsubscribe = None
        if self._active is tab:
            self._active = None
            self._free.set()
            if self.on_page_away is not None:
                self.on_page_away()
            self._cancel_gone_timer()
            loop = asyncio.get_running_loop()
            self._gone_timer = loop.call_later(self._gone_after_s, self._gone)

    def _cancel_gone_timer(self) -> None:
        if self._gone_timer is not None:
            self._gone_timer.cancel()
            self._gone_timer = None

    def _gone(self) -> None:
        self._gone_timer = None
        if self.on_page_gone is not None:
            self.on_page_gone()

    # --- what the page is told ---

    def _snapshot(self) -> Event:
        return self._for_page(self._session.snapshot())

    def _for_page(self, event: Event) -> Event:
        """The page draws the QR code of the invite from its modules: nothing of it is markup."""
        if event.get("event") != "snapshot" or not isinstance(event.get("invite"), str):
            return event
        code = qr.rows(event["invite"])
        return event if code is None else {**event, "invite_qr": list(code)}


def _static_files() -> Generator[tuple[str, tuple[bytes, str]], None, None]:
    folder: Any = resources.files("folkmoot.agent.page") / "static"
    for entry in folder.iterdir():
        media_type = TYPES.get(Path(entry.name).suffix)
        if media_type is not None and entry.is_file():
            yield entry.name, (entry.read_bytes(), media_type)
