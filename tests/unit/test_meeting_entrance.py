"""The members' side of the door: whom it hears, what it asks for, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from folkmoot.cells import council
from folkmoot.cells.records import Inbox, pack
from folkmoot.governance.evidence import make_readmission
from folkmoot.meeting import entrance as module
from folkmoot.meeting.context import UsageError
from folkmoot.meeting.door import (
    WORK_BITS_MAX,
    WORK_BITS_MIN,
    Answer,
    CatchUpAnswer,
    Claim,
    Knock,
    LeafAnswer,
    RefusedAnswer,
    Side,
    WaitAnswer,
    encode_notice,
    open_answer,
    public_of,
    seal_knock,
    work_of,
)
from folkmoot.meeting.entrance import (
    KNOCK_SILENT_S,
    KNOCKS_MAX,
    NEW_KNOCKS_MAX,
    OTHERS_AFTER_S,
    Entrance,
)
from folkmoot.meeting.epochs import Epochs
from folkmoot.meeting.events import Knocked, KnockGone
from folkmoot.meeting.invite import door_cell_secret
from folkmoot.meeting.laggards import Laggards
from folkmoot.meeting.rooms import DOOR, Wanted
from folkmoot.meeting.witnesses import LockedNamings
from folkmoot.wire.lanes import Direction
from simulation.hostile_member import in_seat
from unit.meeting_parts import GROUP, People, key_of, seat_of

NOW = 100.0
ANSWER = b"a" * 32
LATE = NOW + 5 * OTHERS_AFTER_S  # any member's turn has come


class Door:
    """One member at the door, and a newcomer's ear."""

    def __init__(self, people: People, name: str = "ada") -> None:
        self.people, self.context = people, people.context(name, NOW)
        state = people[name].state
        self.laggards = Laggards()
        self.epochs = Epochs(
            state, seat=seat_of(name),
            wall_s=self.context.wall_s, now=NOW,
        )  # fmt: skip
        self.door = state.secrets.door
        self.locked = LockedNamings()
        self.entrance = Entrance(
            self.context, self.epochs, self.laggards, self.door,
            lambda now: 3, self.locked.of, NOW,
        )  # fmt: skip
        root = self.entrance.room_roots[0]
        for action in self.context.rooms.want([Wanted(0, DOOR, root, Direction.BOTH, "main")]):
            self.context.rooms.changed(action.room, True)
        self._inbox = Inbox(1 << 20)

    def knock(
        self, name: str, claim: Claim | None = None, bits: int = WORK_BITS_MIN, key: str = ""
    ) -> bytes:
        """`key`: whose it is, if not that of `name`."""
        bundle = in_seat(seat_of(name), key_of(key or name), self.people.entropy)
        knock = Knock(bundle.key_package, name, public_of(ANSWER), b"c" * 32, claim)
        return seal_knock(knock, self.entrance.door_key, GROUP, bits, self.people.entropy)

    def hear(self, message: bytes, now: float) -> None:
        secret = door_cell_secret(self.door.secret)
        for plaintext in pack([message]):
            self.entrance.receive([council.seal(secret, plaintext, self.people.entropy)], now)

    def said(self, now: float) -> list[bytes]:
        """The messages that go out now."""
        secret, found = door_cell_secret(self.door.secret), []
        for step in range(200):
            self.entrance.lane.handle_timer(now + step / 40)
        while self.context.outgoing:
            action = self.context.outgoing.popleft()
            for cell in getattr(action, "cells", ()):
                plaintext = council.open(secret, cell)
                assert plaintext is not None
                found += self._inbox.receive(plaintext, now)
        return found

    def answers(self, now: float) -> list[Answer]:
        opened = [open_answer(one[1:], ANSWER, GROUP) for one in self.said(now)]
        return [one for one in opened if one is not None]

    def told(self) -> list[object]:
        events: list[object] = list(self.context.events)
        self.context.events.clear()
        return events


@pytest.fixture
def door() -> Door:
    return Door(People("ada", "bob", "eve"))


def claim_of(people: People, name: str, leaf_hash: bytes | None = None) -> Claim:
    person = people[name]
    leaf = person.leaf_hash if leaf_hash is None else leaf_hash
    claim = make_readmission(person.key, GROUP, person.seat, leaf, b"r" * 32)
    return Claim(Side(person.state.authenticator, 3, 1), claim, True)


