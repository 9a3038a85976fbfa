"""The harness notices what it is there to notice: decoders and machines broken on purpose."""

from __future__ import annotations

import argparse
import importlib.util
import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from folkmoot import mls
from folkmoot.agent import stdin_commands
from folkmoot.cells import fragments, media
from folkmoot.cells.picture import PictureReceiver
from folkmoot.cells.reliable import RecordLog
from folkmoot.meeting import save
from folkmoot.meeting.chat import ChatBook
from folkmoot.meeting.hearing import Hearing
from folkmoot.meeting.meeting import Meeting
from folkmoot.mls.secret_tree import SecretTree
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.link import LinkMachine
from folkmoot.wire.relay_core import RelayCore
from fuzz import __main__ as long_run
from fuzz.mutation import wounded
from fuzz.registry import CORPUS, starts, target
from fuzz.state import copy_of, fingerprint, held_bytes
from fuzz.target import BrokenPromise, Decoder, Target, run

ROOT = Path(__file__).resolve().parents[2]
INPUTS_MAX = 3_000
Patch = pytest.MonkeyPatch


class Broken(Decoder):
    """Takes an even number of bytes of which the first is no larger than the number of bytes, and
    is broken in the way that `how` says."""

    name = "test.broken"
    refusals = (DecodeError,)

    def __init__(self, how: str) -> None:
        self._how = how
        super().__init__()

    def make_seeds(self) -> Sequence[bytes]:
        return [bytes((4, 1, 2, 3)), bytes((2, 9))]

    def decode(self, data: bytes) -> object:
        if len(data) % 2 or (self._how != "index" and not data):
            raise DecodeError("odd")
        place = data[0]
        if place > len(data) and self._how != "index":
            raise DecodeError("too large")
        if self._how == "work":
            sum(_one(number) for number in range(place * 10_000))
        if self._how == "memory":
            bytearray(place << 20)
        return data + data[place : place + 1] + bytes((data[place - 1],))

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, bytes)
        return value[:2] if self._how == "encoding" else None


def _one(number: int) -> int:
    return number


def found(held: Target[Any], seeds: Sequence[bytes]) -> str:
    """What the harness says of a target, or nothing."""
    chance = random.Random(1)
    for data in seeds:
        try:
            run(held, data, measured=True)
        except BrokenPromise as error:
            return str(error)
    for number in range(INPUTS_MAX):
        try:
            run(held, wounded(seeds, chance), measured=number % 8 == 0)
        except BrokenPromise as error:
            return str(error)
    return ""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("", ""),
        ("index", "raised IndexError"),
        ("work", "calls for"),
        ("memory", "bytes of memory"),
        ("encoding", "encodes as"),
    ],
)
def test_a_broken_decoder_is_noticed(how: str, said: str) -> None:
    held = Broken(how)
    assert said in found(held, held.seeds())
    assert bool(found(held, held.seeds())) == bool(how)


class Counter(Target[list[int]]):
    """Counts, and refuses odd inputs after it has counted."""

    name = "test.counter"

    def seeds(self) -> Sequence[bytes]:
        return [b"even"]

    def begin(self) -> list[int]:
        return [0]

    def feed(self, state: list[int], data: bytes) -> bool:
        state[0] += 1
        return len(data) % 2 == 0

    def fingerprint(self, state: list[int]) -> object:
        return tuple(state)


def test_a_state_that_a_refusal_changed_is_noticed() -> None:
    assert "something changed" in found(Counter(), [b"even"])


# Checks of the product taken out, and the target that must notice.


def _any_length(patch: Patch) -> None:
    def length(self: codec.Reader) -> int:
        first = self.u8()
        return int.from_bytes(
            bytes((first & 0x3F,)) + self.take((1 << (first >> 6) % 3) - 1), "big"
        )

    patch.setattr(codec.Reader, "length", length)


def _more_behind(patch: Patch) -> None:
    patch.setattr(codec.Reader, "finish", lambda self: None)


def _early_consumption(patch: Patch) -> None:
    peek = SecretTree.peek

    def consuming(self: SecretTree, *arguments: object) -> object:
        key = peek(self, *arguments)  # type: ignore[arg-type]
        self.consume(key)
        return key

    patch.setattr(SecretTree, "peek", consuming)


def _raise(*_: object) -> NoReturn:
    raise LookupError("of a kind that nobody documented")


def _raising_checks(patch: Patch) -> None:
    patch.setattr(mls.validation, "check_leaf_content", _raise)


def _no_proof(patch: Patch) -> None:
    patch.setattr(
        fragments, "decode_fragment", lambda data: codec.decode(fragments._read_fragment, data)
    )


def _trusting_reader(patch: Patch) -> None:
    """A fragment of any length where others have a size: the assembler's count is then wrong."""
    patch.setattr(PictureReceiver, "_forget", lambda self, number: self._partial.pop(number))


def _endless_line(patch: Patch) -> None:
    def feed(self: stdin_commands.LineSplitter, data: bytes) -> list[bytes]:
        self._kept += data
        return []

    patch.setattr(stdin_commands.LineSplitter, "feed", feed)


