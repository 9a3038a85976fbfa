"""Other rules and other relays before anybody votes on them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from folkmoot.agent.drafts import (
    DraftError,
    charter_draft,
    draft_event,
    ground_of,
    presets_for,
    relays_draft,
)
from folkmoot.governance import PRESETS, Admission, MeetingExtension, to_mapping
from folkmoot.meeting import Meeting
from unit.meeting_parts import RELAYS, WALL_S, entropy_of

CIRCLE, ASSEMBLY = PRESETS["circle"], replace(PRESETS["assembly"], admission=Admission.BALLOT)
ADDRESSES = [str(one.address) for one in RELAYS]
OTHER = f"relay.example.org:7443#{ADDRESSES[0].partition('#')[2]}"


@pytest.mark.parametrize(
    "wanted",
    [
        {"admission": "ballot"},
        'admission = "ballot"',
        {"preset": "circle", "admission": "ballot"},
        'preset = "circle"\nadmission = "ballot"\n',
    ],
)
def test_fields_that_are_not_named_stay(wanted: object) -> None:
    assert charter_draft(wanted, CIRCLE) == replace(CIRCLE, admission=Admission.BALLOT)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("circle", "Nothing would change"),
        ({"admission": "sponsor"}, "Nothing would change"),
        ("assembly", "stays as it was"),
        ({"electors": "vouched"}, "stays as it was"),
        ({"admission": "magic"}, "is one of: open, sponsor, ballot"),
        ({"amendment": "1/2"}, "Two thirds or less"),
        ({"colour": "green"}, 'no field "colour"'),
        ("no rules at all", "neither TOML nor one of circle"),
        ("[" * 5000, "neither TOML nor one of circle"),
        ("x" * 20_000, "Rules are a preset's name, TOML, or fields"),
        ("", "Rules are a preset's name, TOML, or fields"),
        (7, "Rules are a preset's name, TOML, or fields"),
    ],
)
def test_what_cannot_be_asked_for_gets_a_sentence(wanted: object, why: str) -> None:
    with pytest.raises(DraftError, match=why):
        charter_draft(wanted, CIRCLE)


def test_a_meeting_without_removal_stays_without() -> None:
    with pytest.raises(DraftError, match="stays without it"):
        charter_draft({"removal": "more than 2/3"}, PRESETS["unremovable"])


def test_relays_are_listed_by_their_addresses() -> None:
    today = MeetingExtension(CIRCLE, RELAYS[:1])
    assert relays_draft(f" {ADDRESSES[0]}\n{ADDRESSES[1]} ", today).relays == RELAYS[:2]
    for wanted, why in (
        (ADDRESSES[0], "Nothing would change"),
        ("", "one relay at least"),
        (f"{ADDRESSES[0]} {OTHER}", "named twice"),
        ("somewhere", "no relay address"),
        ({"a": "b"}, "by their addresses"),
    ):
        with pytest.raises(DraftError, match=why):
            relays_draft(wanted, today)


def test_the_page_is_told_what_would_change() -> None:
    meeting = Meeting.found(
        name="Ada", charter=CIRCLE, relays=RELAYS[:1], now=1.0, wall_s=WALL_S,
        entropy=entropy_of("drafts"),
    )  # fmt: skip
    rules = draft_event(meeting, "amend", {"admission": "ballot"}, 7)
    assert rules == {
        "event": "draft", "draft": 7, "kind": "amend", "refused": "",
        "ground": ground_of("amend", MeetingExtension(CIRCLE, RELAYS[:1])),
        "changes": [{
            "before": "Who comes must be let in by one member who votes.",
            "after": "Who comes must be let in by a vote.",
        }],
    }  # fmt: skip
    relays = draft_event(meeting, "relays", " ".join(ADDRESSES[:2]), 8)
    first, *more = relays["changes"]
    places = [f"{one.address.host}:{one.address.port}" for one in RELAYS]
    assert first == {"before": f"In use: {places[0]}.", "after": f"In use: {', '.join(places)}."}
    assert more == [{"before": "", "after": f"New: {places[1]}."}]
    refused = draft_event(meeting, "relays", "x", 9)
    assert refused["refused"].endswith(".")
    assert refused["draft"] == 9


def test_a_preset_offers_what_may_still_change() -> None:
    offered = presets_for(CIRCLE)
    assert {name: one["whole"] for name, one in offered.items()} == {
        "circle": True, "assembly": False, "unremovable": True,
    }  # fmt: skip
    assert offered["assembly"]["fields"]["admission"] == "open"
    for one in offered.values():
        assert charter_draft({**to_mapping(ASSEMBLY), **one["fields"]}, ASSEMBLY)
    assert "removal" not in presets_for(PRESETS["unremovable"])["circle"]["fields"]


def test_the_ground_is_another_when_what_is_changed_is_another() -> None:
    today = MeetingExtension(CIRCLE, RELAYS[:1])
    rules = replace(today, charter=PRESETS["unremovable"])
    relays = replace(today, relays=RELAYS[:2])
    assert ground_of("amend", today) == ground_of("amend", relays) != ground_of("amend", rules)
    assert ground_of("relays", today) == ground_of("relays", rules) != ground_of("relays", relays)
    kept = replace(today, reserve=RELAYS[1:2])
    assert ground_of("relays", today) != ground_of("relays", kept)
