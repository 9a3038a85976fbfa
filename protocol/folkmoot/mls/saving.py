"""An epoch as bytes for the disk, secrets included, and back. The form is our own."""

from __future__ import annotations

from folkmoot.mls.crypto import CipherSuite, suite_of
from folkmoot.mls.epoch import (
    EXTERNAL_PSKS_MAX,
    OWN_UPDATES_MAX,
    RESUMPTION_PSKS_MAX,
    STORED_PROPOSALS_MAX,
    Epoch,
)
from folkmoot.mls.errors import Check, MlsError, StateError, UsageError
from folkmoot.mls.group_context import GroupContext
from folkmoot.mls.key_schedule import EpochSecrets
from folkmoot.mls.path import PathKeys
from folkmoot.mls.proposals import ReInit, encode_proposal, read_proposal
from folkmoot.mls.secret_tree import SecretTree
from folkmoot.mls.tree import RatchetTree
from folkmoot.mls.validation import SentProposal, VerifiedLeaves
from folkmoot.wire import codec

_MAGIC = b"Folkmoot MLS 1"
_PATH_KEYS_MAX = 32


def encode(epoch: Epoch) -> bytes:
    """All of the epoch; these bytes are as secret as the group."""
    return b"".join(
        (
            _MAGIC,
            epoch.context_bytes,
            epoch.tree.encode(),
            codec.u32(epoch.own_leaf),
            codec.vector(
                codec.u32(node) + codec.opaque(key.data) for node, key in epoch.keys.keys.items()
            ),
            codec.opaque(epoch.signer.data),
            epoch.secrets.encode(),
            epoch.secret_tree.encode(),
            codec.opaque(epoch.interim_transcript_hash),
            codec.opaque(epoch.confirmation_tag),
            codec.vector(
                codec.opaque(group_id) + codec.u64(number) + codec.opaque(psk)
                for (group_id, number), psk in epoch.history.items()
            ),
            codec.vector(
                codec.opaque(name) + codec.opaque(psk) for name, psk in epoch.external_psks.items()
            ),
            codec.optional(None if epoch.reinit is None else epoch.reinit.encode()),
            codec.vector(
                codec.opaque(reference) + _encode_sent(item)
                for reference, item in epoch.stored.items()
            ),
            codec.vector(codec.opaque(key.data) for key in epoch.own_updates.values()),
        )
    )


def _encode_sent(item: SentProposal) -> bytes:
    sender = None if item.sender is None else codec.u32(item.sender)
    return codec.optional(sender) + encode_proposal(item.proposal)


def _read_sent(reader: codec.Reader) -> tuple[bytes, SentProposal]:
    reference = reader.opaque()
    sender = reader.optional(codec.Reader.u32)
    return reference, SentProposal(read_proposal(reader), sender)


def _read_keys(reader: codec.Reader, suite: CipherSuite, tree: RatchetTree) -> PathKeys:
    own = reader.u32()

    def read_key(inner: codec.Reader) -> tuple[int, bytes]:
        return inner.u32(), inner.opaque()

    loaded = {
        node: suite.load_hpke_private(data)
        for node, data in reader.vector(read_key, items_max=_PATH_KEYS_MAX)
    }
    keys = PathKeys(own, loaded).fitting(tree, {})
    if 2 * own not in keys.keys or len(keys.keys) != len(loaded):
        raise codec.DecodeError("private keys that are not of this tree")
    return keys


def _read_epoch(reader: codec.Reader) -> Epoch:
    if reader.take(len(_MAGIC)) != _MAGIC:
        raise codec.DecodeError("no saved group of this version")
    context = GroupContext.read(reader)
    suite = suite_of(context.suite)
    tree = RatchetTree.read(reader)
    if tree.tree_hash() != context.tree_hash:
        raise codec.DecodeError("another tree than that of the epoch")
    keys = _read_keys(reader, suite, tree)
    signer = suite.load_signature_private(reader.opaque())
    own = tree.leaf(keys.leaf)
    if own is None or signer.public.data != own.signature_key:
        raise codec.DecodeError("another signature key than our leaf's")
    secrets = EpochSecrets.read(suite, reader)
    secret_tree = SecretTree.read(suite, reader)
    if secret_tree.leaves != tree.leaf_count:
        raise codec.DecodeError("a secret tree of another size")
    interim, tag = reader.opaque(), reader.opaque()

    def read_past(inner: codec.Reader) -> tuple[tuple[bytes, int], bytes]:
        return (inner.opaque(), inner.u64()), inner.opaque()

    def read_external(inner: codec.Reader) -> tuple[bytes, bytes]:
        return inner.opaque(), inner.opaque()

    history = dict(reader.vector(read_past, items_max=RESUMPTION_PSKS_MAX))
    external = dict(reader.vector(read_external, items_max=EXTERNAL_PSKS_MAX))
    reinit = reader.optional(ReInit.read)
    stored = dict(reader.vector(_read_sent, items_max=STORED_PROPOSALS_MAX))
    updates = [
        suite.load_hpke_private(data)
        for data in reader.vector(codec.Reader.opaque, items_max=OWN_UPDATES_MAX)
    ]
    return Epoch(
        suite=suite,
        context=context,
        tree=tree,
        keys=keys,
        signer=signer,
        secrets=secrets,
        secret_tree=secret_tree,
        interim_transcript_hash=interim,
        confirmation_tag=tag,
        seen=VerifiedLeaves(),
        history=history,
        external_psks=external,
        reinit=reinit,
        stored=stored,
        own_updates={key.public.data: key for key in updates},
    )


def decode(data: bytes) -> Epoch:
    """What `encode` gave; raises MlsError."""
    try:
        return codec.decode(_read_epoch, data)
    except (codec.DecodeError, MlsError, UsageError) as error:
        raise StateError(Check.SAVED_STATE, str(error)) from None
