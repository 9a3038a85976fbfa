"""What a simulation looks at inside of the product: every key that seals, every epoch that is made.

All agents live in one process, so one watch sees them all. It changes nothing that they do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from folkmoot import mls
from folkmoot.cells import council
from folkmoot.cells.media import LaneId, MediaKeys
from folkmoot.governance.judge import Verdict
from folkmoot.meeting.chat import ChatBook
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.epochs import Epochs
from folkmoot.meeting.presence import Presence
from folkmoot.meeting.records import Beacon, Chat, Handshake
from folkmoot.meeting.secrets import MeetingSecrets
from folkmoot.meeting.signalling import Signalling
from folkmoot.mls.hpke import Aead
from folkmoot.mls.secret_tree import MessageKey, Ratchet, SecretTree
from folkmoot.wire.lanes import LaneSlot
from simulation.patches import Patches

SAMPLES_MAX = 4  # recorded of each kind and epoch, to try them on who must not open them


@dataclass
class Watch:
    """What was sealed, under which key and number. The same bytes again are no second use."""

    used: dict[tuple[Any, ...], object] = field(default_factory=dict)
    twice: list[tuple[Any, ...]] = field(default_factory=list)
    messages: int = 0

    def note(self, key: tuple[Any, ...], content: object) -> None:
        if self.used.setdefault(key, content) != content:
            self.twice.append(key)

    def count(self, kind: str) -> int:
        return sum(key[0] == kind for key in self.used)

    def install(self, patches: Patches) -> None:
        """Watches every seal of every member."""
        media, take = MediaKeys.seal, SecretTree.next
        aead, cell = Aead.seal, council.seal

        def seal_media(
            keys: MediaKeys, lane: LaneId, leaf: int, counter: int, plaintext: bytes
        ) -> bytes:
            # SFrame's key and nonce follow from these four.
            self.note(("media", keys._copy_key, lane, leaf, counter), plaintext)
            sealed = media(keys, lane, leaf, counter, plaintext)
            self.sealed_media(keys, lane, sealed)
            return sealed

        def take_message_key(tree: SecretTree, leaf: int, kind: Ratchet) -> MessageKey:
            # The generation's own key and nonce: the four random bytes over the nonce (RFC 9420
            # §6.3.1) are a net, and must not be needed. No two messages may take the same,
            # whatever they say.
            key = take(tree, leaf, kind)
            self.messages += 1
            self.note(("message", key.key, key.nonce), self.messages)
            return key

        def seal_aead(one: Aead, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
            self.note(("aead", key, nonce), (aad, plaintext))
            return aead(one, key, nonce, aad, plaintext)

        def seal_council(secret: bytes, plaintext: bytes, entropy: Callable[[int], bytes]) -> bytes:
            sealed = cell(secret, plaintext, entropy)
            self.note(("council", secret, sealed[: council.SALT_BYTES]), plaintext)
            return sealed

        patches.set(MediaKeys, "seal", seal_media)
        patches.set(SecretTree, "next", take_message_key)
        patches.set(Aead, "seal", seal_aead)
        patches.set(council, "seal", seal_council)

    def sealed_media(self, keys: MediaKeys, lane: LaneId, cell: bytes) -> None:
        """A media cell was sealed."""


@dataclass
class Epoch:
    """One epoch, as whoever made or joined it sees it."""

    authenticator: bytes
    number: int
    roster: frozenset[tuple[bytes, int, bytes]]  # seat, leaf, key
    extensions: tuple[tuple[int, bytes], ...]
    secrets: MeetingSecrets
    base_key: bytes
    made_at: float = 0.0  # when its committer made it
    parent: bytes | None = None
    settled_at: float | None = None  # first, by anybody
    sealed: bool = False
    cells: list[bytes] = field(default_factory=list)
    media: list[tuple[LaneId, bytes]] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    handshakes: list[bytes] = field(default_factory=list)

    @property
    def seats(self) -> frozenset[bytes]:
        return frozenset(seat for seat, _, _ in self.roster)


@dataclass
class Settled:
    """Somebody moved on."""

    seat: bytes
    parent: bytes
    child: bytes
    at: float
    verdict: Verdict
    committer: bytes


@dataclass
class EpochWatch(Watch):
    """Also every epoch, what was sealed in it, and who settled it when."""

    clock: Callable[[], float] = lambda: 0.0
    epochs: dict[bytes, Epoch] = field(default_factory=dict)
    differing: list[bytes] = field(default_factory=list)
    settled: list[Settled] = field(default_factory=list)
    chats: dict[str, list[bytes]] = field(default_factory=dict)  # text: epochs it was sealed in
    replayed: list[bytes] = field(default_factory=list)  # seats whose old beacons counted
    _beacons: dict[tuple[int, bytes], int] = field(default_factory=dict)
    _copies: dict[bytes, bytes] = field(default_factory=dict)  # copy key: base key
    _by_base: dict[bytes, Epoch] = field(default_factory=dict)
    _by_signalling: dict[bytes, list[Epoch]] = field(default_factory=dict)

    def install(self, patches: Patches) -> None:
        super().install(patches)
        made, keep, settle = EpochState.__init__, Epochs._keep, Epochs._settle
        keys, seal, write = MediaKeys.__init__, Signalling.seal, ChatBook._seal

        def make(state: EpochState, group: mls.Group, secrets: MeetingSecrets) -> None:
            made(state, group, secrets)
            self._note_epoch(state)

        def keep_candidate(
            epochs: Epochs,
            parent: EpochState,
            staged: mls.Staged,
            verdict: Verdict,
            committer: bytes,
            handshake: Handshake,
            now: float,
        ) -> None:
            keep(epochs, parent, staged, verdict, committer, handshake, now)
            if staged.group is not None:
                child = self.epochs.get(staged.group.epoch_authenticator)
                if child is not None and child.parent is None:
                    child.parent = parent.authenticator
                    self.epochs[parent.authenticator].handshakes.append(handshake.message)

        def settle_child(epochs: Epochs, child: bytes, now: float) -> None:
            candidate, parent = epochs._candidates[child], epochs.current.authenticator
            verdict, committer = candidate.verdict, candidate.committer
            self.settled.append(Settled(epochs.seat, parent, child, now, verdict, committer))
            epoch = self.epochs[child]
            if epoch.settled_at is None:
                epoch.settled_at = now
            settle(epochs, child, now)

        def make_keys(one: MediaKeys, base_key: bytes, epoch: int, pin: bytes) -> None:
            keys(one, base_key, epoch, pin)
            self._copies[one._copy_key] = base_key

        def seal_council(
            signalling: Signalling, secret: bytes, plaintext: bytes, relay: int
        ) -> bytes:
            cell = seal(signalling, secret, plaintext, relay)
            for epoch in self._by_signalling.get(secret, ()):
                epoch.sealed = True
                if len(epoch.cells) < SAMPLES_MAX:
                    epoch.cells.append(cell)
            return cell

        def seal_chat(chat: Chat, state: EpochState, entropy: Callable[[int], bytes]) -> bytes:
            body = write(chat, state, entropy)
            self.chats.setdefault(chat.text, []).append(state.authenticator)
            contents = self.epochs[state.authenticator].contents
            if len(contents) < SAMPLES_MAX:
                contents.append(body)
            return body

        receive = Presence.receive

        def receive_beacon(
            presence: Presence, body: bytes, states: Iterable[EpochState], now: float
        ) -> Beacon | None:
            beacon = receive(presence, body, states, now)
            if beacon is not None and beacon.seat in presence.members:
                # (Of the same member of the same agent: both live as long as the table does.)
                key = id(presence), beacon.seat
                if beacon.at_ms <= self._beacons.get(key, 0):
                    self.replayed.append(beacon.seat)
                self._beacons[key] = beacon.at_ms
            return beacon

        patches.set(Presence, "receive", receive_beacon)
        patches.set(EpochState, "__init__", make)
        patches.set(Epochs, "_keep", keep_candidate)
        patches.set(Epochs, "_settle", settle_child)
        patches.set(MediaKeys, "__init__", make_keys)
        patches.set(Signalling, "seal", seal_council)
        patches.set(ChatBook, "_seal", staticmethod(seal_chat))

    def sealed_media(self, keys: MediaKeys, lane: LaneId, cell: bytes) -> None:
        epoch = self._by_base.get(self._copies.get(keys._copy_key, b""))
        if epoch is not None and lane.slot is LaneSlot.VOICE:
            epoch.sealed = True
            if len(epoch.media) < SAMPLES_MAX:
                epoch.media.append((lane, cell))

    def _note_epoch(self, state: EpochState) -> None:
        roster = frozenset((one.seat, one.leaf, one.signature_key) for one in state.roster)
        extensions = tuple((one.type, one.data) for one in state.group.extensions)
        epoch = Epoch(
            state.authenticator,
            state.group.epoch,
            roster,
            extensions,
            state.secrets,
            state.base_key,
            self.clock(),
        )
        known = self.epochs.setdefault(state.authenticator, epoch)
        if known is epoch:
            self._by_base[epoch.base_key] = epoch
            self._by_signalling.setdefault(epoch.secrets.signalling, []).append(epoch)
        elif (known.roster, known.extensions, known.secrets, known.base_key, known.number) != (
            epoch.roster,
            epoch.extensions,
            epoch.secrets,
            epoch.base_key,
            epoch.number,
        ):
            self.differing.append(state.authenticator)

    # -- how epochs hang together

    def ancestors(self, authenticator: bytes) -> Iterator[Epoch]:
        """The epochs that this one follows, the nearest first."""
        epoch = self.epochs.get(authenticator)
        while epoch is not None and epoch.parent is not None:
            epoch = self.epochs.get(epoch.parent)
            if epoch is not None:
                yield epoch

    def follows(self, later: bytes, earlier: bytes) -> bool:
        """Whether `later` descends from `earlier`."""
        return any(one.authenticator == earlier for one in self.ancestors(later))
