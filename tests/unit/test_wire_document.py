"""WIRE.md says what the code does: its tables are read and compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from folkmoot.wire import limits, messages
from folkmoot.wire.lanes import LANE_RULES
from folkmoot.wire.link import CHALLENGE_USE_S, HELLO_WAIT_S, OPEN_WAIT_S, RETRY_S
from folkmoot.wire.messages import Closing, Refusal

TEXT = (Path(__file__).resolve().parents[2] / "protocol" / "WIRE.md").read_text()
NUMBERS = limits.RelayLimits()


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its own two lines."""
    lines = TEXT[TEXT.index(heading) :].splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        table.append([part.strip() for part in line.strip("|").split("|")])
    return table


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_lanes() -> None:
    written = {
        (int(slot), name.upper()): (number(size), number(pace), number(burst))
        for slot, name, size, pace, burst in rows("## 2. Rooms")
    }
    assert written == {
        (int(slot), slot.name): (rule.cell_bytes, rule.pace_per_s, rule.burst_cells)
        for slot, rule in LANE_RULES.items()
    }


def test_types_of_messages() -> None:
    for heading, kinds in (
        ("### From the relay", messages.RelayType),
        ("### From the agent", messages.AgentType),
    ):
        written = {row[1]: int(row[0], 16) for row in rows(heading)}
        assert written == {kind.name: int(kind) for kind in kinds}


def test_codes() -> None:
    assert [int(row[0]) for row in rows("### Refusals")] == [int(code) for code in Refusal]
    assert [int(row[0]) for row in rows("### Closings")] == [int(code) for code in Closing]


@pytest.mark.parametrize(
    "sentence",
    [
        f"{messages.AGENT_MESSAGE_BYTES_MAX:,} bytes in a message",
        f"at most {messages.RELAY_MESSAGE_BYTES_MAX:,} ({limits.TICK_CELLS_MAX} cells)",
        f"good for one OPEN within {limits.CHALLENGE_S:.0f} s; a relay keeps the newest"
        f" {NUMBERS.challenges_per_link}",
        f"bits wanted: {limits.WORK_BITS_HALF_FULL}, from three quarters on"
        f" {limits.WORK_BITS_THREE_QUARTERS_FULL}.",
        f"refuse to do more than {limits.WORK_BITS_MAX} bits",
        f"took nothing of what the relay sent for {NUMBERS.stall_s:.0f} s",
        f"no room open for {NUMBERS.idle_s:.0f} s",
        f"at most {NUMBERS.door_cells_per_s:.0f} cells a second",
        f"ASK, OPEN and CLOSE together: {NUMBERS.control_per_s:.0f} a second,"
        f" {NUMBERS.control_burst:.0f} at once",
        f"checked by the relay: {NUMBERS.proofs_per_s:,.0f} a second,"
        f" {NUMBERS.proofs_burst:,.0f} at once",
        f"The last {NUMBERS.proofs_kept:,.0f} of those at once are for the first"
        f" {NUMBERS.first_proofs_per_link} proofs of a link",
        f"at most {NUMBERS.link_backlog_bytes >> 10} KiB of them",
        f"links of the relay; in a room | {NUMBERS.links:,}; {NUMBERS.links_per_room:,}",
        f"rooms of the relay; on a link | {NUMBERS.rooms:,}; {NUMBERS.rooms_per_link}",
        f"in a room | {NUMBERS.room_queue_cells:,}, and {NUMBERS.rooms_queue_cells:,} ÷ rooms"
        f" open, at least {NUMBERS.room_queue_cells_least}",
        f"for a link | {NUMBERS.link_backlog_bytes >> 10} KiB, and"
        f" {NUMBERS.links_backlog_bytes >> 20} MiB ÷ links that are slow, at least"
        f" {NUMBERS.link_backlog_bytes_least >> 10} KiB",
        f"HELLO must come within {HELLO_WAIT_S:.0f} s",
        f"challenge {CHALLENGE_USE_S} s old",
        f"{OPEN_WAIT_S:.0f} s after the caller's wish",
        f"waits {RETRY_S:.0f} s",
    ],
)
def test_numbers(sentence: str) -> None:
    assert sentence in re.sub(r"\s+", " ", TEXT)
