"""The tests that THREATS.md and the README name as evidence exist, and the claims are all there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
THREATS = (ROOT / "protocol" / "THREATS.md").read_text()
README = (ROOT / "README.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:\w+/)?test_\w+\.py)(?:::(\w+))?`", THREATS + README)))


def functions(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


@pytest.mark.parametrize(("file", "test"), NAMED)
def test_what_is_named_as_evidence_exists(file: str, test: str) -> None:
    found = list(TESTS.rglob(file))
    assert len(found) == 1, f"{file} is named in a document"
    if test:
        assert test in functions(found[0])


def test_every_claim_of_the_design_is_in_the_readme() -> None:
    assert [int(number) for number in re.findall(r"(?m)^\| C(\d+) \|", README)] == [*range(1, 12)]


def test_the_claims_of_this_version_have_evidence() -> None:
    sections = re.split(r"(?m)^## ", THREATS)
    claims = [section for section in sections if re.match(r"C\d+:", section)]
    assert [section.split(":")[0] for section in claims] == [
        "C1",
        "C2",
        "C3",
        "C4",
        "C5",
        "C6",
        "C7",
        "C8",
        "C10",
        "C11",
    ]
    assert all("::test_" in section for section in claims)


def test_each_power_has_a_row_with_its_evidence_or_is_not_prevented() -> None:
    section = THREATS.split("\n## Each power, and what comes of it\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    whose = [match[1] for row in rows if (match := re.match(r"\*\*(.+?)\*\*", row[0]))]
    assert whose == ["an operator", "an entry", "an informant", "an Internet provider", "a browser"]
    for power, what, shown in rows:
        assert shown.startswith("`") or what.startswith("not prevented"), power
