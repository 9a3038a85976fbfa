"""The commands of `folkmoot bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from folkmoot.agent.carrying_out import AsJson, carry_out
from folkmoot.agent.console import Output

bench_app = typer.Typer(
    help="Measures the group and its cells on this machine, beside their peers.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
# More than these takes minutes for one figure.
MEMBERS_MAX = 4096
CELLS_MAX = 1_000_000
ROUNDS_MAX = 1000


@bench_app.command("group")
def group(
    members: Annotated[
        list[int] | None,
        typer.Option(min=2, max=MEMBERS_MAX, metavar="N", help="Of how many members."),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, max=ROUNDS_MAX, metavar="N", help="How often each is done.")
    ] = 15,
    as_json: AsJson = False,
) -> None:
    """Commits, additions and joining in groups of 10, 100 and 1,000 members.

    \b
    Times are of one core. The peers: OpenMLS, where `davey` is installed, and
    the bare signatures, key agreements and ciphers that nobody can do without.

    \b
    Examples:
      folkmoot bench group
      folkmoot bench group --members 50 --members 200 --json
    """
    output = Output(as_json)

    def work() -> None:
        from folkmoot.agent.bench.group import bench_group  # slow to load, a mistake is not

        bench_group(members or [10, 100, 1000], rounds, output)

    carry_out(output, work)


@bench_app.command("cells")
def cells(
    count: Annotated[
        int, typer.Option(min=1, max=CELLS_MAX, metavar="N", help="Cells in each round.")
    ] = 5000,
    rounds: Annotated[
        int, typer.Option(min=1, max=ROUNDS_MAX, metavar="N", help="How often each is done.")
    ] = 15,
    as_json: AsJson = False,
) -> None:
    """Cells sealed and opened in a second, with the signature and without.

    \b
    Examples:
      folkmoot bench cells
      folkmoot bench cells --json
    """
    output = Output(as_json)

    def work() -> None:
        from folkmoot.agent.bench.cells import bench_cells

        bench_cells(count, rounds, output)

    carry_out(output, work)
