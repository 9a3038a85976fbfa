"""Whatever bytes arrive, from outside or from a member, the result is a value or an MlsError.

And a group whose answer was an MlsError is the group that it was before, to the last byte of its
saved state. And honest members of one epoch say the same of one commit.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable

import pytest

from folkmoot import mls
from folkmoot.mls.commit import Commit
from folkmoot.mls.framing import PublicMessage
from folkmoot.mls.message import decode_message
from folkmoot.mls.proposals import read_proposal
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.wire import codec
from fuzz.insider import Insider
from unit.mls_groups import CUSTOM_EXTENSION, CUSTOM_PROPOSAL, World, disobedient, trio

SUITE = mls.SUITE_X25519_AES128
ROUNDS = 400


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with one to three small wounds."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        place = chance.randrange(len(out))
        wound = chance.randrange(5)
        if wound == 0:
            out[place] ^= 1 << chance.randrange(8)
        elif wound == 1:
            out[place] = chance.choice((0, 1, 2, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF))
        elif wound == 2:
            del out[place : place + chance.choice((1, 1, 2, 32))]
        elif wound == 3:
            out[place:place] = chance.randbytes(chance.choice((1, 2, 32)))
        else:
            start = chance.randrange(len(out))
            piece = out[start : start + chance.randrange(1, 64)]
            out[place : place + len(piece)] = piece
        if not out:
            out = bytearray(1)
    return bytes(out)


def refused(group: mls.Group, act: Callable[[bytes], object], message: bytes) -> bool:
    """Runs `act` of the group; whether it was refused, when nothing may have changed."""
    before = group.save()
    try:
        act(message)
    except mls.MlsError:
        assert group.save() == before
        return True
    return False


@pytest.mark.parametrize("public", [False, True])
def test_messages_that_were_changed_on_the_way(public: bool) -> None:
    world = trio(SUITE)
    chance = random.Random(1)
    alice, bob = world.groups["alice"], world.groups["bob"]
    package = world.bundle("dave").key_package
    sent = [
        bob.commit([mls.Add(package)], public=public, entropy=world.entropy).message,
        bob.seal(b"hello", entropy=world.entropy),
        bob.propose(mls.Remove(2), public=public, entropy=world.entropy),
    ]
    for _ in range(ROUNDS):
        message = mutated(chance.choice(sent), chance)
        if message not in sent:
            assert refused(alice, alice.stage, message)
            assert refused(alice, alice.receive, message)
    alice.stage(sent[0])
    for message in sent[1:]:
        alice.receive(message)


def test_welcomes_group_infos_and_key_packages() -> None:
    world = trio(SUITE)
    chance = random.Random(2)
    alice = world.groups["alice"]
    dave = world.bundle("dave")
    created = alice.commit([mls.Add(dave.key_package)], entropy=world.entropy)
    assert created.welcome is not None
    info = alice.group_info()
    acts: list[tuple[bytes, Callable[[bytes], object]]] = [
        (created.welcome, lambda data: mls.Group.join(data, dave)),
        (info, lambda data: mls.Group.external_join(data, dave, entropy=world.entropy)),
        (dave.key_package, mls.parse_key_package),
    ]
    for data, act in acts:
        act(data)
        for _ in range(ROUNDS):
            torn = mutated(data, chance)
            if torn != data:
                with pytest.raises(mls.MlsError):
                    act(torn)


def test_trees_that_come_apart_from_their_welcome() -> None:
    world = trio(SUITE)
    chance = random.Random(3)
    dave = world.bundle("dave")
    created = world.groups["alice"].commit(
        [mls.Add(dave.key_package)], tree_extension=False, entropy=world.entropy
    )
    after = created.staged.group
    assert after is not None
    assert created.welcome is not None
    tree = after.ratchet_tree()
    mls.Group.join(created.welcome, dave, ratchet_tree=tree)
    for _ in range(ROUNDS):
        torn = mutated(tree, chance)
        if torn != tree:
            with pytest.raises(mls.MlsError):
                mls.Group.join(created.welcome, dave, ratchet_tree=torn)


def test_saved_states() -> None:
    """Our own disk may be torn; a state that loads all the same must be usable."""
    world = trio(SUITE)
    chance = random.Random(4)
    saved = world.groups["alice"].save()
    bundle = world.bundle("dave").encode()
    for _ in range(ROUNDS):
        try:
            group = mls.Group.load(mutated(saved, chance))
        except mls.MlsError:
            pass
        else:
            group.seal(b"data", entropy=world.entropy)
            group.members()
        with contextlib.suppress(mls.MlsError):
            mls.KeyPackageBundle.decode(mutated(bundle, chance))


def _commit_of(message: bytes) -> Commit:
    body = decode_message(message)
    assert isinstance(body, PublicMessage)
    commit = body.content.body
    assert isinstance(commit, Commit)
    return commit


def test_a_member_who_bends_commits() -> None:
    world = trio(SUITE)
    chance = random.Random(5)
    bob = world.groups["bob"]
    package = mls.Add(world.bundle("dave").key_package)
    options: list[list[mls.Proposal]] = [
        [],
        [package, mls.Custom(CUSTOM_PROPOSAL, b"x")],
        [mls.Remove(2), mls.GroupContextExtensions([mls.Extension(CUSTOM_EXTENSION, b"y")])],
    ]
    real = [
        _commit_of(bob.commit(one, public=True, entropy=world.entropy).message) for one in options
    ]
    insider = Insider(bob, world.entropy, keeps_keys=False)
    sent = 0
    for _ in range(4 * ROUNDS):
        try:
            bent = codec.decode(Commit.read, mutated(chance.choice(real).encode(), chance))
        except (codec.DecodeError, mls.MlsError):
            continue
        # The frame decodes on the other side too: what is signed is a well-formed lie.
        message = insider.send(bent, public=chance.random() < 0.5)
        sent += 1
        for name in ("alice", "carol"):
            group = world.groups[name]
            assert refused(group, group.stage, message) or _removes(bent, group)
    assert sent > 100


def _removes(commit: Commit, group: mls.Group) -> bool:
    """Whom a commit takes out cannot follow it to its confirmation tag."""
    leaves = [one.leaf for one in commit.proposals if isinstance(one, mls.Remove)]
    return group.own_leaf in leaves


def test_a_member_who_bends_proposals() -> None:
    world = trio(SUITE)
    chance = random.Random(6)
    bob = world.groups["bob"]
    # No resumption PSK: which past epochs others know, no committer can tell (§8.4).
    real: list[mls.Proposal] = [
        mls.Add(world.bundle("dave").key_package),
        mls.Remove(2),
        bob.update(entropy=world.entropy),
        bob.external_psk(b"id", world.entropy),
        mls.ReInit(b"another", 2, (mls.Extension(CUSTOM_EXTENSION, b"z"),)),
        mls.GroupContextExtensions([mls.RequiredCapabilities((CUSTOM_EXTENSION,)).extension()]),
        mls.Custom(CUSTOM_PROPOSAL, b"x"),
    ]
    insider = Insider(bob, world.entropy, keeps_keys=False)
    taken = 0
    for _ in range(ROUNDS):
        proposal = chance.choice(real)
        data = codec.u16(proposal.type) + proposal.encode()
        try:
            bent = codec.decode(read_proposal, mutated(data, chance))
        except (codec.DecodeError, mls.MlsError):
            continue
        message = insider.send(bent, public=chance.random() < 0.5)
        alice, carol = world.groups["alice"], world.groups["carol"]
        verdict = refused(alice, alice.receive, message)
        assert refused(carol, carol.receive, message) == verdict
        if not verdict:
            # What was stored must not keep its keeper from committing.
            taken += 1
            carol.stage(alice.commit(include_stored=True, entropy=world.entropy).message)
    assert taken > 10


def _any_proposal(world: World, update: mls.Proposal, chance: random.Random) -> mls.Proposal:
    """A proposal that is well-formed and may be nonsense."""
    makers: list[Callable[[], mls.Proposal]] = [
        lambda: mls.Remove(chance.randrange(6)),
        lambda: mls.Add(world.bundle(f"new {chance.random()}").key_package),
        lambda: mls.Add(world.bundle("few", extension_types=(), proposal_types=()).key_package),
        lambda: mls.Add(world.bundle("other suite", suite=3).key_package),
        lambda: update,
        lambda: mls.PreSharedKey(PreSharedKeyID.external(b"known", bytes(32))),
        lambda: mls.PreSharedKey(PreSharedKeyID.external(b"known", bytes(31))),
        lambda: mls.PreSharedKey(PreSharedKeyID.resumption(chance.randrange(1, 4), b"g", 1, b"n")),
        lambda: mls.Custom(chance.choice((CUSTOM_PROPOSAL, 0xF0FF)), b""),
        lambda: mls.GroupContextExtensions([mls.Extension(chance.randrange(1, 7), b"\1\2")]),
        lambda: mls.GroupContextExtensions([mls.Extension(CUSTOM_EXTENSION, b"")]),
        lambda: mls.ExternalInit(bytes(32)),
        lambda: mls.ReInit(b"next", chance.randrange(5)),
    ]
    return chance.choice(makers)()


@pytest.mark.parametrize("seed", range(3))
def test_members_agree_about_any_list_of_proposals(seed: int) -> None:
    world = trio(SUITE, seed)
    chance = random.Random(100 + seed)
    for group in world.groups.values():
        group.add_psk(b"known", b"psk")
    update = world.groups["bob"].update(entropy=world.entropy)
    accepted = rejected = 0
    for _ in range(ROUNDS // 4):
        proposals = [_any_proposal(world, update, chance) for _ in range(chance.randrange(5))]
        before = world.groups["bob"].save()
        try:
            with disobedient():
                created = world.groups["bob"].commit(
                    proposals,
                    public=chance.random() < 0.5,
                    force_path=chance.random() < 0.5,
                    entropy=world.entropy,
                )
        except Exception:  # who lies so badly that he trips over it harms nobody
            world.groups["bob"] = mls.Group.load(before)
            continue
        verdicts: list[bytes | None] = []
        for name in ("alice", "carol"):
            group = world.groups[name]
            if mls.Remove(group.own_leaf) in proposals:
                continue
            if refused(group, group.stage, created.message):
                verdicts.append(None)
            else:
                after = group.stage(created.message).group
                assert after is not None
                verdicts.append(after.epoch_authenticator)
        assert len(set(verdicts)) <= 1, (proposals, verdicts)
        if verdicts and verdicts[0] is not None:
            accepted += 1
            theirs = created.staged.group
            assert theirs is not None
            assert theirs.epoch_authenticator == verdicts[0]
        elif verdicts:
            rejected += 1
    assert accepted > 3
    assert rejected > 10
