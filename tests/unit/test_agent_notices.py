"""What people and programs are told of a relay that keeps voices back, and what the agent does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from folkmoot.agent import notices
from folkmoot.agent import session as session_module
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.marks import MarkKind
from folkmoot.meeting.names import member_id
from folkmoot.meeting.noticing import NoticeKind
from folkmoot.meeting.relay_watch import LASTS_S
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


def noticed(stage: Stage, *what: tuple[NoticeKind, bytes]) -> None:
    """The meeting's watch found this just now."""
    inside = stage.meeting._inside
    assert inside is not None
    inside.relay_watch._noticed = {(*one, FIRST): stage.session.now() for one in what}


def notices_of(snapshot: dict[str, Any]) -> list[list[str]]:
    return [relay["notices"] for relay in snapshot["relays"]]


def test_what_goes_on_stands_in_the_relays_row_while_it_lasts() -> None:
    async def act(stage: Stage) -> None:
        stage.start()
        stage.bob_comes("Bob")
        assert notices_of(stage.session.snapshot()) == [[], []]
        own = stage.meeting.seat
        noticed(stage, (NoticeKind.WITHHELD, BOB), (NoticeKind.UNREACHED, own))
        first, *others = notices_of(stage.session.snapshot())
        assert others == [[]]
        assert "do not hear you through it" in first[0]
        assert "the voice of Bob" in first[1]
        for key in (inside := _watch(stage)):
            inside[key] -= LASTS_S
        assert notices_of(stage.session.snapshot()) == [[], []]

    staged(act)


def test_marks_that_stand_are_in_the_list_of_relays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Meeting, "marks", lambda self, now: {FIRST: [MarkKind.BENDS]})

    def act(stage: Stage) -> None:
        stage.start()
        rows = {row["address"]: row["marks"] for row in stage.of("snapshot")[-1]["relays"]}
        assert rows.pop(str(FIRST)) == [notices.mark_sentence(MarkKind.BENDS, FIRST)]
        assert not any(rows.values())

    staged(act)


def test_the_page_is_shown_when_it_begins_and_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "HEARING_PERIOD_S", 0.01)

    async def act(stage: Stage) -> None:
        stage.start()
        running = asyncio.create_task(stage.session.run())
        noticed(stage, (NoticeKind.DEAFENED, stage.meeting.seat))
        await _until(lambda: "nothing reach you" in str(notices_of(stage.of("snapshot")[-1])))
        _watch(stage).clear()
        await _until(lambda: notices_of(stage.of("snapshot")[-1]) == [[], []])
        running.cancel()

    staged(act)


def test_a_row_has_a_sentence_for_each_kind_however_many_it_is_about() -> None:
    def act(stage: Stage) -> None:
        stage.start()
        many = [(kind, bytes((number,)) * 16) for kind in NoticeKind for number in range(50)]
        noticed(stage, *many)
        first, *_ = notices_of(stage.session.snapshot())
        assert len(first) == 2, "of whom it is known it is not said that it is not"
        assert "and 44 more" in first[1]
        assert all(len(sentence) < 400 for sentence in first)

    staged(act)


def _watch(stage: Stage) -> dict[Any, float]:
    inside = stage.meeting._inside
    assert inside is not None
    return inside.relay_watch._noticed


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)
