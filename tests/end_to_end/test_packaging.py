"""The wheel: built from this tree, installed elsewhere, and run there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTIONS = ("protocol", "server", "client")
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="needs hatchling: pip install '.[test]'")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1750000000"}
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)
    (built,) = folder.glob("*.whl")
    return built


def _sources() -> set[str]:
    """Every file of the three portions, as it should stand in the wheel."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *PORTIONS],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    paths = [Path(name) for name in tracked if name and (ROOT / name).is_file()]
    return {str(path.relative_to(path.parts[0])) for path in paths if path.parts[1] == "folkmoot"}


def test_the_wheel_holds_all_three_portions_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    inside = {name for name in names if name.startswith("folkmoot/")}
    assert "folkmoot/__init__.py" not in inside
    assert "folkmoot/agent/page/static/index.html" in inside
    if (ROOT / ".git").exists():
        assert inside == _sources()
    others = {name.split("/")[0] for name in names - inside}
    assert len(others) == 1
    assert others.pop().endswith(".dist-info")
    assert any(name.endswith("licenses/LICENSE") for name in names)


def _dependencies(into: Path) -> None:
    """Everything that is installed here except ourselves: linked, so that it takes no network and
    no time, and our own modules can only come from the wheel."""
    into.mkdir()
    for folder in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(folder).iterdir():
            ours = "folkmoot" in entry.name.lower() or entry.suffix in (".pth", ".egg-link")
            if not ours and not (into / entry.name).exists():
                (into / entry.name).symlink_to(entry)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of scripts of an environment that holds the wheel."""
    home = tmp_path_factory.mktemp("elsewhere")
    venv.create(home / "venv", with_pip=False, symlinks=True)
    _dependencies(home / "dependencies")
    python = home / "venv" / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = home / "venv" / "lib" / version / "site-packages"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--no-warn-script-location"]
    subprocess.run([*pip, *options, str(wheel)], check=True)
    (packages / "dependencies.pth").write_text(f"{home / 'dependencies'}\n")
    return home / "venv" / "bin"


def _environment(folder: Path) -> dict[str, str]:
    """Of a person who has never heard of this source tree."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}


def _run(installed: Path, folder: Path, *words: str) -> str:
    result = subprocess.run(
        [str(installed / words[0]), *words[1:]],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return result.stdout


def test_what_runs_is_what_was_installed(installed: Path, tmp_path: Path) -> None:
    program = "import folkmoot.agent.cli as a, folkmoot.relay.cli as b, folkmoot.mls as c\n"
    program += "print(*(module.__file__ for module in (a, b, c)), sep='\\n')"
    files = _run(installed, tmp_path, "python", "-c", program).splitlines()
    assert len(files) == 3
    assert all(file.startswith(str(installed.parent)) for file in files)
    assert str(ROOT) not in "".join(files)
    assert all(str(ROOT) not in folder for folder in site.getsitepackages())


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    from importlib.metadata import version

    assert _run(installed, tmp_path, "folkmoot", "--version") == f"folkmoot {version('folkmoot')}\n"


def test_the_installed_command_meets_without_a_page(installed: Path, tmp_path: Path) -> None:
    words = ("meet", "--headless", "--json", "--for", "2", "--listen", "127.0.0.1:0")
    lines = _run(installed, tmp_path, "folkmoot", *words).splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events[0] == "relay"
    assert events[-1] == "left"
    assert {"invite", "joined", "epoch", "relay_up"} <= set(events)


@pytest.fixture
def meeting(installed: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(installed / "folkmoot"), "meet", "--json", "--listen", "127.0.0.1:0"],
        cwd=tmp_path,
        env=_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def test_the_installed_command_serves_its_page(meeting: subprocess.Popen[str]) -> None:
    assert meeting.stdout is not None
    events = (json.loads(line) for line in meeting.stdout)
    url = next(event["url"] for event in events if event["event"] == "page").partition("#")[0]
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        page = answer.read().decode("utf-8")
    assert "<title>" in page
    parts = re.findall(r'(?:src|href)="/?([\w.-]+)"', page)
    assert any(name.endswith(".js") for name in parts)
    for name in parts:
        with urllib.request.urlopen(url + name, timeout=PATIENCE_S) as answer:
            assert answer.read()
    meeting.send_signal(signal.SIGINT)
    meeting.stdout.read()
    assert meeting.wait(PATIENCE_S) == 0


def test_the_same_source_gives_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """Built as an auditor would: another folder, other times and rights of files, another
    language and time zone."""
    tree = tmp_path / "tree"
    shutil.copytree(
        ROOT,
        tree,
        copy_function=shutil.copyfile,
        ignore=shutil.ignore_patterns(".git", "__pycache__", ".*_cache", ".venv", "dist"),
    )
    for file in tree.rglob("*.py"):
        file.chmod(0o600)
        os.utime(file, (1_000_000_000, 1_000_000_000))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "dist"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1750000000", "LANG": "C", "TZ": "Asia/Tokyo"}
    subprocess.run(command, cwd=tree, check=True, capture_output=True, env=environment)
    assert (tree / "dist" / wheel.name).read_bytes() == wheel.read_bytes()
