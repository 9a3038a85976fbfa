"""Motions and ballots as one member keeps them: what it takes up, what it counts, what waits."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.governance import PRESETS
from folkmoot.governance.ballot import make_ballot
from folkmoot.governance.certificate import check_certificate
from folkmoot.governance.motion import MOTION_S, MOTION_S_MAX, Motion, MotionKind, sign_motion
from folkmoot.governance.roll import Roll
from folkmoot.governance.standing import Standing
from folkmoot.meeting import motions as module
from folkmoot.meeting.early_votes import (
    BALLOTS_OF_SEAT_MAX,
    MOTIONS_OF_SEAT_MAX,
    UNKNOWN_MAX,
)
from folkmoot.meeting.events import BallotCast, Decided, Event, MotionMade, Refused
from folkmoot.meeting.motions import (
    CLOCK_S,
    DECIDE_AFTER_S,
    KEPT_MAX,
    MOTIONS_OF_MEMBER_MAX,
    SAID_EVERY_S,
    Motions,
)
from unit.meeting_parts import GROUP, TICK, People, key_of, seat_of

NAMES = ("ada", "bob", "cy", "dee", "eve")


def private(name: str) -> Ed25519PrivateKey:
    """The key of somebody, in the meeting or not."""
    return Ed25519PrivateKey.from_private_bytes(key_of(name))


class Desk:
    """Ada's motions, in a meeting of five."""

    def __init__(self) -> None:
        self.people = People(*NAMES, charter=PRESETS["circle"])
        self.told: list[Event] = []
        self.motions = Motions(GROUP, seat_of("ada"), self.told.append)
        self.wall_s = TICK + 100
        self.follow()

    @property
    def state(self) -> Any:
        return self.people["ada"].state

    def follow(self) -> None:
        self.motions.follow(self.state, self.wall_s)

    def motion(self, by: str = "bob", whom: str = "eve", **more: Any) -> Motion:
        opens = more.pop("opens", self.wall_s)
        fields: dict[str, Any] = {
            "mover": seat_of(by),
            "kind": MotionKind.REMOVE,
            "subject": seat_of(whom),
            "charter_hash": self.people.charter.hash,
            "roll_hash": self.state.roll.hash,
            "opens": opens,
            "ends": opens + MOTION_S,
        }
        return Motion(**{**fields, **more})

    def move(self, one: Motion, signer: str | None = None, group: bytes = GROUP) -> bytes:
        by = next(name for name in (*NAMES, "frank") if seat_of(name) == one.mover)
        signed = sign_motion(private(signer or by), group, one)
        self.motions.receive_motion(signed.encode(), self.state, self.wall_s)
        return one.hash(GROUP)

    def answer(self, name: bytes, by: str, yes: bool = True, signer: str | None = None) -> None:
        ballot = make_ballot(private(signer or by), GROUP, seat_of(by), name, yes)
        self.motions.receive_ballot(ballot.encode(), self.state, self.wall_s)

    def junk(self, number: int) -> None:
        """A ballot and a motion by seats that nobody has."""
        seat, name = number.to_bytes(16, "big"), bytes(32)
        ballot = make_ballot(private("eve"), GROUP, seat, name, True)
        self.motions.receive_ballot(ballot.encode(), self.state, self.wall_s)
        signed = sign_motion(private("eve"), GROUP, self.motion(mover=seat))
        self.motions.receive_motion(signed.encode(), self.state, self.wall_s)

    def take(self, kind: type[Any]) -> list[Any]:
        found = [one for one in self.told if isinstance(one, kind)]
        self.told[:] = [one for one in self.told if not isinstance(one, kind)]
        return found


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_motion_is_taken_up_once_and_its_ballots_counted(desk: Desk) -> None:
    one = desk.motion()
    name = desk.move(one)
    desk.move(one)
    assert desk.take(MotionMade) == [MotionMade(name, one, 4)]
    for by in ("bob", "cy", "dee", "dee"):
        desk.answer(name, by)
    assert desk.take(BallotCast) == [
        BallotCast(name, seat_of(by), True) for by in ("bob", "cy", "dee")
    ]
    assert desk.motions.open[name].stands(desk.state) == Standing(4, 3)
    assert desk.motions.ready(desk.state, desk.wall_s) == []
    desk.answer(name, "ada")
    (decision,) = desk.motions.ready(desk.state, desk.wall_s)
    keys = {entry.seat: entry.signature_key for entry in desk.state.roster}
    stands = check_certificate(
        decision.certificate(desk.state.roll),
        group_id=GROUP, tick=desk.wall_s, charter=desk.people.charter,
        roll=desk.state.roll, keys=keys,
    )  # fmt: skip
    assert stands == Standing(4, 4)
    assert desk.motions.ready(desk.state, one.opens - 1) == []
    assert desk.motions.ready(desk.state, one.ends + 1) == []


