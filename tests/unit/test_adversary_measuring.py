"""What counts as silenced, healed and collateral."""

from __future__ import annotations

from folkmoot.adversary.measuring import Collateral, Hearing, Silence, collateral_of, silence_of
from folkmoot.adversary.playing import Row
from folkmoot.adversary.report import cuts

PEOPLE = ("tess", "ann", "bob")


def hearings(**losses: dict[int, int]) -> dict[str, Hearing]:
    """Everybody hears everybody for 12 s; `ann_of_tess={3: 0}`: what Ann had of Tess then."""
    found = {name: Hearing() for name in PEOPLE}
    for listener in PEOPLE:
        for speaker in PEOPLE:
            if speaker != listener:
                less = losses.get(f"{listener}_of_{speaker}", {})
                for second in range(12):
                    found[listener].add(speaker, second, less.get(second, 50))
    return found


def test_whoever_is_heard_all_the_time_is_not_silenced() -> None:
    assert silence_of(hearings(), "tess", ("ann", "bob"), 0, 12) == Silence(False, 0.0, None)


def test_rows_that_come_a_little_late_each_time_lose_nothing() -> None:
    """Six minutes in which each row comes five milliseconds later than a second after the last."""
    hearing = Hearing()
    for number in range(360):
        hearing.add_row("ann", 0.7 + number * 1.005, 50)
    assert max(hearing.losses("ann", 1, 360)) < 0.01


def test_what_a_busy_machine_told_late_was_heard_all_the_same() -> None:
    hearing = Hearing()
    for at, frames in ((1.2, 50), (2.2, 50), (3.9, 85), (4.2, 15), (5.2, 50), (6.2, 50), (7.2, 50)):
        hearing.add_row("ann", at, frames)
    assert max(hearing.losses("ann", 1, 7)) < 0.01


def test_who_was_not_heard_of_for_long_was_not_heard() -> None:
    hearing = Hearing()
    for at in (1.0, 2.0, 8.0, 9.0):
        hearing.add_row("ann", at, 50)
    assert hearing.losses("ann", 0, 9) == [0.6, 0.8, 1.0, 0.8, 0.6]


def test_what_was_before_does_not_count() -> None:
    hearing = Hearing()
    for at in (-3.5, -2.5, -0.5, 0.5, 1.5):
        hearing.add_row("ann", at, 50)
    assert hearing.frames["ann"] == {0: 50.0, 1: 25.0}


def test_a_tenth_over_five_seconds_is_the_limit() -> None:
    exactly = hearings(ann_of_tess={4: 25})
    assert not silence_of(exactly, "tess", ("ann", "bob"), 0, 12).silenced
    more = hearings(ann_of_tess={4: 24})
    assert silence_of(more, "tess", ("ann", "bob"), 0, 12).silenced


def test_who_does_not_hear_is_silenced_too() -> None:
    deaf = hearings(tess_of_bob={one: 0 for one in range(12)})
    assert silence_of(deaf, "tess", ("ann", "bob"), 0, 12) == Silence(True, 1.0, None)
    assert not silence_of(deaf, "ann", ("bob",), 0, 12).silenced


def test_healed_is_when_the_last_bad_window_is_over() -> None:
    gap = hearings(bob_of_tess={0: 0, 1: 0})
    silence = silence_of(gap, "tess", ("ann", "bob"), 0, 12)
    assert silence.silenced
    assert silence.healed_s == 2.0
    assert silence_of(gap, "tess", ("ann", "bob"), 0, 6).healed_s is None, "too early to say"


def test_others_are_counted_among_themselves() -> None:
    only_tess = hearings(ann_of_tess={one: 0 for one in range(12)})
    assert collateral_of(only_tess, "tess", PEOPLE, 0, 12) == Collateral(0, None)
    both = hearings(ann_of_bob={one: 0 for one in range(12)})
    assert collateral_of(both, "tess", PEOPLE, 0, 12) == Collateral(2, None)
    moment = hearings(ann_of_bob={one: 0 for one in range(3)})
    assert collateral_of(moment, "tess", PEOPLE, 0, 12) == Collateral(2, 3.0)


def row(compelled: int, *, silenced: bool, collateral: int = 0, healed: float | None = None) -> Row:
    return Row("here", 3, 0, compelled, True, "x", silenced, collateral, 1.0, False, None, healed)


def test_the_cut_is_the_fewest_who_silence_one_alone_for_good() -> None:
    rows = [
        row(1, silenced=False),
        row(1, silenced=True, collateral=4),
        row(2, silenced=True, healed=3.0),
        row(3, silenced=True),
    ]
    assert cuts(rows) == {"here": 3}
    assert cuts(rows[:3]) == {"here": None}
