"""What the relay core does to links that are too many, too fast, malformed or slow."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from folkmoot.wire import LaneSlot, RelayLimits, messages, proof
from folkmoot.wire.lanes import LANE_RULES, Direction
from folkmoot.wire.link_events import RoomOpened, RoomRefused
from folkmoot.wire.messages import Closing, Refusal
from unit.wire_world import (
    PIN,
    SEED,
    VOICE,
    ClosedError,
    Raw,
    World,
    cell,
    closing_code,
    in_room,
    room_messages,
)

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
