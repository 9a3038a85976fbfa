"""Walking out together: who goes, how fast, what those who stay learn, and whom nobody takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from folkmoot import mls
from folkmoot.cells.reliable import decode_record
from folkmoot.governance import PRESETS, Relay
from folkmoot.governance.roll import Roll
from folkmoot.governance.terms import Terms
from folkmoot.meeting import UsageError, events, secession
from folkmoot.meeting.calls import Call, Go, call_id
from folkmoot.meeting.names import member_id
from folkmoot.meeting.pending import Request
from folkmoot.meeting.records import RecordKind
from folkmoot.meeting.save import Saved
from folkmoot.meeting.secession import CALL_S, WAIT_S, OpenCall
from folkmoot.wire import codec
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.labels import Sign
from simulation.hostile_member import Hostile, in_seat
from simulation.meeting_world import Member, World, agreed
from simulation.moot import gather, move_out, vote
from simulation.patches import Patches, remember
from simulation.test_meeting import meet, say, speak, texts
from simulation.watch import EpochWatch

TEN = tuple(f"M{number}" for number in range(10))
GONE_S = 2.0  # the goal for ten, answers at once


def call(world: World, caller: Member, *others: Member) -> str:
    called = [member_id(one.meeting.seat) for one in others]
    world.do(caller, lambda m: m.call(called, None, world.now))
    return call_id(next(reversed(caller.meeting._inside.secession.open)))  # type: ignore[union-attr]


def answer(world: World, name: str, yes: bool, *members: Member) -> None:
    for one in members:
        world.run_until(
            lambda one=one: name in {call_id(x.name) for x in one.meeting.calls()},  # type: ignore[misc]
            5,
        )
        world.do(one, lambda m: m.answer_call(name, yes, world.now))


def in_another(members: list[Member], group_id: bytes) -> bool:
    return agreed(members) and all(one.meeting.group_id != group_id for one in members)


def test_five_of_ten_walk_out_and_the_others_go_on() -> None:
    watch = EpochWatch()
    with Patches() as patches:
        remember(patches)
        watch.install(patches)
        world = World(31)
        members = meet(world, *TEN)
        going, staying = members[:5], members[5:]
        group_id = members[0].meeting.group_id
        seats = {one.meeting.seat for one in going}
        for one in members:
            speak(world, one, 10.0)
        world.run(1)
        begun = world.now
        name = call(world, going[0], *going[1:])
        answer(world, name, True, *going[1:])
        world.run_until(lambda: in_another(going, group_id), 5)
        took = world.now - begun
        print(f"five are in another meeting {took:.2f} s after the call")
        assert took < GONE_S

        # They see and hear each other, and have an invite of their own.
        world.run_until(lambda: all(one.meeting.confirmed for one in going), 5)
        for one in going:
            assert {view.seat for view in one.meeting.roster(world.now)} == seats
            (walked,) = one.of(events.WalkedOut)
            assert (walked.by, set(walked.seats)) == (going[0].meeting.seat, seats)
        say(world, going[1], "only for us")
        world.run_until(lambda: all("only for us" in texts(one) for one in going), 10)
        voices = len(going[0].of(events.FrameReceived))
        world.run(2)
        assert len(going[0].of(events.FrameReceived)) > voices + 4 * 50
        fay = world.join("Fay", going[2].meeting.invite_text())
        world.run_until(lambda: agreed([*going, fay]), 20)
        assert fay.meeting.group_id == going[0].meeting.group_id

        # The others are told that these left, and are a meeting as before.
        def are_alone() -> bool:
            rosters = [{x.seat for x in one.meeting.roster(world.now)} for one in staying]
            return agreed(staying) and all(not roster & seats for roster in rosters)

        world.run_until(are_alone, 10)
        for one in staying:
            assert not one.meeting.calls()
            assert {event.cause for event in one.of(events.MemberOut)} == {"left"}
            assert "only for us" not in texts(one)
        say(world, staying[0], "we are still here")
        world.run_until(lambda: all("we are still here" in texts(one) for one in staying), 10)
        assert not any("we are still here" in texts(one) for one in going)
        world.run(6)
        for one in going:
            assert one.meeting._departing is None
            saved = Saved.decode(one.saved)
            assert mls.Group.load(saved.group).group_id == one.meeting.group_id

        # With all keys that they ever had, those who stayed open nothing of the new group.
        told = [event.authenticator for event in going[0].of(events.EpochChanged)]
        new = [watch.epochs[one] for one in told[-2:]]  # as five, and with Fay
        assert [len(one.seats) for one in new] == [5, 6]
        assert all(one.sealed for one in new)
        known = {
            secret
            for one in staying
            for epoch in watch.epochs.values()
            if one.meeting.seat in epoch.seats
            for secret in (epoch.secrets.signalling, epoch.secrets.room_root, epoch.base_key)
        }
        for epoch in new:
            assert not known & {
                epoch.secrets.signalling,
                epoch.secrets.room_root,
                epoch.base_key,
                epoch.secrets.door.secret,
                epoch.secrets.door.private,
            }


def test_who_says_no_or_nothing_stays() -> None:
    world = World(32)
    ann, bob, cy, dee = members = meet(world, "Ann", "Bob", "Cy", "Dee")
    group_id = ann.meeting.group_id
    name = call(world, ann, bob, cy, dee)
    answer(world, name, True, bob)
    answer(world, name, False, cy)
    world.run(WAIT_S - 3)
    assert agreed(members)
    world.run_until(lambda: in_another([ann, bob], group_id), 10)
    world.run_until(lambda: agreed([cy, dee]) and len(cy.meeting.roster(world.now)) == 2, 15)
    assert cy.meeting.group_id == dee.meeting.group_id == group_id
    for one in (cy, dee):
        assert not one.of(events.WalkedOut)
        assert not one.meeting.calls()
    with pytest.raises(UsageError, match="no such call"):
        dee.meeting.answer_call(name, True, world.now)


def test_a_call_that_nobody_follows_is_over() -> None:
    world = World(33)
    ann, bob, cy = members = meet(world, "Ann", "Bob", "Cy")
    name = call(world, ann, bob)
    with pytest.raises(UsageError, match="already"):
        ann.meeting.call([member_id(cy.meeting.seat)], None, world.now)
    answer(world, name, False, bob)
    world.run_until(lambda: not ann.meeting.calls(), 5)
    call(world, ann, cy)
    world.run(CALL_S + 2)
    assert not ann.meeting.calls()
    assert not cy.meeting.calls()
    assert [one.went for one in ann.of(events.CallOver)] == [False, False]
    assert agreed(members)
    with pytest.raises(UsageError, match="no such member"):
        ann.meeting.call(["nobody"], None, world.now)
    with pytest.raises(UsageError, match="Choose"):
        ann.meeting.call([member_id(ann.meeting.seat)], None, world.now)


def test_under_other_rules_who_comes_along_has_them() -> None:
    world = World(34)
    ann, bob, _ = meet(world, "Ann", "Bob", "Cy")
    group_id = ann.meeting.group_id
    called = [member_id(bob.meeting.seat)]
    world.do(ann, lambda m: m.call(called, PRESETS["assembly"], world.now))
    world.run_until(lambda: bool(bob.meeting.calls()), 5)
    (asked,) = bob.of(events.Called)
    assert asked.charter == PRESETS["assembly"]
    answer(world, call_id(asked.name), True, bob)
    world.run_until(lambda: in_another([ann, bob], group_id), 5)
    assert bob.meeting.charter == ann.meeting.charter == PRESETS["assembly"]
    assert bob.meeting.votes
    assert ann.meeting.votes


def test_one_walks_out_and_out_again_and_all_old_rooms_are_closed() -> None:
    world = World(37)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    rooms = len(ann.rooms)
    groups = {ann.meeting.group_id}
    for others in ((bob, cy), (bob,)):
        before = ann.meeting.group_id
        answer(world, call(world, ann, *others), True, *others)
        world.run_until(lambda before=before: in_another([ann, bob], before), 10)  # type: ignore[misc]
        groups.add(ann.meeting.group_id)
    assert len(groups) == 3
    world.run_until(lambda: ann.meeting._departing is bob.meeting._departing is None, 20)
    say(world, ann, "twice")
    world.run_until(lambda: "twice" in texts(bob), 10)
    assert "twice" not in texts(cy)
    assert len(ann.rooms) == rooms


# -- hostile callers


class Trap:
    """Mallory calls Ann and Bob, who say yes, and goes in a way of its own."""

    def __init__(self) -> None:
        self.world = World(35)
        self.ann, self.bob, self.cy, mal = meet(self.world, "Ann", "Bob", "Cy", "Mallory")
        self.mallory = Hostile(self.world, mal)
        self.group_id = self.ann.meeting.group_id
        self.name = call(self.world, mal, self.ann, self.bob)
        answer(self.world, self.name, True, self.ann)
        self.world.run(1)
        (self.open,) = self.mallory.inside.secession.open.values()

    def go(self, one: OpenCall) -> None:
        made = self.mallory.inside.secession.go(one, self.mallory.state)
        assert made is not None
        self.mallory.publish(RecordKind.CALL_GO, made[0])
        self.world.run(2)

    def nobody_went(self) -> None:
        for one in (self.ann, self.bob, self.cy):
            assert one.meeting.group_id == self.group_id
            assert not one.of(events.WalkedOut)
        say(self.world, self.ann, "still here")
        self.world.run_until(lambda: "still here" in texts(self.cy), 10)


def test_nobody_is_brought_in_whom_nobody_called() -> None:
    trap = Trap()
    cy = in_seat(trap.cy.meeting.seat, b"c" * 32, trap.world.entropy)
    trap.open.replies[trap.cy.meeting.seat] = cy.key_package
    trap.go(trap.open)
    trap.nobody_went()
    assert "could not walk out" in trap.ann.of(events.Refused)[-1].why


def test_nobody_sits_down_in_anothers_seat() -> None:
    """Bob is called and has not answered; Mallory answers for him, with a key of its own."""
    trap = Trap()
    bob = in_seat(trap.bob.meeting.seat, b"b" * 32, trap.world.entropy)
    trap.open.replies[trap.bob.meeting.seat] = bob.key_package
    trap.go(trap.open)
    trap.nobody_went()
    assert "not who they are here" in trap.ann.of(events.Refused)[-1].why


def test_who_follows_is_sent_to_no_other_relay_and_under_no_other_rules(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = secession.terms_of
    for change in ("relay", "rules"):
        trap = Trap()

        def bent(here: object, charter: object, seats: object, change: str = change) -> object:
            terms = real(here, charter, seats)  # type: ignore[arg-type]
            other = (Relay(RelayAddress("127.0.0.1", 4444, b"e" * 32)),)
            meeting = (
                replace(terms.meeting, relays=other)
                if change == "relay"
                else replace(terms.meeting, charter=PRESETS["assembly"])
            )
            recorded = terms.recorded
            if change == "rules":
                recorded = Roll.everyone(list(seats))  # type: ignore[call-overload]
            return replace(terms, meeting=meeting, recorded=recorded)

        made = trap.open
        with monkeypatch.context() as patch:
            patch.setattr(secession, "terms_of", bent)
            gone = trap.mallory.inside.secession.go(made, trap.mallory.state)
        assert gone is not None
        trap.mallory.publish(RecordKind.CALL_GO, gone[0])
        trap.world.run(2)
        trap.nobody_went()
        assert "not those of the call" in trap.ann.of(events.Refused)[-1].why


def test_nothing_more_is_in_it_than_a_meetings_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which newcomers refuse: nobody could come in any more."""
    trap, real = Trap(), Terms.extensions
    with monkeypatch.context() as patch:
        patch.setattr(Terms, "extensions", lambda self: (*real(self), (3, bytes(3))))
        made = trap.mallory.inside.secession.go(trap.open, trap.mallory.state)
    assert made is not None
    trap.mallory.publish(RecordKind.CALL_GO, made[0])
    trap.world.run(2)
    trap.nobody_went()
    assert "more in it" in trap.ann.of(events.Refused)[-1].why


