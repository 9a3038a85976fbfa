"""What people and programs are told of a relay that keeps voices back, and what the agent does."""

from __future__ import annotations

import pytest

from folkmoot.agent import notices
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.marks import MarkKind
from folkmoot.meeting.names import member_id
from folkmoot.meeting.noticing import NoticeKind
from unit.meeting_parts import RELAYS
from unit.test_agent_session import BOB, Stage, staged

FIRST = RELAYS[0].address
PLACE = f"{FIRST.host}:{FIRST.port}"


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_notice_says_which_relay_and_whom(kind: NoticeKind) -> None:
    def act(stage: Stage) -> None:
        stage.start()
        stage.bob_comes("Bob")
        stage.tell(events.Noticed(kind, FIRST, BOB))
        (notice,) = stage.of(kind.value)
        assert (notice["relay"], notice["member"]) == (str(FIRST), member_id(BOB))
        assert f"relay {PLACE}" in notice["sentence"]
        if kind is not NoticeKind.DEAFENED:
            assert "Bob" in notice["sentence"]

    staged(act)


def test_what_does_not_get_through_blames_nobody() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        stage.tell(events.Noticed(NoticeKind.UNREACHED, FIRST, stage.meeting.seat))
        (notice,) = stage.of("unreached")
        assert "do not hear you" in notice["sentence"]
        assert "cannot be told" in notice["sentence"]
        assert "keeps" not in notice["sentence"]

    staged(act)


def test_a_new_link_is_made_on_our_own_word_alone() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        for kind in (NoticeKind.WITHHELD, NoticeKind.UNREACHED):
            stage.tell(events.Noticed(kind, FIRST, stage.meeting.seat))
        assert not [one for one in stage.log if one.startswith("renew")]
        stage.tell(events.Noticed(NoticeKind.DEAFENED, FIRST, stage.meeting.seat))
        assert [one for one in stage.log if one.startswith("renew")] == [f"renew {FIRST}"]

    staged(act)


@pytest.mark.parametrize("kind", MarkKind)
def test_a_mark_says_which_relay_and_all_who_can_have_done_it(kind: MarkKind) -> None:
    def act(stage: Stage) -> None:
        stage.start()
        stage.tell(events.Marked(kind, FIRST))
        (mark,) = stage.of("marked")
        assert (mark["relay"], mark["what"]) == (str(FIRST), kind.value)
        assert f"relay {PLACE}" in mark["sentence"]
        other = "your own way to it" if kind is MarkKind.LATE else "or somebody in the meeting"
        assert other in mark["sentence"]
        assert not [one for one in stage.log if one.startswith("renew")], "no path is left"

    staged(act)


def test_marks_that_stand_are_in_the_list_of_relays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Meeting, "marks", lambda self, now: {FIRST: [MarkKind.BENDS]})

    def act(stage: Stage) -> None:
        stage.start()
        rows = {row["address"]: row["marks"] for row in stage.of("snapshot")[-1]["relays"]}
        assert rows.pop(str(FIRST)) == [notices.mark_sentence(MarkKind.BENDS, FIRST)]
        assert not any(rows.values())

    staged(act)
