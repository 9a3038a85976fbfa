"""protocol/CHECKS.md says what the code checks and what tests it: no check without a test."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from folkmoot.governance.refusals import Rule
from folkmoot.mls.errors import Check

ROOT = Path(__file__).resolve().parents[2]
UNIT = Path(__file__).parent
TEXT = (ROOT / "protocol" / "CHECKS.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


ASKED = rows("What RFC 9420 asks, and what keeps it")
MLS = rows("Checks of RFC 9420")
MEETING = rows("The meeting's own")


def test_every_check_of_the_code_is_in_the_table_and_the_reverse() -> None:
    assert [row[:3] for row in MLS] == [
        [str(check.number), check.section, check.sentence] for check in Check
    ]
    assert [row[:2] for row in MEETING] == [[str(rule.number), rule.sentence] for rule in Rule]


def test_one_number_names_one_check() -> None:
    numbers = [one.number for one in (*Check, *Rule)]
    assert numbers == sorted(set(numbers))


def test_every_rule_is_used_somewhere() -> None:
    parts = ("governance", "meeting")
    sources = [path for part in parts for path in (ROOT / "protocol/folkmoot" / part).glob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    assert [rule.name for rule in Rule if f"Rule.{rule.name}" not in code] == []
    # And no check of one part is raised where nobody looks for its number.
    assert 'Refusal("' not in code


@cache
def _functions(file: str) -> dict[str, str]:
    """The test functions of a file, with their source."""
    text = (UNIT / file).read_text(encoding="utf-8")
    return {
        node.name: text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize(
    ("name", "tests"),
    [
        *((f"Check.{check.name}", row[3]) for check, row in zip(Check, MLS, strict=True)),
        *((f"Rule.{rule.name}", row[2]) for rule, row in zip(Rule, MEETING, strict=True)),
    ],
)
def test_every_check_has_a_test_that_names_it(name: str, tests: str) -> None:
    named = NAMED.findall(tests)
    assert named
    for file, test in named:
        assert test in _functions(file), f"{file} has no {test}"
        assert name in _functions(file)[test], f"{file} says nothing of {name}"


def test_what_the_rfc_asks_is_kept_by_checks_that_there_are() -> None:
    known = {one.number for one in (*Check, *Rule)}
    sections = set()
    section = ""
    for row in ASKED:
        section = row[0] or section
        sections.add(section)
        said = NAMED.sub("", " ".join(row[1:]))
        said = re.sub(r"§[\d.]+|\bRFC \d+|\b120 s|epoch 1\b", "", said)
        numbers = [int(number) for number in re.findall(r"\b\d+\b", said)]
        assert numbers or "the application" in row[2] or "§12.2" in row[2], row
        assert set(numbers) <= known, row
        for file, test in NAMED.findall(row[2]):
            assert test in _functions(file)
    assert {"§7.3", "§7.9", "§12.2", "§12.4", "§12.4.1", "§12.4.2", "§12.4.3"} <= sections


def test_sections_are_sections() -> None:
    for check in Check:
        assert re.fullmatch(r"§\d+(\.\d+)*", check.section)
