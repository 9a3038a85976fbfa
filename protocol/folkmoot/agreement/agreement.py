"""The agreement of the members on the one commit that follows an epoch (architecture §6, "Who
commits" and "Which commit counts"). One machine for each parent epoch; no relay orders anything.

**The rules.** An elector names at most one candidate in a round, finally. Who sees more than two
thirds of the present electors name a candidate in its own round, its own name among them, locks it
and says so in that round. Locked, it names nothing else in later rounds, until it sees more than
two thirds name another in a later round. Settled is what more than two thirds locked in one and
the same round; who has moved already (its beacon names the child) counts as locked in every round.

**Why two never settle in one network.** Let all agree on who is present, n of them, fewer than a
third lying. Within a round two groups of more than two thirds share more than a third, so an honest
elector, who names once: only one candidate can be locked in a round. If c is settled in round r,
more than a third of n are honest and locked on c since r; in every later round they name c or
nothing, so no other candidate comes to more than two thirds, so by induction none of them is ever
released. A lock is taken only in the round that its owner is still in: who moved on has perhaps
helped another candidate already, and must not add the missing vote to an old round.

**When views of presence differ** (a partition, or three seconds of bad luck), two sides may lock or
even settle different candidates. That is a matter of liveness, not of anybody's place in the
meeting: what a commit may do is decided by the evidence in it, never here; sides that settled
apart compare their branches. Locks that conflict must not last for ever, though: an elector gives
its lock up for another candidate when more than (n-1)/3 claim a lock on that one in a later round,
or in the same round on one with a lower hash. One of these claims is honest, so that a quorum did
exist for the other; under one common view the argument above says that this never happens to a
settled candidate, so the rule can only ever mend what a partition broke. Locks that stood against
each other for four rounds yield to that which most moved to or claim; and where so many have moved
apart already that nothing can win any more, the rest follow the larger branch.

**Why neither a certificate nor a committee decides between branches that settled apart**, as was
designed first, but the larger side does (`meeting.presence`), of those who knew each other before.
A certificate shows that more than two thirds of all electors want a thing done. It is judged by a
commit and its parent alone, so while its motion is open it is as good on the winning side as on the
losing one, and is committed there again. It says nothing of all else that its branch holds: who was
let in there, which relays were chosen. If it decided, whoever can hold back one commit with a
certificate could settle it with a few, and draw the many over to whatever those few decided beside
it, at a moment of its own choosing; and both branches may hold one, of two motions. The price is
that what only the smaller side carried out is undone for as long as it takes to do it again, and
has to be asked for again when its vote has ended: who was removed there is a member until then. No
seat goes without its ballots either way. A committee of 31 would have to have 11 corrupted, in
place of a third of all, and saves work that was not found to be too much for fifty.

**Why they settle.** In round 0 everybody names the candidate of whose turn it is, and waits 700 ms
a rank for the others'. A round ends when its time is over or when nobody can win it any more. In
later rounds who is not locked names what is known to be locked, else what the leader of the round
names (each round another of those present), and after 700 ms what most named last. What one alone
claims to be locked on counts for nothing, unless it leads: a liar would tell everybody something
else, in every round. Rounds get
longer, so that slow networks fit in one. Who sees more than (n-1)/3 in later rounds jumps to them.
Namings are said again until settled, those of the last rounds too, so that locks become known
whatever was lost.

Two commits of one committer are both void, unless a quorum had named one already.

**Why nobody complains.** The design let who cannot process a commit (its update path is bent for
some) set it aside. By the time a complaint is heard the others have named the candidate: where they
are enough they are locked on it, and where not enough can process it, it settles no more than
without complaints, and the next in turn commits within a round. So a complaint would gain nothing
but a way to delay everybody at will. Who was locked out of what settled is given a fresh leaf at
the door within seconds, and is heard meanwhile (`meeting.epochs`, `locked_out`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from folkmoot.agreement.actions import Action, CommitNow, SendNaming, Settled
from folkmoot.agreement.candidates import RANK_S, Candidates
from folkmoot.agreement.naming import AUTHENTICATOR_BYTES, ROUND_MAX, Naming
from folkmoot.agreement.presence import Presence
from folkmoot.agreement.tally import Tally
from folkmoot.agreement.votes import Votes, liars_max
from folkmoot.mls.errors import UsageError

ROUND_S = 2.5  # of the first round; shorter ones split slow networks, longer ones wait for the dead
ROUND_MORE_S = 0.5  # each round is longer than the last by this
ROUND_S_MAX = 6.0
# A round that nobody can win any more ends early, but each later than the last: where the others
# have settled apart, no round can be won, and they must not chase each other.
ROUND_S_MIN_MORE = 0.3
# Locks that stand against each other for so many rounds (15 s and more) come from a partition: in
# one network the namings behind the later one would have become known by now.
STALE_ROUNDS = 4
RESEND_S = 0.5
ASK_AGAIN_S = 1.0  # a commit that did not come of it is asked for again
ACTIONS_MAX = 64
_NOBODY_HEARD: Mapping[bytes, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Lock:
    """`round`: in which more than two thirds named it; `since`: the round we were in then."""

    child: bytes
    round: int
    since: int


class Agreement:
    """The machine. Inputs are verified: who is called `seat` has signed it. Nothing raises for what
    others did. After every call ask `next_action` until it returns None, and `next_timer`."""

    def __init__(
        self,
        *,
        own: bytes,
        electors: Sequence[bytes],
        last_committer: bytes | None,
        parent: bytes,
        now: float,
        heard: Mapping[bytes, float] = _NOBODY_HEARD,
        patience: float = 1.0,
    ) -> None:
        """`own`: our seat, which is no elector's when we are a guest; `parent`: the epoch
        authenticator that everybody builds on, 32 bytes; `heard`: that of the last machine, so that
        those who are away are not waited for again; `patience`: see `Presence`."""
        if len(parent) != AUTHENTICATOR_BYTES:
            raise UsageError("an epoch authenticator has 32 bytes")
        self.parent = parent
        self._own = own
        self._presence = Presence(own, electors, last_committer, heard, now, patience)
        self._tally = Tally()
        self._candidates = Candidates(self._presence, self._tally)
        self._votes = Votes(own, self._presence, self._tally, self._candidates)
        self._pending_since: float | None = None
        self._asked_at: float | None = None
        self._round = 0
        self._entered_at: float | None = None  # None: there is nothing to agree on yet
        self._lock: _Lock | None = None
        self._settled: bytes | None = None
        self._lacking: bytes | None = None
        self._online = True
        self._sent_at = now
        self._sent_count = 0
        self._now = now
        self._changed = False
        self._actions: list[Action] = []

    # -- what happened

    def hear(self, seat: bytes, now: float) -> None:
        """Something signed by `seat` arrived; `now` may be earlier than in the last call."""
        if self._presence.hear(seat, now):
            self._touch(now)

    def leave(self, seat: bytes) -> None:
        """The member in `seat` said farewell: nobody waits for it any more."""
        self._presence.leave(seat)
        self._touch(self._now)

    def set_online(self, online: bool, now: float) -> None:
        """Whether we can be heard and hear at all. Offline nothing is named or settled: who hears
        nobody because of its own link must not go on alone."""
        if online and not self._online:
            self._presence.hear_all(now)
            if self._entered_at is not None:
                self._entered_at = now
            if self._candidates.turns_from is not None:
                self._candidates.turns_from = now
        self._online = online
        self._touch(now)

    def want_commit(self, now: float) -> None:
        """Something waits to be committed; the oldest call since `nothing_pending` counts."""
        if self._pending_since is None:
            self._pending_since = now
            self._candidates.turns_from = now
        self._touch(now)

    def nothing_pending(self) -> None:
        """Nothing waits any more."""
        self._pending_since = self._asked_at = None
        self._touch(self._now)

    def add_candidate(
        self, child: bytes, committer: bytes, now: float, *, timely: bool = True
    ) -> bool:
        """A commit on our parent by the elector in `committer` that was found correct and allowed,
        ours too; `child`: authenticator of the epoch it makes; `timely`: whether its tick is near
        our clock. False when it is not kept."""
        self._touch(now)
        if child in self._candidates:
            return True
        if len(child) != AUTHENTICATOR_BYTES:
            return False
        settled = child == self._lacking
        if not self._candidates.add(child, committer, now, timely=timely, settled=settled):
            return False
        self._begin(now)
        return True

    def chooses(self, child: bytes) -> bool:
        """Whether this candidate is one of the few that are chosen among, or was."""
        return child in self._candidates

    def receive_naming(self, seat: bytes, naming: Naming, now: float) -> None:
        """A naming that the elector in `seat` signed."""
        if seat not in self._presence.electors or seat == self._own:
            return
        self.hear(seat, now)
        if naming.parent == self.parent and self._tally.add(seat, naming):
            if naming.child is not None:
                self._begin(now)
            self._touch(now)

    def moved(self, seat: bytes, child: bytes, now: float) -> None:
        """A beacon shows that the elector in `seat` is in `child`, or in an epoch after it."""
        if seat not in self._presence.electors or seat == self._own:
            return
        self.hear(seat, now)
        if self._tally.move(seat, child):
            self._begin(now)
            self._touch(now)

    def handle_timer(self, now: float) -> None:
        """Time passed."""
        self._touch(now)

    # -- what to do

    def next_action(self) -> Action | None:
        """What to do now, one after the other; None when there is nothing more."""
        self._follow()
        return self._actions.pop(0) if self._actions else None

    def next_timer(self) -> float | None:
        """When to call handle_timer, or None when only news can change anything."""
        if self._settled is not None or not self._online:
            return None
        now, due = self._now, []
        if self._entered_at is not None:
            due += [self._entered_at + self._round_s(), self._entered_at + RANK_S]
            due.append(self._entered_at + min(ROUND_S_MIN_MORE * self._round, ROUND_S))
            due.append(self._sent_at + RESEND_S)
        if self._entered_at is not None or self._pending_since is not None:
            absence = self._presence.next_absence(now)
            due += [] if absence is None else [absence]
        since = self._candidates.turns_from
        if since is not None:
            due += [since + rank * RANK_S for rank in range(len(self._presence.order))]
        if self._asked_at is not None:
            due.append(self._asked_at + ASK_AGAIN_S)
        return min((at for at in due if at > now), default=None)

    @property
    def settled(self) -> bytes | None:
        """The child that was agreed on."""
        return self._settled

    @property
    def lacking(self) -> bytes | None:
        """A child that the others settled and that was never added here: ask for it, or be
        readmitted."""
        return self._lacking

    @property
    def round(self) -> int:
        """The round we are in."""
        return self._round

    @property
    def heard(self) -> dict[bytes, float]:
        """When each elector was heard last, for the next machine."""
        return self._presence.heard

    def present(self, now: float) -> frozenset[bytes]:
        """Electors who were heard within 3 s and did not leave."""
        return self._presence.present(now)

    # -- the rules

    def _touch(self, now: float) -> None:
        self._now = max(self._now, now)
        self._changed = True

    def _follow(self) -> None:
        """Draws the conclusions from what happened."""
        if self._changed:
            self._changed = False
            self._update(self._now)

    def _begin(self, now: float) -> None:
        if self._entered_at is None:
            self._entered_at = now
            self._sent_at = now

    def _update(self, now: float) -> None:
        if self._settled is not None or not self._online:
            return
        present = self._presence.present(now)
        if self._own in present:
            self._catch_up(present, now)
            # A round that nobody can win ends at once; more than a few at a time would be a loop.
            for _ in range(4):
                self._take_locks(present)
                self._name_something(present, now)
                self._take_locks(present)
                if not self._round_over(present, now):
                    break
                self._name(None)
                self._enter(self._round + 1, now)
            self._say_again(now)
        self._settle(present)
        if self._settled is None and self._own in present:
            self._ask_for_commit(present, now)

    def _settle(self, present: frozenset[bytes]) -> None:
        child = self._votes.locked(self._round, present)
        if child is None:
            child = self._votes.larger_branch(self._round, present)
        if child is None:
            return
        if child not in self._candidates:
            self._lacking = child
            return
        self._settled, self._lacking = child, None
        self._actions.append(Settled(child))

    def _take_locks(self, present: frozenset[bytes]) -> None:
        for number, child in self._votes.winners(present):
            self._take_lock(child, number)
        held = self._lock
        if held is None:
            return
        for at, child in self._votes.claimed(self._round, present):
            if child == held.child:
                continue
            if at > held.round or (at == held.round and child < held.child):
                self._lock = _Lock(child, at, self._round)
                return
        if self._round >= held.since + STALE_ROUNDS:
            strongest = self._votes.strongest(held.child, self._round, present)
            if strongest != held.child:
                self._lock = _Lock(strongest, held.round, self._round)

    def _take_lock(self, child: bytes, number: int) -> None:
        """More than two thirds named `child` in round `number`."""
        held, own = self._lock, self._tally.said(self._own, number)
        same = held is not None and held.child == child
        if held is not None and not same and held.round >= number:
            return
        if number == self._round and own is not None and own.child == child:
            since = held.since if held and same else number
            self._lock = _Lock(child, max(number, held.round if held and same else 0), since)
            if not own.locked:
                self._say(Naming(self.parent, number, child, True))
        elif held is not None and not same:
            self._lock = _Lock(child, number, self._round)

    def _catch_up(self, present: frozenset[bytes], now: float) -> None:
        others = present - {self._own}
        latest = [self._tally.latest(seat) for seat in others]
        rounds = sorted((naming.round for naming in latest if naming), reverse=True)
        enough = liars_max(len(present))
        if len(rounds) > enough and rounds[enough] > self._round:
            self._enter(rounds[enough], now)

    def _round_over(self, present: frozenset[bytes], now: float) -> bool:
        if self._entered_at is None or self._round >= ROUND_MAX:
            return False
        if not (self._lock or self._candidates.any_viable() or self._tally.names(self._round)):
            return False  # there is nothing that anybody could name, in this round or a later one
        if now >= self._entered_at + self._round_s():
            return True
        if now < self._entered_at + min(ROUND_S_MIN_MORE * self._round, ROUND_S):
            return False
        if self._votes.base(self._round, present) - self._tally.speakers(self._round):
            return False
        names = self._tally.names(self._round)
        return not any(self._votes.wins(namers, self._round, present) for namers in names.values())

    def _round_s(self) -> float:
        return min(ROUND_S + ROUND_MORE_S * self._round, ROUND_S_MAX)

    def _enter(self, number: int, now: float) -> None:
        if number <= ROUND_MAX:
            self._round, self._entered_at = number, now

    # -- naming

    def _name_something(self, present: frozenset[bytes], now: float) -> None:
        if self._entered_at is None or self._tally.said(self._own, self._round) is not None:
            return
        child = self._choose(present, now)
        if child is not None:
            self._name(child)

    def _name(self, child: bytes | None) -> None:
        """Names a child, or none, in the current round, unless something was named already."""
        is_elector = self._own in self._presence.electors - self._presence.left
        if is_elector and self._tally.said(self._own, self._round) is None:
            self._say(Naming(self.parent, self._round, child, False))

    def _say(self, naming: Naming) -> None:
        self._tally.add(self._own, naming)
        self._send(naming)
        self._sent_at = self._now

    def _send(self, naming: Naming) -> None:
        action = SendNaming(naming)
        if action not in self._actions and len(self._actions) < ACTIONS_MAX:
            self._actions.append(action)

    def _say_again(self, now: float) -> None:
        if self._entered_at is None or now < self._sent_at + RESEND_S:
            return
        self._sent_at = now
        self._sent_count += 1
        for naming in self._tally.to_repeat(self._own, self._round, self._sent_count):
            self._send(naming)

    def _choose(self, present: frozenset[bytes], now: float) -> bytes | None:
        """What to name in this round; None: nothing yet."""
        if self._lock is not None:
            return self._lock.child
        known = self._votes.winners(present) or self._votes.claimed(self._round, present)
        if known:
            return known[0][1]
        if self._round == 0:
            return self._candidates.in_turn(present, now)
        assert self._entered_at is not None
        leader = self._presence.turn_holder(self._round, present)
        said = None if leader is None else self._tally.said(leader, self._round)
        if said is not None and said.child is not None and self._candidates.viable(said.child):
            return said.child
        if leader == self._own or now >= self._entered_at + RANK_S:
            return self._candidates.most_named(present)
        return None

    def _ask_for_commit(self, present: frozenset[bytes], now: float) -> None:
        since = self._candidates.turns_from
        if self._pending_since is None or since is None or self._lock is not None:
            return
        committed = self._candidates.committers()
        if self._own in committed or self._candidates.any_viable():
            return
        if self._asked_at is not None and now < self._asked_at + ASK_AGAIN_S:
            return
        if now >= since + self._presence.rank(self._own, present - committed) * RANK_S:
            self._asked_at = now
            self._actions.append(CommitNow())
