"""Commits that come before their parents: they wait, and nobody can take their place for ever."""

from __future__ import annotations

import pytest

from folkmoot import mls
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.epochs import Epochs
from folkmoot.meeting.orphans import ORPHANS_MAX
from folkmoot.meeting.records import Handshake
from unit.meeting_parts import TICK, People, entropy_of, seat_of

NOW = 10.0


class Behind:
    """Ada, who has heard nothing of bob's last two commits."""

    def __init__(self) -> None:
        people = People("ada", "bob")
        before = people["ada"].state
        state = EpochState(mls.Group.load(before.group.save()), before.secrets)
        self.epochs = Epochs(
            state,
            seat=seat_of("ada"),
            wall_s=lambda now: TICK + int(now),
            now=NOW,
        )
        self.ways = []
        for _ in range(2):
            people.commit("bob")
            self.ways.append(people["bob"].state.authenticator)
        self.first, self.second = people.handshakes[-2:]

    def hear(self, *handshakes: Handshake) -> None:
        for handshake in handshakes:
            self.epochs.receive_handshake(handshake, NOW)


def test_a_commit_that_comes_before_its_parent_waits_for_it() -> None:
    ada = Behind()
    ada.hear(ada.second, ada.second)
    assert not any(map(ada.epochs.knows, ada.ways))
    ada.hear(ada.first)
    assert all(map(ada.epochs.knows, ada.ways))
    assert not ada.epochs._orphans


@pytest.mark.parametrize("length", [0, 300])
def test_commits_of_epochs_that_nobody_knows_do_not_keep_others_out(length: int) -> None:
    """Most are of epochs that are past; a member can also make them up. They filled the place for
    good, and a commit that came too early was lost."""
    ada, chance = Behind(), entropy_of(7)
    for _ in range(2 * ORPHANS_MAX):
        ada.hear(Handshake(chance(32), chance(length), b""))
    assert len(ada.epochs._orphans) <= ORPHANS_MAX
    ada.hear(ada.second, ada.first)
    assert all(map(ada.epochs.knows, ada.ways))
