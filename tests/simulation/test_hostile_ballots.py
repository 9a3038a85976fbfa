"""Hostile members where electors decide: certificates for something else, ballots that do not
count, charters and electors slipped in. Every honest member refuses each of them and says why,
nobody loses a seat, and the meeting goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.governance import PRESETS
from folkmoot.governance.ballot import make_ballot
from folkmoot.governance.certificate import Certificate
from folkmoot.governance.evidence import Certificate as Evidence
from folkmoot.governance.evidence import make_sponsor
from folkmoot.governance.motion import MOTION_S, MOTION_S_MIN, Motion, MotionKind, sign_motion
from folkmoot.governance.roll import Elector, Roll
from folkmoot.governance.terms import Terms
from folkmoot.meeting import events
from folkmoot.meeting.founding import make_key_package
from folkmoot.meeting.records import RecordKind
from folkmoot.wire.limits import Bucket
from simulation.hostile_member import Forged, Hostile
from simulation.meeting_world import Member, World, agreed
from simulation.moot import ASSEMBLY, CIRCLE, gather, inside, knows, move, move_out, outs, vote
from simulation.patches import Patches, remember, thin_media
from simulation.test_meeting import say, texts


class Scene:
    """Ann, Bob, Cy and Dee, who are honest, and Eve, called Mallory here, who has all their
    signatures."""

    def __init__(self, seed: int, charter: Any = CIRCLE) -> None:
        self.world = World(seed)
        self.members = gather(self.world, 5, charter)
        self.ann, self.bob, self.cy, self.dee, self.mal = self.members
        self.honest = self.members[:4]
        self.mallory = Hostile(self.world, self.mal)

    @property
    def terms(self) -> Terms:
        return self.mallory.state.terms

    @property
    def roll(self) -> Roll:
        return self.mallory.state.roll

    def motion(
        self, kind: MotionKind = MotionKind.REMOVE, subject: bytes | None = None, **more: Any
    ) -> Motion:
        opens = more.pop("opens", self.mallory.tick)
        return Motion(
            mover=more.pop("mover", self.mal.meeting.seat),
            kind=kind,
            subject=self.ann.meeting.seat if subject is None else subject,
            charter_hash=more.pop("charter_hash", self.terms.charter.hash),
            roll_hash=more.pop("roll_hash", self.roll.hash),
            opens=opens,
            ends=opens + MOTION_S,
        )

    def proof(
        self,
        motion: Motion,
        voters: Iterable[Member],
        *,
        group: bytes | None = None,
        signed_for: Motion | None = None,
        yes: bool = True,
        opening: Roll | None = None,
    ) -> Evidence:
        """A certificate with real signatures of these members, given for whatever it was."""
        group = self.mal.meeting.group_id if group is None else group
        name = (signed_for or motion).hash(group)
        ballots = {
            one.meeting.seat: make_ballot(
                one.meeting._context.key, group, one.meeting.seat, name, yes
            )
            for one in voters
        }
        mover = next(one for one in self.members if one.meeting.seat == motion.mover)
        signed = sign_motion(mover.meeting._context.key, group, motion)
        made = Certificate.of(signed, opening or self.roll, self.roll, ballots)
        return Evidence(made.encode())

    def remove(self, *evidence: Evidence, whom: Member | None = None, **more: Any) -> Forged:
        leaf = self.mallory.leaf_of(whom or self.ann)
        return self.mallory.commit([mls.Remove(leaf)], evidence, **more)

    def change(self, terms: Terms, *evidence: Any, adds: Iterable[bytes] = ()) -> Forged:
        pairs = [mls.Extension(*pair) for pair in terms.extensions()]
        proposals: list[Any] = [mls.Add(one) for one in adds]
        return self.mallory.commit([*proposals, mls.GroupContextExtensions(pairs)], evidence)

    def refused_by_all(self, attack: Callable[[Scene], Forged], why: str) -> None:
        before = {one.name: len(one.of(events.Refused)) for one in self.honest}
        for one in self.honest:
            # Not so many are told in so short a time; here every one is to be seen.
            inside(one).refusals = Bucket(10, 10, self.world.now)
        forged = attack(self)
        self.world.run(1)
        for one in self.honest:
            told = [event.why for event in one.of(events.Refused)[before[one.name] :]]
            assert any(why in sentence for sentence in told), (attack.__name__, one.name, told)
            assert not outs(one)
            assert one.meeting._inside is not None
            assert one.meeting._inside.epochs.current.authenticator != forged.child

    def goes_on(self) -> None:
        """They are agreed, they talk, and a vote of their own is carried out."""
        world = self.world
        assert agreed(self.members)
        say(world, self.bob, "still here")
        world.run_until(lambda: all("still here" in texts(one) for one in self.members), 20)


def too_few(s: Scene) -> Forged:
    return s.remove(s.proof(s.motion(), [s.bob, s.cy, s.mal]))


def of_the_accused(s: Scene) -> Forged:
    return s.remove(s.proof(s.motion(), [s.ann, s.bob, s.cy, s.mal]))


def for_another_subject(s: Scene) -> Forged:
    """They did say yes, to Dee's removal."""
    dees = s.motion(subject=s.dee.meeting.seat)
    return s.remove(s.proof(dees, [s.ann, s.bob, s.cy, s.mal]))


