"""Targets: the link's messages, both of its machines, and relay addresses."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from folkmoot.wire import messages, proof
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import Direction, LaneSlot
from folkmoot.wire.limits import RelayLimits
from folkmoot.wire.link import CHALLENGES_MAX, LinkMachine
from folkmoot.wire.link_events import LinkBroken, Rejected
from folkmoot.wire.messages import RelayType
from folkmoot.wire.relay_core import RelayCore, Shut
from fuzz.state import copy_of, fingerprint, held_bytes
from fuzz.target import BrokenPromise, Decoder, Target, script, steps
from unit.wire_world import PIN, SEED, cell, seeded

CELL = cell(LaneSlot.VOICE, 7)
KEY = bytes(range(32))


class FromRelay(Decoder):
    """A relay's message, as an agent decodes it."""

    name = "wire.from_relay"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [
            messages.Hello(1, KEY, 10, 64).encode(),
            messages.Challenge(KEY).encode(),
            messages.Opened(3, 77).encode(),
            messages.Refused(3, messages.Refusal.WORK_WANTED, 12, "Work.").encode(),
            messages.Leaving("Bye.").encode(),
            messages.encode_cells(77, [CELL, CELL]),
        ]

    def decode(self, data: bytes) -> object:
        return messages.decode_from_relay(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, messages.FromRelay)
        return value.encode()


class FromAgent(Decoder):
    """An agent's message, as a relay decodes it."""

    name = "wire.from_agent"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        wish = messages.Open(1, 0, LaneSlot.DOOR, Direction.BOTH, KEY, 9, bytes(64))
        return [
            messages.Ask().encode(),
            wish.encode(),
            messages.Close(77).encode(),
            messages.encode_cells(77, [CELL]),
        ]

    def decode(self, data: bytes) -> object:
        return messages.decode_from_agent(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, messages.FromAgent)
        return value.encode()


class Address(Decoder):
    """A relay's address as a person types it; what parses is written in one way only."""

    name = "wire.address"
    refusals = (DecodeError,)
    bytes_max = 600

    def make_seeds(self) -> Sequence[bytes]:
        addresses = (
            RelayAddress("relay.example", 443, KEY),
            RelayAddress("192.0.2.7", 1, PIN),
            RelayAddress("2001:db8::1", 65535, PIN),
        )
        return [str(one).encode() for one in addresses]

    def decode(self, data: bytes) -> object:
        address = RelayAddress.parse(data.decode("utf-8", "surrogateescape"))
        if RelayAddress.parse(str(address)) != address:
            raise BrokenPromise(f"{address} does not parse as what it is")
        return address


class Core(Target[SimpleNamespace]):
    """The relay's core: the steps of a script are one link's messages; another link, honest, has
    the same room open and must notice nothing but cells."""

    name = "wire.relay_core"
    bytes_max = 6_000
    calls = (4_000, 60)
    memory = (256 << 10, 64)

    def __init__(self) -> None:
        limits = RelayLimits(links=8, rooms=16, rooms_per_link=4, links_per_room=4)
        core = RelayCore(PIN, seeded(1), 0.0, limits=limits)
        self._start = SimpleNamespace(core=core, now=0.0)
        self._honest = self._link(core)
        self._hostile = self._link(core)
        # So that proofs made once are good for every copy: the hostile link's next challenge.
        core.receive(self._hostile, messages.Ask().encode(), 0.0)
        (answer,) = _deliveries(core)
        challenge = messages.decode_from_relay(answer)
        assert isinstance(challenge, messages.Challenge)
        self._proof = self._open(challenge.challenge, 1, LaneSlot.DOOR)

    def _link(self, core: RelayCore) -> int:
        link = core.link_opened(0.0)
        (answer,) = _deliveries(core)
        hello = messages.decode_from_relay(answer)
        assert isinstance(hello, messages.Hello)
        core.receive(link, self._open(hello.challenge, 0, LaneSlot.VOICE), 0.0)
        (answer,) = _deliveries(core)
        opened = messages.decode_from_relay(answer)
        assert isinstance(opened, messages.Opened)
        self._room = opened.room
        return link

    def _open(self, challenge: bytes, number: int, slot: LaneSlot) -> bytes:
        key, signature = proof.sign_proof(SEED, PIN, slot, Direction.BOTH, challenge)
        wish = messages.Open(0, number, slot, Direction.BOTH, key, 0, signature)
        return wish.encode()

    def seeds(self) -> Sequence[bytes]:
        cells = messages.encode_cells(self._room, [CELL])
        ask, close = messages.Ask().encode(), messages.Close(self._room).encode()
        return [
            script(cells, ask, self._proof, cells, close),
            script(ask, ask, self._proof),
            script(close, cells),
            messages.encode_cells(self._room, [CELL] * 8),
        ]

    def begin(self) -> SimpleNamespace:
        return copy_of(self._start)

    def feed(self, state: SimpleNamespace, data: bytes) -> bool:
        core: RelayCore = state.core
        for message in steps(data):
            core.receive(self._hostile, message, state.now)
            while (out := core.next_outgoing()) is not None:
                if not isinstance(out, Shut):
                    continue
                assert out.link != self._honest, "the honest link was shut"
                if core.links_open != 1:
                    raise BrokenPromise("shut, and the link is still there")
            state.now += 0.004
            core.handle_timer(state.now)
        return True  # what a relay does not take, it shuts the link for

    def check(self, state: SimpleNamespace, data: bytes) -> None:
        core: RelayCore = state.core
        while core.next_outgoing() is not None:
            pass
        mark = cell(LaneSlot.VOICE, 99)
        state.now += 1.0  # the room's own share of its pace
        core.receive(self._honest, messages.encode_cells(self._room, [mark]), state.now)
        core.handle_timer(state.now + 0.1)
        delivered = b"".join(_deliveries(core))
        assert mark in delivered, "the honest link's cell did not come through"
        assert held_bytes(core) < 64 << 10, "the core keeps too much"


