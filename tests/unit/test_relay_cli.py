"""What the relay's command line makes of where an entry may go."""

from __future__ import annotations

import pytest

from folkmoot.relay.cli import _allowed, _own_scope
from folkmoot.relay.errors import CallError
from folkmoot.wire.entry_rules import ALLOWED_MAX, make_admission


@pytest.mark.parametrize(
    ("listened", "announced", "inside"),
    [
        (["192.168.1.5"], None, True),
        (["192.168.1.5"], "192.168.1.5", True),
        (["192.168.1.5"], "192.168.9.9", True),
        (["192.168.1.5"], "relay.example", False),
        (["192.168.1.5"], "8.8.8.8", False),
        (["192.168.1.5"], "10.0.0.1", False),
        (["::"], None, False),
        (["0.0.0.0"], "192.168.1.5", False),
        (["8.8.8.8"], None, False),
    ],
)
def test_an_entry_is_inside_only_where_it_is_known_to_be(
    listened: list[str], announced: str | None, inside: bool
) -> None:
    admission = make_admission(_own_scope(listened, announced), [])
    assert admission.admits("192.168.77.1", 7443) == inside


def test_networks_may_stand_in_one_word_or_in_several() -> None:
    assert _allowed(["10.0.0.0/8 fd00::/8", "127.0.0.1"]) == ["10.0.0.0/8", "fd00::/8", "127.0.0.1"]
    assert _allowed([]) == []


@pytest.mark.parametrize("text", ["everything", "10.0.0.1/8", "10.0.0.0/33", "relay.example"])
def test_what_is_no_network_is_said_so(text: str) -> None:
    with pytest.raises(CallError, match="is not of the form"):
        _allowed([text])
    with pytest.raises(CallError, match="more than"):
        _allowed(["10.0.0.0/8"] * (ALLOWED_MAX + 1))
