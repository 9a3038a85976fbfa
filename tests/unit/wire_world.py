"""A relay core and agents' links joined by lists instead of sockets, on a virtual clock."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

import pytest

from folkmoot.wire import LaneSlot, LinkMachine, RelayCore, RelayLimits, messages, proof
from folkmoot.wire.lanes import LANE_RULES, Direction
from folkmoot.wire.link_events import CellsArrived, Event, RoomOpened
from folkmoot.wire.messages import Closing
from folkmoot.wire.relay_core import Deliver, Shut

PIN = bytes(range(32))


def seeded(seed: int) -> Callable[[int], bytes]:
    """An entropy that a seed replays."""
    return random.Random(seed).randbytes


def cell(slot: LaneSlot, tag: int) -> bytes:
    """A cell of the lane's size that is easy to tell apart."""
    return tag.to_bytes(4, "big") * (LANE_RULES[slot].cell_bytes // 4)


class Agent:
    """One link's two ends: the machine, and what arrived for it."""

    def __init__(self, world: World, version: int, pin: bytes) -> None:
        self.world = world
        self.machine = LinkMachine(pin, seeded(world.seed + len(world.agents)), world.now)
        self.number = world.relay.link_opened(world.now, version)
        self.received: list[bytes] = []  # messages as the relay sent them
        self.shut: Shut | None = None
        self.events: list[Event] = []

    def open(
        self, handle: int, seed: bytes, slot: LaneSlot, direction: Direction = Direction.BOTH
    ) -> None:
        self.machine.open_room(handle, seed, slot, direction, self.world.now)

    def cells(self, handle: int) -> list[bytes]:
        """All cells that have arrived for a handle."""
        arrivals = (event for event in self.events if isinstance(event, CellsArrived))
        return [one for event in arrivals if event.handle == handle for one in event.cells]

    def seen(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


class World:
    """`advance` runs everything up to a moment, in the order of time."""

    def __init__(
        self, seed: int = 1, limits: RelayLimits | None = None, start: float = 0.0
    ) -> None:
        self.seed = seed
        self.now = start
        self.relay = RelayCore(PIN, seeded(seed), self.now, limits=limits)
        self.agents: list[Agent] = []
        self.paused: set[int] = set()
        self.delivered: deque[Deliver | Shut] = deque(maxlen=10_000)

    def agent(self, version: int = 1, pin: bytes = PIN) -> Agent:
        agent = Agent(self, version, pin)
        self.agents.append(agent)
        self.settle()
        return agent

    def by_number(self, number: int) -> Agent:
        return next(agent for agent in self.agents if agent.number == number)

    def settle(self) -> None:
        """Carries messages both ways until nothing is left to carry."""
        busy = True
        while busy:
            busy = False
            while (out := self.relay.next_outgoing()) is not None:
                busy = True
                self.delivered.append(out)
                if isinstance(out, Shut):
                    self.by_number(out.link).shut = out
                    continue
                for number in out.links:
                    agent = self.by_number(number)
                    for message in out.messages:
                        agent.received.append(message)
                        agent.machine.receive(message, self.now)
            for agent in self.agents:
                while (sent := agent.machine.next_outgoing()) is not None:
                    busy = True
                    self.relay.receive(agent.number, sent, self.now)
                while (event := agent.machine.next_event()) is not None:
                    agent.events.append(event)

    def advance(self, seconds: float) -> None:
        """Lets so much time pass, every timer in its order."""
        self.settle()
        end = self.now + seconds
        while True:
            timers = [self.relay.next_timer()]
            timers += [agent.machine.next_timer() for agent in self.agents if agent.shut is None]
            due = min((at for at in timers if at is not None), default=float("inf"))
            if due > end:
                break
            self.now = max(self.now, due)
            self.relay.handle_timer(self.now)
            for agent in self.agents:
                if agent.shut is None:
                    agent.machine.handle_timer(self.now)
            self.settle()
        self.now = end


SEED = b"s" * 32
VOICE = LaneSlot.VOICE


def in_room(world: World, count: int, slot: LaneSlot = VOICE) -> list[Agent]:
    """So many agents with the room SEED of this slot open, under handle 1."""
    agents = [world.agent() for _ in range(count)]
    for agent in agents:
        agent.open(1, SEED, slot)
    world.advance(0.5)
    assert all(agent.seen(RoomOpened) for agent in agents)
    return agents


def room_messages(agent: Agent) -> list[bytes]:
    return [message for message in agent.received if message[0] == messages.RelayType.CELLS]


class Raw:
    """A link whose bytes are written by hand."""

    def __init__(self, limits: RelayLimits | None = None) -> None:
        self.relay = RelayCore(PIN, seeded(1), 0.0, limits=limits)
        self.now = 0.0
        self.link = self.relay.link_opened(0.0)
        self.challenges = {0: messages.decode_from_relay(self.answer()[0])}
        self.request = 0

    def answer(self) -> list[bytes]:
        got: list[bytes] = []
        while (out := self.relay.next_outgoing()) is not None:
            if isinstance(out, Shut):
                raise ClosedError(out)
            got += out.messages
        return got

    def say(self, data: bytes) -> list[bytes]:
        self.relay.receive(self.link, data, self.now)
        return self.answer()

    def open(
        self,
        seed: bytes = SEED,
        slot: LaneSlot = VOICE,
        direction: Direction = Direction.BOTH,
        number: int = 0,
    ) -> messages.FromRelay:
        given_challenge = self.challenges[number]
        assert isinstance(given_challenge, messages.Hello | messages.Challenge)
        key, signature = proof.sign_proof(seed, PIN, slot, direction, given_challenge.challenge)
        self.request += 1
        wish = messages.Open(self.request % 256, number, slot, direction, key, 0, signature)
        (reply,) = self.say(wish.encode())
        return messages.decode_from_relay(reply)

    def ask(self) -> int:
        number = len(self.challenges)
        (reply,) = self.say(messages.Ask().encode())
        self.challenges[number] = messages.decode_from_relay(reply)
        return number


class ClosedError(Exception):
    def __init__(self, shut: Shut) -> None:
        self.shut = shut
        super().__init__(shut.code.name)


def closing_code(raw: Raw, data: bytes) -> Closing:
    with pytest.raises(ClosedError) as closed:
        raw.say(data)
    assert closed.value.shut.sentence == messages.CLOSING_SENTENCES[closed.value.shut.code]
    assert raw.relay.links_open == 0
    return closed.value.shut.code
