"""Which attacks are played on which topologies, in which order."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rich.table import Table
from rich.text import Text

from folkmoot.adversary.attacks import ATTACKS, Attack, Nothing
from folkmoot.adversary.plain_sfu import TOPOLOGY as PLAIN
from folkmoot.adversary.plain_sfu import play_plain
from folkmoot.adversary.playing import Row, play
from folkmoot.adversary.scene import Topology, Unwell, running
from folkmoot.agent.console import Output
from folkmoot.agent.failure import CallError

TOPOLOGIES = (
    Topology("one relay", relays=1),
    Topology("one relay, one entry", relays=1, via="entry", outside=1),
    Topology("two relays, direct", relays=2),
    Topology("two relays, hidden", relays=2, via="entry"),
    Topology("three relays, direct", relays=3),
    Topology("three relays in a ring", relays=3, via="entry"),
    Topology("three relays, three entries", relays=3, via="entry", outside=3),
)
MEETINGS = 3  # of one topology, at most
# What an ordinary server needs no search or commit for: it knows whose stream is whose.
PLAIN_ATTACKS = ("close the link", "filter by keys", "keep from one", "deafen", "two views",
                 "delay by 2 s", "geoblock", "kill")  # fmt: skip


@dataclass(frozen=True)
class Round:
    """One row to be. `topology` None: the ordinary server."""

    topology: Topology | None
    attack: str
    kind: type[Attack] | None
    compelled: int

    @property
    def name(self) -> str:
        return PLAIN if self.topology is None else self.topology.name


def everything() -> list[Round]:
    """The whole table, topologies together; with nobody compelled nothing is attacked. Relays are
    compelled first, one after the other, and then all entries, too."""
    rounds = [Round(None, one, None, 1) for one in PLAIN_ATTACKS]
    for topology in TOPOLOGIES:
        rounds.append(Round(topology, Nothing.name, Nothing, 0))
        rounds += [
            Round(topology, kind.name, kind, compelled)
            for compelled in sorted({*range(1, topology.relays + 1),
                                     topology.relays + topology.outside})
            for kind in ATTACKS
            if topology.entries or not kind.needs_entries
        ]  # fmt: skip
    return rounds


def chosen(
    topologies: Sequence[str] | None, attacks: Sequence[str] | None, compelled: Sequence[int] | None
) -> list[Round]:
    """Those that were asked for; CallError when one is not known, or nothing is left."""
    rounds = everything()
    known = {one.name for one in rounds}, {one.attack for one in rounds}
    for given, names, option in ((topologies, known[0], "topology"), (attacks, known[1], "attack")):
        for one in given or ():
            if one not in names:
                raise CallError(f'--{option} "{one}": there is none of this name; see --list.')
    left = [
        one
        for one in rounds
        if (not topologies or one.name in topologies)
        and (not attacks or one.attack in attacks)
        and (not compelled or one.compelled in compelled)
    ]
    if not left:
        raise CallError("There is no such attack on such a topology with so many compelled.")
    return left


def say_names(output: Output) -> None:
    """Topologies, and attacks with the power that each takes."""
    output.event(
        {
            "event": "names",
            "topologies": [PLAIN, *(one.name for one in TOPOLOGIES)],
            "attacks": [kind.name for kind in ATTACKS],
        }
    )
    if output.as_json:
        return
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    table.add_column("Attack", no_wrap=True)
    table.add_column("What it does, and what it takes")
    for kind in ATTACKS:
        table.add_row(Text(kind.name), Text(" ".join((kind.__doc__ or "").split())))
    output.say(Text("Topologies: " + ", ".join([PLAIN, *(one.name for one in TOPOLOGIES)]) + "\n"))
    output.say(table)


async def play_all(
    rounds: Sequence[Round], seconds: int, folder: Path, now: Callable[[str], None]
) -> AsyncIterator[Row]:
    """Each of them; one meeting for all attacks on a topology, and a new one for those that are
    left where it does not run well: a machine that was busy for a moment must not end an hour's
    work. Unwell when none of them does."""
    for topology, group in groupby(rounds, key=lambda one: one.topology):
        if topology is None:
            for one in group:
                now(f"{PLAIN}: {one.attack}")
                yield await play_plain(one.attack, seconds)
            continue
        left = list(group)
        for again in reversed(range(MEETINGS)):
            now(f"{topology.name}: the meeting is set up")
            try:
                own = Path(tempfile.mkdtemp(dir=folder))
                async with running(topology, own) as scene:
                    while left:
                        one = left[0]
                        now(f"{topology.name}, {one.compelled} compelled: {one.attack}")
                        assert one.kind is not None
                        yield await play(scene, one.kind, one.compelled, seconds)
                        left.pop(0)
                break
            except Unwell:
                if not again:
                    raise