def test_a_certificate_leaves_out_who_has_gone_since(desk: Desk) -> None:
    name = desk.move(desk.motion(whom="ada"))
    for by in ("bob", "cy", "dee", "eve"):
        desk.answer(name, by)
    desk.people.remove("ada", "eve")
    desk.follow()
    (one,) = desk.motions.open.values()
    assert one.stands(desk.state) == Standing(4, 3)
    assert desk.motions.ready(desk.state, desk.wall_s) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"opens": TICK + 100 + CLOCK_S + 1}, "later than now"),
        ({"whom": "nobody"}, "no such member"),
        ({"kind": MotionKind.ADMIT, "subject": b"r" * 32}, "by a vote"),
        ({"kind": MotionKind.RAISE}, "no guest"),
        ({"kind": MotionKind.AMEND, "subject": PRESETS["circle"].encode()}, "that there is"),
        ({"kind": MotionKind.AMEND, "subject": PRESETS["assembly"].encode()}, "stays as it was"),
    ],
)
def test_a_motion_that_leads_to_nothing_is_refused(
    desk: Desk, changes: dict[str, Any], why: str
) -> None:
    desk.move(desk.motion(**changes))
    (refused,) = desk.take(Refused)
    assert why in refused.why
    assert (refused.what, refused.seat) == ("motion", seat_of("bob"))
    assert not desk.motions.open


def test_a_motion_nobody_signed_is_nothing(desk: Desk) -> None:
    desk.move(desk.motion(), signer="cy")
    desk.move(desk.motion(), group=b"another group...")
    desk.move(desk.motion(opens=desk.wall_s - MOTION_S - 1))
    desk.motions.receive_motion(b"noise", desk.state, desk.wall_s)
    assert not desk.told
    assert not desk.motions.open


def test_a_motion_among_other_electors_than_there_were_gets_no_answer(desk: Desk) -> None:
    """Frank came after; a motion that leaves him out must have been opened before he came."""
    old = desk.state.roll.hash
    desk.people.add("ada", "frank")
    desk.wall_s += CLOCK_S + 60
    desk.follow()
    desk.wall_s += CLOCK_S + 1
    desk.move(desk.motion(roll_hash=old))
    (refused,) = desk.take(Refused)
    assert "other electors" in refused.why
    fields: dict[str, Any] = {"kind": MotionKind.AMEND, "subject": PRESETS["unremovable"].encode()}
    opens = desk.wall_s - CLOCK_S - 30
    late = desk.move(desk.motion(by="cy", roll_hash=old, opens=opens, **fields))
    assert late in desk.motions.open
    assert desk.motions.open[late].stands(desk.state) == Standing(5, 0)


def test_a_motion_of_an_epoch_to_come_waits_for_it(desk: Desk) -> None:
    here = desk.state.roll
    roll = Roll.everyone([*here.seats, seat_of("frank")])
    one = desk.motion(roll_hash=roll.hash)
    name = desk.move(one)
    desk.answer(name, "cy")
    assert not desk.told
    desk.people.add("ada", "frank")
    desk.follow()
    assert desk.take(MotionMade) == [MotionMade(name, one, 5)]
    assert desk.take(BallotCast) == [BallotCast(name, seat_of("cy"), True)]


def test_ballots_that_come_first_wait_for_their_motion(desk: Desk) -> None:
    one = desk.motion()
    desk.answer(one.hash(GROUP), "cy")
    desk.move(one)
    assert len(desk.take(BallotCast)) == 1


