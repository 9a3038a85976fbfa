"""The epochs of one meeting: which one holds, which may come next, which are still heard.

MLS says what a correct commit is, the judge says which are allowed, the agreement says which one
counts; here they are put together. Nothing changes before the agreement settles: a candidate is a
whole epoch kept beside the current one, so media and content sealed in it can be opened before it
counts, and dropping it leaves no trace. The parent is kept for 10 s after its successor settled,
for what was under way, and then forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from folkmoot import mls
from folkmoot.agreement import Agreement, CommitNow, Naming, SendNaming, Settled
from folkmoot.governance.charter import Charter
from folkmoot.governance.judge import Verdict, judge
from folkmoot.governance.refusals import Refusal
from folkmoot.meeting.beacons import patience
from folkmoot.meeting.branches import CHAIN_MAX, descends, first_step, longest_branch
from folkmoot.meeting.committing import make_commit
from folkmoot.meeting.epoch_state import EpochState, change_of
from folkmoot.meeting.locked_out import LockedOut
from folkmoot.meeting.motions import Decision
from folkmoot.meeting.orphans import Orphans
from folkmoot.meeting.pending import Pending, Plan, Request
from folkmoot.meeting.records import Handshake
from folkmoot.meeting.steps import (
    Candidate,
    CommitRefused,
    Kept,
    Moved,
    Offer,
    Removed,
    Step,
)
from folkmoot.meeting.ticks import EmptyCommits, Newcomers, is_timely
from folkmoot.wire.codec import DecodeError

PARENT_KEPT_S = 10.0
PARENTS_MAX = 8
CANDIDATES_MAX = 8  # of one parent
UNHEARD_S = 60.0
ADVANCES_MAX = 256  # actions done in one go

Entropy = Callable[[int], bytes]


class Epochs:
    """Drives one member's group from commit to commit."""

    def __init__(
        self,
        state: EpochState,
        *,
        seat: bytes,
        wall_s: Callable[[float], int],
        now: float,
        seals: bool = True,
    ) -> None:
        """`seals` false: this is a saved state come back, in which nothing may be sealed again."""
        self.current = state
        self.seat = seat
        self._wall_s = wall_s
        self.pending = Pending(state.terms.charter, seat)
        self.seals = seals
        self.kept: list[Kept] = []
        self._candidates: dict[bytes, Candidate] = {}
        self._orphans = Orphans()
        self._heard: dict[bytes, tuple[float, bytes]] = {}  # seat: when, authenticator
        self._steps: list[Step] = []
        self._commit_wanted = False
        self._online = True
        self.locked_out = LockedOut()
        self.lets_in = True  # see `missing`
        self._empty = EmptyCommits()
        self._newcomers = Newcomers((), now)
        self._agreement = self._new_agreement(now, {})

    def _new_agreement(self, now: float, heard: Mapping[bytes, float]) -> Agreement:
        return Agreement(
            heard=heard,
            own=self.seat,
            electors=self.current.roll.seats,
            last_committer=self.current.secrets.committer,
            parent=self.current.authenticator,
            now=now,
            patience=patience(len(self.current.roster)),
        )

    def _restart_agreement(self, now: float, unheard: Mapping[bytes, float]) -> None:
        """A machine for what follows the epoch that we are in now."""
        self._agreement = self._new_agreement(now, {**self._agreement.heard, **unheard})
        self._agreement.set_online(self._online, now)
        self.locked_out = LockedOut()

    # -- looking

    @property
    def charter(self) -> Charter:
        """The charter of the current epoch."""
        return self.current.terms.charter

    @property
    def votes(self) -> bool:
        """Whether we are an elector, who admits, commits and names; else a guest, who follows."""
        return self.seat in self.current.roll

    def states(self) -> Iterator[EpochState]:
        """Every epoch that is heard now: the current one, then candidates, then parents, newest
        first."""
        yield self.current
        for candidate in self._candidates.values():
            if candidate.state is not None:
                yield candidate.state
        for kept in reversed(self.kept):
            yield kept.state

    def state_of(self, authenticator: bytes) -> EpochState | None:
        """The epoch with this authenticator, if it is heard now."""
        return next((one for one in self.states() if one.authenticator == authenticator), None)

    def knows(self, authenticator: bytes) -> bool:
        """Whether this epoch is the current one, a parent of it, or may come next."""
        return self.state_of(authenticator) is not None

    def is_settled(self, authenticator: bytes) -> bool:
        """Whether this epoch is the current one, or a parent of it that is heard still."""
        settled = (self.current, *(one.state for one in self.kept))
        return any(one.authenticator == authenticator for one in settled)

    def heard_in(self, seat: bytes, now: float) -> bytes | None:
        """The authenticator of the epoch in which the member in this seat was heard of late."""
        heard_at, authenticator = self._heard.get(seat, (now - PARENT_KEPT_S, None))
        return authenticator if now - heard_at < PARENT_KEPT_S else None

    @property
    def others_moved(self) -> bool:
        """Whether the others settled a commit that we do not hold: one that takes our seat away is
        never a candidate here, as its epoch has no place for us."""
        return self._agreement.lacking is not None

    def next_step(self) -> Step | None:
        """What came of the last calls, oldest first."""
        return self._steps.pop(0) if self._steps else None

    # -- hearing

    def hear(self, seat: bytes, epoch: int, authenticator: bytes, now: float) -> None:
        """A beacon by `seat`, verified, that names its epoch.

        Who is in an epoch that is not after ours and not ours either sits on another branch: it
        will never name anything here, so it does not count as present. Who is ahead of us does:
        else we would go on alone only because we missed a commit."""
        self._heard[seat] = (now, authenticator)
        self._newcomers.heard(seat)
        if self.knows(authenticator) or epoch > self.current.group.epoch:
            self._agreement.hear(seat, now)
        self._tell_moved(now)
        self._advance(now)

    def goodbye(self, seat: bytes, now: float) -> None:
        """The member in `seat` said farewell: nobody waits for its answers."""
        self._agreement.leave(seat)
        self.wanted(now)

    def set_online(self, online: bool, now: float) -> None:
        """Whether any relay carries us: who hears nobody must not think itself alone."""
        self._online = online
        self._agreement.set_online(online, now)
        self._advance(now)

    def wanted(self, now: float) -> None:
        """Something may have been added to what is pending."""
        self._want_commit(now)
        self._advance(now)

    def _want_commit(self, now: float) -> None:
        plan = self.pending.plan(self.current)
        if plan is None:
            self._agreement.nothing_pending()
        elif not plan.only_adds or (self.lets_in and not self._newcomers.are_awaited(now)):
            self._agreement.want_commit(now)

    def receive_handshake(self, handshake: Handshake, now: float) -> None:
        """A commit, from whomever; it is staged and judged at once if its parent is known."""
        parent = self._candidates.get(handshake.parent)
        known = parent is not None and parent.state is not None
        if known or handshake.parent == self.current.authenticator:
            self._stage(handshake, now)
        else:
            self._orphans.keep(handshake)
        self._tell_moved(now)
        self._advance(now)

    def ask(self, request: Request, now: float) -> str | None:
        """Somebody asks for a leaf: it waits for the next commit, or is told why not."""
        why = self.pending.ask(request, self.current, wall_s=self._wall_s(now), now=now)
        if why is None:
            self.wanted(now)
        return why

    def decide(self, decisions: list[Decision], now: float) -> None:
        """These motions are carried and wait for a commit."""
        if self.pending.certify(decisions):
            self.wanted(now)

    def receive_naming(self, seat: bytes, naming: Naming, now: float) -> None:
        """A naming by `seat`, verified; of other parents than the current one it says nothing
        here."""
        if naming.parent == self.current.authenticator:
            self._agreement.receive_naming(seat, naming, now)
            self._advance(now)

    def handle_timer(self, now: float) -> None:
        self.kept = [one for one in self.kept if one.drop_at > now]
        self.pending.prune(self.current, wall_s=self._wall_s(now), now=now)
        self.wanted(now)
        self._agreement.handle_timer(now)
        self._advance(now)
        self.locked_out.look(self.others_moved, now)

    def next_timer(self) -> float | None:
        times = [one.drop_at for one in self.kept]
        if (due := self._agreement.next_timer()) is not None:
            times.append(due)
        return min(times, default=None)

    # -- staging and judging

    def _stage(self, handshake: Handshake, now: float) -> None:
        known = self._candidates.get(handshake.parent)
        parent = self.current if known is None else known.state
        assert parent is not None
        try:
            staged = parent.group.stage(handshake.message)
        except mls.MlsError as error:
            if parent is self.current:
                self.locked_out.could_not_process()
            self._refuse(None, f"a commit that is not valid: {error}")
            return
        change = change_of(staged)
        entry = None if change.committer is None else parent.entry_at(change.committer)
        try:
            verdict = judge(
                change,
                group_id=parent.group.group_id,
                roster=parent.roster,
                terms=parent.terms,
                parent_tick=parent.secrets.tick,
            )
        except Refusal as refusal:
            self._refuse(None if entry is None else entry.seat, str(refusal))
            return
        assert entry is not None  # the judge refuses external commits
        self._keep(parent, staged, verdict, entry.seat, handshake, now)

    def _keep(
        self,
        parent: EpochState,
        staged: mls.Staged,
        verdict: Verdict,
        committer: bytes,
        handshake: Handshake,
        now: float,
    ) -> None:
        requested = frozenset(one.reference for one in change_of(staged).adds)
        if staged.group is None:
            # Our own seat goes: there is no key schedule for us to follow and nothing to name.
            self._steps.append(Removed(verdict))
            if verdict.removed is not None and parent is self.current:
                self._agreement.leave(self.seat)
            return
        if verdict.removed is not None and parent is self.current:
            # Who is to go cannot name the commit that takes it away; nobody waits for it to.
            self._agreement.leave(verdict.removed)
        secrets = parent.secrets.before_commit(
            verdict.tick, committer, verdict.takes_away, verdict.removed is not None
        )
        state = EpochState(staged.group, secrets.after_commit(staged.group.export))
        child = state.authenticator
        if child in self._candidates or not self._make_place(parent):
            return
        timely = self._is_timely(verdict, committer, parent, now)
        if parent is self.current and not self._agreement.add_candidate(
            child, committer, now, timely=timely
        ):
            return
        self._candidates[child] = Candidate(
            parent.authenticator, committer, verdict, handshake, requested, state
        )
        for orphan in self._orphans.take(child):
            self._stage(orphan, now)

    def _make_place(self, parent: EpochState) -> bool:
        """Room for one more candidate on `parent`. Those that the agreement chooses among always
        have room: what leads further, or is void, goes first, and of that the longest branch, as
        one member can make it as long as it likes."""
        if len(self._candidates) < CHAIN_MAX:
            return True
        current, chosen = self.current.authenticator, self._agreement.chooses
        found = longest_branch(self._candidates, current, spared=chosen)
        if found is None:
            return False
        first, newest = found
        if parent is not self.current and self._first_step_to(parent.authenticator) == first:
            return False
        del self._candidates[newest]
        return True

    def _is_timely(
        self, verdict: Verdict, committer: bytes, parent: EpochState, now: float
    ) -> bool:
        """Whether we name this commit: our own always."""
        if committer == self.seat:
            return True
        if any(seat in self.pending.left for seat in verdict.joined):
            return False  # an admission used again: nobody would be there
        timely = is_timely(verdict, parent.secrets.tick, self._wall_s(now))
        return timely and self._empty.allows(verdict, committer)

    def _refuse(self, committer: bytes | None, why: str) -> None:
        self._steps.append(CommitRefused(committer, why))

    def _tell_moved(self, now: float) -> None:
        """Who is heard in an epoch that follows a candidate has moved to that candidate."""
        for seat, (heard_at, authenticator) in self._heard.items():
            child = self._first_step_to(authenticator)
            if child is not None and now - heard_at < PARENT_KEPT_S:
                self._agreement.moved(seat, child, now)

    def _first_step_to(self, authenticator: bytes) -> bytes | None:
        return first_step(self._candidates, self.current.authenticator, authenticator)

    # -- committing and settling

    def _advance(self, now: float) -> None:
        for _ in range(ADVANCES_MAX):
            action = self._agreement.next_action()
            if action is None:
                if not self._choose_lacking(now):
                    return
            elif isinstance(action, SendNaming):
                self._steps.append(action)
            elif isinstance(action, Settled):
                self._settle(action.child, now)
            else:
                assert isinstance(action, CommitNow)
                self._commit_wanted = True

    def _choose_lacking(self, now: float) -> bool:
        """Whether the others settled a commit that we hold and did not choose among."""
        lacking = self._agreement.lacking
        if lacking is None or self._agreement.chooses(lacking):
            return False
        held = self._candidates.get(lacking)
        return held is not None and self._agreement.add_candidate(lacking, held.committer, now)

    @property
    def commit_wanted(self) -> bool:
        """Whether it is our turn to commit; the caller answers with `commit`."""
        return self._commit_wanted

    def commit(self, *, now: float, entropy: Entropy) -> None:
        """Makes our candidate from what is pending, or passes the turn."""
        self._commit_wanted = False
        plan = self.pending.plan(self.current)
        if plan is None:
            self._agreement.nothing_pending()
            return
        self._commit_plan(plan, now, entropy)

    def refresh(self, *, now: float, entropy: Entropy) -> None:
        """A commit without proposals: how one who came back alone leaves its saved epoch."""
        self._commit_plan(Plan((), ()), now, entropy)

    def _commit_plan(self, plan: Plan, now: float, entropy: Entropy) -> None:
        parent = self.current
        tick = max(parent.secrets.tick, self._wall_s(now))
        try:
            made = make_commit(
                parent, plan, seat=self.seat, tick=tick, public=not self.seals, entropy=entropy
            )
        except (mls.MlsError, Refusal, DecodeError) as error:
            # What was checked when it was asked for cannot be committed after all. One request
            # goes, so that the next try is without it.
            self._refuse(self.seat, f"a commit of our own: {error}")
            self.pending.give_up(plan)
            self._agreement.nothing_pending()
            return
        self._steps.append(Offer(made.handshake))
        self._keep(parent, made.staged, made.verdict, self.seat, made.handshake, now)
        self._advance(now)

    def _settle(self, child: bytes, now: float) -> None:
        candidate = self._candidates.pop(child)
        before, after = self.current, candidate.state
        assert after is not None
        self.kept = [*self.kept, Kept(before, now + PARENT_KEPT_S)][-PARENTS_MAX:]
        self.current = after
        self.seals = True
        # Only what follows the new epoch can still come; its siblings never counted.
        self._candidates = {
            one: other
            for one, other in self._candidates.items()
            if descends(self._candidates, other, child)
        }
        # Nobody waits for a newcomer that has not spoken yet.
        fresh = (*candidate.verdict.joined, *candidate.verdict.readmitted)
        self._restart_agreement(now, dict.fromkeys(fresh, now - UNHEARD_S))
        self._empty.settled(candidate.verdict, candidate.committer, after.roll.seats)
        self.pending.charter = after.terms.charter
        self.pending.done(candidate.requested)
        self.pending.gone(candidate.verdict.gone)
        self.pending.prune(after, wall_s=self._wall_s(now), now=now)
        self._steps.append(
            Moved(
                before,
                after,
                candidate.verdict,
                candidate.handshake,
                candidate.committer,
                candidate.requested,
            )
        )
        for one, other in self._candidates.items():
            if other.parent == child:
                timely = self._is_timely(other.verdict, other.committer, after, now)
                self._agreement.add_candidate(one, other.committer, now, timely=timely)
        if candidate.verdict.removed is not None:
            self.pending.close_door()
        for farewell in self.pending.farewells:
            self._agreement.leave(farewell)
        self._newcomers = Newcomers(candidate.verdict.joined, now)
        self._want_commit(now)
        self._tell_moved(now)

    def replace(self, state: EpochState, now: float) -> None:
        """Goes on in `state`, in which our seat has a fresh leaf; the old epoch is still heard."""
        self.kept = [*self.kept, Kept(self.current, now + PARENT_KEPT_S)][-PARENTS_MAX:]
        self.current = state
        self.seals = True
        self._candidates.clear()
        self._restart_agreement(now, {})
        self.pending.charter = state.terms.charter
        self.pending.came_back()
        self.pending.prune(state, wall_s=self._wall_s(now), now=now)
        for handshake in self._orphans.take(state.authenticator):
            self._stage(handshake, now)
        self._tell_moved(now)
