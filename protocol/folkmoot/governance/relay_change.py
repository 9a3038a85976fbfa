"""Other relays for a meeting, as a person writes them down, and what would change, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from folkmoot.governance.extension import (
    LABEL_BYTES_MAX,
    RELAYS_MAX,
    RESERVE_MAX,
    MeetingExtension,
    Relay,
)
from folkmoot.governance.sentences import Change
from folkmoot.wire.address import RelayAddress, format_host_port
from folkmoot.wire.codec import DecodeError

LIST_CHARACTERS_MAX = 16_384


class RelayListError(ValueError):
    """A list that no meeting can have; the text is a sentence for people."""


def split_relays(relays: Iterable[Relay]) -> tuple[tuple[Relay, ...], tuple[Relay, ...]]:
    """The first RELAYS_MAX to be used, and the others in reserve. Raises RelayListError when there
    are none, too many, or one twice."""
    listed = tuple(relays)
    if not listed:
        raise RelayListError("A meeting needs one relay at least.")
    if len(listed) > RELAYS_MAX + RESERVE_MAX:
        raise RelayListError(
            f"A meeting has at most {RELAYS_MAX + RESERVE_MAX} relays: {RELAYS_MAX} in use and "
            f"{RESERVE_MAX} in reserve."
        )
    if len({one.address.pin for one in listed}) < len(listed):
        raise RelayListError("A relay is named twice.")
    return listed[:RELAYS_MAX], listed[RELAYS_MAX:]


def parse_relays(text: str, now: MeetingExtension) -> MeetingExtension:
    """The meeting with the relays of `text` in place of those that it has: addresses with white
    space between, in the order in which they are to be used. Who runs them stays as it is known.
    Raises RelayListError."""
    if len(text) > LIST_CHARACTERS_MAX:
        raise RelayListError("This list of relays is too long.")
    known = {one.address: one for one in (*now.relays, *now.reserve)}
    relays = []
    for word in text.split():
        try:
            address = RelayAddress.parse(word)
        except DecodeError as error:
            shown = word if len(word) <= LABEL_BYTES_MAX else f"{word[:LABEL_BYTES_MAX]}…"
            raise RelayListError(f'"{shown}" is no relay address: {error}.') from None
        relays.append(known.get(address) or Relay(address))
    used, reserve = split_relays(relays)
    return replace(now, relays=used, reserve=reserve)


def relay_changes(before: MeetingExtension, after: MeetingExtension) -> list[Change]:
    """What is otherwise in the second, beside what it was: relays, the reserve, the lanes."""
    changed = []
    for what, was, becomes in (
        ("In use", before.relays, after.relays),
        ("In reserve", before.reserve, after.reserve),
    ):
        if was != becomes:
            words = [f"{what}: {_places(relays) or 'none'}." for relays in (was, becomes)]
            changed.append(Change(*words))
    was, stays = (*before.relays, *before.reserve), (*after.relays, *after.reserve)
    if fresh := [one for one in stays if one.address not in {old.address for old in was}]:
        changed.append(Change("", f"New: {_places(fresh)}."))
    if gone := [one for one in was if one.address not in {new.address for new in stays}]:
        changed.append(Change("", f"No longer: {_places(gone)}."))
    if before.lanes != after.lanes:
        sends = "How much everybody sends changes, whether they speak or not."
        changed.append(Change("", sends))
    return changed


def _places(relays: Iterable[Relay]) -> str:
    return ", ".join(place_of(one) for one in relays)


def place_of(relay: Relay) -> str:
    """A relay in a sentence: host and port, and who runs it if that is known."""
    place = format_host_port(relay.address.host, relay.address.port)
    return f"{place} ({relay.label})" if relay.label else place
