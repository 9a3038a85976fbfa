"""Hostile members with all the keys: correct MLS commits that the meeting never agreed to. Every
honest member refuses them and says so, nobody loses a seat, and the meeting goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot import mls
from folkmoot.governance.evidence import (
    TICK_MAX,
    Certificate,
    CommitEvidence,
    Evidence,
    make_readmission,
    make_sponsor,
)
from folkmoot.meeting import events
from folkmoot.meeting.founding import SUITE, make_key_package
from folkmoot.meeting.pending import Request
from folkmoot.meeting.records import RecordKind
from simulation.hostile_member import Forged, Hostile, forge_leaf, in_seat, with_seat
from simulation.meeting_world import Member, World, agreed
from simulation.test_meeting import meet, say, speak, texts

SEED = 77
FRAMES = 150  # of 20 ms
STRANGER_KEY = b"k" * 32


class Scene:
    """Ann, Bob and Cy, who are honest, and Mallory, who is not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.world = World(SEED)
        self.ann, self.bob, self.cy, self.mal = meet(self.world, "Ann", "Bob", "Cy", "Mallory")
        self.honest = [self.ann, self.bob, self.cy]
        self.mallory = Hostile(self.world, self.mal)

    def leaf(self, member: Member) -> int:
        return self.mallory.leaf_of(member)

    def stranger(self, seat: bytes | None = None) -> mls.KeyPackageBundle:
        """Somebody whom nobody knows, in their own seat or in another's."""
        if seat is None:
            return make_key_package(STRANGER_KEY, self.world.entropy)
        return in_seat(seat, STRANGER_KEY, self.world.entropy)

    def goes_on(self, why: str, forged: Forged | None) -> None:
        """Everybody refused, with this reason, and the meeting is what it was."""
        world, all_of_us = self.world, [*self.honest, self.mal]
        codes = {one.meeting.safety_code for one in self.honest}
        speak(world, self.ann, FRAMES * 0.02)
        world.run(2.5)
        for one in self.honest:
            refusals = [event.why for event in one.of(events.Refused) if event.what == "commit"]
            assert any(why in refusal for refusal in refusals), (one.name, refusals)
            assert not one.of(events.MemberOut)
            assert not one.of(events.Left)
            if forged is not None:
                assert one.meeting._inside is not None
                current = one.meeting._inside.epochs.current.authenticator
                assert current != forged.child
        assert {one.meeting.safety_code for one in self.honest} == codes
        self.carries_on(all_of_us)

    def carries_on(self, members: list[Member]) -> None:
        """Chat, a newcomer, and voice without a gap."""
        world = self.world
        for one in members:
            say(world, one, f"still here, {one.name}")
        world.run_until(
            lambda: all(
                {f"still here, {x.name}" for x in members} <= set(texts(y)) for y in members
            ),
            20,
        )
        eve = world.join("Eve", self.ann.meeting.invite_text())
        world.run_until(lambda: agreed([*members, eve]), 30)
        seats = {one.meeting.seat for one in [*members, eve]}
        for one in [*members, eve]:
            assert {view.seat for view in one.meeting.roster(world.now)} == seats
            assert len(one.meeting.roster(world.now)) == len(seats)
        world.run_until(lambda: len(self.cy.of(events.FrameReceived)) >= FRAMES, 10)
        heard = [one.frame.payloads[0][1] for one in self.cy.of(events.FrameReceived)]
        assert heard == list(range(FRAMES))
        say(world, eve, "hello")
        world.run_until(lambda: all("hello" in texts(one) for one in members), 20)


def remove_without_evidence(scene: Scene) -> Forged:
    return scene.mallory.commit([mls.Remove(scene.leaf(scene.ann))])


def remove_everybody(scene: Scene) -> Forged:
    return scene.mallory.commit([mls.Remove(scene.leaf(one)) for one in scene.honest])


def remove_with_ballots(scene: Scene) -> Forged:
    return scene.mallory.commit([mls.Remove(scene.leaf(scene.ann))], [Certificate(b"ballots")])


def remove_with_a_forged_farewell(scene: Scene) -> Forged:
    farewell = scene.mallory.farewell_of(scene.ann, scene.mallory.key)
    return scene.mallory.commit([mls.Remove(scene.leaf(scene.ann))], [farewell])


def remove_another_than_who_said_farewell(scene: Scene) -> Forged:
    farewell = scene.mallory.farewell_of(scene.ann, scene.ann.meeting._context.key)
    return scene.mallory.commit([mls.Remove(scene.leaf(scene.bob))], [farewell])


