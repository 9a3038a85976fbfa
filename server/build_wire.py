"""Puts folkmoot.wire into the relay's wheel and sdist, from ../protocol or from a copy in an sdist."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WIRE = "folkmoot/wire"


class WireHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds one folder to what is built."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel or an sdist is put together."""
        if version == "editable":
            raise RuntimeError(
                "The relay alone has no editable install: use `pip install -e .` at the top of the"
                " repository, which has the relay in it."
            )
        root = Path(self.root)
        for wire in (root / WIRE, root.parent / "protocol" / WIRE):
            if wire.is_dir():
                build_data["force_include"][str(wire)] = WIRE
                return
        raise RuntimeError(f"folkmoot.wire is neither in {root} nor beside it in ../protocol.")
