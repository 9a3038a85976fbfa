"""A commit that was checked and not merged yet, as the application judges it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from folkmoot.mls.errors import Check, StateError
from folkmoot.mls.extensions import Extension
from folkmoot.mls.members import Member
from folkmoot.mls.proposals import Proposal
from folkmoot.mls.secret_tree import MessageKey
from folkmoot.mls.staging import Outcome

if TYPE_CHECKING:
    from folkmoot.mls.group import Group


@dataclass(frozen=True, slots=True, repr=False)
class Staged:
    """Where a commit leads: every check is done, and nothing has changed."""

    committer: int | None  # None for an external commit
    authenticated_data: bytes
    proposals: tuple[tuple[Proposal, int | None], ...]  # with the leaf that sent each
    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    extensions_before: tuple[Extension, ...]
    extensions_after: tuple[Extension, ...]
    self_removed: bool
    group: Group | None  # the next epoch, whole; None when we are removed
    parent: Group
    _used: MessageKey | None = field(repr=False)

    @classmethod
    def of(cls, outcome: Outcome, parent: Group, group: Group | None) -> Staged:
        change, before = outcome.change, outcome.before
        joined = list(change.added_leaves)
        if outcome.committer is None:
            joined.append(outcome.committer_leaf)
        added = ((leaf, change.tree.leaf(leaf)) for leaf in joined)
        removed = ((leaf, before.tree.leaf(leaf)) for leaf in change.removed)
        return cls(
            committer=outcome.committer,
            authenticated_data=outcome.authenticated_data,
            proposals=tuple((one.proposal, one.sender) for one in outcome.proposals),
            added=tuple(Member.of(leaf, node) for leaf, node in added if node is not None),
            removed=tuple(Member.of(leaf, node) for leaf, node in removed if node is not None),
            extensions_before=before.context.extensions,
            extensions_after=change.extensions,
            self_removed=group is None,
            group=group,
            parent=parent,
            _used=outcome.used,
        )

    def merge(self) -> Group:
        """The next epoch's Group; the parent must not have been left for another one.

        Raises MlsError when it was, or when the commit removes us.
        """
        if self.group is None:
            raise StateError(Check.REMOVED)
        self.parent.leave_for_next(self._used)
        return self.group


@dataclass(frozen=True, slots=True, repr=False)
class Created:
    """A commit of our own: `message` for the group, `welcome` for those whom it adds."""

    message: bytes
    welcome: bytes | None
    staged: Staged
