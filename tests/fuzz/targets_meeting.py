"""Targets: a whole meeting, as one outside and an insider find it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from folkmoot import mls
from folkmoot.agreement import Naming
from folkmoot.cells.frames import MediaKind
from folkmoot.cells.picture_format import encode_body
from folkmoot.cells.records import pack
from folkmoot.governance import EXTENSION_TYPE
from folkmoot.governance.evidence import CommitEvidence, Readmission
from folkmoot.meeting import door, events
from folkmoot.meeting.door import (
    Claim,
    Knock,
    public_of,
)
from folkmoot.meeting.meeting import Phase
from folkmoot.meeting.records import (
    Beacon,
    Chat,
    ItemKind,
    KeyFrameWanted,
    Showing,
    item,
)
from folkmoot.meeting.save import Saved
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

HELD_BYTES_MAX = 4 << 20
# Caches of keys, filled by the first cell of a lane; buckets that empty with each look; what is
# noted of cells that do not open, for marks against the relay that brought them.
CACHES = frozenset(
    {"_looks", "_looked_at", "_lanes", "_senders", "keys", "authors", "filters", "_invite_cache"}
    | {"_copies", "_marks"}
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
        state.pass_time(0.25)
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
        # Of an epoch that was given up since, nothing is heard any more.
        known = meeting._inside.epochs.knows(self.insider.state.authenticator)  # type: ignore[union-attr]
        assert HONEST in chats or not known, "an honest message was not heard"
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
            door.Side(state.authenticator, 3, 1),
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
            1: item(
                ItemKind.KEY_FRAME_WANTED, KeyFrameWanted(one.seat, 1, nothing_comes=False).encode()
            ),
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
            # Time enough for Cy to count as away, and then two are all there are.
            script(steps_of[9], b"\x12\xc8", b"\x14\0", b"\x12\x20", steps_of[7], steps_of[2]),
            script(steps_of[12], b"\x13\0", b"\x12\xc8", b"\x14\0", b"\x14\1", b"\x12\xff"),
            script(steps_of[6], b"\x12\xc8", b"\x14\0", steps_of[5], steps_of[9], b"\x12\x80"),
            script(steps_of[8], b"\x12\xc8", b"\x14\0", b"\x12\xff", steps_of[2], steps_of[13]),
        ]

    def feed(self, state: Side, data: bytes) -> bool:
        acts = self.acts()
        for step in steps(data):
            if not step:
                continue
            kind, body = step[0] % (len(acts) + 3), step[1:]
            if kind < len(acts):
                state.receive(acts[kind](body))
            elif kind == len(acts):
                state.pass_time((body[0] if body else 1) * 0.02)
            elif kind == len(acts) + 1:
                self._person(state, body[0] if body else 0)
            else:
                self._agree(state, body[0] if body else 0)
        return True

    def _agree(self, state: Side, wish: int) -> None:
        """Bob names and locks what Ann may settle: with nobody else heard, she does."""
        inside = state.meeting._inside
        assert inside is not None
        parent = inside.epochs.current.authenticator
        for child, candidate in list(inside.epochs._candidates.items()):
            if candidate.parent == parent:
                naming = Naming(parent, wish % 8, child, locked=wish < 128).encode()
                said = self.insider.statement(ItemKind.NAMING, Sign.NAMING, naming)
                state.receive(said)

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
            meeting.mute(bob, True, now)
            meeting.hide(bob, wish > 4, now)
        elif wish % 4 == 3:
            meeting.show(MediaKind.CAMERA, wish > 4, now)
        state.pump()


TARGETS = (OutsideCells, Insider)