def readmit_under_an_own_key(scene: Scene) -> Forged:
    """Takes Ann's leaf away and puts one of Mallory's making into her seat."""
    mallory, bundle = scene.mallory, scene.stranger(scene.ann.meeting.seat)
    entry = mallory.state.entry_of(scene.ann.meeting.seat)
    assert entry is not None
    readmission = make_readmission(
        mallory.key, mallory.state.group.group_id, entry.seat, entry.leaf_hash, bundle.ref
    )
    return mallory.commit([mls.Remove(entry.leaf), mls.Add(bundle.key_package)], [readmission])


def _from_outside(scene: Scene, bundle: mls.KeyPackageBundle, resync: bool) -> Forged:
    group, message = mls.Group.external_join(
        scene.mallory.state.group.group_info(),
        bundle,
        resync=resync,
        authenticated_data=CommitEvidence(scene.mallory.tick, ()).encode(),
        entropy=scene.world.entropy,
    )
    return scene.mallory.say(message, child=group.epoch_authenticator)


def come_in_from_outside(scene: Scene) -> Forged:
    return _from_outside(scene, scene.stranger(), False)


def push_out_from_outside(scene: Scene) -> Forged:
    """An external commit in Ann's name that takes her older self away."""
    return _from_outside(scene, scene.stranger(scene.ann.meeting.seat), True)


def change_the_charter(scene: Scene) -> Forged:
    extensions = scene.mallory.state.group.extensions
    changed = [replace(one, data=one.data[:-1] + b"\xff") for one in extensions]
    return scene.mallory.commit([mls.GroupContextExtensions(tuple(changed))])


def end_the_group(scene: Scene) -> Forged:
    return scene.mallory.commit([mls.ReInit(b"another group   ", SUITE)])


def mix_in_a_key(scene: Scene) -> Forged:
    group = scene.mallory.state.group
    return scene.mallory.commit([group.past_epoch_psk(group.epoch, scene.world.entropy)])


def add_without_a_sponsor(scene: Scene) -> Forged:
    return scene.mallory.commit([mls.Add(scene.stranger().key_package)])


def _sponsored(scene: Scene, seat: bytes, key: Ed25519PrivateKey, until: int) -> Forged:
    bundle = scene.stranger()
    group_id = scene.mallory.state.group.group_id
    sponsor = make_sponsor(key, group_id, seat, bundle.ref, until)
    return scene.mallory.commit([mls.Add(bundle.key_package)], [sponsor])


def add_in_anothers_name(scene: Scene) -> Forged:
    until = scene.mallory.tick + 60
    return _sponsored(scene, scene.ann.meeting.seat, scene.mallory.key, until)


def add_with_an_old_admission(scene: Scene) -> Forged:
    until = scene.mallory.tick - 1
    return _sponsored(scene, scene.mal.meeting.seat, scene.mallory.key, until)


def add_into_a_taken_seat(scene: Scene) -> Forged:
    bundle = scene.stranger(scene.ann.meeting.seat)
    group_id, until = scene.mallory.state.group.group_id, scene.mallory.tick + 60
    seat = scene.mal.meeting.seat
    sponsor = make_sponsor(scene.mallory.key, group_id, seat, bundle.ref, until)
    return scene.mallory.commit([mls.Add(bundle.key_package)], [sponsor])


def without_evidence_at_all(scene: Scene) -> Forged:
    mallory = scene.mallory
    created = mallory.state.group.commit((), tree_extension=False, entropy=scene.world.entropy)
    assert created.staged.group is not None
    return mallory.say(created.message, child=created.staged.group.epoch_authenticator)


def from_before_its_parent(scene: Scene) -> Forged:
    return scene.mallory.commit(tick=scene.mallory.state.secrets.tick - 1)


def sit_down_in_anothers_seat(scene: Scene) -> Forged:
    """The leaf that each commit gives its committer names Ann's seat: two would sit in it, and
    what Ann signs would count no more."""
    forge_leaf(scene.monkeypatch, with_seat(scene.ann.meeting.seat))
    forged = scene.mallory.commit()
    scene.monkeypatch.undo()
    return forged


def sit_down_in_a_new_seat(scene: Scene) -> Forged:
    """Its own seat is gone without a farewell, and a ghost is there whom nobody let in."""
    forge_leaf(scene.monkeypatch, with_seat(b"a seat of nobody"))
    forged = scene.mallory.commit()
    scene.monkeypatch.undo()
    return forged


def change_its_key(scene: Scene) -> Forged:
    """Hands its seat to whoever has another key: the seat stays, and who is in it does not."""
    public = Ed25519PrivateKey.from_private_bytes(STRANGER_KEY).public_key().public_bytes_raw()
    forge_leaf(
        scene.monkeypatch, lambda content: replace(content, signature_key=public), STRANGER_KEY
    )
    forged = scene.mallory.commit()
    scene.monkeypatch.undo()
    return forged


