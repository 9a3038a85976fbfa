"""Drives the Firefox that is installed over WebDriver BiDi (https://w3c.github.io/webdriver-bidi/),
without geckodriver: fake camera and microphone, a page, its scripts, and pictures of it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

START_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 60.0
MISSING = "Firefox is not here: apt-get install firefox-esr"
PREFERENCES: dict[str, bool | int | str] = {
    "media.navigator.streams.fake": True,  # a moving colour and a tone in the place of devices
    "media.navigator.permission.disabled": True,  # nobody is there to press "allow"
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


# https://www.w3.org/TR/webdriver2/#keyboard-actions
KEYS = {
    "Tab": "\ue004", "Shift": "\ue008", "Alt": "\ue00a", "Enter": "\ue007", "Space": " ",
    "Escape": "\ue00c", "ArrowDown": "\ue015",
}  # fmt: skip


def program() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


class BidiError(Exception):
    """Firefox refused a command, or a script in the page failed."""


class Firefox:
    """One window of a Firefox of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._reader = asyncio.create_task(self._read())
        self._context = ""

    async def _read(self) -> None:
        with contextlib.suppress(Exception):
            async for text in self._socket:
                message = json.loads(text)
                future = self._waiting.pop(message.get("id") or 0, None)
                if future is None or future.done():
                    continue
                if message["type"] == "success":
                    future.set_result(message["result"])
                else:
                    future.set_exception(BidiError(f"{message['error']}: {message['message']}"))
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(BidiError("Firefox has gone"))

    async def command(self, method: str, **parameters: Any) -> Any:
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        return await asyncio.wait_for(future, COMMAND_TIMEOUT_S)

    async def open(self, address: str) -> None:
        if not self._context:
            # A tab of our own: in the first one the keyboard is in the address bar.
            made = await self.command("browsingContext.create", type="tab")
            self._context = made["context"]
            await self.command("browsingContext.activate", context=self._context)
        await self.command(
            "browsingContext.navigate", context=self._context, url=address, wait="complete"
        )

    async def evaluate(self, expression: str) -> Any:
        """The value of a script (a promise is awaited) if it is a string, number or boolean; use
        JSON for the rest."""
        answer = await self.command(
            "script.evaluate",
            expression=expression,
            target={"context": self._context},
            awaitPromise=True,
            userActivation=True,
        )
        if answer["type"] != "success":
            raise BidiError(answer["exceptionDetails"]["text"])
        return answer["result"].get("value")

    async def press(self, keys: str) -> None:
        """One key with what is held down meanwhile, in Playwright's words: "Tab", "Shift+Tab",
        "a"."""
        held = [KEYS.get(key, key) for key in keys.split("+")] if len(keys) > 1 else [keys]
        downs = [{"type": "keyDown", "value": key} for key in held]
        ups = [{"type": "keyUp", "value": key} for key in reversed(held)]
        await self.command(
            "input.performActions",
            context=self._context,
            actions=[{"type": "key", "id": "keyboard", "actions": downs + ups}],
        )

    async def screenshot(self) -> bytes:
        """What the window shows, as PNG."""
        answer = await self.command("browsingContext.captureScreenshot", context=self._context)
        return base64.b64decode(answer["data"])

    async def close(self) -> None:
        with contextlib.suppress(BidiError, TimeoutError, OSError):
            await asyncio.wait_for(self.command("browser.close"), 5)
        await self._socket.close()
        await self._reader


def write_profile(folder: Path, preferences: Mapping[str, bool | int | str]) -> None:
    lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in preferences.items()]
    (folder / "user.js").write_text("\n".join(lines))


@contextlib.asynccontextmanager
async def started(
    preferences: Mapping[str, bool | int | str] = PREFERENCES, binary: str | None = None
) -> AsyncIterator[Firefox]:
    """A Firefox with a fresh profile, ended with the block. Raises FileNotFoundError with a
    sentence if there is none."""
    found = binary or program()
    if found is None:
        raise FileNotFoundError(MISSING)
    with tempfile.TemporaryDirectory(
        prefix="folkmoot-firefox-", ignore_cleanup_errors=True
    ) as folder:
        write_profile(Path(folder), preferences)
        process = await asyncio.create_subprocess_exec(
            found, "--headless", "--no-remote", "--profile", folder, "--remote-debugging-port", "0",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert process.stderr is not None
        drain: asyncio.Task[bytes] | None = None
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                address = None
                while address is None:
                    line = await process.stderr.readline()
                    if not line:
                        raise BidiError("Firefox ended before it could be driven")
                    address = re.search(rb"WebDriver BiDi listening on (ws://\S+)", line)
            drain = asyncio.create_task(process.stderr.read())
            url = address[1].decode() + "/session"
            async with connect(url, max_size=64 << 20, proxy=None) as socket:
                firefox = Firefox(socket)
                await firefox.command("session.new", capabilities={})
                try:
                    yield firefox
                finally:
                    await firefox.close()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()
            if drain is not None:
                await drain
