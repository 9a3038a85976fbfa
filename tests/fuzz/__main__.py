"""The long run: `python -m tests.fuzz --seconds 600` from a clone's root, in an environment where
the project is installed with its test extra.

With atheris (`pip install atheris`; it has wheels for Linux on x86-64 only, and so is no part of
the test extra) inputs are chosen by the coverage of `folkmoot` that they reach; without it they are
valid ones with random wounds. What is found is written to `.fuzz/findings` and printed with the
command that replays it. Corpora grow in `.fuzz/corpus` from run to run.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import queue
import random
import re
import subprocess
import sys
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
if str(HERE.parent) not in sys.path:
    sys.path.insert(0, str(HERE.parent))  # `fuzz`, `unit` and `simulation`, as pytest has them

if TYPE_CHECKING:
    from fuzz.target import Target

FINDINGS_MAX = 8  # of one target, after which it is left alone
MEASURED_EVERY = 16  # inputs whose work and memory are counted: counting costs time
PRINT_EVERY_S = 10.0
ONE_INPUT_S_MAX = 60  # then it hangs
HEX_BYTES_MAX = 1_500  # of what is printed; longer ones are named by their file
_STATUS = re.compile(r"^#(\d+)\s.*?cov: (\d+) ft: (\d+)(?: corp: (\d+))?")


class Findings:
    """What one target's run came upon, each kind once."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._kinds: set[str] = set()

    @property
    def enough(self) -> bool:
        return len(self._kinds) >= FINDINGS_MAX

    def add(self, data: bytes, error: BaseException) -> None:
        cause = error.__cause__ or error
        frames = traceback.extract_tb(cause.__traceback__)
        place = frames[-1] if frames else None
        where = f"{Path(place.filename).name}:{place.lineno}" if place else "nowhere"
        text = re.sub(r"[0-9]+", "#", str(error))[:80]
        kind = f"{where} {type(cause).__name__} {text}"
        if kind in self._kinds:
            return
        self._kinds.add(kind)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._name}-{zlib.crc32(data):08x}.hex"
        path.write_text(f"# {error}\n{data.hex()}\n", encoding="utf-8")
        short = data.hex() if len(data) <= HEX_BYTES_MAX else str(path)
        print(f"FOUND in {self._name} at {where}: {error}", flush=True)
        print(f"  python -m tests.fuzz --replay {self._name} {short}", flush=True)


def _test(held: Target[Any], findings: Findings) -> Callable[[bytes], None]:
    from fuzz.target import BrokenPromise, run

    def test(data: bytes) -> None:
        try:
            run(held, data, measured=zlib.crc32(data) % MEASURED_EVERY == 0)
        except BrokenPromise as error:
            findings.add(data, error)

    return test


def _run_guided(options: argparse.Namespace, folder: Path, corpus: Path) -> None:
    """In a process of its own, which ends with it."""
    name = options.target[0]
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["folkmoot"]):
        from fuzz.registry import starts, target

        held = target(name)
        findings = Findings(name, folder)
        test = _test(held, findings)
        for data in starts(name):
            (corpus / f"start-{zlib.crc32(data):08x}").write_bytes(data)
    arguments = [
        sys.argv[0],
        str(corpus),
        f"-max_total_time={options.seconds}",
        f"-max_len={held.bytes_max}",
        f"-timeout={ONE_INPUT_S_MAX}",
        f"-artifact_prefix={folder}/{name}-",
        "-print_final_stats=1",
        "-rss_limit_mb=4096",
        "-close_fd_mask=0",
    ]

    def guided(data: bytes) -> None:
        test(data)
        if findings.enough:
            print(f"{name}: {FINDINGS_MAX} kinds of findings are enough", flush=True)
            os._exit(0)  # there is no other way out of libFuzzer that is no crash

    atheris.Setup(arguments, guided)
    atheris.Fuzz()


def _run_blind(options: argparse.Namespace, folder: Path) -> None:
    from fuzz.mutation import wounded
    from fuzz.registry import starts, target

    name = options.target[0]
    chance = random.Random(options.seed)
    seeds = starts(name)
    findings = Findings(name, folder)
    test = _test(target(name), findings)
    end, count = time.monotonic() + options.seconds, 0
    for data in seeds:
        test(data)
    while time.monotonic() < end and not findings.enough:
        test(wounded(seeds, chance))
        count += 1
        if count % 500 == 0:
            print(f"#{count} BLIND cov: 0 ft: 0", file=sys.stderr, flush=True)
    print(f"stat::number_of_executed_units: {count}", file=sys.stderr, flush=True)


