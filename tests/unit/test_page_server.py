"""The page's server over real HTTP and WebSockets on the loopback: who gets in, and who not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from folkmoot.agent.page import PageServer, messages, server
from folkmoot.agent.page.guard import content_security_policy
from page_session import FakeSession

Headers = dict[str, str]


@contextlib.asynccontextmanager
async def serving(session: FakeSession | None = None, **options: Any) -> AsyncIterator[PageServer]:
    page = PageServer(session or FakeSession(phase="in"), entropy=os.urandom, **options)
    await page.start()
    try:
        yield page
    finally:
        await page.stop()


def port_of(page: PageServer) -> int:
    return int(page.url.split(":")[2].rstrip("/"))


def own(page: PageServer) -> str:
    return page.url.rstrip("/")


async def ask(
    page: PageServer, method: str, path: str, headers: Headers | None = None, body: bytes = b""
) -> tuple[int, Headers, bytes]:
    """One HTTP request, its headers exactly as given (Host included unless it is given)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(page))
    try:
        lines = {"Host": f"127.0.0.1:{port_of(page)}", **(headers or {})}
        if body:
            lines["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode() + body)
        answer = await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await writer.wait_closed()
    top, _, rest = answer.partition(b"\r\n\r\n")
    first, *others = top.decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in others)
    return int(first.split()[1]), {name.lower(): value for name, value in pairs}, rest


async def exchange(page: PageServer, token: str, headers: Headers | None = None) -> tuple[int, Any]:
    body = json.dumps({"token": token}).encode()
    given = (
        {"Origin": own(page), "Content-Type": "application/json"} if headers is None else headers
    )
    status, _, answer = await ask(page, "POST", "/session", given, body)
    return status, json.loads(answer) if status == 200 else answer


def token_of(page: PageServer) -> str:
    return page.handover_url().split("#")[1]


def dial(page: PageServer, **options: Any) -> connect:
    options.setdefault("origin", own(page))
    return connect(f"ws://127.0.0.1:{port_of(page)}/page", compression=None, **options)


async def say(line: ClientConnection, **message: Any) -> None:
    await line.send(json.dumps(message))


async def hear(line: ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(line.recv(), 5))


async def hear_until(line: ClientConnection, event: str) -> Any:
    while True:
        heard = await hear(line)
        if heard["event"] == event:
            return heard


async def closes(line: ClientConnection) -> tuple[int, str]:
    with contextlib.suppress(ConnectionClosed):
        async with asyncio.timeout(10):
            async for _ in line:
                pass
    await line.wait_closed()
    assert line.close_code is not None
    return line.close_code, line.close_reason or ""


@contextlib.asynccontextmanager
async def tab(page: PageServer, instance: str = "one") -> AsyncIterator[ClientConnection]:
    async with dial(page) as line:
        await say(line, do="hello", secret=page.secret, instance=instance)
        yield line


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


# --- HTTP ---


def test_every_answer_carries_the_headers_and_no_cookie() -> None:
    async def case() -> None:
        async with serving() as page:
            answers = [
                await ask(page, "GET", "/"),
                await ask(page, "GET", "/app.js"),
                await ask(page, "GET", "/nothing"),
                await ask(page, "GET", "/", {"Host": "evil.example"}),
                await ask(page, "POST", "/session"),
                await ask(page, "DELETE", "/"),
            ]
            assert [status for status, _, _ in answers] == [200, 200, 404, 421, 403, 405]
            for _, headers, _ in answers:
                policy = headers["content-security-policy"]
                assert policy == content_security_policy(port_of(page))
                assert "default-src 'none'" in policy
                assert "require-trusted-types-for 'script'" in policy
                assert "unsafe" not in policy
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["referrer-policy"] == "no-referrer"
                assert headers["cache-control"] == "no-store"
                assert headers["cross-origin-opener-policy"] == "same-origin"
                assert headers["cross-origin-embedder-policy"] == "require-corp"
                assert headers["cross-origin-resource-policy"] == "same-origin"
                assert "camera=(self)" in headers["permissions-policy"]
                for absent in ("set-cookie", "server", "access-control-allow-origin"):
                    assert absent not in headers

    asyncio.run(case())


