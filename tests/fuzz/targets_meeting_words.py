"""Targets: what members, newcomers and invites say, as the decoders of the meeting read it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from folkmoot.agreement import Naming
from folkmoot.governance import PRESETS, MeetingExtension, Relay
from folkmoot.governance.charter import Charter, CharterError, from_mapping
from folkmoot.governance.evidence import (
    Certificate,
    CommitEvidence,
    Farewell,
    Readmission,
    Sponsor,
    decode_commit_evidence,
    read_evidence,
)
from folkmoot.governance.seat import seat_of
from folkmoot.meeting import door
from folkmoot.meeting.calls import Call, Go, Reply
from folkmoot.meeting.door import Claim, Knock, Side
from folkmoot.meeting.invite import Invite, InviteError
from folkmoot.meeting.names import clean_name, clean_text, skeleton
from folkmoot.meeting.parcel import Parcels, name_of
from folkmoot.meeting.pending import Request
from folkmoot.meeting.records import (
    NAME_BYTES_MAX,
    Beacon,
    Chat,
    Content,
    Handshake,
    ItemKind,
    KeyFrameWanted,
    Receipt,
    Showing,
    Signed,
    item,
    split_item,
)
from folkmoot.meeting.secrets import DoorSecrets, MeetingSecrets
from folkmoot.wire import codec
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.codec import DecodeError
from fuzz.target import BrokenPromise, Decoder

SEAT, HASH, SIGNATURE = b"s" * 16, b"h" * 32, b"g" * 64
RELAYS = (
    Relay(RelayAddress("relay.example", 443, b"\1" * 32), "A library"),
    Relay(RelayAddress("2001:db8::1", 8443, b"\2" * 32)),
)
SPONSOR = Sponsor(HASH, SEAT, 1_800_000_000, SIGNATURE)
READMISSION = Readmission(SEAT, HASH, HASH, SIGNATURE)
INVITER = Ed25519PrivateKey.from_private_bytes(b"i" * 32)


class Charters(Decoder):
    """A charter's bytes."""

    name = "governance.charter"
    refusals = (DecodeError,)
    bytes_max = 100

    def make_seeds(self) -> Sequence[bytes]:
        return [charter.encode() for charter in PRESETS.values()]

    def decode(self, data: bytes) -> object:
        return Charter.decode(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, Charter)
        return value.encode()


class CharterFile(Decoder):
    """The fields of a charter's file, one a line: what a person wrote."""

    name = "governance.charter_file"
    refusals = (CharterError,)
    bytes_max = 400

    def make_seeds(self) -> Sequence[bytes]:
        return [
            b"admission=sponsor\nelectors=vouched\nremoval=more than 2/3\namendment=3/4\nlineage=1",
            b"admission=open\nelectors=vouched\nremoval=never\namendment=at least 7/8\nlineage=0",
        ]

    def decode(self, data: bytes) -> object:
        lines = data.decode("utf-8", "replace").split("\n")
        fields: dict[str, object] = dict(line.partition("=")[::2] for line in lines)
        if fields.get("lineage") in ("0", "1"):
            fields["lineage"] = fields["lineage"] == "1"
        charter = from_mapping(fields)
        if Charter.decode(charter.encode()) != charter:
            raise BrokenPromise("a charter that does not decode as what it is")
        return charter


class Extension(Decoder):
    """The meeting's extension of the group context."""

    name = "governance.extension"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        charter = PRESETS["unremovable"]
        reserve = (Relay(RelayAddress("192.0.2.1", 1, b"\3" * 32), "Reserve"),)
        return [
            MeetingExtension(charter, RELAYS).encode(),
            MeetingExtension(charter, RELAYS[:1], reserve).encode(),
        ]

    def decode(self, data: bytes) -> object:
        return MeetingExtension.decode(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, MeetingExtension)
        return value.encode()


class Evidence(Decoder):
    """What a commit carries so that it can be judged."""

    name = "governance.evidence"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        every = (SPONSOR, READMISSION, Farewell(SEAT, HASH, SIGNATURE), Certificate(b"ballots"))
        return [CommitEvidence(1_800_000_000, every).encode(), CommitEvidence(0, ()).encode()]

    def decode(self, data: bytes) -> object:
        return decode_commit_evidence(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, CommitEvidence)
        return value.encode()


