"""The commits beyond the current epoch, as branches that grow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from folkmoot.meeting.steps import Candidate

CHAIN_MAX = 64  # commits staged beyond the current epoch, over all branches


def first_step(
    candidates: Mapping[bytes, Candidate], current: bytes, authenticator: bytes
) -> bytes | None:
    """The candidate on the epoch `current` on the way to `authenticator`, if there is one."""
    for _ in range(CHAIN_MAX):
        candidate = candidates.get(authenticator)
        if candidate is None:
            return None
        if candidate.parent == current:
            return authenticator
        authenticator = candidate.parent
    return None


def descends(candidates: Mapping[bytes, Candidate], candidate: Candidate, ancestor: bytes) -> bool:
    """Whether a candidate follows the epoch `ancestor`, however many steps later."""
    for _ in range(CHAIN_MAX):
        if candidate.parent == ancestor:
            return True
        following = candidates.get(candidate.parent)
        if following is None:
            return False
        candidate = following
    return False


def longest_branch(
    candidates: Mapping[bytes, Candidate], current: bytes, spared: Callable[[bytes], bool]
) -> tuple[bytes | None, bytes] | None:
    """Of the branches, without the candidates that are `spared`: the first step of the longest and
    the newest commit in it, which has nothing behind it, as what follows comes after what it
    follows. None where all are spared."""
    branches: dict[bytes | None, list[bytes]] = {}
    for one in candidates:
        if not spared(one):
            branches.setdefault(first_step(candidates, current, one), []).append(one)
    longest = max(branches, key=lambda first: len(branches[first]), default=None)
    return None if longest is None else (longest, branches[longest][-1])
