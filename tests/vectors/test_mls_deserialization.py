"""The official deserialization vectors: lengths of variable size."""

from __future__ import annotations

from folkmoot.wire import codec
from vectors import vectors


def test_lengths() -> None:
    for case in vectors.load("deserialization"):
        header = vectors.unhex(case["vlbytes_header"])
        assert codec.decode(codec.Reader.length, header) == case["length"]
        assert codec.length(case["length"]) == header
