"""Three hundred stories, each from its seed; that a seed replays; that broken products are seen.

`FOLKMOOT_SEEDS` plays another number of them. A failure prints how to see its seed again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.command import replay
from simulation.mutants import MUTANTS, Mutant, catch
from simulation.relay_conduct import HOSTILE
from simulation.setting import Setting
from simulation.story import run_seed

SEEDS = int(os.environ.get("FOLKMOOT_SEEDS", "300"))
ROOT = Path(__file__).parents[2]
REPLAYED = 2  # a seed with two hostile relays
CATCH_SEEDS_MAX = 40  # where the seed that is known to notice does so no more


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_seed(seed: int) -> None:
    outcome = run_seed(seed)
    for name, number in outcome.conditions.items():
        print(f"known condition, {number} times: {name}")
    assert outcome.violation is None, f"{outcome.violation}\nagain: {replay(seed)}"


def test_the_seeds_are_of_all_kinds() -> None:
    settings = [Setting.of(seed) for seed in range(200)]
    conducts = {one for setting in settings for one in setting.conducts}
    assert conducts == {"honest", *(one.name for one in HOSTILE)}
    assert {len(setting.conducts) for setting in settings} == {1, 2, 3}
    for kind in ("open_door", "insider", "wrong_clocks"):
        assert 20 < sum(getattr(setting, kind) for setting in settings) < 100


def test_some_of_them_are_of_fifty() -> None:
    crowds = [one for one in map(Setting.of, range(300)) if one.crowd]
    assert [one.crowd for one in crowds] == [50] * 3
    assert any(one.votes for one in crowds)
    assert any(one.insider and one.insiders_max > 10 for one in crowds)
    assert all("honest" not in one.conducts for one in crowds)  # all have a hostile relay


def test_a_seed_replays_its_trace_to_the_byte() -> None:
    first, second = run_seed(REPLAYED), run_seed(REPLAYED)
    assert (first.trace, first.events) == (second.trace, second.events)
    assert first.events > 1000
    assert run_seed(REPLAYED + 1).trace != first.trace


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_it_does_so_in_another_process_that_hashes_otherwise(hash_seed: str) -> None:
    """Nothing may depend on the order in which a set of bytes is walked through."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", str(REPLAYED)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert f"trace {run_seed(REPLAYED).trace}" in result.stdout.splitlines()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.name.replace(" ", "-"))
def test_a_broken_product_is_noticed(mutant: Mutant) -> None:
    caught = catch(mutant, CATCH_SEEDS_MAX)
    assert caught is not None
    print(f"{caught.mutant}: {caught.by}, seed {caught.seed}")