def of_another_motion(s: Scene) -> Forged:
    dees = s.motion(subject=s.dee.meeting.seat)
    return s.remove(s.proof(s.motion(), [s.bob, s.cy, s.dee, s.mal], signed_for=dees))


def that_said_no(s: Scene) -> Forged:
    return s.remove(s.proof(s.motion(), [s.bob, s.cy, s.dee, s.mal], yes=False))


def of_another_group(s: Scene) -> Forged:
    others = s.proof(s.motion(), [s.bob, s.cy, s.dee, s.mal], group=b"another group...")
    return s.remove(others)


def under_another_charter(s: Scene) -> Forged:
    other = s.motion(charter_hash=PRESETS["unremovable"].hash)
    return s.remove(s.proof(other, [s.bob, s.cy, s.dee, s.mal]))


def among_other_electors(s: Scene) -> Forged:
    """As if only four had voted at the opening, of whom three are enough."""
    few = s.roll.among({one.meeting.seat for one in (s.ann, s.bob, s.cy, s.mal)})
    motion = s.motion(roll_hash=few.hash)
    return s.remove(s.proof(motion, [s.bob, s.cy, s.mal], opening=few))


def with_a_roll_it_does_not_have(s: Scene) -> Forged:
    few = s.roll.among({one.meeting.seat for one in (s.ann, s.bob, s.cy, s.mal)})
    return s.remove(s.proof(s.motion(roll_hash=few.hash), [s.bob, s.cy, s.dee, s.mal]))


def after_its_end(s: Scene) -> Forged:
    old = s.motion(opens=s.mallory.tick - MOTION_S - 2)
    return s.remove(s.proof(old, [s.bob, s.cy, s.dee, s.mal]))


def two_removals_at_once(s: Scene) -> Forged:
    """A second open yes of everybody."""
    first = s.proof(s.motion(), [s.bob, s.cy, s.dee, s.mal])
    second = s.proof(s.motion(subject=s.bob.meeting.seat), [s.ann, s.cy, s.dee, s.mal])
    leaves = [mls.Remove(s.mallory.leaf_of(one)) for one in (s.ann, s.bob)]
    return s.mallory.commit(leaves, [first, second])


def and_another_besides(s: Scene) -> Forged:
    proof = s.proof(s.motion(), [s.bob, s.cy, s.dee, s.mal])
    leaves = [mls.Remove(s.mallory.leaf_of(one)) for one in (s.ann, s.bob)]
    return s.mallory.commit(leaves, [proof])


def charter_in_a_removal(s: Scene) -> Forged:
    meeting = replace(s.terms.meeting, charter=PRESETS["unremovable"])
    proof = s.proof(s.motion(), [s.bob, s.cy, s.dee, s.mal])
    pairs = [mls.Extension(*pair) for pair in replace(s.terms, meeting=meeting).extensions()]
    leaf = mls.Remove(s.mallory.leaf_of(s.ann))
    return s.mallory.commit([leaf, mls.GroupContextExtensions(pairs)], [proof])


def charter_without_a_vote(s: Scene) -> Forged:
    return s.change(
        replace(s.terms, meeting=replace(s.terms.meeting, charter=PRESETS["unremovable"]))
    )


def amendment_by_too_few(s: Scene) -> Forged:
    charter = PRESETS["unremovable"]
    motion = s.motion(MotionKind.AMEND, charter.encode())
    after = replace(s.terms, meeting=replace(s.terms.meeting, charter=charter))
    return s.change(after, s.proof(motion, [s.bob, s.cy, s.mal]))


def another_amendment_than_voted(s: Scene) -> Forged:
    motion = s.motion(MotionKind.AMEND, PRESETS["unremovable"].encode())
    other = replace(PRESETS["unremovable"], amendment=None)
    after = replace(s.terms, meeting=replace(s.terms.meeting, charter=other))
    return s.change(after, s.proof(motion, [s.bob, s.cy, s.dee, s.mal]))


def somebody_outside_who_may_propose(s: Scene) -> Forged:
    sender = mls.ExternalSender(
        s.mallory.key.public_key().public_bytes_raw(), mls.Credential.basic(b"outside")
    )
    extensions = [*s.mallory.state.group.extensions, mls.external_senders_extension([sender])]
    return s.mallory.commit([mls.GroupContextExtensions(extensions)])


