"""What a member's watch over its relays tells, and when the reserve is wanted."""

from __future__ import annotations

import pytest

from folkmoot.meeting.events import Noticed
from folkmoot.meeting.noticing import TELL_EVERY_S, Notice, NoticeKind
from folkmoot.meeting.relay_watch import (
    LASTS_S,
    TOLD_BURST,
    TOLD_PER_S,
    UNHEARD_S,
    RelayWatch,
)
from unit.meeting_parts import RELAYS, People

NOW = 100.0
NAMES = [one.address.pin[:8] for one in RELAYS]
WITHHELD, UNREACHED, DEAFENED = NoticeKind.WITHHELD, NoticeKind.UNREACHED, NoticeKind.DEAFENED


class Stage:
    """Ada's watch, whose detector says what the test says."""

    def __init__(self, patches: pytest.MonkeyPatch) -> None:
        people = People("ada")
        self.seat = people["ada"].seat
        self.context = people.context("ada", NOW)
        self.watch = RelayWatch(self.context, NOW)
        self.says: list[Notice] = []
        patches.setattr(self.watch._noticing, "look", lambda relays, there, now: self.says)

    def told(self, now: float, *says: Notice) -> list[Noticed]:
        self.context.events.clear()
        self.says = list(says)
        self.watch.look(now)
        return [one for one in self.context.events if isinstance(one, Noticed)]


def test_it_is_told_by_the_relays_address(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    told = stage.told(NOW, Notice(WITHHELD, NAMES[1], b"b" * 16))
    assert told == [Noticed(WITHHELD, RELAYS[1].address, b"b" * 16)]
    assert stage.told(NOW + 0.1, Notice(WITHHELD, NAMES[0], b"b" * 16)) == [], "it is not asked yet"


def test_liars_cannot_bury_a_person_in_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    count = own = 0
    for step in range(100):
        others = [Notice(UNREACHED, NAMES[0], bytes((seat,)) * 16) for seat in range(50)]
        told = stage.told(NOW + step, *others, Notice(WITHHELD, NAMES[0], stage.seat))
        count += sum(one.seat != stage.seat for one in told)
        own += sum(one.seat == stage.seat for one in told)
    assert count <= TOLD_BURST + 100 * TOLD_PER_S + 1
    assert own == 100


def test_what_goes_on_is_told_once_unless_we_can_do_something(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch)
    cases = {
        (UNREACHED, b"b" * 16): 1,
        (WITHHELD, b"b" * 16): 1,
        (UNREACHED, stage.seat): 1,
        (WITHHELD, stage.seat): 10,
        (DEAFENED, stage.seat): 10,
    }
    now = NOW
    for (kind, seat), times in cases.items():
        count = 0
        for _ in range(10):
            now += TELL_EVERY_S
            count += len(stage.told(now, Notice(kind, NAMES[0], seat)))
        assert count == times, kind
    # It was over for a while, and begins again.
    assert stage.told(now + LASTS_S, Notice(UNREACHED, NAMES[0], b"b" * 16))


def test_the_reserve_is_wanted_for_one_who_gets_through_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch)
    stage.told(NOW, Notice(UNREACHED, NAMES[0], b"b" * 16), Notice(DEAFENED, NAMES[1], b"b" * 16))
    assert not stage.watch.silenced(NOW)
    stage.told(NOW + 1, Notice(UNREACHED, NAMES[1], b"c" * 16))
    assert not stage.watch.silenced(NOW + 1), "two members, one relay each"
    stage.told(NOW + 2, Notice(WITHHELD, NAMES[1], b"b" * 16))
    assert stage.watch.silenced(NOW + 2)
    stage.told(NOW + 2 + LASTS_S)
    assert not stage.watch.silenced(NOW + 2 + LASTS_S)


def test_one_whom_we_alone_miss_everywhere_is_looked_for_on_the_reserve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(monkeypatch)
    noticing = stage.watch._noticing
    both, seat = {NAMES[0], NAMES[1]}, b"b" * 16

    def look(after_s: float) -> bool:
        stage.told(NOW + after_s)
        return stage.watch.silenced(NOW + after_s)

    noticing.missed_at = {seat: {NAMES[0]}}
    assert not look(0)
    assert not look(UNHEARD_S + 1), "the other relay brings it"
    noticing.missed_at = {seat: both}
    assert not look(10)
    assert look(10 + UNHEARD_S)
    noticing.missed_at = {}
    assert not look(20)
    noticing.deaf_at = both
    assert not look(30)
    assert look(30 + UNHEARD_S)
