"""What a person at a terminal reads of a meeting: nothing of others' names and messages steers the
terminal, and who looks like another has a tag."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.agent.console import Output
from folkmoot.agent.people import Words

EVIL = "\x1b]0;owned\x07\x9b31m\u202eAnn\u2028[bold]:smile:[/bold]\r\x1b[2J"
STEERING = set("\x1b\x07\x9b\r\u202e\u2028")


def said(capsys: pytest.CaptureFixture[str], *told: dict[str, Any]) -> str:
    words = Words(Output(), invited=False)
    for event in told:
        words.event(event)
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize(
    "event",
    [
        {"event": "chat", "from": "e", "name": EVIL, "text": EVIL},
        {"event": "knock", "knock": "k", "name": EVIL},
        {"event": "member_in", "member": "e", "name": EVIL},
        {"event": "member_out", "member": "e", "name": EVIL, "cause": "left"},
        {"event": "joined", "name": EVIL, "safety_code": "1"},
        {"event": "refused", "what": "x", "why": EVIL},
        {
            "event": "motion",
            "motion": "m",
            "kind": "remove",
            "subject": "e",
            "subject_name": EVIL,
            "by": "e",
            "name": EVIL,
            "needed": 3,
        },
        {"event": "problem", "sentence": EVIL},
        {"event": "charter_differs", "sentences": ["ours, not theirs"]},
    ],
    ids=lambda event: str(event["event"]),
)
def test_one_line_that_steers_nothing(
    capsys: pytest.CaptureFixture[str], event: dict[str, Any]
) -> None:
    shown = said(capsys, event)
    assert shown
    assert not STEERING & set(shown)
    if event["event"] != "charter_differs":
        assert shown.count("\n") == 1
        assert "[bold]:smile:[/bold]" in shown


def test_four_thousand_line_breaks_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(capsys, {"event": "chat", "from": "e", "name": "Eve", "text": "\n" * 4000})
    assert shown.count("\n") == 1


def test_who_looks_like_another_has_a_tag(capsys: pytest.CaptureFixture[str]) -> None:
    shown = said(
        capsys,
        {"event": "chat", "from": "a", "name": "Ann", "tag": "a1b2", "text": "hello"},
        {"event": "member_in", "member": "e", "name": "\u0410nn", "tag": "e3f4"},
        {"event": "chat", "from": "b", "name": "Bob", "tag": "", "text": "hello"},
        {"event": "chat", "from": "b", "name": "Bob", "text": "hello"},
    )
    assert shown.splitlines() == [
        "Ann (a1b2): hello",
        "\u0410nn (e3f4) came in.",
        "Bob: hello",
        "Bob: hello",
    ]
