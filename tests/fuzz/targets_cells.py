"""Targets: SFrame, media cells and what is in them, records and their fragments."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot import sframe
from folkmoot.cells import authorship, council, fragments, picture_format
from folkmoot.cells.authorship import Author
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import CAMERA, VOICE, MediaKeys, Opened, open_any
from folkmoot.cells.picture import (
    HELD_BYTES_MAX,
    PARTIAL_FRAMES_MAX,
    PicturePacker,
    PictureReceiver,
)
from folkmoot.cells.records import Inbox, pack, unpack
from folkmoot.cells.reliable import RecordLog, decode_have, decode_record, encode_record
from folkmoot.cells.repeats import RepeatScheduler
from folkmoot.cells.voice import VoiceCell, VoicePacker, VoiceReceiver, decode_cell, verify_cell
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import SIGNATURE_BYTES
from fuzz.state import copy_of, fingerprint, held_bytes
from fuzz.target import BrokenPromise, Decoder, Target, script, steps

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
AUTHOR = Author(b"a group", b"a" * 32, b"s" * 16, 3, 300)
KEYS = MediaKeys(b"b" * 32, 300, b"p" * 32)
OTHER_KEYS = MediaKeys(b"c" * 32, 556, b"p" * 32)  # its epoch has the same low byte
WALL_S = 1_800_000_000.0


def voice_frame(number: int) -> EncodedFrame:
    return EncodedFrame(
        MediaKind.VOICE, Codec.OPUS, True, 20_000 * number, (bytes((number,)) * 60,)
    )


def picture_frame(number: int, size: int, *, key: bool) -> EncodedFrame:
    payloads = tuple(bytes((number, at)) + bytes(900) for at in range(size))
    return EncodedFrame(MediaKind.CAMERA, Codec.VP8, key, 33_000 * number, payloads)


def voice_plaintexts() -> list[bytes]:
    packer = VoicePacker()
    found = []
    for number in range(3):
        packer.push(voice_frame(2 * number))
        packer.push(voice_frame(2 * number + 1))
        found.append(packer.next_plaintext(KEY, AUTHOR, number))
    return found


def picture_plaintexts() -> list[bytes]:
    packer = PicturePacker(MediaKind.CAMERA)
    packer.push(picture_frame(1, 3, key=True), 0.0)
    packer.push(picture_frame(2, 1, key=False), 0.0)
    return [packer.next_plaintext(KEY, AUTHOR, number, 0.0) for number in range(6)]


class Header(Decoder):
    """An SFrame header, with something behind it."""

    name = "sframe.header"
    refusals = (DecodeError,)
    bytes_max = 64

    def make_seeds(self) -> Sequence[bytes]:
        return [sframe.encode_header(key, count) for key, count in ((0, 0), (9, 300), (1 << 60, 7))]

    def decode(self, data: bytes) -> object:
        header = sframe.decode_header(data)
        if sframe.encode_header(header.key_id, header.counter) != data[: header.length]:
            raise BrokenPromise("a header with two encodings")
        return header


class Open(Decoder):
    """An SFrame object under a key that the receiver has: whole, and as a plaintext sealed by who
    has it too."""

    name = "sframe.open"

    def __init__(self) -> None:
        suite = sframe.SUITES[sframe.SuiteId.AES_128_GCM_SHA256_128]
        self._key = sframe.derive_key(suite, b"b" * 16, 9)
        super().__init__()

    def make_seeds(self) -> Sequence[bytes]:
        return [sframe.seal(self._key, 300, b"", b"hello"), sframe.seal(self._key, 1, b"", b"")]

    def decode(self, data: bytes) -> object:
        return sframe.open(lambda key_id: self._key if key_id == 9 else None, b"", data)


class MediaCell(Target[tuple[MediaKeys, MediaKeys]]):
    """A media cell as a relay hands it over. Its lane is the first byte of the input."""

    name = "cells.media"

    def seeds(self) -> Sequence[bytes]:
        cells = [b"\0" + KEYS.seal(VOICE, 3, count, b"v" * 359) for count in (0, 70_000)]
        return [*cells, b"\1" + OTHER_KEYS.seal(CAMERA, 5, 1, b"p" * 1127)]

    def begin(self) -> tuple[MediaKeys, MediaKeys]:
        return KEYS, OTHER_KEYS

    def feed(self, state: tuple[MediaKeys, MediaKeys], data: bytes) -> bool:
        lane = CAMERA if data[:1] == b"\1" else VOICE
        for keys in state:
            keys.peek(lane, data[1:])
        opened = open_any(state, lane, data[1:])
        if opened is not None and data[1:] not in [seed[1:] for seed in self.seeds()]:
            raise BrokenPromise("a changed cell was opened")
        return opened is not None


class VoiceContent(Decoder):
    """The plaintext of a voice cell, as a member that signs it may write it."""

    name = "cells.voice"
    refusals = (DecodeError,)
    bytes_max = 400

    def make_seeds(self) -> Sequence[bytes]:
        return voice_plaintexts()

    def decode(self, data: bytes) -> object:
        body = data[:-SIGNATURE_BYTES]
        digest = hashlib.sha256(body).digest()
        signed = body + authorship.sign(KEY, AUTHOR, VOICE, 5, digest)
        opened = Opened(AUTHOR.leaf, 5, signed, AUTHOR.epoch)
        verified = verify_cell(opened, KEY.public_key(), AUTHOR)
        try:
            decoded = decode_cell(signed)
        except DecodeError:
            decoded = None
        if verified != decoded:
            raise BrokenPromise("what is signed and decodes is not taken, or the reverse")
        return verified


class VoiceStream(Target[VoiceReceiver]):
    """Cells of one seat in any order: the steps of a script are plaintexts, epochs change with
    their first byte."""

    name = "cells.voice_receiver"
    bytes_max = 5_000
    calls = (8_000, 40)

    def seeds(self) -> Sequence[bytes]:
        first, second, third = voice_plaintexts()
        return [script(first, second, third), script(third, first), script(second, second, first)]

    def begin(self) -> VoiceReceiver:
        return VoiceReceiver()

    def feed(self, state: VoiceReceiver, data: bytes) -> bool:
        now, last = 0.0, -1
        for number, plaintext in enumerate(steps(data)):
            try:
                cell: VoiceCell = decode_cell(plaintext)
            except DecodeError:
                continue
            before = state.lost
            frames = [*state.receive(cell, number // 3, now)]
            now += 0.1
            frames += state.handle_timer(now)
            assert len(frames) <= 64 + 4
            assert state.lost >= before
            last = max(last, cell.number)
            due = state.next_timer()
            assert due is None or due > now, "a timer that stays due"
        return True

    def check(self, state: VoiceReceiver, data: bytes) -> None:
        assert len(state._pending) <= 64 + 4, "too many slots held back"


class PictureContent(Decoder):
    """The plaintext of a picture cell."""

    name = "cells.picture"
    refusals = (DecodeError,)
    bytes_max = 1200

    def make_seeds(self) -> Sequence[bytes]:
        return picture_plaintexts()

    def decode(self, data: bytes) -> object:
        found = picture_format.decode_fragment(data)
        if found is None:
            return "a filler"
        again = picture_format.encode_fragment(
            found.number, found.index, found.data, found.checks, found.signature or b""
        )
        if again != data:
            raise BrokenPromise("a picture cell with two encodings")
        return found


class PictureBody(Decoder):
    """The body of a verified picture frame."""

    name = "cells.picture_body"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        frames = picture_frame(1, 3, key=True), picture_frame(9, 1, key=False)
        return [picture_format.encode_body(frame) or b"" for frame in frames]

    def decode(self, data: bytes) -> object:
        return picture_format.decode_body(data, CAMERA)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, EncodedFrame)
        return picture_format.encode_body(value)


class PictureStream(Target[PictureReceiver]):
    """One seat's picture lane: the steps of a script are plaintexts, and those that begin with 3
    are frame bodies by the member itself, cut and signed."""

    name = "cells.picture_receiver"
    bytes_max = 12_000
    calls = (20_000, 60)
    memory = (512 << 10, 64)

    def seeds(self) -> Sequence[bytes]:
        plaintexts = picture_plaintexts()
        body = picture_format.encode_body(picture_frame(4, 2, key=True)) or b""
        return [
            script(*plaintexts),
            script(*plaintexts[::-1]),
            script(b"\3" + body, *plaintexts[:3], b"\3" + body),
        ]

    def begin(self) -> PictureReceiver:
        return PictureReceiver(CAMERA)

    def _cells(self, step: bytes, number: int) -> list[bytes]:
        if step[:1] != b"\3" or len(step) > 20_000:
            return [step]
        pieces = picture_format.cut(step[1:])
        digest = picture_format.frame_digest(number, len(pieces), step[1:])
        signature = authorship.sign(KEY, AUTHOR, CAMERA, number, digest)
        checks = [
            picture_format.check(number, index, piece) for index, piece in enumerate(pieces[:-1])
        ]
        cells = [
            picture_format.encode_fragment(number, index, piece)
            for index, piece in enumerate(pieces[:-1])
        ]
        last = picture_format.encode_fragment(
            number, len(pieces) - 1, pieces[-1], checks, signature
        )
        return [*cells, last]

    def feed(self, state: PictureReceiver, data: bytes) -> bool:
        now = 0.0
        for number, step in enumerate(steps(data)):
            for plaintext in self._cells(step, number):
                opened = Opened(AUTHOR.leaf, number, plaintext, AUTHOR.epoch)
                state.receive(opened, KEY.public_key(), AUTHOR, now)
            now += 0.15
            state.handle_timer(now)
            due = state.next_timer()
            assert due is None or due > now, "a timer that stays due"
        return True

    def check(self, state: PictureReceiver, data: bytes) -> None:
        assert state._held_bytes >= 0
        assert state._held_bytes <= HELD_BYTES_MAX
        assert len(state._partial) <= PARTIAL_FRAMES_MAX
        held = sum(one.size for one in state._partial.values())
        held += sum(one.size for one in state._whole.values())
        assert held == state._held_bytes, "the count of bytes held is not what is held"


class CouncilCell(Decoder):
    """A council or door cell as a relay hands it over."""

    name = "cells.council"
    bytes_max = 1200

    def make_seeds(self) -> Sequence[bytes]:
        return [council.seal(b"s" * 32, b"\0\5hello", random.Random(1).randbytes)]

    def decode(self, data: bytes) -> object:
        opened = council.open(b"s" * 32, data)
        if opened is not None and data not in self.seeds():
            raise BrokenPromise("a changed cell was opened")
        return opened


class Entries(Decoder):
    """A council cell's plaintext as a member may write it."""

    name = "cells.entries"
    refusals = (DecodeError,)
    bytes_max = 1200

    def make_seeds(self) -> Sequence[bytes]:
        return [pack([b"\3hello", b"\1" * 300])[0], pack([b"\1" * 5000])[0]]

    def decode(self, data: bytes) -> object:
        return unpack(data)


