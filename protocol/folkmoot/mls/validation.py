"""What RFC 9420 says must be checked of leaves, key packages, trees and lists of proposals.

Each failure raises MlsError with its check, whose number, section and sentence stand in
`errors.Check`: leaves 60-66 and 200-208 (§7.3), key packages 80-84 (§10.1), trees and paths 100-113
and 210-212 (§7.9, §12.4.3.1), proposals 120-126 and 220-226 (§12.1), lists 131-132 and 230-245
(§12.2).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from folkmoot.mls import extensions as ext
from folkmoot.mls import psk as psks
from folkmoot.mls import tree_math
from folkmoot.mls.crypto import CipherSuite
from folkmoot.mls.errors import Check, MalformedError, ValidationError
from folkmoot.mls.extensions import MLS10, Extension, RequiredCapabilities
from folkmoot.mls.key_package import KeyPackage, verify_key_package
from folkmoot.mls.leaf_node import LeafNode, LeafSource
from folkmoot.mls.proposals import (
    Add,
    Custom,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    Update,
)
from folkmoot.mls.tree import RatchetTree
from folkmoot.wire import codec

# An entry is a hash of 32 bytes; 16,384 members fit, and the key packages of as many newcomers.
VERIFIED_MAX = 1 << 15


class VerifiedLeaves:
    """Remembers which leaves and key packages were verified, so that each costs one verification.

    Only what verified is remembered, under a hash of all that was signed and of the key; so it may
    be shared by epochs, forks and groups without meaning anything.
    """

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: dict[bytes, None] = {}

    def _once(self, kind: bytes, parts: Iterable[bytes]) -> tuple[bool, bytes]:
        name = hashlib.sha256(kind + b"".join(codec.opaque(part) for part in parts)).digest()
        return name in self._seen, name

    def _remember(self, name: bytes) -> None:
        if len(self._seen) >= VERIFIED_MAX:
            del self._seen[next(iter(self._seen))]
        self._seen[name] = None

    def check_leaf(self, suite: CipherSuite, node: LeafNode, group_id: bytes, leaf: int) -> None:
        """The leaf's signature and that its encryption key is one (§7.3); raises MlsError."""
        tbs = node.tbs(group_id, leaf)
        known, name = self._once(b"leaf", (codec.u16(suite.id), tbs, node.signature))
        if known:
            return
        suite.load_hpke_public(node.encryption_key)
        key = suite.load_signature_public(node.signature_key)
        if not suite.verify_with_label(key, "LeafNodeTBS", tbs, node.signature):
            raise ValidationError(Check.LEAF_SIGNATURE, f"leaf {leaf}")
        self._remember(name)

    def check_key_package(self, package: KeyPackage) -> None:
        """All of a key package that needs no group (§10.1); raises MlsError."""
        known, name = self._once(b"package", (package.encoded,))
        if known:
            return
        verify_key_package(package)
        self._remember(name)
        # A key package's leaf is signed without group and index: the same tbs serves in the tree.
        tbs = package.leaf_node.tbs(b"", 0)
        leaf = (codec.u16(package.suite), tbs, package.leaf_node.signature)
        self._remember(self._once(b"leaf", leaf)[1])


# Leaves


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What the group's parameters ask of a leaf."""

    suite: int
    required: RequiredCapabilities
    extension_types: tuple[int, ...]

    @classmethod
    def of(cls, suite: int, extensions: Iterable[Extension]) -> GroupRules:
        """Raises MlsError when the extensions of the GroupContext are malformed."""
        listed = tuple(extensions)
        types = tuple(extension.type for extension in listed)
        if len(set(types)) != len(types):
            raise ValidationError(Check.EXTENSIONS, "the same type twice")
        try:
            required = ext.required_capabilities(listed) or RequiredCapabilities()
            ext.external_senders(listed)
        except codec.DecodeError as error:
            raise MalformedError(Check.EXTENSIONS, str(error)) from None
        return cls(suite, required, types)

    def check(self, node: LeafNode) -> None:
        """That the leaf fits the group (§7.3, §13.4)."""
        capabilities = node.capabilities
        if self.suite not in capabilities.suites or MLS10 not in capabilities.versions:
            raise ValidationError(Check.LEAF_SUITE)
        if not self.required.met_by(capabilities):
            raise ValidationError(Check.LEAF_REQUIRED)
        if not all(capabilities.has_extension(kind) for kind in self.extension_types):
            raise ValidationError(Check.LEAF_GROUP_EXTENSIONS)


