"""The table of an attack, and what comes out of it: the ejection cut of each topology."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from folkmoot.adversary.playing import Row

NAMED_MAX = 3  # attacks that the short table names; of more it says how many


def cuts(rows: Iterable[Row]) -> dict[str, int | None]:
    """By topology: how many operators must be compelled until somebody is silenced for good and the
    others go on (architecture §2, "ejection cut"); None where that came out of no attack."""
    found: dict[str, int | None] = {}
    for row in rows:
        found.setdefault(row.topology, None)
        known = found[row.topology]
        if _ejects(row) and (known is None or row.compelled < known):
            found[row.topology] = row.compelled
    return found


def _ejects(row: Row) -> bool:
    return row.silenced and row.healed_s is None and not row.collateral


def outcome(rows: Iterable[Row]) -> str:
    """What one topology's attacks by so many operators came to, in the words of the short table."""
    ended: dict[str, list[str]] = {}
    healed: list[Row] = []
    for row in rows:
        if _ejects(row):
            return "target silenced, others go on"
        if not row.silenced and not row.collateral:
            continue
        if _healed_s(row) is not None:
            healed.append(row)
        else:
            others = f"{row.collateral} others silenced"
            ended.setdefault("target and " * row.silenced + others, []).append(row.attack)
    parts = [f"{what} by {_named(attacks)}" for what, attacks in ended.items()]
    if healed:
        times = [_healed_s(row) or 0.0 for row in healed]
        least, most = f"{min(times):.0f}", f"{max(times):.0f}"
        span = least if least == most else f"{least} to {most}"
        parts.append(f"silenced, healed after {span} s, by {_named(row.attack for row in healed)}")
    return "; ".join(parts) or "nothing"


def _healed_s(row: Row) -> float | None:
    """When it was over for all who were silenced; None while it was not for one of them."""
    times = [row.healed_s] * row.silenced + [row.collateral_healed_s] * (row.collateral > 0)
    known = [one for one in times if one is not None]
    return max(known) if len(known) == len(times) else None


def _named(attacks: Iterable[str]) -> str:
    names = list(attacks)
    return ", ".join(names) if len(names) <= NAMED_MAX else f"{len(names)} attacks"


def finders(rows: Iterable[Row]) -> str:
    """How many operators find the target's address: the fewest, and the next after them by another
    attack; by what, where that is no more than `NAMED_MAX` attacks."""
    least: dict[str, int] = {}
    for row in rows:
        if row.located:
            least[row.attack] = min(row.compelled, least.get(row.attack, row.compelled))
    by_count: dict[int, list[str]] = {}
    for attack, count in least.items():
        by_count.setdefault(count, []).append(attack)
    found = [
        f"{count} ({', '.join(attacks)})" if len(attacks) <= NAMED_MAX else str(count)
        for count, attacks in sorted(by_count.items())
    ]
    return ", ".join(found[:2]) or "none"


def short_table(rows: Sequence[Row]) -> list[list[str]]:
    """Headings, and a line for each topology: what the README quotes."""
    counts = sorted({row.compelled for row in rows if row.compelled})
    lines = [
        [
            "the meeting runs on",
            "cut",
            *(f"{one} obey{'s' * (one == 1)}" for one in counts),
            "address found by",
        ]
    ]
    for topology, cut in cuts(rows).items():
        own = [row for row in rows if row.topology == topology]
        played = {row.compelled for row in own}
        results = [
            outcome(row for row in own if row.compelled == one) if one in played else ""
            for one in counts
        ]
        lines.append([topology, "none" if cut is None else str(cut), *results, finders(own)])
    return lines


def short_table_of(rows: Sequence[Row]) -> Table:
    """The short table, for people."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2, 0, 0), show_lines=True)
    head, *lines = short_table(rows)
    for name in head:
        table.add_column(name)
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def table_of(topology: str, rows: Iterable[Row]) -> Table:
    """One topology's rows, for people."""
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title=Text(topology),
        title_justify="left", title_style="bold",
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
SHORT_LEGEND = (
    "cut: how many operators must obey until some attack silences the target for good while the "
    "others go on. address found by: how many it takes to know where the target's link comes from."
)


def _seconds(value: float | None) -> str:
    return "no" if value is None else f"{value:.1f} s"
