"""Calls to walk out together, as programs and the page see them."""

from __future__ import annotations

from typing import Any

from folkmoot.agent.drafts import pairs
from folkmoot.governance.sentences import changes
from folkmoot.meeting import Meeting, events, names
from folkmoot.meeting.calls import call_id
from folkmoot.meeting.secession import OpenCall

Event = dict[str, Any]


def event_of(
    meeting: Meeting,
    event: events.Called | events.CallAnswered | events.CallOver | events.WalkedOut,
) -> Event:
    """In the words of the command line's contract a call is a motion of the kind `secede`: it asks
    something of those whom it names, and is answered by `vote`."""
    member = names.member_id
    if isinstance(event, events.WalkedOut):
        here = [member(seat) for seat in event.seats]
        return {"event": "seceded", "by": member(event.by), "members": here}
    call = call_id(event.name)
    if isinstance(event, events.CallOver):
        return {"event": "decided", "motion": call, "carried": event.went}
    if isinstance(event, events.CallAnswered):
        choice = "yes" if event.yes else "no"
        return {"event": "ballot", "motion": call, "by": member(event.seat), "choice": choice}
    return {
        "event": "motion",
        "motion": call,
        "kind": "secede",
        "by": member(event.seat),
        "needed": len(event.seats),
        "subject": "",
        "with": [member(seat) for seat in event.seats],
        "changes": [str(one) for one in changes(meeting.charter, event.charter)],
    }


def calls_of(meeting: Meeting, now: float) -> list[Event]:
    """The open calls, for a snapshot."""
    return [_call_view(meeting, one, now) for one in meeting.calls()]


def _call_view(meeting: Meeting, one: OpenCall, now: float) -> Event:
    def person(seat: bytes) -> Event:
        answered = one.replies.get(seat)
        said = "" if seat not in one.replies else "no" if answered is None else "yes"
        return {
            "member": names.member_id(seat),
            "name": meeting.name_of(seat),
            "tag": meeting.tag_of(seat),
            "answer": said,
        }

    mine = one.call.seat == meeting.seat
    return {
        "call": call_id(one.name),
        "by": names.member_id(one.call.seat),
        "by_name": meeting.name_of(one.call.seat),
        "by_tag": meeting.tag_of(one.call.seat),
        "mine": mine,
        "with": [person(seat) for seat in one.call.seats],
        "own": "" if one.own is None else "yes" if one.own else "no",
        "changes": pairs(changes(meeting.charter, one.call.charter)),
        "ends_in_s": round(max(0.0, one.until - now), 1),
    }
