"""The secrets that outlive an epoch: signalling, rooms and door (architecture §6, "Secrets across
epochs").

They are pure functions of the parent's secrets and the new epoch, so that all members who settle
the same commit hold the same ones. A commit that takes a seat away makes fresh ones from the new
epoch's exporter: who left knows none of them. A commit that only adds takes one step by a hash:
newcomers cannot step back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.wire import codec
from folkmoot.wire.labels import SECRET_BYTES, Derive, derive

EXTENSION_TYPE = 0xF0A2  # private use (RFC 9420 §17.3); in the encrypted GroupInfo of a Welcome
SECRETS_VERSION = 1
ROOM_ROOT_INTERVAL_S = (
    60  # one new room root a minute at most, so that farewells cannot churn links
)
STEPS_AHEAD_MAX = 32  # who is further behind than this asks at the door

Exporter = Callable[[str, bytes, int], bytes]


@dataclass(frozen=True, slots=True)
class DoorSecrets:
    """`private`: X25519 key (32 bytes) that opens knocks; `secret`: what the invite holds too
    (32)."""

    private: bytes = field(repr=False)
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MeetingSecrets:
    """What every member of an epoch knows beside the MLS group.

    `tick`: wall second of the commit that made the epoch; `committer`: its seat, after whom the
    turn begins; `root_tick`: when the room root changed last; `root_due`: a seat left since."""

    signalling: bytes
    room_root: bytes
    root_tick: int
    root_due: bool
    tick: int
    committer: bytes
    door: DoorSecrets

    def __repr__(self) -> str:
        return f"MeetingSecrets(tick={self.tick})"

    def encode(self) -> bytes:
        return (
            codec.u8(SECRETS_VERSION)
            + self.signalling
            + self.room_root
            + codec.u32(self.root_tick)
            + codec.u8(self.root_due)
            + codec.u32(self.tick)
            + self.committer
            + self.door.private
            + self.door.secret
        )

    @classmethod
    def read(cls, reader: codec.Reader) -> MeetingSecrets:
        if reader.u8() != SECRETS_VERSION:
            raise codec.DecodeError("secrets of another version")
        return cls(
            signalling=reader.take(SECRET_BYTES),
            room_root=reader.take(SECRET_BYTES),
            root_tick=reader.u32(),
            root_due=reader.boolean(),
            tick=reader.u32(),
            committer=reader.take(SEAT_BYTES),
            door=DoorSecrets(reader.take(SECRET_BYTES), reader.take(SECRET_BYTES)),
        )

    def before_commit(
        self, tick: int, committer: bytes, takes_away: bool, by_ballots: bool = False
    ) -> MeetingSecrets:
        """What goes into the Welcome, before the new epoch's exporter exists. Of a commit that
        takes a seat away the newcomer gets zeros and derives the fresh secrets itself
        (`after_commit`), since it has the exporter too; so a Welcome never holds a secret that the
        one who left knew. Who is taken away `by_ballots` did not want to go: there are new rooms at
        once, and a new door."""
        signalling = bytes(SECRET_BYTES) if takes_away else self.stepped()
        due = self.root_due or takes_away
        fresh_root = by_ballots or (due and tick - self.root_tick >= ROOM_ROOT_INTERVAL_S)
        return replace(
            self,
            signalling=signalling,
            room_root=bytes(SECRET_BYTES) if fresh_root else self.room_root,
            root_tick=tick if fresh_root else self.root_tick,
            root_due=due and not fresh_root,
            tick=tick,
            committer=committer,
            door=DoorSecrets(bytes(SECRET_BYTES), bytes(SECRET_BYTES)) if by_ballots else self.door,
        )

    def after_commit(self, export: Exporter) -> MeetingSecrets:
        """The secrets of the new epoch: zeros filled in from its exporter."""
        signalling, room_root = self.signalling, self.room_root
        if signalling == bytes(SECRET_BYTES):
            fresh = export(Derive.SIGNALLING.value.decode(), b"", SECRET_BYTES)
            signalling = derive(fresh, Derive.SIGNALLING, b"")
        if room_root == bytes(SECRET_BYTES):
            fresh = export(Derive.ROOM_ROOT.value.decode(), b"", SECRET_BYTES)
            room_root = derive(fresh, Derive.ROOM_ROOT, b"")
        door = self.door
        if door.secret == bytes(SECRET_BYTES):
            door = DoorSecrets(
                derive(
                    export(Derive.DOOR_KEY.value.decode(), b"", SECRET_BYTES), Derive.DOOR_KEY, b""
                ),
                derive(
                    export(Derive.DOOR_SECRET.value.decode(), b"", SECRET_BYTES),
                    Derive.DOOR_SECRET,
                    b"",
                ),
            )
        return replace(self, signalling=signalling, room_root=room_root, door=door)

    def stepped(self) -> bytes:
        """The signalling secret one addition later."""
        return step(self.signalling)


def step(signalling: bytes) -> bytes:
    """The signalling secret one addition later."""
    return derive(signalling, Derive.SIGNALLING_STEP, b"")


def room_seed(root: bytes, pin: bytes, lane: bytes) -> bytes:
    """Seed (32 bytes) of the Ed25519 key of the room `lane` on the relay with `pin`: another key
    on every relay, so that two relays cannot tell that they carry the same meeting."""
    return derive(root, Derive.ROOM_KEY, codec.opaque(pin) + codec.opaque(lane))


def leads_to(old: bytes, new: bytes) -> bool:
    """Whether steps of additions alone lead from one signalling secret to the other."""
    for _ in range(STEPS_AHEAD_MAX):
        if old == new:
            return True
        old = step(old)
    return False
