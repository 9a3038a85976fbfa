"""Web pages of other places, in the very browser that holds a meeting's page: another port of this
machine, another site, a name that was pointed at this machine (DNS rebinding)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright", reason="playwright is not here: pip install '.[test]'")

from playwright.async_api import Page

from end_to_end import browser_people
from end_to_end.browser_people import AtChromium, Town, town
from end_to_end.local_people import web_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

EVIL = "evil.example"
BLANK = "<!doctype html><title>Another place</title><p>Look at these kittens."

# Everything that a page may try at an address that it knows, with a token as good as the real one.
# Each attempt gives what it got; "no" is what all of them should get.
ATTEMPTS = """async ([at, token]) => {
  const found = {};
  const late = () => new Promise((done) => setTimeout(done, 4000, "no"));
  const within = (promise) => Promise.race([promise, late()]);
  const attempt = async (name, act) => {
    try { found[name] = (await within(act())) ?? "no"; } catch { found[name] = "no"; }
  };
  const text = async (answer) =>
    answer.type === "opaque" ? "no" : `${answer.status} ${await answer.text()}`;
  const body = JSON.stringify({ token });
  const loads = (tag, attributes) => new Promise((done) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.onload = () => done(tag === "iframe" ? "no" : `${tag} loaded`);
    element.onerror = () => done("no");
    document.body.append(element);
  });
  await attempt("fetch", async () => text(await fetch(at)));
  await attempt("fetch file", async () => text(await fetch(at + "app.js")));
  await attempt("fetch opaque", async () => text(await fetch(at, { mode: "no-cors" })));
  await attempt("fetch with cookies", async () =>
    text(await fetch(at, { credentials: "include" })));
  await attempt("post", async () => text(await fetch(at + "session", { method: "POST", body })));
  await attempt("post json", async () => text(await fetch(at + "session",
    { method: "POST", body, headers: { "content-type": "application/json" } })));
  await attempt("post opaque", async () => text(await fetch(at + "session",
    { method: "POST", body, mode: "no-cors" })));
  await attempt("beacon", async () => { navigator.sendBeacon(at + "session", body); });
  await attempt("script", () => loads("script", { src: at + "app.js" }));
  await attempt("module", async () => Object.keys(await import(at + "words.js")).join());
  await attempt("style", () => loads("link", { rel: "stylesheet", href: at + "base.css" }));
  await attempt("image", () => loads("img", { src: at + "favicon.svg" }));
  await attempt("worker", () => new Promise((done) => {
    const worker = new Worker(at + "app.js");
    worker.onerror = () => done("no");
    worker.onmessage = () => done("a worker");
  }));
  await attempt("events", () => new Promise((done) => {
    const source = new EventSource(at);
    source.onopen = () => done("open");
    source.onerror = () => { source.close(); done("no"); };
  }));
  await attempt("socket", () => new Promise((done) => {
    const socket = new WebSocket(at.replace("http", "ws") + "page");
    socket.onopen = () => done("open");
    socket.onerror = () => done("no");
  }));
  await attempt("frame", async () => {
    await loads("iframe", { src: at, name: "framed" });
    await new Promise((done) => setTimeout(done, 300));
    return document.querySelector("iframe").contentDocument?.body?.innerText || "no";
  });
  await attempt("form", async () => {
    const form = document.createElement("form");
    const where = { method: "POST", action: at + "session", target: "framed" };
    Object.assign(form, where, { enctype: "text/plain" });
    const field = document.createElement("input");
    field.name = body.slice(0, -1) + ', "x": "';
    field.value = '"}';
    form.append(field);
    document.body.append(form);
    form.submit();
    await new Promise((done) => setTimeout(done, 500));
  });
  await attempt("opened", async () => {
    const opened = window.open(at + "#" + "A".repeat(43));
    if (!opened) return "no";
    await new Promise((done) => setTimeout(done, 1500));
    opened.postMessage({ event: "snapshot", phase: "left" }, "*");
    opened.postMessage(JSON.stringify({ do: "leave" }), "*");
    try { return opened.sessionStorage.getItem("folkmoot-secret") ?? opened.document.title; }
    catch { return "no"; }
  });
  await attempt("storage", async () => sessionStorage.getItem("folkmoot-secret")
    ?? localStorage.getItem("folkmoot-secret"));
  return found;
}"""


async def _tries(page: Page, at: str, token: str) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(ATTEMPTS, [at, token])
    return found


async def _close_opened(ada: AtChromium, evil: Page) -> list[str]:
    """What the windows show that the other place opened; they are gone then."""
    texts = []
    for opened in [one for one in ada.page.context.pages if one not in (ada.page, evil)]:
        await opened.wait_for_load_state()
        await opened.wait_for_selector("h1, p")
        texts.append(str(await opened.evaluate("document.body.innerText")))
        await opened.close()
    return texts


async def _stays(ada: AtChromium) -> None:
    """The meeting's page is as it was, and still the one that the agent hears."""
    assert await ada.page.evaluate("document.querySelectorAll('.tile').length") == 1
    text = f"still here {len(ada.command.events)}"
    await ada.writes(text)
    await ada.wait_for("chat", text=text)
    await ada.reads(text)


