"""Sending in an epoch: application data, proposals, and our own Updates (RFC 9420 §6, §12.1)."""

from __future__ import annotations

from collections.abc import Sequence

from folkmoot.mls import protection, stored
from folkmoot.mls.epoch import OWN_UPDATES_MAX, Epoch
from folkmoot.mls.errors import Check, StateError
from folkmoot.mls.extensions import Extension
from folkmoot.mls.framing import (
    PRIVATE_MESSAGE,
    PUBLIC_MESSAGE,
    AuthenticatedContent,
    FramedContent,
    Sender,
)
from folkmoot.mls.hpke import Entropy
from folkmoot.mls.leaf_node import LeafContent
from folkmoot.mls.message import encode_message
from folkmoot.mls.proposals import Proposal, Update


def _sign(
    epoch: Epoch, body: bytes | Proposal, authenticated_data: bytes, wire_format: int
) -> AuthenticatedContent:
    epoch.check_usable()
    context = epoch.context
    sender = Sender.member(epoch.own_leaf)
    content = FramedContent(context.group_id, context.epoch, sender, authenticated_data, body)
    return protection.sign(epoch.suite, wire_format, content, epoch.signer, epoch.context_bytes)


def _seal(
    epoch: Epoch, signed: AuthenticatedContent, padding_bytes: int, entropy: Entropy
) -> bytes:
    message = protection.protect_private(
        epoch.suite,
        signed,
        epoch.secrets.sender_data_secret,
        epoch.secret_tree,
        entropy,
        padding_bytes,
    )
    return encode_message(message)


def seal(
    epoch: Epoch, data: bytes, authenticated_data: bytes, padding_bytes: int, entropy: Entropy
) -> bytes:
    """Application data in a PrivateMessage, framed as an MLSMessage.

    Not while proposals wait: one of them may remove somebody who must not read this (§12.4).
    """
    if epoch.stored:
        raise StateError(Check.PROPOSALS_WAIT, f"{len(epoch.stored)} of them")
    signed = _sign(epoch, data, authenticated_data, PRIVATE_MESSAGE)
    return _seal(epoch, signed, padding_bytes, entropy)


def propose(
    epoch: Epoch, proposal: Proposal, authenticated_data: bytes, public: bool, entropy: Entropy
) -> bytes:
    """A proposal to send, framed as an MLSMessage; it is stored here too."""
    wire_format = PUBLIC_MESSAGE if public else PRIVATE_MESSAGE
    signed = _sign(epoch, proposal, authenticated_data, wire_format)
    stored.store(epoch, protection.signed_by_us(signed))
    if not public:
        return _seal(epoch, signed, 0, entropy)
    return encode_message(
        protection.protect_public(
            epoch.suite, signed, epoch.secrets.membership_key, epoch.context_bytes
        )
    )


def own_update(
    epoch: Epoch, leaf_extensions: Sequence[Extension] | None, entropy: Entropy
) -> Update:
    """An Update of our leaf with a fresh encryption key, whose private half is kept."""
    if len(epoch.own_updates) >= OWN_UPDATES_MAX:
        raise StateError(Check.LIMIT, f"{OWN_UPDATES_MAX} updates")
    key = epoch.suite.generate_hpke_key(entropy)
    node = LeafContent.of(epoch.own_node, key.public.data, leaf_extensions).sign_for_update(
        epoch.context.group_id,
        epoch.own_leaf,
        lambda tbs: epoch.suite.sign_with_label(epoch.signer, "LeafNodeTBS", tbs),
    )
    epoch.own_updates[key.public.data] = key
    return Update(node)
