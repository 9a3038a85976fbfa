"""The gate before the page's server: who may ask at all, and the headers that every answer carries.

Another web page in the same browser, another port of this machine, a name that somebody points at
127.0.0.1 (DNS rebinding), another user's program: each is stopped by one of Host, Origin,
Sec-Fetch-Site, or by the secret behind this gate. What cannot be stopped here: programs of the
same user, and browser extensions with access to all pages.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

ORIGIN_NEEDED: Final = frozenset({"POST"})
LINE: Final = "folkmoot.line"  # in the scope: which connection this is
METHODS: Final = frozenset({"GET", "HEAD", "POST"})


def content_security_policy(port: int) -> str:
    """Nothing but our own files, no markup from strings; WebRTC is not covered by any CSP that
    Chromium knows, so names and chat reach the page as text only."""
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src 'self' ws://127.0.0.1:{port}",
            "img-src 'self'",
            "media-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def security_headers(port: int) -> list[tuple[bytes, bytes]]:
    allowed = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self)"
    denied = "geolocation=(), usb=(), serial=(), hid=(), midi=(), payment=(), browsing-topics=()"
    headers = {
        "content-security-policy": content_security_policy(port),
        "permissions-policy": f"{allowed}, {denied}",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


class Refusal(Exception):
    """This request is not answered."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header.lower() == name]


def _one(scope: Scope, name: bytes) -> bytes | None:
    values = _values(scope, name)
    if len(values) > 1:
        raise Refusal(400, "A header stands there twice.")
    return values[0] if values else None


def judge(scope: Scope, port: int) -> None:
    """Raises Refusal for a request that is not the page's own."""
    host = f"127.0.0.1:{port}".encode()
    if _values(scope, b"host") != [host]:
        raise Refusal(421, "This address serves one page of this machine only.")
    socket = scope["type"] == "websocket"
    method = "GET" if socket else scope["method"]
    if method not in METHODS:
        raise Refusal(405, "Not allowed.")
    origin = _one(scope, b"origin")
    if origin is None:
        if socket or method in ORIGIN_NEEDED:
            raise Refusal(403, "Only the page itself may ask this.")
    elif origin != b"http://" + host:
        raise Refusal(403, "Only the page itself may ask this.")
    if not _is_first_visit(scope, method):
        site = _one(scope, b"sec-fetch-site")
        if site not in (None, b"same-origin", b"none"):
            raise Refusal(403, "Only the page itself may ask this.")


def _is_first_visit(scope: Scope, method: str) -> bool:
    """The browser comes from the file with the token, which counts as another site. What it gets
    holds no secret, and may not be framed."""
    return (
        scope["type"] == "http"
        and method in ("GET", "HEAD")
        and scope["path"] == "/"
        and _one(scope, b"sec-fetch-mode") == b"navigate"
        and _one(scope, b"sec-fetch-dest") == b"document"
    )


class Guard:
    """ASGI: judges, then hides the other side's address from the application, then adds the
    headers."""

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._port = port
        self._headers = security_headers(port)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        # Kept by a name that nobody logs: the lines tell connections apart by it.
        scope[LINE], scope["client"] = scope.get("client"), None
        try:
            judge(scope, self._port)
        except Refusal as refusal:
            await self._refuse(scope, send, refusal)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message.get("headers", []) if pair[0] != b"cache-control"]
                message["headers"] = [*kept, *self._headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    async def _refuse(self, scope: Scope, send: Send, refusal: Refusal) -> None:
        body = refusal.sentence.encode()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            *self._headers,
        ]
        kind = "websocket.http.response" if scope["type"] == "websocket" else "http.response"
        await send({"type": f"{kind}.start", "status": refusal.status, "headers": headers})
        await send({"type": f"{kind}.body", "body": body})