def test_only_the_exact_host() -> None:
    async def case() -> None:
        async with serving() as page:
            port = port_of(page)
            for host in (
                "evil.example",
                f"evil.example:{port}",
                f"localhost:{port}",
                f"127.0.0.1:{port + 1}",
                "127.0.0.1",
                f"127.0.0.1:{port}.",
                f"[::1]:{port}",
                f"127.1:{port}",
                "",
            ):
                for path in ("/", "/app.js", "/page"):
                    status, _, _ = await ask(page, "GET", path, {"Host": host})
                    assert status == 421, (host, path)
                status, _, _ = await ask(
                    page, "POST", "/session", {"Host": host, "Origin": f"http://{host}"}
                )
                assert status == 421

    asyncio.run(case())


def test_another_origin_gets_nothing() -> None:
    async def case() -> None:
        async with serving() as page:
            port = port_of(page)
            strangers = (
                "null",
                "http://evil.example",
                f"http://127.0.0.1:{port + 1}",
                f"https://127.0.0.1:{port}",
                f"http://localhost:{port}",
                f"{own(page)}/",
                f"{own(page)}, {own(page)}",
            )
            for origin in strangers:
                assert (await exchange(page, token_of(page), {"Origin": origin}))[0] == 403
                assert (await ask(page, "GET", "/app.js", {"Origin": origin}))[0] == 403
            assert (await exchange(page, token_of(page), {}))[0] == 403

    asyncio.run(case())


def test_cross_site_requests_get_the_first_page_at_most() -> None:
    async def case() -> None:
        async with serving() as page:
            visit = {
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            }
            assert (await ask(page, "GET", "/", visit))[0] == 200
            assert (await ask(page, "GET", "/app.js", visit))[0] == 403
            assert (await ask(page, "GET", "/", {**visit, "Sec-Fetch-Dest": "iframe"}))[0] == 403
            assert (await ask(page, "GET", "/", {"Sec-Fetch-Site": "cross-site"}))[0] == 403
            assert (await ask(page, "GET", "/", {"Sec-Fetch-Site": "same-site"}))[0] == 403
            assert (await ask(page, "GET", "/app.js", {"Sec-Fetch-Site": "same-origin"}))[0] == 200
            assert (await ask(page, "GET", "/", {"Sec-Fetch-Site": "none"}))[0] == 200

    asyncio.run(case())


def test_no_way_out_of_the_folder() -> None:
    async def case() -> None:
        async with serving() as page:
            for path in (
                "/../server.py",
                "/..%2fserver.py",
                "/static/app.js",
                "//app.js",
                "/app.js/",
                "/app.js%00",
                "/%2e%2e/%2e%2e/pyproject.toml",
                "/docs",
                "/openapi.json",
            ):
                status, _, body = await ask(page, "GET", path)
                assert status in (404, 307), path
                assert b"import" not in body

    asyncio.run(case())


def test_nothing_in_the_files_is_a_secret_or_comes_from_elsewhere() -> None:
    async def case() -> None:
        async with serving() as page:
            _, _, body = await ask(page, "GET", "/")
            assert page.secret.encode() not in body
            for name, (content, _) in page._files.items():
                text = content.decode()
                assert "https://" not in text, name
                addresses = text.replace("http://www.w3.org/2000/svg", "")
                assert "http://" not in addresses, name
                for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                             "eval(", "new Function", "style="):  # fmt: skip
                    assert word not in text, (name, word)

    asyncio.run(case())


# --- the token ---


def test_a_token_is_exchanged_once() -> None:
    async def case() -> None:
        async with serving() as page:
            token = token_of(page)
            assert await exchange(page, token) == (200, {"secret": page.secret})
            assert (await exchange(page, token))[0] == 403
            assert (await exchange(page, "x" * 43))[0] == 403

    asyncio.run(case())


def test_an_expired_token() -> None:
    async def case() -> None:
        async with serving() as page:
            token = page.handover_url(life_s=0.05).split("#")[1]
            await asyncio.sleep(0.06)
            assert (await exchange(page, token))[0] == 403

    asyncio.run(case())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'"x"',
        b'{"token":1}',
        b'{"token":null}',
        b'{"token":"\xc3\xa9"}',
        b'{"token":"\\ud800"}',
        b"\xff\xfe",
        b"[" * 1000,
    ],
)
def test_a_malformed_exchange(body: bytes) -> None:
    async def case() -> None:
        async with serving() as page:
            headers = {"Origin": own(page)}
            assert (await ask(page, "POST", "/session", headers, body))[0] == 403

    asyncio.run(case())


