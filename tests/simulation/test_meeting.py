"""Whole meetings on a virtual clock."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest

from folkmoot import mls
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.governance import PRESETS, Admission
from folkmoot.meeting import events, records
from folkmoot.meeting.missing import HOLD_S, NOBODY_S
from folkmoot.meeting.records import Content, RecordKind
from simulation.meeting_world import Member, World, agreed


def meet(world: World, *names: str) -> list[Member]:
    members = [world.found(names[0])]
    world.run(0.5)
    for name in names[1:]:
        members.append(world.join(name, members[0].meeting.invite_text()))
        world.run_until(lambda: agreed(members), 20)
    world.run(2)
    return members


def test_people_come_in_one_after_the_other_and_see_the_same_code() -> None:
    world = World(1)
    members = meet(world, "Ann", "Bob", "Cy")
    assert agreed(members)
    for one in members:
        assert one.meeting.roster(world.now)[0].name == one.name
        assert {view.name for view in one.meeting.roster(world.now)} == {"Ann", "Bob", "Cy"}
        assert one.meeting.confirmed


def say(world: World, member: Member, text: str) -> None:
    world.do(member, lambda m: m.chat(text, world.now))


def texts(member: Member) -> list[str]:
    return [one.text for one in member.of(events.ChatReceived)]


def test_chat_reaches_everybody_once_on_a_lossy_network() -> None:
    world = World(2, loss=0.2)
    members = meet(world, "Ann", "Bob", "Cy")
    for number in range(10):
        for one in members:
            say(world, one, f"{one.name} {number}")
        world.run(0.3)
    world.run_until(lambda: all(len(texts(one)) == 30 for one in members), 30)
    for one in members:
        assert len(set(texts(one))) == 30


def test_who_comes_in_reads_nothing_from_before() -> None:
    world = World(3)
    ann, bob = meet(world, "Ann", "Bob")
    say(world, ann, "secret")
    cy = world.join("Cy", bob.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, cy]), 20)
    world.run(10)
    assert texts(bob) == ["secret"]
    assert texts(cy) == []


def test_who_leaves_is_gone_and_reads_nothing_from_after() -> None:
    world = World(4)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    world.do(bob, lambda m: m.leave(world.now))
    world.run_until(lambda: bool(bob.of(events.Left)), 5)
    world.run(1)
    assert agreed([ann, cy])
    assert [view.name for view in ann.meeting.roster(world.now)] == ["Ann", "Cy"]
    assert [one.cause for one in cy.of(events.MemberOut)] == ["left"]
    assert bob.saved == b""
    assert not bob.rooms


def test_one_cut_off_for_twenty_seconds_has_every_message() -> None:
    world = World(5)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    world.set_link(cy, False)
    for number in range(20):
        say(world, ann, f"{number}")
        world.run(1)
    say(world, cy, "from the dark")
    assert [view.name for view in ann.meeting.roster(world.now) if not view.here] == ["Cy"]
    world.set_link(cy, True)
    world.run_until(lambda: len(texts(cy)) == 21 and len(texts(bob)) == 21, 20)
    assert agreed([ann, bob, cy])


def test_one_cut_off_while_others_come_and_go_finds_back() -> None:
    world = World(6)
    ann, bob, cy, dee = meet(world, "Ann", "Bob", "Cy", "Dee")
    world.set_link(cy, False)
    world.run(4)
    world.do(dee, lambda m: m.leave(world.now))
    world.run_until(lambda: bool(dee.of(events.Left)), 10)
    world.kill(dee)
    say(world, ann, "dee left")
    eve = world.join("Eve", ann.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, eve]), 20)
    say(world, ann, "eve came")
    world.run(20)
    say(world, cy, "from the dark")
    world.set_link(cy, True)
    world.run_until(lambda: agreed([ann, bob, cy, eve]), 40)
    world.run_until(lambda: len(texts(cy)) == 3 and len(texts(bob)) == 3, 20)
    assert len(ann.meeting.roster(world.now)) == 4


def test_one_whose_agent_was_killed_has_its_seat_back() -> None:
    world = World(7)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    seat = cy.meeting.seat
    world.kill(cy)
    world.run(5)
    say(world, ann, "while away")
    again = world.restart(cy)
    world.run_until(lambda: agreed([ann, bob, again]) and bool(again.of(events.Joined)), 20)
    assert again.meeting.seat == seat
    assert len(ann.meeting.roster(world.now)) == 3
    assert not ann.of(events.MemberOut)
    say(world, again, "back")
    world.run_until(lambda: "back" in texts(bob), 10)
    world.run_until(lambda: "while away" in texts(again), 10)


def test_the_founder_alone_comes_back_alone() -> None:
    world = World(8)
    ann = world.found("Ann")
    world.run(2)
    again = world.restart(ann)
    world.run_until(lambda: bool(again.of(events.Joined)), 10)
    bob = world.join("Bob", again.meeting.invite_text())
    world.run_until(lambda: agreed([again, bob]), 20)


def test_of_two_one_is_killed_and_comes_back_at_once() -> None:
    world = World(9)
    ann, bob = meet(world, "Ann", "Bob")
    again = world.restart(bob)
    took = world.run_until(lambda: agreed([ann, again]) and bool(again.of(events.Joined)), 20)
    assert took < 10
    ann2 = world.restart(ann)
    world.run_until(lambda: agreed([ann2, again]) and bool(ann2.of(events.Joined)), 20)


def test_everybody_goes_on_after_the_relay_was_away() -> None:
    world = World(10)
    members = meet(world, "Ann", "Bob", "Cy")
    for one in members:
        world.set_link(one, False)
    world.run(8)
    for one in members:
        world.set_link(one, True)
    say(world, members[0], "still here")
    world.run_until(lambda: all("still here" in texts(one) for one in members), 20)
    assert agreed(members)
    assert not any(one.of(events.MemberOut) for one in members)


def push_voice(world: World, member: Member, frame: EncodedFrame) -> None:
    world.do(member, lambda m: m.voice(frame, world.now))


def speak(world: World, member: Member, seconds: float) -> None:
    world.do(member, lambda m: m.microphone(True, world.now))
    for number in range(int(seconds * 50)):
        frame = EncodedFrame(
            MediaKind.VOICE,
            Codec.OPUS,
            True,
            number * 20_000,
            (b"\x78" + bytes([number % 251]) * 59,),  # 20 ms by its first byte
        )
        world.at(world.now + number * 0.02, functools.partial(push_voice, world, member, frame))


def test_voice_is_heard_without_a_gap_while_members_come_and_go() -> None:
    world = World(11)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    speak(world, ann, 12)
    world.run(2)
    dee = world.join("Dee", bob.meeting.invite_text())
    world.run(4)
    world.do(bob, lambda m: m.leave(world.now))
    world.run(8)
    assert agreed([ann, cy, dee])
    frames = [one.frame.payloads[0][1] for one in cy.of(events.FrameReceived)]
    assert frames == [number % 251 for number in range(600)]


def test_speaking_or_silent_a_member_sends_the_same_number_of_cells() -> None:
    world = World(12)
    ann, bob = meet(world, "Ann", "Bob")
    speak(world, ann, 60)
    before = ann.sent, bob.sent
    world.run(60)
    sent = ann.sent - before[0], bob.sent - before[1]
    assert abs(sent[0] - sent[1]) <= 2
    assert sent[0] > 60 * 30


def picture(number: int, key: bool) -> EncodedFrame:
    head = b"\x00\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00" if key else b"\x01"  # 320 x 240
    payloads = (b"\x10" + head + bytes([number % 256]) * 900, b"\0" + bytes([number % 256]) * 900)
    return EncodedFrame(MediaKind.CAMERA, Codec.VP8, key, number * 50_000, payloads)


def test_a_late_newcomer_gets_a_picture_from_its_key_frame_on() -> None:
    world = World(13)
    ann, bob = meet(world, "Ann", "Bob")
    world.do(ann, lambda m: m.show(MediaKind.CAMERA, True, world.now))
    state = {"n": 0}

    def shoot() -> None:
        key = state["n"] == 0 or bool(ann.of(events.KeyFrameNeeded)[state.get("seen", 0) :])
        state["seen"] = len(ann.of(events.KeyFrameNeeded))
        frame = picture(state["n"], key)
        world.do(ann, lambda m: m.picture(frame, world.now))
        state["n"] += 1
        if ann.alive:
            world.at(world.now + 0.05, shoot)

    shoot()
    world.run_until(lambda: bool(bob.of(events.FrameReceived)), 5)
    cy = world.join("Cy", ann.meeting.invite_text())
    world.run_until(lambda: bool(cy.of(events.Joined)), 10)
    took = world.run_until(lambda: bool(cy.of(events.FrameReceived)), 5)
    # A second until the next beacon says that there is a picture, a link and a room, and a key
    # frame that is asked for.
    assert took < 3
    assert cy.of(events.FrameReceived)[0].frame.key
    world.do(ann, lambda m: m.show(MediaKind.CAMERA, False, world.now))
    world.run(3)
    seen = len(cy.of(events.FrameReceived))
    world.run(2)
    assert len(cy.of(events.FrameReceived)) == seen


def test_a_proposal_sent_as_content_is_not_stored() -> None:
    world = World(14)
    ann, bob = meet(world, "Ann", "Bob")
    inside = bob.meeting._inside
    assert inside is not None
    state = inside.epochs.current
    leaf = ann.meeting._inside.epochs.current.own_leaf  # type: ignore[union-attr]
    proposal = state.group.propose(mls.Remove(leaf), entropy=world.entropy)
    content = Content(state.authenticator, proposal)
    inside.council.publish(RecordKind.CONTENT, content.encode(), inside.context.wall_s(world.now))
    world.run(3)
    assert not ann.meeting._inside.epochs.current.group.stored_references()  # type: ignore[union-attr]
    assert agreed([ann, bob])


def test_an_open_meeting_lets_everybody_in_without_asking() -> None:
    world = World(15)
    ann = world.found("Ann", replace(PRESETS["unremovable"], admission=Admission.OPEN))
    ann.admits = False
    world.run(0.5)
    members = [ann]
    for name in ("Bob", "Cy", "Dee"):
        members.append(world.join(name, ann.meeting.invite_text()))
    world.run_until(lambda: agreed(members), 30)
    assert not any(one.of(events.Knocked) for one in members)


def test_who_is_not_let_in_waits_outside_and_is_told_of_a_no() -> None:
    world = World(16)
    ann, bob = meet(world, "Ann", "Bob")
    ann.admits = bob.admits = False
    cy = world.join("Cy", ann.meeting.invite_text())
    world.run(5)
    (knock,) = ann.meeting.knocks()
    assert knock.name == "Cy"
    world.do(ann, lambda m: m.refuse(knock.knock, world.now))
    world.run(5)
    assert [one.why for one in cy.of(events.Refused)] == ["Somebody inside said no."]
    assert cy.meeting.phase.value == "knocking"
    world.do(bob, lambda m: m.admit(knock.knock, world.now))
    world.run_until(lambda: agreed([ann, bob, cy]), 20)


def test_nothing_is_said_before_who_invited_us_confirms() -> None:
    world = World(17)
    ann, bob = meet(world, "Ann", "Bob")
    word = ann.meeting.invite_text()
    world.set_link(ann, False)
    world.run(4)
    cy = world.join("Cy", word)
    world.run_until(lambda: cy.meeting.phase.value == "in", 20)
    speak(world, cy, 3)
    world.run(4)
    assert not cy.meeting.confirmed
    assert not bob.of(events.FrameReceived)
    world.set_link(ann, True)
    world.run_until(lambda: cy.meeting.confirmed, 20)
    speak(world, cy, 3)
    world.run(4)
    assert bob.of(events.FrameReceived)


def test_a_commit_that_no_record_holds_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused with a sentence, and the meeting goes on: the agent used to end there."""
    world = World(31)
    ann, bob = meet(world, "Ann", "Bob")
    monkeypatch.setattr(records, "HANDSHAKE_BYTES_MAX", 500)
    cy = world.join("Cy", ann.meeting.invite_text())
    world.run(10)
    refused = [one.why for one in (*ann.of(events.Refused), *bob.of(events.Refused))]
    assert any("fits no record" in why for why in refused)
    assert cy.meeting.phase.value == "knocking"
    assert agreed([ann, bob])
    say(world, ann, "still here")
    world.run_until(lambda: "still here" in texts(bob), 10)


