"""Commands on standard input: lines of JSON, however they arrive."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.agent.stdin_commands import LINE_BYTES_MAX, LineSplitter, parse


def test_a_command() -> None:
    assert parse(b' {"do": "chat", "text": "hello"} \r') == {"do": "chat", "text": "hello"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"hello", "not JSON"),
        (b'{"do": "chat"', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 20_000, "not JSON"),
        (b"[]", '"do"'),
        (b'{"do": 1}', '"do"'),
        (b"{}", '"do"'),
        (b" " * LINE_BYTES_MAX + b"{}", "at most"),
    ],
)
def test_what_is_no_command(line: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse(line)


@given(st.lists(st.text(max_size=30), max_size=20), st.data())
def test_lines_survive_any_cutting(words: list[str], data: st.DataObject) -> None:
    lines = [json.dumps({"do": word}).encode() for word in words]
    stream = b"".join(line + b"\n" for line in lines)
    splitter, found = LineSplitter(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += splitter.feed(stream[:size])
        stream = stream[size:]
    assert found == lines


def test_an_endless_line_is_not_kept() -> None:
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(bytes(LINE_BYTES_MAX)) == []
    (line,) = splitter.feed(b"\n")
    assert len(line) == LINE_BYTES_MAX + 1
    with pytest.raises(ValueError, match="at most"):
        parse(line)
