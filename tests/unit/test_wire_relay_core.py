"""The relay core on a virtual clock: rooms, ticks, limits, and what a hostile link achieves."""

from __future__ import annotations

import dataclasses
import random

import pytest

from folkmoot.wire import LaneSlot, RelayLimits, messages, proof
from folkmoot.wire.lanes import Direction
from folkmoot.wire.link_events import RoomOpened, RoomRefused
from folkmoot.wire.messages import Closing, Refusal
from folkmoot.wire.relay_core import Deliver
from unit.wire_world import (
    PIN,
    SEED,
    VOICE,
    Raw,
    World,
    cell,
    closing_code,
    in_room,
    room_messages,
)

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


def test_links_that_open_rooms_by_the_thousand_keep_no_new_link_out() -> None:
    limits = dataclasses.replace(
        RelayLimits(), proofs_per_s=1.0, proofs_burst=20.0, proofs_kept=10.0, rooms_per_link=100
    )
    world = World(limits=limits)
    greedy = world.agent()
    for handle in range(60):
        greedy.open(handle, b"%032d" % handle, VOICE)
    world.advance(0.5)
    opened = len(greedy.seen(RoomOpened))
    assert opened >= limits.first_proofs_per_link
    assert world.relay.sums.refused[Refusal.BUSY] > 0
    late = world.agent()
    late.open(1, SEED, VOICE)
    world.advance(0.5)
    assert late.seen(RoomOpened)
    assert len(greedy.seen(RoomOpened)) <= opened + 1


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