def admission_by_ballot_where_sponsors_admit(s: Scene) -> Forged:
    bundle = make_key_package(b"k" * 32, s.world.entropy)
    motion = s.motion(MotionKind.ADMIT, bundle.ref)
    proof = s.proof(motion, [s.ann, s.bob, s.cy, s.dee, s.mal])
    return s.mallory.commit([mls.Add(bundle.key_package)], [proof])


CIRCLE_ATTACKS: list[tuple[Callable[[Scene], Forged], str]] = [
    (too_few, "fewer ballots"),
    (of_the_accused, "by the one whom it is about to remove"),
    (for_another_subject, "something else than its motion says"),
    (of_another_motion, "not as a yes to this"),
    (that_said_no, "not as a yes to this"),
    (of_another_group, "its mover did not sign"),
    (under_another_charter, "under another charter"),
    (among_other_electors, "fewer ballots"),
    (with_a_roll_it_does_not_have, "among other electors"),
    (after_its_end, "not any more"),
    (two_removals_at_once, "something else beside it"),
    (and_another_besides, "something else than its motion says"),
    (charter_in_a_removal, "otherwise than its evidence says"),
    (charter_without_a_vote, "otherwise than its evidence says"),
    (amendment_by_too_few, "fewer ballots"),
    (another_amendment_than_voted, "otherwise than its evidence says"),
    (somebody_outside_who_may_propose, "otherwise than its evidence says"),
    (admission_by_ballot_where_sponsors_admit, "where the charter asks for none"),
]


BEHIND_S = 10  # in place of 45: so that the test need not wait for so long


def test_everybody_refuses_what_was_not_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("folkmoot.meeting.ticks.TICK_BEHIND_S", BEHIND_S)
    scene = Scene(451)
    for attack, why in CIRCLE_ATTACKS:
        scene.refused_by_all(attack, why)
    nobody_follows_a_certificate_that_is_dated_back(scene)
    scene.goes_on()
    stay = [scene.ann, scene.bob, scene.cy, scene.dee]
    vote(scene.world, move_out(scene.world, scene.ann, scene.mal), yes=stay)
    scene.world.run_until(lambda: all(outs(one) == [("Eve", "removed")] for one in stay), 20)
    assert agreed(stay)


def nobody_follows_a_certificate_that_is_dated_back(s: Scene) -> None:
    """The last ballot came when the motion was over, and nobody committed anything meanwhile: the
    tick says that it was in time. It is a correct commit, and nobody names it."""
    opens = s.mallory.state.secrets.tick
    motion = replace(s.motion(opens=opens), ends=opens + MOTION_S_MIN)
    s.world.run(max(0, motion.ends + BEHIND_S + 1 - s.mallory.tick))
    forged = s.remove(s.proof(motion, [s.bob, s.cy, s.dee, s.mal]), tick=motion.ends)
    s.world.run(6)
    for one in s.honest:
        assert not outs(one)
        assert one.meeting._inside is not None
        assert one.meeting._inside.epochs.current.authenticator != forged.child


def commit_as_a_guest(s: Scene) -> Forged:
    return s.mallory.commit()


def make_itself_an_elector(s: Scene) -> Forged:
    assert s.terms.recorded is not None
    mine = Elector(s.mal.meeting.seat, s.mal.meeting.seat)
    return s.change(replace(s.terms, recorded=Roll.of([*s.terms.recorded.electors, mine])))


def test_no_junk_hides_a_motion_from_who_was_away() -> None:
    """Mallory's ballots are for motions that nobody made: of nobody's seat, of its own, and of
    others' without their signature. What Cy cannot judge yet when it comes back must wait."""
    with Patches() as patches:
        remember(patches)
        thin_media(patches, 2)
        scene = Scene(1115)
        world, cy, mal = scene.world, scene.cy, scene.mal
        group, key = mal.meeting.group_id, mal.meeting._context.key
        for number in range(300):
            name, seat = world.entropy(32), mal.meeting.seat
            ballot = make_ballot(key, group, seat, name, True)
            if number % 3 < 2:
                seat = world.entropy(16) if number % 3 else cy.meeting.seat
                ballot = replace(ballot, seat=seat)
            scene.mallory.publish(RecordKind.BALLOT, ballot.encode())
        world.run(20)
        world.set_link(cy, False)
        world.run(1)
        fay = world.join("Fay", scene.ann.meeting.invite_text())
        others = [scene.ann, scene.bob, scene.dee]
        world.run_until(lambda: agreed([*others, mal, fay]), 20)
        motion = move_out(world, scene.ann, mal)
        vote(world, motion, yes=others)
        world.set_link(cy, True)
        world.run_until(lambda: agreed([*others, cy, fay]), 15)
        world.run_until(lambda: knows(cy, motion, world), 5)
        world.run_until(lambda: cy.meeting.motions(world.now)[0].have == 3, 10)
        vote(world, motion, yes=[cy, fay])
        world.run_until(lambda: all(outs(one) == [(mal.name, "removed")] for one in others), 20)
        world.run_until(lambda: outs(cy) == [(mal.name, "removed")], 5)


