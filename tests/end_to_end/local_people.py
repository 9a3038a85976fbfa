"""Other people of this machine: programs under another user's id, and web pages of other places."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

OTHER = "nobody"

# Says of each path whether another user can do something with it.
LOOK = """
import json, os, sys
found = {}
for path in sys.argv[1:]:
    can = []
    for what, how in (("read", os.O_RDONLY), ("write", os.O_WRONLY)):
        try:
            handle = os.open(path, how)
            data = os.read(handle, 1 << 20) if what == "read" else b""
            os.close(handle)
            can.append([what, data.decode("latin-1")])
        except OSError:
            pass
    try:
        can.append(["list", " ".join(os.listdir(path))])
    except OSError:
        pass
    found[path] = dict(can)
print(json.dumps(found))
"""


def other_user() -> list[str]:
    """What to put before a command to run it as another user of the machine; skips where that
    cannot be."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip(
            "only root can become another user here, by setpriv: apt-get install util-linux"
        )
    person = pwd.getpwnam(OTHER)
    return [
        "setpriv",
        f"--reuid={person.pw_uid}",
        f"--regid={person.pw_gid}",
        "--clear-groups",
        "--no-new-privs",
    ]


def seen_by_other(*paths: Path | str) -> dict[str, dict[str, str]]:
    """What the other user can read, write and list of these."""
    # Not this interpreter: it may lie where the other user cannot go.
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    done = subprocess.run(
        [*other_user(), python, "-I", "-c", LOOK, *map(str, paths)],
        capture_output=True,
        text=True,
        cwd="/",
        env={},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


@contextlib.contextmanager
def open_folder() -> Iterator[Path]:
    """A folder into which every user may go: what is protected in it protects itself."""
    folder = Path(tempfile.mkdtemp(prefix="folkmoot-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def web_page(html: str) -> Iterator[int]:
    """Another program's web server on this machine, with one page; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
