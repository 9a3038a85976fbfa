"""Our MLS against OpenMLS, as `davey` has it: suite 2, in one group with members of both kinds.

`davey` is Discord's DAVE over OpenMLS: a group id of 64 bits, a basic credential of 8 bytes, public
commits, and proposals only from one sender outside the group. Good for the tree, paths, Welcome and
key schedule in both directions; vectors alone would only show that we can read.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from folkmoot import mls
from folkmoot.mls import committing, protection
from folkmoot.mls.commit import Commit
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.epoch import next_context
from folkmoot.mls.errors import Check
from folkmoot.mls.framing import PublicMessage
from folkmoot.mls.leaf_node import LeafContent
from folkmoot.mls.message import decode_message
from folkmoot.wire import codec
from simulation.hostile_member import forge_leaf
from unit.mls_groups import disobedient, refused

davey = pytest.importorskip(
    "davey", reason="install the extra [test] to meet OpenMLS", exc_type=ImportError
)

SUITE = mls.SUITE_P256_AES128
CHANNEL = 0x1122334455667788
GROUP_ID = CHANNEL.to_bytes(8, "big")
KEY_PACKAGE = b"\0\1\0\5"  # mls10, mls_key_package: what davey leaves out
WELCOME = b"\0\1\0\3"


def _identity(user: int) -> bytes:
    return user.to_bytes(8, "big")


class Meeting:
    """Members of both kinds by user number, and the sender outside who proposes for davey."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.entropy = self.random.randbytes
        self.gateway = suite_of(SUITE).generate_signature_key(self.entropy)
        self.sender = mls.ExternalSender(
            self.gateway.public.data, mls.Credential.basic(_identity(99))
        )
        self.ours: dict[int, mls.Group] = {}
        self.theirs: dict[int, Any] = {}
        self.bundles: dict[int, mls.KeyPackageBundle] = {}
        self.users = 0
        self.paths: set[tuple[str, bool]] = set()  # whose commits came with a path, and without
        self.leaving: list[int] = []  # whom the next commit removes

    def newcomer(self, foreign: bool) -> tuple[int, mls.Add]:
        """A user who is not in the group yet, and the Add of its key package."""
        self.users += 1
        user = self.users
        if foreign:
            session = davey.DaveSession(1, user, CHANNEL)
            session.set_external_sender(self.sender.encode())
            self.theirs[user] = session
            return user, mls.Add(KEY_PACKAGE + session.get_serialized_key_package())
        self.bundles[user] = mls.create_key_package(SUITE, _identity(user), self.entropy)
        return user, mls.Add(self.bundles[user].key_package)

    def begin_ours(self) -> None:
        user, _ = self.newcomer(foreign=False)
        extension = mls.external_senders_extension([self.sender])
        self.ours[user] = mls.Group.create(
            SUITE, GROUP_ID, self.bundles[user], [extension], entropy=self.entropy
        )

    def begin_theirs(self) -> int:
        return self.newcomer(foreign=True)[0]

    def propose(self, proposals: list[mls.Add | mls.Remove], epoch: int) -> bytes:
        """All proposals as the gateway sends them, and as davey takes them; ours store them."""
        messages = [
            mls.propose_from_outside(SUITE, GROUP_ID, epoch, 0, one, self.gateway.data)
            for one in proposals
        ]
        for group in self.ours.values():
            for message in messages:
                group.receive(message)
        return codec.vector(messages)

    def commit_ours(
        self, user: int, proposals: list[mls.Add | mls.Remove], joining: list[int]
    ) -> None:
        """One of ours commits by value, everybody follows, newcomers join."""
        # By turns with a path and, where the proposals need none, without.
        force_path = not proposals or self.random.random() < 0.5
        created = self.ours[user].commit(
            proposals, public=True, force_path=force_path, entropy=self.entropy
        )
        self.note("ours", created.message)
        self.follow({user: created.staged}, created.message)
        for other, session in self.theirs.items():
            if other not in joining:
                session.process_commit(created.message)
        self.join(joining, created.welcome)

    def commit_theirs(
        self, user: int, proposals: list[mls.Add | mls.Remove], joining: list[int]
    ) -> None:
        """One of theirs commits what the gateway proposed, everybody follows, newcomers join."""
        epoch = self.theirs[user].epoch
        assert epoch is not None
        data = self.propose(proposals, epoch)
        leaving = list(self.leaving)
        made = None
        # davey commits at once whatever is proposed: one that shall go must not see it.
        for other, session in self.theirs.items():
            if other not in joining and other not in leaving:
                answer = session.process_proposals(davey.ProposalsOperationType.append, data)
                made = answer if other == user else made
        assert made is not None
        self.note("theirs", made.commit)
        self.follow({}, made.commit)
        for other, session in self.theirs.items():
            if other not in joining:
                session.process_commit(made.commit)
        self.join(joining, None if made.welcome is None else WELCOME + made.welcome)

    def note(self, whose: str, message: bytes) -> None:
        body = decode_message(message)
        assert isinstance(body, PublicMessage)
        assert isinstance(body.content.body, Commit)
        self.paths.add((whose, body.content.body.path is not None))

    def follow(self, staged: dict[int, mls.Staged], message: bytes) -> None:
        for user, group in self.ours.items():
            one = staged.get(user) or group.stage(message)
            assert one.self_removed == (user in self.leaving)
            if not one.self_removed:
                self.ours[user] = one.merge()
        for user in self.leaving:
            self.ours.pop(user, None)
            self.theirs.pop(user, None)
        self.leaving = []

    def join(self, joining: list[int], welcome: bytes | None) -> None:
        for user in joining:
            assert welcome is not None
            if user in self.theirs:
                self.theirs[user].process_welcome(welcome[len(WELCOME) :])
            else:
                self.ours[user] = mls.Group.join(welcome, self.bundles[user])

    def check(self) -> None:
        """All hold the same epoch authenticator, and the same idea of who is there."""
        authenticators = {group.epoch_authenticator for group in self.ours.values()}
        authenticators |= {session.get_epoch_authenticator() for session in self.theirs.values()}
        assert len(authenticators) == 1
        users = sorted([*self.ours, *self.theirs])
        for group in self.ours.values():
            assert sorted(member.identity for member in group.members()) == [
                _identity(user) for user in users
            ]
        for user, session in self.theirs.items():
            assert sorted(map(int, session.get_user_ids())) == users
            assert session.own_leaf_index == self.leaf(user)

    def leaf(self, user: int) -> int:
        group = next(iter(self.ours.values()))
        return next(one.leaf for one in group.members() if one.identity == _identity(user))


