"""Puts folkmoot.wire and the licence into the relay's wheel and sdist: in a checkout they lie
beside this folder, in an sdist inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Where each goes, and where it is in a checkout, seen from this folder.
PARTS = {"folkmoot/wire": "../protocol/folkmoot/wire", "folkmoot/relay/LICENSE": "../LICENSE"}


class WireHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds what the relay needs and this folder does not hold."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before a wheel or an sdist is put together."""
        if version == "editable":
            raise RuntimeError(
                "The relay alone has no editable install: use `pip install -e .` at the top of the"
                " repository, which has the relay in it."
            )
        root = Path(self.root)
        for goal, beside in PARTS.items():
            source = next((path for path in (root / goal, root / beside) if path.exists()), None)
            if source is None:
                raise RuntimeError(f"{goal} is neither in {root} nor beside it at {beside}.")
            build_data["force_include"][str(source.resolve())] = goal