class Fragments(Target[Inbox]):
    """Fragments of long records, each with its proof: the steps of a script are entries of cells.
    Those that begin with 255 are a record that somebody cuts honestly."""

    name = "cells.fragments"
    bytes_max = 12_000
    calls = (8_000, 40)
    memory = (256 << 10, 64)

    def seeds(self) -> Sequence[bytes]:
        pieces = fragments.fragment(b"\1" + bytes(range(256)) * 16)
        return [
            script(*pieces),
            script(*pieces[::-1], pieces[0]),
            script(pieces[0], b"\xff" + b"long " * 800, *pieces[1:]),
        ]

    def begin(self) -> Inbox:
        return Inbox(fragments.COUNCIL_RECORD_BYTES_MAX)

    def feed(self, state: Inbox, data: bytes) -> bool:
        now = 0.0
        for step in steps(data):
            entries = [step]
            if step[:1] == b"\xff" and len(step) > fragments.ENTRY_BYTES_MAX + 1:
                entries = fragments.fragment(step[1:])
            for entry in entries:
                self._one(state, entry, now)
            now += 0.5
        return True

    def _one(self, state: Inbox, entry: bytes, now: float) -> None:
        assembler = state._assembler
        before = fingerprint(assembler)
        try:
            got: fragments.Fragment | None = fragments.decode_fragment(entry)
        except DecodeError:
            got = None
        record = assembler.receive(entry, now)
        if got is None and (record is not None or fingerprint(assembler) != before):
            raise BrokenPromise("a fragment that does not decode changed something")
        whole = record is not None and len(record) > fragments.ENTRY_BYTES_MAX
        if record is not None and whole and entry not in fragments.fragment(record):
            raise BrokenPromise("a record that its own fragment does not belong to")

    def check(self, state: Inbox, data: bytes) -> None:
        assembler = state._assembler
        held = sum(len(one) for part in assembler._partial.values() for one in part.chunks.values())
        assert held == assembler.size, "the count of bytes held is not what is held"
        assert len(assembler) <= fragments.PARTIAL_RECORDS_MAX