def test_pages_of_other_places_get_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1"
    monkeypatch.setattr(browser_people, "FLAGS", [*browser_people.FLAGS, rules])

    async def scenario(here: Town, port_of_evil: int) -> None:
        ada = await here.at_chromium("Ada", "meet", "--listen", "127.0.0.1:0")
        await ada.joins()
        await ada.wait_for("joined")
        own = (await ada.wait_for("page"))["url"]
        at, token = own.partition("#")[::2]
        secret = await ada.page.evaluate("sessionStorage.getItem('folkmoot-secret')")
        assert token
        assert secret
        # Where the token was, it is no more.
        assert ada.page.url == at
        assert await ada.page.evaluate("history.length") <= 2
        assert await ada.page.evaluate("document.referrer + document.cookie") == ""
        assert await ada.page.context.cookies() == []
        # A second agent's token, not used yet: that is what the attempts carry.
        spare = here.commands.start("meet", "--listen", "127.0.0.1:0")
        spare_url = (await asyncio.to_thread(spare.wait_for, "page"))["url"]
        spare_at, spare_token = spare_url.partition("#")[::2]

        evil = await ada.page.context.new_page()
        # The attempts succeed where nobody minds: at the page's own server.
        await evil.goto(f"http://127.0.0.1:{port_of_evil}/")
        control = await _tries(evil, evil.url, "x")
        for what in ("fetch", "fetch file", "fetch opaque", "script", "frame", "opened"):
            assert control[what] != "no", control
        await _close_opened(ada, evil)
        ports = f"http://127.0.0.1:{port_of_evil}/", (at, spare_at)
        for origin, targets in (ports, (f"http://{EVIL}:{port_of_evil}/", (at,))):
            await evil.goto(origin)
            await evil.evaluate("document.cookie = 'folkmoot-secret=stolen; path=/'")
            for target in targets:
                found = await _tries(evil, target, spare_token)
                assert set(found.values()) == {"no"}, (origin, found)
                assert found.keys() == control.keys()
            for frame in evil.frames[1:]:
                assert "Before you join" not in await frame.evaluate("document.body.innerText")
            texts = await _close_opened(ada, evil)
            assert len(texts) == len(targets)
            assert all("needs its key" in text or "lost its key" in text for text in texts), texts
            await _stays(ada)

        # A name that is pointed at this machine gets nothing, not even the first file.
        port = at.rsplit(":", 1)[1].rstrip("/")
        answer = await evil.goto(f"http://{EVIL}:{port}/")
        assert answer is not None
        assert answer.status == 421
        same_origin = await evil.evaluate(
            "fetch('/session', { method: 'POST', body: '{}' }).then((answer) => answer.status)"
        )
        assert same_origin == 421
        answer = await evil.goto(f"http://localhost:{port}/")
        assert answer is not None
        assert answer.status == 421
        await evil.close()

        # The spare token was carried everywhere and used nowhere.
        second = await ada.page.context.new_page()
        await second.goto(spare_url)
        await second.wait_for_selector(".join-form")
        assert json.dumps(secret) not in json.dumps(ada.command.events)
        await second.close()
        await _stays(ada)
        await ada.leaves()

    async def run() -> None:
        async with town(tmp_path) as here:
            with web_page(BLANK) as port:
                await scenario(here, port)

    asyncio.run(run())
