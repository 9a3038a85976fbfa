"""Targets: everything that decodes or follows MLS, from outside the group and from within."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from folkmoot import mls
from folkmoot.mls import key_schedule
from folkmoot.mls.commit import Commit, HPKECiphertext, ProposalRef
from folkmoot.mls.framing import APPLICATION, COMMIT, PROPOSAL, PublicMessage
from folkmoot.mls.joining import open_welcome
from folkmoot.mls.message import decode_message, encode_message
from folkmoot.mls.proposals import encode_proposal, read_proposal
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.mls.tree import RatchetTree
from folkmoot.mls.welcome import EncryptedGroupSecrets, GroupSecrets, Welcome
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from fuzz.insider import Insider
from fuzz.mls_parts import Parts, entropy
from fuzz.state import copy_of
from fuzz.target import BrokenPromise, Decoder, Target
from unit.mls_groups import disobedient

# A message may make us step a ratchet 1,024 times, and every tree node costs some hashes.
GROUP_CALLS = (60_000, 60)
GROUP_MEMORY = (512 << 10, 64)


class Message(Decoder):
    """An MLSMessage of any kind."""

    name = "mls.message"
    refusals = (mls.MlsError,)

    def make_seeds(self) -> Sequence[bytes]:
        parts = Parts.get()
        some = [parts.private, parts.proposal, parts.sealed, parts.welcome, parts.info]
        return [*some, *parts.commits, parts.dave.key_package]

    def decode(self, data: bytes) -> object:
        return decode_message(data)


class KeyPackages(Decoder):
    """A key package, checked as everybody does who is asked to add it."""

    name = "mls.key_package"
    refusals = (mls.MlsError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [Parts.get().dave.key_package]

    def decode(self, data: bytes) -> object:
        return mls.parse_key_package(data)


class Bundle(Decoder):
    """A saved key package with its private keys."""

    name = "mls.bundle"
    refusals = (mls.MlsError,)

    def make_seeds(self) -> Sequence[bytes]:
        return [Parts.get().dave.encode()]

    def decode(self, data: bytes) -> object:
        return mls.KeyPackageBundle.decode(data)

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, mls.KeyPackageBundle)
        return value.encode()


class Tree(Decoder):
    """A ratchet tree that came beside its Welcome, and all that a newcomer computes of it."""

    name = "mls.tree"
    refusals = (DecodeError, mls.MlsError)
    calls = (20_000, 40)

    def make_seeds(self) -> Sequence[bytes]:
        return [Parts.get().alice.ratchet_tree()]

    def decode(self, data: bytes) -> object:
        tree = RatchetTree.decode(data)
        tree.tree_hash()
        return tree

    def encode(self, value: object) -> bytes | None:
        assert isinstance(value, RatchetTree)
        return value.encode()


class Saved(Decoder):
    """A group's saved state, torn on our own disk: what loads must be usable."""

    name = "mls.saved"
    refusals = (mls.MlsError,)
    bytes_max = 16_000
    calls = GROUP_CALLS
    memory = GROUP_MEMORY

    def make_seeds(self) -> Sequence[bytes]:
        parts = Parts.get()
        heard = copy_of(parts.alice)
        heard.receive(parts.proposal)
        heard.receive(parts.sealed)
        return [parts.alice.save(), heard.save()]

    def decode(self, data: bytes) -> object:
        group = mls.Group.load(data)
        group.members()
        group.ratchet_tree()
        group.save()
        try:
            group.seal(b"data", entropy=entropy())
        except mls.UsageError:
            return group  # the saved ratchet is at its end
        return group


class Join(Decoder):
    """A Welcome as it arrives, for the key package of `dave`."""

    name = "mls.welcome"
    refusals = (mls.MlsError,)
    calls = GROUP_CALLS
    memory = GROUP_MEMORY

    def make_seeds(self) -> Sequence[bytes]:
        return [Parts.get().welcome]

    def decode(self, data: bytes) -> object:
        return mls.Group.join(data, Parts.get().dave)


