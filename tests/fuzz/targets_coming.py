"""Targets: those who come to a meeting, as a hostile door and a spoilt disk find them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace

from folkmoot import mls
from folkmoot.cells.records import pack
from folkmoot.governance import EXTENSION_TYPE
from folkmoot.governance.evidence import CommitEvidence
from folkmoot.meeting import Meeting
from folkmoot.meeting.door import (
    NOWHERE,
    CatchUpAnswer,
    LeafAnswer,
    WelcomeAnswer,
    encode_answer,
    public_of,
)
from folkmoot.meeting.meeting import Phase
from folkmoot.meeting.records import (
    Handshake,
)
from folkmoot.meeting.save import CHECKSUM_BYTES, Saved, _checksum
from folkmoot.meeting.secrets import EXTENSION_TYPE as SECRETS_TYPE
from folkmoot.mls import Group
from folkmoot.wire import codec
from fuzz.meeting_insider import Said
from fuzz.meeting_scene import Scene, Side
from fuzz.state import held_bytes
from fuzz.target import BrokenPromise, Target, script, steps
from fuzz.targets_meeting_words import ANSWERS
from simulation.meeting_world import WALL_S

HELD_BYTES_MAX = 4 << 20


class Newcomer(Target[Side]):
    """Dee, who knocks, and a door that is in hostile hands: the steps of a script are answers of
    any content (0), messages (1) and cells (2) at the door, Welcomes to meetings that somebody made
    up (3), and time (4)."""

    name = "coming.newcomer"
    bytes_max = 4_000
    calls = (300_000, 200)
    memory = (4 << 20, 400)
    examples = 60

    def __init__(self) -> None:
        self.scene = Scene.get()
        self.insider = self.scene.insider
        self.knocking = self.make()
        outside = self.knocking._outside
        assert outside is not None
        self._answer_key = public_of(outside._answer_private)
        self._package = outside._bundle.key_package
        inside = self.scene.frozen._inside
        assert inside is not None
        self._extension = inside.extension.encode()
        self._secrets = inside.epochs.current.secrets.encode()

    def make(self) -> Meeting:
        """Who knocks."""
        return self.scene.copy(self.scene.knocking)

    def seeds(self) -> Sequence[bytes]:
        answers = [b"\0" + encode_answer(one) for one in ANSWERS]
        extension, secrets = codec.opaque(self._extension), codec.opaque(self._secrets)
        people = [[], [b"q" * 16], [b"q", b"q"]]
        made_up = [
            b"\3" + extension + secrets + codec.vector(codec.opaque(one) for one in names)
            for names in people
        ]
        return [
            *answers,
            script(answers[0], answers[4], b"\4\x40", answers[3]),
            b"\1\3\x0c",
            b"\2" + pack([b"\3\x0c"])[0],
            *(script(one, b"\4\xff") for one in made_up),
        ]

    def begin(self) -> Side:
        self.insider.begin()
        return Side(self.scene.copy(self.knocking), self.scene.now)

    def feed(self, state: Side, data: bytes) -> bool:
        for step in steps(data):
            if not step:
                continue
            kind, body = step[0] % 5, step[1:]
            if kind == 0:
                state.receive(self.insider.answer(body, self._answer_key))
            elif kind == 1:
                state.receive(self.insider.door_message(body))
            elif kind == 2:
                state.receive(self.insider.door(body))
            elif kind == 3:
                state.receive(self._made_up(body))
            else:
                state.pass_time((body[0] if body else 1) * 0.02)
        return True

    def _made_up(self, data: bytes) -> Said | None:
        """A Welcome to a group whose extension, secrets and members are as the input says."""
        reader = codec.Reader(data)
        chance = random.Random(6).randbytes
        try:
            extension, secrets = reader.opaque(), reader.opaque()
            names = reader.vector(lambda inner: inner.opaque(200), items_max=8)
            types = (EXTENSION_TYPE, SECRETS_TYPE)
            founder = mls.create_key_package(1, self.insider.seat, chance, extension_types=types)
            group = Group.create(
                1,
                self.scene.frozen.group_id,
                founder,
                [mls.Extension(EXTENSION_TYPE, extension)],
                entropy=chance,
            )
            others = [
                mls.create_key_package(1, name, chance, extension_types=types) for name in names
            ]
            created = group.commit(
                [mls.Add(one.key_package) for one in others] + [mls.Add(self._package)],
                group_info_extensions=[mls.Extension(SECRETS_TYPE, secrets)],
                tree_extension=False,
                entropy=chance,
            )
        except (codec.DecodeError, mls.MlsError, mls.UsageError):
            return None
        after = created.staged.group
        assert after is not None
        assert created.welcome is not None
        answer = WelcomeAnswer(created.welcome, after.ratchet_tree())
        return self.insider.answer(encode_answer(answer), self._answer_key)

    def check(self, state: Side, data: bytes) -> None:
        state.pass_time(1.5)
        assert state.meeting.phase in (Phase.KNOCKING, Phase.IN)
        state.meeting.roster(state.now)
        state.meeting.invite_text()
        assert held_bytes(state.meeting) < HELD_BYTES_MAX, "the meeting keeps too much"


class Returning(Newcomer):
    """The same, of Cy, who comes back from a saved seat and claims it."""

    name = "coming.returning"

    def make(self) -> Meeting:
        meeting = Meeting.restore(
            Saved.decode(self.scene.cy.saved),
            name=None,
            now=self.scene.now,
            wall_s=WALL_S + self.scene.now,
            entropy=self.scene.world.entropy,
        )
        side = Side(meeting, self.scene.now)
        side.pass_time(0.2)
        return meeting

    def seeds(self) -> Sequence[bytes]:
        group = self.insider.group()
        own = self.scene.frozen._inside.epochs.current.entry_of(self.knocking.seat)  # type: ignore[union-attr]
        assert own is not None
        evidence = CommitEvidence(self.insider.wall_s, ()).encode()
        chance = random.Random(9).randbytes
        made = group.commit(
            [mls.Remove(own.leaf), mls.Add(self._package)],
            authenticated_data=evidence,
            group_info_extensions=[mls.Extension(SECRETS_TYPE, self._secrets)],
            tree_extension=False,
            entropy=chance,
        )
        after = made.staged.group
        assert after is not None
        parent = self.insider.state.authenticator
        missed = self.insider.group().commit([], authenticated_data=evidence, entropy=chance)
        handshake = Handshake(parent, missed.message, b"").encode()
        answers = (
            CatchUpAnswer((handshake, handshake)),
            WelcomeAnswer(made.welcome or b"", after.ratchet_tree()),
            LeafAnswer(own.leaf_hash, NOWHERE),
        )
        said = [b"\0" + encode_answer(one) for one in answers]
        return [*super().seeds(), *said, script(said[0], b"\4\x20", said[2], said[1], b"\4\xff")]


class Restored(Target[SimpleNamespace]):
    """A saved seat whose file is torn: it is refused, or the seat can be taken up. The input is the
    file without its checksum, which is made right: else nothing behind it would be reached."""

    name = "coming.saved"
    refusals = (codec.DecodeError, mls.MlsError)
    bytes_max = 12_000
    calls = (400_000, 100)
    memory = (4 << 20, 200)
    examples = 60

    def __init__(self) -> None:
        self.scene = Scene.get()

    def seeds(self) -> Sequence[bytes]:
        return [self.scene.ann.saved[:-CHECKSUM_BYTES]]

    def begin(self) -> SimpleNamespace:
        return SimpleNamespace()

    def feed(self, state: SimpleNamespace, data: bytes) -> bool:
        now = self.scene.now + 5
        if data != self.seeds()[0]:
            try:
                Saved.decode(data + bytes(CHECKSUM_BYTES))
            except codec.DecodeError:
                pass
            else:
                raise BrokenPromise("a spoilt file was taken")
        meeting = Meeting.restore(
            Saved.decode(data + _checksum(data)),
            name=None,
            now=now,
            wall_s=WALL_S + now,
            entropy=random.Random(2).randbytes,
        )
        side = Side(meeting, now)
        side.pass_time(1.0)
        meeting.roster(side.now)
        meeting.invite_text()
        for slot, cells in self.scene.honest:
            side.receive((slot, cells))
        return True


TARGETS = (Newcomer, Returning, Restored)