def make_invite() -> Invite:
    return Invite.make(
        group_id=b"g" * 16,
        inviter_private=INVITER,
        door_key=door.public_of(b"d" * 32),
        door_secret=b"e" * 32,
        charter=PRESETS["unremovable"],
        relays=RELAYS,
    )


class InviteWord(Decoder):
    """An invite as it was copied from somewhere."""

    name = "invite.word"
    refusals = (InviteError,)
    bytes_max = 5_000

    def make_seeds(self) -> Sequence[bytes]:
        word = make_invite().word()
        return [word.encode(), f" <{word[:70]}\n {word[70:]}>.".encode()]

    def decode(self, data: bytes) -> object:
        invite = Invite.parse(data.decode("utf-8", "surrogateescape"))
        if Invite.parse(invite.word()) != invite:
            raise BrokenPromise("an invite that does not parse as what it is")
        return invite


class InviteContent(Decoder):
    """An invite by somebody who signs it properly: the input is what is signed."""

    name = "invite.content"
    refusals = (InviteError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [make_invite()._unsigned()]

    def decode(self, data: bytes) -> object:
        from folkmoot.meeting import invite as module
        from folkmoot.wire.labels import Sign, sign

        # Group id and seat, as whoever made it would have them.
        try:
            reader = codec.Reader(data)
            reader.u8()
            head = codec.opaque(reader.opaque()) + seat_of(reader.take(32))
        except DecodeError:
            head = b""
        body = data + sign(INVITER, Sign.INVITE, head + data)
        decoded = Invite.decode(body + module._checksum(body))
        if decoded.encode() != body + module._checksum(body):
            raise BrokenPromise("an invite that encodes as something else")
        return decoded


def _knock(claim: Claim | None) -> Knock:
    return Knock(b"k" * 500, "Nomen", door.public_of(b"a" * 32), HASH, claim)


class Knocks(Decoder):
    """A knock: sealed to the door by who holds the invite, so its inside is the input."""

    name = "door.knock"
    refusals = (DecodeError,)
    bytes_max = 1100

    def make_seeds(self) -> Sequence[bytes]:
        claim = Claim(Side(HASH, 7, 3), READMISSION, must=True)
        return [_knock(None).pad(), _knock(claim).pad()]

    def decode(self, data: bytes) -> object:
        return Knock.unpad(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, Knock)
        return value.pad()


class KnockCell(Decoder):
    """A knock as anybody who reads the door may send it."""

    name = "door.knock_message"

    def __init__(self) -> None:
        self._chance = random.Random(8).randbytes
        super().__init__()

    def make_seeds(self) -> Sequence[bytes]:
        key = door.public_of(b"d" * 32)
        return [door.seal_knock(_knock(None), key, b"g" * 16, 0, self._chance)[1:]]

    def decode(self, data: bytes) -> object:
        door.work_of(data)
        return door.open_knock(data, b"d" * 32, b"g" * 16)


ANSWERS = (
    door.WaitAnswer(2),
    door.WelcomeAnswer(b"w" * 200, b"t" * 100),
    door.CatchUpAnswer((Handshake(HASH, b"m" * 40, b"").encode(),)),
    door.RefusedAnswer("No."),
    door.LeafAnswer(HASH, Side(HASH, 7, 3)),
    door.ParcelAnswer(b"n" * 16, b"k" * 28),
)


class AnswerMessage(Decoder):
    """An answer at the door: the input is its message, by somebody who does not know the key."""

    name = "door.answer_message"

    def make_seeds(self) -> Sequence[bytes]:
        key, chance = door.public_of(b"a" * 32), random.Random(9).randbytes
        return [door.seal_answer(one, key, b"g" * 16, chance)[1:] for one in ANSWERS]

    def decode(self, data: bytes) -> object:
        return door.open_answer(data, b"a" * 32, b"g" * 16)


class AnswerContent(Decoder):
    """An answer by a member, which is the one that can seal it: the input is what is sealed."""

    name = "door.answer"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [door.encode_answer(one) for one in ANSWERS]

    def decode(self, data: bytes) -> object:
        return codec.decode(door.read_answer, data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, door.Answer)
        return door.encode_answer(value)


class ParcelContent(Decoder):
    """A parcel by whoever knows its key: the input is what is sealed."""

    name = "door.parcel"

    def make_seeds(self) -> Sequence[bytes]:
        return [door.encode_answer(one) for one in ANSWERS]

    def decode(self, data: bytes) -> object:
        key = b"k" * 28
        sealed = AESGCM(key[:16]).encrypt(key[16:], data, None)
        parcels = Parcels()
        assert parcels.receive(sealed) is None  # nobody told of it
        told = parcels.want(door.ParcelAnswer(name_of(sealed), key))
        assert parcels.receive(sealed) == told
        assert not isinstance(told, door.ParcelAnswer)
        return told


# What one byte in front of the input chooses, and a value of each.
_STATEMENTS: tuple[tuple[Callable[[codec.Reader], object], bytes], ...] = (
    (
        Beacon.read,
        Beacon(
            SEAT, 5, 3, HASH, Showing(3), "Nomen", b"digest",
            (Receipt(b"r" * 8, True, (b"miss",)),), b"later",
        ).encode(),
    ),
    (Signed.read, Signed(SEAT + b"content", SIGNATURE).encode()),
    (Naming.read, Naming(HASH, 3, HASH, True).encode()),
    (Handshake.read, Handshake(HASH, b"m" * 100, b"w" * 50).encode()),
    (Content.read, Content(HASH, b"m" * 100).encode()),
    (Chat.read, Chat(b"i" * 8, 5, "Hello").encode()),
    (KeyFrameWanted.read, KeyFrameWanted(SEAT, 1, nothing_comes=False).encode()),
    (Request.read, Request(b"k" * 100, SPONSOR).encode()),
    (read_evidence, READMISSION.encode()),
    (Call.read, Call(SEAT, b"n" * 16, 5, (b"t" * 16,), PRESETS["circle"]).encode()),
    (Reply.read, Reply(SEAT, HASH, b"k" * 100).encode()),
    (
        Go.read,
        Go(
            Signed(SEAT + HASH + hashlib.sha256(b"welcome").digest(), SIGNATURE), b"welcome"
        ).encode(),
    ),
    (Claim.read, Claim(Side(HASH, 0, 1), READMISSION, must=False).encode()),
    (
        MeetingSecrets.read,
        MeetingSecrets(HASH, HASH, 5, True, 6, SEAT, DoorSecrets(HASH, HASH)).encode(),
    ),
)  # fmt: skip
# A beacon's flags are masked, so that later versions may say more.
_LOSSY = (Beacon,)


class Statements(Decoder):
    """Everything that members tell each other; the first byte of the input says which."""

    name = "words.statements"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [bytes((kind,)) + data for kind, (_, data) in enumerate(_STATEMENTS)]

    def decode(self, data: bytes) -> object:
        kind = (data[0] if data else 0) % len(_STATEMENTS)
        value = codec.decode(_STATEMENTS[kind][0], data[1:])
        again = value.encode()  # type: ignore[attr-defined]
        if again != data[1:] and not isinstance(value, _LOSSY):
            raise BrokenPromise(f"decoded, and encodes as {again.hex()}")
        return value


class Items(Decoder):
    """An item of a council cell."""

    name = "words.items"
    refusals = (DecodeError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [item(kind, b"body") for kind in ItemKind]

    def decode(self, data: bytes) -> object:
        return split_item(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, tuple)
        return item(*value)


class Names(Decoder):
    """A name that a member chose: cleaned once is clean, short, and never empty."""

    name = "words.names"
    bytes_max = 400
    calls = (2_000, 60)

    def make_seeds(self) -> Sequence[bytes]:
        names = (
            "Anna Maria",
            "\u0410\u0301nna\u202e",
            "ﬃ\u3164 x\u0301",
            "\U0001f600",
        )
        return [name.encode() for name in names]

    def decode(self, data: bytes) -> object:
        text = data.decode("utf-8", "replace")
        name = clean_name(text)
        skeleton(name)
        if not name or len(name.encode()) > NAME_BYTES_MAX:
            raise BrokenPromise(f"a name of {len(name.encode())} bytes")
        if clean_name(name) != name:
            raise BrokenPromise(f"{name!r} is cleaned once more")
        shown = clean_text(text)
        if clean_text(shown) != shown:
            raise BrokenPromise("a text is cleaned once more")
        return name


TARGETS = (
    Charters,
    CharterFile,
    Extension,
    Evidence,
    InviteWord,
    InviteContent,
    Knocks,
    KnockCell,
    AnswerMessage,
    AnswerContent,
    ParcelContent,
    Statements,
    Items,
    Names,
)