def _deliveries(core: RelayCore) -> list[bytes]:
    found: list[bytes] = []
    while (out := core.next_outgoing()) is not None:
        if not isinstance(out, Shut):
            found += out.messages
    return found


class Link(Target[LinkMachine]):
    """An agent's link: the steps of a script are what a hostile relay says. One message is refused
    with the event Rejected, and then changed nothing."""

    name = "wire.link"
    bytes_max = 6_000
    calls = (6_000, 60)
    memory = (256 << 10, 64)

    def __init__(self) -> None:
        machine = LinkMachine(PIN, seeded(2), 0.0)
        machine.receive(messages.Hello(1, KEY, 10, 8).encode(), 0.0)
        machine.open_room(1, SEED, LaneSlot.VOICE, Direction.BOTH, 0.0)
        machine.open_room(2, SEED[::-1], LaneSlot.DOOR, Direction.SEND, 0.0)
        machine.handle_timer(0.2)
        while machine.next_event() is not None or machine.next_outgoing() is not None:
            pass
        self._start = machine
        self._fresh = LinkMachine(PIN, seeded(2), 0.0)

    def seeds(self) -> Sequence[bytes]:
        opened = messages.Opened(0, 77).encode()
        work = messages.Refused(1, messages.Refusal.WORK_WANTED, 4, "Work.").encode()
        late = messages.Refused(0, messages.Refusal.EXPIRED, 0, "Late.").encode()
        challenge = messages.Challenge(KEY).encode()
        return [
            script(opened, messages.encode_cells(77, [CELL]), messages.Leaving("Bye").encode()),
            script(challenge, work, challenge, opened),
            script(late, challenge, opened),
            messages.Hello(1, KEY, 10, 8).encode(),
        ]

    def begin(self) -> LinkMachine:
        return copy_of(self._start)

    def feed(self, state: LinkMachine, data: bytes) -> bool:
        now = 0.2
        for message in steps(data):
            before = fingerprint(state)
            state.receive(message, now)
            refused = False
            while (event := state.next_event()) is not None:
                refused |= isinstance(event, Rejected)
            if refused and fingerprint(state) != before:
                raise BrokenPromise("a message was refused, and something changed all the same")
            now += 0.1
            state.handle_timer(now)
            while state.next_outgoing() is not None:
                pass
        first = copy_of(self._fresh)
        first.receive(data, 0.0)
        event = first.next_event()
        if not isinstance(event, LinkBroken) and data[:2] != bytes((RelayType.HELLO, 1)):
            raise BrokenPromise("what did not say hello was taken for a relay")
        return True

    def check(self, state: LinkMachine, data: bytes) -> None:
        assert held_bytes(state) < 64 << 10, "the link keeps too much"
        # One comes with the hello, and one for each that was asked for.
        assert len(state._challenges) <= 1 + CHALLENGES_MAX, "the link keeps too many challenges"


TARGETS = (FromRelay, FromAgent, Address, Core, Link)