def _eager_relay(patch: Patch) -> None:
    shut = RelayCore._shut

    def both(self: RelayCore, link: object, code: object) -> None:
        for other in list(self._links.values()):
            shut(self, other, code)  # type: ignore[arg-type]

    patch.setattr(RelayCore, "_shut", both)


def _link_forgets(patch: Patch) -> None:
    def answered(self: LinkMachine, request: int) -> object:
        self._asked += 1
        room = self._requests.pop(request, None)
        if room is None:
            raise DecodeError("an answer to no request")
        return room

    patch.setattr(LinkMachine, "_answered", answered)


def _log_without_check(patch: Patch) -> None:
    add = RecordLog.add

    def adding(self: RecordLog, record: bytes, wall_s: float) -> bool:
        self._size += 1
        return add(self, record, wall_s)

    patch.setattr(RecordLog, "add", adding)


def _raising_header(patch: Patch) -> None:
    patch.setattr(media.MediaKeys, "_header", _raise)


def _unread_chat(patch: Patch) -> None:
    patch.setattr(ChatBook, "receive", lambda self, body, states, now: None)


def _naming_raises(patch: Patch) -> None:
    def hear(self: Hearing, body: bytes, now: float) -> None:
        assert len(body) < 120, "nobody says so much"

    patch.setattr(Hearing, "_hear_naming", hear)


def _outsider_is_counted(patch: Patch) -> None:
    receive = Meeting.receive

    def counting(self: Meeting, room: int, cells: Sequence[bytes], now: float) -> None:
        receive(self, room, cells, now)
        self._lost_check_at += 1

    patch.setattr(Meeting, "receive", counting)


def _no_checksum(patch: Patch) -> None:
    decode = save.Saved.decode.__func__  # type: ignore[attr-defined]

    def trusting(cls: type[save.Saved], data: bytes) -> save.Saved:
        content = data[: -save.CHECKSUM_BYTES]
        again: save.Saved = decode(cls, content + save._checksum(content))
        return again

    patch.setattr(save.Saved, "decode", classmethod(trusting))


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("governance.evidence", _any_length),
        ("words.statements", _more_behind),
        ("mls.receive", _early_consumption),
        ("mls.insider_proposal", _raising_checks),
        ("cells.fragments", _no_proof),
        ("cells.picture_receiver", _trusting_reader),
        ("agent.lines", _endless_line),
        ("wire.relay_core", _eager_relay),
        ("wire.link", _link_forgets),
        ("cells.reliable", _log_without_check),
        ("cells.media", _raising_header),
        ("meeting.insider", _unread_chat),
        ("meeting.insider", _naming_raises),
        ("meeting.outsider", _outsider_is_counted),
        ("coming.saved", _no_checksum),
    ],
)
def test_a_check_taken_out_of_the_product_is_noticed(
    name: str, broken: Callable[[Patch], None], monkeypatch: Patch
) -> None:
    held, seeds = target(name), starts(name)
    for data in seeds:
        run(held, data)
    broken(monkeypatch)
    assert found(held, seeds)


def test_copies_are_equal_and_apart() -> None:
    state = {"a": [1, b"two"], "b": (3.0, None)}
    copy = copy_of(state)
    assert fingerprint(copy) == fingerprint(state)
    copy["a"].append(4)  # type: ignore[attr-defined]
    assert fingerprint(copy) != fingerprint(state)
    assert 100 <= held_bytes([b"x" * 100]) < 120


def command(*arguments: str, work: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments, "--work", str(work)],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip


def test_the_command_runs_and_replays(tmp_path: Path) -> None:
    ran = command("--blind", "--seconds", "1", "--target", "wire.address", work=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 targets" in ran.stdout
    assert "0 findings" in ran.stdout
    replayed = command("--replay", "wire.from_agent", "02", work=tmp_path)
    assert (replayed.returncode, replayed.stdout) == (0, "wire.from_agent: taken\n")
    assert command("--target", "nothing", work=tmp_path).returncode == 2


def test_hex_and_files_of_it_are_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert long_run._replay("wire.from_agent", "02" + "00" * 300) == 0
    assert long_run._replay("coming.saved", str(CORPUS / "coming.saved.hex")) == 0
    assert set(capsys.readouterr().out.split("\n")) == {
        "wire.from_agent: refused",
        "coming.saved: refused",
        "",
    }


def test_what_is_found_is_written_and_can_be_replayed(
    tmp_path: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    _more_behind(monkeypatch)
    options = argparse.Namespace(target=["words.statements"], seed=1, seconds=2)
    long_run._run_blind(options, tmp_path)
    shown = capsys.readouterr().out
    assert "FOUND in words.statements at" in shown
    assert "python -m tests.fuzz --replay words.statements " in shown
    (path, *more) = tmp_path.iterdir()
    assert len(more) < long_run.FINDINGS_MAX
    assert long_run._replay("words.statements", str(path)) == 1
    monkeypatch.undo()
    assert long_run._replay("words.statements", str(path)) == 0


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="for a long run guided by coverage: pip install atheris (Linux on x86-64)",
)
def test_the_command_is_guided_by_coverage(tmp_path: Path) -> None:
    ran = command("--seconds", "2", "--target", "wire.from_agent", work=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 edges" not in ran.stdout.splitlines()[-2]
    assert list((tmp_path / "corpus" / "wire.from_agent").iterdir())
