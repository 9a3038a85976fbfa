"""The short table of an attack, and what the README and protocol/ATTACKS.md say of the last whole
run, whose rows are in `end_to_end/attack_rows.jsonl`."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from folkmoot.adversary.plan import everything
from folkmoot.adversary.playing import Row
from folkmoot.adversary.report import finders, outcome, short_table
from folkmoot.agent.cli import app

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "end_to_end" / "attack_rows.jsonl"
CALM = Row("here", 3, 0, 1, False, "kill", False, 0, 0.2, False, None, None)
EJECTED = replace(CALM, attack="close", silenced=True)
HEALED = replace(EJECTED, healed_s=2.0)
ALL = replace(EJECTED, collateral=4)


def recorded() -> list[Row]:
    return [Row.from_event(json.loads(line)) for line in RECORD.read_text().splitlines()]


def shown(path: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["attack", "--show", str(path), *more], env={"COLUMNS": "100"})
    return result.exit_code, result.output


def test_what_many_attacks_came_to_is_said_in_a_few_words() -> None:
    assert outcome([CALM]) == "nothing"
    assert outcome([CALM, ALL, HEALED, EJECTED]) == "target silenced, others go on"
    assert outcome([CALM, ALL, replace(CALM, collateral=2)]) == (
        "target and 4 others silenced by close; 2 others silenced by kill"
    )
    others = replace(CALM, attack="part", collateral=4, collateral_healed_s=3.0)
    assert outcome([others]) == "silenced, healed after 3 s, by part"
    still = replace(HEALED, collateral=4)
    assert outcome([still]) == "target and 4 others silenced by close", "the others, for good"
    assert outcome([HEALED]) == "silenced, healed after 2 s, by close"
    several = [replace(HEALED, healed_s=float(one)) for one in (3, 1, 2, 2)]
    assert outcome(several) == "silenced, healed after 1 to 3 s, by 4 attacks"


def test_who_finds_the_address_is_said_with_the_fewest_that_it_takes() -> None:
    finding = (("a", 1), ("a", 2), ("b", 2), ("c", 2), ("d", 2), ("e", 2))
    found = [replace(CALM, attack=one, compelled=count, located=True) for one, count in finding]
    assert finders([CALM]) == "none"
    assert finders(found[:3]) == "1 (a), 2 (b)"
    assert finders(found) == "1 (a), 2"
    assert finders([*found, replace(CALM, attack="f", compelled=3, located=True)]) == "1 (a), 2"


def test_what_was_not_played_is_empty() -> None:
    head, first, second = short_table([CALM, replace(CALM, topology="there", compelled=2)])
    assert head[1:-1] == ["cut", "1 obeys", "2 obey"]
    assert first == ["here", "none", "nothing", "", "none"]
    assert second == ["there", "none", "", "nothing", "none"]


def test_a_row_is_read_as_it_was_printed() -> None:
    assert Row.from_event({"event": "row", "at": 1.0, **HEALED.as_event()}) == HEALED


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{",
        "[" * 100_000,
        json.dumps({"event": "row"}),
        json.dumps({"event": "row", **CALM.as_event(), "compelled": True}),
        json.dumps({"event": "row", **CALM.as_event(), "collateral": "4"}),
        json.dumps({"event": "row", **CALM.as_event(), "healed_s": []}),
        json.dumps({"event": "row", **CALM.as_event(), "attack": "\x1b[2J"}),
    ],
)
def test_a_file_of_something_else_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text(json.dumps({"event": "row", **CALM.as_event()}) + "\n" + line)
    status, words = shown(path)
    assert status == 1
    assert "line 2, is no row of an attack" in " ".join(words.split())


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    assert "has no row" in shown(tmp_path / "empty")[1]
    for name in ("bytes", "missing", "."):
        status, words = shown(tmp_path / name)
        assert (status, "cannot be read" in words) == (1, True)


def test_the_record_is_of_everything() -> None:
    assert [(row.topology, row.attack, row.compelled) for row in recorded()] == [
        (one.name, one.attack, one.compelled) for one in everything()
    ]
    assert not any(row.silenced or row.collateral for row in recorded() if not row.compelled)


def test_part_of_the_record_can_be_shown() -> None:
    status, words = shown(RECORD, "--topology", "one relay", "--attack", "kill")
    assert status == 0
    assert "kill" in words
    assert "flood" not in words
    assert "three relays" not in words
    assert shown(RECORD, "--attack", "what")[0] == 2


def test_the_readme_quotes_the_short_table_of_the_record() -> None:
    section = (ROOT / "README.md").read_text().split("\n## What an order to remove somebody")[1]
    lines = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    quoted = [[re.sub(r"\*\*", "", cell).strip() for cell in line.strip("|").split("|")]
              for line in lines]  # fmt: skip
    assert [quoted[0], *quoted[2:]] == short_table(recorded())


def test_the_whole_table_is_what_the_command_prints() -> None:
    printed = "\n".join(line.rstrip() for line in shown(RECORD)[1].splitlines())
    assert printed.strip() in (ROOT / "protocol" / "ATTACKS.md").read_text()


def test_programs_are_told_the_cuts() -> None:
    status, words = shown(RECORD, "--json")
    event = json.loads(words)
    assert (status, event["event"], event["cuts"]["plain SFU"]) == (0, "done", 1)