def test_we_create_and_they_follow() -> None:
    meeting = Meeting(1)
    meeting.begin_ours()
    for _ in range(5):
        joining = [meeting.newcomer(foreign=True), meeting.newcomer(foreign=False)]
        meeting.commit_ours(1, [add for _, add in joining], [user for user, _ in joining])
        meeting.check()
    for user in list(meeting.ours):
        meeting.commit_ours(user, [], [])
        meeting.check()
    assert meeting.paths == {("ours", True), ("ours", False)}


def test_they_create_and_we_follow() -> None:
    meeting = Meeting(2)
    first = meeting.begin_theirs()
    for _ in range(5):
        joining = [meeting.newcomer(foreign=False), meeting.newcomer(foreign=True)]
        meeting.commit_theirs(first, [add for _, add in joining], [user for user, _ in joining])
        meeting.check()
    meeting.leaving = [meeting.users]
    meeting.commit_theirs(first, [mls.Remove(meeting.leaf(meeting.users))], [])
    meeting.check()
    assert ("theirs", True) in meeting.paths


@pytest.mark.parametrize("seed", range(3))
def test_any_order(seed: int) -> None:
    meeting = Meeting(100 + seed)
    chance = meeting.random
    meeting.begin_ours()
    for _ in range(15):
        foreign_turn = bool(meeting.theirs) and chance.random() < 0.5
        committer = chance.choice(sorted(meeting.theirs if foreign_turn else meeting.ours))
        proposals: list[mls.Add | mls.Remove] = []
        joining = []
        others = sorted({*meeting.ours, *meeting.theirs} - {committer, 1})
        leaving = chance.sample(others, min(len(others), chance.choice((0, 0, 1, 2))))
        proposals += [mls.Remove(meeting.leaf(user)) for user in leaving]
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            user, add = meeting.newcomer(foreign=chance.random() < 0.5)
            proposals.append(add)
            joining.append(user)
        if foreign_turn and not proposals:
            continue  # davey commits nothing but proposals
        meeting.leaving = leaving
        act = meeting.commit_theirs if foreign_turn else meeting.commit_ours
        act(committer, proposals, joining)
        meeting.check()
    assert {("ours", True), ("theirs", True)} <= meeting.paths


def test_what_was_bent_on_its_way_is_refused_by_both() -> None:
    """A bit turned anywhere in a commit of either: nobody follows, and all follow the right one."""
    meeting = Meeting(3)
    meeting.begin_ours()
    joining = [meeting.newcomer(foreign=True), meeting.newcomer(foreign=False)]
    meeting.commit_ours(1, [add for _, add in joining], [user for user, _ in joining])
    founder, other, session = meeting.ours[1], meeting.ours[3], meeting.theirs[2]
    created = founder.commit(public=True, entropy=meeting.entropy)
    _, add = meeting.newcomer(foreign=False)
    data = meeting.propose([add], founder.epoch)
    theirs = session.process_proposals(davey.ProposalsOperationType.append, data).commit
    for message, receives in (
        (created.message, (other.stage, session.process_commit)),
        (theirs, (founder.stage, other.stage)),
    ):
        for place in range(0, len(message), 23):
            bent = bytearray(message)
            bent[place] ^= 1 << place % 8
            for receive in receives:
                with pytest.raises(Exception):  # noqa: B017, PT011 - theirs has no type of its own
                    receive(bytes(bent))
    meeting.follow({1: created.staged}, created.message)
    session.process_commit(created.message)
    meeting.check()


