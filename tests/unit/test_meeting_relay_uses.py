"""What a meeting says that each relay carries of us is what it has open there."""

from __future__ import annotations

from folkmoot.governance import PRESETS, Relay
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.invite import Invite
from folkmoot.meeting.relay_book import NAMED_MAX
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.lanes import LaneSlot
from unit.meeting_parts import WALL_S, entropy_of

NOW = 1.0
RELAYS = tuple(
    Relay(RelayAddress("192.0.2.1", 4000 + number, bytes((number,)) * 32))
    for number in range(1, 12)
)


def founded() -> Meeting:
    return Meeting.found(
        name="Ada", charter=PRESETS["circle"], relays=RELAYS[:3], reserve=RELAYS[3:], now=NOW,
        wall_s=WALL_S, entropy=entropy_of("uses"),
    )  # fmt: skip


def opened(meeting: Meeting) -> dict[Relay, str]:
    """By relay, as the driver is asked to open rooms."""
    found: dict[Relay, str] = {}
    while (action := meeting.next_outgoing()) is not None:
        if not isinstance(action, events.OpenRoom):
            continue
        assert action.purpose == "main"
        relay = meeting.relays[action.relay]
        if action.slot is not LaneSlot.DOOR:
            found[relay] = "room"
        else:
            found.setdefault(relay, "door")
    return found


def said(meeting: Meeting) -> dict[Relay, str]:
    return {one.relay: one.carries for one in meeting.relay_uses() if one.carries}


def test_the_reserve_has_the_doors_of_the_relays_that_an_invite_names() -> None:
    ada = founded()
    found = opened(ada)
    assert found == said(ada)
    assert [found.get(one) for one in RELAYS] == (
        ["room"] * 3 + ["door"] * (NAMED_MAX - 3) + [None] * (len(RELAYS) - NAMED_MAX)
    )
    assert len(ada.relay_uses()) == len(RELAYS)


def test_who_knocks_has_doors_alone() -> None:
    invite = Invite.parse(founded().invite_text())
    ben = Meeting.join(invite, name="Ben", now=NOW, wall_s=WALL_S, entropy=entropy_of("ben"))
    found = opened(ben)
    assert found == said(ben) == dict.fromkeys(RELAYS[:NAMED_MAX], "door")
