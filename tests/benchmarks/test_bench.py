"""`folkmoot bench` measures what it says, and says it in rows that programs can read. No time is
judged here; whoever wants figures runs the command."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from typer.testing import CliRunner

from folkmoot import mls
from folkmoot.agent.bench import cells, openmls, timing
from folkmoot.agent.bench.crowd import FOUNDER, NEIGHBOUR, Crowd
from folkmoot.agent.bench.primitives import Count, Primitives
from folkmoot.agent.bench.report import US
from folkmoot.agent.bench.timing import Spent
from folkmoot.agent.cli import app
from folkmoot.cells.media import CAMERA, VOICE, cell_bytes
from unit.meeting_parts import entropy_of

Row = dict[str, Any]


def run(*words: str) -> list[Row]:
    """The events of a benchmark, which ends well."""
    result = CliRunner().invoke(app, ["bench", *words, "--json"])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def pairs(events: list[Row], figures: tuple[str, str]) -> dict[tuple[Any, ...], tuple[Row, Row]]:
    """Our row and the peer's of each figure, by what and how many; held to their shape."""
    *rows, done = events
    assert done["event"] == "done"
    assert done["rows"] == len(rows)
    assert done["took_s"] >= 0
    found = {}
    for ours, theirs in zip(rows[::2], rows[1::2], strict=True):
        for row in (ours, theirs):
            assert row["event"] == "row"
            assert row["at"] >= 0
            assert all(row[name] > 0 for name in figures)
        assert ours["peer"] == US
        name, version = theirs["peer"].split()
        assert name in ("cryptography", "davey")
        assert version[0].isdigit()
        assert theirs["note"]
        assert theirs["ratio"] == 1
        same = [name for name in ("what", "members", "suite", "cell_bytes") if name in ours]
        assert [ours[name] for name in same] == [theirs[name] for name in same]
        key = tuple(ours[name] for name in same)
        assert key not in found
        found[key] = (ours, theirs)
    return found


def has_davey() -> bool:
    try:
        importlib.import_module("davey")
    except ImportError:
        return False
    return True


def test_rows_of_a_group() -> None:
    events = run("group", "--members", "2", "--members", "5", "--rounds", "2")
    found = pairs(events, ("time_ms", "best_ms"))
    whats = ("create_commit", "process_commit", "add_all", "join")
    wanted = {(what, members, 1) for what in whats for members in (2, 5)}
    foreign = {(what, members, 2) for what in whats[1::2] for members in (2, 5)}
    assert set(found) == wanted | (foreign if has_davey() else set())
    goals = {"create_commit": 6, "process_commit": 3, "add_all": 1000, "join": 500}
    for (what, members, suite), (ours, theirs) in found.items():
        assert ours["ratio"] == pytest.approx(ours["time_ms"] / theirs["time_ms"], rel=0.05)
        if suite == 1:
            assert ours["goal_ms"] == goals[what]
            assert "verifications" in theirs["note"] or "signatures" in theirs["note"]
        else:
            assert "OpenMLS" in theirs["note"]
        for name in ("message_bytes", "welcome_bytes", "tree_bytes"):
            assert ours.get(name, 1000) > 100
        assert ("tree_bytes" in ours) == (what == "join" and suite == 1)
        assert ("message_bytes" in ours) == (what != "join")
        assert members in (2, 5)


def test_rows_of_cells() -> None:
    found = pairs(run("cells", "--count", "9", "--rounds", "2"), ("per_s", "best_per_s"))
    sizes = {"voice": cell_bytes(VOICE), "picture": cell_bytes(CAMERA)}
    assert sizes == {"voice": 384, "picture": 1152}
    verbs = ("seal", "open", "sign_and_seal", "open_and_verify")
    wanted = {(f"{verb}_{name}", size) for verb in verbs for name, size in sizes.items()}
    assert set(found) == wanted | {("seal_council", 1152), ("open_council", 1152)}
    for (what, _), (ours, theirs) in found.items():
        goal = what.count("_") == 1 and not what.endswith("council")
        assert ours.get("goal_per_s") == (100_000 if goal else None)
        assert ours["ratio"] == pytest.approx(theirs["per_s"] / ours["per_s"], rel=0.05)


