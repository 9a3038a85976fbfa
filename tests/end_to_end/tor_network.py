"""A Tor network of our own on loopback, of Debian's `tor`: three authorities that are relays and
exits, and one client with a SOCKS port. It knows no other network and reaches none."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

AUTHORITIES = 3
ENDS_S = 10.0

# Of a network whose parts all have one address, and that nobody else is to use.
TOGETHER = """
TestingTorNetwork 1
UseDefaultFallbackDirs 0
EnforceDistinctSubnets 0
ExtendAllowPrivateAddresses 1
ClientRejectInternalAddresses 0
ClientDNSRejectInternalAddresses 0
RunAsDaemon 0
Log notice file {folder}/log
DataDirectory {folder}
"""
AUTHORITY = """
Nickname moot{number}
Address 127.0.0.1
ORPort 127.0.0.1:{onion}
DirPort 127.0.0.1:{directory}
SocksPort 0
ContactInfo nobody@localhost.invalid
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
V3AuthVotingInterval 20
V3AuthVoteDelay 4
V3AuthDistDelay 4
TestingV3AuthInitialVotingInterval 20
TestingV3AuthInitialVoteDelay 4
TestingV3AuthInitialDistDelay 4
TestingDirAuthVoteExit *
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingMinExitFlagThreshold 0
AssumeReachable 1
ExitRelay 1
ExitPolicyRejectPrivate 0
ExitPolicy accept 127.0.0.1:*
"""


def _ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [int(one.getsockname()[1]) for one in sockets]


@dataclass
class _Authority:
    number: int
    folder: Path
    onion: int
    directory: int

    def keys(self) -> str:
        """Makes its keys; the line by which the others know it."""
        (self.folder / "keys").mkdir(parents=True)
        self.folder.chmod(0o700)
        subprocess.run(
            ["tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-m", "12",
             "-a", f"127.0.0.1:{self.directory}"],
            cwd=self.folder / "keys", input=b"of no use elsewhere\n", check=True,
            capture_output=True,
        )  # fmt: skip
        certificate = (self.folder / "keys" / "authority_certificate").read_text()
        identity = certificate.partition("fingerprint ")[2].split()[0]
        self.write("")
        told = subprocess.run(
            ["tor", "--quiet", "--list-fingerprint", "-f", str(self.folder / "torrc"),
             "--DirAuthority", f"x orport=1 v3ident={identity} 127.0.0.1:1 {'F' * 40}"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        fingerprint = told.stdout.strip().partition(" ")[2].replace(" ", "")
        return (
            f"DirAuthority moot{self.number} orport={self.onion} v3ident={identity} "
            f"127.0.0.1:{self.directory} {fingerprint}\n"
        )

    def write(self, authorities: str) -> None:
        text = (TOGETHER + AUTHORITY).format(
            number=self.number, folder=self.folder, onion=self.onion, directory=self.directory
        )
        (self.folder / "torrc").write_text(text + authorities)


@dataclass
class TorNetwork:
    """`socks`: the client's port; `client`: its process."""

    socks: int
    client: subprocess.Popen[bytes]
    log: Path

    def is_ready(self) -> bool:
        return self.log.exists() and "Bootstrapped 100%" in self.log.read_text()


@contextlib.contextmanager
def tor_network(folder: Path) -> Iterator[TorNetwork]:
    """Begins; it takes about a minute until `is_ready`."""
    if shutil.which("tor") is None or shutil.which("tor-gencert") is None:
        pytest.skip("needs tor: apt-get install --no-install-recommends tor")
    ports = _ports(2 * AUTHORITIES + 1)
    authorities = [
        _Authority(n, folder / f"moot{n}", ports[2 * n], ports[2 * n + 1])
        for n in range(AUTHORITIES)
    ]
    lines = "".join(one.keys() for one in authorities)
    for one in authorities:
        one.write(lines)
    own = folder / "client"
    own.mkdir(mode=0o700)
    settings = TOGETHER.format(folder=own) + f"SocksPort 127.0.0.1:{ports[-1]}\n" + lines
    (own / "torrc").write_text(settings)
    started: list[subprocess.Popen[bytes]] = []
    try:
        for each in (*(one.folder for one in authorities), own):
            command = ["tor", "--quiet", "-f", str(each / "torrc")]
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        yield TorNetwork(ports[-1], started[-1], own / "log")
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait(ENDS_S)
