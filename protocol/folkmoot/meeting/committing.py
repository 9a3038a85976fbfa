"""A commit of our own, as the others will judge it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from folkmoot import mls
from folkmoot.governance.judge import Verdict, judge
from folkmoot.meeting.epoch_state import EpochState, change_of
from folkmoot.meeting.pending import Plan
from folkmoot.meeting.records import Handshake
from folkmoot.meeting.secrets import EXTENSION_TYPE


class Made(NamedTuple):
    """What a commit leads to, what our own judge says of it, and how it travels."""

    staged: mls.Staged
    verdict: Verdict
    handshake: Handshake


def make_commit(
    parent: EpochState,
    plan: Plan,
    *,
    seat: bytes,
    tick: int,
    public: bool,
    entropy: Callable[[int], bytes],
) -> Made:
    """Raises MlsError, Refusal or DecodeError where it could not stand. `public`: nothing may be
    sealed in the parent, as it is the epoch of a saved state; a PublicMessage uses no ratchet."""
    secrets = parent.secrets.before_commit(tick, seat, plan.takes_away, plan.by_ballots)
    created = parent.group.commit(
        plan.proposals,
        authenticated_data=plan.authenticated_data(tick),
        public=public,
        tree_extension=False,
        group_info_extensions=[mls.Extension(EXTENSION_TYPE, secrets.encode())],
        entropy=entropy,
    )
    verdict = judge(
        change_of(created.staged),
        group_id=parent.group.group_id,
        roster=parent.roster,
        terms=parent.terms,
        parent_tick=parent.secrets.tick,
    )
    handshake = Handshake(parent.authenticator, created.message, created.welcome or b"")
    handshake.check_size()
    return Made(created.staged, verdict, handshake)
