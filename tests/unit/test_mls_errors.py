"""The checks: numbers that are not reused, and sentences that name them."""

from __future__ import annotations

from pathlib import Path

from folkmoot.mls import errors
from folkmoot.mls.errors import Check, CryptoError, MlsError


def test_numbers_are_unique() -> None:
    numbers = [check.number for check in Check]
    assert len(set(numbers)) == len(numbers)
    assert all(check.section.startswith("§") for check in Check)
    assert len({check.sentence for check in Check}) == len(numbers)


def test_every_check_is_made_somewhere() -> None:
    sources = [path.read_text() for path in Path(errors.__file__).parent.glob("*.py")]
    code = "\n".join(sources)
    assert [check.name for check in Check if f"Check.{check.name}" not in code] == []


def test_what_an_error_says() -> None:
    error = CryptoError(Check.SIGNATURE, "of leaf 3")
    assert str(error) == "a signature that does not verify: of leaf 3 (check 23, §6.1)"
    assert isinstance(error, MlsError)
    assert isinstance(error, ValueError)
    assert str(MlsError(Check.SUITE)) == "a cipher suite that is not supported (check 3, §17.1)"
