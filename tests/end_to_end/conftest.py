"""What several of these tests begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end.gathering import Gathering
from end_to_end.processes import Commands


@pytest.fixture
def gathering(tmp_path: Path) -> Iterator[Gathering]:
    """A relay of its own, and the members that come; all processes end with the test."""
    commands = Commands(tmp_path)
    try:
        yield Gathering(commands, tmp_path)
    finally:
        commands.close()
