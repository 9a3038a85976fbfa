"""The page's side of one `join`: when a browser is opened, and when the page of before goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from folkmoot.agent import page_side
from folkmoot.agent.console import Output
from folkmoot.agent.page import ReturnNote
from folkmoot.agent.page_side import PageSide
from folkmoot.agent.session import Session
from folkmoot.governance import PRESETS
from page_client import hear, hear_until, returning
from page_session import FakeSession


class _Returned(FakeSession):
    """A session as PageSide uses it: with the meeting's name."""

    meeting = type("Meeting", (), {"name": "Rosa"})


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    addresses: list[str] = []

    def note_opened(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(page_side, "has_display", lambda: True)
    monkeypatch.setattr("webbrowser.open", note_opened)
    return addresses


@contextlib.asynccontextmanager
async def _side(
    note: ReturnNote | None, enter: Callable[[str | None], Any]
) -> AsyncIterator[PageSide]:
    def begin(name: str | None, hidden: bool | None) -> Session:
        assert hidden is None  # nothing was to be chosen
        session: Session = enter(name)
        return session

    side = PageSide(
        invite="folkmoot:x", name="Rosa", charter=PRESETS["circle"], relays=(),
        choice=None, opens=False, relay_here=False, note=note, enter=begin,
        gone=lambda: None,
    )  # fmt: skip
    try:
        await side.open(Output(as_json=True))
        yield side
    finally:
        await side.close(in_haste=True)


def _nobody(_name: str | None) -> Any:
    raise AssertionError("nobody joined")


def test_a_page_that_comes_back_is_in_and_no_browser_is_opened(opened: list[str]) -> None:
    names: list[str | None] = []

    def enter(name: str | None) -> Any:
        names.append(name)
        return _Returned(phase="in")

    async def case() -> None:
        note = ReturnNote(_free_port(), "k" * 43)
        async with _side(note, enter) as side:
            assert side.note == note
            async with returning(side._server, note) as line:
                assert (await hear(line))["event"] == "welcome"
                snapshot = await hear(line)
                assert (snapshot["phase"], snapshot["return_with"]) == ("in", "folkmoot:x")
            async with returning(side._server, note) as line:  # it lost its line for a moment
                await hear_until(line, "snapshot")
            assert side._browser is not None
            await side._browser
            assert names == [None]
            assert opened == []

    asyncio.run(case())


def test_without_the_page_of_before_a_browser_is_opened_and_shows_the_preview(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_side, "OLD_PAGE_WAIT_S", 0.05)

    async def case() -> None:
        note = ReturnNote(_free_port(), "k" * 43)
        async with _side(note, _nobody) as side:
            assert side._browser is not None
            await side._browser
            assert [address.startswith("file:") for address in opened] == [True]

    asyncio.run(case())


def test_a_port_that_another_program_has_now_is_left_to_it_and_so_is_the_key(
    opened: list[str],
) -> None:
    async def case() -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            note = ReturnNote(other.getsockname()[1], "k" * 43)
            async with _side(note, _nobody) as side:
                assert side.note.port != note.port
                assert side.note.key != note.key
                assert len(opened) == 1  # at once: no page can find the way

    asyncio.run(case())


def test_a_page_that_reconnects_before_join_does_not_join(opened: list[str]) -> None:
    async def case() -> None:
        async with _side(None, _nobody) as side, returning(side._server, side.note) as line:
            assert (await hear_until(line, "snapshot"))["phase"] == "preview"
        assert len(opened) == 1

    asyncio.run(case())


def test_a_page_that_is_lost_and_not_back_is_offered_anew(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its browser died, and the only key to the page with it."""
    monkeypatch.setattr(page_side, "NEW_PAGE_AFTER_S", 0.5)

    def offers() -> list[str]:
        told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return [one["url"] for one in told if one["event"] == "page" and "#" in one["url"]]

    async def case() -> None:
        note = ReturnNote(_free_port(), "k" * 43)
        async with _side(note, lambda _: _Returned(phase="in")) as side:
            for _ in range(2):  # it lost its line for a moment, and has it again
                async with returning(side._server, note) as line:
                    await hear_until(line, "snapshot")
            async with returning(side._server, note) as line:
                await hear_until(line, "snapshot")
                await asyncio.sleep(1.0)
                assert offers() == []
            await asyncio.sleep(1.0)
            (url,) = offers()
            assert url.startswith(side._server.url)

    asyncio.run(case())
