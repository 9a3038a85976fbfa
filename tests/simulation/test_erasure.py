"""Ten seconds after an epoch settled, no member holds a secret of the one before (claim C10).

What is looked for are the secrets themselves, by their bytes, among all objects that are alive in
this process (every member of the world lives in it) and in what the members saved. Objects of
`cryptography` keep their copy outside of Python's memory; that those are gone too follows from the
epochs that own them being gone. What the interpreter or the C library leaves behind in freed memory
is not looked at: nobody can promise that (README, "Not protected").
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable, Iterator

import pytest

from folkmoot.cells.media import MediaKeys
from folkmoot.meeting import events, secrets
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.epochs import PARENT_KEPT_S
from folkmoot.meeting.save import Saved
from folkmoot.mls import Group
from folkmoot.mls.epoch import Epoch
from simulation.hostile_member import Hostile
from simulation.meeting_world import Member, World, agreed
from simulation.test_meeting import meet, say, speak

SECRET_BYTES_MAX = 64
_ATOMS = (bytes, bytearray, str, int, float, complex, bool, type(None))


def _state(member: Member) -> EpochState:
    inside = member.meeting._inside
    assert inside is not None
    return inside.epochs.current


def _secrets(state: EpochState) -> Iterator[tuple[str, bytes]]:
    """All that opens, or leads to, something of this epoch. Not the resumption PSK, which
    is kept for a branch of the group and opens nothing (RFC 9420 §8.6), and not what stays the same
    in the next epoch: room root, door, and the tree's keys that no commit replaced."""
    yield "base key", state.base_key
    yield "signalling", state.secrets.signalling
    epoch = state.group._epoch
    for name in ("sender_data", "exporter", "external", "init"):
        yield name, getattr(epoch.secrets, f"{name}_secret")
    yield "confirmation key", epoch.secrets.confirmation_key
    yield "membership key", epoch.secrets.membership_key
    tree = epoch.secret_tree
    for node, secret in tree._nodes.items():
        yield f"secret tree node {node}", secret
    for leaf, ratchets in tree._ratchets.items():
        for kind, ratchet in ratchets.items():
            yield f"ratchet of {leaf} for {kind.name}", ratchet.secret


def _hashed(secret: bytes) -> bytes:
    return hashlib.sha256(secret).digest()


def _alive(mirrored: Iterable[bytes]) -> set[bytes]:
    """Those of the secrets that can be reached from anything alive, by themselves or inside of
    other bytes. They come and go written backwards, so that the list is no find itself. The
    collector does not follow tuples and dicts of plain values, so that is done here."""
    by_secret = {secret[::-1]: secret for secret in mirrored}
    found: set[bytes] = set()
    holders: list[bytes] = []
    gc.collect()
    seen = {id(by_secret)}
    stack: list[object] = [one for one in gc.get_objects() if one is not by_secret]
    while stack:
        for one in gc.get_referents(stack.pop()):
            if isinstance(one, bytes | bytearray):
                if len(one) > SECRET_BYTES_MAX:
                    holders.append(bytes(one))
                elif bytes(one) in by_secret:
                    found.add(by_secret[bytes(one)])
            elif not isinstance(one, _ATOMS) and not gc.is_tracked(one) and id(one) not in seen:
                seen.add(id(one))
                stack.append(one)
    everything = b"".join(set(holders))
    return found | {mirror for secret, mirror in by_secret.items() if secret in everything}


def _media_keys(base_key_hashes: set[bytes], world: World) -> int:
    """How many media keys made from these base keys are alive."""
    pins = [relay.address.pin for relay in world.relays]
    made = {
        _hashed(MediaKeys(state.base_key, 0, pin)._copy_key)
        for state in gc.get_objects()
        if isinstance(state, EpochState) and _hashed(state.base_key) in base_key_hashes
        for pin in pins
    }
    live = (one for one in gc.get_objects() if isinstance(one, MediaKeys))
    return sum(_hashed(one._copy_key) in made for one in live)


