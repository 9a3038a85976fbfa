"""What a person sees of a meeting: its members and who knocks."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.meeting.inside import Inside
from folkmoot.meeting.names import member_id
from folkmoot.meeting.records import Showing


@dataclass(frozen=True, slots=True)
class MemberView:
    """One member as a person sees it."""

    seat: bytes
    member: str
    name: str
    tag: str
    own: bool
    here: bool
    microphone: bool
    camera: bool
    screen: bool
    muted: bool
    hidden: bool
    elector: bool
    line: str  # the member id of who began its line; empty where lines do not count


@dataclass(frozen=True, slots=True)
class KnockView:
    """One newcomer who waits: `since` in seconds of the driver's clock."""

    knock: str
    name: str
    since: float


def roster_of(inside: Inside, now: float) -> list[MemberView]:
    """Every seat, ours first, then by name."""
    names, tags = inside.presence.names(inside.name), inside.presence.tags(inside.name)
    state, views = inside.epochs.current, []
    roll, lines = state.roll, state.terms.charter.lineage
    for seat, one in inside.presence.members.items():
        own = seat == inside.context.seat
        showing = inside.showing() if own else one.showing
        views.append(
            MemberView(
                seat=seat,
                member=member_id(seat),
                name=names[seat],
                tag=tags[seat],
                own=own,
                here=own or one.here(now),
                microphone=bool(showing & Showing.MICROPHONE),
                camera=bool(showing & Showing.CAMERA),
                screen=bool(showing & Showing.SCREEN),
                muted=seat in inside.media.muted,
                hidden=seat in inside.hidden,
                elector=seat in roll,
                line=member_id(line) if lines and (line := roll.line_of(seat)) else "",
            )
        )
    return sorted(views, key=lambda view: (not view.own, view.name.casefold(), view.seat))


def knocks_of(inside: Inside) -> list[KnockView]:
    """Who waits to be let in, those who did most work first."""
    return [KnockView(knock, name, since) for knock, name, since in inside.entrance.waiting()]
