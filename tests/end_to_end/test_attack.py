"""`folkmoot attack` as a person runs it, in short: hostile operators against real meetings."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from end_to_end.gathering import until
from end_to_end.processes import PROGRAM

pytestmark = pytest.mark.alone

PATIENCE_S = 170


def rows_of(*options: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*PROGRAM, "attack", "--json", "--seconds", "8", *options],
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "done"
    for row in events[:-1]:
        print({name: row[name] for name in row if name not in ("event", "at", "relays", "entries")})
    return events[:-1]


def test_a_ring_of_three_with_an_informant() -> None:
    """Any one compelled: nobody is silenced, and nobody located by what goes through it; but an
    entry that holds up its tunnels, with somebody who listens, is told who is who."""
    attacks = ("close the link", "filter by keys", "collude and block", "watch the tunnels",
               "flood")  # fmt: skip
    rows = rows_of(
        *("--topology", "three relays in a ring", "--compelled", "1"),
        *(word for one in attacks for word in ("--attack", one)),
    )
    assert {row["attack"] for row in rows} == set(attacks)
    for row in rows:
        assert not row["silenced"], row
        assert row["collateral"] == 0, row
        assert row["located"] == (row["attack"] == "watch the tunnels"), row


def test_two_of_a_ring_locate_who_uses_that_pair_as_one_path() -> None:
    (row,) = rows_of(
        *("--topology", "three relays in a ring", "--compelled", "2"),
        *("--attack", "collude and block"),
    )
    assert row["located"], row
    assert row["identified"] == 1.0


def test_two_of_three_relays_with_entries_outside_silence_nobody_for_long() -> None:
    rows = rows_of(
        *("--topology", "three relays, three entries", "--compelled", "2"),
        *("--attack", "close the link", "--attack", "filter by keys"),
    )
    for row in rows:
        assert not row["silenced"] or row["healed_s"] <= 3.0, row
        assert row["collateral"] == 0, row
        assert not row["located"], row
        assert row["identified"] == 1.0, "with an informant's keys the link is named"


def test_one_relay_alone_ejects_and_so_does_an_ordinary_server() -> None:
    rows = rows_of(
        *("--topology", "one relay", "--topology", "plain SFU", "--compelled", "1"),
        *("--attack", "close the link"),
    )
    assert len(rows) == 2
    for row in rows:
        assert row["silenced"], row
        assert row["located"], row
        assert row["collateral"] == 0, row


@pytest.mark.parametrize("option", ["--topology", "--attack"])
def test_a_name_that_there_is_not_is_said(option: str) -> None:
    done = subprocess.run(
        [*PROGRAM, "attack", option, "moon"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "there is none of this name" in done.stdout + done.stderr


def test_the_plug_in_is_in_no_relay(tmp_path: Path) -> None:
    root = Path(__file__).parents[2] / "server"
    assert not any("adversary" in path.read_text() for path in root.rglob("*.py"))


def processes_of(folder: Path) -> set[str]:
    """Those with something of this folder on their command lines."""
    found = set()
    for one in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if one.name.isdigit() and str(folder).encode() in (one / "cmdline").read_bytes():
                found.add(one.name)
    return found


def test_an_attack_that_is_ended_leaves_no_process_behind(tmp_path: Path) -> None:
    words = ("attack", "--topology", "one relay", "--attack", "flood", "--seconds", "60", "--json")
    attack = subprocess.Popen(
        [*PROGRAM, *words],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: len(processes_of(tmp_path)) >= 5, what="relay and members")
        attack.send_signal(signal.SIGTERM)
        _, said = attack.communicate(timeout=60)
        assert (attack.returncode, said.strip()) == (1, "Stopped.")
        until(lambda: not processes_of(tmp_path), what="all of them ended")
        assert not list(tmp_path.iterdir())
    finally:
        attack.kill()
        for number in processes_of(tmp_path):
            os.kill(int(number), signal.SIGKILL)
