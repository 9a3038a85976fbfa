"""Finds the official vectors: `$FOLKMOOT_VECTORS` (it holds `mls/` and `sframe/`), else beside us.

They are data for tests and no part of the project. Without them a test is skipped, saying so.
Suites that we do not support are skipped by number, and nothing else is.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SUITES = (1, 2, 3)
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "vectors"


def folder(kind: str) -> Path:
    """The folder of one kind of vectors, "mls" or "sframe"."""
    return Path(os.environ.get("FOLKMOOT_VECTORS") or BESIDE) / kind


@functools.cache
def _load(path: Path) -> list[dict[str, Any]]:
    loaded = json.loads(path.read_text())
    assert isinstance(loaded, list)
    return loaded


def load(name: str, kind: str = "mls") -> list[dict[str, Any]]:
    """All cases of a file; skips the test when there is no such file."""
    path = folder(kind) / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no test vectors at {path}: set FOLKMOOT_VECTORS to the folder that has them")
    return _load(path)


def cases(name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, case) of the cases in suites 1, 2 and 3; at least one in each file."""
    found = [
        (index, case) for index, case in enumerate(load(name)) if case["cipher_suite"] in SUITES
    ]
    assert found, f"{name} has no case in suites {SUITES}"
    yield from found


def unhex(value: str) -> bytes:
    return bytes.fromhex(value)
