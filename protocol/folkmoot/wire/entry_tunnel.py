"""One tunnel of an entry: what passes between a client and a relay, how much, for how long.

A machine without I/O: whoever drives it looks for the target (rules in `entry_rules.py`), holds
both connections, and stops reading from either while `reads_client` or `reads_target` is false. So
nothing is ever queued here but one read, and a fast end waits for a slow one.

Nothing that passes can be read: both ends speak TLS with each other, and what does not begin as TLS
begins is not passed on. Whatever arrives raises nothing; it ends the tunnel with a code.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass

from folkmoot.wire.codec import DecodeError
from folkmoot.wire.entry_messages import (
    CARRYING,
    TUNNEL_MESSAGE_BYTES_MAX,
    EntryClosing,
    Target,
    decode_target,
)
from folkmoot.wire.limits import Bucket

# RFC 8446 §5.1 and §4: a record's type, and of a handshake's first message.
_ALERT, _HANDSHAKE = 0x15, 0x16
_MAJOR = 0x03
_CLIENT_HELLO, _SERVER_HELLO = 0x01, 0x02
_BEGINNING_BYTES = 6  # type, version, length, type of the message


@dataclass(frozen=True, slots=True)
class EntryLimits:
    """Units are in the names: `_s` seconds, `_per_s` a second, `_bytes` bytes; the rest are counts.

    The paces are above what a link may carry in a meeting (voice of fifty and several pictures) and
    below what would make an entry worth borrowing for anything else."""

    tunnels: int = 1024
    looks: int = 64  # targets that are looked for at the same time
    looks_per_s: float = 20.0  # two TLS handshakes each, one of them ours: a tenth of a core
    looks_burst: float = 200.0  # everybody of a few meetings at once, after a relay went

    target_wait_s: float = 10.0  # from the upgrade to TARGET
    # Every refusal and every failure comes so long after TARGET: neither the answer nor its time
    # tells a port that is closed from one that is filtered, refused or no relay.
    answer_s: float = 4.0
    # What a client may send before the inner TLS has answered, and how long that may take. Enough
    # for any ClientHello, little for whoever wants to make noise somewhere.
    first_bytes: int = 65_536
    first_answer_s: float = 10.0

    up_bytes_per_s: float = 1_000_000.0  # as the relay at the far end allows a link
    up_burst_bytes: float = 4_000_000.0
    # A message counts for so many at least, so that small ones cost no more than large ones.
    message_bytes_least: int = 256
    down_bytes_per_s: float = 6_000_000.0
    down_burst_bytes: float = 24_000_000.0
    buffer_bytes: int = 1_048_576  # written and not yet taken, each way; over it the tunnel ends
    stall_s: float = 10.0  # an end that is full and takes nothing for so long
    # Nothing passes either way. Long, as a link that waits at the door of a reserve relay is quiet;
    # one without a room is closed by the relay, a dead one found out by TCP, both much sooner.
    idle_s: float = 3_600.0
    life_s: float = 86_400.0  # a day, after which a client that still is there comes again


class _State(enum.Enum):
    FRESH = enum.auto()
    LOOKING = enum.auto()
    CARRYING = enum.auto()
    ENDED = enum.auto()


@dataclass(frozen=True, slots=True)
class Look:
    """Look for a relay there, and say `found` once a connection to it stands. Of a failure nothing
    is said: the client learns it when every client does, by `handle_timer`."""

    target: Target


@dataclass(frozen=True, slots=True)
class ToClient:
    """One message for the client."""

    message: bytes


@dataclass(frozen=True, slots=True)
class ToTarget:
    """Bytes for the relay."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Shut:
    """End both connections, the client's with this code. The last thing a tunnel wants."""

    closing: EntryClosing


Outgoing = Look | ToClient | ToTarget | Shut