def test_a_long_exchange_is_cut() -> None:
    async def case() -> None:
        async with serving() as page:
            body = b'{"token":"' + b"x" * 100_000 + b'"}'
            assert (await ask(page, "POST", "/session", {"Origin": own(page)}, body))[0] == 413

    asyncio.run(case())


def test_the_handover_file_goes_after_its_use(tmp_path: Any) -> None:
    async def case() -> None:
        async with serving(handover_folder=tmp_path) as page:
            used, unused = page.handover_file(), page.handover_file()
            token = used.read_text().split("#")[1].split('"')[0]
            assert (await exchange(page, token))[0] == 200
            assert not used.exists()
            assert unused.exists()
        assert list(tmp_path.iterdir()) == []

    asyncio.run(case())


def test_the_handover_file_goes_after_its_time(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "TOKEN_LIFE_S", 0.05)

    async def case() -> None:
        async with serving(handover_folder=tmp_path) as page:
            path = page.handover_file()
            assert path.exists()
            await soon(lambda: not path.exists())

    asyncio.run(case())


# --- the socket ---


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (None, None, 403),
        ("http://evil.example", None, 403),
        ("null", None, 403),
        ("http://127.0.0.1:1", None, 403),
        ("own", "evil.example", 421),
        ("own", "localhost", 421),
    ],
)
def test_a_socket_of_a_stranger(origin: str | None, host: str | None, status: int) -> None:
    async def case() -> None:
        async with serving() as page:
            given = own(page) if origin == "own" else origin
            options: dict[str, Any] = {"origin": given}
            if host is not None:
                # The address is looked up under the forged name, and led to us: DNS rebinding.
                options["sock"] = socket.create_connection(("127.0.0.1", port_of(page)))
                uri = f"ws://{host}:{port_of(page)}/page"
                forged = connect(uri, compression=None, **options)
            else:
                forged = dial(page, **options)
            with pytest.raises(InvalidStatus) as refused:
                async with forged:
                    pass
            assert refused.value.response.status_code == status

    asyncio.run(case())


@pytest.mark.parametrize(
    "first",
    [
        '{"do":"hello","secret":"wrong","instance":"one"}',
        '{"do":"hello","secret":"","instance":"one"}',
        '{"do":"hello","instance":"one"}',
        '{"do":"take"}',
        '{"do":"chat","text":"hello"}',
        "{",
        b'{"do":"take"}',
    ],
)
def test_the_first_message_must_be_the_secret(first: str | bytes) -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, dial(page) as line:
            await line.send(first)
            code, reason = await closes(line)
            assert (code, reason) == (1008, "This page does not have the key of this meeting.")
            assert session.commands == []
            assert session.subscribers == []

    asyncio.run(case())


def test_who_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HELLO_S_MAX", 0.05)

    async def case() -> None:
        async with serving() as page, dial(page) as line:
            assert (await closes(line))[0] == 1008

    asyncio.run(case())


def test_many_strangers_do_not_keep_the_page_out() -> None:
    async def case() -> None:
        async with serving() as page, contextlib.AsyncExitStack() as stack:
            strangers = [
                await stack.enter_async_context(dial(page)) for _ in range(server.STRANGERS_MAX * 2)
            ]
            async with tab(page) as line:
                assert (await hear(line))["event"] == "snapshot"
            assert (await closes(strangers[0]))[0] == 1008

    asyncio.run(case())


def test_a_page_hears_and_does() -> None:
    async def case() -> None:
        session = FakeSession(phase="in", others=1)
        async with serving(session) as page, tab(page) as line:
            first = await hear(line)
            assert first["event"] == "snapshot"
            assert first["members"][1]["name"] == "Anna"
            assert set("".join(first["invite_qr"])) == {"0", "1"}
            await say(line, do="chat", text="hello <b>all</b>")
            assert (await hear_until(line, "chat"))["text"] == "hello <b>all</b>"
            assert session.done("chat") == [{"do": "chat", "text": "hello <b>all</b>"}]
            await say(line, do="stats", members={"m": {"framesDecoded": 9}}, sent={})
            await soon(lambda: page.stats is not None)
            assert page.stats == messages.Stats({"m": {"framesDecoded": 9}}, {})
            await say(line, do="vote", motion="m", choice="yes")
            assert (await hear_until(line, "refused"))["what"] == "vote"

    asyncio.run(case())


