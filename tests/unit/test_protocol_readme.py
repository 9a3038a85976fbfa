"""The specification's tables against the code: labels, extension numbers, sizes."""

from __future__ import annotations

from pathlib import Path

from folkmoot.governance.evidence import ADMISSION_S, EVIDENCES_MAX
from folkmoot.meeting import deciding, early_votes, entrance, motions, records, secrets, ticks
from folkmoot.meeting.rooms import COUNCIL
from folkmoot.wire.labels import Derive, Sign

TEXT = (Path(__file__).parents[2] / "protocol" / "README.md").read_text()


def test_every_label_is_in_the_tables() -> None:
    for label in (*Sign, *Derive):
        assert f"`{label.value.decode()}`" in TEXT, label


def test_numbers_are_those_of_the_code() -> None:
    assert f"extension 0x{secrets.EXTENSION_TYPE:X}" in TEXT
    assert f"until ≤ tick + {ADMISSION_S}" in TEXT
    assert f"({EVIDENCES_MAX:,} at most)" in TEXT
    assert f"({records.CHAT_BYTES_MAX:,} bytes at most)" in TEXT
    assert f"name as text ({records.NAME_BYTES_MAX} at most)" in TEXT
    assert f"opaque digest ({records.DIGEST_BYTES_MAX} at most)" in TEXT
    assert f"name is {len(COUNCIL.encode())} bytes" in TEXT


def test_the_rules_of_votes_are_those_of_the_code() -> None:
    text = " ".join(TEXT.split())
    for sentence in (
        f"{motions.MOTIONS_MAX} motions open and {motions.MOTIONS_OF_MEMBER_MAX} of one member",
        f"{early_votes.BALLOTS_OF_SEAT_MAX} ballots and {early_votes.MOTIONS_OF_SEAT_MAX} motions"
        f" of one member that wait and {early_votes.UNKNOWN_MAX} of each by seats",
        f"at its opening (give or take {motions.CLOCK_S} s of clocks)",
        f"when its end is {motions.DECIDE_AFTER_S} s ago",
        f"clock it is more than {ticks.TICK_BEHIND_S} s behind",
        f"hears nobody in its epoch for {deciding.REMOVED_WAIT_S:.0f} s",
        f"kept for {entrance.DOOR_KEPT_S / 60:.0f} minutes",
    ):
        assert sentence in text, sentence
    assert motions.MOTIONS_OF_MEMBER_MAX == 3
    assert entrance.DOORS_MAX == 2


def test_every_item_and_record_kind_is_in_a_table() -> None:
    for kind in records.ItemKind:
        assert f"| {kind.value} {kind.name.lower().replace('_', ' ')} |" in TEXT
    for record in records.RecordKind:
        assert f"| {record.value} {record.name.lower().replace('_', ' ')}" in TEXT
