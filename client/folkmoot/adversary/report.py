"""The table of an attack, and what comes out of it: the ejection cut of each topology."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from folkmoot.adversary.playing import Row


def cuts(rows: Iterable[Row]) -> dict[str, int | None]:
    """By topology: how many operators must be compelled until somebody is silenced for good and the
    others go on (architecture §2, "ejection cut"); None where that came out of no attack."""
    found: dict[str, int | None] = {}
    for row in rows:
        found.setdefault(row.topology, None)
        ejected = row.silenced and row.healed_s is None and not row.collateral
        known = found[row.topology]
        if ejected and (known is None or row.compelled < known):
            found[row.topology] = row.compelled
    return found


def table_of(topology: str, rows: Iterable[Row]) -> Table:
    """One topology's rows, for people."""
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), title=topology, title_justify="left",
        title_style="bold",
    )  # fmt: skip
    for name in ("of", "attack", "target", "others", "named", "located", "noticed", "healed"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(
            str(row.compelled),
            Text(row.attack + ("*" if row.informant else "")),
            Text("silenced", style="bold red") if row.silenced else Text("heard", style="green"),
            str(row.collateral or "—"),
            f"{row.identified:.0%}",
            Text("yes", style="bold red") if row.located else Text("no", style="green"),
            _seconds(row.detected_s),
            _seconds(row.healed_s) if row.silenced else "—",
        )
    return table


LEGEND = (
    "of: operators that obey. *: with an informant. others: members besides the target who are "
    "silenced. named: the probability that the operator names the target's link. located: its "
    "address is known to who knows the meeting. noticed: the first notice about a relay, or that "
    "it is down."
)


def _seconds(value: float | None) -> str:
    return "no" if value is None else f"{value:.1f} s"


def sentences(rows: Iterable[Row]) -> list[str]:
    """The ejection cuts in words."""
    return [
        f"{topology}: no attack here silenced the target and let the others go on."
        if cut is None
        else f"{topology}: {cut} compelled operator{'s' if cut != 1 else ''} silenced the target "
        "while the others went on."
        for topology, cut in cuts(rows).items()
    ]
