"""Votes as a program drives them: `move`, `vote`, and what each member is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end.processes import Commands


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_a_removal_fails_with_too_few_and_carries_with_enough(commands: Commands) -> None:
    ada = commands.start(
        "meet", "--headless", "--listen", "127.0.0.1:0", "--charter", "circle", "--admit", "all",
        "--name", "Ada",
    )  # fmt: skip
    invite = ada.wait_for("invite")["invite"]
    members = [ada]
    for count, name in enumerate(("Bob", "Cy", "Dee", "Eve"), 2):
        one = commands.start("join", invite, "--headless", "--name", name)
        one.wait_for("joined")
        members.append(one)
        for other in members:
            other.wait_for("epoch", members=count)
    bob, cy, dee, eve = members[1:]
    out = eve.wait_for("joined")["member"]

    ada.do(do="move", kind="remove", subject=out)
    first = ada.wait_for("motion")
    assert (first["kind"], first["subject"], first["needed"]) == ("remove", out, 4)
    for one in members:
        assert one.wait_for("motion")["motion"] == first["motion"]
    eve.do(do="vote", motion=first["motion"], choice="no")
    assert "own removal" in eve.wait_for("refused", what="vote")["why"]
    for one in (ada, bob, cy):
        one.do(do="vote", motion=first["motion"], choice="yes")
        by = one.wait_for("joined")["member"]
        assert dee.wait_for("ballot", by=by)["choice"] == "yes"
    # With one no it is lost: four were needed, of the four who have a vote.
    dee.do(do="vote", motion=first["motion"], choice="no")
    for one in members:
        assert not one.wait_for("decided", motion=first["motion"])["carried"]

    dee.do(do="move", kind="remove", subject=out)
    by = dee.wait_for("joined")["member"]
    second = dee.wait_for("motion", by=by)["motion"]
    for one in (ada, bob, cy, dee):
        one.wait_for("motion", motion=second)
        one.do(do="vote", motion=second, choice="yes")
    for one in (ada, bob, cy, dee):
        assert one.wait_for("member_out")["cause"] == "removed"
        assert one.wait_for("decided", motion=second)["carried"]
    left = eve.wait_for("left")
    assert "Dee moved it, and 4 said yes" in left["why"]
    assert eve.end() == 0
    assert not any(one.process.poll() is not None for one in (ada, bob, cy, dee))

    # The old invite is void, and there is a new one.
    fay = commands.start("join", invite, "--headless", "--name", "Fay")
    assert "void" in fay.wait_for("refused")["why"]
    fresh = [one["invite"] for one in ada.events if one["event"] == "invite"]
    assert len(fresh) == 2
    gus = commands.start("join", fresh[-1], "--headless", "--name", "Gus")
    gus.wait_for("joined")