class _Beginning:
    """Holds the first bytes of one direction until they show whether they are TLS's."""

    def __init__(self, from_client: bool) -> None:
        self._from_client = from_client
        self._held = b""
        self.done = False

    def take(self, data: bytes) -> bytes | None:
        """What may be passed on of what is here; None when it is not TLS."""
        data = self._held + data
        if len(data) < _BEGINNING_BYTES:
            self._held = data
            return b""
        if data[1] != _MAJOR:
            return None
        hello = _CLIENT_HELLO if self._from_client else _SERVER_HELLO
        # A relay may also refuse the handshake, with an alert.
        refusal = data[0] == _ALERT and not self._from_client
        if not refusal and (data[0] != _HANDSHAKE or data[5] != hello):
            return None
        self.done, self._held = True, b""
        return data


class _Flow:
    """One direction: whether its far end is full, and how much may pass."""

    def __init__(self, per_s: float, burst: float, from_client: bool, now: float) -> None:
        self.bucket = Bucket(per_s, burst, now)
        self.beginning = _Beginning(from_client)
        self.full_since: float | None = None
        self.resume_at: float | None = None

    @property
    def open(self) -> bool:
        return self.full_since is None and self.resume_at is None

    def passed(self, count: int, now: float) -> None:
        left = self.bucket.take(count, now)
        if left < 0:
            self.resume_at = now - left / self.bucket.pace

    def full(self, now: float) -> None:
        if self.full_since is None:
            self.full_since = now