class _Lying(Join):
    """A Welcome by somebody who knows what is in it, seals it properly, and lies."""

    def __init__(self) -> None:
        parts = Parts.get()
        welcome = decode_message(parts.welcome)
        assert isinstance(welcome, Welcome)
        self._suite = parts.alice._epoch.suite
        self._init = self._suite.load_hpke_private(parts.dave.init_private)
        self._opened = open_welcome(welcome, parts.dave.ref, self._init, {}, {})
        self._dave = parts.dave
        super().__init__()

    def _seal(self, info: bytes, secrets: bytes) -> bytes:
        suite, opened = self._suite, self._opened
        secret = key_schedule.welcome_secret(suite, opened.secrets.joiner_secret, opened.psk_secret)
        key, nonce = key_schedule.welcome_key_and_nonce(suite, secret)
        sealed = suite.aead_seal(key, nonce, b"", info)
        kem, ciphertext = suite.encrypt_with_label(
            self._init.public, "Welcome", sealed, secrets, entropy()
        )
        ours = EncryptedGroupSecrets(self._dave.ref, HPKECiphertext(kem, ciphertext))
        return encode_message(Welcome(suite.id, (ours,), sealed))

    @abstractmethod
    def decode(self, data: bytes) -> object:
        """Seals `data` into a Welcome and joins by it."""


class LyingInfo(_Lying):
    """The GroupInfo of a Welcome, signed by the member that made it."""

    name = "mls.welcome_info"

    def make_seeds(self) -> Sequence[bytes]:
        return [self._opened.info.tbs()]

    def decode(self, data: bytes) -> object:
        epoch = Parts.get().alice._epoch
        signature = epoch.suite.sign_with_label(epoch.signer, "GroupInfoTBS", data)
        info = data + codec.opaque(signature)
        return mls.Group.join(self._seal(info, self._opened.secrets.encode()), self._dave)


class LyingSecrets(_Lying):
    """The GroupSecrets of a Welcome."""

    name = "mls.welcome_secrets"

    def make_seeds(self) -> Sequence[bytes]:
        secrets = self._opened.secrets
        psk = PreSharedKeyID.external(b"known", bytes(32))
        resumption = PreSharedKeyID.resumption(2, b"a group", 1, bytes(32))
        return [
            secrets.encode(),
            GroupSecrets(secrets.joiner_secret, None, (psk, resumption)).encode(),
        ]

    def decode(self, data: bytes) -> object:
        return mls.Group.join(self._seal(self._opened.info.encode(), data), self._dave)


class ExternalJoin(Decoder):
    """A GroupInfo by which somebody joins with an external commit."""

    name = "mls.group_info"
    refusals = (mls.MlsError,)
    calls = GROUP_CALLS
    memory = GROUP_MEMORY

    def make_seeds(self) -> Sequence[bytes]:
        return [Parts.get().info]

    def decode(self, data: bytes) -> object:
        return mls.Group.external_join(data, Parts.get().dave, entropy=entropy())


class _InGroup(Target[mls.Group]):
    """Something that alice hears; a refusal leaves her group as it was, to the last byte of its
    saved state, and she still hears what bob says next."""

    refusals = (mls.MlsError,)
    calls = GROUP_CALLS
    memory = GROUP_MEMORY

    def __init__(self) -> None:
        self.parts = Parts.get()
        self.insider = Insider(self.parts.bob, entropy())

    def begin(self) -> mls.Group:
        return copy_of(self.parts.alice)

    def fingerprint(self, state: mls.Group) -> object:
        return state.save()

    def check(self, state: mls.Group, data: bytes) -> None:
        late = copy_of(self.parts.carol).seal(b"late", entropy=entropy())
        heard = state.receive(late)
        assert isinstance(heard, mls.Application)
        assert heard.data == b"late", "an honest message was not heard afterwards"

    def hear(self, state: mls.Group, message: bytes) -> bool:
        """Stages a commit, receives anything else, as the meeting does."""
        before = state.save()
        try:
            after = state.stage(message).group
        except mls.MlsError:
            assert state.save() == before, "staging changed the group"
            state.receive(message)
            return True
        assert state.save() == before, "staging changed the group"
        if after is not None:
            after.members()
            after.save()
        return True


class Outsider(_InGroup):
    """Bytes off the wire."""

    name = "mls.receive"

    def seeds(self) -> Sequence[bytes]:
        parts = self.parts
        return [*parts.commits, parts.private, parts.proposal, parts.sealed]

    def feed(self, state: mls.Group, data: bytes) -> bool:
        return self.hear(state, data)

    def check(self, state: mls.Group, data: bytes) -> None:
        if data not in self.seeds():
            super().check(state, data)


