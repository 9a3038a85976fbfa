"""The private half of the tree: making and following update paths (RFC 9420 §7.4 to §7.6)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from folkmoot.mls import tree_math
from folkmoot.mls.commit import HPKECiphertext, UpdatePath, UpdatePathNode
from folkmoot.mls.crypto import CipherSuite, SignaturePrivateKey
from folkmoot.mls.errors import Check, ValidationError
from folkmoot.mls.hpke import Entropy, HpkePrivateKey
from folkmoot.mls.leaf_node import LeafContent
from folkmoot.mls.tree import RatchetTree

_LABEL = "UpdatePathNode"


@dataclass(frozen=True, slots=True)
class PathKeys:
    """The private keys of one member, by node index: its leaf's and some ancestors'."""

    leaf: int
    keys: Mapping[int, HpkePrivateKey] = field(repr=False)

    @classmethod
    def of_leaf(cls, leaf: int, key: HpkePrivateKey) -> PathKeys:
        return cls(leaf, {2 * leaf: key})

    @property
    def leaf_key(self) -> HpkePrivateKey:
        return self.keys[2 * self.leaf]

    def fitting(self, tree: RatchetTree, fresh: Mapping[int, HpkePrivateKey]) -> PathKeys:
        """These keys and the `fresh` ones, without those that the tree no longer names.

        An outdated key must go (§7.5), and a blanked or replaced node is known by its public key.
        """
        kept = {}
        for index, key in {**self.keys, **fresh}.items():
            node = tree.node(index) if index <= 2 * tree.root else None
            if node is not None and node.encryption_key == key.public.data:
                kept[index] = key
        return PathKeys(self.leaf, kept)


@dataclass(frozen=True, slots=True)
class NewPath:
    """What the maker of an update path holds when it is done."""

    update_path: UpdatePath
    commit_secret: bytes = field(repr=False)
    keys: Mapping[int, HpkePrivateKey] = field(repr=False)
    path_secrets: Mapping[int, bytes] = field(repr=False)


def derive_path(
    suite: CipherSuite, first: bytes, nodes: Collection[int]
) -> tuple[dict[int, bytes], dict[int, HpkePrivateKey], bytes]:
    """Path secrets and keys for `nodes`, bottom up, and the commit secret (§7.4)."""
    secrets: dict[int, bytes] = {}
    keys: dict[int, HpkePrivateKey] = {}
    secret = first
    for index in nodes:
        secrets[index] = secret
        keys[index] = suite.derive_key_pair(suite.derive_secret(secret, "node"))
        secret = suite.derive_secret(secret, "path")
    return secrets, keys, secret


def create_path(
    suite: CipherSuite,
    tree: RatchetTree,
    leaf: int,
    content: Callable[[bytes], LeafContent],
    signer: SignaturePrivateKey,
    group_id: bytes,
    excluded: Collection[int],
    context: Callable[[bytes], bytes],
    entropy: Entropy,
) -> NewPath:
    """Gives the leaf and its filtered direct path fresh keys and changes `tree` so (§7.5).

    `content` makes the leaf's content from its encryption key. `excluded` are the leaves that
    this commit adds: they get their secrets in the Welcome. `context` encodes the provisional
    GroupContext for a tree hash.
    """
    leaf_key = suite.generate_hpke_key(entropy)
    path = tree.filtered_direct_path(leaf)
    secrets, keys, commit_secret = derive_path(
        suite, entropy(suite.nh), [index for index, _ in path]
    )
    public_keys = [keys[index].public.data for index, _ in path]
    parent_hash = tree.merge_path_keys(leaf, public_keys)
    leaf_node = content(leaf_key.public.data).sign_for_commit(
        parent_hash,
        group_id,
        leaf,
        lambda tbs: suite.sign_with_label(signer, "LeafNodeTBS", tbs),
    )
    tree.set_leaf(leaf, leaf_node)
    group_context = context(tree.tree_hash())
    skipped = {2 * other for other in excluded}
    nodes = []
    for (index, beside), public in zip(path, public_keys, strict=True):
        ciphertexts = []
        for target in tree.resolution(beside):
            if target in skipped:
                continue
            node = tree.node(target)
            assert node is not None  # a resolution has no blank nodes
            ciphertexts.append(
                HPKECiphertext(
                    *suite.encrypt_with_label(
                        suite.load_hpke_public(node.encryption_key),
                        _LABEL,
                        group_context,
                        secrets[index],
                        entropy,
                    )
                )
            )
        nodes.append(UpdatePathNode(public, tuple(ciphertexts)))
    keys[2 * leaf] = leaf_key
    return NewPath(UpdatePath(leaf_node, tuple(nodes)), commit_secret, keys, secrets)


@dataclass(frozen=True, slots=True)
class FollowedPath:
    """What a receiver of an update path learns."""

    commit_secret: bytes = field(repr=False)
    keys: Mapping[int, HpkePrivateKey] = field(repr=False)
    path_secret: bytes = field(repr=False)


def check_path_shape(
    tree: RatchetTree, sender: int, path: UpdatePath, excluded: Collection[int]
) -> None:
    """That the path has a node for each that is wanted, and a ciphertext for each key (§7.6)."""
    wanted = tree.filtered_direct_path(sender)
    if len(wanted) != len(path.nodes):
        raise ValidationError(Check.PATH, f"{len(path.nodes)} nodes, {len(wanted)} are wanted")
    skipped = {2 * leaf for leaf in excluded}
    for (_, beside), node in zip(wanted, path.nodes, strict=True):
        targets = sum(1 for index in tree.resolution(beside) if index not in skipped)
        if targets != len(node.encrypted_path_secret):
            raise ValidationError(Check.PATH_CIPHERTEXTS)


def follow_path(
    suite: CipherSuite,
    tree: RatchetTree,
    sender: int,
    path: UpdatePath,
    own: PathKeys,
    excluded: Collection[int],
    context: bytes,
) -> FollowedPath:
    """Decrypts the path secret that is meant for us and checks the keys above it (§7.5).

    `tree` has the path merged already, and `path` the shape that it must have.
    """
    filtered = tree.filtered_direct_path(sender)
    skipped = {2 * leaf for leaf in excluded}
    own_index = 2 * own.leaf
    # There is one: a copath child that has us below it is not empty.
    position = next(
        place
        for place, (_, beside) in enumerate(filtered)
        if tree_math.in_subtree(own_index, beside)
    )
    beside = filtered[position][1]
    targets = [index for index in tree.resolution(beside) if index not in skipped]
    held = own.fitting(tree, {}).keys
    for slot, target in enumerate(targets):
        key = held.get(target)
        if key is not None:
            ciphertext = path.nodes[position].encrypted_path_secret[slot]
            break
    else:
        raise ValidationError(Check.PATH_SECRET, "we hold no key of the resolution")
    secret = suite.decrypt_with_label(
        key, _LABEL, context, ciphertext.kem_output, ciphertext.ciphertext
    )
    if len(secret) != suite.nh:
        raise ValidationError(Check.PATH_SECRET, f"{len(secret)} bytes")
    above = [index for index, _ in filtered[position:]]
    _, keys, commit_secret = derive_path(suite, secret, above)
    check_path_keys(tree, keys)
    return FollowedPath(commit_secret, keys, secret)


def check_path_keys(tree: RatchetTree, keys: Mapping[int, HpkePrivateKey]) -> None:
    """That derived private keys are those of the public keys in the tree (§7.5)."""
    for index, key in keys.items():
        node = tree.node(index)
        if node is None or node.encryption_key != key.public.data:
            raise ValidationError(Check.PATH_SECRET)
