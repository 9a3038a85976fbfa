"""The page's server over real HTTP on the loopback: who gets in, and who does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from folkmoot.agent.page import server
from folkmoot.agent.page.guard import content_security_policy
from page_client import (
    ask,
    exchange,
    own,
    port_of,
    serving,
    soon,
    token_of,
)


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