def test_a_session_that_fails_costs_the_page_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(FakeSession):
        def do(self, command: dict[str, Any]) -> None:
            raise RuntimeError("broken")

    async def case() -> None:
        async with serving(Failing(phase="in")) as page, tab(page) as line:
            await say(line, do="chat", text="x")
            assert (await hear_until(line, "error"))["message"] == "That did not work."
            await say(line, do="chat", text="x")
            await hear_until(line, "error")

    with caplog.at_level(logging.CRITICAL):
        asyncio.run(case())


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1008),
        ('{"do":"fly"}', 1008),
        ('{"do":"chat","text":7}', 1008),
        ('{"do":"chat","text":"' + "x" * 5000 + '"}', 1008),
        (b"binary", 1008),
        ("x" * (messages.TEXT_BYTES_MAX + 1), 1009),
    ],
)
def test_malformed_and_oversized_messages_close_the_socket(message: str | bytes, code: int) -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as line:
            await hear(line)
            await line.send(message)
            assert (await closes(line))[0] == code
            assert session.commands == []
            async with tab(page) as again:  # and the page may come back
                assert (await hear(again))["event"] == "snapshot"

    asyncio.run(case())


def test_a_flood_is_cut() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as line:

            async def flood() -> None:
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(2000):
                        await say(line, do="mute", member="m")

            flooding = asyncio.create_task(flood())
            assert await closes(line) == (1008, "The page sends too much.")
            await flooding
            assert len(session.commands) < 200

    asyncio.run(case())


# --- tabs ---


def test_the_second_tab_waits_and_can_take_over() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as first, tab(page, "two") as second:
            await hear(first)
            assert await hear(second) == {"event": "other_tab"}
            await say(second, do="chat", text="from the tab that waits")
            await say(second, do="take")
            assert (await hear(second))["event"] == "snapshot"
            assert (await hear_until(first, "other_tab")) == {"event": "other_tab"}
            assert session.commands == []
            assert len(session.subscribers) == 1
            await say(first, do="take")
            assert (await hear_until(first, "snapshot"))["phase"] == "in"

    asyncio.run(case())


def test_a_page_that_comes_again_takes_its_own_place() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as first:
            await hear(first)
            async with tab(page) as again:
                assert (await hear(again))["event"] == "snapshot"
                assert (await closes(first))[0] == 1001
                assert len(session.subscribers) == 1

    asyncio.run(case())


def test_a_reloaded_page_is_not_another_tab() -> None:
    async def case() -> None:
        async with serving() as page, tab(page, "before") as before:
            await hear(before)
            async with tab(page, "after") as after:
                await before.close()
                assert (await hear(after))["event"] == "snapshot"

    asyncio.run(case())


def test_too_many_tabs() -> None:
    async def case() -> None:
        async with serving() as page, contextlib.AsyncExitStack() as stack:
            for number in range(server.TABS_MAX):
                await hear(await stack.enter_async_context(tab(page, str(number))))
            async with tab(page, "more") as more:
                assert (await closes(more))[0] == 1013

    asyncio.run(case())


def test_a_closed_tab_is_noticed_after_its_time_and_a_reload_is_not() -> None:
    async def case() -> None:
        gone: list[bool] = []
        async with serving(gone_after_s=0.2) as page:
            page.on_page_gone = lambda: gone.append(True)
            await asyncio.sleep(0.25)
            assert gone == []  # no page was ever there
            async with tab(page, "one") as line:
                await hear(line)
            async with tab(page, "two") as line:
                await hear(line)
                await asyncio.sleep(0.3)
                assert gone == []
            await soon(lambda: gone == [True])

    asyncio.run(case())


def test_stopping_tells_the_page_and_forgets_its_timers() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        gone: list[bool] = []
        page = PageServer(session, entropy=os.urandom, gone_after_s=0.01)
        page.on_page_gone = lambda: gone.append(True)
        await page.start()
        async with tab(page) as line:
            await hear(line)
            await page.stop()
            assert (await closes(line))[0] == 1001
        await asyncio.sleep(0.05)
        assert gone == []
        assert session.subscribers == []

    asyncio.run(case())


