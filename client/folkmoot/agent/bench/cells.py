"""`folkmoot bench cells`: cells sealed and opened in a second by one core, beside the bare cipher
and signature of the same sizes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import secrets
from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from folkmoot.agent.bench.report import Pair, Report, in_a_second
from folkmoot.agent.bench.timing import spent_on_each
from folkmoot.agent.console import Output
from folkmoot.cells import authorship, council
from folkmoot.cells.authorship import Author
from folkmoot.cells.media import CAMERA, VOICE, LaneId, MediaKeys, cell_bytes, plaintext_bytes
from folkmoot.cells.voice import VoicePacker, verify_cell

GOAL_PER_S = 100_000
LEAF, EPOCH = 5, 300
# A camera's frame is some 8 cells at a good rate; its signature is of all of them.
CELLS_OF_A_FRAME = 8
BARE = "AES-128-GCM alone, of as many bytes, under one key"
SIGNED_VOICE = "AES-128-GCM and Ed25519 alone, one signature for each cell"
SIGNED_PICTURE = f"AES-128-GCM and Ed25519 alone, one signature for {CELLS_OF_A_FRAME} cells"

Times = Callable[[int], object]


class Peer:
    """AES-128-GCM of `cryptography` alone, of so many bytes, and Ed25519."""

    def __init__(self, size: int) -> None:
        self.name = f"cryptography {importlib.metadata.version('cryptography')}"
        self._aead, self._nonce, self._beside = AESGCM(secrets.token_bytes(16)), bytes(12), bytes(9)
        self._data = secrets.token_bytes(size)
        self._sealed = self._aead.encrypt(self._nonce, self._data, self._beside)
        self._key = Ed25519PrivateKey.generate()
        self._public = self._key.public_key()
        self._signature = self._key.sign(self._data)

    def seal(self, times: int) -> None:
        for _ in range(times):
            self._aead.encrypt(self._nonce, self._data, self._beside)

    def open(self, times: int) -> None:
        for _ in range(times):
            self._aead.decrypt(self._nonce, self._sealed, self._beside)

    def sign_and_seal(self, each: int, times: int) -> None:
        for _ in range(-(-times // each)):
            self._key.sign(self._data)
        self.seal(times)

    def open_and_verify(self, each: int, times: int) -> None:
        for _ in range(-(-times // each)):
            self._public.verify(self._signature, self._data)
        self.open(times)


class Media:
    """One lane at its sender and at one who hears it, and `count` cells on their way."""

    def __init__(self, lane: LaneId, count: int) -> None:
        base, pin = secrets.token_bytes(32), secrets.token_bytes(32)
        self.lane = lane
        self._ours, self._theirs = (MediaKeys(base, EPOCH, pin) for _ in range(2))
        self._plaintext = secrets.token_bytes(plaintext_bytes(lane))
        self._counter = 1 << 16  # as after a while: the header has all its bytes
        self._key = Ed25519PrivateKey.generate()
        self._public = self._key.public_key()
        self._author = Author(
            secrets.token_bytes(16), secrets.token_bytes(32), secrets.token_bytes(16), LEAF, EPOCH
        )
        self._packer = VoicePacker()
        self._cells = [self._seal(self._plaintext) for _ in range(count)]
        self._spoken = [self._say() for _ in range(count if lane is VOICE else 0)]
        self._signatures = {
            parts: self._sign([self._plaintext] * parts) for parts in range(1, CELLS_OF_A_FRAME + 1)
        }

    def _seal(self, plaintext: bytes) -> bytes:
        self._counter += 1
        return self._ours.seal(self.lane, LEAF, self._counter, plaintext)

    def seal(self, times: int) -> None:
        for _ in range(times):
            self._seal(self._plaintext)

    def open(self, times: int) -> None:
        for cell in self._cells[:times]:
            assert self._theirs.open(self.lane, cell) is not None

    # Voice: each cell is signed.

    def _say(self) -> bytes:
        plaintext = self._packer.next_plaintext(self._key, self._author, self._counter + 1)
        return self._seal(plaintext)

    def sign_and_seal_voice(self, times: int) -> None:
        for _ in range(times):
            self._say()

    def open_and_verify_voice(self, times: int) -> None:
        for cell in self._spoken[:times]:
            opened = self._theirs.open(self.lane, cell)
            assert opened is not None
            assert verify_cell(opened, self._public, self._author) is not None

    # Pictures: each frame is signed.

    def _digest(self, parts: list[bytes]) -> bytes:
        return hashlib.sha256(b"".join(parts)).digest()

    def _sign(self, parts: list[bytes]) -> bytes:
        return authorship.sign(self._key, self._author, self.lane, 0, self._digest(parts))

    def sign_and_seal_picture(self, times: int) -> None:
        for first in range(0, times, CELLS_OF_A_FRAME):
            parts = [self._plaintext] * min(CELLS_OF_A_FRAME, times - first)
            self._sign(parts)
            for part in parts:
                self._seal(part)

    def open_and_verify_picture(self, times: int) -> None:
        for first in range(0, times, CELLS_OF_A_FRAME):
            parts = []
            for cell in self._cells[first : first + CELLS_OF_A_FRAME]:
                opened = self._theirs.open(self.lane, cell)
                assert opened is not None
                parts.append(opened.plaintext)
            digest, signature = self._digest(parts), self._signatures[len(parts)]
            assert authorship.verify(self._public, self._author, self.lane, 0, digest, signature)


class Council:
    """Council cells, each under a key made of its salt."""

    def __init__(self, count: int) -> None:
        self._secret = secrets.token_bytes(32)
        self._plaintext = secrets.token_bytes(council.PLAINTEXT_BYTES)
        self._cells = [self._seal() for _ in range(count)]

    def _seal(self) -> bytes:
        return council.seal(self._secret, self._plaintext, secrets.token_bytes)

    def seal(self, times: int) -> None:
        for _ in range(times):
            self._seal()

    def open(self, times: int) -> None:
        for cell in self._cells[:times]:
            assert council.open(self._secret, cell) is not None


def bench_cells(count: int, rounds: int, output: Output) -> None:
    """Runs it: `count` cells in each of `rounds` rounds."""
    report = Report(
        output,
        "Cells in a second, by one core",
        {"cell_bytes": "bytes"},
        in_a_second,
        "a second",
        "goal_per_s",
    )

    def compare(
        what: str, size: int, ours: Times, peer: Peer, theirs: Times, note: str, goal: bool = False
    ) -> None:
        mine, others = (spent_on_each(one, count, rounds) for one in (ours, theirs))
        parameters = {"cell_bytes": size}
        wanted = GOAL_PER_S if goal else None
        report.add(Pair(what, parameters, mine, peer.name, others, note, note, wanted))

    with report.progress() as now:
        for lane, name in ((VOICE, "voice"), (CAMERA, "picture")):
            now(f"{name} cells")
            media, peer, size = Media(lane, count), Peer(plaintext_bytes(lane)), cell_bytes(lane)
            compare(f"seal_{name}", size, media.seal, peer, peer.seal, BARE, True)
            compare(f"open_{name}", size, media.open, peer, peer.open, BARE, True)
            seal, verify = media.sign_and_seal_picture, media.open_and_verify_picture
            each, note = CELLS_OF_A_FRAME, SIGNED_PICTURE
            if lane is VOICE:
                seal, verify = media.sign_and_seal_voice, media.open_and_verify_voice
                each, note = 1, SIGNED_VOICE
            bare_seal, bare_verify = (
                partial(peer.sign_and_seal, each),
                partial(peer.open_and_verify, each),
            )
            compare(f"sign_and_seal_{name}", size, seal, peer, bare_seal, note)
            compare(f"open_and_verify_{name}", size, verify, peer, bare_verify, note)
        now("council cells")
        said, peer = Council(count), Peer(council.PLAINTEXT_BYTES)
        compare("seal_council", council.CELL_BYTES, said.seal, peer, peer.seal, BARE)
        compare("open_council", council.CELL_BYTES, said.open, peer, peer.open, BARE)
    report.done()