def test_old_secrets_are_gone_ten_seconds_after_an_epoch_settled() -> None:
    world = World(61)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    for one in (ann, bob):
        speak(world, one, 2)
        say(world, one, f"{one.name} was here")
    world.run(3)
    number, meeting_id = _state(bob).group.epoch, _state(bob).group.group_id
    wanted = {
        secret[::-1]: f"{one.name}'s {name}"
        for one in (ann, bob, cy)
        for name, secret in _secrets(_state(one))
    }
    bases = {_hashed(_state(bob).base_key)}
    saved = {one.name: _hashed(one.saved) for one in (ann, bob, cy)}
    assert all(_state(one).secrets.signalling in one.saved for one in (ann, bob, cy))
    assert set(wanted) == _alive(wanted)  # the search finds what is there
    assert _media_keys(bases, world) > 0

    dee = world.join("Dee", bob.meeting.invite_text())
    world.run_until(lambda: agreed([ann, bob, cy, dee]), 20)
    world.run(1)
    assert _alive(wanted)  # what is under way is still heard

    world.run(PARENT_KEPT_S)
    assert {wanted[one] for one in _alive(wanted)} == set()
    # Of this meeting alone: worlds of other tests may be alive in this process, too.
    epochs = [one for one in gc.get_objects() if isinstance(one, Epoch)]
    mine = {one.context.epoch for one in epochs if one.context.group_id == meeting_id}
    assert _state(bob).group.epoch in mine
    assert number not in mine
    for one in (ann, bob, cy):
        assert _hashed(one.saved) != saved[one.name]
        assert [name for mirror, name in wanted.items() if mirror[::-1] in one.saved] == []


def test_a_replaced_room_root_is_gone_ten_seconds_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds it finds, and can write in, the rooms that those had who are gone."""
    monkeypatch.setattr(secrets, "ROOM_ROOT_INTERVAL_S", 0)
    world = World(64)
    ann, bob, cy, dee = meet(world, "Ann", "Bob", "Cy", "Dee")
    speak(world, ann, 2)
    wanted = {_state(ann).secrets.room_root[::-1]: "room root"}
    assert set(wanted) == _alive(wanted)  # the search finds what is there
    world.do(dee, lambda m: m.leave(world.now))
    world.run_until(lambda: bool(dee.of(events.Left)) and agreed([ann, bob, cy]), 10)
    world.kill(dee)
    dee.meeting._inside = None  # whose program ended; what it held goes with it
    assert _state(ann).secrets.room_root[::-1] not in wanted
    for one in (ann, bob):
        speak(world, one, 1)  # heard in the old rooms and in the new
    world.run(PARENT_KEPT_S + 1)
    assert {wanted[one] for one in _alive(wanted)} == set()


def test_who_left_is_left_without_keys() -> None:
    world = World(62)
    ann, bob, cy = meet(world, "Ann", "Bob", "Cy")
    say(world, bob, "bye")
    world.run(1)
    world.do(bob, lambda m: m.leave(world.now))
    world.run_until(lambda: bool(bob.of(events.Left)), 10)
    assert bob.saved == b""
    assert agreed([ann, cy])


def test_a_commit_that_never_settled_goes_when_another_settles() -> None:
    """Until then its keys are nothing that a thief of the epoch that we are in would lack: that
    epoch's keys and the commit, which everybody was sent, make them again."""
    world = World(63)
    ann, bob, cy, mal = meet(world, "Ann", "Bob", "Cy", "Mallory")
    mallory = Hostile(world, mal)
    forged = [mallory.commit(), mallory.commit()]  # two of one committer: both are void
    world.run(PARENT_KEPT_S + 5)
    honest = [ann, bob, cy]
    wanted: dict[bytes, str] = {}
    for one in honest:
        inside = one.meeting._inside
        assert inside is not None
        for made in forged:
            candidate = inside.epochs.state_of(made.child or b"")
            assert candidate is not None
            assert candidate is not inside.epochs.current
            wanted |= {value[::-1]: f"{one.name}'s {name}" for name, value in _secrets(candidate)}
            stolen = Group.load(Saved.decode(one.saved).group).stage(made.handshake.message)
            assert stolen.group is not None
            assert stolen.group.epoch_authenticator == made.child
            del stolen, candidate
    assert set(wanted) == _alive(wanted)  # the search finds what is there
    eve = world.join("Eve", ann.meeting.invite_text())
    world.run_until(lambda: agreed([*honest, mal, eve]), 20)
    # Each step of the signalling secret is the same whichever commit takes it.
    wanted.pop(_state(ann).secrets.signalling[::-1], None)
    assert len(wanted) > 2 * len(forged)
    assert {wanted[one] for one in _alive(wanted)} == set()
