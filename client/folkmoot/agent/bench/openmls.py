"""OpenMLS beside us, where `davey` is installed: one of theirs and one of ours in the same group.

`davey` is OpenMLS behind Discord's DAVE: suite 2, a group id of 64 bits, public commits. Both join
by one Welcome, with the tree in it, and both follow the same commits of the founder.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from folkmoot import mls
from folkmoot.agent.bench.crowd import Crowd
from folkmoot.agent.bench.report import Pair, Report
from folkmoot.agent.bench.timing import Spent, spent
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.hpke import Entropy

try:
    import davey
except ImportError:
    davey = None  # type: ignore[assignment]

SUITE = mls.SUITE_P256_AES128
CHANNEL = 0x1122334455667788
FRAME_BYTES = 4  # version and wire format of an MLSMessage, which davey leaves out
KEY_PACKAGE = b"\0\1\0\5"
JOINERS_MAX = 5
NOTE = "OpenMLS, through Python: one of its members in our group, on the far side of the tree"


def _identity(number: int) -> bytes:
    return number.to_bytes(8, "big")


class _Meeting:
    """A crowd of ours, and as many newcomers of both kinds as there are rounds of joining."""

    def __init__(self, members: int, joiners: int, entropy: Entropy) -> None:
        gateway = suite_of(SUITE).generate_signature_key(entropy)
        sender = mls.ExternalSender(gateway.public.data, mls.Credential.basic(_identity(0)))
        self.crowd = Crowd(
            SUITE,
            members,
            entropy,
            group_id=_identity(CHANNEL),
            identity=_identity,
            extensions=(mls.external_senders_extension([sender]),),
        )
        self.ours = [self.crowd.bundle() for _ in range(joiners)]
        self.theirs: list[Any] = []
        self._group: mls.Group | None = None
        packages = [one.key_package for one in self.ours]
        for number in range(joiners):
            session = davey.DaveSession(1, (1 << 32) + number, CHANNEL)
            session.set_external_sender(sender.encode())
            self.theirs.append(session)
            packages.append(KEY_PACKAGE + session.get_serialized_key_package())
        created = self.crowd.founder.commit(
            [mls.Add(one) for one in packages], public=True, entropy=entropy
        )
        assert created.welcome is not None
        self.welcome = created.welcome
        self.founder = created.staged.merge()

    def join(self) -> tuple[Spent, Spent]:
        """All newcomers come in: what ours need, and theirs."""

        def come_in(bundle: mls.KeyPackageBundle) -> None:
            self._group = mls.Group.join(self.welcome, bundle)

        bare = self.welcome[FRAME_BYTES:]
        ours = spent([partial(come_in, one) for one in self.ours])
        theirs = spent([partial(one.process_welcome, bare) for one in self.theirs])
        return ours, theirs

    def follow(self, commits: Sequence[bytes]) -> tuple[Spent, Spent]:
        """The last of ours and of theirs go along."""

        def go(message: bytes) -> None:
            assert self._group is not None
            self._group = self._group.stage(message).merge()

        session = self.theirs[-1]
        ours = spent([partial(go, one) for one in commits])
        theirs = spent([partial(session.process_commit, one) for one in commits])
        assert self._group is not None
        assert self._group.epoch_authenticator == session.get_epoch_authenticator()
        return ours, theirs

    def next_commit(self) -> bytes:
        created = self.founder.commit(public=True, entropy=self.crowd.entropy)
        self.founder = created.staged.merge()
        return created.message


def compare_with_openmls(
    sizes: Sequence[int],
    rounds: int,
    report: Report,
    now: Callable[[str], None],
    entropy: Entropy,
) -> None:
    """Rows of joining and following in suite 2; none where davey is not installed."""
    if davey is None:
        report.output.say("OpenMLS is not compared with: `pip install davey` brings it.")
        return
    peer = f"davey {importlib.metadata.version('davey')}"
    joined, followed = [], []
    for members in sizes:
        now(f"OpenMLS: {members:,} members")
        meeting = _Meeting(members, min(rounds, JOINERS_MAX), entropy)
        parameters = {"members": members, "suite": SUITE}
        ours, theirs = meeting.join()
        bytes_of = {"welcome_bytes": len(meeting.welcome)}
        joined.append(Pair("join", parameters, ours, peer, theirs, NOTE, NOTE, None, bytes_of))
        commits = [meeting.next_commit() for _ in range(rounds)]
        ours, theirs = meeting.follow(commits)
        bytes_of = {"message_bytes": len(commits[-1])}
        followed.append(
            Pair("process_commit", parameters, ours, peer, theirs, NOTE, NOTE, None, bytes_of)
        )
    for pair in (*joined, *followed):
        report.add(pair)
