"""The agreement on a lossy network, 400 seeds, and under a hostile scheduler, 150; and that
breaking any of 11 of its rules does not go unnoticed.

A failure prints its scenario; `simulate(Scenario.draw(seed, faults))` replays it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from folkmoot.agreement import Agreement, Naming, agreement, presence, tally, votes
from simulation.agreement_schedule import Schedule, off_the_clock
from simulation.agreement_world import Factory, Result, Scenario, simulate

SEEDS = 400
SCHEDULES = 150
HEALED_S = 15.0  # every run settles within this after the last fault; most in a second or two

KINDS: dict[str, tuple[str, ...] | None] = {
    "a bit of everything": None,
    "several commit at once": ("together",),
    "the committer crashes": ("crash",),
    "the committer says two things": ("equivocate",),
    "a third, less one, lie in namings": ("two-faced", "together"),
    "one loses its links": ("offline", "together"),
    "slow, and several commit": ("slow", "together"),
    "slow, and some lie": ("slow", "two-faced", "together"),
    "a partition": ("partition", "together"),
}


def run(
    faults: tuple[str, ...] | None, seeds: range, factory: Factory = Agreement
) -> Iterator[Result]:
    for seed in seeds:
        yield simulate(Scenario.draw(seed, faults), factory)


def broken(result: Result) -> bool:
    return result.split or result.unsettled > 0


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_settles_apart_and_everybody_settles(kind: str) -> None:
    seeds = range(SEEDS // len(KINDS))
    results = list(run(KINDS[kind], seeds))
    for result in results:
        assert not result.split, f"seed {result.seed} of {kind}: {result}"
        assert not result.unsettled, f"seed {result.seed} of {kind}: {result}"
        assert result.took_s <= HEALED_S, f"seed {result.seed} of {kind}: {result}"
    took = sorted(max(result.took_s, 0.0) for result in results)
    at = [took[len(took) * percent // 100] for percent in (50, 90, 99)]
    print(
        f"{kind}: settled after {at[0]:.2f} s (median), {at[1]:.2f} s (9 of 10), {at[2]:.2f} s "
        f"(99 of 100), {took[-1]:.2f} s at most; "
        f"{sum(result.rounds > 0 for result in results)} of {len(results)} took a second round"
    )


def test_no_schedule_of_messages_makes_two_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    off_the_clock(monkeypatch)
    settled = [Schedule(seed).run() for seed in range(SCHEDULES)]
    assert [seed for seed, children in enumerate(settled) if len(children) > 1] == []
    assert sum(len(children) == 1 for children in settled) > SCHEDULES // 4  # not for want of any


def test_a_seed_replays() -> None:
    one, other = (simulate(Scenario.draw(7)) for _ in range(2))
    assert one == other


# Each breaks one rule; the worlds above must notice.


def simple_majority(patch: pytest.MonkeyPatch) -> Factory:
    patch.setattr(votes, "quorum", lambda supporters, base: 2 * supporters > base)
    return Agreement


def locks_are_forgotten(patch: pytest.MonkeyPatch) -> Factory:
    class Mutant(Agreement):
        def _choose(self, present: frozenset[bytes], now: float) -> bytes | None:
            self._lock = None
            return self._candidates.most_named(present)

    return Mutant


def names_twice_in_a_round(patch: pytest.MonkeyPatch) -> Factory:
    def add(self: tally.Tally, seat: bytes, naming: Naming) -> bool:
        self._said.setdefault(seat, {})[naming.round] = naming
        self._counted.clear()
        return True

    class Mutant(Agreement):
        def _name_something(self, present: frozenset[bytes], now: float) -> None:
            said = self._tally.said(self._own, self._round)
            child = self._candidates.in_turn(present, now)
            if child is not None and (said is None or said.child != child):
                self._say(Naming(self.parent, self._round, child, False))

    patch.setattr(tally.Tally, "add", add)
    return Mutant


def locks_in_rounds_it_has_left(patch: pytest.MonkeyPatch) -> Factory:
    class Mutant(Agreement):
        def _take_lock(self, child: bytes, number: int) -> None:
            own = self._tally.said(self._own, number)
            if own is not None and own.child == child and not own.locked:
                self._say(Naming(self.parent, number, child, True))
            super()._take_lock(child, number)

        def _choose(self, present: frozenset[bytes], now: float) -> bytes | None:
            return self._candidates.most_named(present)

    return Mutant


def silence_is_absence(patch: pytest.MonkeyPatch) -> Factory:
    patch.setattr(presence, "PRESENT_S", 0.5)
    return Agreement


def no_benefit_of_the_doubt(patch: pytest.MonkeyPatch) -> Factory:
    def make(*, now: float, electors: list[bytes], **rest: object) -> Agreement:
        heard = dict.fromkeys(electors, now - 60)
        return Agreement(now=now, electors=electors, heard=heard, **rest)  # type: ignore[arg-type]

    return make


def settles_on_names_alone(patch: pytest.MonkeyPatch) -> Factory:
    names = tally.Tally.names
    patch.setattr(
        tally.Tally, "names", lambda self, number, locked=False: names(self, number, locked=False)
    )
    return Agreement


def rounds_do_not_end(patch: pytest.MonkeyPatch) -> Factory:
    patch.setattr(Agreement, "_round_over", lambda self, present, now: False)
    return Agreement


def locks_never_yield(patch: pytest.MonkeyPatch) -> Factory:
    patch.setattr(agreement, "STALE_ROUNDS", 10**6)
    patch.setattr(votes.Votes, "claimed", lambda self, number, present: [])
    return Agreement


def forks_are_left_alone(patch: pytest.MonkeyPatch) -> Factory:
    patch.setattr(votes.Votes, "larger_branch", lambda self, number, present: None)
    return Agreement


Mutant = Callable[[pytest.MonkeyPatch], Factory]

UNSAFE: list[Mutant] = [
    simple_majority,
    locks_are_forgotten,
    names_twice_in_a_round,
    locks_in_rounds_it_has_left,
    settles_on_names_alone,
]
UNFIT: list[tuple[Mutant, tuple[str, ...]]] = [
    (silence_is_absence, ()),
    (no_benefit_of_the_doubt, ()),
    (rounds_do_not_end, ("crash",)),
    (locks_never_yield, ("partition", "together")),
    (forks_are_left_alone, ("partition", "together")),
]


@pytest.mark.parametrize("mutant", UNSAFE)
def test_a_rule_that_safety_needs_is_noticed_when_broken(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    off_the_clock(monkeypatch)
    factory = mutant(monkeypatch)
    assert any(len(Schedule(seed, factory).run()) > 1 for seed in range(400))


@pytest.mark.parametrize(("mutant", "faults"), UNFIT)
def test_a_rule_that_keeps_it_going_is_noticed_when_broken(
    mutant: Mutant, faults: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    factory = mutant(monkeypatch)
    assert any(broken(result) for result in run(faults, range(400), factory))
