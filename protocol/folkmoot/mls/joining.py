"""Beginning a group and joining one by a Welcome (RFC 9420 §11, §12.4.3.1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from folkmoot.mls import key_schedule, path, transcript, tree_math, validation
from folkmoot.mls import psk as psks
from folkmoot.mls.credential import Credential
from folkmoot.mls.crypto import CipherSuite, suite_of
from folkmoot.mls.epoch import Epoch, History, extended_history, find_psk
from folkmoot.mls.errors import (
    Check,
    FramingError,
    MalformedError,
    UsageError,
    ValidationError,
)
from folkmoot.mls.extensions import MLS10, RATCHET_TREE, Extension
from folkmoot.mls.group_context import GroupContext
from folkmoot.mls.group_info import GroupInfo
from folkmoot.mls.hpke import Entropy, HpkePrivateKey
from folkmoot.mls.key_package import KeyPackage, KeyPackageBundle
from folkmoot.mls.message import decode_message
from folkmoot.mls.path import PathKeys
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.mls.secret_tree import SecretTree
from folkmoot.mls.tree import RatchetTree
from folkmoot.mls.validation import GroupRules, VerifiedLeaves
from folkmoot.mls.welcome import GroupSecrets, Welcome
from folkmoot.wire import codec


def create(
    suite_id: int,
    group_id: bytes,
    bundle: KeyPackageBundle,
    extensions: Sequence[Extension],
    entropy: Entropy,
    history: History,
) -> Epoch:
    """A group of one, in epoch 0 (§11); raises MlsError when the leaf does not fit the group."""
    suite = suite_of(suite_id)
    package = bundle.package
    if package.suite != suite_id:
        raise UsageError("the key package is for another suite")
    bundle.check()
    leaf = package.leaf_node
    rules = GroupRules.of(suite_id, extensions)
    validation.check_leaf_content(leaf, rules)
    seen = VerifiedLeaves()
    seen.check_key_package(package)
    tree = RatchetTree([leaf])
    context = GroupContext(suite_id, group_id, 0, tree.tree_hash(), b"", tuple(extensions))
    secrets, encryption_secret = key_schedule.derive_epoch(suite, entropy(suite.nh))
    tag = secrets.confirmation_tag(b"")
    return Epoch(
        suite=suite,
        context=context,
        tree=tree,
        keys=PathKeys.of_leaf(0, suite.load_hpke_private(bundle.encryption_private)),
        signer=suite.load_signature_private(bundle.signature_private),
        secrets=secrets,
        secret_tree=SecretTree(suite, 1, encryption_secret),
        interim_transcript_hash=transcript.interim_transcript_hash(suite, b"", tag),
        confirmation_tag=tag,
        seen=seen,
        history=extended_history(history, context, secrets.resumption_psk),
        external_psks={},
    )


def read_tree(info: GroupInfo, ratchet_tree: bytes | None) -> RatchetTree:
    """The tree that was handed over, or that of the GroupInfo's extension (§12.4.3.3)."""
    data = info.extension(RATCHET_TREE) if ratchet_tree is None else ratchet_tree
    if data is None:
        raise ValidationError(Check.GROUP_INFO_TREE, "there is none")
    try:
        return RatchetTree.decode(data)
    except codec.DecodeError as error:
        raise MalformedError(Check.GROUP_INFO_TREE, str(error)) from None


def check_group_info(
    suite: CipherSuite, info: GroupInfo, tree: RatchetTree, seen: VerifiedLeaves
) -> GroupRules:
    """All that a newcomer checks of a GroupInfo and its tree (§12.4.3, §12.4.3.1)."""
    context = info.context
    if context.suite != suite.id:
        raise ValidationError(Check.GROUP_INFO, f"suite {context.suite} instead of {suite.id}")
    if tree.tree_hash() != context.tree_hash:
        raise ValidationError(Check.TREE_HASH)
    signer = tree.leaf(info.signer)
    if signer is None:
        raise ValidationError(Check.GROUP_INFO, f"the signer, leaf {info.signer}, is nobody")
    key = suite.load_signature_public(signer.signature_key)
    if not suite.verify_with_label(key, "GroupInfoTBS", info.tbs(), info.signature):
        raise ValidationError(Check.GROUP_INFO_SIGNATURE)
    rules = GroupRules.of(suite.id, context.extensions)
    validation.check_tree(tree, suite, context.group_id, rules, seen)
    return rules


