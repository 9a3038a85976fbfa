"""What people are told when a relay keeps somebody's voice from others, or nothing gets through."""

from __future__ import annotations

from typing import Any

from folkmoot.meeting import Meeting, events, names
from folkmoot.meeting.noticing import NoticeKind
from folkmoot.wire.address import RelayAddress, format_host_port

# (Of other relays there may be none.)
OTHERS = "What another relay of the meeting carries comes all the same."


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
