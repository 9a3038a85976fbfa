"""server/README.md names the limits that the relay has before a connection is a link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from folkmoot.relay import gate, link, serve

TEXT = re.sub(r"\s+", " ", (Path(__file__).parents[2] / "server" / "README.md").read_text())


@pytest.mark.parametrize(
    "sentence",
    [
        f"{gate.HALF_OPEN_MAX} connections may be in their handshake or first request",
        f"{gate.HANDSHAKE_S:.0f} s for the handshake, {gate.REQUEST_S:.0f} s for the request",
        f"{serve.HEADER_BYTES_MAX >> 10} KiB of headers",
        f"{gate.ACCEPTS_PER_S:.0f} connections taken a second ({gate.ACCEPTS_BURST:.0f} at once)",
        f"{link.CLOSING_BYTES_MAX // 1000} kB after it was told to go",
        f"one ping or pong a second ({link.PINGS_BURST:.0f} at once)",
    ],
)
def test_numbers(sentence: str) -> None:
    assert sentence in TEXT
