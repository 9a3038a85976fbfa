"""Attackers on the same machine, against real agent processes: other users, other programs, and
web pages of other places in the same browser. What cannot be defended (programs of the same user,
extensions that read all pages) is said in the README and not tried here."""

from __future__ import annotations

import json
import stat
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from end_to_end.local_people import OTHER, open_folder, other_user, seen_by_other
from end_to_end.material import speech
from end_to_end.processes import PATIENCE_S, PROGRAM, Commands

# Shows what a browser is called with, and what the file says that it is to open. It ends at once,
# so the token waits for whoever is quicker.
BROWSER = """#!{python}
import json, pathlib, sys, urllib.parse
path = urllib.parse.unquote(urllib.parse.urlsplit(sys.argv[1]).path)
told = json.dumps([sys.argv, path, pathlib.Path(path).read_text()])
out = pathlib.Path({out!r})
out.touch(mode=0o600)
out.write_text(told)
"""


@dataclass(frozen=True)
class Door:
    """The page of an agent, as its address says."""

    url: str

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].partition("/")[0])

    @property
    def token(self) -> str:
        return self.url.partition("#")[2]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: str | None = None
    ) -> tuple[int, dict[str, str], str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read().decode()
        finally:
            connection.close()

    def exchange(self, token: str, **headers: str) -> tuple[int, str]:
        given = {"Host": self.host, "Origin": f"http://{self.host}", **headers}
        status, _, body = self.ask("POST", "/session", given, json.dumps({"token": token}))
        return status, body

    def hello(self, secret: str, **options: Any) -> dict[str, Any]:
        """The state that the page is shown; ConnectionClosed or InvalidStatus for who is none."""
        options.setdefault("origin", f"http://{self.host}")
        with connect(f"ws://{self.host}/page", compression=None, **options) as line:
            line.send(json.dumps({"do": "hello", "secret": secret, "instance": "a"}))
            while True:
                event: dict[str, Any] = json.loads(line.recv(30))
                if event["event"] == "snapshot":
                    return event


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    started = Commands(tmp_path)
    yield started
    started.close()


def test_what_other_programs_ask_is_refused_and_a_token_serves_once(commands: Commands) -> None:
    agent = commands.start("meet", "--name", "Ada", "--listen", "127.0.0.1:0")
    door = Door(agent.wait_for("page")["url"])
    own = {"Host": door.host, "Origin": f"http://{door.host}"}

    # A name that somebody points here, another port, another origin, none; whatever the token.
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{door.port}", "Origin": f"http://evil.example:{door.port}"},
        {"Host": f"localhost:{door.port}", "Origin": f"http://localhost:{door.port}"},
        {"Host": f"127.0.0.1:{door.port + 1}"},
        {"Host": f"127.0.0.2:{door.port}"},
        {"Host": f"[::1]:{door.port}"},
    ):
        assert door.exchange(door.token, **headers)[0] == 421
        assert door.ask("GET", "/", headers)[0] == 421
    for headers in (
        {"Origin": "null"},
        {"Origin": f"http://127.0.0.1:{door.port + 1}"},
        {"Origin": f"https://{door.host}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},  # another port of this machine
    ):
        assert door.exchange(door.token, **headers)[0] == 403
    assert (
        door.ask("POST", "/session", {"Host": door.host}, json.dumps({"token": door.token}))[0]
        == 403
    )
    with pytest.raises(InvalidStatus):
        door.hello("guess", origin=f"http://127.0.0.1:{door.port + 1}")
    with pytest.raises(InvalidStatus):
        door.hello("guess", origin=None)

    # A cookie is worth nothing, as no answer ever gives one.
    cookie = {**own, "Cookie": f"session={door.token}; folkmoot-secret={door.token}"}
    for path in ("/", "/app.js", "/session", "/page", "/nothing"):
        status, headers, body = door.ask("GET", path, cookie)
        assert status in (200, 404, 405)
        assert "set-cookie" not in headers
        assert door.token not in body
    with pytest.raises(ConnectionClosed):
        door.hello("guess", additional_headers={"Cookie": cookie["Cookie"]})

    # The token is still good, once: of many who have it at the same moment one gets in.
    barrier = threading.Barrier(8)

    def race(_: int) -> tuple[int, str]:
        barrier.wait(30)
        return door.exchange(door.token)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(race, range(8)))
    assert sorted(status for status, _ in answers) == [200] + [403] * 7
    secret = json.loads(next(body for status, body in answers if status == 200))["secret"]
    assert door.exchange(door.token)[0] == 403
    assert secret not in door.url
    for wrong in (door.token, secret[:-1], secret + "A", secret.swapcase()):
        with pytest.raises(ConnectionClosed):
            door.hello(wrong)
    assert door.hello(secret)["phase"] == "preview"

    # Nothing of it is said, or can be read from the list of processes.
    words = json.dumps(agent.events[1:]) + " ".join(agent.words)
    line = Path(f"/proc/{agent.process.pid}/cmdline")
    for where in (words, line.read_bytes().decode("latin-1") if line.exists() else ""):
        assert secret not in where