def test_who_knocks_is_told_once_and_not_opened_twice(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, opened = door.knock("cleo\u202e"[:4]), 0
    real = module.__dict__["open_knock"]

    def count(body: bytes, private: bytes, group_id: bytes) -> Knock | None:
        nonlocal opened
        opened += 1
        found: Knock | None = real(body, private, group_id)
        return found

    monkeypatch.setattr(module, "open_knock", count)
    bad = seal_knock(
        Knock(b"no key package", "x", public_of(ANSWER), b"c" * 32),
        door.entrance.door_key, GROUP, WORK_BITS_MIN, door.people.entropy,
    )  # fmt: skip
    for second in range(5):
        door.hear(message, NOW + second)
        door.hear(bad, NOW + second)
    assert opened == 2
    (event,) = door.told()
    assert isinstance(event, Knocked)
    assert event.name == "cleo"
    assert door.entrance.waiting() == [(event.knock, "cleo", NOW)]


def test_a_knock_of_less_work_is_not_opened_and_is_told_the_price(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = door.knock("cleo")
    door.entrance.bits = work_of(message[1:]) + 1
    monkeypatch.setattr(module, "open_knock", lambda *_arguments: pytest.fail("opened"))
    for _ in range(3):
        door.hear(message, NOW)
    assert door.told() == []
    assert door.said(NOW) == [encode_notice(door.entrance.bits)]


def flood(door: Door, count: int, now: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many knocks of other seats, at no cost to the test."""
    view = door.people.bundle("x")
    parsed = module.mls.parse_key_package(view.key_package)  # type: ignore[attr-defined]
    knock = Knock(view.key_package, "x", public_of(ANSWER), b"c" * 32)
    number = [0]

    def parse(_key_package: bytes) -> object:
        number[0] += 1
        return replace(parsed, identity=f"{now} {number[0]}".encode().ljust(16)[:16])

    with monkeypatch.context() as patch:
        patch.setattr(Entrance, "_may_have", lambda *_arguments: True)  # one key, many seats
        patch.setattr(module, "open_knock", lambda *_arguments: knock)
        patch.setattr(module, "work_of", lambda body: 30 + body[0])
        patch.setattr("folkmoot.mls.parse_key_package", parse)
        for one in range(count):
            door.hear(b"\x01" + bytes((one % 100,)) + f"{now} {one}".encode(), now)


def test_a_flood_raises_the_price_and_calm_lowers_it(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    flood(door, NEW_KNOCKS_MAX, NOW, monkeypatch)
    assert door.entrance.bits == WORK_BITS_MIN
    flood(door, 1, NOW + 9.0, monkeypatch)
    assert door.entrance.bits == WORK_BITS_MIN + 1
    flood(door, 1, NOW + 30.0, monkeypatch)
    assert door.entrance.bits == WORK_BITS_MIN
    flood(door, 1, NOW + 31.0, monkeypatch)
    assert door.entrance.bits == WORK_BITS_MIN


def test_the_price_of_a_large_flood_rises_further(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    flood(door, (NEW_KNOCKS_MAX << 4) + 1, NOW, monkeypatch)
    assert door.entrance.bits == WORK_BITS_MIN + 5 <= WORK_BITS_MAX


def test_a_crowd_pushes_out_those_of_least_work(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    flood(door, KNOCKS_MAX, NOW, monkeypatch)  # works 30 to 129, the first 28 twice
    assert len(door.entrance.waiting()) == KNOCKS_MAX
    door.told()
    flood(door, 5, NOW + 1, monkeypatch)  # works 30 to 34: in for those of equal or less, or not
    assert len(door.entrance.waiting()) == KNOCKS_MAX
    door.told()
    callers = list(door.entrance._callers.values())
    least = min(one.work for one in callers)
    for one in callers:
        one.work += 50
    flood(door, 1, NOW + 2, monkeypatch)
    assert door.told() == []
    assert least >= 30
    for one in callers[:1]:
        one.work = 0
    flood(door, 1, NOW + 3, monkeypatch)
    gone = [event.knock for event in door.told() if isinstance(event, KnockGone)]
    assert gone == [callers[0].id]
    assert len(door.entrance.waiting()) == KNOCKS_MAX


def test_who_finds_no_place_in_a_crowd_is_told_what_one_costs(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work that the door asks for is no place yet: others may have done more than that."""
    flood(door, KNOCKS_MAX, NOW, monkeypatch)
    callers = list(door.entrance._callers.values())
    door.entrance.bits = WORK_BITS_MIN
    message = door.knock("cleo")
    done = work_of(message[1:])  # what the door asks, or by luck more
    for one in callers:
        one.work = done + 1
    door.said(NOW)
    door.hear(message, NOW + 2)
    assert encode_notice(min(done + 2, WORK_BITS_MAX)) in door.said(NOW + 2)
    for one in callers:
        one.work = 40
    door.hear(message, NOW + 4)
    assert encode_notice(WORK_BITS_MAX) in door.said(NOW + 4)


def test_of_one_seat_the_newest_knock_stays(door: Door) -> None:
    door.hear(door.knock("cleo"), NOW)
    door.hear(door.knock("cleo"), NOW + 3)
    events = door.told()
    assert [type(one) for one in events] == [Knocked, KnockGone, Knocked]
    ((_, name, since),) = door.entrance.waiting()
    assert (name, since) == ("cleo", NOW)


def test_nobody_knocks_in_another_s_place(door: Door) -> None:
    """Neither for a newcomer's seat, before or after the newcomer, nor for a member's."""
    door.hear(door.knock("cleo", key="mallory"), NOW - 1)
    door.hear(door.knock("cleo"), NOW)
    door.hear(door.knock("cleo", key="mallory"), NOW + 1)
    ((_, name, since),) = door.entrance.waiting()
    assert (name, since) == ("cleo", NOW)
    assert [type(one) for one in door.told()] == [Knocked]
    claim = claim_of(door.people, "eve")
    door.hear(door.knock("eve", claim), NOW)
    door.hear(door.knock("eve", claim, key="mallory"), NOW)
    door.hear(door.knock("bob", claim_of(door.people, "eve"), key="mallory"), NOW)
    (request,) = door.entrance.take_requests()
    assert request.evidence == claim.readmission


def test_who_knocks_no_more_has_gone(door: Door) -> None:
    door.hear(door.knock("cleo"), NOW)
    door.entrance.handle_timer(NOW + KNOCK_SILENT_S)
    assert len(door.entrance.waiting()) == 1
    door.entrance.handle_timer(NOW + KNOCK_SILENT_S + 0.1)
    assert door.entrance.waiting() == []
    assert isinstance(door.told()[-1], KnockGone)


def test_one_member_answers_at_once_and_the_others_later() -> None:
    people = People("ada", "bob", "eve")
    doors = [Door(people, name) for name in ("ada", "bob", "eve")]
    message = doors[0].knock("cleo")
    first = []
    for one in doors:
        times = [NOW + step / 2 for step in range(12)]
        one.hear(message, NOW)
        answered: list[float] = []
        for now in times:
            one.hear(message, now)
            answered += [now] * len(one.answers(now))
        first.append(answered[0] - NOW)
    assert sorted(first) == [0.0, OTHERS_AFTER_S, 2 * OTHERS_AFTER_S]


def test_who_waits_is_told_its_place_and_a_refusal(door: Door) -> None:
    message = door.knock("cleo")
    door.hear(message, NOW)
    door.hear(message, LATE)
    assert WaitAnswer(1) in door.answers(LATE)
    ((knock, _, _),) = door.entrance.waiting()
    door.entrance.refuse(knock)
    door.hear(message, LATE + 0.1)
    assert door.answers(LATE + 0.1) == [RefusedAnswer("Somebody inside said no.")]
    assert door.entrance.waiting() == []
    for act in (door.entrance.refuse, door.entrance.knocking):
        act_on: Callable[[str], object] = act
        with pytest.raises(UsageError):
            act_on("nobody")
    with pytest.raises(UsageError):
        door.entrance.knocking(knock)


def test_a_claim_of_the_present_leaf_needs_nobody(door: Door) -> None:
    door.hear(door.knock("eve", claim_of(door.people, "eve")), NOW)
    (request,) = door.entrance.take_requests()
    assert request.evidence is not None
    assert door.entrance.take_requests() == []
    assert door.told() == []


def test_a_claim_of_an_old_leaf_is_told_the_present_one(door: Door) -> None:
    message = door.knock("eve", claim_of(door.people, "eve", b"h" * 32))
    door.hear(message, NOW)
    door.hear(message, LATE)
    told = {one.leaf_hash for one in door.answers(LATE) if isinstance(one, LeafAnswer)}
    assert told == {door.people["eve"].leaf_hash}
    assert door.entrance.take_requests() == []


def test_a_claim_of_no_seat_is_refused(door: Door) -> None:
    claim = claim_of(door.people, "eve")
    door.hear(door.knock("cleo", claim), NOW)
    (answer,) = door.answers(NOW)
    assert isinstance(answer, RefusedAnswer)
    assert "no such member" in answer.why


def test_a_claim_is_answered_with_the_commits_that_it_missed(door: Door) -> None:
    people = door.people
    claim = replace(claim_of(people, "eve"), must=False)
    people.commit("bob")
    door.laggards.settled(people.handshakes[-1])
    message = door.knock("eve", claim)
    door.hear(message, NOW)
    door.hear(message, LATE - 2.5)
    door.hear(message, LATE)
    expected = CatchUpAnswer((people.handshakes[-1].encode(),))
    assert expected in door.answers(LATE)


def test_our_own_claim_that_comes_back_is_passed_over(door: Door) -> None:
    door.hear(door.knock("ada", claim_of(door.people, "ada")), NOW)
    assert door.entrance.take_requests() == []
    assert door.answers(LATE) == []