class Reliable(Target[SimpleNamespace]):
    """The log that all members compare: the steps of a script are records (1), haves (2) and
    digests (3), by their first byte."""

    name = "cells.reliable"
    calls = (60_000, 60)
    memory = (256 << 10, 64)

    def __init__(self) -> None:
        log = RecordLog()
        entropy = random.Random(3).randbytes
        for number in range(20):
            log.add(encode_record(int(WALL_S) - 7 * number, 2, b"body %d" % number), WALL_S)
        other = RecordLog()
        other.add(encode_record(int(WALL_S) - 100, 2, b"theirs"), WALL_S)
        self._digest = other.digest(WALL_S, random.Random(4).randbytes)
        self._haves = [one for bucket in log._buckets for one in log.have(bucket)]
        scheduler = RepeatScheduler(log, entropy)
        self._start = SimpleNamespace(log=log, scheduler=scheduler)

    def seeds(self) -> Sequence[bytes]:
        record = encode_record(int(WALL_S) - 3, 2, b"new")
        return [
            script(b"\1" + record, b"\2" + self._haves[0], b"\3" + self._digest),
            script(b"\2" + self._haves[3][:-8], b"\3" + self._digest[:40]),
            b"\2" + self._haves[2],
        ]

    def begin(self) -> SimpleNamespace:
        return copy_of(self._start)

    def feed(self, state: SimpleNamespace, data: bytes) -> bool:
        log: RecordLog = state.log
        scheduler: RepeatScheduler = state.scheduler
        now = 0.0
        for step in steps(data):
            kind, body = step[:1], step[1:]
            if kind == b"\1":
                before = len(log)
                new = log.add(body, WALL_S + now)
                scheduler.on_record(body, now)
                if new:
                    decode_record(body)
                elif len(log) != before:
                    raise BrokenPromise("a record was refused, and the log is another")
            elif kind == b"\2":
                scheduler.on_have(body, WALL_S + now, now)
                try:
                    decode_have(body)
                except DecodeError:
                    assert not log.missing_for(body, WALL_S + now)
                    assert not log.lacks(body, WALL_S + now)
            else:
                scheduler.on_digest(body, WALL_S + now, now)
            now += 0.3
            for due in scheduler.due(now):
                assert due
            at = scheduler.next_timer()
            assert at is None or at > now, "a timer that stays due"
        log.digest(WALL_S + now, random.Random(5).randbytes)
        return True

    def check(self, state: SimpleNamespace, data: bytes) -> None:
        log: RecordLog = state.log
        assert sum(len(one) for one in log.records()) == log.size
        assert held_bytes(state.scheduler) < 256 << 10


TARGETS = (
    Header,
    Open,
    MediaCell,
    VoiceContent,
    VoiceStream,
    PictureContent,
    PictureBody,
    PictureStream,
    CouncilCell,
    Entries,
    Fragments,
    Reliable,
)