def _browser(folder: Path) -> tuple[Path, Path]:
    """A browser that writes down what it was called with, and where."""
    program, out = folder / "browser", folder / "browser-saw"
    program.write_text(BROWSER.format(python=sys.executable, out=str(out)))
    program.chmod(0o755)
    return program, out


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def test_another_user_of_the_machine_reads_nothing() -> None:
    other_user()  # skips
    with open_folder() as folder:
        mine = folder / "test"  # what the test itself writes
        mine.mkdir()
        (control := mine / "control").write_text("for everybody")
        browser, saw = _browser(mine)
        (temporary := folder / "tmp").mkdir()
        temporary.chmod(0o1777)
        commands = Commands(folder)
        try:
            _all_start(commands, folder, browser, temporary)
            _look_around(commands, folder, mine, control, saw)
        finally:
            commands.close()
        # And when all have ended.
        seen = seen_by_other(*[path for path in _files(folder) if mine not in path.parents])
        assert {str(path): can for path, can in seen.items() if can} == {}


def _all_start(commands: Commands, folder: Path, browser: Path, temporary: Path) -> None:
    """A relay, somebody with a browser, and one who records and whom they let in."""
    relay = commands.start("relay", "--listen", "127.0.0.1:0", "--state", str(folder / "relay"))
    address = relay.wait_for("ready")["address"]
    play = ("--play", str(speech(folder / "test" / "tone.wav")), "--loop")
    ann = commands.start(
        "meet", "--headless", "--relay", address, "--name", "Ann", "--admit", "all", *play
    )
    invite = ann.wait_for("invite")["invite"]
    record = ("--headless", "--record", str(folder / "minutes"))
    bob = commands.start("join", "-", "--name", "Bob", *record)
    assert bob.process.stdin is not None
    bob.process.stdin.write(f"{invite}\n")
    bob.process.stdin.flush()
    bob.wait_for("joined")
    display = (f"BROWSER={browser}", "DISPLAY=:7", f"TMPDIR={temporary}")
    page = ("env", "-u", "XDG_RUNTIME_DIR", *display, *PROGRAM)
    cy = commands.start("join", "-", "--name", "Cy", program=page)
    assert cy.process.stdin is not None
    cy.process.stdin.write(f"{invite}\n")
    cy.process.stdin.flush()
    cy.wait_for("page")
    ann.wait_for("member_in", name="Bob")
    bob.wait_for("hearing", kind="voice")
    bob.do(do="chat", text="what follows the invite is read as commands")
    ann.wait_for("chat")


def _recorded(folder: Path) -> None:
    """Waits until Ann is in a file."""
    end = time.monotonic() + PATIENCE_S
    while not list((folder / "minutes").glob("Ann.mka")):
        assert time.monotonic() < end
        time.sleep(0.1)


def _look_around(commands: Commands, folder: Path, mine: Path, control: Path, saw: Path) -> None:
    relay, ann, bob, cy = commands.running
    argv, handover, text = json.loads(saw.read_text())
    door = Door(text.partition("url=")[2].partition('"')[0])
    assert len(door.token) == 43

    _recorded(folder)
    # Everything that the programs wrote, the folders in between, and what the system shows of them.
    kept = [path for path in _files(folder) if mine not in path.parents]
    kinds = {path.suffix for path in kept}
    assert {".seat", ".html", ".mka"} <= kinds, kept
    assert any("relay" in str(path) for path in kept), kept
    folders = [
        Path(handover).parent,
        folder / "minutes",
        *{path.parent for path in kept if path.suffix == ".seat"},
    ]
    ids = [one.process.pid for one in commands.running]
    memory = [f"/proc/{pid}/{what}" for pid in ids for what in ("environ", "mem", "maps", "fd")]
    lines = [f"/proc/{pid}/cmdline" for pid in ids]
    seen = seen_by_other(control, *kept, *folders, *memory, *lines)
    assert seen.pop(str(control)) == {"read": "for everybody"}
    shown = [seen.pop(line).get("read", "") for line in lines]
    assert all("folkmoot" in line for line in shown)
    assert {path: can for path, can in seen.items() if can} == {}, OTHER

    # What everybody can see holds no token, no secret and no invite.
    invite = ann.wait_for("invite")["invite"]
    for line in [*shown, *argv]:
        assert door.token not in line
        assert invite not in line
        assert invite[20:60] not in line
    assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in kept] == [0] * len(kept)

    # Without the token nobody gets in; with it the file goes.
    assert door.exchange("A" * 43)[0] == 403
    assert Path(handover).exists()
    assert door.exchange(door.token)[0] == 200
    assert not Path(handover).exists()
    assert not Path(handover).parent.exists()
    del relay, bob, cy
