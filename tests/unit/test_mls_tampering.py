"""Messages with a bit turned or an end cut off are refused, and nothing changes."""

from __future__ import annotations

import pytest

from folkmoot import mls
from unit.mls_groups import (
    SUITES,
    refused,
    state_of,
    trio,
)

pytestmark = pytest.mark.parametrize("suite", SUITES)


@pytest.mark.parametrize("public", [False, True])
def test_tampered_commits_change_nothing(suite: int, public: bool) -> None:
    world = trio(suite)
    alice, bob = world.groups["alice"], world.groups["bob"]
    proposals: list[mls.Proposal] = [mls.Remove(2), mls.Add(world.bundle("dave").key_package)]
    message = bob.commit(
        proposals, authenticated_data=b"evidence", public=public, entropy=world.entropy
    ).message
    before = state_of(alice)
    step = 13 if suite == 1 else 41
    for place in range(0, len(message), step):
        tampered = bytearray(message)
        tampered[place] ^= 1 << (place % 8)
        with pytest.raises(mls.MlsError):
            alice.stage(bytes(tampered))
    for end in range(0, len(message), step):
        with pytest.raises(mls.MlsError):
            alice.stage(message[:end])
    refused(mls.Check.DECODE, alice.stage, message + b"\x00")
    assert state_of(alice) == before
    assert alice.stage(message).group is not None


def test_tampered_messages_and_welcomes(suite: int) -> None:
    world = trio(suite)
    alice, bob = world.groups["alice"], world.groups["bob"]
    sealed = bob.seal(b"hello", b"data", entropy=world.entropy)
    for place in range(len(sealed)):
        tampered = bytearray(sealed)
        tampered[place] ^= 1 << (place % 8)
        with pytest.raises(mls.MlsError):
            alice.receive(bytes(tampered))
    assert isinstance(alice.receive(sealed), mls.Application)
    bundle = world.bundle("dave")
    welcome = bob.commit([mls.Add(bundle.key_package)], entropy=world.entropy).welcome
    assert welcome is not None
    for place in range(0, len(welcome), 17):
        tampered = bytearray(welcome)
        tampered[place] ^= 1 << (place % 8)
        with pytest.raises(mls.MlsError):
            mls.Group.join(bytes(tampered), bundle)
    assert mls.Group.join(welcome, bundle).own_leaf == 3
