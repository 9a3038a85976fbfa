"""`python -m tests.simulation.noticing --hours 100`: the detector alone, for simulated hours;
`--whole 1`: whole meetings, with honest relays and bad luck."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from simulation.noticing import scenes
from simulation.noticing.mutants import MUTANTS, catch
from simulation.test_noticing_whole import NAMES, bad_luck

SIZES = (5, 5, 5, 5, 5, 5, 12)  # meetings of 50 are dear: one in forty
LARGE_EVERY = 40
TURN_S = 900.0
WHOLE_ROUNDS = 10


def _distribution(name: str, times: list[float]) -> None:
    times.sort()
    at = [times[min(len(times) - 1, int(share * len(times)))] for share in (0.0, 0.5, 0.9, 1.0)]
    print(f"{name}: {len(times)} namings; least {at[0]:.2f} s, median {at[1]:.2f} s, "
          f"nine tenths within {at[2]:.2f} s, latest {at[3]:.2f} s")  # fmt: skip


def _times(seeds: int) -> int:
    bad = 0
    for members in (5, 6, 12, 50):
        for share in (0.3, 0.5, 0.8, 1.0):
            played = [scenes.withheld(seed, members, share) for seed in range(seeds)]
            times = [at for one in played for at in one.took_s]
            if times:
                _distribution(f"{members} members, kept from {share:.0%}", times)
            for one in played:
                bad += (
                    len(one.missing)
                    + len(one.wrong)
                    + sum(at > scenes.LATEST_S for at in one.took_s)
                )
                for what in (one.missing and f"did not name: {one.missing}", *one.wrong):
                    if what:
                        print("  WRONG", what)
        times = [at for seed in range(seeds) for at in scenes.deafened(seed, members).took_s]
        _distribution(f"{members} members, one deafened", times)
    return bad


def _honest(hours: float, first: int) -> int:
    began, played, detectors, seed, bad = time.monotonic(), 0.0, 0.0, first, 0
    while played < hours * 3600:
        members = 50 if seed % LARGE_EVERY == 1 else SIZES[seed % len(SIZES)]
        seconds = TURN_S / 5 if members == 50 else TURN_S
        wrong = scenes.honest(seed, members, seconds)
        liars = scenes.LIARS[seed % len(scenes.LIARS)]
        wrong += scenes.lied(seed, liars, members, seconds)
        for one in wrong:
            bad += 1
            print(f"WRONG seed {seed}, {members} members, {liars.__name__}: {one}", flush=True)
        played += 2 * seconds
        detectors += 2 * seconds * members
        seed += 1
        if (seed - first) % 20 == 0:
            print(
                f"{played / 3600:.1f} h of meetings, {detectors / 3600:.1f} h of detectors in"
                f" {time.monotonic() - began:.0f} s, {bad} namings",
                flush=True,
            )
    print(
        f"{played / 3600:.1f} h of meetings with honest relays, {detectors / 3600:.1f} h of"
        f" detectors: {bad} named by mistake"
    )
    return bad


def _whole(hours: float, first: int) -> int:
    played, seed, bad = 0.0, first, 0
    while played < hours * 3600:
        seconds, wrong = bad_luck(seed, WHOLE_ROUNDS, NAMES[: 5 + seed % 3])
        played, seed, bad = played + seconds, seed + 1, bad + len(wrong)
        for one in wrong:
            print(f"WRONG seed {seed - 1}: {one}", flush=True)
        print(f"{played / 3600:.2f} h of whole meetings, {bad} namings", flush=True)
    return bad


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.noticing")
    parser.add_argument("--hours", type=float, default=1.0, help="with honest relays")
    parser.add_argument("--whole", type=float, help="hours of whole meetings instead")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seeds", type=int, default=20, help="for each kind of withholding")
    parser.add_argument("--mutants", action="store_true")
    args = parser.parse_args()
    if args.mutants:
        caught = [(one.name, catch(one)) for one in MUTANTS]
        for name, was in caught:
            print(f"{'caught' if was else 'NOT CAUGHT'}: {name}")
        return 0 if all(was for _, was in caught) else 1
    if args.whole:
        return 1 if _whole(args.whole, args.first) else 0
    bad = _times(args.seeds) if args.seeds else 0
    return 1 if bad + _honest(args.hours, args.first) else 0


if __name__ == "__main__":
    sys.exit(main())
