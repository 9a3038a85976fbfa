"""What people are told when a relay keeps somebody's voice from others, or nothing gets through,
and of marks against relays."""

from __future__ import annotations

from typing import Any

from folkmoot.meeting import Meeting, events, names
from folkmoot.meeting.marks import MarkKind
from folkmoot.meeting.noticing import NoticeKind
from folkmoot.wire.address import RelayAddress, format_host_port

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
        "somebody in the meeting sends them again through it."
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