def test_who_said_no_is_not_seated_by_an_old_key_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by the one with which Bob came in: he would be an elector there who never answers."""
    for says_no in (True, False):
        trap = Trap()
        monkeypatch.setattr(trap.mallory.inside.secession, "ready", lambda now: None)
        trap.world.run_until(lambda trap=trap: bool(_packages_of(trap)), 5)  # type: ignore[misc]
        (old,) = _packages_of(trap)
        if says_no:
            answer(trap.world, trap.name, False, trap.bob)
            trap.world.run(1)
        trap.open.replies[trap.bob.meeting.seat] = old
        trap.go(trap.open)
        trap.nobody_went()  # of one who said nothing: for REPLIES_S
        if says_no:
            assert "said no" in trap.ann.of(events.Refused)[-1].why


def _packages_of(trap: Trap) -> list[bytes]:
    """With which Bob came in, as far as Mallory has heard of it."""
    records = map(decode_record, trap.mallory.inside.council.log.records())
    requests = (
        codec.decode(Request.read, one.body) for one in records if one.kind == RecordKind.REQUEST
    )
    return [
        one.key_package
        for one in requests
        if mls.parse_key_package(one.key_package).identity == trap.bob.meeting.seat
    ]


def test_the_way_of_a_caller_who_was_removed_leads_nowhere() -> None:
    """Ann said yes, and then voted for its removal; the old rooms are heard for ten seconds."""
    world = World(37)
    ann, bob, cy, dee, mal = gather(world, 5)
    mallory = Hostile(world, mal)
    inside, state = mallory.inside, mallory.state
    name = call(world, mal, ann, bob)
    answer(world, name, True, ann)
    world.run(1)
    (made,) = inside.secession.open.values()
    vote(world, move_out(world, bob, mal), yes=[ann, bob, cy, dee])
    world.run_until(lambda: all(len(one.meeting.roster(world.now)) == 4 for one in (ann, bob)), 10)
    assert not ann.meeting.calls()
    gone = inside.secession.go(made, state)
    assert gone is not None
    hers = ann.meeting._inside
    assert hers is not None
    assert hers.secession.hear_go(gone[0], hers.epochs.current, world.now) is None
    assert hers.secession.catch_up(hers.epochs.current, world.now) is None


def test_nobody_goes_with_anybody_but_the_caller() -> None:
    """Cy signs a go for Mallory's call; and Mallory one with another Welcome than it signed."""
    trap = Trap()
    made = trap.mallory.inside.secession.go(trap.open, trap.mallory.state)
    assert made is not None
    go = codec.decode(Go.read, made[0])
    cy = trap.cy.meeting._inside
    assert cy is not None
    content = trap.cy.meeting.seat + go.signed.content[16:]
    forged = Go(cy.secession._sign(Sign.CALL_GO, content), go.welcome)
    cy.publish(RecordKind.CALL_GO, forged.encode(), trap.world.now)
    torn = Go(go.signed, go.welcome[:-1] + bytes([go.welcome[-1] ^ 1]))
    trap.mallory.publish(RecordKind.CALL_GO, torn.encode())
    trap.world.run(2)
    trap.nobody_went()


def test_an_old_call_and_floods_of_calls_are_nothing() -> None:
    world = World(36)
    ann, bob, mal = meet(world, "Ann", "Bob", "Mallory")
    mallory = Hostile(world, mal)
    inside = mallory.inside

    def publish(age: int, nonce: int) -> None:
        made = Call(
            mal.meeting.seat, bytes([nonce]) * 16, mallory.tick - age,
            (ann.meeting.seat,), PRESETS["unremovable"],
        )  # fmt: skip
        signed = inside.secession._sign(Sign.CALL, made.encode())
        mallory.publish(RecordKind.CALL, signed.encode())

    publish(CALL_S + 5, 1)
    world.run(2)
    assert not ann.meeting.calls()
    for nonce in range(2, 40):
        publish(0, nonce)
    world.run(20)
    assert len(ann.meeting.calls()) == 1  # the newest of one caller
    assert not bob.meeting.calls()
    assert agreed([ann, bob, mal])
