"""The relay command: how it starts, what it keeps, how it ends, and what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end.relay_under_test import COMMAND, RelayUnderTest, clients
from folkmoot.wire import LaneSlot
from folkmoot.wire.link_events import RelayLeaving, RoomOpened
from folkmoot.wire.messages import CLOSING_SENTENCES, Closing

SEED = b"s" * 32
VOICE = LaneSlot.VOICE


@pytest.fixture(scope="module")
def relay() -> Iterator[RelayUnderTest]:
    with RelayUnderTest() as running:
        yield running


def test_sigterm_tells_links_to_move_on_and_ends_cleanly() -> None:
    with RelayUnderTest() as relay, clients(relay.address, 2) as (one, other):
        one.open(1, SEED)
        started = time.monotonic()
        relay.process.terminate()
        one.until(lambda: any(isinstance(event, RelayLeaving) for event in one.events))
        code = Closing.LEAVING
        assert one.closed() == (code, CLOSING_SENTENCES[code])
        assert other.closed() == (code, CLOSING_SENTENCES[code])
        status, output, errors = relay.ended()
        assert status == 0
        assert [json.loads(line)["event"] for line in output.splitlines()] == ["ready", "closed"]
        assert "Traceback" not in errors
        assert time.monotonic() - started < 6.0


def test_a_relay_without_links_ends_at_once() -> None:
    with RelayUnderTest() as relay:
        started = time.monotonic()
        assert relay.stop()[0] == 0
        assert time.monotonic() - started < 2.0


def test_a_relay_ends_with_its_parent() -> None:
    with RelayUnderTest("--until-stdin-closes", stdin=subprocess.PIPE) as relay:
        assert relay.process.stdin is not None
        time.sleep(0.3)
        assert relay.process.poll() is None
        relay.process.stdin.close()
        relay.process.stdin = None
        assert relay.ended()[0] == 0


@pytest.mark.parametrize("ending", [9, 15])
def test_a_restart_at_any_time_keeps_the_address(ending: int, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with RelayUnderTest("--state", str(state)) as first:
        port = first.address.port
        with clients(first.address, 1) as (client,):
            client.open(1, SEED)
            first.stop(ending)
    assert (state / "key.pem").stat().st_mode & 0o777 == 0o600
    assert state.stat().st_mode & 0o777 == 0o700
    with RelayUnderTest("--state", str(state), listen=f"127.0.0.1:{port}") as second:
        assert second.address == first.address
        with clients(second.address, 1) as (client,):
            client.open(1, SEED)
            assert client.events[-1] == RoomOpened(1)


def test_each_listen_address_has_a_folder_and_port_0_keeps_nothing(tmp_path: Path) -> None:
    home = {"XDG_STATE_HOME": str(tmp_path)}
    with RelayUnderTest(environment=home) as one:
        assert list(tmp_path.iterdir()) == []
        port = one.address.port
    with RelayUnderTest(environment=home, listen=f"127.0.0.1:{port}") as other:
        assert other.address.pin != one.address.pin
        (folder,) = (tmp_path / "folkmoot" / "relay").iterdir()
        assert str(port) in folder.name
        assert sorted(path.name for path in folder.iterdir()) == [
            "certificate.pem",
            "key.pem",
            "lock",
        ]


def refused(*options: str, listen: str = "127.0.0.1:0") -> tuple[int, str]:
    """Status and the one sentence of a relay that does not start."""
    run = subprocess.run(
        [*COMMAND, "--json", "--listen", listen, *options],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    (line,) = run.stdout.splitlines()
    event = json.loads(line)
    assert event["event"] == "error"
    assert run.stderr.strip() == event["message"]
    return run.returncode, event["message"]


def test_a_port_in_use_is_said_in_a_sentence(relay: RelayUnderTest, tmp_path: Path) -> None:
    place = f"127.0.0.1:{relay.address.port}"
    status, sentence = refused("--state", str(tmp_path), listen=place)
    assert status == 1
    assert f"{place} is in use" in sentence


def test_a_folder_in_use_names_the_other_process(tmp_path: Path) -> None:
    with RelayUnderTest("--state", str(tmp_path)) as relay:
        status, sentence = refused("--state", str(tmp_path))
        assert status == 1
        assert f"process {relay.process.pid}" in sentence
        assert str(tmp_path) in sentence


def test_a_torn_key_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nMIGH")
    status, sentence = refused("--state", str(tmp_path))
    assert (status, "cannot be read" in sentence) == (1, True)
    assert (tmp_path / "key.pem").read_text().endswith("MIGH")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--listen", "nowhere"], "HOST:PORT"),
        (["--bus", "nats://localhost"], "--bus"),
        (["--tick-ms", "0"], "--tick-ms"),
        (["--tick-ms", "21"], "--tick-ms"),
        (["--certificate", "a.pem"], "--key"),
        (["--allow-target", "everything"], "--allow-target"),
        (["--log-level", "loud"], "--log-level"),
        (["--announce", "here"], "--announce"),
    ],
)
def test_a_wrong_call_is_said_in_a_sentence(options: list[str], words: str) -> None:
    status, sentence = refused(*options)
    assert status == 2
    assert words in sentence
    assert sentence.endswith(".")


def test_an_operators_own_certificate_is_shown(tmp_path: Path) -> None:
    with RelayUnderTest("--state", str(tmp_path)) as relay:
        pin = relay.address.pin
    certificate, key = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    with RelayUnderTest("--certificate", certificate, "--key", key) as relay:
        assert relay.address.pin == pin
        with clients(relay.address, 1):
            pass
    other = tmp_path / "other"
    with RelayUnderTest("--state", str(other)):
        pass
    status, sentence = refused("--certificate", certificate, "--key", str(other / "key.pem"))
    assert (status, "does not belong" in sentence) == (1, True)
    status, sentence = refused("--certificate", certificate, "--key", str(tmp_path / "none"))
    assert (status, "no file" in sentence) == (1, True)


def test_a_relay_can_be_announced_under_a_name() -> None:
    with RelayUnderTest("--announce", "Relay.Example.ORG:443") as relay:
        assert (relay.address.host, relay.address.port) == ("relay.example.org", 443)
