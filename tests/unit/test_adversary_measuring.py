"""What counts as silenced, healed and collateral."""

from __future__ import annotations

from folkmoot.adversary.measuring import Hearing, Silence, collateral_of, silence_of
from folkmoot.adversary.playing import Row
from folkmoot.adversary.report import cuts, sentences

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
    assert collateral_of(only_tess, "tess", PEOPLE, 0, 12) == 0
    both = hearings(ann_of_bob={one: 0 for one in range(12)})
    assert collateral_of(both, "tess", PEOPLE, 0, 12) == 2


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
    assert "3 compelled operators" in sentences(rows)[0]
    assert "no attack here" in sentences(rows[:3])[0]
