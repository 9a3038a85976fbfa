"""Other rules or other relays, as a person asks for them, before anybody is asked to vote: what
would change, or why it cannot be."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from typing import Any

from folkmoot.governance import (
    PRESETS,
    Charter,
    CharterError,
    MeetingExtension,
    amendment_refused,
    from_mapping,
    to_mapping,
)
from folkmoot.governance.relay_change import RelayListError, parse_relays, relay_changes
from folkmoot.governance.sentences import Change, changes
from folkmoot.meeting import Meeting

TOML_CHARACTERS_MAX = 16_384
NOTHING = "Nothing would change."


class DraftError(ValueError):
    """This cannot be asked for; the text is a sentence."""


def charter_draft(wanted: object, today: Charter) -> Charter:
    """The charter that is meant: a preset's name, TOML, or fields, those that are not named as they
    are today. Raises DraftError."""
    try:
        if isinstance(wanted, dict):
            fields = wanted if "preset" in wanted else {**to_mapping(today), **wanted}
            charter = from_mapping(fields)
        elif isinstance(wanted, str) and wanted.strip() in PRESETS:
            charter = PRESETS[wanted.strip()]
        elif isinstance(wanted, str) and 0 < len(wanted) <= TOML_CHARACTERS_MAX:
            charter = charter_draft(tomllib.loads(wanted), today)
        else:
            raise DraftError("Rules are a preset's name, TOML, or fields.")
    except CharterError as error:
        raise DraftError(str(error)) from None
    except (tomllib.TOMLDecodeError, RecursionError):
        presets = ", ".join(PRESETS)
        raise DraftError(f"These are no rules: neither TOML nor one of {presets}.") from None
    why = amendment_refused(today, charter)
    if why is not None:
        raise DraftError(NOTHING if charter == today else why)
    return charter


def relays_draft(wanted: object, today: MeetingExtension) -> MeetingExtension:
    """The relays that are meant, in a text of addresses. Raises DraftError."""
    if not isinstance(wanted, str):
        raise DraftError("Relays are given by their addresses.")
    try:
        changed = parse_relays(wanted, today)
    except RelayListError as error:
        raise DraftError(str(error)) from None
    if changed == today:
        raise DraftError(NOTHING)
    return changed


def ground_of(kind: str, today: MeetingExtension) -> str:
    """16 characters that are others when the rules, or the relays, are: with what a draft was
    compared."""
    if kind == "amend":
        ground = today.charter.encode()
    else:
        ground = repr((today.relays, today.reserve)).encode()
    return hashlib.sha256(ground).hexdigest()[:16]


def pairs(changed: Iterable[Change]) -> list[dict[str, str]]:
    """Changes as the page shows them. In two parts, so that no relay's label looks like one."""
    return [one._asdict() for one in changed]


def presets_for(today: Charter) -> dict[str, dict[str, Any]]:
    """What each preset would have of that which may still change: `fields`; `whole`: whether that
    is all of it."""
    found = {}
    for name, preset in PRESETS.items():
        fields = {key: to_mapping(preset)[key] for key in ("admission", "removal", "amendment")}
        if today.removal is None:
            del fields["removal"]
        whole = amendment_refused(today, preset) is None or preset == today
        found[name] = {"fields": fields, "whole": whole}
    return found


def draft_event(meeting: Meeting, kind: str, wanted: object, number: int) -> dict[str, Any]:
    """What the page shows while somebody writes: what changes, or a refusal. `number`: by which the
    page knows which of its drafts this answers; `ground`: with what it was compared, to be sent
    with the motion."""
    changed: list[Change] = []
    refused, today = "", meeting.extension
    try:
        if today is None:
            raise DraftError("You are not in the meeting yet.")
        if kind == "amend":
            changed = changes(today.charter, charter_draft(wanted, today.charter))
        else:
            changed = relay_changes(today, relays_draft(wanted, today))
    except DraftError as error:
        refused = str(error)
    return {
        "event": "draft",
        "draft": number,
        "kind": kind,
        "ground": "" if today is None else ground_of(kind, today),
        "changes": pairs(changed),
        "refused": refused,
    }
