"""The relay core on a virtual clock: rooms, ticks, limits, and what a hostile link achieves."""

from __future__ import annotations

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from folkmoot.wire import LaneSlot, RelayLimits, messages, proof
from folkmoot.wire.lanes import LANE_RULES, Direction
from folkmoot.wire.link_events import RoomOpened, RoomRefused
from folkmoot.wire.messages import Closing, Refusal
from folkmoot.wire.relay_core import Deliver, RelayCore, Shut
from unit.wire_world import PIN, Agent, World, cell, seeded

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


# Ticks


def test_everyone_gets_the_same_bytes_and_their_own_cells_among_them() -> None:
    world = World()
    agents = in_room(world, 5)
    for step in range(20):
        for index, agent in enumerate(agents):
            agent.machine.send(1, [cell(VOICE, 100 * step + index)])
        world.advance(0.040)
    streams = [room_messages(agent) for agent in agents]
    assert len(streams[0]) == 20
    assert all(stream == streams[0] for stream in streams)
    wanted = {cell(VOICE, 100 * step + index) for step in range(20) for index in range(5)}
    assert all(set(agent.cells(1)) == wanted for agent in agents)
    assert all(len(agent.cells(1)) == 100 for agent in agents)


def test_a_tick_is_one_delivery_to_all() -> None:
    world = World()
    agents = in_room(world, 30)
    world.delivered.clear()
    for agent in agents:
        agent.machine.send(1, [cell(VOICE, agent.number)])
    world.advance(0.020)
    (tick,) = world.delivered
    assert isinstance(tick, Deliver)
    assert sorted(tick.links) == [agent.number for agent in agents]
    assert len(tick.messages) == 1


def test_links_with_the_same_rooms_get_them_in_one_write() -> None:
    world = World()
    agents = [world.agent() for _ in range(4)]
    for agent in agents:
        agent.open(1, SEED, VOICE)
        agent.open(2, b"t" * 32, LaneSlot.COUNCIL)
    world.advance(0.5)
    world.delivered.clear()
    agents[0].machine.send(1, [cell(VOICE, 1)])
    agents[1].machine.send(2, [cell(LaneSlot.COUNCIL, 2)])
    world.advance(0.020)
    (tick,) = world.delivered
    assert isinstance(tick, Deliver)
    assert (len(tick.links), len(tick.messages)) == (4, 2)


def test_cells_leave_on_the_relays_beat_whenever_they_came() -> None:
    rng = random.Random(5)
    world = World(start=1000.003)
    agents = in_room(world, 2)
    for step in range(50):
        world.advance(rng.random() * 0.05)
        before = len(room_messages(agents[1]))
        agents[0].machine.send(1, [cell(VOICE, step)])
        world.settle()
        assert len(room_messages(agents[1])) == before  # nothing leaves at once
        due = world.relay.next_timer()
        assert due is not None
        beats = (due - 1000.003) / 0.010
        assert abs(beats - round(beats)) < 1e-6
        assert 0 < due - world.now <= 0.010 + 1e-9


def test_the_order_within_a_tick_says_nothing_of_who_came_first() -> None:
    places = []
    for seed in range(200):
        world = World(seed)
        agents = in_room(world, 2)
        agents[0].machine.send(1, [cell(VOICE, 1)])
        agents[1].machine.send(1, [cell(VOICE, 2)])
        world.advance(0.020)
        places.append(agents[0].cells(1).index(cell(VOICE, 1)))
    assert 60 < sum(places) < 140


def test_a_busy_tick_is_split_and_nothing_is_lost() -> None:
    world = World()
    agents = in_room(world, 20)
    for agent in agents:
        agent.machine.send(1, [cell(VOICE, 1000 * agent.number + index) for index in range(30)])
    world.advance(0.1)
    assert [len(message) for message in room_messages(agents[0])] == [
        5 + 256 * 384,
        5 + 256 * 384,
        5 + 88 * 384,
    ]
    assert len(set(agents[3].cells(1))) == 600


