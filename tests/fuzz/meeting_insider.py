"""A member of a meeting that says whatever it likes with the keys it really has: what reaches the
others is sealed, signed and framed as it should be, and only what is inside is a lie."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from folkmoot import mls
from folkmoot.cells import authorship, council, fragments, picture_format
from folkmoot.cells.authorship import Author
from folkmoot.cells.media import CAMERA, VOICE, MediaKeys, plaintext_bytes
from folkmoot.cells.records import pack
from folkmoot.cells.reliable import RECORD_BYTES_MAX, encode_record
from folkmoot.governance.evidence import CommitEvidence, make_farewell, make_sponsor
from folkmoot.meeting.door import (
    KNOCK_BYTES,
    WORK_BITS_MIN,
    DoorKind,
    answer_tag,
    public_of,
    work_of,
)
from folkmoot.meeting.founding import SUITE
from folkmoot.meeting.invite import door_cell_secret
from folkmoot.meeting.meeting import Meeting
from folkmoot.meeting.pending import Request
from folkmoot.meeting.records import (
    Content,
    Handshake,
    ItemKind,
    RecordKind,
    item,
    sign_statement,
)
from folkmoot.mls import hpke
from folkmoot.mls.commit import Commit
from folkmoot.mls.proposals import read_proposal
from folkmoot.wire import codec
from folkmoot.wire.labels import SIGNATURE_BYTES, Sign
from folkmoot.wire.lanes import LANE_RULES, LaneSlot
from fuzz.insider import Insider
from fuzz.state import copy_of
from unit.mls_groups import disobedient

Said = tuple[LaneSlot, list[bytes]]
_HPKE = hpke.HpkeSuite(hpke.KEM_X25519, hpke.AES_128_GCM)
ITEM_BYTES_MAX = fragments.COUNCIL_RECORD_BYTES_MAX
COUNTERS_FROM = 5_000  # above those that the honest agent used


class MeetingInsider:
    """Made once from a member's meeting; every method gives the cells of one message."""

    def __init__(self, meeting: Meeting, pin: bytes, wall_s: int) -> None:
        inside = meeting._inside
        assert inside is not None
        self.state = inside.epochs.current
        self.wall_s = wall_s
        self.key, self.seat = meeting._context.key, meeting.seat
        self.group_id = meeting.group_id
        self._pin = pin
        self._door = self.state.secrets.door
        self._mls = Insider(self.state.group, random.Random(12).randbytes)
        self.begin()

    def begin(self) -> None:
        """Once more from the beginning: equal inputs give equal cells."""
        self.entropy = random.Random(11).randbytes
        self._counter = COUNTERS_FROM

    def group(self) -> mls.Group:
        """Our group, to be used up."""
        return copy_of(self.state.group)

    # -- council

    def council(self, plaintext: bytes) -> Said:
        secret = self.state.secrets.signalling
        cell = council.seal(secret, plaintext[: council.PLAINTEXT_BYTES], self.entropy)
        return LaneSlot.COUNCIL, [cell]

    def item(self, data: bytes) -> Said:
        cells = []
        for plaintext in pack([data[:ITEM_BYTES_MAX]]) if data else []:
            cells += self.council(plaintext)[1]
        return LaneSlot.COUNCIL, cells

    def statement(self, kind: ItemKind, label: Sign, content: bytes) -> Said:
        """A beacon or naming: `content` behind our seat, signed."""
        signed = sign_statement(self.key, label, self.group_id, self.seat + content)
        return self.item(item(kind, signed.encode()))

    def record(self, kind: int, body: bytes, *, ahead_s: int = 0) -> Said:
        body = body[: RECORD_BYTES_MAX - 5]
        record = encode_record(self.wall_s + ahead_s, kind % 256, body)
        return self.item(item(ItemKind.LOGGED, record))

    def handshake(self, message: bytes, welcome: bytes = b"") -> Said:
        parent = self.state.authenticator
        return self.record(RecordKind.HANDSHAKE, Handshake(parent, message, welcome).encode())

    def commit_body(self, body: bytes) -> Said | None:
        """A commit with any body, honestly framed, its confirmation tag wrong."""
        try:
            commit = codec.decode(Commit.read, body)
        except codec.DecodeError:
            return None
        evidence = CommitEvidence(self.wall_s, ()).encode()
        return self.handshake(self._mls.send(commit, public=False, authenticated_data=evidence))

    def commit(self, data: bytes) -> Said | None:
        """A commit with any evidence and any proposals, made with our own checks switched off, so
        that it is right in everything that cannot be judged."""
        reader = codec.Reader(data)
        proposals: list[mls.Proposal] = []
        try:
            evidence = reader.opaque()
            while reader.remaining:
                proposals.append(read_proposal(reader))
        except codec.DecodeError:
            return None
        try:
            with disobedient():
                created = self.group().commit(
                    proposals,
                    authenticated_data=evidence,
                    tree_extension=False,
                    entropy=self.entropy,
                )
        except Exception:  # who lies so badly that he trips over it harms nobody
            return None
        return self.handshake(created.message, created.welcome or b"")

    def chat(self, plaintext: bytes) -> Said:
        message = self.group().seal(plaintext[:4_000], entropy=self.entropy)
        return self.record(RecordKind.CONTENT, Content(self.state.authenticator, message).encode())

    def farewell(self, leaf_hash: bytes) -> Said:
        farewell = make_farewell(self.key, self.group_id, self.seat, leaf_hash[:64])
        return self.record(RecordKind.FAREWELL, farewell.encode())

    def request(self, data: bytes) -> Said | None:
        """We let somebody in: its seat, then how many bytes of extension its leaf has."""
        if len(data) < 18:
            return None
        filler = mls.Extension(0xF0FE, bytes(int.from_bytes(data[16:18], "big") % 8_000))
        try:
            bundle = mls.create_key_package(
                SUITE,
                data[:16],
                random.Random(data).randbytes,
                extension_types=(0xF0A1, 0xF0FE),
                leaf_extensions=[filler],
            )
        except mls.UsageError:
            return None
        sponsor = make_sponsor(self.key, self.group_id, self.seat, bundle.ref, self.wall_s + 60)
        return self.record(
            RecordKind.REQUEST, Request(bundle.key_package, sponsor).encode(), ahead_s=1
        )

    # -- door

    def door(self, plaintext: bytes) -> Said:
        secret = door_cell_secret(self._door.secret)
        cell = council.seal(secret, plaintext[: council.PLAINTEXT_BYTES], self.entropy)
        return LaneSlot.DOOR, [cell]

    def door_message(self, message: bytes) -> Said:
        cells = []
        for plaintext in pack([message[: fragments.DOOR_RECORD_BYTES_MAX]]) if message else []:
            cells += self.door(plaintext)[1]
        return LaneSlot.DOOR, cells

    def knock(self, padded: bytes) -> Said:
        """A knock with any content, sealed to the door and with the work that it asks for."""
        public = _HPKE.kem.load_public(public_of(self._door.private))
        info = b"Folkmoot 1 knock" + self.group_id
        plaintext = padded[:KNOCK_BYTES].ljust(KNOCK_BYTES, b"\0")
        output, sealed = _HPKE.seal(public, info, b"", plaintext, self.entropy)
        body = codec.opaque(output) + codec.opaque(sealed)
        nonce = 0
        while work_of(whole := body + codec.u64(nonce)) < WORK_BITS_MIN:
            nonce += 1
        return self.door_message(codec.u8(DoorKind.KNOCK) + whole)

    def answer(self, plaintext: bytes, answer_key: bytes) -> Said:
        """An answer with any content to the newcomer with this key."""
        public = _HPKE.kem.load_public(answer_key)
        info = b"Folkmoot 1 answer" + self.group_id
        output, sealed = _HPKE.seal(public, info, b"", plaintext, self.entropy)
        body = answer_tag(answer_key) + codec.opaque(output) + codec.opaque(sealed)
        return self.door_message(codec.u8(DoorKind.ANSWER) + body)

    # -- media

    def _media(self) -> tuple[MediaKeys, Author, int]:
        group = self.state.group
        keys = MediaKeys(self.state.base_key, group.epoch, self._pin)
        leaf, authenticator = group.own_leaf, self.state.authenticator
        self._counter += 1
        return keys, Author(group.group_id, authenticator, self.seat, leaf, group.epoch), leaf

    def voice(self, body: bytes, *, signed: bool) -> Said:
        keys, author, leaf = self._media()
        length = plaintext_bytes(VOICE)
        plaintext = body[:length]
        if signed:
            body = body[: length - SIGNATURE_BYTES].ljust(length - SIGNATURE_BYTES, b"\0")
            digest = hashlib.sha256(body).digest()
            plaintext = body + authorship.sign(self.key, author, VOICE, self._counter, digest)
        return LaneSlot.VOICE, [keys.seal(VOICE, leaf, self._counter, plaintext)]

    def picture(self, plaintext: bytes) -> Said:
        keys, _, leaf = self._media()
        plaintext = plaintext[: plaintext_bytes(CAMERA)]
        return LaneSlot.PICTURE, [keys.seal(CAMERA, leaf, self._counter, plaintext)]

    def picture_frame(self, body: bytes, number: int) -> Said:
        """A whole frame with any body, cut and signed."""
        pieces: Sequence[bytes] = picture_format.cut(body)
        digest = picture_format.frame_digest(number, len(pieces), body)
        cells, checks = [], []
        for index, piece in enumerate(pieces[:-1]):
            checks.append(picture_format.check(number, index, piece))
            cells += self.picture(picture_format.encode_fragment(number, index, piece))[1]
        keys, author, leaf = self._media()
        signature = authorship.sign(self.key, author, CAMERA, self._counter, digest)
        last = picture_format.encode_fragment(
            number, len(pieces) - 1, pieces[-1], checks, signature
        )
        return LaneSlot.PICTURE, [*cells, keys.seal(CAMERA, leaf, self._counter, last)]

    def raw(self, data: bytes) -> Said:
        """Bytes that nobody sealed, in a lane of their choice, mostly of its size."""
        slots = (LaneSlot.COUNCIL, LaneSlot.DOOR, LaneSlot.VOICE, LaneSlot.PICTURE)
        slot = slots[data[0] % 4] if data else LaneSlot.COUNCIL
        return slot, [data[1:], data[1:].ljust(LANE_RULES[slot].cell_bytes, b"\0")]
