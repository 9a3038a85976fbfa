"""The specification's tables against the code: labels, extension numbers, sizes."""

from __future__ import annotations

from pathlib import Path

from folkmoot.governance.evidence import ADMISSION_S, EVIDENCES_MAX
from folkmoot.meeting import records, secrets
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


def test_every_item_and_record_kind_is_in_a_table() -> None:
    for kind in records.ItemKind:
        assert f"| {kind.value} {kind.name.lower().replace('_', ' ')} |" in TEXT
    for record in records.RecordKind:
        assert f"| {record.value} {record.name.lower()}" in TEXT