def check_leaf_content(node: LeafNode, rules: GroupRules) -> None:
    """What a leaf says, but for its signature and its neighbours (§7.2, §7.3)."""
    capabilities = node.capabilities
    if node.credential.type not in capabilities.credentials:
        raise ValidationError(Check.LEAF_CREDENTIAL)
    if not all(capabilities.has_extension(extension.type) for extension in node.extensions):
        raise ValidationError(Check.LEAF_EXTENSIONS)
    # Whether it is now between the two is for the application, which has a clock.
    if node.lifetime is not None and node.lifetime.not_before > node.lifetime.not_after:
        raise ValidationError(Check.LEAF_LIFETIME, "it ends before it begins")
    rules.check(node)


def check_members(tree: RatchetTree) -> None:
    """What must hold between all leaves: unique keys, credentials that all understand (§7.3)."""
    # One pass for each question is quicker than one loop for all of them, and this runs at every
    # commit over every member.
    nodes = [node for _, node in tree.leaves()]
    if len({node.signature_key for node in nodes}) != len(nodes):
        raise ValidationError(Check.LEAF_SIGNATURE_KEY)
    if len({node.encryption_key for node in nodes}) != len(nodes):
        raise ValidationError(Check.LEAF_ENCRYPTION_KEY)
    for kind in {node.credential.type for node in nodes}:
        if not all(kind in node.capabilities.credentials for node in nodes):
            raise ValidationError(Check.LEAF_CREDENTIAL_SHARED, f"type {kind}")


def check_update(node: LeafNode, replaced: LeafNode) -> None:
    """A leaf of an Update proposal beside the one that it replaces (§7.3)."""
    if node.source is not LeafSource.UPDATE:
        raise ValidationError(Check.LEAF_SOURCE, "an Update wants a leaf made for it")
    if node.encryption_key == replaced.encryption_key:
        raise ValidationError(Check.LEAF_SAME_KEY)


def check_path_leaf(node: LeafNode, replaced: LeafNode | None) -> None:
    """A leaf of an update path beside the one that it replaces, if any (§12.4.2)."""
    if node.source is not LeafSource.COMMIT:
        raise ValidationError(Check.LEAF_SOURCE, "an update path wants a leaf made for it")
    if replaced is not None and node.encryption_key == replaced.encryption_key:
        raise ValidationError(Check.LEAF_SAME_KEY)


def check_path_keys_new(tree: RatchetTree, keys: Sequence[bytes]) -> None:
    """That no public key of an update path is in the tree, nor twice in the path (§12.4.2)."""
    if len(set(keys)) != len(keys) or not tree.encryption_keys().isdisjoint(keys):
        raise ValidationError(Check.PATH_KEYS)


def check_key_package_for(package: KeyPackage, suite: CipherSuite, seen: VerifiedLeaves) -> None:
    """A key package that is to join a group of this suite (§10.1)."""
    if package.suite != suite.id or package.version != MLS10:
        raise ValidationError(Check.KEY_PACKAGE_SUITE, f"suite {package.suite}")
    seen.check_key_package(package)


# Trees