def test_two_who_were_away_while_others_came_in_find_the_way_to_them() -> None:
    """Those ahead cannot open what those behind say, and the newcomers are strangers to those
    behind: each side is a majority to itself, and nobody knows what the others lack."""
    world = World(18)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    for one in (ann, bob):
        world.set_link(one, False)
    newcomers = []
    for name in ("Dee", "Eve", "Fay", "Gus"):
        newcomers.append(world.join(name, cy.meeting.invite_text()))
        world.run_until(lambda: agreed([cy, *newcomers]), 30)
    world.run(15)  # nobody there hears the old epoch any more
    for one in (ann, bob):
        world.set_link(one, True)
    world.run(0.6)
    say(world, ann, "written behind")
    everybody = [ann, bob, cy, *newcomers]
    took = world.run_until(lambda: agreed(everybody), 30)
    assert took < 10
    assert not any(one.of(events.MemberOut) for one in everybody)
    world.run_until(lambda: all(texts(one) == ["written behind"] for one in everybody), 20)


def test_one_who_is_heard_before_its_commit_settled_is_not_heard_twice() -> None:
    """Each voice cell holds the last frames again: whoever forgot the speaker in between would
    play them a second time."""
    world = World(19)
    ann, bob = meet(world, "Ann", "Bob")
    speak(world, bob, 8)
    world.run(1)
    cy = world.join("Cy", ann.meeting.invite_text())
    world.run_until(lambda: bool(cy.of(events.Joined)), 20)
    world.run(1)
    world.do(bob, lambda m: m.leave(world.now))
    world.run(12)
    for one in (ann, cy):
        heard = [event.frame.payloads[0][1] for event in one.of(events.FrameReceived)]
        assert len(heard) > 50
        assert len(heard) == len(set(heard))


