"""A member who holds all the keys and breaks the rules: it makes commits that no honest agent
makes, and publishes them as honest ones are published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot import mls
from folkmoot.agreement import Naming
from folkmoot.governance import EXTENSION_TYPE as MEETING_TYPE
from folkmoot.governance.evidence import CommitEvidence, Evidence, Farewell, make_farewell
from folkmoot.governance.roll import EXTENSION_TYPE as ROLL_TYPE
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.founding import SUITE
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.records import Content, Handshake, ItemKind, RecordKind, sign_statement
from folkmoot.meeting.secrets import EXTENSION_TYPE
from folkmoot.mls import path
from folkmoot.mls.crypto import SignaturePrivateKey
from folkmoot.mls.leaf_node import LeafContent
from folkmoot.wire.labels import Sign
from simulation.meeting_world import WALL_S, Member, World


@dataclass(frozen=True)
class Forged:
    """A commit as it was published, and the epoch that it would make."""

    handshake: Handshake
    child: bytes | None


class Hostile:
    """One member of a world, driven past its own rules."""

    def __init__(self, world: World, member: Member) -> None:
        self.world = world
        self.member = member

    @property
    def inside(self) -> Inside:
        inside = self.member.meeting._inside
        assert inside is not None
        return inside

    @property
    def state(self) -> EpochState:
        return self.inside.epochs.current

    @property
    def tick(self) -> int:
        return int(WALL_S + self.world.now)

    @property
    def key(self) -> Ed25519PrivateKey:
        return self.member.meeting._context.key

    def leaf_of(self, other: Member) -> int:
        entry = self.state.entry_of(other.meeting.seat)
        assert entry is not None
        return entry.leaf

    def farewell_of(self, other: Member, key: Ed25519PrivateKey) -> Farewell:
        """A farewell of the other's present leaf, signed by whomever."""
        entry = self.state.entry_of(other.meeting.seat)
        assert entry is not None
        return make_farewell(key, self.state.group.group_id, entry.seat, entry.leaf_hash)

    # -- saying

    def publish(self, kind: RecordKind, body: bytes) -> None:
        """A record to everybody, as if it were any other."""
        self.inside.publish(kind, body, self.world.now)

    def propose(self, proposal: mls.Proposal) -> bytes:
        """A proposal to all, in the only record whose MLS message honest members open; the
        message."""
        message = self.state.group.propose(proposal, entropy=self.world.entropy)
        self.publish(RecordKind.CONTENT, Content(self.state.authenticator, message).encode())
        return message

    def commit(
        self,
        proposals: Sequence[Any] = (),
        evidence: Sequence[Evidence] = (),
        *,
        tick: int | None = None,
        **options: Any,
    ) -> Forged:
        """Makes a correct MLS commit of whatever is asked for, says it and names it."""
        data = CommitEvidence(self.tick if tick is None else tick, tuple(evidence)).encode()
        secrets = self.state.secrets.before_commit(self.tick, self.member.meeting.seat, False)
        created = self.state.group.commit(
            proposals,
            authenticated_data=data,
            tree_extension=False,
            group_info_extensions=[mls.Extension(EXTENSION_TYPE, secrets.encode())],
            entropy=self.world.entropy,
            **options,
        )
        group = created.staged.group
        child = None if group is None else group.epoch_authenticator
        return self.say(created.message, created.welcome or b"", child)

    def say(self, message: bytes, welcome: bytes = b"", child: bytes | None = None) -> Forged:
        """Publishes a commit, and names it as if it were the only one."""
        handshake = Handshake(self.state.authenticator, message, welcome)
        self.publish(RecordKind.HANDSHAKE, handshake.encode())
        if child is not None:
            self.name(child)
        return Forged(handshake, child)

    def name(self, child: bytes) -> None:
        """Names and locks a candidate, for itself alone."""
        naming = Naming(self.state.authenticator, 0, child, True)
        context = self.member.meeting._context
        signed = sign_statement(
            self.key, Sign.NAMING, context.group_id, context.seat + naming.encode()
        )
        self.inside.council.state(ItemKind.NAMING, signed.encode(), b"forged")


def forge_leaf(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[LeafContent], LeafContent],
    signer: bytes | None = None,
) -> None:
    """From now on commits carry a leaf of their committer that says something else, under the key
    `signer` (32 bytes) if that is given."""

    def create_path(
        suite: Any, tree: Any, leaf: int, content: Any, own: SignaturePrivateKey, *rest: Any
    ) -> Any:
        mine = own if signer is None else suite.load_signature_private(signer)
        return path.create_path(suite, tree, leaf, lambda key: change(content(key)), mine, *rest)

    monkeypatch.setattr("folkmoot.mls.committing.create_path", create_path)


def in_seat(seat: bytes, key: bytes, entropy: Callable[[int], bytes]) -> mls.KeyPackageBundle:
    """A key package for a seat (16 bytes), whoever's the private key (32 bytes) is."""
    extensions = MEETING_TYPE, ROLL_TYPE
    return mls.create_key_package(
        SUITE, seat, entropy, signature_private=key, extension_types=extensions
    )


def with_seat(seat: bytes) -> Callable[[LeafContent], LeafContent]:
    """What makes a leaf name another seat."""
    return lambda content: replace(content, credential=mls.Credential.basic(seat))
