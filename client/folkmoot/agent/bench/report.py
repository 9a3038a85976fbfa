"""Rows of a benchmark: JSON lines for programs, a table for people.

Each figure of ours has a row of a peer beside it, measured in the same run, and `ratio` says how
many times as long as that peer it takes. What a machine does in a second says little; the ratio
says what is ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from folkmoot.agent.bench.timing import Spent
from folkmoot.agent.console import Output

US = "folkmoot"


@dataclass(frozen=True)
class Pair:
    """One thing as we do it and as a peer does. `parameters` and `sizes` have their units in their
    names; `note` says what the peer does, and `in_short` the same for people, who see it once."""

    what: str
    parameters: dict[str, Any]
    ours: Spent
    peer: str
    theirs: Spent
    note: str
    in_short: str
    goal: float | None = None
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.ours.middle_s / self.theirs.middle_s


# The figures of a row: what its time is called, and how good it shall be.
Figures = Callable[[Spent], dict[str, Any]]


def in_a_second(spent: Spent) -> dict[str, Any]:
    return {"per_s": round(1 / spent.middle_s), "best_per_s": round(1 / spent.least_s)}


def in_milliseconds(spent: Spent) -> dict[str, Any]:
    return {
        "time_ms": round(spent.middle_s * 1000, 3),
        "best_ms": round(spent.least_s * 1000, 3),
    }


@dataclass
class Report:
    """All rows of one run. `shown`: the parameters that people are shown, with their headings."""

    output: Output
    title: str
    shown: dict[str, str]
    figures: Figures
    unit: str
    goal_name: str
    pairs: list[Pair] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def add(self, pair: Pair) -> None:
        """Two rows: ours and the peer's."""
        self.pairs.append(pair)
        goal = {} if pair.goal is None else {self.goal_name: pair.goal}
        ours = self.figures(pair.ours) | pair.sizes | goal
        self._row(pair, US, ours, pair.ratio, "")
        self._row(pair, pair.peer, self.figures(pair.theirs), 1.0, pair.note)

    def _row(self, pair: Pair, peer: str, figures: dict[str, Any], ratio: float, note: str) -> None:
        row = {"event": "row", "what": pair.what, "peer": peer, **pair.parameters, **figures}
        row["ratio"] = round(ratio, 3)
        self.output.event(row | ({"note": note} if note else {}))

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """For people who wait at a terminal; what it yields says what is measured now."""
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            console=self.output.people,
            transient=True,
            disable=not self.output.people.is_terminal,
        ) as progress:
            task = progress.add_task("", total=None)
            yield lambda words: progress.update(task, description=words)

    def done(self) -> None:
        """The table, and the closing event."""
        seconds = round(time.monotonic() - self.began, 1)
        if not self.output.as_json:
            self.output.say(self._table())
            for number, peer in enumerate(self._peers(), 1):
                self.output.say(Text(f"{number}. {peer}", style="dim"))
            if any(pair.sizes for pair in self.pairs):
                self.output.say(self._bytes())
        self.output.event({"event": "done", "rows": 2 * len(self.pairs), "took_s": seconds})

    def _peers(self) -> list[str]:
        return list(dict.fromkeys(f"{pair.peer}: {pair.in_short}" for pair in self.pairs))

    def _table(self) -> Table:
        table = Table(title=self.title, title_justify="left", box=SIMPLE_HEAD)
        table.add_column("", no_wrap=True)
        for heading in (*self.shown.values(), self.unit, "goal", "peer's", "times", "peer"):
            table.add_column(heading, justify="right", no_wrap=True)
        peers, before = self._peers(), ""
        apart = len({pair.what for pair in self.pairs}) < len(self.pairs)
        for pair in self.pairs:
            ours, theirs = (
                next(iter(self.figures(one).values())) for one in (pair.ours, pair.theirs)
            )
            if apart and before and pair.what != before:
                table.add_section()
            table.add_row(
                _words(pair.what) if pair.what != before else "",
                *(_cell(pair.parameters.get(key)) for key in self.shown),
                Text(_cell(ours), style="bold"),
                _cell(pair.goal),
                _cell(theirs),
                f"{pair.ratio:.2f}",
                str(peers.index(f"{pair.peer}: {pair.in_short}") + 1),
            )
            before = pair.what
        return table

    def _bytes(self) -> Table:
        """How long the messages are."""
        kinds = list(dict.fromkeys(kind for pair in self.pairs for kind in pair.sizes))
        table = Table(title="Bytes", title_justify="left", box=SIMPLE_HEAD)
        table.add_column("", no_wrap=True)
        for heading in (
            *self.shown.values(),
            *(_words(kind.removesuffix("_bytes")) for kind in kinds),
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        for pair in self.pairs:
            known = pair.parameters | pair.sizes
            table.add_row(
                _words(pair.what), *(_cell(known.get(key)) for key in (*self.shown, *kinds))
            )
        return table


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
