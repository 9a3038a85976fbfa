"""All that one member knows in one epoch, and how the next one follows (RFC 9420 §8, §12.4).

Public state and secrets of the epoch never change. What does change is named: message keys are used
up, proposals are stored, external pre-shared keys are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from folkmoot.mls import key_schedule, transcript
from folkmoot.mls import psk as psks
from folkmoot.mls.crypto import CipherSuite, SignaturePrivateKey
from folkmoot.mls.errors import Check, StateError, ValidationError
from folkmoot.mls.evolution import Change
from folkmoot.mls.framing import AuthenticatedContent
from folkmoot.mls.group_context import GroupContext
from folkmoot.mls.hpke import HpkePrivateKey
from folkmoot.mls.key_schedule import EpochSecrets
from folkmoot.mls.leaf_node import LeafNode
from folkmoot.mls.path import PathKeys
from folkmoot.mls.proposals import ReInit
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.mls.secret_tree import SecretTree
from folkmoot.mls.tree import RatchetTree
from folkmoot.mls.validation import SentProposal, VerifiedLeaves

EPOCH_MAX = (1 << 64) - 1
# Resumption PSKs of earlier epochs that are kept (§8.6). More lets a PSK reach further back; each
# is a secret that outlives its epoch.
RESUMPTION_PSKS_MAX = 32
STORED_PROPOSALS_MAX = 1024
EXTERNAL_PSKS_MAX = 1024
OWN_UPDATES_MAX = 16

History = Mapping[tuple[bytes, int], bytes]


@dataclass(slots=True, eq=False, repr=False)
class Epoch:
    """One epoch as one member sees it."""

    suite: CipherSuite
    context: GroupContext
    tree: RatchetTree
    keys: PathKeys
    signer: SignaturePrivateKey
    secrets: EpochSecrets
    secret_tree: SecretTree
    interim_transcript_hash: bytes
    confirmation_tag: bytes
    seen: VerifiedLeaves
    # Resumption PSKs by group and epoch, this one's included.
    history: History
    # Shared by all epochs of the group: the application says what is in it.
    external_psks: dict[bytes, bytes]
    # Set when the commit that led here ends the group (§11.2).
    reinit: ReInit | None = None
    stored: dict[bytes, SentProposal] = field(default_factory=dict)
    # Private keys of our own Updates that nobody committed yet, by public key.
    own_updates: dict[bytes, HpkePrivateKey] = field(default_factory=dict)
    context_bytes: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.context_bytes = self.context.encode()

    @property
    def own_leaf(self) -> int:
        return self.keys.leaf

    @property
    def own_node(self) -> LeafNode:
        node = self.tree.leaf(self.keys.leaf)
        assert node is not None  # a member is in its own tree
        return node

    def psk(self, name: PreSharedKeyID) -> bytes:
        """The key that is named; raises MlsError when we do not have it."""
        return find_psk(name, self.external_psks, self.history)

    def check_usable(self) -> None:
        """That the group may still send (§12.4.2): not after a ReInit."""
        if self.reinit is not None:
            raise StateError(Check.REINIT_DONE)


def find_psk(name: PreSharedKeyID, external: Mapping[bytes, bytes], history: History) -> bytes:
    """The pre-shared key that is named (§8.4); raises MlsError when it is not here."""
    if name.type == psks.EXTERNAL:
        value = external.get(name.psk_id)
    else:
        value = history.get((name.psk_id, name.psk_epoch))
    if value is None:
        raise StateError(Check.PSK_UNKNOWN)
    return value


def extended_history(history: History, context: GroupContext, resumption_psk: bytes) -> History:
    """The history with one epoch more, without those too old to keep."""
    items = [*history.items(), ((context.group_id, context.epoch), resumption_psk)]
    return dict(items[-RESUMPTION_PSKS_MAX:])


@dataclass(frozen=True, slots=True, repr=False)
class Advanced:
    """A new epoch, and what only a Welcome still needs of how it came about."""

    epoch: Epoch
    joiner_secret: bytes
    psk_secret: bytes


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """What a commit brings to the key schedule, besides its proposals."""

    keys: PathKeys
    signer: SignaturePrivateKey
    commit_secret: bytes
    init_secret: bytes
    signed: AuthenticatedContent  # without its confirmation tag, or with it


def next_context(before: GroupContext, change: Change, tree_hash: bytes) -> GroupContext:
    """The provisional GroupContext (§12.4.1): new epoch, tree and extensions, old transcript."""
    if before.epoch >= EPOCH_MAX:
        raise ValidationError(Check.EPOCH_EXHAUSTED)
    return GroupContext(
        suite=before.suite,
        group_id=before.group_id,
        epoch=before.epoch + 1,
        tree_hash=tree_hash,
        confirmed_transcript_hash=before.confirmed_transcript_hash,
        extensions=change.extensions,
    )


def advance(
    suite: CipherSuite,
    before: GroupContext,
    interim_before: bytes,
    change: Change,
    step: Step,
    history: History,
    external_psks: dict[bytes, bytes],
    seen: VerifiedLeaves,
) -> Advanced:
    """The epoch that a commit leads to (§12.4.1, §12.4.2); raises MlsError.

    Its confirmation tag is what the commit must carry: the caller compares, or sends it.
    """
    named = [(name, find_psk(name, external_psks, history)) for name in change.psks]
    psk_secret = psks.psk_secret(suite, named)
    tree_hash = change.tree.tree_hash()
    provisional = next_context(before, change, tree_hash)
    confirmed = transcript.confirmed_transcript_hash(suite, interim_before, step.signed)
    context = GroupContext(
        suite=provisional.suite,
        group_id=provisional.group_id,
        epoch=provisional.epoch,
        tree_hash=tree_hash,
        confirmed_transcript_hash=confirmed,
        extensions=provisional.extensions,
    )
    encoded = context.encode()
    joiner = key_schedule.joiner_secret(suite, step.init_secret, step.commit_secret, encoded)
    secret = key_schedule.epoch_secret(suite, joiner, psk_secret, encoded)
    secrets, encryption_secret = key_schedule.derive_epoch(suite, secret)
    tag = secrets.confirmation_tag(confirmed)
    epoch = Epoch(
        suite=suite,
        context=context,
        tree=change.tree,
        keys=step.keys,
        signer=step.signer,
        secrets=secrets,
        secret_tree=SecretTree(suite, change.tree.leaf_count, encryption_secret),
        interim_transcript_hash=transcript.interim_transcript_hash(suite, confirmed, tag),
        confirmation_tag=tag,
        seen=seen,
        history=extended_history(history, context, secrets.resumption_psk),
        external_psks=external_psks,
        reinit=change.reinit,
    )
    return Advanced(epoch, joiner, psk_secret)
