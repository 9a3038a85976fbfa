"""What all commands share: their output for programs, and how what goes wrong ends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from folkmoot.agent.console import Output
from folkmoot.agent.failure import Failure

AsJson = Annotated[
    bool, typer.Option("--json", help="Speak JSON lines, one event each, for other programs.")
]


def carry_out(output: Output, work: Callable[[], None]) -> None:
    """Runs a command; what ends it becomes one sentence and the exit status."""
    try:
        work()
    except Failure as failure:
        output.fail(str(failure))
        raise typer.Exit(failure.status) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
