"""The invite's QR code as rows of modules."""

from __future__ import annotations

from folkmoot.agent.page import qr


def test_a_square_with_its_three_corners() -> None:
    rows = qr.rows("folkmoot:" + "a" * 300)
    assert rows is not None
    assert {len(row) for row in rows} == {len(rows)}
    assert set("".join(rows)) == {"0", "1"}
    corner = ("1111111", "1000001", "1011101", "1011101", "1011101", "1000001", "1111111")
    assert tuple(row[:7] for row in rows[:7]) == corner
    assert tuple(row[-7:] for row in rows[:7]) == corner
    assert tuple(row[:7] for row in rows[-7:]) == corner


def test_what_no_code_can_hold() -> None:
    assert qr.rows("") is None
    assert qr.rows("x" * qr.INVITE_BYTES_MAX) is not None
    assert qr.rows("x" * (qr.INVITE_BYTES_MAX + 1)) is None
