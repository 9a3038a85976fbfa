"""One epoch of a meeting: its MLS group, the secrets beside it, and who sits where."""

from __future__ import annotations

from folkmoot import mls
from folkmoot.governance.judge import Change, Newcomer, RosterEntry
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.governance.roll import Roll
from folkmoot.governance.seat import seat_of
from folkmoot.governance.terms import Pairs, Terms
from folkmoot.meeting.secrets import MeetingSecrets
from folkmoot.wire.codec import DecodeError

SFRAME_EXPORT_LABEL = "SFrame 1.0 Base Key"  # RFC 9605 §5.2
SFRAME_BASE_BYTES = 32


class EpochState:
    """Immutable but for the group's own ratchets."""

    __slots__ = (
        "_by_leaf",
        "_by_seat",
        "authenticator",
        "base_key",
        "group",
        "roll",
        "roster",
        "secrets",
        "terms",
    )

    roll: Roll  # who votes

    def __init__(self, group: mls.Group, secrets: MeetingSecrets) -> None:
        """Raises DecodeError when the group's context says nothing of a meeting."""
        self.group = group
        self.secrets = secrets
        self.authenticator = group.epoch_authenticator
        self.base_key = group.export(SFRAME_EXPORT_LABEL, b"", SFRAME_BASE_BYTES)
        self.roster = tuple(
            RosterEntry(one.leaf, one.identity, one.signature_key, one.leaf_node)
            for one in group.members()
        )
        self._by_seat = {entry.seat: entry for entry in self.roster}
        self._by_leaf = {entry.leaf: entry for entry in self.roster}
        self.terms = Terms.of((one.type, one.data) for one in group.extensions)
        self.roll = self.terms.roll(self._by_seat)

    def __repr__(self) -> str:
        return f"EpochState(epoch={self.group.epoch}, members={len(self.roster)})"

    def entry_of(self, seat: bytes) -> RosterEntry | None:
        """The roster entry of a seat."""
        return self._by_seat.get(seat)

    def entry_at(self, leaf: int) -> RosterEntry | None:
        """The roster entry at a leaf index."""
        return self._by_leaf.get(leaf)

    def has_key(self, signature_key: bytes) -> bool:
        """Whether some member signs with this key."""
        return any(entry.signature_key == signature_key for entry in self.roster)

    def check_seats(self) -> None:
        """Raises DecodeError where somebody sits in a seat that is not the one of its key. The
        judge keeps every epoch so that follows one that is; whoever comes in checks its first."""
        if any(entry.seat != seat_of(entry.signature_key) for entry in self.roster):
            raise DecodeError("somebody in it sits in a seat that is not theirs")

    @property
    def own_leaf(self) -> int:
        return self.group.own_leaf


def change_of(staged: mls.Staged) -> Change:
    """A staged commit as the judge sees it."""
    adds: list[Newcomer] = []
    removes: list[int] = []
    other = _moved_leaf(staged)
    extensions: Pairs | None = None
    for proposal, sender in staged.proposals:
        if sender != staged.committer:
            other = Refusal(Rule.OTHERS_PROPOSAL)
        elif isinstance(proposal, mls.Add):
            package, leaf = proposal.package, proposal.package.leaf_node
            adds.append(Newcomer(package.ref(), leaf.credential.identity, leaf.signature_key))
        elif isinstance(proposal, mls.Remove):
            removes.append(proposal.leaf)
        elif isinstance(proposal, mls.GroupContextExtensions):
            extensions = tuple((one.type, one.data) for one in proposal.extensions)
        else:
            other = Refusal(Rule.PROPOSAL_KIND, type(proposal).__name__)
    return Change(
        staged.committer,
        staged.authenticated_data,
        tuple(adds),
        tuple(removes),
        other,
        extensions,
    )


def _moved_leaf(staged: mls.Staged) -> Refusal | None:
    """What is wrong with the leaf that the commit's path gives its committer: MLS lets it name
    anybody, under any key, so whoever commits could sit down in another's seat. The next epoch is
    not there for one whom the commit takes out, and that one has nothing to fear any more."""
    if staged.committer is None or staged.group is None:
        return None
    before, after = staged.parent.member(staged.committer), staged.group.member(staged.committer)
    if before is None or after is None or after.identity != before.identity:
        return Refusal(Rule.COMMITTER_SEAT)
    if after.signature_key != before.signature_key:
        return Refusal(Rule.COMMITTER_KEY)
    return None
