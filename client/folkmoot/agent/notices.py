"""What people are told when a relay keeps somebody's voice from others, or nothing gets through,
and of marks against relays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from folkmoot.meeting import Meeting, events, names
from folkmoot.meeting.marks import MarkKind
from folkmoot.meeting.noticing import NoticeKind
from folkmoot.wire.address import RelayAddress, format_host_port

NAMES_MAX = 6  # in one sentence: two members who lie can make a notice about everybody
# (Of other relays there may be none.)
OTHERS = "What another relay of the meeting carries comes all the same."

# No more than what can be told from what came (`marks`): each names all who can have done it.
MARKS = {
    MarkKind.REPEATS: (
        "The same pieces come more than once through the relay {}. It repeats them, or somebody in "
        "the meeting does who sends through it. Each counts once all the same."
    ),
    MarkKind.BENDS: (
        "Altered pieces come through the relay {}. It alters them, or somebody in the meeting does "
        "who sends through it. They are left out."
    ),
    MarkKind.LATE: (
        "What comes through the relay {} is more than a second behind the other relays. It holds "
        "it back or is overburdened, or your own way to it is slow."
    ),
    MarkKind.REORDERS: (
        "Pieces come out of their order through the relay {}. It holds some of them back, or "
        "somebody in the meeting sends late through it what others said."
    ),
}


def marked(event: events.Marked) -> dict[str, Any]:
    """As the contract has it."""
    return {
        "event": "marked",
        "relay": str(event.relay),
        "what": event.kind.value,
        "sentence": f"{mark_sentence(event.kind, event.relay)} {OTHERS}",
    }


def mark_sentence(kind: MarkKind, relay: RelayAddress) -> str:
    """What a mark says."""
    return MARKS[kind].format(_place(relay))


def event_of(meeting: Meeting, event: events.Noticed, who: str) -> dict[str, Any]:
    """As the contract has it; `who`: the member's name."""
    return {
        "event": event.kind.value,
        "relay": str(event.relay),
        "member": names.member_id(event.seat),
        "sentence": _sentence(event, who, event.seat == meeting.seat, _place(event.relay)),
    }


def _sentence(event: events.Noticed, who: str, own: bool, place: str) -> str:
    whose = "your" if own else f"{who}'s"
    if event.kind is NoticeKind.WITHHELD:
        return (
            f"By the counts of several of you, the relay {place} keeps {whose} voice from some: "
            f"what came through it to one did not come to others, which no line explains. {OTHERS} "
            "You can propose to use other relays."
        )
    if event.kind is NoticeKind.UNREACHED:
        return (
            f"Several do not hear {'you' if own else who} through the relay {place}. It may be the "
            f"relay, the line or the member: it cannot be told from here. {OTHERS}"
        )
    return (
        f"The relay {place} lets nothing reach you, while it carries others. You hear them through "
        "the other relays, and your program connects to it anew."
    )


def _place(relay: RelayAddress) -> str:
    return format_host_port(relay.host, relay.port)


def lasting(meeting: Meeting, now: float, name: Callable[[bytes], str]) -> dict[str, list[str]]:
    """By a relay's address, what goes on there at present, in sentences for its row in the page: a
    sentence for each kind, whoever it is about. `name`: of the member in a seat."""
    noticed = meeting.noticed(now)
    # Of whom it is known that the relay keeps a voice, it is not said that this cannot be known.
    known = {(one.relay, one.seat) for one in noticed if one.kind is NoticeKind.WITHHELD}
    about: dict[tuple[str, NoticeKind], list[bytes]] = {}
    for one in noticed:
        if one.kind is not NoticeKind.UNREACHED or (one.relay, one.seat) not in known:
            about.setdefault((str(one.relay), one.kind), []).append(one.seat)
    found: dict[str, list[str]] = {}
    for (relay, kind), seats in sorted(about.items(), key=lambda one: one[0][1].value):
        named = seats[:NAMES_MAX]
        words = ["you" if seat == meeting.seat else name(seat) for seat in named]
        if len(seats) > NAMES_MAX:
            words.append(f"{len(seats) - NAMES_MAX} more")
        found.setdefault(relay, []).append(_standing(kind, _listed(words)))
    return found


def _standing(kind: NoticeKind, who: str) -> str:
    """What is said for as long as it lasts."""
    if kind is NoticeKind.WITHHELD:
        return (
            f"By the counts of several of you, it keeps from some the voice of {who}. "
            "You can propose to use other relays."
        )
    if kind is NoticeKind.UNREACHED:
        return (
            f"Several do not hear {who} through it. It may be the relay, the line or the member: "
            "it cannot be told from here."
        )
    return (
        "It lets nothing reach you, while it carries others. Your program connects to it anew, by "
        "another way where there is one."
    )


def _listed(words: list[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else "".join(words)
