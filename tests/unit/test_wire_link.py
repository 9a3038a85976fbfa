"""The agent's end of a link: against the real relay core, and against relays that misbehave."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from folkmoot.wire import LaneSlot, LinkMachine, RelayLimits, messages, proof
from folkmoot.wire.grid import GRID_S, Grid
from folkmoot.wire.lanes import Direction
from folkmoot.wire.link_events import (
    CellsArrived,
    LinkBroken,
    Ready,
    Rejected,
    RelayLeaving,
    RoomOpened,
    RoomRefused,
    UsageError,
)
from folkmoot.wire.messages import Refusal
from unit.wire_world import PIN, Agent, World, cell, seeded

SEED = b"s" * 32
VOICE = LaneSlot.VOICE
HELLO = messages.Hello(1, b"c" * 32, 10, 64).encode()


def machine(seed: int = 1) -> LinkMachine:
    """A machine that was greeted at 0."""
    link = LinkMachine(PIN, seeded(seed), 0.0)
    link.receive(HELLO, 0.0)
    assert link.next_event() == Ready(10, 64)
    return link


def run(link: LinkMachine, until: float) -> list[tuple[float, bytes]]:
    """What the machine sends until then, and when."""
    sent = []
    while (due := link.next_timer()) is not None and due <= until:
        link.handle_timer(due)
        while (message := link.next_outgoing()) is not None:
            sent.append((due, message))
    return sent


def first_sent(link: LinkMachine) -> tuple[float, bytes]:
    """The next message that the machine sends by itself, and when."""
    for _ in range(1000):
        due = link.next_timer()
        assert due is not None
        link.handle_timer(due)
        if (message := link.next_outgoing()) is not None:
            return due, message
    raise AssertionError("it sends nothing")


def events(link: LinkMachine) -> list[object]:
    got: list[object] = []
    while (event := link.next_event()) is not None:
        got.append(event)
    return got


def opened(seed: int = 1) -> LinkMachine:
    """A machine with the voice room 1 open, under number 77."""
    link = machine(seed)
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    ((_, wish),) = run(link, 0.2)
    link.receive(messages.Opened(wish[1], 77).encode(), 0.2)
    assert events(link) == [RoomOpened(1)]
    return link


# Answers on the grid


def test_the_grid_has_a_random_phase_and_a_tenth_of_a_second() -> None:
    phases = []
    for seed in range(300):
        grid = Grid(seeded(seed), 500.0)
        first = grid.after(500.0)
        assert 500.0 < first <= 500.0 + GRID_S
        assert grid.after(first) == pytest.approx(first + GRID_S)
        assert grid.after(first + 7.03) == pytest.approx(first + 7.1)
        phases.append((first - 500.0) / GRID_S)
    assert 120 < sum(phase < 0.5 for phase in phases) < 180


def test_whatever_the_relay_provokes_leaves_on_the_grid() -> None:
    for arrival in (0.011, 0.05, 0.0999):
        link = machine(7)
        link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
        link.open_room(2, SEED, LaneSlot.COUNCIL, Direction.BOTH, 0.0)
        sent = run(link, 0.1)
        assert [message[0] for _, message in sent] == [0x03, 0x02]
        link.receive(messages.Challenge(b"d" * 32).encode(), sent[0][0] + arrival)
        (reply,) = run(link, sent[0][0] + 0.15)
        steps = (reply[0] - sent[0][0]) / GRID_S
        assert steps == pytest.approx(round(steps), abs=1e-6)
        assert reply[1][0] == messages.AgentType.OPEN


def test_many_rooms_open_in_a_few_grid_steps() -> None:
    world = World()
    agent = world.agent()
    for handle in range(30):
        agent.open(handle, b"%032d" % handle, LaneSlot.PICTURE)
    world.advance(0.6)
    assert len(agent.seen(RoomOpened)) == 30
    assert agent.shut is None


def test_a_challenge_that_grew_old_is_not_used() -> None:
    world = World()
    agent = world.agent()
    agent.open(1, SEED, VOICE)
    world.advance(5.5)
    agent.open(2, b"t" * 32, VOICE)  # the challenge of HELLO is spent, the next must be asked for
    world.advance(0.5)
    late = world.agent()
    world.advance(20.0)
    late.open(1, SEED, VOICE)  # that of HELLO is too old here
    world.advance(0.5)
    assert len(agent.seen(RoomOpened)) == 2
    assert len(late.seen(RoomOpened)) == 1
    assert world.relay.sums.refused.total() == 0


def test_a_proof_for_another_relay_is_worth_nothing() -> None:
    world = World()
    agent = world.agent(pin=b"q" * 32)
    agent.open(1, SEED, VOICE)
    world.advance(0.5)
    assert agent.shut is not None
    assert agent.shut.code is messages.Closing.WRONG_PROOF


# Refusals


def crowd(links_per_room: int, inside: int) -> tuple[World, list[Agent]]:
    world = World(limits=dataclasses.replace(RelayLimits(), links_per_room=links_per_room))
    agents = [world.agent() for _ in range(inside)]
    for agent in agents:
        agent.open(1, SEED, VOICE)
        world.advance(1.0)
    return world, agents


def test_work_is_done_in_small_slices_and_opens_a_crowded_room() -> None:
    world, _ = crowd(4, 2)
    late = world.agent()
    late.open(1, SEED, VOICE)
    world.advance(2.0)
    assert late.seen(RoomOpened) == [RoomOpened(1)]


def test_other_rooms_go_on_while_work_is_done() -> None:
    link = opened()
    link.open_room(2, b"t" * 32, VOICE, Direction.BOTH, 0.2)
    at, _ask = first_sent(link)
    link.receive(messages.Challenge(b"d" * 32).encode(), at)
    at, wish = first_sent(link)
    link.receive(messages.Refused(wish[1], Refusal.WORK_WANTED, 16, "dig").encode(), at)
    at, ask = first_sent(link)
    assert ask == messages.Ask().encode()
    link.receive(messages.Challenge(b"e" * 32).encode(), at)
    link.handle_timer(at + 0.11)
    slices = 0
    while link.next_timer() == float("-inf"):
        slices += 1
        assert link.send(1, [cell(VOICE, 1)])
        assert link.next_outgoing() == messages.encode_cells(77, [cell(VOICE, 1)])
        link.handle_timer(at + 0.12)
    assert slices > 5
    _, again = first_sent(link)
    worked = messages.decode_from_agent(again)
    assert isinstance(worked, messages.Open)
    assert proof.work_is_enough(b"e" * 32, worked.room_key, worked.work, 16)


def test_absurd_work_is_not_done() -> None:
    link = machine()
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    ((_, wish),) = run(link, 0.2)
    link.receive(messages.Refused(wish[1], Refusal.WORK_WANTED, 40, "dig").encode(), 0.2)
    assert events(link) == [RoomRefused(1, Refusal.WORK_WANTED, "dig")]


@pytest.mark.parametrize(
    ("refusal", "pause_s"),
    [(Refusal.BUSY, 0.95), (Refusal.ALREADY_OPEN, 0.95), (Refusal.EXPIRED, 0.05)],
)
def test_what_passes_is_tried_again(refusal: Refusal, pause_s: float) -> None:
    link = machine()
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    ((at, wish),) = run(link, 0.2)
    link.receive(messages.Refused(wish[1], refusal, 0, "later").encode(), at)
    assert run(link, at + pause_s) == []
    asked_at, ask = first_sent(link)
    assert asked_at < at + pause_s + 0.2
    assert ask == messages.Ask().encode()
    link.receive(messages.Challenge(b"d" * 32).encode(), asked_at)
    _, again = first_sent(link)
    assert again[2] == 1  # made over the second challenge
    assert events(link) == []


@pytest.mark.parametrize("code", [Refusal.ROOM_FULL, Refusal.RELAY_FULL, Refusal.LEAVING, 200])
def test_what_does_not_pass_is_told(code: int) -> None:
    link = machine()
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    ((_, wish),) = run(link, 0.2)
    sentence = "no\x1b[31m\u202eroom"
    link.receive(messages.Refused(wish[1], code, 0, sentence).encode(), 0.2)
    assert events(link) == [RoomRefused(1, code, "no [31m room")]
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.3)  # the handle is free again


def test_a_relay_that_does_not_answer_is_given_up() -> None:
    link = machine()
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    run(link, 12.0)
    ((refused),) = events(link)
    assert isinstance(refused, RoomRefused)
    assert refused.code == 0
    assert link.next_timer() is None


def test_more_rooms_than_the_relay_allows_are_not_tried() -> None:
    world = World(limits=dataclasses.replace(RelayLimits(), rooms_per_link=3))
    agent = world.agent()
    for handle in range(5):
        agent.open(handle, b"%032d" % handle, VOICE)
    world.advance(1.0)
    assert agent.shut is None
    assert len(agent.seen(RoomOpened)) == 3
    assert len(agent.seen(RoomRefused)) == 2


# Closing


def test_a_room_closed_before_its_answer_is_closed_after_it() -> None:
    link = machine()
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    ((at, wish),) = run(link, 0.2)
    link.close_room(1, at)
    link.receive(messages.Opened(wish[1], 77).encode(), at)
    assert [message for _, message in run(link, at + 0.2)] == [messages.Close(77).encode()]
    assert events(link) == []


def test_closing_and_opening_again_at_once_works() -> None:
    world = World()
    agent = world.agent()
    agent.open(1, SEED, VOICE)
    world.advance(0.5)
    agent.machine.close_room(1, world.now)
    agent.open(1, SEED, VOICE)
    world.advance(0.5)
    assert len(agent.seen(RoomOpened)) == 2
    assert agent.seen(RoomRefused) == []
    assert agent.machine.send(1, [cell(VOICE, 1)])
    world.advance(0.1)
    assert agent.cells(1) == [cell(VOICE, 1)]


def test_cells_of_a_room_closed_a_moment_ago_are_ignored() -> None:
    link = opened()
    link.close_room(1, 0.2)
    link.receive(messages.encode_cells(77, [cell(VOICE, 1)]), 0.2)
    assert events(link) == []


# The caller's mistakes


def test_misuse_is_a_usage_error() -> None:
    link = opened()
    with pytest.raises(UsageError):
        link.open_room(1, SEED, VOICE, Direction.BOTH, 0.2)
    for handle in (2,):
        with pytest.raises(UsageError):
            link.close_room(handle, 0.2)
        with pytest.raises(UsageError):
            link.send(handle, [cell(VOICE, 1)])
    with pytest.raises(UsageError):
        link.send(1, [b"short"])
    link.open_room(2, SEED, LaneSlot.COUNCIL, Direction.RECEIVE, 0.2)
    with pytest.raises(UsageError):
        link.send(2, [cell(LaneSlot.COUNCIL, 1)])


def test_sending_before_a_room_is_open_sends_nothing() -> None:
    link = machine()
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    assert not link.send(1, [cell(VOICE, 1)])
    assert link.next_outgoing() is None


def test_many_cells_go_in_messages_that_a_relay_takes() -> None:
    link = opened()
    cells = [cell(VOICE, index) for index in range(150)]
    assert link.send(1, cells)
    sizes = []
    while (message := link.next_outgoing()) is not None:
        decoded = messages.decode_from_agent(message)
        assert isinstance(decoded, messages.Cells)
        sizes.append(len(decoded.body) // 384)
    assert sizes == [64, 64, 22]


# Relays that misbehave


def test_a_relay_of_another_version_is_named_in_a_sentence() -> None:
    link = LinkMachine(PIN, seeded(1), 0.0)
    link.receive(b"\x01\x07 and whatever a version 7 says after that", 0.0)
    (broken,) = events(link)
    assert isinstance(broken, LinkBroken)
    assert "version 7" in broken.sentence
    assert link.next_timer() is None


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01\x01", b"\x02" + bytes(32), HELLO + b"\0"])
def test_what_does_not_say_hello_is_no_relay(data: bytes) -> None:
    link = LinkMachine(PIN, seeded(1), 0.0)
    link.receive(data, 0.0)
    (broken,) = events(link)
    assert isinstance(broken, LinkBroken)
    link.receive(HELLO, 0.1)
    assert events(link) == []


def test_a_relay_that_says_nothing_is_given_up() -> None:
    link = LinkMachine(PIN, seeded(1), 0.0)
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    assert link.next_timer() == 10.0
    run(link, 20.0)
    (broken,) = events(link)
    assert isinstance(broken, LinkBroken)


@pytest.mark.parametrize(
    "data",
    [
        HELLO,
        messages.Challenge(b"d" * 32).encode(),  # not asked for
        messages.Opened(200, 5).encode(),
        messages.Refused(200, 1, 0, "no").encode(),
        messages.Cells(77, bytes(383)).encode(),
        messages.Cells(77, bytes(384 * 257)).encode(),
        b"\x04\x00\x01\x00\x01\xff",  # a sentence that is not UTF-8
        b"\x99",
        b"",
    ],
)
def test_nonsense_is_rejected_and_the_room_goes_on(data: bytes) -> None:
    link = opened()
    link.receive(data, 0.3)
    (rejected,) = events(link)
    assert isinstance(rejected, Rejected)
    link.receive(messages.encode_cells(77, [cell(VOICE, 1)]), 0.3)
    assert events(link) == [CellsArrived(1, [cell(VOICE, 1)])]


def test_cells_for_a_room_that_only_sends_are_rejected() -> None:
    link = machine()
    link.open_room(1, SEED, VOICE, Direction.SEND, 0.0)
    ((_, wish),) = run(link, 0.2)
    link.receive(messages.Opened(wish[1], 77).encode(), 0.2)
    link.receive(messages.encode_cells(77, [cell(VOICE, 1)]), 0.2)
    assert isinstance(events(link)[-1], Rejected)


def test_two_rooms_with_one_number_are_not_mixed_up() -> None:
    link = opened()
    link.open_room(2, b"t" * 32, LaneSlot.COUNCIL, Direction.BOTH, 0.3)
    ((at, _ask),) = run(link, 0.45)
    link.receive(messages.Challenge(b"d" * 32).encode(), at)
    ((at, wish),) = run(link, at + 0.15)
    link.receive(messages.Opened(wish[1], 77).encode(), at)
    (refused,) = events(link)
    assert isinstance(refused, RoomRefused)
    assert refused.handle == 2


def test_leaving_is_told() -> None:
    link = opened()
    link.receive(messages.Leaving("bye\nbye").encode(), 0.3)
    assert events(link) == [RelayLeaving("bye bye")]


@settings(max_examples=300, deadline=None)
@given(
    some.lists(
        some.binary(max_size=60)
        | some.builds(lambda kind, rest: bytes((kind,)) + rest, some.integers(1, 5), some.binary())
        | some.integers(0, 255).map(lambda request: messages.Opened(request, request).encode()),
        max_size=20,
    )
)
def test_whatever_arrives_is_an_event_and_never_raises(heap: list[bytes]) -> None:
    link = machine()
    link.open_room(1, SEED, VOICE, Direction.BOTH, 0.0)
    now = 0.0
    for data in heap:
        link.receive(data, now)
        now += 0.03
        run(link, now)
    run(link, now + 15.0)
    assert len(events(link)) <= 3 * len(heap) + 2
