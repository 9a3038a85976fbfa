"""The people of a story who govern themselves: they ask for removals and answer, each in its time.

What they said is kept apart from what their agents count, so that a removal can be judged without
the product's own arithmetic.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from folkmoot.governance.motion import Motion, MotionKind
from folkmoot.meeting import UsageError, events
from folkmoot.meeting.deciding import motion_id
from folkmoot.meeting.names import member_id
from simulation.meeting_world import WALL_S, Member, World

if TYPE_CHECKING:
    from simulation.invariants import Facts

ANSWER_S = 4.0  # until a person has read the question and answered, at most
WANTED = 0.8  # so many removals are wanted by most
SAYS_YES = {True: 0.96, False: 0.4}
SETTLES_S = 30.0  # for a commit that nothing is in the way of


@dataclass
class Asked:
    """A motion to remove `subject`, and who said yes, as people remember it."""

    motion: Motion
    wanted: bool
    yes: set[bytes] = field(default_factory=set)
    no: set[bytes] = field(default_factory=set)


class Electing:
    """See the module."""

    def __init__(self, world: World, facts: Facts, seed: int) -> None:
        self.world, self.facts = world, facts
        self.chance = random.Random(f"electing {seed}")
        self.over = False  # nobody answers any more
        self.asked: dict[bytes, Asked] = {}
        self.removed: set[bytes] = set()  # by more than two thirds

    def move(self, here: list[Member]) -> bool:
        """Somebody asks for somebody's removal."""
        if len(here) < 4:
            return False
        mover, subject = self.chance.sample(here, 2)
        try:
            self.world.do(
                mover,
                lambda m: m.move("remove", member_id(subject.meeting.seat), self.world.now),
            )
        except UsageError:
            return False
        return True

    def told(self, member: Member, event: events.Event) -> None:
        """A person who is asked answers after a while."""
        if not isinstance(event, events.MotionMade) or event.motion.kind is not MotionKind.REMOVE:
            return
        if event.name not in self.asked:
            self.asked[event.name] = Asked(event.motion, self.chance.random() < WANTED)
        after = self.chance.uniform(0.05, ANSWER_S)
        self.world.at(self.world.now + after, lambda: self._answer(member, event.name))

    def _answer(self, member: Member, name: bytes) -> None:
        asked, seat = self.asked[name], member.meeting.seat
        if self.over or not member.alive or not member.inside:
            return
        # Who is asked again, as its agent was started anew, says the same again.
        says = random.Random(f"{self.world.seed} {seat.hex()} {name.hex()}").random()
        yes = says < SAYS_YES[asked.wanted]
        said = asked.yes if yes else asked.no
        before = set(said)
        said.add(seat)  # what follows from it may follow at once
        try:
            self.world.do(member, lambda m: m.vote(motion_id(name), yes, self.world.now))
        except UsageError:
            said &= before

    def may_be_out(self, seat: bytes, before: Collection[bytes]) -> bool:
        """Whether more than two thirds of these seats said yes to its removal."""
        for asked in self.asked.values():
            # An insider's program may say yes for it, whatever its person says.
            said_yes = asked.yes | self.facts.insiders
            if asked.motion.subject == seat and self._is_enough(seat, said_yes, before):
                self.removed.add(seat)
                return True
        return False

    @staticmethod
    def _is_enough(subject: bytes, yes: set[bytes], seats: Collection[bytes]) -> bool:
        return 3 * len(yes.intersection(seats) - {subject}) > 2 * len(seats)

    def why_not_done(self, staying: list[Member]) -> str:
        """What is carried, still open at all who are here, and not carried out."""
        seats = {view.seat for view in staying[0].meeting.roster(self.world.now)}
        wall_s = WALL_S + self.world.now
        for name, asked in self.asked.items():
            subject = asked.motion.subject
            good = asked.motion.opens <= wall_s <= asked.motion.ends - SETTLES_S
            insides = [one.meeting._inside for one in staying]
            is_open = all(one is not None and name in one.motions.open for one in insides)
            if good and is_open and subject in seats and self._is_enough(subject, asked.yes, seats):
                return "a motion that is carried is not carried out"
        return ""
