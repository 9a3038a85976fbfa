"""Before Join there is no session; afterwards the page does not notice the change."""

from __future__ import annotations

from typing import Any

from folkmoot.agent.page import Lobby
from page_session import FakeSession

JOIN = {"do": "join", "name": "Rosa", "microphone": True, "camera": False, "hidden": True}


def test_nothing_happens_before_join() -> None:
    joined: list[Any] = []
    lobby = Lobby({"relays": [{"address": "a"}]}, on_join=joined.append)
    heard: list[Any] = []
    lobby.subscribe(heard.append)
    assert heard == [lobby.snapshot()]
    assert heard[0]["phase"] == "preview"
    for command in ({"do": "chat", "text": "x"}, {"do": "microphone", "on": True}):
        lobby.do(command)
    assert joined == []
    lobby.do(JOIN)
    lobby.do(JOIN)  # a second press
    assert joined == [JOIN]


def test_the_session_takes_over_for_old_and_new_pages() -> None:
    lobby = Lobby({}, on_join=lambda command: None)
    early: list[Any] = []
    late: list[Any] = []
    end_early = lobby.subscribe(early.append)
    lobby.do(JOIN)
    session = FakeSession(phase="in")
    lobby.enter(session)
    assert early[-1]["phase"] == "in"
    end_late = lobby.subscribe(late.append)
    assert late[0]["phase"] == "in"
    lobby.do({"do": "chat", "text": "hello"})
    lobby.do(JOIN)
    assert [command["do"] for command in session.commands] == ["chat"]
    assert early[-1] == late[-1]
    assert early[-1]["chat"][0]["text"] == "hello"
    end_early()
    end_late()
    assert session.subscribers == []


def test_a_session_that_cannot_begin_lets_one_try_again() -> None:
    joined: list[Any] = []
    lobby = Lobby({}, on_join=joined.append)
    heard: list[Any] = []
    lobby.subscribe(heard.append)
    lobby.do(JOIN)
    lobby.failed("No relay answers.")
    assert {"event": "problem", "sentence": "No relay answers."} in heard
    assert heard[-1]["phase"] == "preview"
    assert heard[-1]["me"]["name"] == "Rosa"
    lobby.do(JOIN)
    assert len(joined) == 2


def test_leaving_without_joining() -> None:
    gone: list[bool] = []
    lobby = Lobby({}, on_join=lambda command: None, on_leave=lambda: gone.append(True))
    heard: list[Any] = []
    lobby.subscribe(heard.append)
    lobby.do({"do": "leave"})
    assert gone == [True]
    assert heard[-1] == {"event": "left"}