def test_a_receiver_only_and_a_sender_only_get_what_they_asked_for() -> None:
    world = World()
    (both,) = in_room(world, 1)
    sender, receiver = world.agent(), world.agent()
    sender.open(1, SEED, VOICE, Direction.SEND)
    receiver.open(1, SEED, VOICE, Direction.RECEIVE)
    world.advance(0.5)
    sender.machine.send(1, [cell(VOICE, 1)])
    world.advance(0.1)
    assert both.cells(1) == receiver.cells(1) == [cell(VOICE, 1)]
    assert room_messages(sender) == []


def test_rooms_do_not_mix_and_end_with_their_last_link() -> None:
    world = World()
    one, other = world.agent(), world.agent()
    one.open(1, SEED, VOICE)
    other.open(1, b"t" * 32, VOICE)
    other.open(2, SEED, LaneSlot.PICTURE)  # the same key in another lane is another room
    world.advance(0.5)
    assert world.relay.rooms_open == 3
    one.machine.send(1, [cell(VOICE, 1)])
    world.advance(0.1)
    assert other.cells(1) == other.cells(2) == []
    other.machine.close_room(1, world.now)
    world.advance(0.2)
    assert world.relay.rooms_open == 2
    world.relay.link_closed(one.number)
    world.relay.link_closed(other.number)
    assert (world.relay.rooms_open, world.relay.links_open) == (0, 0)


def test_the_number_of_a_room_is_the_same_for_all_and_another_next_time() -> None:
    world = World()
    agents = in_room(world, 2)
    agents[0].machine.send(1, [cell(VOICE, 1)])
    world.advance(0.1)
    first = {room_messages(agent)[-1][1:5] for agent in agents}
    assert len(first) == 1
    for agent in agents:
        agent.machine.close_room(1, world.now)
    world.advance(0.2)
    (again,) = in_room(world, 1)
    again.machine.send(1, [cell(VOICE, 1)])
    world.advance(0.1)
    assert room_messages(again)[-1][1:5] not in first


# Proofs


@pytest.mark.parametrize("change", ["pin", "slot", "direction", "challenge", "key"])
def test_a_wrong_proof_closes_the_link(change: str) -> None:
    raw = Raw()
    hello = raw.challenges[0]
    assert isinstance(hello, messages.Hello)
    wrong = dict(pin=PIN, slot=VOICE, direction=Direction.BOTH, challenge=hello.challenge)
    wrong |= {"pin": b"q" * 32} if change == "pin" else {}
    wrong |= {"slot": LaneSlot.COUNCIL} if change == "slot" else {}
    wrong |= {"direction": Direction.SEND} if change == "direction" else {}
    wrong |= {"challenge": b"x" * 32} if change == "challenge" else {}
    key, signature = proof.sign_proof(SEED, *wrong.values())  # type: ignore[arg-type]
    if change == "key":
        key, _ = proof.sign_proof(b"t" * 32, PIN, VOICE, Direction.BOTH, hello.challenge)
    wish = messages.Open(1, 0, VOICE, Direction.BOTH, key, 0, signature)
    assert closing_code(raw, wish.encode()) is Closing.WRONG_PROOF
    assert raw.relay.rooms_open == 0


def test_a_challenge_is_good_once_and_for_five_seconds() -> None:
    raw = Raw()
    assert isinstance(raw.open(), messages.Opened)
    again = raw.open(b"t" * 32)
    assert isinstance(again, messages.Refused)
    assert again.code == Refusal.EXPIRED
    number = raw.ask()
    raw.now += 5.0
    assert isinstance(raw.open(b"t" * 32, number=number), messages.Opened)
    number = raw.ask()
    raw.now += 5.1
    late = raw.open(b"u" * 32, number=number)
    assert isinstance(late, messages.Refused)
    assert late.code == Refusal.EXPIRED


def test_only_the_newest_challenges_are_kept() -> None:
    raw = Raw()
    numbers = [raw.ask() for _ in range(20)]
    old = raw.open(number=numbers[0])
    assert isinstance(old, messages.Refused)
    assert isinstance(raw.open(number=numbers[-1]), messages.Opened)


def test_a_room_is_opened_once_on_a_link() -> None:
    raw = Raw()
    raw.open()
    again = raw.open(number=raw.ask())
    assert isinstance(again, messages.Refused)
    assert again.code == Refusal.ALREADY_OPEN


