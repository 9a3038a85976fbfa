"""WIRE.md and server/README.md say of entries what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from folkmoot.relay import targets, tunnels
from folkmoot.wire import entry_messages
from folkmoot.wire.entry_messages import EntryClosing
from folkmoot.wire.entry_tunnel import EntryLimits

ROOT = Path(__file__).resolve().parents[2]
WIRE = (ROOT / "protocol" / "WIRE.md").read_text()
SECTION = re.sub(r"\s+", " ", WIRE[WIRE.index("## 7. Tunnels") :])
OPERATORS = re.sub(r"\s+", " ", (ROOT / "server" / "README.md").read_text())
NUMBERS = EntryLimits()


def test_codes() -> None:
    table = WIRE[WIRE.index("### Closings of tunnels") :]
    written = [int(code) for code in re.findall(r"(?m)^\| (\d{4}) \|", table)]
    assert written == [int(code) for code in EntryClosing]


@pytest.mark.parametrize(
    "sentence",
    [
        f"TARGET, always {entry_messages.TARGET_BYTES} bytes",
        f"padded with zeros to {entry_messages.HOST_FIELD_BYTES} bytes",
        f"It must come within {NUMBERS.target_wait_s:.0f} s",
        f"1 to {entry_messages.TUNNEL_MESSAGE_BYTES_MAX:,} in a message",
        f"{targets.STAGGER_S} s later the other beside it",
        f"For {targets.ANSWERED_S:.0f} s it asks that address and port no second time",
        f"with 4010, {NUMBERS.answer_s:.0f} s after TARGET",
        f"answered at most {NUMBERS.first_bytes:,} bytes go to it,"
        f" and it has {NUMBERS.first_answer_s:.0f} s",
        f"{tunnels.WRITE_BUFFER_HIGH_BYTES >> 10} KiB wait in a direction",
        f"over {NUMBERS.buffer_bytes:,} bytes, or after {NUMBERS.stall_s:.0f} s",
        f"looked for at once | {NUMBERS.tunnels:,}; {NUMBERS.looks}",
        f"at once | {NUMBERS.looks_per_s:.0f}; {NUMBERS.looks_burst:.0f}",
        f"at once | {NUMBERS.up_bytes_per_s:,.0f}; {NUMBERS.up_burst_bytes:,.0f}",
        f"at once | {NUMBERS.down_bytes_per_s:,.0f}; {NUMBERS.down_burst_bytes:,.0f}",
        f"at least, bytes | {NUMBERS.message_bytes_least}",
        f"directions, s | {NUMBERS.idle_s:,.0f}",
        f"life, s | {NUMBERS.life_s:,.0f}",
    ],
)
def test_numbers(sentence: str) -> None:
    assert sentence in SECTION


def test_operators_read_the_same() -> None:
    assert f"Up to {NUMBERS.tunnels:,} tunnels of up to 1 MB/s" in OPERATORS
    assert NUMBERS.up_bytes_per_s == 1e6
    assert "6 MB/s back" in OPERATORS
    assert NUMBERS.down_bytes_per_s == 6e6
