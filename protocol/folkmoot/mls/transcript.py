"""Transcript hashes: the history that every epoch agrees on (RFC 9420 §8.2)."""

from __future__ import annotations

from folkmoot.mls.crypto import CipherSuite
from folkmoot.mls.framing import AuthenticatedContent
from folkmoot.wire import codec


def confirmed_transcript_hash(
    suite: CipherSuite, interim_before: bytes, commit: AuthenticatedContent
) -> bytes:
    """The hash with a commit in it but not its tag: `nh` bytes, part of the new GroupContext."""
    return suite.hash(
        interim_before
        + codec.u16(commit.wire_format)
        + commit.content.encoded
        + codec.opaque(commit.signature)
    )


def interim_transcript_hash(suite: CipherSuite, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """The hash with the confirmation tag in it too: `nh` bytes, what the next commit goes on from.

    In a new group `confirmed` is empty and the tag that of epoch 0 (§11).
    """
    return suite.hash(confirmed + codec.opaque(confirmation_tag))
