"""Checks of the product, broken on purpose: an invariant that notices none of them is too weak.

Each mutant replaces one thing while a seed is played. It is caught when a seed that the sound
product plays well ends in a violation, or in an error of the product's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from folkmoot.agreement import votes
from folkmoot.cells import authorship
from folkmoot.cells.repeats import RepeatScheduler
from folkmoot.governance import judge as judging
from folkmoot.governance.charter import Charter
from folkmoot.governance.evidence import (
    Farewell,
    decode_commit_evidence,
    farewell_content,
    readmission_content,
)
from folkmoot.governance.judge import Change, RosterEntry, Verdict
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.meeting import epochs, ticks
from folkmoot.meeting.chat import ChatBook
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.media import MediaPlane
from folkmoot.meeting.presence import Presence
from folkmoot.meeting.secrets import MeetingSecrets
from folkmoot.meeting.signalling import Signalling
from folkmoot.mls.secret_tree import MessageKey, Ratchet, SecretTree
from folkmoot.wire.labels import Sign, load_public_key, verify
from simulation.patches import Patches
from simulation.story import run_seed

SEEDS_MAX = 120  # tried for each mutant


@dataclass(frozen=True)
class Mutant:
    """`seed`: one that is known to notice it, tried first."""

    name: str
    breaks: Callable[[Patches], None]
    seed: int = 0


@dataclass(frozen=True)
class Caught:
    mutant: str
    by: str
    seed: int
    tried: int


def catch(mutant: Mutant, seeds_max: int = SEEDS_MAX) -> Caught | None:
    """Plays seeds until one notices."""
    order = [mutant.seed, *(seed for seed in range(seeds_max) if seed != mutant.seed)]
    for tried, seed in enumerate(order[:seeds_max], 1):
        try:
            outcome = run_seed(seed, mutate=mutant.breaks)
        except Exception as error:
            return Caught(mutant.name, f"the product raised {type(error).__name__}", seed, tried)
        if outcome.violation is not None:
            return Caught(mutant.name, outcome.violation.invariant, seed, tried)
    return None


def print_mutants(mutants: Iterable[Mutant] | None = None) -> int:
    """The table; 1 when one of them was not caught."""
    missed = 0
    print(f"{'mutant':46} {'caught by':28} {'seed':>5} {'tried':>5}")
    for mutant in MUTANTS if mutants is None else mutants:
        caught = catch(mutant)
        if caught is None:
            missed += 1
            print(f"{mutant.name:46} NOT CAUGHT in {SEEDS_MAX} seeds", flush=True)
        else:
            print(f"{mutant.name:46} {caught.by:28} {caught.seed:5} {caught.tried:5}", flush=True)
    return missed > 0


# -- the judge


def _remove_anybody(patches: Patches) -> None:
    judge = judging.judge

    def lenient(
        change: Change, *, group_id: bytes, roster: Any, terms: Any, parent_tick: int
    ) -> Verdict:
        try:
            return judge(
                change, group_id=group_id, roster=roster, terms=terms, parent_tick=parent_tick
            )
        except Refusal as refusal:
            if "takes away a seat" not in str(refusal):
                raise
            evidence = decode_commit_evidence(change.authenticated_data)
            left = tuple(one.seat for one in roster if one.leaf in change.removes)
            return Verdict(evidence.tick, (), left, (), terms)

    patches.everywhere(judge, lenient)


def _unsigned_farewells(patches: Patches) -> None:
    patches.set(judging, "verify", lambda key, label, content, signature: True)


def _stale_farewells(patches: Patches) -> None:
    def check(one: Any, entry: RosterEntry, group_id: bytes) -> None:
        key = load_public_key(entry.signature_key)
        if isinstance(one, Farewell):
            label, content = Sign.FAREWELL, farewell_content(group_id, entry.seat, one.leaf_hash)
        else:
            label = Sign.READMISSION
            content = readmission_content(group_id, entry.seat, one.leaf_hash, one.reference)
        if key is None or not verify(key, label, content, one.signature):
            raise Refusal(Rule.DEPARTURE_SIGNATURE)

    patches.set(judging, "_check_departure", check)


def _no_sponsor(patches: Patches) -> None:
    def check(evidence: Any, newcomer: Any, *rest: object) -> None:
        evidence.sponsors.pop(newcomer.reference, None)

    patches.set(judging, "_check_admission", check)


class _Anything:
    """What nothing differs from."""

    def __init__(self, _key: bytes) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = None  # type: ignore[assignment]


def _any_seat(patches: Patches) -> None:
    patches.set(judging, "seat_of", _Anything)


# -- keys and counters


def _saved_state_seals(patches: Patches) -> None:
    init = epochs.Epochs.__init__

    def seals(self: epochs.Epochs, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **{**named, "seals": True})

    patches.set(epochs.Epochs, "__init__", seals)


def _counters_begin_anew(patches: Patches) -> None:
    follow = MediaPlane.follow

    def forget(self: MediaPlane, states: Any, seats: Any) -> None:
        self._epochs = {}
        follow(self, states, seats)

    patches.set(MediaPlane, "follow", forget)


def _message_keys_stay(patches: Patches) -> None:
    def peek(self: SecretTree, leaf: int, kind: Ratchet) -> MessageKey:
        generation = self._looked_at(leaf, kind).generation
        return self.peek(leaf, kind, generation)

    patches.set(SecretTree, "next", peek)


def _same_salt(patches: Patches) -> None:
    init = Signalling.__init__

    def weak(self: Signalling, entropy: Callable[[int], bytes]) -> None:
        init(self, lambda length: entropy(1) + bytes(length - 1))

    patches.set(Signalling, "__init__", weak)


# -- past and future


def _no_new_secret_after_a_farewell(patches: Patches) -> None:
    before = MeetingSecrets.before_commit

    def stepped(self: MeetingSecrets, *arguments: Any) -> MeetingSecrets:
        return replace(before(self, *arguments), signalling=self.stepped())

    patches.set(MeetingSecrets, "before_commit", stepped)


def _no_step_at_an_addition(patches: Patches) -> None:
    patches.set(MeetingSecrets, "stepped", lambda self: self.signalling)


def _chat_said_again_to_newcomers(patches: Patches) -> None:
    again = ChatBook.again
    patches.set(
        ChatBook, "again", lambda self, state, tick, entropy: again(self, state, 0, entropy)
    )


def _parents_kept(patches: Patches) -> None:
    patches.set(epochs, "PARENT_KEPT_S", 1e9)


def _media_keys_kept(patches: Patches) -> None:
    follow = MediaPlane.follow

    def keep(self: MediaPlane, states: Any, seats: Any) -> None:
        old = dict(self._epochs)
        follow(self, states, seats)
        self._epochs = {**old, **self._epochs}
        self._order = list(self._epochs.values())

    patches.set(MediaPlane, "follow", keep)


def _disk_not_erased(patches: Patches) -> None:
    save = Inside.save

    def once(self: Inside, now: float) -> None:
        if not getattr(self, "_kept_on_disk", False):
            self._kept_on_disk = True  # type: ignore[attr-defined]
            save(self, now)

    patches.set(Inside, "save", once)


# -- what others say


def _voices_unsigned(patches: Patches) -> None:
    patches.set(authorship, "verify", lambda *_: True)


def _beacons_replayed(patches: Patches) -> None:
    receive = Presence.receive

    def forgetful(self: Presence, body: bytes, states: Any, now: float) -> Any:
        for one in self.members.values():
            one.beacon_at_ms = 0
        return receive(self, body, states, now)

    patches.set(Presence, "receive", forgetful)


def _chat_shown_twice(patches: Patches) -> None:
    def note(self: ChatBook, seat: bytes, chat: Any) -> None:
        self._new.append((seat, chat))

    patches.set(ChatBook, "_note", note)


# -- agreement and healing


def _half_is_enough(patches: Patches) -> None:
    patches.everywhere(votes.quorum, lambda supporters, base: 2 * supporters >= base)


def _commits_from_the_future(patches: Patches) -> None:
    patches.set(ticks, "TICK_AHEAD_S", 1 << 40)


def _no_repeats(patches: Patches) -> None:
    patches.set(RepeatScheduler, "due", lambda self, now: [])


def _left_at_once(patches: Patches) -> None:
    def depart(self: Inside, now: float) -> None:
        self.epochs.pending.farewells.clear()
        self._farewell_taken = True
        self.departure_deadline = None
        from folkmoot.meeting.events import LEFT_WELL, Left

        self.context.tell(Left(LEFT_WELL))

    patches.set(Inside, "_depart", depart)


def _nobody_is_lost(patches: Patches) -> None:
    patches.set(Presence, "lost", lambda self, state, explained, now: False)


def _half_removes(patches: Patches) -> None:
    def needed(self: Charter, electors: int, *, accused_votes: bool = True) -> int | None:
        return None if self.removal is None else max(2, electors // 2)

    patches.set(Charter, "removal_needed", needed)


def _the_accused_is_not_counted(patches: Patches) -> None:
    real = Charter.removal_needed

    def needed(self: Charter, electors: int, *, accused_votes: bool = True) -> int | None:
        return real(self, electors - 2, accused_votes=False)

    patches.set(Charter, "removal_needed", needed)


def _removal_keeps_the_rooms(patches: Patches) -> None:
    real = MeetingSecrets.before_commit

    def before_commit(
        self: MeetingSecrets,
        tick: int,
        committer: bytes,
        takes_away: bool,
        by_ballots: bool = False,
    ) -> MeetingSecrets:
        return real(self, tick, committer, takes_away and not by_ballots, False)

    patches.set(MeetingSecrets, "before_commit", before_commit)


MUTANTS = (
    Mutant("a Remove needs no evidence", _remove_anybody, 18),
    Mutant("a farewell needs no signature", _unsigned_farewells, 4),
    Mutant("a farewell of a stale leaf is good", _stale_farewells, 10),
    Mutant("an Add needs no sponsor", _no_sponsor, 4),
    Mutant("a newcomer may have any seat", _any_seat, 5),
    Mutant("a saved state seals again", _saved_state_seals, 6),
    Mutant("media counters begin anew", _counters_begin_anew, 3),
    Mutant("a message key is used again", _message_keys_stay, 6),
    Mutant("council salts of one byte", _same_salt, 3),
    Mutant("no new signalling secret after a farewell", _no_new_secret_after_a_farewell, 13),
    Mutant("no step of the secret at an addition", _no_step_at_an_addition, 3),
    Mutant("old chat is said again to newcomers", _chat_said_again_to_newcomers, 15),
    Mutant("parents are kept for ever", _parents_kept, 3),
    Mutant("media keys are kept for ever", _media_keys_kept, 3),
    Mutant("the saved state is never replaced", _disk_not_erased, 3),
    Mutant("voice cells need no signature", _voices_unsigned, 0),
    Mutant("old beacons count", _beacons_replayed, 12),
    Mutant("chat is not compared with what was shown", _chat_shown_twice, 15),
    Mutant("half is enough to settle", _half_is_enough, 4),
    Mutant("commits from the future are named", _commits_from_the_future, 49),
    Mutant("records are not repeated", _no_repeats, 23),
    Mutant("who leaves does not wait to be taken out", _left_at_once, 13),
    Mutant("sides that settled apart stay apart", _nobody_is_lost, 77),
    Mutant("half are enough to remove somebody", _half_removes, 200),
    Mutant("a removal counts fewer than all", _the_accused_is_not_counted, 200),
    Mutant("a removal leaves the rooms and secrets as they are", _removal_keeps_the_rooms, 200),
)
