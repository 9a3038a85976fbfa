"""The detector broken on purpose: each must end in the naming of an honest relay, or in a relay
that is not named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from folkmoot.meeting import noticing
from folkmoot.meeting.noticing import Noticing
from simulation.noticing import scenes, world
from simulation.noticing.world import Luck, World
from simulation.patches import Patches

LATE_SEED = 14


def _believes_any(patches: Patches) -> None:
    patches.set(noticing, "LIARS", 0)


def _believes_a_pair(patches: Patches) -> None:
    patches.set(noticing, "LIARS", 1)


def _heeds_no_time_of_having(patches: Patches) -> None:
    patches.set(Noticing, "_has", lambda *_: True)


def _heeds_no_time_of_lacking(patches: Patches) -> None:
    patches.set(Noticing, "_lacks", lambda *_: True)


def _sure_of_half(patches: Patches) -> None:
    _says_it_no_sooner(patches)  # as it was when this seed was found
    patches.set(noticing, "SURE_FROM", 0.5)


def _never_sure(patches: Patches) -> None:
    patches.set(noticing, "LIARS", 60)


def _forgets_the_first(patches: Patches) -> None:
    patches.set(noticing, "STATEMENT_S", 0.2)


@dataclass(frozen=True)
class Mutant:
    name: str
    breaks: Callable[[Patches], None]
    noticed: Callable[[], object]  # what is wrong: empty or false for nothing


def _says_it_no_sooner(patches: Patches) -> None:
    patches.set(world, "MISSED_BEACON_S", 9.0)


def _late_at_fifty() -> object:
    """Beacons are lost, and of fifty each has one in two seconds."""
    return max(scenes.withheld(LATE_SEED, 50, 0.3).took_s) > scenes.LATEST_S


def _unnoticed() -> object:
    played = [scenes.withheld(seed, 12, 0.5) for seed in range(3)]
    return [one for one in played if one.missing or max(one.took_s) > scenes.LATEST_S]


def _bad_luck() -> object:
    luck = Luck(agents_end=120, hangs=120)
    for seed in range(20):
        lucky = World(seed, 6, 2, luck)
        lucky.run(120)
        if wrong := scenes.named(lucky):
            return wrong
    return []


MUTANTS = (
    Mutant(
        "believes whoever says so", _believes_any, lambda: scenes.lied(1, scenes.pair_misses, 6, 20)
    ),
    Mutant("believes a pair", _believes_a_pair, lambda: scenes.lied(1, scenes.pair_hears, 6, 20)),
    Mutant("no time of having", _heeds_no_time_of_having, _bad_luck),
    Mutant("no time of lacking", _heeds_no_time_of_lacking, _bad_luck),
    Mutant("sure of half", _sure_of_half, lambda: scenes.honest(500_121, 50, 15)),
    Mutant("never sure", _never_sure, _unnoticed),
    Mutant("forgets at once", _forgets_the_first, _unnoticed),
    Mutant("whom others miss says it no sooner", _says_it_no_sooner, _late_at_fifty),
)


def catch(mutant: Mutant) -> bool:
    """Whether the simulation notices."""
    patches = Patches()
    try:
        mutant.breaks(patches)
        return bool(mutant.noticed())
    finally:
        patches.undo()
