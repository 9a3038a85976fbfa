"""Which council cells a member opens, and how much work those cost that it cannot open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from folkmoot.cells import council
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.secrets import STEPS_AHEAD_MAX, step
from folkmoot.meeting.signalling import (
    FAR_LOOKS_BURST,
    FAR_LOOKS_PER_S,
    NEAR_STEPS,
    OWN_SALTS_MAX,
    Echo,
    Signalling,
)
from unit.meeting_parts import People, entropy_of

ENTROPY = entropy_of("others")


def state_with(secret: bytes) -> EpochState:
    state = People("ada")["ada"].state
    return EpochState(state.group, replace(state.secrets, signalling=secret))


CURRENT, PARENT = b"c" * 32, b"p" * 32


@pytest.fixture
def listening() -> Signalling:
    found = Signalling(entropy_of("own"))
    found.follow([state_with(CURRENT), state_with(PARENT)])
    return found


def ahead(steps: int, secret: bytes = CURRENT) -> bytes:
    for _ in range(steps):
        secret = step(secret)
    return secret


def cell(secret: bytes) -> bytes:
    return council.seal(secret, b"words", ENTROPY)


def test_cells_of_heard_epochs_are_opened(listening: Signalling) -> None:
    for secret in (CURRENT, PARENT):
        plaintext = listening.open(cell(secret), 0.0)
        assert plaintext is not None
        assert plaintext.startswith(b"words")


@pytest.mark.parametrize("steps", [1, NEAR_STEPS, NEAR_STEPS + 1, STEPS_AHEAD_MAX])
def test_cells_some_additions_ahead_are_opened(listening: Signalling, steps: int) -> None:
    assert listening.open(cell(ahead(steps)), 0.0) is not None


def test_cells_further_ahead_or_behind_are_not(listening: Signalling) -> None:
    assert listening.open(cell(ahead(STEPS_AHEAD_MAX + 1)), 0.0) is None
    assert listening.open(cell(ahead(1, PARENT)), 0.0) is None
    assert listening.open(cell(b"x" * 32), 0.0) is None
    assert listening.open(b"no cell at all", 0.0) is None


def test_before_any_epoch_nothing_is_opened() -> None:
    assert Signalling(ENTROPY).open(cell(CURRENT), 0.0) is None


def test_secrets_of_epochs_given_up_open_nothing(listening: Signalling) -> None:
    listening.follow([state_with(CURRENT)])
    assert listening.open(cell(PARENT), 0.0) is None


def test_looking_far_is_done_for_a_few_cells_a_second_only(listening: Signalling) -> None:
    far = [cell(ahead(NEAR_STEPS + steps)) for steps in (3, 4)]
    for _ in range(int(FAR_LOOKS_BURST)):
        assert listening.open(cell(b"x" * 32), 10.0) is None
    assert listening.open(far[0], 10.0) is None
    # Near ones are opened all the same.
    assert listening.open(cell(ahead(NEAR_STEPS)), 10.0) is not None
    assert listening.open(far[0], 10.0 + 0.9 / FAR_LOOKS_PER_S) is None
    assert listening.open(far[0], 10.0 + 1.1 / FAR_LOOKS_PER_S) is not None
    assert listening.open(far[1], 10.0 + 1.2 / FAR_LOOKS_PER_S) is None


def test_looks_saved_up_are_bounded(listening: Signalling) -> None:
    far = [cell(ahead(NEAR_STEPS + 1 + number)) for number in range(20)]
    for _ in range(int(FAR_LOOKS_BURST)):
        assert listening.open(cell(b"x" * 32), 0.0) is None
    opened = [listening.open(one, 1e6) is not None for one in far]
    assert opened == [True] * 16 + [False] * 4


def test_where_somebody_is_ahead_every_cell_is_opened(listening: Signalling) -> None:
    """One behind must hear all that those ahead say, not eight cells a second of it."""
    assert listening.heard_ahead is None
    far = ahead(NEAR_STEPS + 5)
    for number in range(100):
        assert listening.open(cell(far), 0.0) is not None, number
    assert listening.heard_ahead == far
    near = ahead(1)
    listening.open(cell(near), 0.0)
    assert listening.heard_ahead == near
    listening.follow([state_with(CURRENT)])
    assert listening.heard_ahead == near
    listening.follow([state_with(ahead(2))])
    assert listening.heard_ahead is None


def test_it_stays_open_when_epochs_change(listening: Signalling) -> None:
    far = ahead(NEAR_STEPS + 5)
    assert listening.open(cell(far), 0.0) is not None
    listening.follow([state_with(ahead(1)), state_with(CURRENT)])
    for _ in range(int(FAR_LOOKS_BURST) + 1):
        assert listening.open(cell(b"x" * 32), 0.0) is None
    assert listening.open(cell(far), 0.0) is not None


def test_near_cells_cost_no_far_look(listening: Signalling) -> None:
    for _ in range(100):
        listening.open(cell(CURRENT), 0.0)
    assert listening.open(cell(ahead(STEPS_AHEAD_MAX)), 0.0) is not None


def test_without_looks_few_keys_are_tried(
    listening: Signalling, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bytes] = []

    def no(secret: bytes, cell: bytes) -> None:
        tried.append(secret)

    monkeypatch.setattr(council, "open", no)
    for _ in range(100):
        listening.open(b"cell", 0.0)
    near = 2 + NEAR_STEPS
    assert len(tried) == 100 * near + FAR_LOOKS_BURST * (STEPS_AHEAD_MAX - NEAR_STEPS)


def test_a_secret_is_tried_once_though_two_epochs_share_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listening = Signalling(ENTROPY)
    # After an addition the current secret is one step from its parent's.
    listening.follow([state_with(CURRENT), state_with(CURRENT), state_with(ahead(5))])
    tried: list[bytes] = []
    monkeypatch.setattr(council, "open", lambda secret, cell: tried.append(secret))
    listening.open(b"cell", 0.0)
    assert len(tried) == len(set(tried)) == 1 + STEPS_AHEAD_MAX


def test_own_cells_are_known_when_they_come_back(listening: Signalling) -> None:
    own = listening.seal(CURRENT, b"words", 3)
    assert len(own) == council.CELL_BYTES
    assert listening.echo(cell(CURRENT), 3) is None
    assert [listening.echo(own, 3) for _ in range(3)] == [Echo.FIRST, Echo.AGAIN, Echo.AGAIN]
    plaintext = listening.open(own, 0.0)
    assert plaintext is not None
    assert plaintext.startswith(b"words")


@pytest.mark.parametrize("place", [council.SALT_BYTES, 400, council.CELL_BYTES - 1])
def test_a_bent_cell_is_no_echo(listening: Signalling, place: int) -> None:
    own = listening.seal(CURRENT, b"words", 3)
    bent = own[:place] + bytes((own[place] ^ 1,)) + own[place + 1 :]
    assert listening.echo(bent, 3) is Echo.BENT
    assert listening.open(bent, 0.0) is None
    assert listening.echo(own, 3) is Echo.FIRST, "what is bent takes nothing from what is not"


def test_what_another_relay_brings_of_ours_is_no_echo(listening: Signalling) -> None:
    own = listening.seal(CURRENT, b"words", 3)
    assert listening.echo(own, 4) is None
    assert listening.echo(own, 3) is Echo.FIRST


def test_only_the_newest_own_cells_are_remembered(listening: Signalling) -> None:
    cells = [listening.seal(CURRENT, b"", 0) for _ in range(OWN_SALTS_MAX + 1)]
    assert [listening.echo(one, 0) for one in cells] == [None] + [Echo.FIRST] * OWN_SALTS_MAX