def test_too_many_proofs_at_the_relay_are_put_off() -> None:
    raw = Raw(dataclasses.replace(RelayLimits(), proofs_per_s=1.0, proofs_burst=1.0))
    assert isinstance(raw.open(), messages.Opened)
    busy = raw.open(b"t" * 32, number=raw.ask())
    assert isinstance(busy, messages.Refused)
    assert busy.code == Refusal.BUSY
    raw.now += 1.0
    assert isinstance(raw.open(b"t" * 32, number=raw.ask()), messages.Opened)


# Limits


def test_too_many_rooms_on_a_link_close_it() -> None:
    raw = Raw(dataclasses.replace(RelayLimits(), rooms_per_link=3))
    for index in range(3):
        opened = raw.open(b"%032d" % index, number=raw.ask())
        assert isinstance(opened, messages.Opened)
    with pytest.raises(ClosedError, match="TOO_MANY_ROOMS"):
        raw.open(b"x" * 32, number=raw.ask())
    assert raw.relay.rooms_open == 0


def test_a_full_relay_refuses_the_newest_room_and_the_newest_link() -> None:
    world = World(limits=dataclasses.replace(RelayLimits(), rooms=1, links=2))
    first, second = world.agent(), world.agent()
    first.open(1, SEED, VOICE)
    world.advance(0.5)
    second.open(1, b"t" * 32, VOICE)
    world.advance(0.5)
    (refused,) = second.seen(RoomRefused)
    assert isinstance(refused, RoomRefused)
    assert refused.code == Refusal.RELAY_FULL
    third = world.agent()
    assert third.shut is not None
    assert third.shut.code is Closing.RELAY_FULL
    assert first.shut is None
    assert second.shut is None
    world.relay.link_closed(second.number)
    assert world.agent().shut is None


def test_a_full_room_refuses_the_newest_and_a_crowded_one_asks_for_work() -> None:
    world = World(limits=dataclasses.replace(RelayLimits(), links_per_room=4))
    agents = in_room(world, 2)
    late = [world.agent() for _ in range(3)]
    for agent in late:
        agent.open(1, SEED, VOICE)
        world.advance(3.0)
    assert world.relay.sums.refused[Refusal.WORK_WANTED] == 2
    assert [len(agent.seen(RoomOpened)) for agent in late] == [1, 1, 0]
    (refused,) = late[2].seen(RoomRefused)
    assert isinstance(refused, RoomRefused)
    assert refused.code == Refusal.ROOM_FULL
    assert all(agent.shut is None for agent in agents)
    agents[0].machine.send(1, [cell(VOICE, 1)])
    world.advance(0.1)
    assert all(agent.cells(1) == [cell(VOICE, 1)] for agent in [*agents, *late[:2]])


def test_work_for_another_challenge_opens_nothing() -> None:
    raw = Raw(dataclasses.replace(RelayLimits(), links_per_room=2))
    other = raw.relay.link_opened(0.0)
    (hello,) = raw.answer()
    raw.open()
    challenge = messages.decode_from_relay(hello)
    assert isinstance(challenge, messages.Hello)
    key, signature = proof.sign_proof(SEED, PIN, VOICE, Direction.BOTH, challenge.challenge)
    nonce = proof.Work(b"another" + bytes(25), key, 16).search(1 << 21)
    assert nonce is not None
    wish = messages.Open(1, 0, VOICE, Direction.BOTH, key, nonce, signature)
    raw.relay.receive(other, wish.encode(), 0.0)
    (reply,) = raw.answer()
    refused = messages.decode_from_relay(reply)
    assert isinstance(refused, messages.Refused)
    assert (refused.code, refused.work_bits) == (Refusal.WORK_WANTED, 16)


@pytest.mark.parametrize("slot", list(LaneSlot))
def test_the_pace_of_a_lane_holds_for_ever_and_ten_times_it_closes(slot: LaneSlot) -> None:
    rule = LANE_RULES[slot]
    world = World()
    honest, hostile = in_room(world, 2, slot)
    sent = 0
    for _ in range(20):
        for _ in range(int(rule.pace_per_s)):
            honest.machine.send(1, [cell(slot, sent)])
            sent += 1
            world.advance(1 / rule.pace_per_s)
    assert honest.shut is None
    assert len(honest.cells(1)) == sent
    for _ in range(100):
        hostile.machine.send(1, [cell(slot, 1)] * int(rule.pace_per_s))
        world.advance(0.1)
        if hostile.shut is not None:
            break
    assert hostile.shut is not None
    assert hostile.shut.code is Closing.TOO_FAST
    assert honest.shut is None


