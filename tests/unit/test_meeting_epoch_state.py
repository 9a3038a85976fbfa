"""What the judge is shown of a commit that is correct MLS: what has no place in a meeting is named,
however it got into the commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot import mls
from folkmoot.governance.evidence import CommitEvidence
from folkmoot.governance.judge import judge
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.meeting.epoch_state import change_of
from folkmoot.meeting.founding import SUITE, make_key_package
from simulation.hostile_member import forge_leaf, with_seat
from unit.meeting_parts import GROUP, TICK, People, key_of, seat_of

EVIDENCE = CommitEvidence(TICK + 9, ()).encode()
STRANGER = b"k" * 32


@pytest.fixture
def people() -> People:
    return People("ada", "bob", "eve")


def verdict_of(people: People, staged: mls.Staged) -> Refusal:
    """Why the judge refuses what eve staged."""
    state = people["eve"].state
    with pytest.raises(Refusal) as caught:
        judge(
            change_of(staged),
            group_id=GROUP,
            roster=state.roster,
            terms=state.terms,
            parent_tick=state.secrets.tick,
        )
    return caught.value


def refused(people: People, message: bytes, rule: Rule) -> Refusal:
    """That eve stages a commit, refuses it by this rule, and is where she was."""
    group = people["eve"].state.group
    before = group.save()
    refusal = verdict_of(people, group.stage(message))
    assert refusal.rule is rule, str(refusal)
    assert group.save() == before
    return refusal


def commit(people: People, proposals: Sequence[Any] = (), **options: Any) -> bytes:
    made = people["bob"].state.group.commit(
        proposals, authenticated_data=EVIDENCE, entropy=people.entropy, **options
    )
    return made.message


def test_a_plain_commit_is_allowed(people: People) -> None:
    staged = people["eve"].state.group.stage(commit(people))
    assert change_of(staged).other is None


def _key_from_before(people: People) -> mls.PreSharedKey:
    group = people["bob"].state.group
    return group.past_epoch_psk(group.epoch, people.entropy)


def _outsiders(people: People) -> mls.GroupContextExtensions:
    """The extension by which somebody outside could propose to the group for ever."""
    public = Ed25519PrivateKey.from_private_bytes(STRANGER).public_key().public_bytes_raw()
    sender = mls.ExternalSender(public, mls.Credential.basic(b"somebody outside"))
    extensions = people["bob"].state.group.extensions
    return mls.GroupContextExtensions([*extensions, mls.external_senders_extension([sender])])


KINDS: list[tuple[str, Callable[[People], mls.Proposal]]] = [
    ("ReInit", lambda _: mls.ReInit(b"another group   ", SUITE)),
    ("PreSharedKey", _key_from_before),
]


@pytest.mark.parametrize(("name", "make"), KINDS)
def test_kinds_of_proposals_that_have_no_place(
    people: People, name: str, make: Callable[[People], mls.Proposal]
) -> None:
    message = commit(people, [make(people)])
    assert refused(people, message, Rule.PROPOSAL_KIND).detail == name


def test_the_groups_extensions_stay_without_evidence(people: People) -> None:
    refused(people, commit(people, [mls.GroupContextExtensions([])]), Rule.CONTEXT)
    refused(people, commit(people, [_outsiders(people)]), Rule.CONTEXT)


def test_a_proposal_of_another_has_no_place(people: People) -> None:
    """Not even one of its committer's friend who wants to go, or wants a fresh key."""
    for wanted in ("update", "remove"):
        ada, bob, eve = (people[name].state.group for name in ("ada", "bob", "eve"))
        proposal: mls.Proposal = mls.Remove(0)
        if wanted == "update":
            proposal = ada.update(entropy=people.entropy)
        message = ada.propose(proposal, entropy=people.entropy)
        for group in (bob, eve):
            group.receive(message)
        refused(people, commit(people, bob.stored_references()[-1:]), Rule.OTHERS_PROPOSAL)


def test_somebody_outside_may_not_propose(people: People) -> None:
    """Even in a group that had let somebody outside propose, which the judge never allows."""
    people.commit("bob", [_outsiders(people)])
    bob, eve = people["bob"].state.group, people["eve"].state.group
    message = mls.propose_from_outside(SUITE, GROUP, bob.epoch, 0, mls.Remove(0), STRANGER)
    for group in (bob, eve):
        group.receive(message)
    refused(people, commit(people, bob.stored_references()), Rule.OTHERS_PROPOSAL)


@pytest.mark.parametrize("seat", ["cleo", "ada"])
def test_nobody_comes_in_from_outside(people: People, seat: str) -> None:
    """Neither as a newcomer nor in the place of one who is in, by that one's own key."""
    bundle = make_key_package(key_of(seat), people.entropy)
    _, message = mls.Group.external_join(
        people["bob"].state.group.group_info(),
        bundle,
        resync=seat == "ada",
        authenticated_data=EVIDENCE,
        entropy=people.entropy,
    )
    refused(people, message, Rule.EXTERNAL_COMMIT)


@pytest.mark.parametrize("seat", ["ada", "nobody"])
def test_a_committer_stays_in_its_seat(
    people: People, seat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge_leaf(monkeypatch, with_seat(seat_of(seat)))
    refused(people, commit(people), Rule.COMMITTER_SEAT)


def test_a_committer_keeps_its_key(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    public = Ed25519PrivateKey.from_private_bytes(STRANGER).public_key().public_bytes_raw()
    forge_leaf(monkeypatch, lambda content: replace(content, signature_key=public), STRANGER)
    refused(people, commit(people), Rule.COMMITTER_KEY)


def test_a_remove_wants_evidence(people: People) -> None:
    refused(people, commit(people, [mls.Remove(0)]), Rule.REMOVE_UNPROVEN)
    # Eve judges her own removal too, in a commit that gives her no epoch to go on in.
    refused(people, commit(people, [mls.Remove(2)]), Rule.REMOVE_UNPROVEN)


def test_an_add_wants_a_sponsor(people: People) -> None:
    add = mls.Add(people.bundle("cleo").key_package)
    refused(people, commit(people, [add]), Rule.NOT_ADMITTED)
