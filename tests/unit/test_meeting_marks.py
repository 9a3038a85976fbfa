"""What earns a mark against a relay, and what two who lie, or a line that stalls, do not."""

from __future__ import annotations

import pytest

from folkmoot.meeting.copies import BROKEN_KEPT, Copies
from folkmoot.meeting.events import Marked
from folkmoot.meeting.marks import (
    LASTS_S,
    LATE_S,
    OURS,
    RELAYS_MAX,
    SEEN_MIN,
    STEPS_KEPT,
    MarkKind,
    Marks,
)
from folkmoot.meeting.relay_watch import TOLD_BURST, TOLD_PER_S, RelayWatch
from unit.meeting_parts import RELAYS, People

NOW = 100.0
REPEATS, BENDS = MarkKind.REPEATS, MarkKind.BENDS
LATE, REORDERS = MarkKind.LATE, MarkKind.REORDERS
A, B, C, D = (bytes((one,)) * 16 for one in b"abcd")


@pytest.fixture
def kept() -> Marks:
    return Marks()


def copies(kept: Marks, lines: dict[bytes, float], seconds: float, start: float = NOW) -> float:
    """Ten copies a second of each line, so late; when that ended."""
    for step in range(int(seconds * 10)):
        for line, late_s in lines.items():
            kept.came(1, line, late_s, start + step / 10)
    return start + seconds


def test_what_no_honest_relay_does_is_a_mark_after_a_few(kept: Marks) -> None:
    for kind, seen in ((REPEATS, kept.repeated), (BENDS, kept.bent)):
        for number in range(SEEN_MIN):
            assert kept.look(NOW + number) == []
            seen(2, NOW + number)
        assert kept.look(NOW + SEEN_MIN) == [(2, kind)]
        assert kept.look(NOW + SEEN_MIN + 1) == [], "it is told once"


def test_a_few_in_a_long_time_are_none(kept: Marks) -> None:
    for number in range(50):
        at = NOW + number * STEPS_KEPT / (SEEN_MIN - 1)
        kept.bent(1, at)
        assert kept.look(at) == []


def test_a_mark_stands_for_a_while_after_it_was_earned_last(kept: Marks) -> None:
    for number in range(SEEN_MIN + 5):
        kept.repeated(1, NOW + number)
        kept.look(NOW + number)
    last = NOW + SEEN_MIN + 4
    assert kept.standing(last + LASTS_S - 1) == {1: [REPEATS]}
    assert kept.standing(last + LASTS_S) == {}
    assert kept.look(last + LASTS_S) == []
    for _ in range(SEEN_MIN):
        kept.repeated(1, last + LASTS_S)
    assert kept.look(last + LASTS_S) == [(1, REPEATS)], "and is told again"


def test_late_is_what_is_late_of_most_for_some_seconds(kept: Marks) -> None:
    end = copies(kept, dict.fromkeys((OURS, A, B, C), LATE_S + 0.1), 2.5)
    assert kept.look(end) == []
    end = copies(kept, dict.fromkeys((OURS, A, B, C), LATE_S + 0.1), 2.0, end)
    assert kept.look(end) == [(1, LATE)]


@pytest.mark.parametrize(
    "lines",
    [
        dict.fromkeys((OURS, A, B, C), LATE_S),
        {OURS: 2.0},  # our own line to there
        {A: 2.0, B: 2.0},  # two who lie together, in a meeting of three
        {OURS: 2.0, A: 2.0, B: 0.0, C: 0.0},
        {A: 2.0, B: 2.0, C: 2.0, D: 0.0},
    ],
    ids=["a little", "ours", "two others", "half", "not all but one"],
)
def test_what_members_or_lines_do_is_not_late(kept: Marks, lines: dict[bytes, float]) -> None:
    end = copies(kept, lines, 8)
    assert kept.look(end) == []


def test_a_line_that_stalls_makes_nothing_late(kept: Marks) -> None:
    everybody = (OURS, A, B, C)
    for _ in range(3):
        for late_s in (2.5, 2.0, 1.5, 1.1):  # all of it at once
            for line in everybody:
                for _ in range(10):
                    kept.came(1, line, late_s, NOW)
        assert kept.look(NOW) == []


@pytest.mark.parametrize(
    ("lines", "marked"),
    [((A, B), False), ((OURS,), False), ((A, B, C), True), ((OURS, A), True)],
)
def test_more_than_two_others_have_to_be_overtaken(
    kept: Marks, lines: tuple[bytes, ...], marked: bool
) -> None:
    for second in range(5):
        for line in lines:
            for _ in range(6):
                kept.overtaken(1, line, NOW + second)
    assert kept.look(NOW + 5) == ([(1, REORDERS)] if marked else [])


def test_once_is_no_disorder(kept: Marks) -> None:
    for line in (OURS, A, B, C):
        for _ in range(20):
            kept.overtaken(1, line, NOW)  # all connect anew at the same moment
    assert kept.look(NOW + 1) == []


def test_only_so_many_relays_are_kept(kept: Marks) -> None:
    for relay in range(5 * RELAYS_MAX):
        kept.repeated(relay, NOW + relay)
    assert len(kept._steps) == RELAYS_MAX


def test_what_one_relay_brings_that_does_not_open_costs_another_nothing() -> None:
    kept = Copies(RelayWatch(People("ada").context("ada", NOW), NOW))
    kept._keep_broken(0, (A, 1, 1), b"early", NOW)
    for counter in range(3 * BROKEN_KEPT):
        kept._keep_broken(1, (A, 1, counter), b"flood", NOW)
    assert {relay: len(cells) for relay, cells in kept._broken.items()} == {0: 1, 1: BROKEN_KEPT}
    for relay in range(5 * RELAYS_MAX):
        kept._keep_broken(relay, (A, 1, 1), b"", NOW)
    assert len(kept._broken) == RELAYS_MAX


def test_a_member_cannot_bury_a_person_in_marks() -> None:
    people = People("ada")
    context = people.context("ada", NOW)
    watch, count, seconds = RelayWatch(context, NOW), 0, 400
    for second in range(seconds):
        now = NOW + second * (LASTS_S + STEPS_KEPT) / 20
        if second % 20 == 0:  # each time that the last ones are over
            for relay in range(len(RELAYS)):
                for _ in range(SEEN_MIN):
                    watch.repeated(relay, now)
                    watch.bent(relay, now)
        watch.look(now)
        told = [one for one in context.events if isinstance(one, Marked)]
        context.events.clear()
        count += len(told)
        assert {one.relay for one in told} <= {one.address for one in RELAYS}
    assert 0 < count <= TOLD_BURST + TOLD_PER_S * (now - NOW) + 1
