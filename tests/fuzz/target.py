"""What a fuzz target is, and the one promise that all of them are held to: whatever bytes arrive,
they are taken or refused, never anything else; what was refused left everything as it was; and
neither work nor memory grows beyond what the length of the bytes allows.

Work is counted as calls of Python functions, not as time: the same on every machine.
"""

from __future__ import annotations

import sys
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import ClassVar, Generic, TypeVar

S = TypeVar("S")

# Parts a script of several messages into its steps; see `steps`.
STEP_MARK = b"\xf0|\xf1"
STEPS_MAX = 12


class BrokenPromise(AssertionError):
    """An input that was neither taken nor refused, or that cost or changed what it must not."""


class TooCostlyError(BrokenPromise):
    """More work or memory than an input of this length may cause."""


class Target(ABC, Generic[S]):
    """One thing that bytes from outside arrive at. `S`: the state that they meet.

    `refusals`: the documented errors, by which alone the bytes may be refused. `bytes_max`: longer
    inputs are cut. The two budgets: calls of functions, and bytes of memory at the peak, for an
    input of no bytes and for each byte more.
    """

    name: ClassVar[str]
    refusals: ClassVar[tuple[type[Exception], ...]] = ()
    bytes_max: ClassVar[int] = 4096
    calls: ClassVar[tuple[int, int]] = (2_000, 20)
    memory: ClassVar[tuple[int, int]] = (64 << 10, 64)
    examples: ClassVar[int] = 150  # in the test suite

    @abstractmethod
    def seeds(self) -> Sequence[bytes]:
        """Inputs that are taken: what mutations start from."""

    @abstractmethod
    def begin(self) -> S:
        """The state that an input meets: equal each time."""

    @abstractmethod
    def feed(self, state: S, data: bytes) -> bool:
        """Hands the bytes over; whether they were taken. A refusal may also be one of
        `refusals`, raised."""

    def fingerprint(self, state: S) -> object:
        """What a refusal may not have changed."""
        return None

    def check(self, state: S, data: bytes) -> None:
        """Whatever else must hold afterwards; raises AssertionError."""


class Decoder(Target[None]):
    """A target without state. `encode`, if there is one, must give the very bytes that decoded."""

    def __init__(self) -> None:
        self._made = list(self.make_seeds())

    @abstractmethod
    def make_seeds(self) -> Sequence[bytes]:
        """See `seeds`."""

    @abstractmethod
    def decode(self, data: bytes) -> object:
        """Decodes, or raises one of `refusals`; None is a refusal too."""

    def encode(self, value: object) -> bytes | None:
        """The inverse, where there is one."""
        return None

    def seeds(self) -> Sequence[bytes]:
        return self._made

    def begin(self) -> None:
        return None

    def feed(self, state: None, data: bytes) -> bool:
        value = self.decode(data)
        if value is None:
            return False
        again = self.encode(value)
        if again is not None and again != data:
            raise BrokenPromise(f"decoded, and encodes as {again.hex()}")
        return True


def steps(data: bytes) -> list[bytes]:
    """The messages of a script, at most STEPS_MAX."""
    return data.split(STEP_MARK)[:STEPS_MAX]


def script(*messages: bytes) -> bytes:
    """The inverse of `steps`."""
    return STEP_MARK.join(messages)


def run(target: Target[S], data: bytes, *, measured: bool = False) -> bool:
    """Whether the input was taken; BrokenPromise if the promise does not hold."""
    try:
        return _run_once(target, data[: target.bytes_max], measured)
    except TooCostlyError:
        # Once more: what is imported, compiled or made on first use is no cost of the input.
        return _run_once(target, data[: target.bytes_max], measured)


def _run_once(target: Target[S], data: bytes, measured: bool) -> bool:
    state = target.begin()
    before = target.fingerprint(state)
    spent = _Spent()
    try:
        with _meter(spent) if measured else _nothing():
            taken = target.feed(state, data)
    except BrokenPromise:
        raise
    except target.refusals:
        taken = False
    except Exception as error:
        raise BrokenPromise(f"raised {type(error).__name__}: {error}") from error
    if not taken and target.fingerprint(state) != before:
        raise BrokenPromise("refused, and something changed all the same")
    _within(spent.calls, target.calls, len(data), "calls")
    _within(spent.peak_bytes, target.memory, len(data), "bytes of memory")
    try:
        target.check(state, data)
    except AssertionError as error:
        raise BrokenPromise(f"afterwards: {error}") from error
    return taken


def _within(spent: int, budget: tuple[int, int], length: int, what: str) -> None:
    allowed = budget[0] + budget[1] * length
    if spent > allowed:
        raise TooCostlyError(f"{spent} {what} for {length} bytes, {allowed} are allowed")


class _Spent:
    calls = 0
    peak_bytes = 0


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _meter(spent: _Spent) -> Iterator[None]:
    def count(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            spent.calls += 1

    ours = not tracemalloc.is_tracing()
    if ours:
        tracemalloc.start(1)
    tracemalloc.reset_peak()
    start = tracemalloc.get_traced_memory()[0]
    before: Callable[..., object] | None = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)
        spent.peak_bytes = tracemalloc.get_traced_memory()[1] - start
        if ours:
            tracemalloc.stop()
