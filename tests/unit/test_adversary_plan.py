"""An hour of attacks is not lost to a moment in which the machine was busy."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from folkmoot.adversary import cli, plan
from folkmoot.adversary.playing import Row
from folkmoot.adversary.scene import Unwell
from folkmoot.agent.console import Output
from folkmoot.agent.failure import Failure

ROUNDS = [one for one in plan.everything() if one.name == "one relay"][:4]
NAMES = [one.attack for one in ROUNDS]


def row(attack: str) -> Row:
    return Row("one relay", 1, 0, 1, False, attack, False, 0, 0.2, False, None, None)


def furnish(folder: Path) -> None:
    assert not any(folder.iterdir())  # nothing of the last meeting is found
    (folder / "key").touch()


class Machine:
    """Meetings of it fail as `fails` says: how many attacks each of them bears."""

    def __init__(self, patch: pytest.MonkeyPatch, *fails: int, error: Failure) -> None:
        self.bears, self.begun, self.error = list(fails), 0, error
        patch.setattr(plan, "running", self.running)
        patch.setattr(plan, "play", self.play)

    @contextlib.asynccontextmanager
    async def running(self, _topology: object, folder: Path) -> AsyncIterator[None]:
        furnish(folder)
        self.begun += 1
        self.left = self.bears.pop(0)
        yield None

    async def play(self, _scene: object, kind: type, _compelled: int, _seconds: int) -> Row:
        self.left -= 1
        if self.left < 0:
            raise self.error
        return row(str(kind.name))  # type: ignore[attr-defined]


def played(folder: Path) -> tuple[list[str], Failure | None]:
    found: list[str] = []

    async def play() -> None:
        async for one in plan.play_all(ROUNDS, 6, folder, lambda _: None):
            found.append(one.attack)

    try:
        asyncio.run(play())
    except Failure as failure:
        return found, failure
    return found, None


def test_what_is_left_is_played_in_a_new_meeting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine = Machine(monkeypatch, 2, 0, 9, error=Unwell("busy"))
    assert played(tmp_path) == (NAMES, None)
    assert machine.begun == plan.MEETINGS


def test_where_no_meeting_runs_well_that_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    error = Unwell("busy")
    machine = Machine(monkeypatch, 2, 0, 1, 9, error=error)
    assert played(tmp_path) == (NAMES[:3], error)
    assert machine.begun == plan.MEETINGS


def test_nothing_else_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    error = Failure("The attack changed who is in the meeting.")
    machine = Machine(monkeypatch, 1, 9, error=error)
    assert played(tmp_path) == (NAMES[:1], error)
    assert machine.begun == 1


def test_what_was_played_before_a_failure_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Machine(monkeypatch, 1, error=Failure("It ended."))
    with pytest.raises(Failure, match=r"It ended\."):
        asyncio.run(cli._play(ROUNDS, 6, tmp_path, Output(False)))
    shown = capsys.readouterr().out
    assert NAMES[0] in shown
    assert shown.rstrip().endswith("it is down.")  # nothing on what was not played