def test_guests_decide_nothing() -> None:
    """Ann opened the hall; she raises Bob, Cy and Dee, and Mallory stays a guest."""
    scene = Scene(452, ASSEMBLY)
    world, ann = scene.world, scene.ann
    raised = [ann]
    for one in (scene.bob, scene.cy, scene.dee):
        motion = move(world, ann, "raise", one.meeting.roster(world.now)[0].member)
        vote(world, motion, yes=raised)
        world.run_until(lambda one=one: one.meeting.votes, 15)  # type: ignore[misc]
        raised.append(one)
    world.run_until(lambda: agreed(scene.members), 15)
    assert not scene.mal.meeting.votes
    lines = {view.name: (view.elector, view.line) for view in scene.cy.meeting.roster(world.now)}
    assert [elector for elector, _ in lines.values()].count(True) == 4
    assert not lines["Eve"][0]
    for attack in (commit_as_a_guest, make_itself_an_elector):
        scene.refused_by_all(attack, "its committer is a guest")
    # What an accomplice commits for it is no better.
    guest, scene.mallory = scene.mallory, Hostile(world, scene.dee)
    scene.honest = [scene.ann, scene.bob, scene.cy, scene.mal]
    mal = guest.member

    def ballot_of_a_guest(s: Scene) -> Forged:
        motion = s.motion(mover=s.dee.meeting.seat)
        return s.remove(s.proof(motion, [s.bob, s.dee, mal]))

    def motion_of_a_guest(s: Scene) -> Forged:
        motion = s.motion(mover=mal.meeting.seat)
        return s.remove(s.proof(motion, [s.bob, s.cy, s.dee]))

    def raise_without_a_vote(s: Scene) -> Forged:
        return make_guest_elector(s, mal)

    def raise_by_too_few(s: Scene) -> Forged:
        motion = s.motion(MotionKind.RAISE, mal.meeting.seat, mover=s.dee.meeting.seat)
        return make_guest_elector(s, mal, s.proof(motion, [s.dee, s.bob]))

    def raise_into_another_line(s: Scene) -> Forged:
        motion = s.motion(MotionKind.RAISE, mal.meeting.seat, mover=s.dee.meeting.seat)
        return make_guest_elector(
            s, mal, s.proof(motion, [s.dee, s.bob, s.cy]), line=mal.meeting.seat
        )

    def sponsored_by_a_guest(s: Scene) -> Forged:
        bundle = make_key_package(b"k" * 32, world.entropy)
        sponsor = make_sponsor(
            mal.meeting._context.key, mal.meeting.group_id, mal.meeting.seat, bundle.ref,
            s.mallory.tick + 60,
        )  # fmt: skip
        return s.mallory.commit([mls.Add(bundle.key_package)], [sponsor])

    for attack, why in [
        (ballot_of_a_guest, "by somebody who did not vote"),
        (motion_of_a_guest, "by somebody who does not vote"),
        (raise_without_a_vote, "otherwise than its evidence says"),
        (raise_by_too_few, "fewer ballots"),
        (raise_into_another_line, "otherwise than its evidence says"),
        (sponsored_by_a_guest, "where the charter asks for none"),
    ]:
        scene.refused_by_all(attack, why)
    scene.goes_on()
    # A guest's vote in the council counts for nothing either.
    motion = move_out(world, ann, scene.dee)
    world.run_until(lambda: knows(mal, motion, world), 10)
    mine = mal.meeting._inside
    assert mine is not None
    assert not mal.meeting.motions(world.now)[0].may_vote
    vote(world, motion, yes=[ann, scene.bob])
    name = mine._motion(motion).name
    key, group = mal.meeting._context.key, mal.meeting.group_id
    guest.publish(RecordKind.BALLOT, make_ballot(key, group, mal.meeting.seat, name, True).encode())
    world.run(4)
    assert all(one.meeting.motions(world.now)[0].have == 2 for one in scene.members)
    assert not any(outs(one) for one in scene.members)


def make_guest_elector(s: Scene, guest: Member, *proof: Evidence, line: bytes = b"") -> Forged:
    assert s.terms.recorded is not None
    dee = s.terms.recorded.line_of(s.dee.meeting.seat)
    assert dee is not None
    mine = Elector(guest.meeting.seat, line or dee)
    return s.change(replace(s.terms, recorded=Roll.of([*s.terms.recorded.electors, mine])), *proof)
