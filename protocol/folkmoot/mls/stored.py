"""Proposals that were sent alone, kept until a commit refers to them or the epoch ends (§12.1)."""

from __future__ import annotations

from collections.abc import Sequence

from folkmoot.mls import validation
from folkmoot.mls.commit import Commit, ProposalOrRef, ProposalRef
from folkmoot.mls.epoch import STORED_PROPOSALS_MAX, Epoch
from folkmoot.mls.errors import Check, MlsError, StateError, ValidationError
from folkmoot.mls.evolution import evolve
from folkmoot.mls.framing import EXTERNAL
from folkmoot.mls.proposals import (
    ADD,
    GROUP_CONTEXT_EXTENSIONS,
    PSK,
    REINIT,
    REMOVE,
    Add,
    ExternalInit,
    GroupContextExtensions,
    ReInit,
    Remove,
    Update,
)
from folkmoot.mls.protection import VerifiedContent
from folkmoot.mls.validation import SentProposal

# What one outside the group may propose (§17.4, the column "External").
EXTERNAL_TYPES = frozenset({ADD, REMOVE, PSK, REINIT, GROUP_CONTEXT_EXTENSIONS})


def store(epoch: Epoch, verified: VerifiedContent) -> bytes:
    """Keeps a verified proposal; its reference of 32 bytes. Raises MlsError."""
    body = verified.content.body
    assert not isinstance(body, bytes | Commit)  # the group has sorted them out
    sender = verified.sender
    if sender.type == EXTERNAL and body.type not in EXTERNAL_TYPES:
        raise ValidationError(Check.EXTERNAL_PROPOSAL)
    validation.check_proposal(body, sender.leaf, epoch.tree, epoch.suite.nh, False)
    reference = epoch.suite.make_proposal_ref(verified.authenticated.encode())
    if reference not in epoch.stored and len(epoch.stored) >= STORED_PROPOSALS_MAX:
        raise StateError(Check.LIMIT, f"{STORED_PROPOSALS_MAX} proposals")
    epoch.stored[reference] = SentProposal(body, sender.leaf)
    return reference


def committable(epoch: Epoch, beside: Sequence[ProposalOrRef] = ()) -> list[bytes]:
    """References of what we may commit together with the proposals `beside` (§12.2), oldest first.

    Not our own Update or removal; a leaf's last Remove, else its last Update; the last of several
    GroupContextExtensions; a ReInit when there is nothing else. And nothing that would spoil the
    commit: or a member could keep all others from committing with one bad proposal.
    """
    chosen: dict[object, bytes] = {}
    removes = {
        item.proposal.leaf for item in epoch.stored.values() if isinstance(item.proposal, Remove)
    }
    named = {item.reference for item in beside if isinstance(item, ProposalRef)}
    for reference, item in epoch.stored.items():
        slot = _slot(item, epoch.own_leaf, removes)
        if slot is not None and reference not in named:
            chosen.pop(slot, None)
            chosen[slot] = reference
    others = [one for slot, one in chosen.items() if slot != REINIT]
    fixed = [
        epoch.stored[item.reference]
        if isinstance(item, ProposalRef)
        else SentProposal(item, epoch.own_leaf)
        for item in beside
        if not isinstance(item, ProposalRef) or item.reference in epoch.stored
    ]
    kept: list[bytes] = []
    _keep(epoch, fixed, others or list(chosen.values()), kept)
    return kept


def _keep(
    epoch: Epoch, fixed: Sequence[SentProposal], candidates: Sequence[bytes], kept: list[bytes]
) -> None:
    """Adds to `kept` those candidates that can stand with the rest, by halving what cannot."""
    if not candidates:
        return
    listed = [*fixed, *(epoch.stored[one] for one in (*kept, *candidates))]
    if _stands(epoch, listed):
        kept.extend(candidates)
    elif len(candidates) > 1:
        middle = len(candidates) // 2
        _keep(epoch, fixed, candidates[:middle], kept)
        _keep(epoch, fixed, candidates[middle:], kept)


def _stands(epoch: Epoch, listed: Sequence[SentProposal]) -> bool:
    """Whether a commit of ours could have this list."""
    try:
        change = evolve(epoch.suite, epoch.context, epoch.tree, epoch.seen, listed, epoch.own_leaf)
        for name in change.psks:
            epoch.psk(name)
        validation.check_members(change.tree)
    except MlsError:
        return False
    return True


def _slot(item: SentProposal, own: int, removes: set[int]) -> object | None:
    """Of proposals with one slot, one can be committed; None for one that cannot be at all."""
    proposal = item.proposal
    if isinstance(proposal, ExternalInit):
        return None
    if isinstance(proposal, Remove):
        return None if proposal.leaf == own else ("leaf", proposal.leaf)
    if isinstance(proposal, Update):
        mine = item.sender == own or item.sender in removes
        return None if mine else ("leaf", item.sender)
    if isinstance(proposal, Add):
        return ("add", proposal.package.leaf_node.signature_key)
    if isinstance(proposal, GroupContextExtensions):
        return GROUP_CONTEXT_EXTENSIONS
    return REINIT if isinstance(proposal, ReInit) else proposal