@pytest.mark.parametrize("words", [["cells", "--count", "8"], ["group", "--members", "3"]])
def test_people_are_shown_a_table(words: list[str]) -> None:
    result = CliRunner().invoke(app, ["bench", *words, "--rounds", "1"], env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    assert "by one core" in result.stdout
    assert "1. cryptography " in result.stdout
    assert "{" not in result.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["cells", "--count", "0"],
        ["cells", "--rounds", "0"],
        ["group", "--members", "1"],
        ["relays"],
    ],
)
def test_calls_that_are_wrong(words: list[str]) -> None:
    assert CliRunner().invoke(app, ["bench", *words]).exit_code == 2


def test_without_davey_there_is_a_word_about_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openmls, "davey", None)
    result = CliRunner().invoke(
        app, ["bench", "group", "--members", "2", "--rounds", "1", "--json"]
    )
    assert result.exit_code == 0
    assert "davey" not in result.stdout
    assert "pip install davey" in result.stderr


@pytest.mark.parametrize("members", [2, 3, 7, 16, 21])
def test_a_crowd_is_a_group_whose_tree_is_filled(members: int) -> None:
    crowd = Crowd(1, members, entropy_of("crowd"))
    group, neighbour = crowd.founder, crowd.neighbour
    assert (group.own_leaf, neighbour.own_leaf) == (FOUNDER, NEIGHBOUR)
    assert len(group.members()) == members
    tree = group._epoch.tree
    blank = [
        index
        for index in range(1, 2 * tree.leaf_count - 1, 2)
        if tree.node(index) is None and len(tree.resolution(index)) > 1
    ]
    assert blank == []
    # It goes on as any group does: a member follows, a newcomer joins, all agree.
    bundle = crowd.bundle()
    made = group.commit([mls.Add(bundle.key_package)], entropy=crowd.entropy)
    after, followed = made.staged.merge(), neighbour.stage(made.message).merge()
    assert made.welcome is not None
    joined = mls.Group.join(made.welcome, bundle)
    assert after.epoch_authenticator == followed.epoch_authenticator == joined.epoch_authenticator
    for sender in (followed, joined):
        created = sender.commit(entropy=crowd.entropy)
        assert after.stage(created.message).group is not None


def test_time_is_that_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 5.0, 10.0, 11.0, 20.0, 22.0])
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    done: list[int] = []
    works: Iterable[Callable[[], None]] = [lambda: done.append(1)] * 3
    assert timing.spent(works) == Spent(2.0, 1.0)
    assert done == [1, 1, 1]
    clock = iter([0.0, 4.0, 10.0, 18.0])
    assert timing.spent_on_each(done.append, 4, 2) == Spent(1.5, 1.0)
    assert done == [1, 1, 1, 4, 4]


def test_primitives_are_added_up() -> None:
    bare = Primitives(1)
    one = bare.sum(Count(signs=1))
    assert bare.sum(Count(signs=3)).middle_s == pytest.approx(3 * one.middle_s)
    assert bare.sum(Count()) == Spent(0, 0)
    names = ("signs", "verifies", "agreements", "pairs", "loads", "sealed")
    assert all(bare.sum(Count(**{name: 1})).least_s > 0 for name in names)
    assert Count(2, 0, 1).words() == "2 signatures, 1 key agreements"


def test_cells_of_a_benchmark_are_opened_and_verified() -> None:
    """What is measured is the real thing: a cell that does not open ends the benchmark."""
    media = cells.Media(VOICE, 2)
    media.open(2)
    media.open_and_verify_voice(2)
    cells.Media(CAMERA, 9).open_and_verify_picture(9)
    media._cells[0] = media._cells[0][:-1] + bytes([media._cells[0][-1] ^ 1])
    with pytest.raises(AssertionError):
        media.open(2)
