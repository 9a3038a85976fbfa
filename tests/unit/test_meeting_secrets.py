"""The secrets that outlive an epoch: who holds which after which commit."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from folkmoot import mls
from folkmoot.meeting.callers import FormerDoor
from folkmoot.meeting.epoch_media import Through
from folkmoot.meeting.events import OpenRoom
from folkmoot.meeting.rooms import VOICE, Wanted
from folkmoot.meeting.secrets import (
    EXTENSION_TYPE,
    ROOM_ROOT_INTERVAL_S,
    STEPS_AHEAD_MAX,
    DoorSecrets,
    MeetingSecrets,
    leads_to,
    room_seed,
    step,
)
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.lanes import Direction
from unit.meeting_parts import People

ZEROS = bytes(32)
SECRETS = MeetingSecrets(
    signalling=b"s" * 32,
    room_root=b"r" * 32,
    root_tick=1000,
    root_due=False,
    tick=1010,
    committer=b"c" * 16,
    door=DoorSecrets(b"p" * 32, b"d" * 32),
)


def after(secrets: MeetingSecrets, epoch: bytes) -> MeetingSecrets:
    def export(label: str, context: bytes, length: int) -> bytes:
        return (epoch + label.encode() + context).ljust(length, b".")[:length]

    return secrets.after_commit(export)


def test_secrets_read_back() -> None:
    encoded = SECRETS.encode()
    assert codec.decode(MeetingSecrets.read, encoded) == SECRETS
    for data in (encoded[:-1], encoded + b"\0", b"\2" + encoded[1:], b""):
        with pytest.raises(DecodeError):
            codec.decode(MeetingSecrets.read, data)


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(data: bytes) -> None:
    try:
        assert codec.decode(MeetingSecrets.read, b"\1" + data).encode() == b"\1" + data
    except DecodeError:
        assert len(data) != len(SECRETS.encode()) - 1 or data[68] > 1


def test_secrets_are_not_shown() -> None:
    assert repr(SECRETS) == "MeetingSecrets(tick=1010)"
    assert repr(SECRETS.door) == "DoorSecrets()"
    room = Wanted(0, VOICE, SECRETS.room_root, Direction.BOTH, "main")
    opening = OpenRoom(1, 0, "main", VOICE.slot, SECRETS.room_root, Direction.BOTH)
    heard = Through()
    heard.came_before(SECRETS.room_root, 1, 2, 3)
    for one in (room, opening, heard, FormerDoor(Mock(), SECRETS.door, 0.0)):
        for secret in (SECRETS.room_root, SECRETS.door.private, SECRETS.door.secret):
            assert str(secret)[2:-1] not in repr(one), type(one).__name__
    assert "rooms" not in repr(heard)


def test_an_addition_takes_one_step_and_keeps_the_rooms() -> None:
    before = SECRETS.before_commit(1020, b"n" * 16, False)
    assert before.signalling == step(SECRETS.signalling) == SECRETS.stepped()
    assert before == replace(SECRETS, signalling=before.signalling, tick=1020, committer=b"n" * 16)
    # Nothing of it waits for the new epoch, so newcomers and members hold the same.
    assert after(before, b"any epoch") == before


def test_a_commit_that_takes_away_leaves_nothing_of_what_was() -> None:
    before = SECRETS.before_commit(1000 + ROOM_ROOT_INTERVAL_S, b"n" * 16, True)
    assert before.signalling == before.room_root == ZEROS
    fresh, other = after(before, b"epoch"), after(before, b"other")
    held = {SECRETS.signalling, SECRETS.room_root, SECRETS.stepped(), ZEROS}
    made = {fresh.signalling, fresh.room_root, other.signalling, other.room_root}
    assert len(made) == 4
    assert not held & made
    assert (fresh.root_tick, fresh.root_due) == (1060, False)


def test_who_is_removed_knows_neither_rooms_nor_door_from_then_on() -> None:
    """At once, however short ago the rooms changed for another reason."""
    before = SECRETS.before_commit(1001, b"n" * 16, True, True)
    assert before.signalling == before.room_root == ZEROS
    assert before.door == DoorSecrets(ZEROS, ZEROS)
    assert (before.root_tick, before.root_due) == (1001, False)
    fresh, other = after(before, b"epoch"), after(before, b"other")
    made = [fresh.door.private, fresh.door.secret, fresh.room_root, fresh.signalling]
    made += [other.door.private, other.door.secret]
    assert len(set(made)) == 6
    assert not {SECRETS.door.private, SECRETS.door.secret, ZEROS} & set(made)


@pytest.mark.parametrize("seconds", [0, 1, ROOM_ROOT_INTERVAL_S - 1])
def test_rooms_change_once_a_minute_at_most(seconds: int) -> None:
    soon = SECRETS.before_commit(1000 + seconds, b"n" * 16, True)
    assert soon.signalling == ZEROS
    assert soon.room_root == SECRETS.room_root
    assert soon.root_tick == SECRETS.root_tick
    assert soon.root_due


def test_rooms_that_could_not_change_do_so_later_whatever_the_commit() -> None:
    due = after(SECRETS.before_commit(1001, b"n" * 16, True), b"epoch")
    waiting = due.before_commit(1059, b"n" * 16, False)
    assert waiting.room_root == SECRETS.room_root
    assert waiting.root_due
    changed = waiting.before_commit(1060, b"n" * 16, False)
    assert changed.room_root == ZEROS
    assert changed.signalling == waiting.stepped()
    assert (changed.root_tick, changed.root_due) == (1060, False)
    # And not once more with the next.
    assert not after(changed, b"next").before_commit(2000, b"n" * 16, False).root_due


def test_all_members_hold_the_same_after_each_commit() -> None:
    people = People("ada", "bob", "eve")
    people.add("bob", "cleo")
    joined = people["cleo"].state.secrets
    assert {one.state.secrets.encode() for one in people.members.values()} == {joined.encode()}


def test_a_newcomer_of_a_commit_that_takes_away_makes_fresh_secrets_itself() -> None:
    people = People("ada", "bob", "eve")
    old = people["ada"].state.secrets
    people.tick += ROOM_ROOT_INTERVAL_S
    bundle = people.bundle("cleo")
    proposals: list[mls.Proposal] = [
        mls.Remove(people["eve"].state.own_leaf),
        mls.Add(bundle.key_package),
    ]
    welcome = people.commit("ada", proposals, takes_away=True)
    assert welcome is not None
    tree = people["ada"].state.group.ratchet_tree()
    group = mls.Group.join(welcome, bundle, ratchet_tree=tree)
    found = {one.type: one.data for one in group.join_extensions}
    given_ = codec.decode(MeetingSecrets.read, found[EXTENSION_TYPE])
    assert given_.signalling == given_.room_root == ZEROS
    assert old.signalling not in found[EXTENSION_TYPE]
    made = given_.after_commit(group.export)
    assert made == people["bob"].state.secrets == people["ada"].state.secrets
    assert ZEROS not in (made.signalling, made.room_root)


def test_steps_lead_forward_only_and_not_for_ever() -> None:
    chain = [b"s" * 32]
    for _ in range(STEPS_AHEAD_MAX + 1):
        chain.append(step(chain[-1]))
    assert len(set(chain)) == len(chain)
    assert leads_to(chain[0], chain[0])
    assert leads_to(chain[0], chain[STEPS_AHEAD_MAX - 1])
    assert not leads_to(chain[0], chain[STEPS_AHEAD_MAX])
    assert not leads_to(chain[1], chain[0])


def test_rooms_have_another_key_for_each_root_relay_and_lane() -> None:
    seeds = {
        room_seed(root, pin, lane)
        for root in (b"r" * 32, b"q" * 32)
        for pin in (b"1" * 32, b"2" * 32)
        for lane in (b"l", b"m")
    }
    assert len(seeds) == 8
    assert {len(seed) for seed in seeds} == {32}