def check_own_support(package: KeyPackage, context: GroupContext) -> None:
    """That we support every extension of the group (§13.4)."""
    for extension in context.extensions:
        if not package.leaf_node.capabilities.has_extension(extension.type):
            raise ValidationError(Check.GROUP_INFO_EXTENSION, f"type {extension.type}")


@dataclass(frozen=True, slots=True, repr=False)
class OpenedWelcome:
    """What a Welcome gives its receiver, the GroupInfo not verified yet."""

    info: GroupInfo
    secrets: GroupSecrets
    psk_secret: bytes


def open_welcome(
    welcome: Welcome,
    reference: bytes,
    init_key: HpkePrivateKey,
    external: dict[bytes, bytes],
    history: History,
) -> OpenedWelcome:
    """Opens what is for the key package with this reference; raises MlsError."""
    suite = suite_of(welcome.suite)
    ours = next((one for one in welcome.secrets if one.new_member == reference), None)
    if ours is None:
        raise ValidationError(Check.WELCOME_NOT_OURS)
    opened = suite.decrypt_with_label(
        init_key,
        "Welcome",
        welcome.encrypted_group_info,
        ours.encrypted.kem_output,
        ours.encrypted.ciphertext,
    )
    try:
        secrets = codec.decode(GroupSecrets.read, opened)
    except codec.DecodeError as error:
        raise MalformedError(Check.DECODE, str(error)) from None
    _check_psks(secrets.psks, suite.nh)
    named = [(name, find_psk(name, external, history)) for name in secrets.psks]
    psk_secret = psks.psk_secret(suite, named)
    secret = key_schedule.welcome_secret(suite, secrets.joiner_secret, psk_secret)
    key, nonce = key_schedule.welcome_key_and_nonce(suite, secret)
    plaintext = suite.aead_open(key, nonce, b"", welcome.encrypted_group_info)
    try:
        info = codec.decode(GroupInfo.read, plaintext)
    except codec.DecodeError as error:
        raise MalformedError(Check.DECODE, str(error)) from None
    return OpenedWelcome(info, secrets, psk_secret)


def _check_psks(named: Sequence[PreSharedKeyID], nh: int) -> None:
    """§12.4.3.1: at most one key for a reinit or branch, no key twice, nonces of the right size."""
    if sum(one.usage in (psks.USAGE_REINIT, psks.USAGE_BRANCH) for one in named) > 1:
        raise ValidationError(Check.WELCOME_PSKS)
    if len(set(named)) != len(named):
        raise ValidationError(Check.LIST_PSK_TWICE)
    if any(len(one.nonce) != nh for one in named):
        raise ValidationError(Check.PSK_NONCE)


def join(
    message: bytes,
    bundle: KeyPackageBundle,
    ratchet_tree: bytes | None,
    external: dict[bytes, bytes],
    history: History,
    parent: Epoch | None,
    former: Collection[bytes] = (),
) -> tuple[Epoch, tuple[Extension, ...]]:
    """Joins by a Welcome (§12.4.3.1): the epoch, and the GroupInfo's extensions; raises MlsError.

    `parent` is the old group's last epoch when this is a reinit or a branch of it, `former` as
    `check_resumption` has it.
    """
    welcome = decode_message(message)
    if not isinstance(welcome, Welcome):
        raise FramingError(Check.WIRE_FORMAT, "no Welcome")
    package = bundle.package
    if package.suite != welcome.suite:
        raise ValidationError(Check.WELCOME, "of another suite than the key package")
    suite = suite_of(welcome.suite)
    bundle.check()
    if parent is not None:
        history = {**history, **parent.history}
    opened = open_welcome(
        welcome, bundle.ref, suite.load_hpke_private(bundle.init_private), external, history
    )
    info, context = opened.info, opened.info.context
    tree = read_tree(info, ratchet_tree)
    seen = VerifiedLeaves()
    check_own_support(package, context)
    check_group_info(suite, info, tree, seen)
    own = tree.find(package.leaf_node.encoded)
    if own is None:
        raise ValidationError(Check.WELCOME_NO_LEAF)
    if own == info.signer:
        raise ValidationError(Check.WELCOME, "signed by ourselves")
    leaf_key = suite.load_hpke_private(bundle.encryption_private)
    signer = suite.load_signature_private(bundle.signature_private)
    keys = _joined_keys(suite, tree, own, leaf_key, info.signer, opened.secrets.path_secret)
    secret = key_schedule.epoch_secret(
        suite, opened.secrets.joiner_secret, opened.psk_secret, context.encode()
    )
    secrets, encryption_secret = key_schedule.derive_epoch(suite, secret)
    secrets.verify_confirmation_tag(context.confirmed_transcript_hash, info.confirmation_tag)
    check_resumption(opened.secrets.psks, context, tree, parent, former)
    epoch = Epoch(
        suite=suite,
        context=context,
        tree=tree,
        keys=keys,
        signer=signer,
        secrets=secrets,
        secret_tree=SecretTree(suite, tree.leaf_count, encryption_secret),
        interim_transcript_hash=transcript.interim_transcript_hash(
            suite, context.confirmed_transcript_hash, info.confirmation_tag
        ),
        confirmation_tag=info.confirmation_tag,
        seen=seen,
        history=extended_history(history, context, secrets.resumption_psk),
        external_psks=external,
    )
    return epoch, info.extensions


