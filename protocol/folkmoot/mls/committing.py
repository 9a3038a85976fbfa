"""Making a commit, and the Welcome for those whom it adds (RFC 9420 §12.4.1, §12.4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from folkmoot.mls import key_schedule, protection, tree_math, validation
from folkmoot.mls.commit import Commit, HPKECiphertext, ProposalOrRef
from folkmoot.mls.crypto import CipherSuite
from folkmoot.mls.epoch import Advanced, Epoch, Step, advance, next_context
from folkmoot.mls.errors import UsageError
from folkmoot.mls.evolution import Change, evolve
from folkmoot.mls.extensions import EXTERNAL_PUB, RATCHET_TREE, Extension
from folkmoot.mls.framing import (
    PRIVATE_MESSAGE,
    PUBLIC_MESSAGE,
    AuthenticatedContent,
    FramedContent,
    Sender,
)
from folkmoot.mls.group_info import GroupInfo
from folkmoot.mls.hpke import Entropy
from folkmoot.mls.leaf_node import LeafContent
from folkmoot.mls.message import encode_message
from folkmoot.mls.path import NewPath, create_path
from folkmoot.mls.proposals import Custom
from folkmoot.mls.staging import Outcome, resolve
from folkmoot.mls.welcome import EncryptedGroupSecrets, GroupSecrets, Welcome
from folkmoot.wire import codec


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """How a commit is made, besides what is in it."""

    authenticated_data: bytes = b""
    public: bool = False
    tree_extension: bool = True
    group_info_extensions: tuple[Extension, ...] = ()
    leaf_extensions: tuple[Extension, ...] | None = None
    force_path: bool = True
    resuming: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Made:
    """A commit of our own: both messages framed as MLSMessages, and where it leads."""

    message: bytes
    welcome: bytes | None
    outcome: Outcome


def make_commit(
    epoch: Epoch, items: Sequence[ProposalOrRef], options: CommitOptions, entropy: Entropy
) -> Made:
    """Makes a commit; of `epoch` only a key of our own ratchet is used up. Raises MlsError."""
    epoch.check_usable()
    suite = epoch.suite
    own = epoch.own_leaf
    proposals = resolve(epoch, Commit(tuple(items), None), own)
    change = evolve(
        suite,
        epoch.context,
        epoch.tree,
        epoch.seen,
        proposals,
        own,
        resuming=options.resuming,
    )
    for name in change.psks:
        epoch.psk(name)
    new_path = None
    custom = any(isinstance(item.proposal, Custom) for item in proposals)
    # The RFC lets custom types say whether they need a path; mls-rs takes it that they do.
    if change.path_required or options.force_path or custom:
        new_path = _make_path(epoch, change, options, entropy)
    validation.check_members(change.tree)
    commit = Commit(tuple(items), None if new_path is None else new_path.update_path)
    content = FramedContent(
        epoch.context.group_id,
        epoch.context.epoch,
        Sender.member(own),
        options.authenticated_data,
        commit,
    )
    wire_format = PUBLIC_MESSAGE if options.public else PRIVATE_MESSAGE
    signed = protection.sign(suite, wire_format, content, epoch.signer, epoch.context_bytes)
    keys = epoch.keys.fitting(change.tree, {} if new_path is None else new_path.keys)
    step = Step(
        keys=keys,
        signer=epoch.signer,
        commit_secret=bytes(suite.nh) if new_path is None else new_path.commit_secret,
        init_secret=epoch.secrets.init_secret,
        signed=signed,
    )
    advanced = advance(
        suite,
        epoch.context,
        epoch.interim_transcript_hash,
        change,
        step,
        epoch.history,
        epoch.external_psks,
        epoch.seen,
    )
    tagged = protection.with_confirmation_tag(signed, advanced.epoch.confirmation_tag)
    welcome = None
    if change.added:
        welcome = _make_welcome(advanced, change, new_path, options, entropy)
    # Last, so that a commit that cannot be made uses up no key.
    message = _protect(epoch, tagged, entropy)
    outcome = Outcome(
        before=epoch,
        after=advanced.epoch,
        committer=own,
        committer_leaf=own,
        authenticated_data=options.authenticated_data,
        proposals=proposals,
        change=change,
        used=None,
    )
    return Made(message, welcome, outcome)


def _protect(epoch: Epoch, tagged: AuthenticatedContent, entropy: Entropy) -> bytes:
    if tagged.wire_format == PUBLIC_MESSAGE:
        return encode_message(
            protection.protect_public(
                epoch.suite, tagged, epoch.secrets.membership_key, epoch.context_bytes
            )
        )
    return encode_message(
        protection.protect_private(
            epoch.suite, tagged, epoch.secrets.sender_data_secret, epoch.secret_tree, entropy
        )
    )


def _make_path(epoch: Epoch, change: Change, options: CommitOptions, entropy: Entropy) -> NewPath:
    old = epoch.own_node
    made = create_path(
        epoch.suite,
        change.tree,
        epoch.own_leaf,
        lambda public: LeafContent.of(old, public, options.leaf_extensions),
        epoch.signer,
        epoch.context.group_id,
        change.added_leaves,
        lambda tree_hash: next_context(epoch.context, change, tree_hash).encode(),
        entropy,
    )
    validation.check_leaf_content(made.update_path.leaf_node, change.rules)
    return made


def make_group_info(
    epoch: Epoch,
    extensions: Sequence[Extension],
    *,
    tree_extension: bool,
    external_pub: bool,
) -> GroupInfo:
    """A GroupInfo of this epoch, signed by us (§12.4.3)."""
    listed = list(extensions)
    if tree_extension:
        listed.append(Extension(RATCHET_TREE, epoch.tree.encode()))
    if external_pub:
        public = epoch.secrets.external_key().public.data
        listed.append(Extension(EXTERNAL_PUB, codec.opaque(public)))
    if len({extension.type for extension in listed}) != len(listed):
        raise UsageError("the same extension type twice")
    unsigned = GroupInfo(epoch.context, tuple(listed), epoch.confirmation_tag, epoch.own_leaf)
    signature = epoch.suite.sign_with_label(epoch.signer, "GroupInfoTBS", unsigned.tbs())
    return replace(unsigned, signature=signature)


def seal_group_info(
    suite: CipherSuite, info: GroupInfo, joiner_secret: bytes, psk_secret: bytes
) -> bytes:
    """The GroupInfo as a Welcome carries it (§12.4.3.1)."""
    secret = key_schedule.welcome_secret(suite, joiner_secret, psk_secret)
    key, nonce = key_schedule.welcome_key_and_nonce(suite, secret)
    return suite.aead_seal(key, nonce, b"", info.encode())


def _make_welcome(
    advanced: Advanced,
    change: Change,
    new_path: NewPath | None,
    options: CommitOptions,
    entropy: Entropy,
) -> bytes:
    """One Welcome for all who are added, framed as an MLSMessage."""
    epoch = advanced.epoch
    suite = epoch.suite
    info = make_group_info(
        epoch,
        options.group_info_extensions,
        tree_extension=options.tree_extension,
        external_pub=False,
    )
    sealed = seal_group_info(suite, info, advanced.joiner_secret, advanced.psk_secret)
    secrets = []
    for leaf, add in change.added:
        path_secret = None
        if new_path is not None:
            shared = tree_math.common_ancestor(2 * epoch.own_leaf, 2 * leaf)
            path_secret = new_path.path_secrets[shared]
        group_secrets = GroupSecrets(advanced.joiner_secret, path_secret, change.psks)
        kem_output, ciphertext = suite.encrypt_with_label(
            suite.load_hpke_public(add.package.init_key),
            "Welcome",
            sealed,
            group_secrets.encode(),
            entropy,
        )
        secrets.append(
            EncryptedGroupSecrets(add.package.ref(), HPKECiphertext(kem_output, ciphertext))
        )
    return encode_message(Welcome(suite.id, tuple(secrets), sealed))
