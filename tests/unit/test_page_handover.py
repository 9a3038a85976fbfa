"""The file with the token is its owner's alone, holds no script, and goes."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from folkmoot.agent.page.handover import HandoverFile

ADDRESS = "http://127.0.0.1:4711/#token"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of another kind")
def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    file = HandoverFile(ADDRESS, tmp_path)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_it_leads_to_the_page_without_a_script(tmp_path: Path) -> None:
    text = HandoverFile(ADDRESS, tmp_path).path.read_text()
    assert f'content="0;url={ADDRESS}"' in text
    assert "<script" not in text
    assert 'name="referrer" content="no-referrer"' in text


def test_it_goes_with_its_folder(tmp_path: Path) -> None:
    file = HandoverFile(ADDRESS, tmp_path)
    file.delete()
    file.delete()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        HandoverFile(ADDRESS, tmp_path / "missing")
