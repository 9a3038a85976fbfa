"""The door after a removal: a new one, and the ones before it for members who were away."""

from __future__ import annotations

import pytest

from folkmoot.cells import council
from folkmoot.cells.records import Inbox, pack
from folkmoot.governance.evidence import make_readmission
from folkmoot.meeting.door import (
    VOID,
    WORK_BITS_MIN,
    Answer,
    Claim,
    Knock,
    LeafAnswer,
    RefusedAnswer,
    Side,
    open_answer,
    public_of,
    seal_knock,
)
from folkmoot.meeting.entrance import DOOR_KEPT_S, DOORS_MAX, KNOCK_SILENT_S
from folkmoot.meeting.events import Knocked, KnockGone
from folkmoot.meeting.invite import door_cell_secret, door_room_root
from folkmoot.meeting.rooms import DOOR, Wanted
from folkmoot.meeting.secrets import DoorSecrets
from folkmoot.wire.lanes import Direction
from unit.meeting_parts import GROUP, People
from unit.test_meeting_entrance import ANSWER, LATE, NOW, Door

NEXT = DoorSecrets(b"\x07" * 32, b"next door's secret".ljust(32, b"."))


class Doors(Door):
    """A member with doors from before, and an ear at each."""

    def __init__(self) -> None:
        super().__init__(People("ada", "bob", "eve"))
        self.inboxes: dict[bytes, Inbox] = {}

    def renew(self, secrets: DoorSecrets, now: float) -> None:
        self.entrance.new_door(secrets, now)
        wanted = [
            Wanted(0, DOOR, root, Direction.BOTH, "main") for root in self.entrance.room_roots
        ]
        for action in self.context.rooms.want(wanted):
            self.context.rooms.changed(action.room, True)

    def knock_at(
        self, secrets: DoorSecrets, name: str, package: bytes = b"", claim: Claim | None = None
    ) -> bytes:
        """A knock by somebody who knows this door, with a fresh key package if none is given."""
        package = package or self.people.bundle(name).key_package
        knock = Knock(package, name, public_of(ANSWER), b"c" * 32, claim)
        return seal_knock(
            knock, public_of(secrets.private), GROUP, WORK_BITS_MIN, self.people.entropy
        )

    def hear_at(self, secrets: DoorSecrets, message: bytes, now: float) -> None:
        secret, root = door_cell_secret(secrets.secret), door_room_root(secrets.secret)
        for plaintext in pack([message]):
            cell = council.seal(secret, plaintext, self.people.entropy)
            self.entrance.receive([cell], now, root)

    def answers_at(self, secrets: DoorSecrets, now: float) -> list[Answer]:
        """What is answered at one door, and at no other."""
        for step in range(200):
            self.entrance.handle_timer(now + step / 40)
        secret, root = door_cell_secret(secrets.secret), door_room_root(secrets.secret)
        inbox, messages = self.inboxes.setdefault(root, Inbox(1 << 20)), []
        while self.context.outgoing:
            action = self.context.outgoing.popleft()
            for cell in getattr(action, "cells", ()):
                plaintext = council.open(secret, cell)
                assert plaintext is not None, "said at another door"
                messages += inbox.receive(plaintext, now)
        opened = [open_answer(one[1:], ANSWER, GROUP) for one in messages]
        return [one for one in opened if one is not None]


@pytest.fixture
def doors() -> Doors:
    return Doors()


def test_who_waits_at_the_old_door_is_told_that_the_invite_is_void(doors: Doors) -> None:
    message = doors.knock("cleo")
    doors.hear(message, NOW)
    assert any(isinstance(one, Knocked) for one in doors.told())
    doors.renew(NEXT, NOW + 1)
    assert any(isinstance(one, KnockGone) for one in doors.told())
    assert RefusedAnswer(VOID) in doors.answers_at(doors.door, NOW + 1)
    # And who comes later with such an invite.
    late = doors.knock_at(doors.door, "dan")
    doors.hear_at(doors.door, late, LATE)
    assert doors.answers_at(doors.door, LATE) == [RefusedAnswer(VOID)]
    assert not any(isinstance(one, Knocked) for one in doors.told())
    assert doors.entrance.waiting() == []


def test_the_new_door_lets_people_in(doors: Doors) -> None:
    old = doors.entrance.door_key
    doors.renew(NEXT, NOW)
    assert doors.entrance.door_key != old
    assert doors.entrance.room_roots == [
        door_room_root(NEXT.secret), door_room_root(doors.door.secret)
    ]  # fmt: skip
    message = doors.knock("cleo")  # to the key of now
    doors.hear_at(doors.door, message, NOW)  # at the old door it is noise
    assert doors.told() == []
    doors.hear_at(NEXT, message, NOW)
    assert any(isinstance(one, Knocked) for one in doors.told())


def test_a_member_who_was_away_is_answered_at_the_door_that_it_knows(doors: Doors) -> None:
    person = doors.people["eve"]
    bundle = doors.people.bundle("eve")
    stale = make_readmission(person.key, GROUP, person.seat, b"x" * 32, bundle.ref)
    claim = Claim(Side(b"a" * 32, 3, 1), stale, True)
    message = doors.knock("eve", claim)
    doors.renew(NEXT, NOW)
    doors.hear_at(doors.door, message, NOW)
    for late in range(8):
        doors.hear_at(doors.door, message, NOW + late)
    told = [one for one in doors.answers_at(doors.door, NOW + 8) if isinstance(one, LeafAnswer)]
    assert {one.leaf_hash for one in told} == {person.leaf_hash}


def test_a_claim_at_two_doors_is_one_caller(doors: Doors) -> None:
    """A member says its claim at every door that it knows; it is granted once."""
    person = doors.people["eve"]
    bundle = doors.people.bundle("eve")
    leaf = make_readmission(person.key, GROUP, person.seat, person.leaf_hash, bundle.ref)
    claim = Claim(Side(b"a" * 32, 3, 1), leaf, True)
    old = doors.knock_at(doors.door, "eve", bundle.key_package, claim)
    new = doors.knock_at(NEXT, "eve", bundle.key_package, claim)
    doors.renew(NEXT, NOW)
    assert old != new
    for late in range(3):
        doors.hear_at(doors.door, old, NOW + late)
        doors.hear_at(NEXT, new, NOW + late)
    assert len(doors.entrance.take_requests()) == 1
    assert len(doors.entrance._callers) == 1
    doors.entrance.handle_timer(NOW + 3 + KNOCK_SILENT_S)
    assert not doors.entrance._callers
    assert not doors.entrance._same


def test_old_doors_are_few_and_close(doors: Doors) -> None:
    for number in range(DOORS_MAX + 2):
        doors.renew(DoorSecrets(bytes([number + 1]) * 32, bytes([number]) * 32), NOW + number)
    assert len(doors.entrance.room_roots) == DOORS_MAX + 1
    doors.entrance.handle_timer(NOW + DOOR_KEPT_S + KNOCK_SILENT_S)
    assert doors.entrance.room_roots == [door_room_root(bytes([DOORS_MAX + 1]) * 32)]
    due = doors.entrance.next_timer()
    assert due is None or due > NOW + DOOR_KEPT_S