def test_one_who_left_is_not_let_in_again_by_one_who_was_away() -> None:
    """The admission of who left is good for a minute, and who comes back hears it as news: it
    would seat somebody who is not there, for ever."""
    world = World(20)
    ann, bob, cy, dee = meet(world, "Ann", "Bob", "Cy", "Dee")
    world.kill(ann)
    world.run(0.5)
    world.do(dee, lambda m: m.leave(world.now))
    world.run(5)
    again = world.restart(ann)
    world.run_until(lambda: agreed([again, bob, cy]), 20)
    world.run(12)
    for one in (again, bob, cy):
        assert {view.name for view in one.meeting.roster(world.now)} == {"Ann", "Bob", "Cy"}


def test_one_whose_line_hangs_settles_nothing_alone() -> None:
    """Nothing tells it that its line hangs but that its own cells do not come back; before the
    link is given up everybody seems absent."""
    world = World(21)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    ann.admits = bob.admits = cy.admits = False
    dee = world.join("Dee", ann.meeting.invite_text())
    world.run_until(lambda: bool(bob.meeting.knocks()), 10)
    world.hang(bob, True)
    epoch = bob.meeting.epoch
    knock = bob.meeting.knocks()[0].knock
    world.do(bob, lambda m: m.admit(knock, world.now))
    world.run(5.5)
    assert bob.meeting.epoch == epoch
    world.hang(bob, False)
    world.run_until(lambda: agreed([ann, bob, cy, dee]), 20)
    assert ann.meeting.epoch == epoch + 1


def test_a_meeting_goes_on_after_a_commit_from_the_future() -> None:
    """If one is settled in spite of all, what follows it is as far ahead, and each would name
    nobody's commit but its own."""
    world = World(22)
    ann, bob = meet(world, "Ann", "Bob")
    for one in (ann, bob):
        inside = one.meeting._inside
        assert inside is not None
        current = inside.epochs.current
        current.secrets = replace(current.secrets, tick=current.secrets.tick + 3600)
    cy = world.join("Cy", ann.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, cy]), 20)


def test_who_hears_few_lets_nobody_in_before_it_has_asked_where_the_others_are() -> None:
    """It may only just be back, and would settle alone what the others never see."""
    world = World(48)
    ann, *others = meet(world, "Ann", "Bob", "Cy", "Dee")
    for one in others:
        world.kill(one)
    world.run_until(lambda: sum(view.here for view in ann.meeting.roster(world.now)) == 1, 10)
    few_since = world.now
    eve = world.join("Eve", ann.meeting.invite_text())
    world.run_until(lambda: bool(eve.of(events.Joined)), 40)
    assert few_since + NOBODY_S + HOLD_S - 1 < world.now < few_since + NOBODY_S + HOLD_S + 5
