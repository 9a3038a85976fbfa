"""Members for tests of a meeting's parts: real groups with real secrets, and no meeting around
them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot import mls
from folkmoot.governance import PRESETS, Charter, MeetingExtension, Relay
from folkmoot.governance.evidence import CommitEvidence
from folkmoot.governance.seat import seat_of_private
from folkmoot.meeting.context import Context, make_context
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.founding import found_group, make_key_package
from folkmoot.meeting.records import Beacon, Handshake, Showing, Signed, sign_statement
from folkmoot.meeting.secrets import EXTENSION_TYPE
from folkmoot.wire.address import RelayAddress
from folkmoot.wire.labels import Sign

GROUP = b"the group's id.."
WALL_S = 1_800_000_000.0
TICK = int(WALL_S)
RELAYS = (
    Relay(RelayAddress("127.0.0.1", 4001, b"\x01" * 32)),
    Relay(RelayAddress("127.0.0.1", 4002, b"\x02" * 32)),
)


def entropy_of(seed: object) -> Callable[[int], bytes]:
    return random.Random(f"{seed}").randbytes


def key_of(name: str) -> bytes:
    return random.Random(f"key {name}").randbytes(32)


def seat_of(name: str) -> bytes:
    return seat_of_private(key_of(name))


@dataclass
class Person:
    """One member: who it is, and the epoch that it is in."""

    name: str
    state: EpochState

    @property
    def seat(self) -> bytes:
        return seat_of(self.name)

    @property
    def key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(key_of(self.name))

    @property
    def leaf_hash(self) -> bytes:
        entry = self.state.entry_of(self.seat)
        assert entry is not None
        return entry.leaf_hash

    def beacon(self, at_ms: int, **more: object) -> bytes:
        """A beacon of ours, signed."""
        beacon = self.statement(at_ms)
        for field, value in more.items():
            object.__setattr__(beacon, field, value)
        return sign_statement(self.key, Sign.BEACON, GROUP, beacon.encode()).encode()

    def statement(self, at_ms: int) -> Beacon:
        group = self.state.group
        return Beacon(
            self.seat, at_ms, group.epoch, group.epoch_authenticator, Showing(1), self.name, b""
        )


def signed_by(key: Ed25519PrivateKey, beacon: Beacon) -> bytes:
    """A beacon under whichever key."""
    return sign_statement(key, Sign.BEACON, GROUP, beacon.encode()).encode()


class People:
    """A founder and whom it adds, all in one epoch."""

    def __init__(
        self, *names: str, charter: Charter = PRESETS["unremovable"], seed: object = 0
    ) -> None:
        self.entropy = entropy_of(f"people {seed}")
        self.tick = TICK
        founder = names[0]
        state, self.extension = found_group(
            GROUP, key_of(founder), charter, RELAYS,
            tick=TICK, entropy=self.entropy,
        )  # fmt: skip
        self.members = {founder: Person(founder, state)}
        self.handshakes: list[Handshake] = []
        if names[1:]:
            self.add(founder, *names[1:])

    def __getitem__(self, name: str) -> Person:
        return self.members[name]

    @property
    def charter(self) -> Charter:
        return self.extension.charter

    def bundle(self, name: str) -> mls.KeyPackageBundle:
        return make_key_package(key_of(name), self.entropy)

    def commit(
        self, by: str, proposals: Sequence[mls.Proposal] = (), *, takes_away: bool = False
    ) -> bytes | None:
        """A commit that all follow; the Welcome."""
        self.tick += 1
        committer = self[by]
        before = committer.state.secrets.before_commit(self.tick, committer.seat, takes_away)
        created = committer.state.group.commit(
            proposals,
            authenticated_data=CommitEvidence(self.tick, ()).encode(),
            tree_extension=False,
            group_info_extensions=[mls.Extension(EXTENSION_TYPE, before.encode())],
            entropy=self.entropy,
        )
        self.handshakes.append(
            Handshake(committer.state.authenticator, created.message, created.welcome or b"")
        )
        for person in list(self.members.values()):
            own = person is committer
            staged = created.staged if own else person.state.group.stage(created.message)
            if staged.group is None:
                del self.members[person.name]
                continue
            person.state = EpochState(staged.merge(), before.after_commit(staged.group.export))
        return created.welcome

    def add(self, by: str, *names: str) -> bytes:
        bundles = {name: self.bundle(name) for name in names}
        welcome = self.commit(by, [mls.Add(one.key_package) for one in bundles.values()])
        assert welcome is not None
        for name, bundle in bundles.items():
            tree = self[by].state.group.ratchet_tree()
            group = mls.Group.join(welcome, bundle, ratchet_tree=tree)
            self.members[name] = Person(name, EpochState(group, self[by].state.secrets))
        return welcome

    def remove(self, by: str, name: str) -> None:
        self.commit(by, [mls.Remove(self[name].state.own_leaf)], takes_away=True)

    def context(self, name: str, now: float = 100.0) -> Context:
        return make_context(GROUP, key_of(name), RELAYS, now, WALL_S, entropy_of(f"context {name}"))


__all__ = ["MeetingExtension", "People", "Person", "Signed"]
