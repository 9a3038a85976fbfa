"""Groups that follow from groups: reinitialization and branching (RFC 9420 §11.2, §11.3)."""

from __future__ import annotations

from collections.abc import Sequence

from folkmoot.mls import joining
from folkmoot.mls import psk as psks
from folkmoot.mls.committing import CommitOptions, Made, make_commit
from folkmoot.mls.epoch import Epoch
from folkmoot.mls.errors import Check, StateError, ValidationError
from folkmoot.mls.extensions import Extension
from folkmoot.mls.hpke import Entropy
from folkmoot.mls.key_package import KeyPackageBundle
from folkmoot.mls.proposals import Add, PreSharedKey, Proposal
from folkmoot.mls.psk import PreSharedKeyID


def _first_commit(
    old: Epoch,
    fresh: Epoch,
    usage: int,
    adds: Sequence[Add],
    entropy: Entropy,
    group_info_extensions: Sequence[Extension] = (),
) -> Made:
    """The commit from epoch 0 to 1 that adds everybody and proves that it follows the old group."""
    nonce = entropy(fresh.suite.nh)
    name = PreSharedKeyID.resumption(usage, old.context.group_id, old.context.epoch, nonce)
    items: list[Proposal] = [*adds, PreSharedKey(name)]
    options = CommitOptions(resuming=True, group_info_extensions=tuple(group_info_extensions))
    return make_commit(fresh, items, options, entropy)


def reinitialize(
    old: Epoch, bundle: KeyPackageBundle, key_packages: Sequence[bytes], entropy: Entropy
) -> Made:
    """The group that the ReInit asks for, with the same members; raises MlsError."""
    reinit = old.reinit
    if reinit is None:
        raise StateError(Check.WELCOME_REINIT, "no ReInit was committed")
    adds = [Add(framed) for framed in key_packages]
    before = {node.credential for _, node in old.tree.leaves()}
    after = {add.package.leaf_node.credential for add in adds}
    after.add(bundle.package.leaf_node.credential)
    if not before <= after:
        raise ValidationError(Check.WELCOME_REINIT, "somebody is missing")
    fresh = joining.create(
        reinit.suite, reinit.group_id, bundle, reinit.extensions, entropy, old.history
    )
    return _first_commit(old, fresh, psks.USAGE_REINIT, adds, entropy)


def branch(
    old: Epoch,
    group_id: bytes,
    bundle: KeyPackageBundle,
    key_packages: Sequence[bytes],
    extensions: Sequence[Extension] | None,
    entropy: Entropy,
    group_info_extensions: Sequence[Extension] = (),
) -> Made:
    """A new group of some members of the old one; raises MlsError."""
    adds = [Add(framed) for framed in key_packages]
    before = {node.credential for _, node in old.tree.leaves()}
    after = {add.package.leaf_node.credential for add in adds}
    after.add(bundle.package.leaf_node.credential)
    if not after <= before:
        raise ValidationError(Check.WELCOME_BRANCH, "somebody who was not in the group")
    listed = old.context.extensions if extensions is None else tuple(extensions)
    fresh = joining.create(old.suite.id, group_id, bundle, listed, entropy, old.history)
    return _first_commit(old, fresh, psks.USAGE_BRANCH, adds, entropy, group_info_extensions)
