"""Votes as the page shows them: how each motion stands, what was decided and by which rule, and
what this member could ask for (architecture §6, "Ballots").

Nothing here decides anything: the numbers are the protocol's. What is kept here is kept for words
alone: the names of those whom a motion was about are gone from the roster once it is carried.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from folkmoot.agent.drafts import pairs, presets_for
from folkmoot.governance import Admission, Charter, Electors, MeetingExtension, Share
from folkmoot.governance.motion import MOTION_S, Motion, MotionKind
from folkmoot.governance.relay_change import relay_changes
from folkmoot.governance.sentences import Change, changes, rules_of
from folkmoot.meeting import Meeting, events, names
from folkmoot.meeting.deciding import motion_id
from folkmoot.meeting.motions import KEPT_MAX

Event = dict[str, Any]

NAMELESS = "somebody"  # as the meeting names whom it does not know, or not yet
DECIDED_MAX = 10  # the last ones, for a page that was away when they were decided


@dataclass(slots=True)
class _Asked:
    """A motion in words; `until`: its end by the driver's clock."""

    motion: Motion
    said: Event
    needed: int
    until: float
    yes: set[bytes] = field(default_factory=set)

    def name(self, meeting: Meeting) -> None:
        """Names come a moment after their members, and go with them: the newest known stays."""
        fresh = _in_words(meeting, self.motion)
        for who in ("by", "subject"):
            if fresh[f"{who}_name"] not in ("", NAMELESS):
                for part in (f"{who}_name", f"{who}_tag"):
                    self.said[part] = fresh[part]


class Votes:
    """What the page is told of the votes of one meeting."""

    def __init__(self) -> None:
        self._asked: dict[bytes, _Asked] = {}
        self._decided: deque[Event] = deque(maxlen=DECIDED_MAX)

    def note(self, meeting: Meeting, event: events.Event, now: float) -> None:
        """Remembers what is said of a motion as long as its people are known."""
        if isinstance(event, events.MotionMade):
            if len(self._asked) >= KEPT_MAX:
                self._asked.pop(next(iter(self._asked)))
            one = motion_id(event.name)
            ends = (view.ends_in_s for view in meeting.motions(now) if view.motion == one)
            said = _in_words(meeting, event.motion)
            self._asked[event.name] = _Asked(
                event.motion, said, event.needed, now + next(ends, float(MOTION_S))
            )
        elif isinstance(event, events.BallotCast):
            asked = self._asked.get(event.name)
            if asked is not None and event.yes:
                asked.yes.add(event.seat)
        elif isinstance(event, events.Decided):
            asked = self._asked.pop(event.name, None)
            if asked is None:  # carried by ballots that we never saw
                asked = _Asked(event.motion, _in_words(meeting, event.motion), 0, now)
            asked.name(meeting)
            outcome = "carried" if event.carried else "failed" if now < asked.until else "expired"
            self._decided.append(
                {
                    "motion": motion_id(event.name),
                    **asked.said,
                    "outcome": outcome,
                    "have": len(asked.yes),
                    "needed": asked.needed,
                }
            )

    def shown(self, meeting: Meeting, now: float) -> Event:
        """The part of a snapshot that is about votes."""
        for asked in self._asked.values():
            asked.name(meeting)
        return {
            "voting": voting_of(meeting, now),
            "motions": motions_of(meeting, now),
            "decided": list(self._decided),
        }


def _in_words(meeting: Meeting, motion: Motion) -> Event:
    """Who asks what about whom, and by which rule it is decided."""
    subject, name, tag, changed = "", "", "", list[Change]()
    if motion.kind in (MotionKind.REMOVE, MotionKind.RAISE):
        subject = names.member_id(motion.subject)
        name, tag = meeting.name_of(motion.subject), meeting.tag_of(motion.subject)
    elif motion.kind is MotionKind.ADMIT:
        subject, name = meeting.caller_of(motion.subject) or ("", "")
    elif motion.kind is MotionKind.AMEND:
        changed = changes(meeting.charter, Charter.decode(motion.subject))
    elif motion.kind is MotionKind.RELAYS and (now := meeting.extension) is not None:
        changed = relay_changes(now, MeetingExtension.decode(motion.subject))
    return {
        "kind": motion.kind.name.lower(),
        "by": names.member_id(motion.mover),
        "by_name": meeting.name_of(motion.mover),
        "by_tag": meeting.tag_of(motion.mover),
        "subject": subject,
        "subject_name": name,
        "subject_tag": tag,
        "about_me": motion.subject == meeting.seat,
        "changes": pairs(changed),
        "rules": rules_of(meeting.charter, motion.kind),
    }


def motions_of(meeting: Meeting, now: float) -> list[Event]:
    """The open motions, that which ends first first."""
    return [
        {
            "motion": view.motion,
            **_in_words(meeting, view.asked),
            "needed": view.needed,
            "have": view.have,
            "lines_needed": view.lines_needed,
            "lines_have": view.lines_have,
            "electors": view.electors,
            "here": view.here,
            "ends_in_s": round(view.ends_in_s, 1),
            "own": "" if view.own is None else "yes" if view.own else "no",
            "may_vote": view.may_vote,
        }
        for view in meeting.motions(now)
    ]


def voting_of(meeting: Meeting, now: float) -> Event:
    """Who votes, and how many would be needed for what. `used`: whether the charter has votes about
    people at all; a number is None where no number of votes would be enough."""
    charter = meeting.charter
    voters = [one for one in meeting.roster(now) if one.elector]
    count, lines = len(voters), len({one.line for one in voters if one.line})

    def ask(kind: MotionKind, share: Share | None, **needed: int | None) -> Event | None:
        if share is None:
            return None
        lines_needed = share.needed(lines) if charter.lineage else 0
        return {**needed, "lines": lines_needed, "rules": rules_of(charter, kind)}

    by_ballot = charter.admission is Admission.BALLOT
    vouched = charter.electors is Electors.VOUCHED
    remove = ask(
        MotionKind.REMOVE,
        charter.removal,
        needed=charter.removal_needed(count),
        needed_of_guest=charter.removal_needed(count, accused_votes=False),
    )
    to_admit = ask(
        MotionKind.ADMIT,
        charter.share_for_admission if by_ballot else None,
        needed=charter.share_for_admission.needed(count),
    )
    to_amend = ask(
        MotionKind.AMEND,
        charter.amendment,
        needed=charter.amendment_needed(count),
    )
    if to_amend is not None:
        to_amend["presets"] = presets_for(charter)
    to_change = ask(
        MotionKind.RELAYS,
        charter.amendment,
        needed=charter.amendment_needed(count),
    )
    to_raise = ask(
        MotionKind.RAISE,
        charter.amendment if vouched else None,
        needed=charter.amendment_needed(count),
    )
    return {
        "used": any(one is not None for one in (remove, to_admit, to_raise)),
        "votes": meeting.votes,
        "guests": vouched,
        "electors": count,
        "here": sum(one.here for one in voters),
        "lines": lines,
        "seconds": MOTION_S,
        "remove": remove,
        "raise": to_raise,
        "admit": to_admit,
        "amend": to_amend,
        "relays": to_change,
    }