def test_a_link_that_hung_for_five_seconds_loses_late_voice_and_not_itself() -> None:
    world = World()
    honest, other = in_room(world, 2)
    for index in range(125):  # five seconds of voice at once
        honest.machine.send(1, [cell(VOICE, index)])
    world.advance(0.1)
    assert len(other.cells(1)) == LANE_RULES[VOICE].burst_cells
    world.advance(3.0)
    honest.machine.send(1, [cell(VOICE, 999)])
    world.advance(0.1)
    assert honest.shut is None
    assert cell(VOICE, 999) in other.cells(1)


def test_control_messages_have_a_pace_too() -> None:
    raw = Raw()
    for _ in range(256):
        raw.ask()
    assert closing_code(raw, messages.Ask().encode()) is Closing.TOO_FAST


# Malformed messages


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x01" + bytes(37),
        b"\x02\x00",
        b"\x03" + bytes(107),
        b"\x04\x00",
        b"\x7f",
        b"\x10",
        b"\x10\x00\x00\x00\x00",
        b"\x10" + bytes(messages.AGENT_MESSAGE_BYTES_MAX),
    ],
)
def test_a_malformed_message_closes_the_link(data: bytes) -> None:
    assert closing_code(Raw(), data) is Closing.BAD_MESSAGE


@pytest.mark.parametrize("size", [1, 383, 385, 384 * 2 - 1, 384 * 65])
def test_cells_of_a_wrong_length_close_the_link_and_nobody_hears_them(size: int) -> None:
    world = World()
    hostile, honest = in_room(world, 2)
    number = world.relay._links[hostile.number].rooms  # the room's number, as OPENED said it
    message = messages.Cells(next(iter(number)), bytes(size)).encode()
    world.relay.receive(hostile.number, message, world.now)
    world.advance(0.1)
    assert hostile.shut is not None
    assert hostile.shut.code is Closing.BAD_MESSAGE
    assert honest.shut is None
    assert honest.cells(1) == []


def test_cells_for_a_room_that_is_not_open_or_not_for_sending_close_the_link() -> None:
    raw = Raw()
    assert closing_code(raw, b"\x10" + bytes(4 + 384)) is Closing.NOT_OPEN
    raw = Raw()
    opened = raw.open(direction=Direction.RECEIVE)
    assert isinstance(opened, messages.Opened)
    message = messages.Cells(opened.room, bytes(384)).encode()
    assert closing_code(raw, message) is Closing.NOT_OPEN
    assert closing_code(Raw(), messages.Close(1).encode()) is Closing.NOT_OPEN


def test_another_version_is_told_which_one_is_spoken() -> None:
    world = World()
    agent = world.agent(version=2)
    assert agent.received[0][:2] == b"\x01\x01"
    assert agent.shut is not None
    assert agent.shut.code is Closing.WRONG_VERSION


@settings(max_examples=200, deadline=None)
@given(some.lists(some.binary(max_size=500) | some.sampled_from([b"\x02", b"\x10"]), max_size=30))
def test_whatever_arrives_is_answered_or_closes_and_never_raises(heap: list[bytes]) -> None:
    world = World()
    honest, other, hostile = *in_room(world, 2), world.agent()
    for data in heap:
        world.relay.receive(hostile.number, data, world.now)
    world.advance(0.05)
    honest.machine.send(1, [cell(VOICE, 7)])
    world.advance(0.05)
    assert other.cells(1) == [cell(VOICE, 7)]
    assert world.relay.rooms_open == 1


# Slow receivers