def check_parent_hashes(tree: RatchetTree) -> None:
    """That each parent was set by a member below it, as its parent hash attests (§7.9.2)."""
    for index, node in tree.parents():
        left, right = tree_math.left(index), tree_math.right(index)
        chains = 0
        for child, beside in ((left, right), (right, left)):
            unmerged = {2 * leaf for leaf in node.unmerged_leaves}
            # D is what remains of the resolution of C without the unmerged leaves under it; the
            # third criterion asks for exactly one, and for all those leaves in the resolution.
            resolution = tree.resolution(child)
            rest = [one for one in resolution if one not in unmerged]
            under = {one for one in unmerged if tree_math.in_subtree(one, child)}
            if len(rest) != 1 or not under.issubset(resolution):
                continue
            below = tree.node(rest[0])
            assert below is not None  # a resolution has no blank nodes
            if below.parent_hash == tree.parent_hash(node, beside):
                chains += 1
        if chains != 1:
            raise ValidationError(Check.PARENT_HASH, f"node {index}")


def check_unmerged_leaves(tree: RatchetTree) -> None:
    """That unmerged leaves are members below, and known on the whole way up (§12.4.3.1)."""
    for index, node in tree.parents():
        for leaf in node.unmerged_leaves:
            if not tree_math.in_subtree(2 * leaf, index) or tree.leaf(leaf) is None:
                raise ValidationError(Check.UNMERGED_LEAVES, f"node {index}, leaf {leaf}")
            for between in tree_math.direct_path(2 * leaf, tree.leaf_count):
                if between == index:
                    break
                parent = tree.parent_node(between)
                if parent is not None and leaf not in parent.unmerged_leaves:
                    raise ValidationError(Check.UNMERGED_LEAVES, f"node {between}, leaf {leaf}")


def check_tree(
    tree: RatchetTree,
    suite: CipherSuite,
    group_id: bytes,
    rules: GroupRules,
    seen: VerifiedLeaves,
) -> None:
    """All that a newcomer checks of a ratchet tree but for its hash (§12.4.3.1)."""
    check_unmerged_leaves(tree)
    check_parent_hashes(tree)
    keys = [node.encryption_key for _, node in tree.leaves()]
    keys += [node.encryption_key for _, node in tree.parents()]
    if len(set(keys)) != len(keys):
        check_members(tree)  # says it better when two leaves are to blame
        raise ValidationError(Check.TREE_KEYS)
    check_members(tree)
    for _, parent in tree.parents():
        suite.load_hpke_public(parent.encryption_key)
    for leaf, node in tree.leaves():
        check_leaf_content(node, rules)
        seen.check_leaf(suite, node, group_id, leaf)


# Proposals


@dataclass(frozen=True, slots=True)
class SentProposal:
    """A proposal and the leaf that sent it; None for one from outside the group."""

    proposal: Proposal
    sender: int | None


def check_proposal(
    proposal: Proposal, sender: int | None, tree: RatchetTree, nh: int, resuming: bool
) -> None:
    """A proposal by itself (§12.1), in a group whose KDF gives `nh` bytes.

    `resuming` is for the first commit of a reinit or branch, where alone their PSKs may be.
    """
    if isinstance(proposal, Update):
        replaced = None if sender is None else tree.leaf(sender)
        if replaced is None:
            raise ValidationError(Check.UPDATE_SENDER)
        check_update(proposal.leaf_node, replaced)
    elif isinstance(proposal, Remove):
        if tree.leaf(proposal.leaf) is None:
            raise ValidationError(Check.REMOVE_BLANK, f"leaf {proposal.leaf}")
    elif isinstance(proposal, PreSharedKey):
        if not resuming and proposal.psk.usage in (psks.USAGE_REINIT, psks.USAGE_BRANCH):
            raise ValidationError(Check.PSK_USAGE)
        if len(proposal.psk.nonce) != nh:
            raise ValidationError(Check.PSK_NONCE)
    elif isinstance(proposal, ReInit):
        if proposal.version < MLS10:
            raise ValidationError(Check.REINIT_VERSION)
    elif isinstance(proposal, GroupContextExtensions):
        GroupRules.of(0, proposal.extensions)


