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
# Where targets are, by the first part of their names.
MODULES = {
    "wire": "targets_wire",
    "entry": "targets_entry",
    "relay": "targets_relay_http",
    "mls": "targets_mls",
    "sframe": "targets_cells",
    "cells": "targets_cells",
    "governance": "targets_meeting_words",
    "votes": "targets_votes",
    "invite": "targets_meeting_words",
    "door": "targets_meeting_words",
    "words": "targets_meeting_words",
    "meeting": "targets_meeting",
    "coming": "targets_coming",
    "agent": "targets_agent",
    "media": "targets_media",
}


@functools.cache
def kinds(prefix: str = "") -> dict[str, type[Target[Any]]]:
    """The classes of all targets whose names begin so; only what they need is imported."""
    part, dot, _ = prefix.partition(".")
    modules = {MODULES.get(part, "")} if dot else set(MODULES.values())
    found: dict[str, type[Target[Any]]] = {}
    for module in sorted(modules - {""}):
        for kind in importlib.import_module(f"fuzz.{module}").TARGETS:
            name = kind.name
            assert name not in found, f"two targets are called {name}"
            assert MODULES[name.partition(".")[0]] == module, f"{name} is in {module}"
            if name.startswith(prefix):
                found[name] = kind
    return found


@functools.cache
def target(name: str) -> Target[Any]:
    """The target of this name, made once."""
    return kinds(name)[name]()


def kept(name: str) -> Iterator[bytes]:
    """The inputs in `corpus/NAME.hex`: one a line, with comments between."""
    path = CORPUS / f"{name}.hex"
    if path.exists():
        for line in path.read_text(encoding="ascii").splitlines():
            if line and not line.startswith("#"):
                yield bytes.fromhex(line)


def starts(name: str) -> list[bytes]:
    """What mutations of a target start from."""
    return [*target(name).seeds(), *kept(name)]