Forge = Callable[[pytest.MonkeyPatch], None]


def _leaf(change: Callable[[LeafContent], LeafContent]) -> Forge:
    return lambda patch: forge_leaf(patch, change)


def _leaf_of_another(patch: pytest.MonkeyPatch) -> None:
    forge_leaf(patch, lambda content: content, b"k" * 32)


def _parent_hash(patch: pytest.MonkeyPatch) -> None:
    honest = LeafContent.sign_for_commit

    def forged(self: LeafContent, parent_hash: bytes, *rest: Any) -> Any:
        return honest(self, bytes(len(parent_hash)), *rest)

    patch.setattr(LeafContent, "sign_for_commit", forged)


def _confirmation_tag(patch: pytest.MonkeyPatch) -> None:
    honest = protection.with_confirmation_tag
    patch.setattr(protection, "with_confirmation_tag", lambda one, _: honest(one, bytes(32)))


def _membership_tag(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(protection, "_membership_tag", lambda *_: bytes(32))


def _signature(patch: pytest.MonkeyPatch) -> None:
    honest, key = protection.sign, suite_of(SUITE).load_signature_private(b"k" * 32)
    patch.setattr(
        protection,
        "sign",
        lambda suite, form, content, _, context: honest(suite, form, content, key, context),
    )


def _secrets(patch: pytest.MonkeyPatch) -> None:
    """Path secrets under another context than that of the epoch to come."""
    patch.setattr(
        committing,
        "next_context",
        lambda before, change, _: next_context(before, change, bytes(32)),
    )


ENTROPY = random.Random(5).randbytes


def _package() -> mls.Add:
    """A fresh key package of one and the same client."""
    bundle = mls.create_key_package(SUITE, _identity(77), ENTROPY, signature_private=b"k" * 32)
    return mls.Add(bundle.key_package)


FORGED: list[tuple[Check, Forge, list[mls.Proposal]]] = [
    (Check.LEAF_SIGNATURE, _leaf_of_another, []),
    (Check.PATH_PARENT_HASH, _parent_hash, []),
    (Check.CONFIRMATION_TAG, _confirmation_tag, []),
    (Check.MEMBERSHIP_TAG, _membership_tag, []),
    (Check.SIGNATURE, _signature, []),
    (Check.HPKE_OPEN, _secrets, []),
    # Not two equal Removes (check 230): OpenMLS takes equal proposals for one, and goes along.
    (Check.LIST_ADD_TWICE, lambda _: None, [_package(), _package()]),
    (
        Check.LIST_EXTENSIONS_TWICE,
        lambda _: None,
        [
            mls.GroupContextExtensions([]),
            mls.GroupContextExtensions([mls.RequiredCapabilities().extension()]),
        ],
    ),
    (Check.COMMIT_OWN_REMOVE, lambda _: None, [mls.Remove(0)]),
    (Check.REMOVE_BLANK, lambda _: None, [mls.Remove(5)]),
    (Check.LIST_EXTERNAL_INIT, lambda _: None, [mls.ExternalInit(bytes(65))]),
    (
        Check.LEAF_EXTENSIONS,
        _leaf(lambda content: replace(content, extensions=(mls.Extension(0xF00F, b""),))),
        [],
    ),
    (
        Check.LEAF_CREDENTIAL,
        _leaf(
            lambda content: replace(
                content, capabilities=replace(content.capabilities, credentials=(2,))
            )
        ),
        [],
    ),
]


@pytest.mark.parametrize(("check", "forge", "proposals"), FORGED)
def test_what_we_refuse_they_refuse(check: Check, forge: Forge, proposals: list[Any]) -> None:
    """A commit by a member without scruples: our check refuses it, and OpenMLS has one too."""
    meeting = Meeting(4)
    meeting.begin_ours()
    joining = [meeting.newcomer(foreign=one) for one in (True, False, False, False)]
    meeting.commit_ours(1, [add for _, add in joining], [user for user, _ in joining])
    with disobedient(), pytest.MonkeyPatch.context() as patch:
        forge(patch)
        forged = meeting.ours[1].commit(proposals, public=True, entropy=meeting.entropy).message
    refused(check, meeting.ours[3].stage, forged)
    with pytest.raises(Exception):  # noqa: B017, PT011
        meeting.theirs[2].process_commit(forged)
    meeting.commit_ours(1, [], [])
    meeting.check()
