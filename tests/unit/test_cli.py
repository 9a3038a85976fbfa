"""What the command line refuses, in one sentence and with the right exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from typer.testing import CliRunner, Result

from folkmoot.agent.cli import app
from folkmoot.governance import PRESETS, Relay
from folkmoot.meeting.invite import Invite
from folkmoot.wire.address import RelayAddress

ADDRESS = RelayAddress("127.0.0.1", 7443, bytes(range(32)))
DOOR_SECRET = b"the door's own secret, 32 bytes."


def _invite(charter: str = "unremovable") -> Invite:
    door = X25519PrivateKey.from_private_bytes(b"d" * 32)
    return Invite.make(
        group_id=b"g" * 16,
        inviter_private=Ed25519PrivateKey.from_private_bytes(b"k" * 32),
        door_key=door.public_key().public_bytes_raw(),
        door_secret=DOOR_SECRET,
        charter=PRESETS[charter],
        relays=[Relay(ADDRESS, "the \x1b[31mred\x1b[0m\u202ecooperative")],
    )


WORD = _invite().word()


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FOLKMOOT_RELAY", "FOLKMOOT_VIA", "FOLKMOOT_NAME", "FOLKMOOT_LISTEN"):
        monkeypatch.delenv(name, raising=False)


def call(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, list(words), env=env)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["inspect", "hello"], "This is not an invite"),
        (["inspect", WORD[:-9]], "is torn"),
        (["join", WORD[: len(WORD) // 2] + WORD[len(WORD) // 2 + 1 :]], "is torn"),
        (["join", "http://example.org/"], "This is not an invite"),
        (["check", "--relay", "relay.example.org:7443"], "the part after # is missing"),
        (["check", "--relay", f"{ADDRESS}x"], "no relay address"),
        (["check", "--via", "carrier pigeon"], "not a way that is known here"),
        (["meet", "--via", "entry"], "Name an entry with --entry ADDRESS"),
        (["meet", "--listen", "nonsense"], "not of the form HOST:PORT"),
        (["meet", "--relay", str(ADDRESS), "--listen", "127.0.0.1:0"], "none is started"),
        (["meet", "--charter", "no-such-file.toml"], "neither a file nor one of circle"),
        (["meet", "--play", "song.ogg"], "go with --headless"),
        (["meet", "--headless", "--loop"], "repeats the file of --play"),
        (["meet", "--headless", "--for", "-3"], "above 0"),
        (["meet", "--headless", "--for", "nan"], "above 0"),
        (["meet", "--headless", "--admit", "everybody"], "--admit is ask or all"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_status_2(words: list[str], sentence: str) -> None:
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""
    result = call(*words, "--json")
    assert result.exit_code == 2
    line = json.loads(result.stdout)
    assert line["event"] == "error"
    assert sentence in line["message"]
    assert isinstance(line["at"], float)


def test_a_charter_file_that_says_nonsense(tmp_path: Path) -> None:
    file = tmp_path / "charter.toml"
    for text, sentence in (
        ("removal = [", "is not TOML"),
        ('preset = "unremovable"\nremoval = "by lot"', '"removal"'),
        ('preset = "unremovable"\nkings = 1', 'no field "kings"'),
    ):
        file.write_text(text)
        result = call("meet", "--charter", str(file))
        assert result.exit_code == 2
        assert sentence in result.stderr


def test_an_invite_with_ballots_says_how_they_are_counted() -> None:
    shown = call("inspect", _invite("assembly").word())
    assert shown.exit_code == 0
    text = " ".join(shown.stdout.replace("│", " ").split())
    assert "Somebody is removed only when more than two thirds of all who vote say yes" in text
    assert "by heads and by lines" in text


def test_inspect_for_people() -> None:
    result = call("inspect", WORD)
    assert result.exit_code == 0
    assert "127.0.0.1:7443" in result.stdout
    assert "Nobody can be removed by anybody" in result.stdout
    assert "cooperative" in result.stdout
    assert "\x1b" not in result.stdout  # no colours but on a terminal, and none of the label's
    assert "\u202e" not in result.stdout
    assert DOOR_SECRET.hex() not in result.stdout


def test_inspect_for_programs() -> None:
    result = call("inspect", WORD, "--json")
    assert result.exit_code == 0
    event = json.loads(result.stdout)
    assert event["event"] == "invite"
    assert event["invite"] == WORD
    assert event["relays"][0]["address"] == str(ADDRESS)
    assert event["charter"]["removal"] == "never"
    assert DOOR_SECRET.hex() not in result.stdout


def test_settings_come_from_the_environment() -> None:
    result = call("check", env={"FOLKMOOT_VIA": "carrier pigeon"})
    assert result.exit_code == 2
    assert "carrier pigeon" in result.stderr
    result = call("check", env={"FOLKMOOT_RELAY": f"{ADDRESS} nonsense"})
    assert "--relay nonsense" in result.stderr


def test_version_and_examples() -> None:
    assert call("--version").stdout.startswith("folkmoot ")
    for command in ("meet", "join", "inspect", "check", "relay"):
        result = call(command, "--help")
        assert result.exit_code == 0
        assert "Examples:" in result.stdout


@pytest.mark.parametrize("given", [WORD, f"{WORD}\n", f"  {WORD}\r\nwhat follows is not read"])
def test_an_invite_is_read_from_standard_input(given: str) -> None:
    """Where other users of the machine cannot read it."""
    done = subprocess.run(
        [sys.executable, "-m", "folkmoot.agent.cli", "inspect", "-", "--json"],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["invite"] == WORD


def test_an_endless_line_is_no_invite() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "folkmoot.agent.cli", "join", "-", "--headless"],
        input="folkmoot:" + "a" * 100_000,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert len(done.stderr) < 1000