def test_a_slow_receiver_delays_nobody_keeps_the_newest_and_grows_nothing() -> None:
    world = World()
    agents = in_room(world, 20)
    slow = agents[0]
    world.relay.paused(slow.number, world.now)
    for step in range(200):  # eight seconds
        for agent in agents:
            agent.machine.send(1, [cell(VOICE, 100 * step + agent.number)])
        world.advance(0.040)
    limits = world.relay.limits
    kept = world.relay._links[slow.number].backlog_bytes
    assert limits.link_backlog_bytes * 0.9 < kept <= limits.link_backlog_bytes
    assert slow.cells(1) == []
    assert all(len(agent.cells(1)) == 4000 for agent in agents[1:])
    assert world.relay.sums.ticks_skipped > 100
    world.relay.resumed(slow.number)
    world.settle()
    late = room_messages(slow)
    assert late == room_messages(agents[1])[-len(late) :]
    assert slow.shut is None


def test_answers_reach_a_link_whose_ticks_wait() -> None:
    world = World()
    (slow,) = in_room(world, 1)
    world.relay.paused(slow.number, world.now)
    slow.open(2, b"t" * 32, LaneSlot.COUNCIL)
    world.advance(0.5)
    assert len(slow.seen(RoomOpened)) == 2


def test_a_receiver_that_takes_nothing_for_too_long_is_closed() -> None:
    world = World()
    stuck, honest = in_room(world, 2)
    world.relay.paused(stuck.number, world.now)
    world.advance(9.0)
    assert stuck.shut is None
    world.advance(3.0)
    assert stuck.shut is not None
    assert stuck.shut.code is Closing.TOO_SLOW
    assert honest.shut is None


def test_many_slow_receivers_share_what_the_relay_keeps() -> None:
    limits = dataclasses.replace(
        RelayLimits(), links_backlog_bytes=100_000, link_backlog_bytes_least=5_000
    )
    world = World(limits=limits)
    agents = in_room(world, 10)
    for agent in agents[:8]:
        world.relay.paused(agent.number, world.now)
    for step in range(100):
        agents[9].machine.send(1, [cell(VOICE, step)])
        world.advance(0.040)
    kept = [world.relay._links[agent.number].backlog_bytes for agent in agents[:8]]
    assert 0 < sum(kept) <= 100_000


# The end


def test_a_link_without_a_room_is_closed_in_time() -> None:
    world = World()
    (member,) = in_room(world, 1)
    idle = world.agent()
    world.advance(29.0)
    assert idle.shut is None
    world.advance(3.0)
    assert idle.shut is not None
    assert idle.shut.code is Closing.IDLE
    assert member.shut is None
    member.machine.close_room(1, world.now)
    world.advance(33.0)
    assert member.shut is not None
    assert world.relay.next_timer() is None  # an empty relay sleeps


def test_a_leaving_relay_says_so_and_opens_nothing_more() -> None:
    world = World()
    agents = in_room(world, 3)
    world.relay.leave()
    world.settle()
    assert all(agent.received[-1][0] == messages.RelayType.LEAVING for agent in agents)
    agents[0].open(2, b"t" * 32, VOICE)
    world.advance(0.5)
    (refused,) = agents[0].seen(RoomRefused)
    assert isinstance(refused, RoomRefused)
    assert refused.code == Refusal.LEAVING
    agents[1].machine.send(1, [cell(VOICE, 1)])  # what is open goes on until the end
    world.advance(0.1)
    assert agents[2].cells(1) == [cell(VOICE, 1)]
    newcomer = world.agent()
    assert newcomer.shut is not None
    world.relay.shut_all()
    world.settle()
    assert all(agent.shut and agent.shut.code is Closing.LEAVING for agent in agents)
    assert world.relay.links_open == 0


def test_calls_for_a_link_that_is_gone_do_nothing() -> None:
    world = World()
    (agent,) = in_room(world, 1)
    number = agent.number
    for _ in range(2):
        world.relay.link_closed(number)
    world.relay.receive(number, b"anything", world.now)
    world.relay.malformed(number)
    world.relay.too_fast(number)
    world.relay.paused(number, world.now)
    world.relay.resumed(number)
    assert world.relay.next_outgoing() is None


def test_a_seed_replays_a_relay_to_the_byte() -> None:
    def run() -> list[bytes]:
        world = World(seed=42)
        agents = in_room(world, 4)
        for step in range(10):
            for agent in agents:
                agent.machine.send(1, [cell(VOICE, step)])
            world.advance(0.040)
        return agents[2].received

    assert run() == run()
