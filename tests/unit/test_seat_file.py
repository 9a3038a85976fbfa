"""The saved seat: mode 0600, all or nothing, in one agent at a time, for ten minutes."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from folkmoot.agent.seat_file import KEPT_S, SeatFile, state_folder

GROUP = b"group id of this"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "folkmoot" / "meetings"


def names(folder: Path, suffix: str) -> list[Path]:
    return sorted(folder.glob(f"*{suffix}"))


def saved(data: bytes, random: bytes = b"r" * 8, age_s: float = 0.0) -> None:
    """A seat whose agent died so long ago."""
    file = SeatFile.fresh(GROUP, random)
    file.write(data)
    file.close()
    path = next(state_folder().glob(f"*-{random.hex()}.seat"))
    os.utime(path, (time.time() - age_s,) * 2)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_its_person_can_read_it(folder: Path) -> None:
    before = os.umask(0)
    try:
        saved(b"state")
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    files = list(folder.iterdir())
    assert len(files) == 2
    assert {mode(path) for path in files} == {0o600}


def test_its_name_does_not_say_the_group(folder: Path) -> None:
    saved(b"state")
    (path,) = names(folder, ".seat")
    assert GROUP.hex()[:8] not in path.name
    assert GROUP not in path.name.encode()


def test_a_seat_left_in_haste_is_taken_up_again() -> None:
    assert SeatFile.take_up(GROUP) is None
    saved(b"state")
    assert SeatFile.take_up(b"another group id") is None
    found = SeatFile.take_up(GROUP)
    assert found is not None
    assert found[1] == b"state"
    found[0].close()


def test_never_in_two_agents_at_once() -> None:
    saved(b"state")
    first = SeatFile.take_up(GROUP)
    assert first is not None
    assert SeatFile.take_up(GROUP) is None
    first[0].write(b"later")
    assert SeatFile.take_up(GROUP) is None
    first[0].close()
    again = SeatFile.take_up(GROUP)
    assert again is not None
    assert again[1] == b"later"
    again[0].close()


def test_a_second_agent_takes_another_seat_up() -> None:
    saved(b"older", b"a" * 8, age_s=20)
    saved(b"newer", b"b" * 8, age_s=10)
    first, second = SeatFile.take_up(GROUP), SeatFile.take_up(GROUP)
    assert first is not None
    assert second is not None
    assert (first[1], second[1]) == (b"newer", b"older")
    first[0].close()
    second[0].close()


def test_after_ten_minutes_it_is_deleted(folder: Path) -> None:
    saved(b"state", age_s=KEPT_S - 5)
    found = SeatFile.take_up(GROUP)
    assert found is not None
    found[0].close()
    saved(b"state", age_s=KEPT_S + 5)
    assert SeatFile.take_up(GROUP) is None
    assert list(folder.iterdir()) == []


def test_the_ten_minutes_begin_when_the_agent_dies(folder: Path) -> None:
    file = SeatFile.fresh(GROUP, b"r" * 8)
    file.write(b"state")
    (path,) = names(folder, ".seat")
    os.utime(path, (time.time() - KEPT_S - 5,) * 2)
    file.touch()
    file.close()
    found = SeatFile.take_up(GROUP)
    assert found is not None
    found[0].close()


def test_an_empty_file_is_no_seat(folder: Path) -> None:
    saved(b"")
    assert SeatFile.take_up(GROUP) is None
    assert names(folder, ".seat") == []


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was(
    broken: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    file = SeatFile.fresh(GROUP, b"r" * 8)
    file.write(b"before")
    with monkeypatch.context() as patch:
        patch.setattr(os if broken == "fsync" else Path, broken, fail)
        with pytest.raises(OSError, match="No space"):
            file.write(b"after")
    (path,) = names(folder, ".seat")
    assert path.read_bytes() == b"before"
    assert names(folder, ".part") == []
    file.write(b"after")
    assert path.read_bytes() == b"after"
    file.close()


def test_what_is_on_the_disk_is_whole_before_it_takes_the_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_fsync(handle: int) -> None:
        done.append("fsync")
        fsync(handle)

    def note_replace(path: Path, to: Path) -> None:
        done.append("replace")
        replace(path, to)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    file = SeatFile.fresh(GROUP, b"r" * 8)
    file.write(b"state")
    file.close()
    assert done == ["fsync", "replace"]


def test_leaving_leaves_nothing(folder: Path) -> None:
    file = SeatFile.fresh(GROUP, b"r" * 8)
    file.touch()  # nothing was saved yet
    file.write(b"state")
    file.forget()
    file.forget()
    file.close()
    assert list(folder.iterdir()) == []
    assert SeatFile.take_up(GROUP) is None


def test_the_note_for_the_page_lies_beside_the_state(folder: Path) -> None:
    assert SeatFile.note_left(GROUP) == b""
    file = SeatFile.fresh(GROUP, b"r" * 8)
    file.keep_note(b"note")
    assert names(folder, ".page") == []  # nobody can come back to a seat that was never saved
    file.write(b"state")
    (path,) = names(folder, ".page")
    assert (path.read_bytes(), mode(path)) == (b"note", 0o600)
    assert SeatFile.note_left(GROUP) == b""  # its agent runs
    file.close()
    assert SeatFile.note_left(GROUP) == b"note"
    assert SeatFile.note_left(b"another group id") == b""
    again = SeatFile.take_up(GROUP)
    assert again is not None  # the note was only looked at
    again[0].forget()
    assert list(folder.iterdir()) == []


def test_the_note_of_a_seat_that_is_too_old_is_none(folder: Path) -> None:
    file = SeatFile.fresh(GROUP, b"r" * 8)
    file.keep_note(b"note")
    file.write(b"state")
    file.close()
    (path,) = names(folder, ".seat")
    os.utime(path, (time.time() - KEPT_S - 5,) * 2)
    assert SeatFile.note_left(GROUP) == b""
    assert SeatFile.take_up(GROUP) is None
    assert list(folder.iterdir()) == []


def test_a_disk_that_is_full_after_the_state_costs_the_note_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(path: Path, to: Path) -> None:
        if to.suffix == ".page":
            raise OSError(28, "No space left on device")
        replace(path, to)

    monkeypatch.setattr(Path, "replace", full)
    file = SeatFile.fresh(GROUP, b"r" * 8)
    file.keep_note(b"note")
    file.write(b"state")
    file.close()
    assert names(folder, ".part") == []
    assert SeatFile.note_left(GROUP) == b""