class Watched:
    """One target's process, its lines read as they come."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name = name
        self.inputs = self.coverage = self.features = self.findings = 0
        self._shown_at = time.monotonic()
        command = [sys.executable, "-m", "tests.fuzz", "--child", "--target", name]
        command += ["--seconds", str(options.seconds), "--seed", str(options.seed)]
        command += ["--work", str(options.work), *(["--blind"] if options.blind else [])]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, errors="replace"
        )
        self._tail: list[str] = []

    def watch(self) -> int:
        """Until it ends; its exit code."""
        reader = threading.Thread(target=self._read_errors)
        reader.start()
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.findings += line.startswith("FOUND")
            if line.startswith(("FOUND", "  python", self.name)):
                print(line, end="", flush=True)
        reader.join()
        code = self._process.wait()
        self._show("done" if code == 0 else f"ended with {code}")
        if code:
            print("".join(self._tail), flush=True)
        return code

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._tail = [*self._tail, line][-40:]
            status = _STATUS.match(line)
            if status:
                self.inputs, self.coverage, self.features = map(int, status.groups()[:3])
            elif line.startswith("stat::number_of_executed_units:"):
                self.inputs = int(line.split()[1])
            if time.monotonic() - self._shown_at > PRINT_EVERY_S:
                self._show("")

    def _show(self, word: str) -> None:
        self._shown_at = time.monotonic()
        print(
            f"{self.name:<26} {self.inputs:>9,} inputs  {self.coverage:>5} edges "
            f"{self.features:>6} features  {self.findings} findings  {word}",
            flush=True,
        )


def _run_all(names: Sequence[str], options: argparse.Namespace) -> int:
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name in names:
        waiting.put(name)
    done: list[tuple[Watched, int]] = []

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                watched = Watched(waiting.get_nowait(), options)
                done.append((watched, watched.watch()))

    workers = [threading.Thread(target=work) for _ in range(options.jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    inputs = sum(watched.inputs for watched, _ in done)
    findings = sum(watched.findings for watched, _ in done)
    broken = [watched.name for watched, code in done if code]
    print(f"{len(done)} targets, {inputs:,} inputs, {findings} findings", flush=True)
    if broken:
        print(f"These did not come to their end: {', '.join(broken)}", flush=True)
    return 1 if findings or broken else 0


def _replay(name: str, what: str) -> int:
    from fuzz.registry import target
    from fuzz.target import BrokenPromise, run

    is_hex = re.fullmatch(r"[0-9a-fA-F]*", what) is not None
    text = what if is_hex else Path(what).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    for line in lines:
        try:
            taken = run(target(name), bytes.fromhex(line), measured=True)
        except BrokenPromise as error:
            traceback.print_exception(error.__cause__ or error)
            print(f"{name}: {error}")
            return 1
        print(f"{name}: {'taken' if taken else 'refused'}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    parser.add_argument("--target", action="append", default=[], help="all that begin with this")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time (default 1)")
    parser.add_argument("--seed", type=int, default=1, help="of the wounds, without atheris")
    parser.add_argument("--blind", action="store_true", help="without atheris even if it is there")
    parser.add_argument("--work", type=Path, default=ROOT / ".fuzz", help="corpora and findings")
    parser.add_argument("--list", action="store_true", help="the targets, and what each is")
    parser.add_argument("--replay", nargs=2, metavar=("TARGET", "HEX"), help="hex, or a file of it")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = _options()
    options.blind = options.blind or importlib.util.find_spec("atheris") is None
    options.work = options.work.resolve()
    if options.child:
        folder = options.work / "findings"
        corpus = options.work / "corpus" / options.target[0]
        folder.mkdir(parents=True, exist_ok=True)
        corpus.mkdir(parents=True, exist_ok=True)
        if options.blind:
            _run_blind(options, folder)
        else:
            _run_guided(options, folder, corpus)
        return 0
    if options.replay:
        return _replay(*options.replay)
    from fuzz.registry import kinds

    every = {}
    for prefix in options.target or [""]:
        every.update(kinds(prefix))
    if options.list:
        for name, kind in every.items():
            print(f"{name:<26} {' '.join((kind.__doc__ or '').split())}")
        return 0
    if not every:
        print(f"There is no such target: {', '.join(options.target)}", file=sys.stderr)
        return 2
    if options.blind:
        print("Without atheris: valid inputs with random wounds, not guided by coverage.")
    return _run_all(list(every), options)


if __name__ == "__main__":
    sys.exit(main())
