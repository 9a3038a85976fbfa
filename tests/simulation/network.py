"""Relays of the world, each with a real relay core, and the streams to them: they delay, hang and
break, as TCP's do.

What a stream delivers is in order and whole; all that may happen to single cells is a relay's doing
(`relay_conduct`). Time is the world's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from folkmoot.governance import Relay
from folkmoot.wire.relay_core import TICK_S, RelayCore, Shut
from simulation.relay_conduct import Conduct

if TYPE_CHECKING:
    from simulation.agent_link import AgentLink

BUFFER_BYTES = 65_536  # of a stream that hangs, before the relay's shell says that it is full


class Clock(Protocol):
    """What relays and links need of the world."""

    now: float
    random: random.Random
    delay_s: float

    def at(self, when: float, action: Callable[[], None]) -> None: ...
    def note(self, what: str, who: str, data: bytes) -> None: ...


class Connection:
    """One WebSocket: two ordered streams."""

    def __init__(self, clock: Clock, relay: SimRelay, link: AgentLink) -> None:
        self._clock = clock
        self.relay = relay
        self.link = link
        self.number = -1  # as the relay calls it
        self.open = True
        self.hung = False
        self._held: list[Callable[[], None]] = []
        self._held_bytes = 0
        self._up_at = self._down_at = 0.0

    def _delay(self) -> float:
        return self._clock.delay_s / 2 * (0.5 + self._clock.random.random())

    def up(self, data: bytes) -> None:
        """From the agent to the relay."""
        self._up_at = max(self._up_at, self._clock.now + self._delay())
        self._carry(self._up_at, lambda: self.relay.receive(self, data), 0)

    def down(self, data: tuple[bytes, ...], delay_s: float = 0.0) -> None:
        """From the relay to the agent; with a delay of the relay's own it is overtaken."""
        due = self._clock.now + delay_s + self._delay()
        if not delay_s:
            due = self._down_at = max(self._down_at, due)
        self._carry(due, lambda: self.link.receive(self, data), sum(map(len, data)))

    def _carry(self, when: float, arrive: Callable[[], None], size: int) -> None:
        def arrived() -> None:
            if self.hung:
                self._held.append(arrive)
                self._held_bytes += size
                if self._held_bytes > BUFFER_BYTES:
                    self.relay.paused(self)
            else:
                arrive()

        self._clock.at(when, arrived)

    def hang(self, hung: bool) -> None:
        """Nothing gets through for a while; what was sent arrives afterwards, all at once."""
        self.hung = hung
        if not hung:
            held, self._held = self._held, []
            self._held_bytes = 0
            for arrive in held:
                arrive()
            self.relay.resumed(self)

    def cut(self) -> None:
        """The connection breaks, and both ends see it."""
        if self.open:
            self.open = False
            self._clock.at(self._clock.now + self._delay(), lambda: self.relay.gone(self))
            self.link.lost(self)


class SimRelay:
    """A real relay core, and its conduct."""

    def __init__(
        self,
        clock: Clock,
        number: int,
        relay: Relay,
        *,
        chance: random.Random,
        tick_s: float = TICK_S,
        conduct: Conduct | None = None,
    ) -> None:
        self.number = number
        self.address = relay
        self.up = False
        self._clock = clock
        self._chance = chance
        self._tick_s = tick_s
        self._run = 0
        self._timer: float | None = None
        self._ends: dict[int, Connection] = {}
        self.conduct = conduct or Conduct()
        self.start()

    def start(self) -> None:
        """A fresh process: no rooms, no links."""
        if self.up:
            return
        self._run += 1
        self.up = True
        self._timer = None
        entropy = self._chance.randbytes
        self.core = RelayCore(
            self.address.address.pin, entropy, self._clock.now, tick_s=self._tick_s
        )
        self.conduct.begin(self)

    def stop(self) -> None:
        """kill -9."""
        self.up = False
        self._run += 1
        ends, self._ends = self._ends, {}
        for end in ends.values():
            end.cut()

    def take_up(self, conduct: Conduct) -> None:
        """Behaves like this from now on."""
        self._run += 1
        self.conduct = conduct
        self._timer = None
        if self.up:
            conduct.begin(self)
            self._pump()

    # -- what a conduct may do

    def links(self) -> list[int]:
        return list(self._ends)

    def shut(self, link: int) -> None:
        end = self._ends.get(link)
        if end is not None:
            end.cut()

    def room_of(self, number: int) -> tuple[int, list[int]] | None:
        """Cell size and receivers of a room."""
        for room in self.core._rooms.values():
            if room.number == number:
                return room.rule.cell_bytes, sorted(room.receivers)
        return None

    def say(self, link: int, message: bytes, delay_s: float) -> None:
        if link in self._ends:
            self._ends[link].down((message,), delay_s)

    def at(self, delay_s: float, action: Callable[[], None]) -> None:
        run = self._run
        self._clock.at(self._clock.now + delay_s, lambda: action() if run == self._run else None)

    # -- connections

    def connect(self, link: AgentLink) -> Connection:
        """A new WebSocket, whose handshake is done."""
        end = Connection(self._clock, self, link)
        end.number = self.core.link_opened(self._clock.now)
        self._ends[end.number] = end
        self._pump()
        return end

    def gone(self, end: Connection) -> None:
        if self._ends.pop(end.number, None) is end:
            self.core.link_closed(end.number)
            self._pump()

    def paused(self, end: Connection) -> None:
        if self._ends.get(end.number) is end:
            self.core.paused(end.number, self._clock.now)

    def resumed(self, end: Connection) -> None:
        if self._ends.get(end.number) is end:
            self.core.resumed(end.number)
            self._pump()

    def receive(self, end: Connection, data: bytes) -> None:
        if self._ends.get(end.number) is not end:
            return
        self._clock.note("up", str(self.number), data)
        for delay_s, message in self.conduct.into(self, end.number, data):
            self._take(end, message, delay_s)

    def _take(self, end: Connection, message: bytes, delay_s: float) -> None:
        def arrive() -> None:
            if self._ends.get(end.number) is end:
                self.core.receive(end.number, message, self._clock.now)
                self._pump()

        if delay_s:
            self.at(delay_s, arrive)
        else:
            arrive()

    def _pump(self) -> None:
        while (out := self.core.next_outgoing()) is not None:
            if isinstance(out, Shut):
                end = self._ends.pop(out.link, None)
                if end is not None:
                    self._clock.note("shut", str(self.number), out.sentence.encode())
                    end.cut()
                continue
            for link in out.links:
                end = self._ends.get(link)
                if end is not None:
                    self._send(end, link, out.messages)
        self._set_timer()

    def _send(self, end: Connection, link: int, outgoing: tuple[bytes, ...]) -> None:
        if not self.conduct.hostile:
            end.down(outgoing)
            return
        for message in outgoing:
            for delay_s, changed in self.conduct.out(self, link, message):
                end.down((changed,), delay_s)

    def _set_timer(self) -> None:
        due = self.core.next_timer()
        if due is None or (self._timer is not None and self._timer <= due):
            return
        self._timer = due
        core = self.core

        def fire() -> None:
            if self.core is core and self.up and self._timer == due:
                self._timer = None
                core.handle_timer(self._clock.now)
                self._pump()

        self._clock.at(max(due, self._clock.now), fire)
