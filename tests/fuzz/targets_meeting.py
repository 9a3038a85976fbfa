"""Targets: whole meetings, as one outside, an insider and a hostile door find them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace

from folkmoot import mls
from folkmoot.cells.frames import MediaKind
from folkmoot.cells.picture_format import encode_body
from folkmoot.cells.records import pack
from folkmoot.governance import EXTENSION_TYPE
from folkmoot.governance.evidence import CommitEvidence, Readmission
from folkmoot.meeting import Meeting, events
from folkmoot.meeting.door import Claim, Knock, WelcomeAnswer, _encode_answer, public_of
from folkmoot.meeting.meeting import Phase
from folkmoot.meeting.records import Beacon, Chat, ItemKind, KeyFrameWanted, Showing, item
from folkmoot.meeting.save import CHECKSUM_BYTES, Saved, _checksum
from folkmoot.meeting.secrets import EXTENSION_TYPE as SECRETS_TYPE
from folkmoot.mls import Group
from folkmoot.mls.framing import PublicMessage
from folkmoot.mls.message import decode_message
from folkmoot.mls.proposals import encode_proposal
from folkmoot.wire import codec
from folkmoot.wire.labels import Sign
from folkmoot.wire.lanes import LaneSlot
from fuzz.meeting_insider import MeetingInsider, Said
from fuzz.meeting_scene import HONEST, Scene, Side
from fuzz.state import fingerprint, held_bytes
from fuzz.target import BrokenPromise, Target, script, steps
from fuzz.targets_cells import picture_frame, picture_plaintexts, voice_plaintexts
from fuzz.targets_meeting_words import ANSWERS
from simulation.meeting_world import WALL_S

HELD_BYTES_MAX = 4 << 20
# Caches of keys, filled by the first cell of a lane; buckets that empty with each look.
CACHES = frozenset(
    {"_looks", "_looked_at", "_lanes", "_senders", "keys", "authors", "filters", "_invite_cache"}
)


class OutsideCells(Target[Side]):
    """Cells by who holds no key of the meeting: a relay, or somebody in its rooms."""

    name = "meeting.outsider"
    calls = (60_000, 60)
    memory = (512 << 10, 64)
    examples = 40

    def __init__(self) -> None:
        self.scene = Scene.get()

    def seeds(self) -> Sequence[bytes]:
        slots = (LaneSlot.COUNCIL, LaneSlot.DOOR, LaneSlot.VOICE, LaneSlot.PICTURE)
        found = []
        for slot, cells in self.scene.honest[:6]:
            found.append(bytes((slots.index(slot),)) + cells[0])
        return found

    def begin(self) -> Side:
        return Side(self.scene.copy(self.scene.frozen), self.scene.now)

    def feed(self, state: Side, data: bytes) -> bool:
        said = self.scene.insider.raw(data)
        if any(said[1][0] in cells for _, cells in self.scene.honest):
            return True
        before = fingerprint(state.meeting, CACHES)
        state.receive(said)
        if fingerprint(state.meeting, CACHES) != before:
            raise BrokenPromise("a cell that nobody sealed changed something")
        return False


class _Inside(Target[Side]):
    """What an insider says; afterwards Ann is in, with everybody who was, under the same charter,
    and hears what honest Cy says."""

    bytes_max = 5_000
    calls = (400_000, 200)
    memory = (4 << 20, 400)
    examples = 40

    def __init__(self) -> None:
        self.scene = Scene.get()
        self.insider = self.scene.insider

    def begin(self) -> Side:
        self.insider.begin()
        return Side(self.scene.copy(self.scene.frozen), self.scene.now)

    def check(self, state: Side, data: bytes) -> None:
        state.pass_time(1.0)
        meeting = state.meeting
        assert meeting.phase is Phase.IN, "no longer in the meeting"
        seats = {one.seat for one in meeting._inside.epochs.current.roster}  # type: ignore[union-attr]
        staying = {self.scene.ann.meeting.seat, self.scene.cy.meeting.seat}
        assert staying <= seats, "somebody is out who did not leave"
        assert meeting.charter == self.scene.ann.meeting.charter
        assert held_bytes(meeting) < HELD_BYTES_MAX, "the meeting keeps too much"
        for slot, cells in self.scene.honest:
            state.receive((slot, cells))
        chats = [one.text for one in state.told if isinstance(one, events.ChatReceived)]
        assert HONEST in chats, "an honest message was not heard"
        Saved.decode(state.saved or self.scene.ann.saved)


def _beacon(insider: MeetingInsider) -> bytes:
    group = insider.state.group
    beacon = Beacon(
        insider.seat, 1_900_000_000_000, group.epoch, insider.state.authenticator, Showing(3),
        "Bob", bytes(16) + b"\0",
    )  # fmt: skip
    return beacon.encode()[16:]


class Insider(_Inside):
    """The steps of a script are messages of an insider: what the first byte of each says."""

    name = "meeting.insider"

    def acts(self) -> list[Callable[[bytes], Said | None]]:
        one = self.insider
        return [
            one.council,
            one.item,
            lambda body: one.statement(ItemKind.BEACON, Sign.BEACON, body),
            lambda body: one.statement(ItemKind.NAMING, Sign.NAMING, body),
            lambda body: one.record(body[0] if body else 0, body[1:]),
            one.commit_body,
            one.commit,
            one.chat,
            one.farewell,
            one.request,
            one.door,
            one.door_message,
            one.knock,
            lambda body: one.voice(body, signed=True),
            lambda body: one.voice(body, signed=False),
            one.picture,
            lambda body: one.picture_frame(body[1:], body[0] if body else 0),
            one.raw,
        ]

    def seeds(self) -> Sequence[bytes]:
        one = self.insider
        state, group = one.state, one.group()
        hash_of = {entry.seat: entry.leaf_hash for entry in state.roster}
        evidence = CommitEvidence(one.wall_s, ()).encode()
        public = group.commit([], public=True, entropy=random.Random(2).randbytes)
        message = decode_message(public.message)
        assert isinstance(message, PublicMessage)
        assert not isinstance(message.content.body, bytes)
        body = message.content.body.encode()
        claim = Claim(
            state.authenticator,
            Readmission(one.seat, hash_of[one.seat], b"r" * 32, b"g" * 64),
            True,
        )
        bundle = mls.create_key_package(
            1, b"n" * 16, random.Random(3).randbytes, extension_types=(EXTENSION_TYPE,)
        )
        key = public_of(b"a" * 32)
        knocks = [
            Knock(bundle.key_package, "Eve", key, self.scene.invite.charter_hash, each).pad()
            for each in (None, claim)
        ]
        naming = state.authenticator + codec.u16(1) + codec.optional(b"c" * 32) + b"\0"
        every = {
            0: pack([item(ItemKind.HAVE, bytes(21)), b"\1" * 300])[0],
            1: item(ItemKind.KEY_FRAME_WANTED, KeyFrameWanted(one.seat, 1).encode()),
            2: _beacon(one),
            3: naming,
            4: b"\1" + state.authenticator + codec.opaque(b"m" * 90) + codec.opaque(b""),
            5: body,
            6: codec.opaque(evidence),
            7: Chat(b"i" * 8, 5, "Hello").encode(),
            8: hash_of[one.seat],
            9: b"n" * 16 + codec.u16(0),
            10: pack([b"\3\x0c"])[0],
            11: b"\3\x0c",
            12: knocks[0],
            13: voice_plaintexts()[0],
            14: voice_plaintexts()[1],
            15: picture_plaintexts()[0],
            16: b"\1" + (encode_body(picture_frame(4, 2, key=True)) or b""),
            17: b"\2" + bytes(384),
            18: b"\5",
        }
        remove = codec.opaque(evidence) + encode_proposal(mls.Remove(0))
        add = codec.opaque(evidence) + encode_proposal(mls.Add(bundle.key_package))
        steps_of = {kind: bytes((kind,)) + data for kind, data in every.items()}
        many = [b"\x09" + bytes((number,)) * 16 + codec.u16(7_000) for number in range(10)]
        return [
            *steps_of.values(),
            script(b"\6" + remove, steps_of[18]),
            script(b"\6" + add, steps_of[3], steps_of[18]),
            script(b"\x0c" + knocks[1], steps_of[18], b"\x13\0"),
            script(steps_of[9], steps_of[18], steps_of[2], steps_of[18]),
            script(*many, b"\x12\xff"),
            script(steps_of[8], steps_of[6], steps_of[18]),
            script(steps_of[12], b"\x13\0", steps_of[18], b"\x13\2"),
        ]

    def feed(self, state: Side, data: bytes) -> bool:
        acts = self.acts()
        for step in steps(data):
            if not step:
                continue
            kind, body = step[0] % (len(acts) + 2), step[1:]
            if kind < len(acts):
                state.receive(acts[kind](body))
            elif kind == len(acts):
                state.pass_time((body[0] if body else 1) * 0.02)
            else:
                self._person(state, body[0] if body else 0)
        return True

    def _person(self, state: Side, wish: int) -> None:
        """Ann lets in who knocks, refuses, mutes, hides, and shows her own camera."""
        meeting, now = state.meeting, state.now
        knock = next((one.knock for one in meeting.knocks()), None)
        bob = self.insider.seat.hex()[:16]
        if wish % 4 == 0 and knock is not None:
            meeting.admit(knock, now)
        elif wish % 4 == 1 and knock is not None:
            meeting.refuse(knock, now)
        elif wish % 4 == 2 and any(one.seat == self.insider.seat for one in meeting.roster(now)):
            meeting.mute(bob, True)
            meeting.hide(bob, wish > 4, now)
        elif wish % 4 == 3:
            meeting.show(MediaKind.CAMERA, wish > 4, now)
        state.pump()


class Newcomer(Target[Side]):
    """Dee, who knocks, and a door that is in hostile hands: the steps of a script are answers of
    any content (0), messages (1) and cells (2) at the door, Welcomes to meetings that somebody made
    up (3), and time (4)."""

    name = "meeting.newcomer"
    bytes_max = 4_000
    calls = (300_000, 200)
    memory = (4 << 20, 400)
    examples = 40

    def __init__(self) -> None:
        self.scene = Scene.get()
        self.insider = self.scene.insider
        outside = self.scene.knocking._outside
        assert outside is not None
        self._answer_key = public_of(outside._answer_private)
        self._package = outside._bundle.key_package
        inside = self.scene.frozen._inside
        assert inside is not None
        self._extension = inside.extension.encode()
        self._secrets = inside.epochs.current.secrets.encode()

    def seeds(self) -> Sequence[bytes]:
        answers = [b"\0" + _encode_answer(one) for one in ANSWERS]
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
        return Side(self.scene.copy(self.scene.knocking), self.scene.now)

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
        return self.insider.answer(_encode_answer(answer), self._answer_key)

    def check(self, state: Side, data: bytes) -> None:
        state.pass_time(3.0)
        assert state.meeting.phase in (Phase.KNOCKING, Phase.IN)
        state.meeting.roster(state.now)
        state.meeting.invite_text()
        assert held_bytes(state.meeting) < HELD_BYTES_MAX, "the meeting keeps too much"


class Restored(Target[SimpleNamespace]):
    """A saved seat whose file is torn: it is refused, or the seat can be taken up. The input is the
    file without its checksum, which is made right: else nothing behind it would be reached."""

    name = "meeting.saved"
    refusals = (codec.DecodeError, mls.MlsError)
    bytes_max = 12_000
    calls = (400_000, 100)
    memory = (4 << 20, 200)
    examples = 40

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


TARGETS = (OutsideCells, Insider, Newcomer, Restored)