class Tunnel:
    """The entry's side of one tunnel, from the upgrade to the end."""

    def __init__(self, limits: EntryLimits, now: float) -> None:
        self._limits = limits
        self._state = _State.FRESH
        self._began = now
        self._asked = now  # when TARGET came
        self._carrying = now  # when the target was found
        self._passed = now  # when bytes passed last
        self._first_bytes = 0
        self._up = _Flow(limits.up_bytes_per_s, limits.up_burst_bytes, True, now)
        self._down = _Flow(limits.down_bytes_per_s, limits.down_burst_bytes, False, now)
        self._out: deque[Outgoing] = deque()
        self.up_bytes = 0
        self.down_bytes = 0

    # What the client does

    def receive(self, message: bytes, now: float) -> None:
        """A binary message of the client."""
        if self._state is _State.FRESH:
            try:
                target = decode_target(message)
            except DecodeError:
                self.end(EntryClosing.BAD_MESSAGE)
                return
            self._state, self._asked = _State.LOOKING, now
            self._out.append(Look(target))
        elif self._state is _State.LOOKING:
            self.end(EntryClosing.BAD_MESSAGE)  # it cannot know yet that there is a tunnel
        elif self._state is _State.CARRYING:
            self._carry_up(message, now)

    def _carry_up(self, message: bytes, now: float) -> None:
        if not 0 < len(message) <= TUNNEL_MESSAGE_BYTES_MAX:
            self.end(EntryClosing.BAD_MESSAGE)
            return
        if not self._down.beginning.done:
            self._first_bytes += len(message)
            if self._first_bytes > self._limits.first_bytes:
                self.end(EntryClosing.BAD_MESSAGE)
                return
        data: bytes | None = message
        if not self._up.beginning.done:
            data = self._up.beginning.take(message)
            if data is None:
                self.end(EntryClosing.BAD_MESSAGE)
                return
        self._up.passed(max(len(message), self._limits.message_bytes_least), now)
        self.up_bytes += len(message)
        self._passed = now
        if data:
            self._out.append(ToTarget(data))

    def malformed(self) -> None:
        """The client sent something that is no binary message in one frame."""
        self.end(EntryClosing.BAD_MESSAGE)

    # What the target does

    def found(self, now: float) -> bool:
        """A relay answered, and a connection to that same address stands. Whether the tunnel still
        wants it: False after the time for an answer, or after the end."""
        if self._state is not _State.LOOKING or now >= self._asked + self._limits.answer_s:
            return False
        self._state, self._carrying, self._passed = _State.CARRYING, now, now
        self._out.append(ToClient(CARRYING))
        return True

    def receive_from_target(self, data: bytes, now: float) -> None:
        """Bytes of the relay, any number."""
        if self._state is not _State.CARRYING or not data:
            return
        passed: bytes | None = data
        if not self._down.beginning.done:
            passed = self._down.beginning.take(data)
            if passed is None:
                self.end(EntryClosing.NOT_A_RELAY)
                return
        self._down.passed(len(data), now)
        self.down_bytes += len(data)
        self._passed = now
        assert passed is not None
        for start in range(0, len(passed), TUNNEL_MESSAGE_BYTES_MAX):
            self._out.append(ToClient(passed[start : start + TUNNEL_MESSAGE_BYTES_MAX]))

    def target_ended(self) -> None:
        """The connection to the relay is gone. What it sent before is sent on first."""
        if self._state is _State.CARRYING:
            self.end(EntryClosing.TARGET_ENDED)

    # What the connections' buffers do

    def client_full(self, now: float) -> None:
        """The client does not take what is written."""
        self._down.full(now)

    def client_ready(self) -> None:
        """It takes it again."""
        self._down.full_since = None

    def target_full(self, now: float) -> None:
        """The relay does not take what is written."""
        self._up.full(now)

    def target_ready(self) -> None:
        """It takes it again."""
        self._up.full_since = None

    def buffered(self, count: int) -> None:
        """So many bytes wait in one direction: a driver that could not stop reading in time, or an
        end that pours without being read, must not fill the machine."""
        if count > self._limits.buffer_bytes:
            self.end(EntryClosing.TOO_SLOW)

    @property
    def reads_client(self) -> bool:
        """Whether to read what the client sends. Before there is a tunnel it may send TARGET only,
        and is read so that its going is noticed."""
        return self._state is not _State.CARRYING or self._up.open

    @property
    def reads_target(self) -> bool:
        """Whether to read what the relay sends."""
        return self._state is _State.CARRYING and self._down.open

    # The end, time, and what is wanted

    @property
    def ended(self) -> bool:
        """Whether Shut was wanted."""
        return self._state is _State.ENDED

    def end(self, closing: EntryClosing) -> None:
        """Ends the tunnel with this code; the first one counts."""
        if self._state is not _State.ENDED:
            self._state = _State.ENDED
            self._out.append(Shut(closing))

    def next_outgoing(self) -> Outgoing | None:
        """What to do next, in order."""
        return self._out.popleft() if self._out else None

    def _deadlines(self) -> list[tuple[float, EntryClosing]]:
        limits = self._limits
        if self._state is _State.FRESH:
            return [(self._began + limits.target_wait_s, EntryClosing.IDLE)]
        if self._state is _State.LOOKING:
            return [(self._asked + limits.answer_s, EntryClosing.NOT_A_RELAY)]
        if self._state is _State.ENDED:
            return []
        found = [
            (self._began + limits.life_s, EntryClosing.TOO_OLD),
            (self._passed + limits.idle_s, EntryClosing.IDLE),
        ]
        if not self._down.beginning.done:
            found.append((self._carrying + limits.first_answer_s, EntryClosing.IDLE))
        for flow in (self._up, self._down):
            if flow.full_since is not None:
                found.append((flow.full_since + limits.stall_s, EntryClosing.TOO_SLOW))
        return found

    def next_timer(self) -> float | None:
        """When to call handle_timer."""
        times = [at for at, _ in self._deadlines()]
        if self._state is _State.CARRYING:
            flows = (self._up, self._down)
            times += [flow.resume_at for flow in flows if flow.resume_at is not None]
        return min(times, default=None)

    def handle_timer(self, now: float) -> None:
        """What time alone brings about."""
        for flow in (self._up, self._down):
            if flow.resume_at is not None and flow.resume_at <= now:
                flow.resume_at = None
        for at, closing in self._deadlines():
            if at <= now:
                self.end(closing)
                return