def test_what_waits_is_bounded_and_does_not_wait_for_ever(
    desk: Desk,
) -> None:
    for number in range(BALLOTS_OF_SEAT_MAX + 2):
        desk.answer(bytes([number]) * 32, "cy")
    for number in range(MOTIONS_OF_SEAT_MAX + 2):
        desk.move(desk.motion(roll_hash=bytes([number]) * 32, opens=desk.wall_s + 10**6))
    for number in range(UNKNOWN_MAX + 2):
        desk.junk(number)
    assert len(desk.motions._early_ballots) == BALLOTS_OF_SEAT_MAX + UNKNOWN_MAX
    assert len(desk.motions._early_motions) == MOTIONS_OF_SEAT_MAX + UNKNOWN_MAX
    # Nor does a new epoch make it wait anew.
    desk.wall_s += MOTION_S_MAX
    desk.follow()
    assert len(desk.motions._early_ballots) == BALLOTS_OF_SEAT_MAX + UNKNOWN_MAX
    desk.motions.handle_timer(desk.state, desk.wall_s + 1)
    assert not desk.motions._early_ballots
    assert not desk.motions._early_motions


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("by_eve", [True, False])
def test_no_flood_takes_the_place_of_what_others_signed(
    desk: Desk, first: bool, by_eve: bool
) -> None:
    """One who is behind must still find a motion and its ballots when it comes up."""

    def flood() -> None:
        for number in range(2 * UNKNOWN_MAX):
            if by_eve:
                desk.answer(number.to_bytes(32, "big"), "eve")
                desk.move(desk.motion(by="eve", whom="ada", roll_hash=number.to_bytes(32, "big")))
            else:
                desk.junk(number)

    if first:
        flood()
    roll = Roll.everyone([*desk.state.roll.seats, seat_of("frank")])
    one = desk.motion(roll_hash=roll.hash)
    desk.answer(one.hash(GROUP), "dee")
    name = desk.move(one)
    desk.answer(name, "cy")
    if not first:
        flood()
    desk.people.add("ada", "frank")
    desk.follow()
    assert desk.take(MotionMade) == [MotionMade(name, one, 5)]
    assert {told.seat for told in desk.take(BallotCast)} == {seat_of("dee"), seat_of("cy")}


def test_a_ballot_that_its_seat_did_not_sign_waits_for_nothing(desk: Desk) -> None:
    desk.answer(desk.motion().hash(GROUP), "cy", signer="eve")
    assert not desk.motions._early_ballots


def test_what_waits_is_looked_at_again_when_its_seat_comes(desk: Desk) -> None:
    """Frank's motion and ballot come before the commit that let Frank in, some junk before them."""
    roll = Roll.everyone([*desk.state.roll.seats, seat_of("frank")])
    one = desk.motion(by="frank", roll_hash=roll.hash)
    for number in range(2 * UNKNOWN_MAX):
        desk.junk(number)
    desk.move(one)
    desk.answer(one.hash(GROUP), "frank")
    desk.answer(one.hash(GROUP), "frank", signer="eve")
    desk.people.add("ada", "frank")
    desk.follow()
    assert [told.name for told in desk.take(MotionMade)] == [one.hash(GROUP)]
    assert [told.seat for told in desk.take(BallotCast)] == [seat_of("frank")]


def test_the_first_answer_counts(desk: Desk) -> None:
    name = desk.move(desk.motion())
    desk.answer(name, "cy", False)
    desk.answer(name, "cy", True)
    (refused,) = desk.take(Refused)
    assert "the first one counts" in refused.why
    assert refused.seat == seat_of("cy")
    assert desk.motions.open[name].yes == []


def test_one_open_yes_to_a_removal(desk: Desk) -> None:
    first = desk.move(desk.motion())
    second = desk.move(desk.motion(by="cy", whom="dee", opens=desk.wall_s + 1))
    desk.answer(first, "cy")
    desk.answer(second, "cy")
    (refused,) = desk.take(Refused)
    assert "one open yes" in refused.why
    assert desk.motions.open[second].yes == []
    charter = PRESETS["unremovable"].encode()
    third = desk.move(desk.motion(kind=MotionKind.AMEND, subject=charter))
    desk.answer(third, "cy")
    assert desk.motions.open[third].yes == [seat_of("cy")]
    # When the first is over, the elector is free, and what it said meanwhile counts.
    desk.take(BallotCast)
    for by in ("ada", "dee"):
        desk.answer(first, by, False)
    desk.motions.handle_timer(desk.state, desk.wall_s)
    assert desk.motions.open[second].yes == [seat_of("cy")]
    assert BallotCast(second, seat_of("cy"), True) in desk.take(BallotCast)


