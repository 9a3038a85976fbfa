"""The table of paces and time-outs (protocol/README.md) against the constants that it names."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

TEXT = (Path(__file__).parents[2] / "protocol" / "README.md").read_text()
SECTION = TEXT.split("## Paces and time-outs")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \| `(folkmoot\.[\w.]+)` \| ([^|]+) \|$", SECTION, re.M)


def constant(path: str) -> Any:
    module, name = path.rsplit(".", 1)
    return getattr(importlib.import_module(module), name)


def numbers(text: str) -> list[float]:
    return [float(one) for one in re.findall(r"\d+(?:\.\d+)?", text)]


def test_the_table_is_there() -> None:
    assert len(ROWS) > 25
    assert len({path for _, _, path, _ in ROWS}) == len(ROWS)
    assert len([line for line in SECTION.splitlines() if "`folkmoot." in line]) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2])
def test_each_value_is_the_codes(row: tuple[str, str, str, str]) -> None:
    _, value, path, why = row
    assert why.strip()
    found = constant(path)
    if path.endswith(".DEFAULT_LANES"):
        council = next(lane for lane in found if lane.slot.name == "COUNCIL")
        assert numbers(value) == [
            *(float(pace.cells_per_s) for pace in council.paces),
            *(float(pace.members_max) for pace in council.paces[:-1]),
        ]
    elif path.endswith(".BEACON_EVERY_S"):
        (first, one), (second, two) = found
        assert numbers(value) == [one, first, two, second]
    else:
        assert isinstance(found, int | float)
        assert numbers(value) == [float(found)]
        assert value.endswith((" s", "a second"))
