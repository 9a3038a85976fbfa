"""Every target of the registry, with the inputs that are kept and a few hundred new ones.

The same inputs each time, as CI must not depend on luck: `FOLKMOOT_FUZZ=20` makes it twenty times
as many, and `python -m tests.fuzz` looks for others (see tests/README.md).
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from folkmoot.cells import fragments
from fuzz.mutation import wounded
from fuzz.registry import CORPUS, kept, kinds, starts, target
from fuzz.state import held_bytes
from fuzz.target import BrokenPromise, run

NAMES = sorted(kinds())
TIMES = int(os.environ.get("FOLKMOOT_FUZZ", "1"))
CORPUS_BYTES_MAX = 100_000
# What nobody outside can make, or what is refused whole: none of their seeds is taken.
NEVER_TAKEN = {"meeting.outsider"}
_EDGES = [b"\0", b"\x01", b"\x3f", b"\x40", b"\x7f", b"\x80", b"\xff", b"\0\0", b"\xff" * 4]


@st.composite
def inputs(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A valid input with one to four places rewritten; it shrinks towards the valid one."""
    out = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(out)))
        cut = draw(st.sampled_from((0, 0, 1, 1, 2, 4, 32)))
        new = draw(st.one_of(st.sampled_from(_EDGES), st.binary(max_size=4)))
        out[place : place + cut] = new
    return bytes(out)


@pytest.mark.parametrize("name", NAMES)
def test_valid_inputs_and_those_that_are_kept(name: str) -> None:
    held = target(name)
    taken = [run(held, data, measured=True) for data in starts(name)]
    assert any(taken) or name in NEVER_TAKEN


@pytest.mark.parametrize("name", NAMES)
def test_bent_inputs_are_taken_or_refused(name: str) -> None:
    held = target(name)
    seeds = starts(name)

    @settings(
        max_examples=held.examples * TIMES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(inputs(seeds), inputs(seeds), inputs(seeds), st.binary(max_size=200)))
    def hold(data: bytes) -> None:
        run(held, data, measured=True)

    hold()


@pytest.mark.parametrize("name", NAMES)
def test_torn_and_spliced_inputs_are_taken_or_refused(name: str) -> None:
    held, seeds = target(name), starts(name)
    chance = random.Random(name)
    for _ in range(2 * held.examples * TIMES):
        data = wounded(seeds, chance)
        try:
            run(held, data)
        except BrokenPromise:
            print(f"python -m tests.fuzz --replay {name} {data[: held.bytes_max].hex()}")
            raise


@pytest.mark.parametrize(
    ("name", "bytes_max"),
    [
        ("wire.relay_core", 256 << 10),
        ("wire.link", 64 << 10),
        ("cells.fragments", fragments.COUNCIL_RECORD_BYTES_MAX * 9),
        ("cells.picture_receiver", 3 << 20),
        ("cells.reliable", 1 << 20),
        ("meeting.insider", 4 << 20),
        ("coming.newcomer", 4 << 20),
        ("coming.returning", 4 << 20),
    ],
)
def test_a_flood_leaves_no_more_than_so_much(name: str, bytes_max: int) -> None:
    """One machine and many inputs, none of which is forgotten between them."""
    held, seeds = target(name), starts(name)
    chance = random.Random(f"flood {name}")
    state = held.begin()
    for _ in range(held.examples * TIMES):
        with contextlib.suppress(*held.refusals):
            held.feed(state, wounded(seeds, chance)[: held.bytes_max])
    assert held_bytes(state) < bytes_max


def test_what_is_kept_is_small_and_of_a_target() -> None:
    files = list(CORPUS.glob("*.hex"))
    assert files
    assert {path.stem for path in files} <= set(NAMES)
    assert sum(path.stat().st_size for path in files) < CORPUS_BYTES_MAX
    assert all(list(kept(path.stem)) for path in files)
