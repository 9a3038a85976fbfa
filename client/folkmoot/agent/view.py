"""A meeting as programs and the page see it: snapshots and events of the command line's
contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from folkmoot.agent import notices, path_choice, walkouts
from folkmoot.governance import Charter, MeetingExtension, sentences, to_mapping
from folkmoot.governance.motion import MotionKind
from folkmoot.governance.relay_change import relay_changes
from folkmoot.governance.sentences import changes
from folkmoot.meeting import Meeting, events, names
from folkmoot.meeting.deciding import motion_id
from folkmoot.wire.address import RelayAddress

Event = dict[str, Any]


def charter_view(charter: Charter) -> Event:
    """The charter's fields, and what they mean in sentences."""
    return {**to_mapping(charter), "sentences": list(sentences(charter))}


Sees = Mapping[RelayAddress, Event]


def relays_view(
    meeting: Meeting, up: Mapping[RelayAddress, bool], sees: Sees, now: float
) -> list[Event]:
    """Those in use, the reserve, those that the meeting left a moment ago, and entries that are
    none of them (`path_choice.rows`); `sees`: what each sees of us (`path_choice.sight`). What
    there is against each at present, in sentences: `notices`, and `marks`."""
    noticed = notices.lasting(meeting, now, lambda seat: name_and_tag(meeting, seat))
    marks = {
        str(relay): [notices.mark_sentence(kind, relay) for kind in kinds]
        for relay, kinds in meeting.marks(now).items()
    }
    return [
        {
            **row,
            "notices": noticed.get(row["address"], []),
            "marks": marks.get(row["address"], []),
        }
        for row in path_choice.rows(meeting.relay_uses(), up, sees)
    ]


def snapshot_of(
    meeting: Meeting, relays_up: Mapping[RelayAddress, bool], sees: Sees, now: float
) -> Event:
    """The state that a page needs to draw itself from nothing."""
    return {
        "event": "snapshot",
        "phase": meeting.phase.value,
        "me": {"member": names.member_id(meeting.seat), "name": meeting.name},
        "group_name": "",
        "invite": meeting.invite_text(),
        "members": [
            {
                "member": one.member,
                "name": one.name,
                "tag": one.tag,
                "here": one.here,
                "microphone": one.microphone,
                "camera": one.camera,
                "screen": one.screen,
                "muted": one.muted,
                "hidden": one.hidden,
                "confirmed": True,
                "votes": one.elector,
                "line": one.line,
            }
            for one in meeting.roster(now)
        ],
        "knocks": [
            {"knock": one.knock, "name": one.name, "since": one.since} for one in meeting.knocks()
        ],
        "chat": [
            {
                "from": names.member_id(one.seat),
                "name": one.name,
                "tag": one.tag,
                "text": one.text,
                "at": one.at_ms,
            }
            for one in meeting.chat_log
        ],
        "safety_code": meeting.safety_code,
        "epoch": meeting.epoch,
        "relays": relays_view(meeting, relays_up, sees, now),
        "confirmed": meeting.confirmed,
        "calls": walkouts.calls_of(meeting, now),
        "charter": charter_view(meeting.charter),
    }


def motion_made(meeting: Meeting, event: events.MotionMade) -> Event:
    """What is asked; `subject` is a member, a knock, a charter in its fields, or the addresses of
    relays."""
    motion, subject = event.motion, ""
    said: Event = {
        "event": "motion",
        "motion": motion_id(event.name),
        "kind": motion.kind.name.lower(),
        "by": names.member_id(motion.mover),
        "needed": event.needed,
        "ends": motion.ends,
    }
    if motion.kind in (MotionKind.REMOVE, MotionKind.RAISE):
        subject = names.member_id(motion.subject)
        said["subject_name"] = meeting.name_of(motion.subject)
    elif motion.kind is MotionKind.AMEND:
        charter = Charter.decode(motion.subject)
        return {
            **said,
            "subject": to_mapping(charter),
            "changes": [str(one) for one in changes(meeting.charter, charter)],
        }
    elif motion.kind is MotionKind.RELAYS and (now := meeting.extension) is not None:
        wanted = MeetingExtension.decode(motion.subject)
        return {
            **said,
            "subject": [str(one.address) for one in (*wanted.relays, *wanted.reserve)],
            "changes": [str(one) for one in relay_changes(now, wanted)],
        }
    elif motion.kind is MotionKind.ADMIT:
        subject, said["subject_name"] = meeting.caller_of(motion.subject) or ("", "")
    return {**said, "subject": subject}


