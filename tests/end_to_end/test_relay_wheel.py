"""The relay alone: a wheel of relay and wire that runs in an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from end_to_end.relay_under_test import RelayUnderTest, clients
from folkmoot.wire.link_events import RoomOpened

ROOT = Path(__file__).resolve().parents[2]
MUST_NOT_IMPORT = ("mls", "sframe", "cells", "governance", "agreement", "meeting", "agent")


def build(folder: Path, into: Path, *kinds: str) -> list[Path]:
    """Builds what `kinds` asks for from a folder with a pyproject.toml."""
    flags = [part for kind in kinds for part in ("-t", kind)]
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(into), *flags]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return sorted(into.iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The relay's wheel and sdist."""
    made = build(ROOT / "server", tmp_path_factory.mktemp("dist"), "wheel", "sdist")
    wheel, sdist = sorted(made, key=lambda path: path.suffix, reverse=True)
    return wheel, sdist


def names(wheel: Path) -> set[str]:
    """The modules in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if name.endswith(".py")}


def test_the_wheel_holds_relay_and_wire_and_nothing_else(built: tuple[Path, Path]) -> None:
    wheel, _ = built
    trees = (ROOT / "server/folkmoot/relay", ROOT / "protocol/folkmoot/wire")
    wanted = {f"folkmoot/{tree.name}/{path.name}" for tree in trees for path in tree.glob("*.py")}
    assert names(wheel) == wanted
    with zipfile.ZipFile(wheel) as archive:
        assert any(name.endswith("LICENSE") for name in archive.namelist())


def test_the_sdist_builds_the_same_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, sdist = built
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    (again,) = build(folder, tmp_path / "dist", "wheel")
    assert again.read_bytes() == wheel.read_bytes()


def test_both_distributions_have_one_version_and_the_same_bounds() -> None:
    relay, full = (
        tomllib.loads((ROOT / path / "pyproject.toml").read_text())["project"]
        for path in ("server", ".")
    )
    assert relay["version"] == full["version"]
    assert relay["requires-python"] == full["requires-python"]
    assert set(relay["dependencies"]) <= set(full["dependencies"])


def clean_environment() -> dict[str, str]:
    """No way back to this checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


@pytest.fixture(scope="module")
def environment(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an empty environment in which only the relay's wheel was installed."""
    folder = tmp_path_factory.mktemp("relay-alone")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run = subprocess.run(
        [*pip, str(built[0])],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return python


def test_it_runs_alone_and_has_nothing_that_could_open_a_cell(environment: Path) -> None:
    for part in MUST_NOT_IMPORT:
        run = subprocess.run(
            [environment, "-P", "-c", f"import folkmoot.{part}"],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 1
        assert "ModuleNotFoundError" in run.stderr
    command = (str(environment.parent / "folkmoot-relay"),)
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("folkmoot-relay 0.")
    with (
        RelayUnderTest(command=command) as relay,
        clients(relay.address, 1) as (client,),
    ):
        client.open(1, b"s" * 32)
        assert client.events[-1] == RoomOpened(1)


def test_it_refuses_to_stand_beside_the_full_program(environment: Path) -> None:
    (site,) = (environment.parent.parent / "lib").glob("python*/site-packages")
    beside = site / "folkmoot-9.9.dist-info"
    beside.mkdir()
    try:
        (beside / "METADATA").write_text("Metadata-Version: 2.1\nName: folkmoot\nVersion: 9.9\n")
        run = subprocess.run(
            [environment.parent / "folkmoot-relay", "--listen", "127.0.0.1:0"],
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert run.returncode == 1
        assert "both installed" in run.stderr
    finally:
        (beside / "METADATA").unlink()
        beside.rmdir()
