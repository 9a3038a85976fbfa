"""Motions in whole meetings: carried or failed, with members away, and what is left to one who was
removed."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.cells.council import open as open_cell
from folkmoot.governance.ballot import make_ballot
from folkmoot.governance.motion import MOTION_S, MOTION_S_MIN, Motion, MotionKind, sign_motion
from folkmoot.meeting import UsageError, events
from folkmoot.meeting.epochs import PARENT_KEPT_S
from folkmoot.meeting.hearing import ROOMS_OPEN_S
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.invite import door_cell_secret, door_room_root
from folkmoot.meeting.motions import DECIDE_AFTER_S, MOTIONS_OF_MEMBER_MAX
from folkmoot.meeting.names import member_id
from folkmoot.meeting.records import RecordKind
from folkmoot.meeting.rooms import COUNCIL, DOOR, VOICE
from folkmoot.meeting.secrets import STEPS_AHEAD_MAX, MeetingSecrets, room_seed, step
from folkmoot.wire.lanes import LANE_RULES, LaneSlot
from simulation.meeting_world import WALL_S, Member, World, agreed
from simulation.moot import decided, gather, inside, move_out, outs, vote
from simulation.test_meeting import say, speak, texts

COUNCIL_BYTES = LANE_RULES[LaneSlot.COUNCIL].cell_bytes


def test_a_removal_with_enough_is_carried_out_at_everybody() -> None:
    world = World(401)
    ann, bob, cy, dee, eve = members = gather(world, 5)
    speak(world, ann, 9)
    before = bob.meeting.invite_text()
    motion = move_out(world, ann, eve)
    vote(world, motion, yes=[ann, bob, cy])
    world.run(5)
    assert agreed(members)  # three of five are not enough
    assert all(decided(one) == [] for one in members)
    vote(world, motion, yes=[dee])
    stay = [ann, bob, cy, dee]
    took = world.run_until(lambda: all(outs(one) == [("Eve", "removed")] for one in stay), 10)
    assert took < 5
    assert agreed(stay)
    world.run_until(lambda: bool(eve.of(events.Left)), 10)
    (left,) = eve.of(events.Left)
    assert "Ann moved it, and 4 said yes where 4 were needed (Ann, Bob, Cy, Dee)" in left.why
    assert "more than two thirds of all who vote" in left.why
    assert decided(eve) == [True]
    assert eve.saved == b""
    assert all(decided(one) == [True] for one in stay)
    assert all(len(one.meeting.roster(world.now)) == 4 for one in stay)
    assert bob.meeting.invite_text() != before
    say(world, bob, "without her")
    world.run_until(lambda: all("without her" in texts(one) for one in stay), 5)
    world.run(9)
    frames = [one.frame.payloads[0][1] for one in cy.of(events.FrameReceived)]
    assert frames == [number % 251 for number in range(450)]
    # What came twice, in the old rooms and the new ones, is no mark against the relay.
    assert not any(one.of(events.Marked) for one in members)
    assert not inside(ann).motions.open


def test_a_removal_with_too_few_fails_and_nobody_is_out() -> None:
    world = World(402)
    ann, bob, cy, dee, eve = members = gather(world, 5)
    motion = move_out(world, ann, eve)
    vote(world, motion, yes=[ann, bob, cy])
    with pytest.raises(UsageError, match="no vote on your own"):
        vote(world, motion, no=[eve])
    with pytest.raises(UsageError, match="final"):
        vote(world, motion, no=[bob])
    world.run(5)
    (view,) = dee.meeting.motions(world.now)
    assert (view.needed, view.have, view.electors, view.here) == (4, 3, 5, 5)
    assert view.may_vote
    assert not ann.meeting.motions(world.now)[0].may_vote
    vote(world, motion, no=[dee])
    world.run_until(lambda: all(decided(one) == [False] for one in members), 5)
    assert agreed(members)
    assert not any(outs(one) for one in members)
    # It is over: who changes their mind now changes nothing.
    with pytest.raises(UsageError, match="no such motion"):
        dee.meeting.vote(motion, True, world.now)


def test_silence_is_no_and_a_motion_ends() -> None:
    world = World(403)
    ann, bob, cy, dee, eve = members = gather(world, 5)
    member = member_id(eve.meeting.seat)
    motion = ann.meeting.move("remove", member, world.now, seconds=MOTION_S_MIN)
    vote(world, motion, yes=[ann, bob, cy])
    world.run(MOTION_S_MIN - 5)
    assert all(decided(one) == [] for one in members)
    assert 0 < dee.meeting.motions(world.now)[0].ends_in_s < 5
    world.run(DECIDE_AFTER_S + 6)
    assert all(decided(one) == [False] for one in members)
    with pytest.raises(UsageError, match="no such motion"):
        dee.meeting.vote(motion, True, world.now)
    assert agreed(members)
    assert not any(outs(one) for one in members)


def test_those_away_count_and_come_back_to_their_seats() -> None:
    """Two of seven are away: all four others who are here must say yes, and one more is needed."""
    world = World(404)
    ann, bob, cy, dee, eve, fay, gus = members = gather(world, 7)
    for one in (fay, gus):
        world.set_link(one, False)
    world.run(6)
    motion = move_out(world, ann, eve)
    vote(world, motion, yes=[ann, bob, cy, dee])
    world.run(6)
    (view,) = ann.meeting.motions(world.now)
    assert (view.needed, view.have, view.here) == (5, 4, 5)
    assert not any(outs(one) for one in members)
    world.set_link(fay, True)
    vote(world, motion, yes=[fay])
    stay = [ann, bob, cy, dee, fay]
    world.run_until(lambda: all(outs(one) == [("Eve", "removed")] for one in stay), 20)
    world.run(PARENT_KEPT_S + 2)
    # Gus missed all of it, and knows only rooms and a door that are there no more.
    seat = gus.meeting.seat
    world.set_link(gus, True)
    world.run_until(lambda: agreed([*stay, gus]), 40)
    assert gus.meeting.seat == seat
    assert len(gus.meeting.roster(world.now)) == 6
    say(world, gus, "what did I miss?")
    world.run_until(lambda: all("what did I miss?" in texts(one) for one in stay), 10)
    assert outs(gus) == [("Eve", "removed")] or not outs(gus)


def test_a_member_restarted_from_its_seat_votes_again() -> None:
    world = World(405)
    ann, bob, cy, dee, eve = gather(world, 5)
    motion = move_out(world, ann, eve)
    vote(world, motion, yes=[ann, bob, cy])
    again = world.restart(dee)
    world.run_until(lambda: bool(again.of(events.Joined)), 30)
    vote(world, motion, yes=[again])
    stay = [ann, bob, cy, again]
    world.run_until(lambda: all(("Eve", "removed") in outs(one) for one in stay), 20)
    assert agreed(stay)


class Tapped(World):
    """A world whose relay keeps all that it carries, with the room's key and the time."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.tap: list[tuple[float, bytes, bytes]] = []

    def _act(self, member: Member, action: events.Outgoing) -> None:
        super()._act(member, action)
        if isinstance(action, events.SendCells) and action.room in member.rooms:
            key = Ed25519PrivateKey.from_private_bytes(member.rooms[action.room].seed)
            room = key.public_key().public_bytes_raw()
            self.tap += [(self.now, room, cell) for cell in action.cells]


