"""Commands of people and programs: each does its one thing, and every bad one gets a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from folkmoot.agent.commands import CommandError, perform
from folkmoot.agent.drafts import ground_of
from folkmoot.agent.view import event_of
from folkmoot.governance import PRESETS
from folkmoot.meeting import Meeting
from folkmoot.meeting.events import BallotCast, ChatReceived, Decided, Left, MotionMade
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.names import member_id
from folkmoot.meeting.records import CHAT_BYTES_MAX
from unit.meeting_parts import RELAYS, WALL_S, entropy_of

NOW = 100.0


def founded() -> Meeting:
    return Meeting.found(
        name="Ada",
        charter=PRESETS["unremovable"],
        relays=RELAYS,
        now=NOW,
        wall_s=WALL_S,
        entropy=entropy_of("commands"),
    )


@pytest.fixture
def meeting() -> Meeting:
    return founded()


@pytest.fixture
def knocking(meeting: Meeting) -> Meeting:
    word = meeting.invite_text()
    assert word is not None
    return Meeting.join(
        Invite.parse(word), name="Bob", now=NOW, wall_s=WALL_S, entropy=entropy_of("knocking")
    )


def events_of(meeting: Meeting, kind: type[Any]) -> list[Any]:
    found = []
    while (event := meeting.next_event()) is not None:
        if isinstance(event, kind):
            found.append(event)
    return found


def why_not(meeting: Meeting, command: dict[str, Any]) -> str:
    with pytest.raises(CommandError) as caught:
        perform(meeting, command, NOW)
    return str(caught.value)


@pytest.mark.parametrize(
    "command",
    [
        {},
        {"do": None},
        {"do": 7},
        {"do": ["chat"]},
        {"do": "dance"},
        {"do": "\ud800"},
        {"do": "vote"},
        {"do": "chat"},
        {"do": "chat", "text": ""},
        {"do": "chat", "text": 5},
        {"do": "chat", "text": "a" * (CHAT_BYTES_MAX + 1)},
        {"do": "chat", "text": "é" * (CHAT_BYTES_MAX // 2 + 1)},
        {"do": "admit"},
        {"do": "admit", "knock": "nobody"},
        {"do": "refuse", "knock": "nobody"},
        {"do": "rename"},
        {"do": "rename", "name": ["Ada"]},
        {"do": "mute"},
        {"do": "mute", "member": "nobody"},
        {"do": "unmute", "member": "\ud800"},
        {"do": "hide", "member": "nobody"},
        {"do": "show", "member": {}},
        {"do": "microphone"},
        {"do": "microphone", "on": 1},
        {"do": "camera", "on": "true"},
        {"do": "screen", "on": None},
    ],
    ids=str,
)
def test_every_bad_command_gets_a_sentence(meeting: Meeting, command: dict[str, Any]) -> None:
    sentence = why_not(meeting, command)
    assert sentence[-1] == "."
    assert sentence[0].isupper() or sentence[0] == '"'
    sentence.encode()


@pytest.mark.parametrize(
    "command",
    [
        {"do": "chat", "text": "hello"},
        {"do": "admit", "knock": "x"},
        {"do": "refuse", "knock": "x"},
        {"do": "mute", "member": "x"},
        {"do": "hide", "member": "x"},
        {"do": "microphone", "on": True},
        {"do": "camera", "on": True},
    ],
    ids=str,
)
def test_who_is_not_in_is_told_so(knocking: Meeting, command: dict[str, Any]) -> None:
    assert why_not(knocking, command) == "You are not in the meeting yet."


def test_walking_out_alone_or_with_nobody_gets_a_sentence(meeting: Meeting) -> None:
    own = member_id(meeting.seat)
    for members, rules, why in (
        (None, None, '"with" is a list of members.'),
        ([5], None, '"with" is a list of members.'),
        (["nobody"], None, "There is no such member."),
        ([own], None, "Choose who walks out with you."),
        ([own], "cirle", '"charter" is one of circle, assembly, unremovable, or its fields.'),
        ([own], ["circle"], '"charter" is one of circle, assembly, unremovable, or its fields.'),
    ):
        assert why_not(meeting, {"do": "secede", "with": members, "charter": rules}) == why
    bad = why_not(meeting, {"do": "secede", "with": [own], "charter": {"removal": "half"}})
    assert bad
    assert meeting.calls() == []


def test_other_commands_do_not_exist(meeting: Meeting) -> None:
    assert why_not(meeting, {"do": "dance"}) == "There is no command 'dance'."


@pytest.mark.parametrize("text", ["hello", "a" * CHAT_BYTES_MAX, "two\nlines"])
def test_chat_says_the_text(meeting: Meeting, text: str) -> None:
    perform(meeting, {"do": "chat", "text": text}, NOW)
    assert [one.text for one in events_of(meeting, ChatReceived)] == [text]


def test_half_a_character_harms_nothing(meeting: Meeting) -> None:
    perform(meeting, {"do": "chat", "text": "half \ud800"}, NOW)
    assert [one.text for one in events_of(meeting, ChatReceived)] == ["half ?"]
    perform(meeting, {"do": "rename", "name": "A\ud800da"}, NOW)
    assert meeting.name == "Ada"


def test_renaming_oneself(meeting: Meeting, knocking: Meeting) -> None:
    for one in (meeting, knocking):
        perform(one, {"do": "rename", "name": " Countess  Ada "}, NOW)
        assert one.name == "Countess Ada"


def test_switches_switch(meeting: Meeting) -> None:
    for field in ("microphone", "camera", "screen"):
        for on in (True, False):
            perform(meeting, {"do": field, "on": on}, NOW)
            (own,) = meeting.roster(NOW)
            assert getattr(own, field) is on


def test_muting_and_hiding_are_for_oneself(meeting: Meeting) -> None:
    member = member_id(meeting.seat)
    for on, off, field in (("mute", "unmute", "muted"), ("hide", "show", "hidden")):
        for name, expected in ((on, True), (off, False)):
            perform(meeting, {"do": name, "member": member}, NOW)
            (own,) = meeting.roster(NOW)
            assert getattr(own, field) is expected


def test_leaving_before_and_after_coming_in(meeting: Meeting, knocking: Meeting) -> None:
    for one in (meeting, knocking):
        perform(one, {"do": "leave"}, NOW)
        assert len(events_of(one, Left)) == 1
        perform(one, {"do": "leave"}, NOW)
        assert events_of(one, Left) == []
    assert why_not(meeting, {"do": "chat", "text": "hello"})
    perform(knocking, {"do": "accept_charter"}, NOW)


def circle() -> Meeting:
    return Meeting.found(
        name="Ada",
        charter=PRESETS["circle"],
        relays=RELAYS,
        now=NOW,
        wall_s=WALL_S,
        entropy=entropy_of("circle"),
    )


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ({"do": "move"}, '"kind" is missing'),
        ({"do": "move", "kind": "remove"}, '"subject" is missing'),
        ({"do": "move", "kind": "remove", "subject": "feedfeedfeedfeed"}, "no such member"),
        ({"do": "move", "kind": "praise", "subject": "x"}, "What can be moved"),
        ({"do": "move", "kind": "relays", "subject": "x"}, "no relay address"),
        ({"do": "move", "kind": "admit", "subject": "x"}, "Nobody knocks"),
        ({"do": "move", "kind": "amend", "subject": "x"}, "neither TOML nor"),
        ({"do": "move", "kind": "amend", "subject": {"preset": "duel"}}, "no preset"),
        ({"do": "move", "kind": "amend", "subject": "circle"}, "Nothing would change"),
        ({"do": "move", "kind": "amend", "subject": "assembly"}, "stays as it was"),
        ({"do": "vote"}, '"motion" is missing'),
        ({"do": "vote", "motion": "x", "choice": True}, '"choice" is "yes" or "no"'),
        ({"do": "vote", "motion": "x", "choice": "yes"}, "no such motion"),
    ],
)
def test_a_motion_or_vote_that_cannot_be(command: dict[str, Any], sentence: str) -> None:
    assert sentence in why_not(circle(), command)


def test_what_was_compared_with_other_rules_asks_nobody() -> None:
    meeting = circle()
    today = meeting.extension
    assert today is not None
    wanted = {"do": "move", "kind": "amend", "subject": {"admission": "ballot"}}
    ground = ground_of("amend", today)
    assert "changed while you wrote this" in why_not(meeting, {**wanted, "ground": ground[::-1]})
    assert "changed while you wrote this" in why_not(meeting, {**wanted, "ground": 7})
    assert not events_of(meeting, MotionMade)
    perform(meeting, {**wanted, "ground": ground}, NOW)
    assert len(events_of(meeting, MotionMade)) == 1


def test_who_is_alone_changes_the_rules_alone_and_can_remove_nobody() -> None:
    meeting = circle()
    own = member_id(meeting.seat)
    why = why_not(meeting, {"do": "move", "kind": "remove", "subject": own})
    assert "Nobody can be removed here" in why
    wanted = {"preset": "circle", "removal": "9/10", "amendment": "9/10"}
    perform(meeting, {"do": "move", "kind": "amend", "subject": wanted}, NOW)
    (made,) = events_of(meeting, MotionMade)
    (view,) = meeting.motions(NOW)
    (said,) = event_of(meeting, made, NOW)
    assert said["motion"] == view.motion
    assert said["subject"]["removal"] == "at least 9/10"
    assert (said["kind"], said["by"], said["needed"]) == ("amend", own, 1)
    assert "nine tenths" in " ".join(said["changes"])
    perform(meeting, {"do": "vote", "motion": view.motion, "choice": "no"}, NOW)
    (ballot,) = events_of(meeting, BallotCast)
    assert event_of(meeting, ballot, NOW) == [
        {"event": "ballot", "motion": view.motion, "by": own, "choice": "no"}
    ]
    assert "final" in why_not(meeting, {"do": "vote", "motion": view.motion, "choice": "yes"})
    meeting.handle_timer(NOW + 1)
    (decided,) = events_of(meeting, Decided)
    assert event_of(meeting, decided, NOW) == [
        {"event": "decided", "motion": view.motion, "carried": False}
    ]
