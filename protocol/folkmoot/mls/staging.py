"""Opening messages, and following a commit without moving to where it leads (RFC 9420 §12.4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from folkmoot.mls import extensions as ext
from folkmoot.mls import key_schedule, path, protection, validation
from folkmoot.mls.commit import Commit, ProposalRef, UpdatePath
from folkmoot.mls.crypto import SignaturePublicKey
from folkmoot.mls.epoch import Epoch, Step, advance, next_context
from folkmoot.mls.errors import (
    Check,
    FramingError,
    GenerationError,
    MlsError,
    StateError,
    ValidationError,
)
from folkmoot.mls.evolution import Change, evolve
from folkmoot.mls.framing import (
    EXTERNAL,
    MEMBER,
    NEW_MEMBER_COMMIT,
    FramedContent,
    PrivateMessage,
    PublicMessage,
)
from folkmoot.mls.message import Body
from folkmoot.mls.path import PathKeys
from folkmoot.mls.proposals import Add
from folkmoot.mls.protection import VerifiedContent
from folkmoot.mls.secret_tree import MessageKey
from folkmoot.mls.validation import SentProposal


def _find_key(epoch: Epoch, content: FramedContent) -> SignaturePublicKey:
    """The key that must have signed this (§6.1); raises MlsError when none may."""
    sender = content.sender
    if sender.type == MEMBER:
        node = epoch.tree.leaf(sender.index)
        if node is None:
            raise FramingError(Check.SENDER_BLANK, f"leaf {sender.index}")
        return epoch.suite.load_signature_public(node.signature_key)
    if sender.type == EXTERNAL:
        senders = ext.external_senders(epoch.context.extensions)
        if sender.index >= len(senders):
            raise FramingError(Check.SENDER, f"no external sender {sender.index}")
        return epoch.suite.load_signature_public(senders[sender.index].signature_key)
    body = content.body
    if sender.type == NEW_MEMBER_COMMIT and isinstance(body, Commit):
        if body.path is None:
            raise ValidationError(Check.EXTERNAL_PATH)
        return epoch.suite.load_signature_public(body.path.leaf_node.signature_key)
    assert isinstance(body, Add)  # `protection` lets newcomers send nothing else
    return epoch.suite.load_signature_public(body.package.leaf_node.signature_key)


def open_message(epoch: Epoch, body: Body) -> VerifiedContent:
    """Opens and verifies a message of this epoch; consumes nothing; raises MlsError."""
    if not isinstance(body, PublicMessage | PrivateMessage):
        raise FramingError(Check.WIRE_FORMAT, "neither PublicMessage nor PrivateMessage")

    def find_key(content: FramedContent) -> SignaturePublicKey:
        return _find_key(epoch, content)

    suite, secrets, context = epoch.suite, epoch.secrets, epoch.context
    if isinstance(body, PublicMessage):
        protection.check_frame(body.content, context.group_id, context.epoch)
        return protection.unprotect_public(
            suite, body, secrets.membership_key, epoch.context_bytes, find_key
        )
    protection.check_frame(body, context.group_id, context.epoch)
    try:
        return protection.unprotect_private(
            suite,
            body,
            secrets.sender_data_secret,
            epoch.secret_tree,
            epoch.context_bytes,
            find_key,
        )
    except GenerationError:
        sender = protection.open_sender_data(suite, body, secrets.sender_data_secret)
        if sender.leaf == epoch.own_leaf:
            raise StateError(Check.OWN_MESSAGE) from None
        raise


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """A commit that was followed to its end; `after` is None when it removes us."""

    before: Epoch
    after: Epoch | None
    committer: int | None
    committer_leaf: int
    authenticated_data: bytes
    proposals: tuple[SentProposal, ...]
    change: Change
    used: MessageKey | None


def resolve(epoch: Epoch, commit: Commit, sender: int | None) -> tuple[SentProposal, ...]:
    """The proposals of a commit, with those it only refers to looked up (§12.4)."""
    found = []
    for item in commit.proposals:
        if isinstance(item, ProposalRef):
            stored = epoch.stored.get(item.reference)
            if stored is None:
                raise StateError(Check.PROPOSAL_UNKNOWN)
            found.append(stored)
        else:
            found.append(SentProposal(item, sender))
    return tuple(found)


def stage(epoch: Epoch, verified: VerifiedContent) -> Outcome:
    """Follows a verified commit to the epoch that it leads to; raises MlsError.

    Every check comes before the return, and nothing of `epoch` is changed.
    """
    content = verified.content
    commit = content.body
    if not isinstance(commit, Commit):
        raise FramingError(Check.WIRE_FORMAT, "no commit")
    committer = verified.sender.leaf
    if committer == epoch.own_leaf:
        raise StateError(Check.OWN_MESSAGE, "merge what `commit` gave")
    epoch.check_usable()
    proposals = resolve(epoch, commit, committer)
    references = sum(isinstance(item, ProposalRef) for item in commit.proposals)
    change = evolve(
        epoch.suite,
        epoch.context,
        epoch.tree,
        epoch.seen,
        proposals,
        committer,
        references=references,
    )
    for name in change.psks:
        epoch.psk(name)
    if commit.path is None and change.path_required:
        raise ValidationError(Check.PATH_REQUIRED)
    leaf = change.tree.blank_leaf_index() if committer is None else committer
    replaced = _replaced(epoch, change, committer)
    if commit.path is not None:
        _merge_path(epoch, change, commit.path, leaf, replaced)
    validation.check_members(change.tree)
    after = None
    if epoch.own_leaf not in change.removed:
        after = _follow(epoch, change, commit.path, leaf, verified)
    return Outcome(
        before=epoch,
        after=after,
        committer=committer,
        committer_leaf=leaf,
        authenticated_data=content.authenticated_data,
        proposals=proposals,
        change=change,
        used=verified.used,
    )


def _replaced(epoch: Epoch, change: Change, committer: int | None) -> int | None:
    """The leaf whose place the committer's new leaf takes: its own, or its older self's (§12.2)."""
    if committer is not None:
        return committer
    return change.removed[0] if change.removed else None


def _merge_path(
    epoch: Epoch, change: Change, update: UpdatePath, leaf: int, replaced: int | None
) -> None:
    """Checks the public part of a path and puts it into the changed tree (§12.4.2)."""
    tree, node = change.tree, update.leaf_node
    old = None if replaced is None else epoch.tree.leaf(replaced)
    validation.check_path_leaf(node, old)
    if change.external_init is not None and old is not None and old.credential != node.credential:
        raise ValidationError(Check.EXTERNAL_RESYNC)
    validation.check_leaf_content(node, change.rules)
    epoch.seen.check_leaf(epoch.suite, node, epoch.context.group_id, leaf)
    path.check_path_shape(tree, leaf, update, change.added_leaves)
    keys = [one.encryption_key for one in update.nodes]
    validation.check_path_keys_new(tree, [node.encryption_key, *keys])
    for key in keys:
        # We may not be below this node, and could not encrypt to a key that is none.
        epoch.suite.load_hpke_public(key)
    if tree.merge_path_keys(leaf, keys) != node.parent_hash:
        raise ValidationError(Check.PATH_PARENT_HASH)
    tree.set_leaf(leaf, node)


def _follow(
    epoch: Epoch, change: Change, update: UpdatePath | None, leaf: int, verified: VerifiedContent
) -> Epoch:
    """The secret part: path secrets, key schedule, confirmation tag."""
    suite = epoch.suite
    own = _own_keys(epoch, change)
    commit_secret = bytes(suite.nh)
    if update is not None:
        context = next_context(epoch.context, change, change.tree.tree_hash()).encode()
        followed = path.follow_path(
            suite, change.tree, leaf, update, own, change.added_leaves, context
        )
        commit_secret = followed.commit_secret
        own = own.fitting(change.tree, followed.keys)
    else:
        own = own.fitting(change.tree, {})
    init_secret = epoch.secrets.init_secret
    if change.external_init is not None:
        init_secret = key_schedule.external_init_receive(
            suite, epoch.secrets.external_key(), change.external_init.kem_output
        )
    step = Step(own, epoch.signer, commit_secret, init_secret, verified.authenticated)
    after = advance(
        suite,
        epoch.context,
        epoch.interim_transcript_hash,
        change,
        step,
        epoch.history,
        epoch.external_psks,
        epoch.seen,
    ).epoch
    tag = verified.authenticated.confirmation_tag
    assert tag is not None  # a commit without one does not decode
    after.secrets.verify_confirmation_tag(after.context.confirmed_transcript_hash, tag)
    return after


def _own_keys(epoch: Epoch, change: Change) -> PathKeys:
    """Our keys, with that of our own Update if it is in the commit."""
    if epoch.own_leaf not in change.updated:
        return epoch.keys
    node = change.tree.leaf(epoch.own_leaf)
    key = None if node is None else epoch.own_updates.get(node.encryption_key)
    if key is None:
        raise MlsError(Check.PRIVATE_KEY, "of an Update of our own that we do not know")
    return PathKeys.of_leaf(epoch.own_leaf, key)
