"""A page that lost its agent and finds it again: both prove who they are, and nobody else learns
anything."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.agent.page import PageServer, ReturnNote
from page_client import closes, dial, hear, proof_of, returning, say, serving, tab
from page_session import FakeSession

NONCE = "n" * 43


def test_an_agent_that_starts_again_has_its_page_back() -> None:
    async def case() -> None:
        async with serving() as page:
            note, before = page.note, page.secret
        back: list[bool] = []
        async with serving(note=note) as page:
            page.on_page_back = lambda: back.append(True)
            assert page.note == note
            async with returning(page, note) as line:
                welcome = {"event": "welcome", "secret": page.secret, "return_key": note.key}
                assert await hear(line) == welcome
                assert (await hear(line))["event"] == "snapshot"
                assert back == [True]
            # What lies in the tab's storage of before opens nothing: another program may have it.
            async with dial(page) as line:
                await say(line, do="hello", secret=before, instance="one")
                assert (await closes(line))[0] == 1008

    asyncio.run(case())


def test_a_page_that_lost_its_line_for_a_moment_has_its_place() -> None:
    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, tab(page) as first:
            await hear(first)
            async with returning(page, page.note) as line:
                assert (await hear(line))["event"] == "welcome"
                assert (await hear(line))["event"] == "snapshot"
                assert (await closes(first))[0] == 1001

    asyncio.run(case())


def test_a_page_that_comes_back_beside_another_waits() -> None:
    async def case() -> None:
        back: list[bool] = []
        async with serving() as page, tab(page, "two") as other:
            page.on_page_back = lambda: back.append(True)
            await hear(other)
            async with returning(page, page.note) as line:
                assert (await hear(line))["event"] == "welcome"
                assert await hear(line) == {"event": "other_tab"}
            assert back == []

    asyncio.run(case())


@pytest.mark.parametrize(
    "answer",
    ["its own", "another key", "the secret", "the key", "another nonce", "hello", "silence"],
)
def test_who_does_not_have_the_key_is_refused(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if answer == "silence":
        monkeypatch.setattr("folkmoot.agent.page.strangers.HELLO_S_MAX", 0.1)

    async def case() -> None:
        session = FakeSession(phase="in")
        async with serving(session) as page, dial(page) as line:
            await say(line, do="return", nonce=NONCE, instance="one")
            question = await hear(line)
            foreign = ReturnNote(page.note.port, "k" * 43)
            proofs = {
                "its own": question["proof"],  # told back to it
                "another key": proof_of("page", foreign, NONCE, question["nonce"]),
                "the secret": page.secret,
                "the key": page.note.key,
                "another nonce": proof_of("page", page.note, NONCE, NONCE),
            }
            if answer in proofs:
                await say(line, do="proof", proof=proofs[answer])
            elif answer == "hello":
                await say(line, do="hello", secret=page.secret, instance="one")
            assert (await closes(line))[0] == 1008
            assert session.subscribers == []

    asyncio.run(case())


def test_the_secret_and_the_key_are_not_in_what_a_stranger_hears() -> None:
    async def case() -> None:
        async with serving() as page, dial(page) as line:
            await say(line, do="return", nonce=NONCE, instance="one")
            question = await hear(line)
            assert sorted(question) == ["event", "nonce", "proof"]
            assert page.secret not in str(question)
            assert page.note.key not in str(question)

    asyncio.run(case())


def test_a_port_that_somebody_has_is_an_error() -> None:
    async def case() -> None:
        async with serving() as page:
            other = PageServer(FakeSession(), entropy=os.urandom, note=page.note)
            with pytest.raises(OSError, match="in use"):
                await other.start()

    asyncio.run(case())


# --- the note ---


def test_a_note_is_what_it_was() -> None:
    note = ReturnNote(40_000, "k" * 43)
    assert ReturnNote.decode(note.encode()) == note
    assert note.key not in repr(note)


@pytest.mark.parametrize(
    "changed",
    [{"port": 80}, {"port": 70_000}, {"port": True}, {"port": "1"}, {"key": "short"}, {"key": 7},
     {"key": "\u00e9" * 43}, {"key": " " * 43}],
)  # fmt: skip
def test_a_note_that_is_none(changed: dict[str, Any]) -> None:
    whole = {"port": 40_000, "key": "k" * 43}
    assert ReturnNote.decode(json.dumps(whole).encode()) is not None
    assert ReturnNote.decode(json.dumps({**whole, **changed}).encode()) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_none(data: bytes) -> None:
    note = ReturnNote.decode(data)
    assert note is None or ReturnNote.decode(note.encode()) == note
