"""`meet`, `join` and `check` as processes: what a program that drives them relies on."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from end_to_end.processes import PATIENCE_S, Commands
from folkmoot.relay.key import make_identity, tls_context
from folkmoot.wire.address import RelayAddress


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


HERE = ("--listen", "127.0.0.1:0")


def _gone(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, 1.0).close()
    except OSError:
        return True
    return False


def test_two_headless_members_meet_talk_and_leave(commands: Commands) -> None:
    ada = commands.start("meet", "--headless", *HERE, "--name", "Ada")
    relay = RelayAddress.parse(ada.wait_for("relay")["address"])
    invite = ada.wait_for("invite")["invite"]
    ada.wait_for("joined", name="Ada")
    grace = commands.start("join", invite, "--headless", "--name", "Grace")
    knock = ada.wait_for("knock", name="Grace")
    ada.do(do="admit", knock=knock["knock"])
    joined = grace.wait_for("joined", name="Grace")
    member = ada.wait_for("member_in")
    assert member["member"] == joined["member"]
    # Both have the same epoch, and the same digits to compare aloud.
    own = grace.wait_for("epoch", epoch=joined["epoch"])
    theirs = ada.wait_for("epoch", epoch=joined["epoch"])
    for field in ("authenticator", "safety_code", "members"):
        assert own[field] == theirs[field]
    assert own["members"] == 2
    grace.do(do="chat", text="hello\u202e <b>Ada</b>")
    assert ada.wait_for("chat")["from"] == joined["member"]
    grace.do(do="vote", motion="x", choice="yes")
    grace.wait_for("refused", what="vote")
    assert all(isinstance(event["at"], float) for event in ada.events)
    assert grace.process.stdin is not None
    grace.process.stdin.close()  # no reason to leave
    ada.do(do="chat", text="are you there?")
    grace.wait_for("chat", text="are you there?")
    grace.process.send_signal(signal.SIGINT)
    assert grace.end() == 0
    grace.wait_for("left")
    assert ada.wait_for("member_out")["member"] == joined["member"]
    ada.do(do="leave")
    assert ada.end() == 0
    ada.wait_for("left")
    assert _gone((relay.host, relay.port))


def test_admit_all_and_leaving_after_a_time(commands: Commands) -> None:
    ada = commands.start(
        "meet", "--headless", *HERE, "--admit", "all", "--for", "30", stdin=subprocess.DEVNULL
    )
    invite = ada.wait_for("invite")["invite"]
    began = time.monotonic()
    grace = commands.start("join", invite, "--headless", "--for", "5", stdin=subprocess.DEVNULL)
    grace.wait_for("joined")
    assert grace.end() == 0
    assert time.monotonic() - began >= 5
    ada.process.send_signal(signal.SIGTERM)
    assert ada.end() == 0
    ada.wait_for("left")


def test_a_second_signal_ends_at_once_and_leaves_no_relay(commands: Commands) -> None:
    ada = commands.start("meet", "--headless", *HERE)
    relay = RelayAddress.parse(ada.wait_for("relay")["address"])
    ada.wait_for("joined")
    ada.process.send_signal(signal.SIGSTOP)  # so that both signals are there when it goes on
    ada.process.send_signal(signal.SIGINT)
    ada.process.send_signal(signal.SIGTERM)
    ada.process.send_signal(signal.SIGCONT)
    assert ada.end() == 130
    end = time.monotonic() + PATIENCE_S
    while not _gone((relay.host, relay.port)) and time.monotonic() < end:
        time.sleep(0.05)
    assert _gone((relay.host, relay.port))


def test_the_page_is_served_on_this_machine_alone(commands: Commands) -> None:
    ada = commands.start("meet", *HERE, "--for", "20")
    url = ada.wait_for("page")["url"]
    assert url.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        page = answer.read().decode("utf-8")
        assert answer.status == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "<title>" in page
    assert "#" in url  # the token for the page's first step stays in the browser, after the #
    assert url.partition("#")[2] not in page
    ada.process.send_signal(signal.SIGINT)
    assert ada.end() == 0


def test_a_join_with_a_page_sends_nothing_before_its_person_joins(commands: Commands) -> None:
    """The invite names a listener of ours: nobody may knock at it while the preview is open."""
    ada = commands.start("meet", "--headless", *HERE, "--for", "1")
    word = ada.wait_for("invite")["invite"]
    relay = RelayAddress.parse(ada.wait_for("relay")["address"])
    assert ada.end() == 0
    with socket.create_server((relay.host, relay.port)) as listener:
        listener.settimeout(2.0)
        grace = commands.start("join", word)
        grace.wait_for("page")
        with pytest.raises(TimeoutError):
            listener.accept()
        grace.process.send_signal(signal.SIGINT)
        assert grace.end() == 0
    assert [event["event"] for event in grace.events if event["event"] == "joined"] == []


def test_an_open_lobby_sends_nothing_to_the_relay_either(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(2.0)
        ada = commands.start("meet", "--relay", _address_of(listener.getsockname()[1]))
        assert ada.wait_for("invite")["invite"].startswith("folkmoot:")
        ada.wait_for("page")
        with pytest.raises(TimeoutError):
            listener.accept()
        ada.process.send_signal(signal.SIGTERM)
        assert ada.end() == 0


def _address_of(port: int, pin: bytes = bytes(32)) -> str:
    return str(RelayAddress("127.0.0.1", port, pin))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_relay_that_is_down(commands: Commands) -> None:
    address = _address_of(_free_port())
    ada = commands.start("meet", "--headless", "--relay", address)
    assert ada.end() == 1
    assert "nothing listens there" in ada.words[-1]
    assert "nothing listens there" in ada.wait_for("error")["message"]
    look = commands.start("check", "--relay", address)
    assert look.end() == 1
    row = look.wait_for("row", what="relay")
    assert row["state"] == "bad"
    assert "nothing listens there" in row["sentence"]
    assert look.wait_for("relay", address=address)["reachable"] is False


class Impostor:
    """TLS with a key of its own, and whatever is asked of it is not answered."""

    def __init__(self) -> None:
        self.heard = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        context = tls_context(make_identity())
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            raw.settimeout(PATIENCE_S)
            try:
                with context.wrap_socket(raw, server_side=True) as secured:
                    self.heard += secured.recv(4096)
            except (OSError, ssl.SSLError):
                continue

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(PATIENCE_S)


@pytest.fixture
def impostor() -> Iterator[Impostor]:
    made = Impostor()
    try:
        yield made
    finally:
        made.close()


def test_a_wrong_pin(commands: Commands, impostor: Impostor) -> None:
    ada = commands.start("meet", "--headless", "--relay", _address_of(impostor.port))
    assert ada.end() == 1
    assert "this is not the relay that the invite names" in ada.words[-1]
    look = commands.start("check", "--relay", _address_of(impostor.port))
    assert look.end() == 1
    assert "not the relay" in look.wait_for("row", what="relay")["sentence"]
    assert impostor.heard == b""  # not a byte of HTTP


def test_a_port_in_use(commands: Commands) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        ada = commands.start("meet", "--headless", "--listen", place)
        assert ada.end() == 1
        assert "in use by another program" in ada.words[-1]


def test_a_file_that_cannot_be_played(commands: Commands, tmp_path: Path) -> None:
    file = tmp_path / "song.ogg"
    for content, sentence in ((b"no sound at all\n" * 99, "cannot be played"), (None, "no such")):
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        ada = commands.start("meet", "--headless", *HERE, "--play", str(file))
        assert ada.end() == 1
        assert sentence in ada.words[-1]
        assert [event["event"] for event in ada.events] == ["error"]  # no meeting was begun


def test_check_looks_at_a_real_relay(commands: Commands, tmp_path: Path) -> None:
    relay = commands.start("relay", *HERE, "--state", str(tmp_path / "relay"))
    address = relay.wait_for("ready")["address"]
    look = commands.start("check", "--relay", address)
    assert look.end() == 0, look.words
    seen = look.wait_for("relay", address=address)
    assert seen["reachable"] is True
    assert seen["sees_address"] is True
    assert abs(seen["clock_off_s"]) < 5
    assert look.wait_for("row", what="clock")["state"] == "good"
    hidden = commands.start(
        "check", "--relay", address, "--via", f"socks5://127.0.0.1:{_free_port()}"
    )
    assert hidden.end() == 1
    assert "does not answer" in hidden.wait_for("row", what="relay")["sentence"]
    relay.process.send_signal(signal.SIGTERM)
    assert relay.end() == 0
    relay.wait_for("closed")
