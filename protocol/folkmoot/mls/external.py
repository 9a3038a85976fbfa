"""Coming in from outside: external commits and proposals (RFC 9420 §12.1.8, §12.4.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from folkmoot.mls import key_schedule, protection, transcript, validation
from folkmoot.mls.commit import Commit
from folkmoot.mls.crypto import CipherSuite, suite_of
from folkmoot.mls.epoch import Epoch, Step, advance, next_context
from folkmoot.mls.errors import Check, FramingError, MalformedError, ValidationError
from folkmoot.mls.evolution import evolve
from folkmoot.mls.extensions import EXTERNAL_PUB, Extension, read_external_pub
from folkmoot.mls.framing import (
    EXTERNAL,
    NEW_MEMBER_COMMIT,
    NEW_MEMBER_PROPOSAL,
    PUBLIC_MESSAGE,
    FramedContent,
    Sender,
)
from folkmoot.mls.group_info import GroupInfo
from folkmoot.mls.hpke import Entropy
from folkmoot.mls.joining import check_group_info, check_own_support, read_tree
from folkmoot.mls.key_package import KeyPackageBundle
from folkmoot.mls.leaf_node import LeafContent, LeafNode
from folkmoot.mls.message import decode_message, encode_message
from folkmoot.mls.path import PathKeys, create_path
from folkmoot.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
)
from folkmoot.mls.tree import RatchetTree
from folkmoot.mls.validation import SentProposal, VerifiedLeaves
from folkmoot.wire import codec


def _read_group_info(message: bytes) -> GroupInfo:
    info = decode_message(message)
    if not isinstance(info, GroupInfo):
        raise FramingError(Check.WIRE_FORMAT, "no GroupInfo")
    return info


def _external_pub(info: GroupInfo) -> bytes:
    data = info.extension(EXTERNAL_PUB)
    if data is None:
        raise ValidationError(Check.GROUP_INFO_EXTERNAL_PUB)
    try:
        return codec.decode(read_external_pub, data)
    except codec.DecodeError as error:
        raise MalformedError(Check.GROUP_INFO_EXTERNAL_PUB, str(error)) from None


def _older_self(tree: RatchetTree, node: LeafNode) -> int:
    for leaf, other in tree.leaves():
        if other.credential == node.credential:
            return leaf
    raise ValidationError(Check.EXTERNAL_RESYNC, "nobody with our credential is in the group")


def join_from_outside(
    message: bytes,
    bundle: KeyPackageBundle,
    ratchet_tree: bytes | None,
    resync: bool,
    external_psks: dict[bytes, bytes],
    psk_proposals: Sequence[PreSharedKey],
    authenticated_data: bytes,
    entropy: Entropy,
) -> tuple[Epoch, tuple[Extension, ...], bytes]:
    """Joins by an external commit: the epoch after it, the GroupInfo's extensions, the commit."""
    info = _read_group_info(message)
    context = info.context
    suite = suite_of(context.suite)
    package = bundle.package
    if package.suite != suite.id:
        raise ValidationError(Check.GROUP_INFO, "of another suite than the key package")
    bundle.check()
    tree = read_tree(info, ratchet_tree)
    seen = VerifiedLeaves()
    check_own_support(package, context)
    check_group_info(suite, info, tree, seen)
    kem_output, init_secret = key_schedule.external_init_send(suite, _external_pub(info), entropy)
    proposals: list[Proposal] = [ExternalInit(kem_output), *psk_proposals]
    if resync:
        proposals.append(Remove(_older_self(tree, package.leaf_node)))
    change = evolve(
        suite, context, tree, seen, [SentProposal(one, None) for one in proposals], None
    )
    own = change.tree.blank_leaf_index()
    signer = suite.load_signature_private(bundle.signature_private)
    made = create_path(
        suite,
        change.tree,
        own,
        lambda public: LeafContent.of(package.leaf_node, public),
        signer,
        context.group_id,
        (),
        lambda tree_hash: next_context(context, change, tree_hash).encode(),
        entropy,
    )
    validation.check_leaf_content(made.update_path.leaf_node, change.rules)
    validation.check_members(change.tree)
    content = FramedContent(
        context.group_id,
        context.epoch,
        Sender(NEW_MEMBER_COMMIT),
        authenticated_data,
        Commit(tuple(proposals), made.update_path),
    )
    signed = protection.sign(suite, PUBLIC_MESSAGE, content, signer, context.encode())
    interim = transcript.interim_transcript_hash(
        suite, context.confirmed_transcript_hash, info.confirmation_tag
    )
    keys = PathKeys(own, dict(made.keys))
    step = Step(keys, signer, made.commit_secret, init_secret, signed)
    epoch = advance(suite, context, interim, change, step, {}, external_psks, seen).epoch
    tagged = protection.with_confirmation_tag(signed, epoch.confirmation_tag)
    public = protection.protect_public(suite, tagged, b"", b"")
    return epoch, info.extensions, encode_message(public)


def _outside_message(
    suite: CipherSuite,
    group_id: bytes,
    epoch: int,
    sender: Sender,
    proposal: Proposal,
    signature_private: bytes,
) -> bytes:
    content = FramedContent(group_id, epoch, sender, b"", proposal)
    signer = suite.load_signature_private(signature_private)
    signed = protection.sign(suite, PUBLIC_MESSAGE, content, signer, b"")
    return encode_message(protection.protect_public(suite, signed, b"", b""))


def propose_own_add(bundle: KeyPackageBundle, group_id: bytes, epoch: int) -> bytes:
    """A newcomer's proposal to be added, for whom no member speaks (§12.1.8)."""
    suite = suite_of(bundle.package.suite)
    sender = Sender(NEW_MEMBER_PROPOSAL)
    proposal = Add(bundle.key_package)
    return _outside_message(suite, group_id, epoch, sender, proposal, bundle.signature_private)


def propose_from_outside(
    suite_id: int,
    group_id: bytes,
    epoch: int,
    sender_index: int,
    proposal: Add | Remove | PreSharedKey | ReInit | GroupContextExtensions,
    signature_private: bytes,
) -> bytes:
    """A proposal of the sender at `sender_index` in the group's external senders (§12.1.8.1)."""
    suite = suite_of(suite_id)
    sender = Sender(EXTERNAL, sender_index)
    return _outside_message(suite, group_id, epoch, sender, proposal, signature_private)