def test_a_port_in_use_is_an_error() -> None:
    async def case() -> None:
        async with serving() as page:
            other = PageServer(FakeSession(), entropy=os.urandom, port=port_of(page))
            with pytest.raises(OSError, match="in use"):
                await other.start()

    asyncio.run(case())


def test_an_agent_that_starts_again_has_its_page_back() -> None:
    async def case() -> None:
        async with serving() as page:
            port, secret = port_of(page), page.secret
        async with serving(port=port, secret=secret) as page:
            assert port_of(page) == port
            async with dial(page) as line:
                await say(line, do="hello", secret=secret, instance="one")
                assert (await hear(line))["event"] == "snapshot"

    asyncio.run(case())


# --- sound and picture ---


class FakeBridge:
    """Writes down what the server asks of it."""

    def __init__(self, log: list[Any], on_offer: Callable[[str], None], loopback_only: bool):
        self.log = log
        self.on_offer = on_offer
        log.append(("made", loopback_only))

    async def offer(self) -> None:
        self.on_offer("v=0 offer")

    async def answer(self, sdp: str) -> None:
        if sdp == "bad":
            raise ValueError(sdp)
        self.log.append(("answer", sdp))

    async def close(self) -> None:
        self.log.append("closed")


def test_a_bridge_for_each_fresh_connection() -> None:
    log: list[Any] = []
    states: list[Callable[[str, str], None]] = []

    def factory(
        *,
        on_offer: Callable[[str], None],
        on_state: Callable[[str, str], None],
        loopback_only: bool,
    ) -> FakeBridge:
        states.append(on_state)
        return FakeBridge(log, on_offer, loopback_only)

    async def case() -> None:
        chromium = {"user_agent_header": "Mozilla/5.0 Chrome/156.0"}
        async with serving(bridge_factory=factory) as page, dial(page, **chromium) as line:
            await say(line, do="hello", secret=page.secret, instance="one")
            await hear(line)
            await say(line, do="answer", sdp="to nothing")
            await say(line, do="again")
            assert await hear(line) == {"event": "offer", "sdp": "v=0 offer"}
            await say(line, do="answer", sdp="good")
            states[0]("connected", "")
            assert (await hear(line))["state"] == "connected"
            await say(line, do="again")
            await hear_until(line, "offer")
            await say(line, do="again")  # the second never connected: now every address is offered
            await hear_until(line, "offer")
            await say(line, do="answer", sdp="bad")
            await hear_until(line, "error")
        await soon(lambda: log[-1] == "closed")
        assert log == [
            ("made", True),
            ("answer", "good"),
            "closed",
            ("made", True),
            "closed",
            ("made", False),
            "closed",
        ]

    asyncio.run(case())


def test_the_tab_that_takes_over_takes_the_camera() -> None:
    log: list[Any] = []

    def factory(
        *, on_offer: Callable[[str], None], on_state: Any, loopback_only: bool
    ) -> FakeBridge:
        return FakeBridge(log, on_offer, loopback_only)

    async def case() -> None:
        async with serving(bridge_factory=factory) as page, tab(page) as one, tab(page, "2") as two:
            await say(one, do="again")
            await hear_until(one, "offer")
            await hear(two)
            await say(two, do="again")  # not while it waits
            await say(two, do="take")
            await hear_until(two, "snapshot")
            await say(two, do="again")
            await hear_until(two, "offer")
            assert log == [("made", False), "closed", ("made", False)]

    asyncio.run(case())


def test_no_output_names_a_peer(caplog: pytest.LogCaptureFixture) -> None:
    async def case() -> None:
        async with serving() as page:
            await ask(page, "GET", "/")
            await ask(page, "GET", "/", {"Host": "evil.example"})
            async with tab(page) as line:
                await hear(line)
                await line.send("{")
                await closes(line)

    with caplog.at_level(1):
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
            logging.getLogger(name).setLevel(logging.NOTSET)
        asyncio.run(case())
    ours = [record for record in caplog.records if record.name.startswith(("uvicorn", "folkmoot"))]
    assert not [record.getMessage() for record in ours if "127.0.0.1" in record.getMessage()]