HOSTILE: list[tuple[Callable[[Scene], Forged], str]] = [
    (remove_without_evidence, "without a farewell"),
    (remove_everybody, "without a farewell"),
    (remove_with_ballots, "a certificate that cannot be read"),
    (remove_with_a_forged_farewell, "did not sign"),
    (remove_another_than_who_said_farewell, "without a farewell"),
    (readmit_under_an_own_key, "did not sign"),
    (come_in_from_outside, "external commit"),
    (push_out_from_outside, "external commit"),
    (change_the_charter, "otherwise than its evidence says"),
    (end_the_group, "ReInit"),
    (mix_in_a_key, "PreSharedKey"),
    (add_without_a_sponsor, "whom no elector admitted"),
    (add_in_anothers_name, "did not sign"),
    (add_with_an_old_admission, "too old"),
    (add_into_a_taken_seat, "not the one of its key"),
    (without_evidence_at_all, "evidence cannot be read"),
    (from_before_its_parent, "before that of the commit it follows"),
    (sit_down_in_anothers_seat, "another seat"),
    (sit_down_in_a_new_seat, "another seat"),
    (change_its_key, "another key"),
]


@pytest.mark.parametrize(("attack", "why"), HOSTILE, ids=lambda one: getattr(one, "__name__", ""))
def test_everybody_refuses(
    attack: Callable[[Scene], Forged], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(monkeypatch)
    scene.goes_on(why, attack(scene))


@pytest.mark.parametrize("early", [True, False], ids=["before anybody said yes", "after"])
def test_nobody_sits_down_where_somebody_knocks(
    early: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever votes may let in whom they like: so Mallory lets in a guest of her own, in exactly
    the seat that Eve knocks for. Everybody refuses, and Eve comes in."""
    scene = Scene(monkeypatch)
    world, mallory = scene.world, scene.mallory
    for one in [*scene.honest, scene.mal]:
        one.admits = False

    def ann_hears() -> list[str]:
        return [one.knock for one in scene.ann.of(events.Knocked) if one.name == "Eve"]

    eve = world.join("Eve", scene.ann.meeting.invite_text())
    world.run_until(lambda: bool(mallory.inside.entrance.waiting() and ann_hears()), 10)
    (knocker,) = mallory.inside.entrance._callers.values()
    if not early:
        world.do(scene.ann, lambda m: m.admit(ann_hears()[-1], world.now))
    guest = scene.stranger(knocker.view.identity)
    sponsor = make_sponsor(
        mallory.key, scene.mal.meeting.group_id, scene.mal.meeting.seat, guest.ref,
        mallory.tick + 60,
    )  # fmt: skip
    mallory.publish(RecordKind.REQUEST, Request(guest.key_package, sponsor).encode())
    forged = mallory.commit([mls.Add(guest.key_package)], [sponsor])
    world._pump(scene.mal)
    if early:
        world.run(3)
        assert agreed([*scene.honest, scene.mal])
        world.do(scene.ann, lambda m: m.admit(ann_hears()[-1], world.now))
    world.run_until(lambda: agreed([*scene.honest, scene.mal, eve]), 20)
    for one in scene.honest:
        whys = [event.why for event in one.of(events.Refused)]
        assert any("not the one of its key (check 341)" in why for why in whys), (one.name, whys)
        assert one.meeting._inside is not None
        state = one.meeting._inside.epochs.current
        assert state.authenticator != forged.child
        entry = state.entry_of(eve.meeting.seat)
        assert entry is not None
        assert entry.signature_key == eve.meeting._context.key.public_key().public_bytes_raw()
        one.admits = True
    speak(world, scene.ann, FRAMES * 0.02)
    world.run(2.5)
    say(world, eve, "I am Eve")
    world.run_until(lambda: all("I am Eve" in texts(one) for one in scene.honest), 20)


@pytest.mark.parametrize("what", ["update", "remove"])
def test_proposals_by_others_have_no_place(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two who conspire: Cy proposes to everybody, and Mallory, whose program takes proposals in,
    commits it by reference. Honest programs store none, so all of them refuse alike."""
    scene = Scene(monkeypatch)
    world = scene.world
    accomplice = Hostile(world, scene.cy)
    group = accomplice.state.group
    update: mls.Proposal = group.update(entropy=world.entropy)
    wish = update if what == "update" else mls.Remove(scene.leaf(scene.ann))
    message = accomplice.propose(wish)
    world.run(2)
    scene.mallory.state.group.receive(message)
    references = scene.mallory.state.group.stored_references()
    assert len(references) == 1
    scene.honest = [scene.ann, scene.bob]
    forged = scene.mallory.commit(references)
    # With a proposal that waits, RFC 9420 lets their own programs send no chat any more (§12.4).
    for member in (accomplice, scene.mallory):
        member.state.group._epoch.stored.clear()
    world.run(2)
    for one in scene.honest:
        whys = [event.why for event in one.of(events.Refused)]
        assert any("a commit that is not valid" in why for why in whys)
        assert not one.of(events.MemberOut)
        assert one.meeting._inside is not None
        assert one.meeting._inside.epochs.current.authenticator != forged.child
    speak(world, scene.ann, FRAMES * 0.02)
    scene.carries_on([scene.ann, scene.bob, scene.cy, scene.mal])


def test_two_candidates_of_one_committer_part_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    first, second = scene.mallory.commit(), scene.mallory.commit()
    assert first.child != second.child
    scene.world.run(6)
    assert agreed(scene.honest)
    for one in scene.honest:
        assert not one.of(events.MemberOut)
    speak(scene.world, scene.ann, FRAMES * 0.02)
    scene.carries_on([*scene.honest, scene.mal])


@pytest.mark.parametrize("ahead_s", [50, 3600, None])
def test_a_commit_from_the_future_does_not_shut_the_door(
    ahead_s: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ticks never fall and an admission is good for two minutes: after a commit of the last second
    there is, nobody could be let in. (Of a later one than that nobody can decode the evidence.)"""
    scene = Scene(monkeypatch)
    forged = scene.mallory.commit(
        tick=TICK_MAX if ahead_s is None else scene.mallory.tick + ahead_s
    )
    scene.world.run(8)
    for one in scene.honest:
        assert one.meeting._inside is not None
        assert one.meeting._inside.epochs.current.authenticator != forged.child
    speak(scene.world, scene.ann, FRAMES * 0.02)
    scene.carries_on([*scene.honest, scene.mal])


def test_a_farewell_is_for_one_leaf_and_a_readmission_for_one_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bob said farewell and did not go; later he comes back on a fresh leaf. Whoever kept the
    farewell, or the readmission, cannot use it against the new leaf."""
    scene = Scene(monkeypatch)
    world, mallory = scene.world, scene.mallory
    farewell = mallory.farewell_of(scene.bob, scene.bob.meeting._context.key)
    again = world.restart(scene.bob)
    scene.honest = [scene.ann, again, scene.cy]
    requests: list[Request] = []

    def came_back() -> bool:
        waiting = mallory.inside.epochs.pending.returns.get(again.meeting.seat)
        if waiting is not None:
            requests.append(waiting.request)
        return agreed([*scene.honest, scene.mal]) and bool(again.of(events.Joined))

    world.run_until(came_back, 30)
    package, readmission = requests[-1].key_package, requests[-1].evidence
    assert readmission is not None
    world.run(2)
    leaf = scene.leaf(again)
    stale: list[tuple[list[mls.Proposal], list[Evidence]]] = [
        ([mls.Remove(leaf)], [farewell]),
        ([mls.Remove(leaf), mls.Add(package)], [readmission]),
    ]
    for proposals, evidence in stale:
        forged = mallory.commit(proposals, evidence)
        world.run(1)
        for one in scene.honest:
            last = one.of(events.Refused)[-1]
            assert "stale" in last.why
            assert one.meeting._inside is not None
            assert one.meeting._inside.epochs.current.authenticator != forged.child
    # Said again as the records that they were, they do nothing either.
    mallory.publish(RecordKind.FAREWELL, farewell.encode())
    world.run(4)
    speak(world, scene.ann, FRAMES * 0.02)
    scene.carries_on([*scene.honest, scene.mal])


def _seat_of(request: Request) -> bytes:
    return mls.parse_key_package(request.key_package).identity


def test_an_admission_is_not_used_again_for_who_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is good for two minutes, and a seat that nobody is in stays for ever."""
    scene = Scene(monkeypatch)
    world, mallory = scene.world, scene.mallory
    asked: list[Request] = []
    receive = mallory.inside.epochs.ask

    def ask(request: Request, now: float) -> str | None:
        asked.append(request)
        return receive(request, now)

    monkeypatch.setattr(mallory.inside.epochs, "ask", ask)
    eve = world.join("Eve", scene.ann.meeting.invite_text())
    world.run_until(lambda: agreed([*scene.honest, scene.mal, eve]), 20)
    seat = eve.meeting.seat
    world.run(1)
    world.do(eve, lambda m: m.leave(world.now))
    here = [*scene.honest, scene.mal]
    world.run_until(lambda: agreed(here) and all(one.of(events.MemberOut) for one in here), 20)
    request = next(one for one in asked if one.evidence and _seat_of(one) == seat)
    assert request.evidence is not None
    forged = mallory.commit([mls.Add(request.key_package)], [request.evidence])
    mallory.publish(RecordKind.REQUEST, request.encode())
    world.run(8)
    for one in scene.honest:
        assert one.meeting._inside is not None
        assert one.meeting._inside.epochs.current.authenticator != forged.child
        assert seat not in {view.seat for view in one.meeting.roster(world.now)}