def test_the_keys_of_one_who_was_removed_open_nothing_later() -> None:
    world = Tapped(406)
    ann, bob, cy, dee, eve = gather(world, 5)
    stay = [ann, bob, cy, dee]
    word = ann.meeting.invite_text()
    hers = inside(eve)
    state = hers.epochs.current
    vote(world, move_out(world, ann, eve), yes=stay)
    world.run_until(lambda: all(outs(one) for one in stay), 10)
    # Her agent goes on as it was, whatever it was told: she keeps every key that she had.
    begin = world.now
    speak(world, ann, 8)
    for one in stay:
        say(world, one, f"after, {one.name}")
    fay = world.join("Fay", bob.meeting.invite_text())
    world.run_until(lambda: agreed([*stay, fay]), 20)
    world.run(15)
    later = [(when, room, cell) for when, room, cell in world.tap if when > begin]
    assert len(later) > 2000
    old = room_keys(state.secrets, world)
    assert old.isdisjoint(room for when, room, _ in later if when > begin + 12)
    # At first the others speak in the rooms that she knows, too, under keys that she has not.
    voice = [when for when, room, cell in later if room in old and len(cell) != COUNCIL_BYTES]
    assert len(voice) > 50
    assert max(voice) < begin + ROOMS_OPEN_S
    secrets = [state.secrets.signalling]
    for _ in range(STEPS_AHEAD_MAX):
        secrets.append(step(secrets[-1]))
    secrets.append(door_cell_secret(state.secrets.door.secret))
    council = [cell for _, _, cell in later if len(cell) == COUNCIL_BYTES]
    said = [one for one in council for key in secrets if open_cell(key, one) is not None]
    # What is said in the old rooms is the way for those who are behind, and no more of it.
    assert len(said) < 40
    heard = len(eve.of(events.FrameReceived))
    for _, _, cell in later:
        if len(cell) != COUNCIL_BYTES:
            hers.media.receive(0, VOICE, b"", [cell], world.now)
    world.do(eve, lambda meeting: None)
    assert len(eve.of(events.FrameReceived)) == heard
    assert not any("after" in text for text in texts(eve))
    staged = state.group.stage(commit_of(inside(ann), state.authenticator))
    assert staged.group is None
    # And an invite from before leads to nobody who would let her friends in.
    gus = world.join("Gus", word)
    world.run_until(lambda: bool(gus.of(events.Refused)), 20)
    assert "void" in gus.of(events.Refused)[0].why
    assert not any(one.meeting.knocks() for one in stay)
    hal = world.join("Hal", ann.meeting.invite_text())
    world.run_until(lambda: agreed([*stay, fay, hal]), 30)