def _joined_keys(
    suite: CipherSuite,
    tree: RatchetTree,
    own: int,
    leaf_key: HpkePrivateKey,
    committer: int,
    path_secret: bytes | None,
) -> PathKeys:
    """Our leaf's key, and those of the nodes that we share with the committer (§12.4.3.1)."""
    keys: dict[int, HpkePrivateKey] = {2 * own: leaf_key}
    if path_secret is not None:
        if len(path_secret) != suite.nh:
            raise ValidationError(Check.PATH_SECRET, f"{len(path_secret)} bytes")
        shared = tree_math.common_ancestor(2 * own, 2 * committer)
        filtered = [index for index, _ in tree.filtered_direct_path(committer)]
        nodes = [index for index in filtered if tree_math.in_subtree(shared, index)]
        _, above, _ = path.derive_path(suite, path_secret, nodes)
        path.check_path_keys(tree, above)
        keys.update(above)
    _check_keys_above(tree, own, keys)
    return PathKeys(own, keys)


def _check_keys_above(tree: RatchetTree, own: int, keys: Mapping[int, HpkePrivateKey]) -> None:
    """That we hold the key of each node above us, but where we are unmerged (§4.2).

    Later commits are encrypted to those nodes: whoever kept one from us could, with any later
    commit, shut us out without removing us.
    """
    for index in tree_math.direct_path(2 * own, tree.leaf_count):
        node = tree.parent_node(index)
        if node is not None and own not in node.unmerged_leaves and index not in keys:
            raise ValidationError(Check.PATH_SECRET, f"none for node {index}, which is above us")


def check_resumption(
    named: Sequence[PreSharedKeyID],
    context: GroupContext,
    tree: RatchetTree,
    parent: Epoch | None,
    former: Collection[bytes] = (),
) -> None:
    """That a reinit or branch is of the group that it says it follows (§11.2, §11.3).

    A branch may be of an epoch before the parent's, whose members are a subset of that one's: who
    was in it and has left since is in `former` (identities), or a late Welcome would be refused.
    """
    resumed = [one for one in named if one.usage in (psks.USAGE_REINIT, psks.USAGE_BRANCH)]
    if not resumed:
        if parent is not None:
            raise ValidationError(Check.WELCOME_REINIT, "it follows no group")
        return
    name = resumed[0]
    wrong = Check.WELCOME_REINIT if name.usage == psks.USAGE_REINIT else Check.WELCOME_BRANCH
    if parent is None or name.psk_id != parent.context.group_id:
        raise ValidationError(wrong, "it follows another group")
    if context.epoch != 1:
        raise ValidationError(Check.WELCOME_EPOCH)
    before = {node.credential for _, node in parent.tree.leaves()}
    after = {node.credential for _, node in tree.leaves()}
    if name.usage == psks.USAGE_BRANCH:
        if context.suite != parent.context.suite or context.version != parent.context.version:
            raise ValidationError(wrong, "another suite")
        if not after <= before | {Credential.basic(identity) for identity in former}:
            raise ValidationError(wrong, "somebody who was not in the group")
        return
    reinit = parent.reinit
    if reinit is None or name.psk_epoch != parent.context.epoch:
        raise ValidationError(wrong, "the group's last commit has no ReInit")
    wanted = (reinit.group_id, reinit.version, reinit.suite, reinit.extensions)
    if wanted != (context.group_id, MLS10, context.suite, context.extensions):
        raise ValidationError(wrong, "other parameters")
    if not before <= after:
        raise ValidationError(wrong, "somebody is missing")
