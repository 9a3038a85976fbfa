"""Who may import whom, read from the source: nothing is run for it, so nothing can hide."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PORTIONS = ("protocol", "server", "client")
LINES_MAX = 450

# A part may import itself and these. A name with dots allows that one module and nothing beside it.
PROTOCOL = {"wire", "mls", "sframe", "cells", "governance", "agreement", "meeting"}
MAY_IMPORT: dict[str, set[str]] = {
    "wire": set(),
    "mls": {"wire.codec"},
    "sframe": {"mls", "wire"},
    "governance": {"mls", "wire"},
    "cells": {"mls", "sframe", "governance", "wire"},
    "agreement": {"mls", "sframe", "governance", "wire"},
    "meeting": PROTOCOL,
    "relay": {"wire"},
    # One command for everything: `folkmoot relay` is the relay's own command line, and `folkmoot
    # attack` the adversary's.
    "agent": PROTOCOL | {"relay.cli", "adversary.cli"},
    "adversary": PROTOCOL | {"relay", "agent"},
}
PURE_THIRD_PARTIES = {"cryptography"}
# Time and randomness are arguments, and bytes come and go through the caller.
IMPURE_NAMES = """
asyncio datetime glob http io logging multiprocessing os pathlib queue random sched secrets
select selectors shutil signal socket socketserver ssl subprocess tempfile threading time
urllib uuid
"""
IMPURE = frozenset(IMPURE_NAMES.split())
IMPURE_CALLS = {"open", "print", "input", "exec", "eval", "__import__"}


def _sources(*portions: str) -> list[Path]:
    trees = [ROOT / portion / "folkmoot" for portion in portions]
    return sorted(path for tree in trees for path in tree.rglob("*.py"))


def _module(path: Path) -> str:
    """`folkmoot.wire.codec` for protocol/folkmoot/wire/codec.py."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts[1:])
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[str]:
    """Every module that `path` imports, wherever: also in functions and behind TYPE_CHECKING."""
    package = _module(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            whole = [*base, *(node.module.split(".") if node.module else [])]
            # `from folkmoot.wire import codec` names a module, `from folkmoot.wire.codec import
            # Reader` a thing inside one: what is no module is judged as the module it is in.
            for alias in node.names:
                inner = [*whole, alias.name]
                yield ".".join(inner if _is_module(inner) else whole)


def _is_module(parts: list[str]) -> bool:
    for portion in PORTIONS:
        place = ROOT.joinpath(portion, *parts)
        if place.with_suffix(".py").exists() or place.is_dir():
            return True
    return False


def _forbidden(path: Path) -> Iterator[str]:
    """Those imports of `path` that the table does not allow."""
    part = _module(path).split(".")[1]
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] != "folkmoot":
            continue
        inner = parts[1:]
        prefixes = {".".join(inner[: length + 1]) for length in range(len(inner))}
        if inner and inner[0] != part and not prefixes & MAY_IMPORT[part]:
            yield name


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", _sources(*PORTIONS), ids=_id)
def test_each_part_imports_only_what_the_table_allows(path: Path) -> None:
    assert list(_forbidden(path)) == []


@pytest.mark.parametrize("path", _sources("protocol"), ids=_id)
def test_the_protocol_does_no_input_or_output(path: Path) -> None:
    for name in _imports(path):
        top = name.split(".")[0]
        assert top not in IMPURE, f"{name}: time, randomness and bytes are arguments"
        ours = top == "folkmoot" or top in sys.stdlib_module_names
        assert ours or top in PURE_THIRD_PARTIES, name


@pytest.mark.parametrize("path", _sources("protocol"), ids=_id)
def test_the_protocol_opens_no_file(path: Path) -> None:
    """`open` needs no import, and neither do `print` and `input`."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in IMPURE_CALLS, f"line {node.lineno}"


def test_files_stay_small() -> None:
    trees = [ROOT / portion for portion in (*PORTIONS, "tests")]
    sizes = {
        _id(path): len(path.read_text(encoding="utf-8").splitlines())
        for tree in trees
        for path in tree.rglob("*.py")
    }
    assert {name: size for name, size in sizes.items() if size > LINES_MAX} == {}


def test_the_namespace_belongs_to_nobody() -> None:
    """One `folkmoot/__init__.py` would hide the other portions once installed."""
    assert [list((ROOT / portion).glob("folkmoot/__init__.*")) for portion in PORTIONS] == [[]] * 3


def test_the_reader_of_imports_sees_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a file that breaks every rule is caught, however it writes its imports."""
    for portion in PORTIONS:
        (tmp_path / portion / "folkmoot").mkdir(parents=True)
    meeting = tmp_path / "protocol/folkmoot/meeting"
    meeting.mkdir()
    (meeting / "machine.py").write_text("")
    codec = tmp_path / "protocol/folkmoot/wire/codec.py"
    codec.parent.mkdir()
    codec.write_text("def late():\n    from ..meeting import machine\n")
    shell = tmp_path / "server/folkmoot/relay/shell.py"
    shell.parent.mkdir()
    shell.write_text(
        "import socket\nfrom folkmoot import meeting\nimport folkmoot.mls.group\n"
        "from folkmoot.wire.codec import Reader\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert list(_forbidden(codec)) == ["folkmoot.meeting.machine"]
    assert list(_forbidden(shell)) == ["folkmoot.meeting", "folkmoot.mls.group"]
    assert next(_imports(shell)) == "socket"
