"""What `python -m tests.simulation` does."""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Sequence

from simulation.distributions import print_distributions
from simulation.mutants import print_mutants
from simulation.story import Outcome, run_seed

DESCRIPTION = (
    "Whole meetings on a virtual clock: bad lines, crashes, hostile relays, insiders; then all"
    " mends. Every invariant is checked after every step."
)


def main(arguments: Sequence[str]) -> int:
    """Exit code 1 when an invariant was violated, or a mutant was not noticed."""
    parser = argparse.ArgumentParser("python -m tests.simulation", description=DESCRIPTION)
    parser.add_argument("--seeds", type=int, default=200, metavar="N", help="how many (200)")
    parser.add_argument("--first", type=int, default=0, metavar="K", help="the first one (0)")
    parser.add_argument("--seed", type=int, metavar="S", help="only this one")
    parser.add_argument("--trace", action="store_true", help="with --seed: all that happens")
    parser.add_argument(
        "--keep-going", action="store_true", help="do not stop at the first failure"
    )
    parser.add_argument(
        "--mutants", action="store_true", help="break the product on purpose, and see it noticed"
    )
    parser.add_argument(
        "--distributions", action="store_true", help="times to join, to settle and to heal"
    )
    chosen = parser.parse_args(arguments)
    if chosen.mutants:
        return print_mutants()
    if chosen.distributions:
        return print_distributions()
    if chosen.seed is not None:
        return _one(chosen.seed, trace=chosen.trace)
    return _many(chosen.first, chosen.seeds, keep_going=chosen.keep_going)


def replay(seed: int) -> str:
    """How to see a seed again."""
    return f"python -m tests.simulation --seed {seed} --trace"


def describe(outcome: Outcome) -> str:
    """One line."""
    setting = outcome.setting
    conditions = ", ".join(f"{name}: {count}" for name, count in outcome.conditions.items())
    line = (
        f"seed {outcome.seed:5}  {outcome.members} people, {len(setting.conducts)} relays"
        f" ({', '.join(setting.conducts)}), {outcome.events} messages,"
        f" well after {outcome.healed_s:.1f} s"
    )
    return f"{line}  [{conditions}]" if conditions else line


def _one(seed: int, *, trace: bool) -> int:
    outcome = run_seed(seed, trace=trace)
    for line in outcome.lines or ():
        print(line)
    print(describe(outcome))
    print(f"setting {outcome.setting}")
    print(f"trace {outcome.trace}")
    if outcome.violation is not None:
        print(f"VIOLATED {outcome.violation}")
    return outcome.violation is not None


def _many(first: int, count: int, *, keep_going: bool) -> int:
    began, failed = time.monotonic(), 0
    conditions: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    for seed in range(first, first + count):
        outcome = run_seed(seed)
        conditions += outcome.conditions
        steps += outcome.steps
        print(describe(outcome), flush=True)
        if outcome.violation is not None:
            failed += 1
            print(f"VIOLATED {outcome.violation}\n  again: {replay(seed)}", flush=True)
            if not keep_going:
                break
    took = time.monotonic() - began
    print(f"{count} seeds from {first}: {failed} failed, {took / max(1, count):.2f} s each")
    print("happened:", ", ".join(f"{name} {number}" for name, number in sorted(steps.items())))
    for name, number in sorted(conditions.items()):
        print(f"known condition, {number} times: {name}")
    print(f"hash seed {os.environ.get('PYTHONHASHSEED', 'random')}")
    return failed > 0