def commit_of(member: Inside, parent: bytes) -> bytes:
    return member.laggards.way_from(parent)[0].message


def room_keys(secrets: MeetingSecrets, world: World) -> set[bytes]:
    """Public keys of the rooms that these secrets lead to."""
    pins = [relay.address.pin for relay in world.relays]
    found = set()
    for pin in pins:
        lanes = [(secrets.room_root, COUNCIL), (secrets.room_root, VOICE)]
        lanes.append((door_room_root(secrets.door.secret), DOOR))
        for root, lane in lanes:
            key = Ed25519PrivateKey.from_private_bytes(room_seed(root, pin, lane.encode()))
            found.add(key.public_key().public_bytes_raw())
    return found


def test_of_two_motions_an_elector_says_yes_to_one_removal_at_a_time() -> None:
    world = World(407)
    ann, bob, cy, dee, eve = members = gather(world, 5)
    first = move_out(world, ann, eve)
    world.run(1)  # of two yeses to open removals that counts which opened first
    second = move_out(world, bob, dee)
    vote(world, first, yes=[ann, cy])
    with pytest.raises(UsageError, match="one at a time"):
        vote(world, second, yes=[ann])
    # A program without this rule says it all the same; nobody counts it.
    forge_ballot(world, ann, second, True)
    forge_ballot(world, ann, first, False)  # and changes its mind
    world.run(3)
    for one in members:
        views = {view.motion: view.have for view in one.meeting.motions(world.now)}
        assert views == {first: 2, second: 0}
    for one in (bob, cy):
        whys = {event.why for event in one.of(events.Refused) if event.what == "ballot"}
        assert any("one open yes" in why for why in whys)
        assert any("changed" in why for why in whys)
    vote(world, second, no=[ann, cy])
    world.run_until(lambda: all(False in decided(one) for one in members), 5)
    vote(world, first, yes=[bob, dee])
    world.run_until(lambda: all(outs(one) for one in (ann, bob, cy, dee)), 10)


def forge_ballot(world: World, member: Member, motion: str, yes: bool) -> None:
    mine = inside(member)
    name = mine._motion(motion).name
    context = member.meeting._context
    ballot = make_ballot(context.key, context.group_id, context.seat, name, yes)
    mine.publish(RecordKind.BALLOT, ballot.encode(), world.now)


def test_a_flood_of_motions_is_refused_with_a_reason() -> None:
    world = World(408)
    ann, bob, cy, dee, eve = members = gather(world, 5)
    for _ in range(MOTIONS_OF_MEMBER_MAX):
        move_out(world, eve, bob)
        world.run(1.1)
    with pytest.raises(UsageError, match="3 motions open"):
        move_out(world, eve, bob)
    mine = inside(eve)
    state = mine.epochs.current
    for number in range(20):
        opens = int(WALL_S + world.now) - number
        motion = Motion(
            eve.meeting.seat, MotionKind.REMOVE, ann.meeting.seat, state.terms.charter.hash,
            state.roll.hash, opens, opens + MOTION_S - 1,
        )  # fmt: skip
        signed = sign_motion(eve.meeting._context.key, eve.meeting.group_id, motion)
        mine.publish(RecordKind.MOTION, signed.encode(), world.now)
    world.run(8)
    for one in (ann, bob, cy, dee):
        assert len(one.meeting.motions(world.now)) == MOTIONS_OF_MEMBER_MAX
        refused = [event for event in one.of(events.Refused) if event.what == "motion"]
        assert refused
        assert all("at most 3 motions" in event.why for event in refused)
        assert all(event.seat == eve.meeting.seat for event in refused)
    # Others still can.
    vote(world, move_out(world, ann, eve), yes=[ann, bob, cy, dee])
    world.run_until(lambda: all(outs(one) for one in (ann, bob, cy, dee)), 20)
    assert agreed(members[:4])
