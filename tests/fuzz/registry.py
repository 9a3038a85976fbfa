"""All targets by name, and the inputs that are kept for each: those that once found something, and
those that reach deep."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.target import Target

CORPUS = Path(__file__).parent / "corpus"
MODULES = (
    "targets_wire",
    "targets_mls",
    "targets_cells",
    "targets_meeting_words",
    "targets_votes",
    "targets_meeting",
    "targets_agent",
    "targets_media",
)


@functools.cache
def kinds(*modules: str) -> dict[str, type[Target[Any]]]:
    """Every target's class, or those of some modules."""
    found: dict[str, type[Target[Any]]] = {}
    for module in modules or MODULES:
        for kind in importlib.import_module(f"fuzz.{module}").TARGETS:
            assert kind.name not in found, f"two targets are called {kind.name}"
            found[kind.name] = kind
    return found


@functools.cache
def target(name: str, *modules: str) -> Target[Any]:
    """The target of this name, made once; `modules`: where to look for it."""
    return kinds(*modules)[name]()


def kept(name: str) -> Iterator[bytes]:
    """The inputs in `corpus/NAME.hex`: one a line, with comments between."""
    path = CORPUS / f"{name}.hex"
    if path.exists():
        for line in path.read_text(encoding="ascii").splitlines():
            if line and not line.startswith("#"):
                yield bytes.fromhex(line)


def starts(name: str, *modules: str) -> list[bytes]:
    """What mutations of a target start from."""
    return [*target(name, *modules).seeds(), *kept(name)]