class InsiderCommit(_InGroup):
    """A commit by bob: the input is whether it is public, its confirmation tag and its body; frame,
    signature and seal are honest."""

    name = "mls.insider_commit"

    def seeds(self) -> Sequence[bytes]:
        found = []
        for message in self.parts.commits:
            body = decode_message(message)
            assert isinstance(body, PublicMessage)
            assert isinstance(body.content.body, Commit)
            tag = codec.opaque(body.confirmation_tag or b"")
            found.append(b"\1" + tag + body.content.body.encode())
        return found

    def feed(self, state: mls.Group, data: bytes) -> bool:
        reader = codec.Reader(data)
        try:
            public, tag = reader.u8() % 2 == 1, reader.opaque(64)
            commit = Commit.read(reader)
            reader.finish()
        except DecodeError:
            return False
        return self.hear(state, self.insider.send(commit, public=public, tag=tag))


class InsiderProposal(_InGroup):
    """A proposal by bob; what alice stores must not keep her from committing."""

    name = "mls.insider_proposal"

    def seeds(self) -> Sequence[bytes]:
        return [encode_proposal(one) for one in self.parts.proposals]

    def feed(self, state: mls.Group, data: bytes) -> bool:
        try:
            proposal = codec.decode(read_proposal, data)
        except DecodeError:
            return False
        state.receive(self.insider.send(proposal, public=len(data) % 2 == 0))
        carol = copy_of(self.parts.carol)
        carol.receive(self.insider.send(proposal, public=len(data) % 2 == 0))
        carol.stage(state.commit(include_stored=True, entropy=entropy()).message)
        return True


class InsiderContent(_InGroup):
    """A PrivateMessage by bob whose plaintext is the input: first the content's type, then the
    content, signed as it stands."""

    name = "mls.insider_content"

    def seeds(self) -> Sequence[bytes]:
        commit = InsiderCommit().seeds()[1][34:]
        kinds = {
            APPLICATION: codec.opaque(b"hello"),
            PROPOSAL: encode_proposal(self.parts.proposals[0]),
            COMMIT: commit,
        }
        return [bytes((kind,)) + content for kind, content in kinds.items()]

    def feed(self, state: mls.Group, data: bytes) -> bool:
        kind = ((data[0] if data else 1) - 1) % 3 + 1
        sender = self.insider.sender_data(kind)
        plaintext = self.insider.plaintext(kind, data[1:])
        return self.hear(state, self.insider.seal(kind, sender, plaintext))


class InsiderSender(_InGroup):
    """A PrivateMessage by bob whose sender data is the input."""

    name = "mls.insider_sender"
    examples = 30

    def seeds(self) -> Sequence[bytes]:
        return [self.insider.sender_data(APPLICATION)]

    def feed(self, state: mls.Group, data: bytes) -> bool:
        plaintext = self.insider.plaintext(APPLICATION, codec.opaque(b"hello"))
        return self.hear(state, self.insider.seal(APPLICATION, data, plaintext))


class Lies(_InGroup):
    """A list of proposals that bob commits with every check of his own switched off and the right
    confirmation tag: alice and carol refuse it, or both follow it to the same epoch."""

    name = "mls.lies"
    bytes_max = 3000

    def seeds(self) -> Sequence[bytes]:
        one = [codec.u8(1) + encode_proposal(proposal) for proposal in self.parts.proposals]
        lists = [[], *([item] for item in one), one[:2], one[3:7]]
        return [bytes((number % 4,)) + b"".join(items) for number, items in enumerate(lists)]

    def feed(self, state: mls.Group, data: bytes) -> bool:
        reader = codec.Reader(data[1:])
        items: list[mls.Proposal | ProposalRef] = []
        try:
            while reader.remaining:
                reader.u8()
                items.append(read_proposal(reader))
        except DecodeError:
            return False
        flags = data[0] if data else 0
        try:
            with disobedient():
                message = (
                    copy_of(self.parts.bob)
                    .commit(
                        items, public=bool(flags & 1), force_path=bool(flags & 2), entropy=entropy()
                    )
                    .message
                )
        except Exception:  # who lies so badly that he trips over it harms nobody
            return False
        verdicts = set()
        for group in (state, copy_of(self.parts.carol)):
            if mls.Remove(group.own_leaf) in items:
                continue
            before = group.save()
            try:
                after = group.stage(message).group
            except mls.MlsError:
                verdicts.add(b"refused")
            else:
                assert after is not None
                verdicts.add(after.epoch_authenticator)
            if group.save() != before:
                raise BrokenPromise("staging changed the group")
        if len(verdicts) > 1:
            raise BrokenPromise("honest members say different things of one commit")
        return True


TARGETS = (
    Message,
    KeyPackages,
    Bundle,
    Tree,
    Saved,
    Join,
    LyingInfo,
    LyingSecrets,
    ExternalJoin,
    Outsider,
    InsiderCommit,
    InsiderProposal,
    InsiderContent,
    InsiderSender,
    Lies,
)
