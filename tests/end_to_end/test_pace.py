"""What an observer at the relay counts on each link: the same, whether its member speaks or not."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from end_to_end import relay_tap
from end_to_end.material import speech
from end_to_end.processes import Commands
from end_to_end.relay_tap import Upload
from folkmoot.cells.pace import CATCH_UP_CELLS_MAX
from folkmoot.wire.lanes import LANE_RULES, LaneSlot

pytestmark = pytest.mark.alone

WINDOW_S = 60.0
SETTLE_S = 4.0
PACED = {LaneSlot.VOICE: 25.0, LaneSlot.COUNCIL: 8.0}  # cells a second


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


def _in_window(sent: list[Upload], start: float) -> list[Upload]:
    return [one for one in sent if start <= one.at < start + WINDOW_S]


def _counts(sent: list[Upload]) -> dict[int, Counter[LaneSlot]]:
    """Cells by link and lane."""
    counts: dict[int, Counter[LaneSlot]] = {}
    for one in sent:
        cells = one.cells_bytes // LANE_RULES[one.lane].cell_bytes
        counts.setdefault(one.link, Counter())[one.lane] += cells
    return counts


def _skipped(sent: list[Upload]) -> int:
    """How many voice cells a link left out because its whole process stood still: nothing on any
    lane for longer than the pace makes up for. That happens on a busy machine, and never lane by
    lane: a lane that pauses while the others go on is what would give a speaker away."""
    times = sorted(one.at for one in sent)
    periods = [(after - before) * PACED[LaneSlot.VOICE] for before, after in pairwise(times)]
    return sum(math.ceil(one) - CATCH_UP_CELLS_MAX for one in periods if one > CATCH_UP_CELLS_MAX)


def test_who_speaks_and_who_is_silent_look_the_same_on_the_wire(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = speech(tmp_path / "speech.wav")
    tap = tmp_path / "tap"
    relay = relay_tap.start(commands, tap, monkeypatch)
    address = relay.wait_for("ready")["address"]
    ann = commands.start(
        *("meet", "--relay", address, "--headless", "--name", "Ann", "--admit", "all"),
        *("--play", str(source), "--loop"),
    )
    word, heard = ann.wait_for("invite")["invite"], tmp_path / "heard"
    bob = commands.start("join", word, "--headless", "--name", "Bob", "--record", str(heard))
    bob.wait_for("hearing", kind="voice")
    time.sleep(SETTLE_S)
    start = time.monotonic()
    # A while more than is counted, so that the end of the count is not the end of the meeting.
    time.sleep(WINDOW_S + 2.0)
    for member in (bob, ann):
        member.do(do="leave")
        assert member.end() == 0

    with av.open(str(heard / "Ann.mka")) as spoken:  # she did speak, all the time
        assert sum(1 for packet in spoken.demux() if packet.size) > 0.9 * 50 * WINDOW_S
    sent = _in_window(relay_tap.uploads(tap), start)
    counts = _counts(sent)
    assert len(counts) == 2
    speaks, silent = counts.values()
    print(f"cells in {WINDOW_S:.0f} s, by lane: {dict(speaks)} and {dict(silent)}")
    assert set(speaks) == set(silent) == set(PACED)
    stood_still = sum(_skipped([one for one in sent if one.link == link]) for link in counts)
    print(f"voice cells left out because a process stood still: at most {stood_still}")
    for lane, per_s in PACED.items():
        assert abs(speaks[lane] - silent[lane]) <= 1 + stood_still, lane
        for counted in (speaks, silent):
            assert per_s * WINDOW_S - 1 - stood_still <= counted[lane] <= per_s * WINDOW_S + 1
        sizes = {one.message_bytes for one in sent if one.lane is lane}
        assert len(sizes) == 1, sizes
    uploaded = [
        sum(one.message_bytes for one in sent if one.link == link) / WINDOW_S for link in counts
    ]
    print("uploaded, B/s:", [round(one) for one in uploaded])
    assert max(uploaded) - min(uploaded) <= (2 * 1157 + stood_still * 389) / WINDOW_S
    assert max(uploaded) < 20_000
