"""`folkmoot attack`: plays a hostile operator against a running meeting, and prints what it
achieved."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from folkmoot.agent.carrying_out import AsJson, carry_out
from folkmoot.agent.console import Output
from folkmoot.agent.failure import Failure

if TYPE_CHECKING:
    from folkmoot.adversary.plan import Round
    from folkmoot.adversary.playing import Row

SECONDS_MIN, SECONDS_MAX = 6, 120
FILE_MAX = 1_000_000


def attack(
    topology: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only these; `--list` names them."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--attack", metavar="NAME", help="Only these; `--list` names them."),
    ] = None,
    compelled: Annotated[
        list[int] | None,
        typer.Option(min=0, max=16, metavar="N", help="Only with so many operators compelled."),
    ] = None,
    seconds: Annotated[
        int,
        typer.Option(min=SECONDS_MIN, max=SECONDS_MAX, metavar="N", help="How long each goes on."),
    ] = 12,
    names: Annotated[
        bool, typer.Option("--list", help="Names topologies and attacks, and what each takes.")
    ] = False,
    shown: Annotated[
        Path | None,
        typer.Option(
            "--show", metavar="FILE", help="Plays nothing: the tables of what `--json` printed."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Plays hostile operators against meetings on this machine, and prints what they achieved.

    \b
    Real relays, whose operators do what they were told; five members who speak,
    one of them an informant who passes on everything, keys included. Beside
    them an ordinary meeting server, on the same orders. All of it runs on
    loopback and ends by itself. The whole takes about an hour.

    \b
    Examples:
      folkmoot attack --list
      folkmoot attack --topology "three relays, direct" --compelled 1
      folkmoot attack --attack "close the link" --json
      folkmoot attack --json > rows.jsonl; folkmoot attack --show rows.jsonl
    """
    output = Output(as_json)

    def work() -> None:
        from folkmoot.adversary import plan  # slow to load, a mistake is not

        if names:
            plan.say_names(output)
            return
        if shown is not None:
            rows = _rows_of(shown)
            if topology or only or compelled:
                wanted = {
                    (one.name, one.attack, one.compelled)
                    for one in plan.chosen(topology, only, compelled)
                }
                rows = [row for row in rows if (row.topology, row.attack, row.compelled) in wanted]
            _show(rows, output)
            return
        rounds = plan.chosen(topology, only, compelled)
        with tempfile.TemporaryDirectory(prefix="folkmoot-attack-") as folder:
            try:
                asyncio.run(_play(rounds, seconds, Path(folder), output))
            except asyncio.CancelledError:
                raise Failure("Stopped.") from None

    carry_out(output, work)


async def _play(rounds: Sequence[Round], seconds: int, folder: Path, output: Output) -> None:
    from folkmoot.adversary import plan

    playing = asyncio.current_task()
    assert playing is not None
    # Else the relays and members that were started would go on without us.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    rows = []
    failure: Failure | None = None
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(), console=output.people, transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task("meetings are set up", total=len(rounds))
        try:
            async for row in plan.play_all(
                rounds, seconds, folder, lambda words: bar.update(task, description=words)
            ):
                rows.append(row)
                output.event({"event": "row", **row.as_event()})
                bar.advance(task)
        except Failure as met:
            failure = met  # what was played is shown nevertheless
    if not rows:
        raise failure or Failure("There is nothing to play.")
    _show(rows, output, whole=failure is None)
    if failure is not None:
        raise failure


def _show(rows: Sequence[Row], output: Output, whole: bool = True) -> None:
    """`whole`: nothing is missing, so that conclusions can be drawn."""
    from folkmoot.adversary.report import LEGEND, SHORT_LEGEND, cuts, short_table_of, table_of

    if whole:
        output.event({"event": "done", "cuts": cuts(rows)})
    if output.as_json:
        return
    for topology, own in groupby(rows, key=lambda row: row.topology):
        output.say(table_of(topology, own))
    output.say(Padding(LEGEND, (0, 0, 1, 0)))  # (wrapped between words)
    if whole:
        output.say(short_table_of(rows))
        output.say(Padding(SHORT_LEGEND, 0))


def _rows_of(path: Path) -> list[Row]:
    """The rows among the JSON lines of a file; Failure when one is not as we print them."""
    from folkmoot.adversary.playing import Row

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(FILE_MAX + 1)
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Failure(f"{path} cannot be read: it is no text.") from None
    if len(text) > FILE_MAX:
        raise Failure(f"{path} is longer than {FILE_MAX} characters.")
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            event = json.loads(line)
            if isinstance(event, dict) and event.get("event") != "row":
                continue
            rows.append(Row.from_event(event))
        except (ValueError, RecursionError) as error:
            raise Failure(f"{path}, line {number}, is no row of an attack: {error}.") from None
    if not rows:
        raise Failure(f"{path} has no row of an attack.")
    return rows