@given(st.permutations(range(12)))
def test_all_who_have_the_same_records_count_the_same(order: list[int]) -> None:
    """Three removals, of which nobody's no ends the first, in whatever order all that comes."""
    desk = Desk()
    moved = [
        desk.motion(by=by, whom=whom, opens=desk.wall_s + later)
        for by, whom, later in (("bob", "eve", 0), ("cy", "dee", 1), ("dee", "bob", 1))
    ]
    names = [one.hash(GROUP) for one in moved]
    said = [
        (0, "cy", True), (0, "ada", True), (0, "dee", False), (0, "bob", False),
        (1, "cy", True), (1, "ada", True), (1, "bob", True),
        (2, "cy", True), (2, "eve", True),
    ]  # fmt: skip
    for place in order:
        if place < len(moved):
            desk.move(moved[place])
        else:
            motion, by, yes = said[place - len(moved)]
            desk.answer(names[motion], by, yes)
        desk.motions.handle_timer(desk.state, desk.wall_s)
    assert names[0] not in desk.motions.open
    counted = {name: set(one.yes) for name, one in desk.motions.open.items()}
    free = {seat_of("eve")} | ({seat_of("cy")} if names[2] < names[1] else set())
    assert counted[names[2]] == free
    assert counted[names[1]] == {seat_of(by) for by in ("cy", "ada", "bob")} - free


def test_one_motion_too_many_waits_for_another_to_end(desk: Desk) -> None:
    """Its mover may know already that one is over; a flood is forgotten."""
    names = [desk.move(desk.motion(opens=desk.wall_s + more)) for more in range(8)]
    assert list(desk.motions.open) == names[:MOTIONS_OF_MEMBER_MAX]
    for by in ("ada", "dee"):
        desk.answer(names[0], by, False)
    desk.motions.handle_timer(desk.state, desk.wall_s)
    assert set(desk.motions.open) == {*names[1 : MOTIONS_OF_MEMBER_MAX + 1]}
    assert len(desk.motions._early_motions) == MOTIONS_OF_MEMBER_MAX - 1


def test_who_has_no_vote_is_not_counted(desk: Desk) -> None:
    name = desk.move(desk.motion())
    desk.answer(name, "eve")
    desk.answer(name, "cy", signer="bob")
    desk.people.add("ada", "frank")
    desk.follow()
    desk.answer(name, "frank")
    whys = [refused.why for refused in desk.take(Refused)]
    assert whys == [
        "Who is to be removed has no ballot.",
        "A ballot by somebody who does not vote on this.",
    ]
    assert desk.motions.open[name].ballots == {}


def test_a_member_has_three_motions_open(desk: Desk) -> None:
    for number in range(MOTIONS_OF_MEMBER_MAX + 2):
        desk.move(desk.motion(opens=desk.wall_s - number))
    assert len(desk.motions.open) == MOTIONS_OF_MEMBER_MAX
    (refused,) = desk.take(Refused)  # once, and not for each
    assert "at most 3 motions" in refused.why
    desk.wall_s += SAID_EVERY_S
    desk.move(desk.motion())
    assert len(desk.take(Refused)) == 1
    desk.move(desk.motion(by="cy"))
    assert len(desk.motions.open) == MOTIONS_OF_MEMBER_MAX + 1


def test_a_flood_fills_no_memory(desk: Desk) -> None:
    for number in range(KEPT_MAX + 20):
        desk.move(desk.motion(whom="nobody", ends=desk.wall_s + 30 + number))
    assert len(desk.motions._over) == KEPT_MAX
    assert len(desk.take(Refused)) == 1


def test_all_motions_together_are_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOTIONS_MAX", 2)
    for by in ("bob", "cy", "dee"):
        desk.move(desk.motion(by=by))
    assert "2 motions open already" in desk.take(Refused)[0].why


def test_a_motion_ends(desk: Desk) -> None:
    one = desk.motion()
    name = desk.move(one)
    desk.wall_s = one.ends + 1
    desk.answer(name, "cy")
    assert desk.motions.open[name].ballots == {}
    desk.motions.handle_timer(desk.state, one.ends + DECIDE_AFTER_S)
    assert not desk.take(Decided)
    desk.motions.handle_timer(desk.state, one.ends + DECIDE_AFTER_S + 1)
    assert desk.take(Decided) == [Decided(name, one, False)]
    # Its record, said again by somebody, opens it no more.
    desk.wall_s = one.opens
    desk.move(one)
    assert not desk.motions.open


def test_a_motion_is_lost_when_nothing_can_carry_it(desk: Desk) -> None:
    name = desk.move(desk.motion())
    desk.answer(name, "cy", False)
    desk.motions.handle_timer(desk.state, desk.wall_s)
    assert desk.take(Decided)[0].carried is False  # four of five were needed, of four who may
    gone = desk.move(desk.motion(by="cy"))
    desk.people.remove("ada", "eve")
    desk.follow()
    desk.motions.handle_timer(desk.state, desk.wall_s)
    assert [one.name for one in desk.take(Decided)] == [gone]