def check_list(proposals: Sequence[SentProposal], committer: int, tree: RatchetTree) -> None:
    """The list of a commit from inside (§12.2), before it is applied to `tree`."""
    touched: set[int] = set()
    for item in proposals:
        proposal = item.proposal
        leaf = -1
        if isinstance(proposal, Update):
            assert item.sender is not None  # check_proposal has seen to it
            leaf = item.sender
            if leaf == committer:
                raise ValidationError(Check.COMMIT_OWN_UPDATE)
        elif isinstance(proposal, Remove):
            leaf = proposal.leaf
            if leaf == committer:
                raise ValidationError(Check.COMMIT_OWN_REMOVE)
        elif isinstance(proposal, ExternalInit):
            raise ValidationError(Check.LIST_EXTERNAL_INIT)
        if leaf in touched:
            raise ValidationError(Check.LIST_LEAF_TWICE, f"leaf {leaf}")
        if leaf >= 0:
            touched.add(leaf)
    _check_kinds(proposals)
    _check_adds(proposals, tree)
    _check_custom(proposals, tree)


def _check_kinds(proposals: Sequence[SentProposal]) -> None:
    kinds = [item.proposal.type for item in proposals]
    if sum(isinstance(item.proposal, GroupContextExtensions) for item in proposals) > 1:
        raise ValidationError(Check.LIST_EXTENSIONS_TWICE)
    if any(isinstance(item.proposal, ReInit) for item in proposals) and len(kinds) > 1:
        raise ValidationError(Check.LIST_REINIT_ALONE)
    check_psks_once(proposals)


def check_psks_once(proposals: Sequence[SentProposal]) -> None:
    """No PreSharedKeyID twice (§12.2)."""
    named = [item.proposal.psk for item in proposals if isinstance(item.proposal, PreSharedKey)]
    if len(set(named)) != len(named):
        raise ValidationError(Check.LIST_PSK_TWICE)


def _check_adds(proposals: Sequence[SentProposal], tree: RatchetTree) -> None:
    """A client is its signature key here; what more it is, the application knows."""
    adds = [item.proposal.package for item in proposals if isinstance(item.proposal, Add)]
    if not adds:
        return
    keys = {package.leaf_node.signature_key for package in adds}
    if len(keys) != len(adds):
        raise ValidationError(Check.LIST_ADD_TWICE)
    removed = {item.proposal.leaf for item in proposals if isinstance(item.proposal, Remove)}
    for leaf, node in tree.leaves():
        if node.signature_key in keys and leaf not in removed:
            raise ValidationError(Check.LIST_ADD_MEMBER, f"leaf {leaf}")


def _check_custom(proposals: Sequence[SentProposal], tree: RatchetTree) -> None:
    kinds = {item.proposal.type for item in proposals if isinstance(item.proposal, Custom)}
    if not kinds:
        return
    removed = {item.proposal.leaf for item in proposals if isinstance(item.proposal, Remove)}
    for leaf, node in tree.leaves():
        if leaf not in removed and not all(map(node.capabilities.has_proposal, kinds)):
            raise ValidationError(Check.PROPOSAL_TYPE, f"leaf {leaf}")


def check_external_list(proposals: Sequence[SentProposal], references: int) -> None:
    """The list of a commit from outside (§12.2, §12.4.3.2)."""
    if references:
        raise ValidationError(Check.EXTERNAL_REFERENCE)
    kinds = [type(item.proposal) for item in proposals]
    if any(kind not in (ExternalInit, Remove, PreSharedKey) for kind in kinds):
        raise ValidationError(Check.EXTERNAL_OTHER)
    if kinds.count(ExternalInit) != 1:
        raise ValidationError(Check.EXTERNAL_INIT_COUNT)
    if kinds.count(Remove) > 1:
        raise ValidationError(Check.EXTERNAL_REMOVES)
    check_psks_once(proposals)


def check_extensions_supported(
    rules: GroupRules, tree: RatchetTree, excluded: Collection[int] = ()
) -> None:
    """That every member meets what new group extensions ask (§12.1.7, §13.4)."""
    for leaf, node in tree.leaves():
        if leaf in excluded:
            continue
        try:
            rules.check(node)
        except ValidationError as error:
            raise ValidationError(Check.EXTENSIONS_UNSUPPORTED, f"leaf {leaf}: {error}") from None