def name_and_tag(meeting: Meeting, seat: bytes) -> str:
    """A member's name in a sentence, with its tag where another's looks the same."""
    tag = meeting.tag_of(seat)
    return f"{meeting.name_of(seat)} ({tag})" if tag else meeting.name_of(seat)


def event_of(meeting: Meeting, event: events.Event, now: float) -> list[Event]:
    """What is said of one event; nothing for those that only change the snapshot."""
    member = names.member_id
    if isinstance(event, events.Joined):
        return [
            {
                "event": "joined",
                "member": member(meeting.seat),
                "name": meeting.name,
                "epoch": meeting.epoch,
                "safety_code": meeting.safety_code,
            }
        ]
    if isinstance(event, events.EpochChanged):
        return [
            {
                "event": "epoch",
                "epoch": event.epoch,
                "authenticator": event.authenticator.hex(),
                "safety_code": meeting.safety_code,
                "members": len(meeting.roster(now)),
            }
        ]
    if isinstance(event, events.MemberIn):
        return [
            {
                "event": "member_in",
                "member": member(event.seat),
                "name": meeting.name_of(event.seat),
                "tag": meeting.tag_of(event.seat),
            }
        ]
    if isinstance(event, events.MemberOut):
        return [
            {
                "event": "member_out",
                "member": member(event.seat),
                "name": event.name,
                "tag": event.tag,
                "cause": event.cause,
            }
        ]
    if isinstance(event, events.Knocked):
        return [{"event": "knock", "knock": event.knock, "name": event.name}]
    if isinstance(event, events.ChatReceived):
        return [
            {
                "event": "chat",
                "from": member(event.seat),
                "name": event.name,
                "tag": event.tag,
                "text": event.text,
                "at_ms": event.at_ms,
            }
        ]
    if isinstance(event, events.MotionMade):
        return [motion_made(meeting, event)]
    if isinstance(event, events.BallotCast):
        return [
            {
                "event": "ballot",
                "motion": motion_id(event.name),
                "by": member(event.seat),
                "choice": "yes" if event.yes else "no",
            }
        ]
    if isinstance(event, events.Decided):
        return [{"event": "decided", "motion": motion_id(event.name), "carried": event.carried}]
    if isinstance(event, events.Called | events.CallAnswered | events.CallOver | events.WalkedOut):
        return [walkouts.event_of(meeting, event)]
    if isinstance(event, events.Refused):
        return [{"event": "refused", "what": event.what, "why": event.why}]
    if isinstance(event, events.LeftOut):
        who = name_and_tag(meeting, event.seat)
        sentence = f"Some of what {who} sends is left out: {event.why}. The meeting goes on."
        return [{"event": "problem", "sentence": sentence}]
    if isinstance(event, events.Noticed):
        return [notices.event_of(meeting, event, name_and_tag(meeting, event.seat))]
    if isinstance(event, events.Marked):
        return [notices.marked(event)]
    if isinstance(event, events.Confirmed):
        return [{"event": "confirmed"}]
    if isinstance(event, events.Waiting):
        return [{"event": "waiting", "position": event.position}]
    if isinstance(event, events.CharterDiffers):
        return [{"event": "charter_differs", "sentences": list(event.sentences)}]
    return []
