"""Sums over everybody in Prometheus' text format; nothing by room, link or person."""

from __future__ import annotations

from folkmoot.relay.tunnels import EntrySums
from folkmoot.wire.entry_messages import EntryClosing
from folkmoot.wire.messages import Closing, Refusal
from folkmoot.wire.relay_core import Sums


def _metric(name: str, kind: str, text: str, values: dict[str, int]) -> str:
    lines = [f"# HELP folkmoot_relay_{name} {text}", f"# TYPE folkmoot_relay_{name} {kind}"]
    lines += [f"folkmoot_relay_{name}{labels} {value}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"


def render(
    sums: Sums, links_open: int, rooms_open: int, entry: EntrySums, tunnels_open: int
) -> str:
    """The text of `/metrics`."""
    closed = {f'{{code="{int(code)}"}}': sums.closed[code] for code in Closing}
    refused = {f'{{code="{int(code)}"}}': sums.refused[code] for code in Refusal}
    ended = {f'{{code="{int(code)}"}}': entry.closed[code] for code in EntryClosing}
    return "".join(
        (
            _metric("links", "gauge", "Links that are open.", {"": links_open}),
            _metric("rooms", "gauge", "Rooms that are open.", {"": rooms_open}),
            _metric("links_total", "counter", "Links ever opened.", {"": sums.links_opened}),
            _metric("rooms_total", "counter", "Rooms ever opened.", {"": sums.rooms_opened}),
            _metric("cells_in_total", "counter", "Cells received.", {"": sums.cells_in}),
            _metric("cells_out_total", "counter", "Cells times receivers.", {"": sums.cells_out}),
            _metric(
                "cells_dropped_total",
                "counter",
                "Cells over a lane's pace or a room's share.",
                {"": sums.cells_dropped},
            ),
            _metric("ticks_total", "counter", "Ticks times receivers.", {"": sums.ticks_sent}),
            _metric(
                "ticks_skipped_total",
                "counter",
                "Ticks that slow receivers lost.",
                {"": sums.ticks_skipped},
            ),
            _metric("links_closed_total", "counter", "Links closed by the relay.", closed),
            _metric("rooms_refused_total", "counter", "Rooms not opened.", refused),
            _metric("tunnels", "gauge", "Tunnels that are open.", {"": tunnels_open}),
            _metric("tunnels_total", "counter", "Tunnels ever asked for.", {"": entry.opened}),
            _metric("tunnels_found_total", "counter", "Tunnels with a relay.", {"": entry.carried}),
            # Of those that have ended: one that stands would be seen in the steps of its bytes.
            _metric("tunnel_bytes_up_total", "counter", "To relays.", {"": entry.up_bytes}),
            _metric("tunnel_bytes_down_total", "counter", "To clients.", {"": entry.down_bytes}),
            _metric("tunnels_closed_total", "counter", "Tunnels ended by the entry.", ended),
        )
    )
