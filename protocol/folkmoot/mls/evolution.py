"""Applying a list of proposals to a tree and its GroupContext (RFC 9420 §12.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from folkmoot.mls import validation
from folkmoot.mls.crypto import CipherSuite
from folkmoot.mls.extensions import Extension
from folkmoot.mls.group_context import GroupContext
from folkmoot.mls.proposals import (
    PATH_REQUIRED_TYPES,
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    Update,
)
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.mls.tree import RatchetTree
from folkmoot.mls.validation import GroupRules, SentProposal, VerifiedLeaves


@dataclass(frozen=True, slots=True)
class Change:
    """What a list of proposals does. `tree` is a copy, which the path of the commit changes yet."""

    tree: RatchetTree
    extensions: tuple[Extension, ...]
    rules: GroupRules
    added: tuple[tuple[int, Add], ...]
    removed: tuple[int, ...]
    updated: tuple[int, ...]
    psks: tuple[PreSharedKeyID, ...]
    external_init: ExternalInit | None
    reinit: ReInit | None
    path_required: bool

    @property
    def added_leaves(self) -> tuple[int, ...]:
        return tuple(leaf for leaf, _ in self.added)


def evolve(
    suite: CipherSuite,
    context: GroupContext,
    tree: RatchetTree,
    seen: VerifiedLeaves,
    proposals: Sequence[SentProposal],
    committer: int | None,
    *,
    references: int = 0,
    resuming: bool = False,
) -> Change:
    """Checks the list (§12.2) and applies it to a copy of `tree`; raises MlsError.

    `committer` is None for an external commit; `references` counts the proposals by reference;
    `resuming` is for the first commit of a reinit or branch, the only place for their PSKs (§11.2).
    """
    for item in proposals:
        validation.check_proposal(item.proposal, item.sender, tree, suite.nh, resuming)
    if committer is None:
        validation.check_external_list(proposals, references)
    else:
        validation.check_list(proposals, committer, tree)
    kinds = [item.proposal for item in proposals]
    fresh_extensions = next(
        (tuple(one.extensions) for one in kinds if isinstance(one, GroupContextExtensions)), None
    )
    extensions = context.extensions if fresh_extensions is None else fresh_extensions
    rules = GroupRules.of(suite.id, extensions)
    changed = tree.copy()
    updated: list[int] = []
    for item in proposals:
        if isinstance(item.proposal, Update) and item.sender is not None:
            node = item.proposal.leaf_node
            validation.check_leaf_content(node, rules)
            seen.check_leaf(suite, node, context.group_id, item.sender)
            changed.update(item.sender, node)
            updated.append(item.sender)
    removed = tuple(one.leaf for one in kinds if isinstance(one, Remove))
    for leaf in removed:
        changed.remove(leaf)
    added: list[tuple[int, Add]] = []
    for one in kinds:
        if isinstance(one, Add):
            validation.check_key_package_for(one.package, suite, seen)
            validation.check_leaf_content(one.package.leaf_node, rules)
            added.append((changed.add(one.package.leaf_node), one))
    if fresh_extensions is not None:
        validation.check_extensions_supported(rules, changed)
    return Change(
        tree=changed,
        extensions=extensions,
        rules=rules,
        added=tuple(added),
        removed=removed,
        updated=tuple(updated),
        psks=tuple(one.psk for one in kinds if isinstance(one, PreSharedKey)),
        external_init=next((one for one in kinds if isinstance(one, ExternalInit)), None),
        reinit=next((one for one in kinds if isinstance(one, ReInit)), None),
        path_required=not kinds or any(one.type in PATH_REQUIRED_TYPES for one in kinds),
    )
