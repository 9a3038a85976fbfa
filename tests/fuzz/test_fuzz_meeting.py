"""Whatever bytes a member, a newcomer or a relay sends, a meeting goes on as before: no exception,
no change of epoch or roster, and the next honest message still arrives."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import pytest

from folkmoot.cells import council, reliable
from folkmoot.cells.media import VOICE, MediaKeys
from folkmoot.cells.records import pack
from folkmoot.meeting import events
from folkmoot.meeting.door import DoorKind
from folkmoot.meeting.orphans import ORPHANS_MAX
from folkmoot.meeting.records import Handshake, ItemKind, RecordKind
from folkmoot.wire.lanes import LaneSlot
from fuzz.meeting_scene import HONEST, Scene, Side
from fuzz.state import held_bytes
from simulation.meeting_world import Member, World, agreed

ROUNDS = 400


def handle_of(member: Member, slot: LaneSlot) -> int:
    table = member.meeting._context.rooms
    for handle in member.rooms:
        wanted = table.lookup(handle)
        if wanted is not None and wanted.lane.slot is slot:
            return handle
    raise AssertionError(f"no room of {slot}")


def two(seed: int) -> tuple[World, Member, Member]:
    world = World(seed)
    ann = world.found("Ann")
    world.run(0.5)
    bob = world.join("Bob", ann.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob]), 20)
    world.run(2)
    return world, ann, bob


def bend(chance: random.Random, data: bytes) -> bytes:
    """`data` with some of what goes wrong: flips, cuts, doubles, noise."""
    kind = chance.randrange(5)
    if kind == 0 or not data:
        return chance.randbytes(chance.randrange(1, 400))
    if kind == 1:
        return data[: chance.randrange(len(data))]
    if kind == 2:
        return data + chance.randbytes(chance.randrange(1, 40))
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def collect_items(world: World, member: Member) -> list[bytes]:
    """Real items that went through the council, as an insider has them."""
    inside = member.meeting._inside
    assert inside is not None
    seen: list[bytes] = []
    original = inside.council.receive

    def spy(plaintext: bytes, now: float) -> list[tuple[ItemKind, bytes]]:
        found = original(plaintext, now)
        seen.extend(bytes((kind,)) + body for kind, body in found)
        return found

    inside.council.receive = spy  # type: ignore[method-assign]
    return seen


@pytest.mark.parametrize("seed", range(4))
def test_an_insider_sends_bent_council_items(seed: int) -> None:
    world, ann, bob = two(seed)
    chance = random.Random(seed)
    items = collect_items(world, bob)
    world.do(ann, lambda m: m.chat("first", world.now))
    cy = world.join("Cy", ann.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, cy]), 20)
    world.run(3)
    assert len({one[0] for one in items}) >= 3
    epoch, code = bob.meeting.epoch, bob.meeting.safety_code
    inside = bob.meeting._inside
    assert inside is not None
    handle = handle_of(bob, LaneSlot.COUNCIL)
    secret = inside.epochs.current.secrets.signalling
    for _ in range(ROUNDS):
        bent = bend(chance, chance.choice(items))
        for plaintext in pack([bent]) if bent else []:
            cell = council.seal(secret, plaintext, world.entropy)
            bob.meeting.receive(handle, [cell], world.now)
        noise = council.seal(secret, bend(chance, b"x" * 1000)[:1120], world.entropy)
        bob.meeting.receive(handle, [noise, chance.randbytes(1152), b""], world.now)
    world.run(3)
    assert (bob.meeting.epoch, bob.meeting.safety_code) == (epoch, code)
    assert agreed([ann, bob, cy])
    world.do(ann, lambda m: m.chat("last", world.now))
    world.run_until(lambda: "last" in [one.text for one in bob.of(events.ChatReceived)], 20)


@pytest.mark.parametrize("seed", range(2))
def test_a_holder_of_the_invite_sends_bent_door_messages(seed: int) -> None:
    world, ann, bob = two(seed + 10)
    chance = random.Random(seed)
    messages: list[bytes] = []
    inside = ann.meeting._inside
    assert inside is not None
    lane = inside.entrance.lane
    original = lane.receive

    def spy(cells: Sequence[bytes], now: float) -> Iterator[bytes]:
        for message in original(cells, now):
            messages.append(message)
            yield message

    lane.receive = spy  # type: ignore[method-assign]
    cy = world.join("Cy", ann.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, cy]), 20)
    world.run(2)
    assert {one[0] for one in messages} >= {DoorKind.KNOCK}
    handle = handle_of(ann, LaneSlot.DOOR)
    secret = lane._cell_secret
    for _ in range(ROUNDS):
        for plaintext in pack([bend(chance, chance.choice(messages)) or b"x"]):
            cell = council.seal(secret, plaintext, world.entropy)
            ann.meeting.receive(handle, [cell], world.now)
    world.run(3)
    assert agreed([ann, bob, cy])
    dee = world.join("Dee", bob.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, cy, dee]), 30)


def test_an_insider_sends_bent_voice() -> None:
    world, ann, bob = two(20)
    chance = random.Random(20)
    inside = bob.meeting._inside
    assert inside is not None
    state = ann.meeting._inside.epochs.current  # type: ignore[union-attr]
    keys = MediaKeys(state.base_key, state.group.epoch, world.relays[0].address.pin)
    handle = handle_of(bob, LaneSlot.VOICE)
    for number in range(ROUNDS):
        plaintext = bend(chance, bytes(359))[:359]
        cell = keys.seal(VOICE, chance.choice([0, 1, 7]), 5000 + number, plaintext)
        bob.meeting.receive(handle, [cell, bend(chance, cell)], world.now)
    world.run(1)
    assert not bob.of(events.FrameReceived)
    assert agreed([ann, bob])


def test_rooms_that_nobody_knows_are_ignored() -> None:
    world, ann, _ = two(30)
    ann.meeting.receive(999, [b"x"], world.now)
    ann.meeting.room_changed(999, True, world.now)


def test_an_insider_that_floods_the_council_silences_nobody() -> None:
    """Ann still hears what Cy says, and keeps no more than her log may hold."""
    scene = Scene.get()
    insider = scene.insider
    insider.begin()
    side = Side(scene.copy(scene.frozen), scene.now)
    ahead = insider.wall_s + 500
    records = [
        reliable.encode_record(ahead, RecordKind.CONTENT, number.to_bytes(2, "big"))
        for number in range(reliable.RECORDS_MAX)
    ]
    for number in range(2 * ORPHANS_MAX):
        made_up = Handshake(number.to_bytes(32, "big"), b"", b"").encode()
        records.append(reliable.encode_record(ahead, RecordKind.HANDSHAKE, made_up))
    for plaintext in pack([bytes((ItemKind.LOGGED,)) + record for record in records]):
        side.receive(insider.council(plaintext))
    for slot, cells in scene.honest:
        side.receive((slot, cells))
    assert HONEST in [one.text for one in side.told if isinstance(one, events.ChatReceived)]
    assert held_bytes(side.meeting) < 2 * reliable.RECORDS_BYTES_MAX
