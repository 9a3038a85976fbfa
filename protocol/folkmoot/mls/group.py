"""A group as the application holds it: one object for each epoch (RFC 9420 §11, §12, §15).

`stage` says where a commit leads and changes nothing; the application judges; `merge` hands over
the next epoch's Group. The old one still opens late messages of its epoch until it is dropped.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from folkmoot.mls import joining, resuming, saving, sending, staging, stored
from folkmoot.mls import psk as psks
from folkmoot.mls.commit import Commit, ProposalOrRef, ProposalRef
from folkmoot.mls.committing import CommitOptions, Made, make_commit, make_group_info
from folkmoot.mls.epoch import EXTERNAL_PSKS_MAX, Epoch
from folkmoot.mls.errors import Check, FramingError, StateError, UsageError
from folkmoot.mls.extensions import Extension
from folkmoot.mls.external import join_from_outside
from folkmoot.mls.hpke import Entropy
from folkmoot.mls.key_package import KeyPackageBundle
from folkmoot.mls.members import Application, Member, StoredProposal
from folkmoot.mls.message import decode_message, encode_message
from folkmoot.mls.proposals import PreSharedKey, Proposal, ReInit, Update
from folkmoot.mls.psk import PreSharedKeyID
from folkmoot.mls.secret_tree import MessageKey
from folkmoot.mls.staged import Created, Staged
from folkmoot.mls.staging import Outcome
from folkmoot.mls.tree import RatchetTree

# HKDF-Expand with SHA-256 gives no more (RFC 5869 §2.3).
EXPORT_BYTES_MAX = 255 * 32


class Group:
    """The group in one epoch, as its member at `own_leaf` sees it."""

    __slots__ = ("_epoch", "_superseded", "join_extensions")

    def __init__(self, epoch: Epoch, join_extensions: tuple[Extension, ...] = ()) -> None:
        """For this package; applications use `create`, `join`, `external_join` and `load`."""
        self._epoch = epoch
        self._superseded = False
        # The extensions of the GroupInfo by which we joined this epoch: an application may have put
        # secrets of its own there, so neither a later epoch nor a saved state carries them along.
        self.join_extensions = join_extensions

    def __repr__(self) -> str:
        return f"Group({self.group_id.hex()}, epoch {self.epoch}, leaf {self.own_leaf})"

    # Beginning

    @classmethod
    def create(
        cls,
        suite: int,
        group_id: bytes,
        bundle: KeyPackageBundle,
        extensions: Sequence[Extension] = (),
        *,
        entropy: Entropy,
    ) -> Group:
        """A group of one, in epoch 0; raises MlsError when our leaf does not fit the extensions."""
        return cls(joining.create(suite, group_id, bundle, extensions, entropy, {}))

    @classmethod
    def join(
        cls,
        welcome: bytes,
        bundle: KeyPackageBundle,
        *,
        ratchet_tree: bytes | None = None,
        psks: Mapping[bytes, bytes] | None = None,
        parent: Group | None = None,
        former: Collection[bytes] = (),
        resumption_psks: Mapping[tuple[bytes, int], bytes] | None = None,
    ) -> Group:
        """Joins by a Welcome framed as an MLSMessage; raises MlsError.

        `ratchet_tree` when the Welcome has none; `psks` are external keys by id; `parent` is the
        old group when this one is its reinit or branch, `former` the identities of members that it
        had in epochs whose resumption keys it holds and has no more, whom a branch may be of, too.
        That the id is new, the caller checks.
        """
        epoch, extensions = joining.join(
            welcome,
            bundle,
            ratchet_tree,
            dict(psks or {}),
            dict(resumption_psks or {}),
            None if parent is None else parent._epoch,
            former,
        )
        return cls(epoch, extensions)

    @classmethod
    def external_join(
        cls,
        group_info: bytes,
        bundle: KeyPackageBundle,
        *,
        ratchet_tree: bytes | None = None,
        resync: bool = False,
        psks: Mapping[bytes, bytes] | None = None,
        psk_proposals: Sequence[PreSharedKey] = (),
        authenticated_data: bytes = b"",
        entropy: Entropy,
    ) -> tuple[Group, bytes]:
        """Joins by an external commit (§12.4.3.2): the group after it, and the commit to send.

        `resync` removes the older self, which has the same credential. Raises MlsError.
        """
        epoch, extensions, message = join_from_outside(
            group_info,
            bundle,
            ratchet_tree,
            resync,
            dict(psks or {}),
            psk_proposals,
            authenticated_data,
            entropy,
        )
        return cls(epoch, extensions), message

    # Looking

    @property
    def group_id(self) -> bytes:
        return self._epoch.context.group_id

    @property
    def suite(self) -> int:
        return self._epoch.suite.id

    @property
    def epoch(self) -> int:
        return self._epoch.context.epoch

    @property
    def epoch_authenticator(self) -> bytes:
        """32 bytes that are equal for all who agree on this epoch (§8.7)."""
        return self._epoch.secrets.epoch_authenticator

    @property
    def own_leaf(self) -> int:
        return self._epoch.own_leaf

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """Those of the GroupContext."""
        return self._epoch.context.extensions

    @property
    def tree_hash(self) -> bytes:
        return self._epoch.context.tree_hash

    @property
    def confirmed_transcript_hash(self) -> bytes:
        return self._epoch.context.confirmed_transcript_hash

    @property
    def confirmation_tag(self) -> bytes:
        return self._epoch.confirmation_tag

    @property
    def resumption_psk(self) -> bytes:
        return self._epoch.secrets.resumption_psk

    @property
    def context(self) -> bytes:
        """The encoded GroupContext."""
        return self._epoch.context_bytes

    @property
    def pending_reinit(self) -> ReInit | None:
        """The ReInit by which this group ended, or None while it lives."""
        return self._epoch.reinit

    @property
    def signature_private(self) -> bytes:
        """Our 32-byte signature key: secret."""
        return self._epoch.signer.data

    def members(self) -> list[Member]:
        """All members, from the leftmost leaf."""
        return [Member.of(leaf, node) for leaf, node in self._epoch.tree.leaves()]

    def member(self, leaf: int) -> Member | None:
        """Who is at this leaf."""
        node = self._epoch.tree.leaf(leaf)
        return None if node is None else Member.of(leaf, node)

    def ratchet_tree(self) -> bytes:
        """The tree as `join` takes it (§12.4.3.3)."""
        return self._epoch.tree.encode()

    def computed_tree_hash(self) -> bytes:
        """The hash of the tree that we hold, computed anew from all its nodes."""
        return RatchetTree.decode(self._epoch.tree.encode()).tree_hash()

    def group_info(
        self,
        *,
        tree_extension: bool = True,
        external_pub: bool = True,
        extensions: Sequence[Extension] = (),
    ) -> bytes:
        """A signed GroupInfo as an MLSMessage, by which others can join with external commits."""
        return encode_message(
            make_group_info(
                self._epoch, extensions, tree_extension=tree_extension, external_pub=external_pub
            )
        )

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """MLS-Exporter (§8.5): `length` bytes, at most 8,160."""
        if not 0 < length <= EXPORT_BYTES_MAX:
            raise UsageError(f"{length} bytes cannot be exported")
        return self._epoch.secrets.export(label, context, length)

    # Pre-shared keys

    def add_psk(self, psk_id: bytes, psk: bytes) -> None:
        """Makes an external pre-shared key known to this group, in all its epochs."""
        known = self._epoch.external_psks
        if psk_id not in known and len(known) >= EXTERNAL_PSKS_MAX:
            raise StateError(Check.LIMIT, f"{EXTERNAL_PSKS_MAX} pre-shared keys")
        known[psk_id] = psk

    def external_psk(self, psk_id: bytes, entropy: Entropy) -> PreSharedKey:
        """A proposal of an external key, with a fresh nonce."""
        return PreSharedKey(PreSharedKeyID.external(psk_id, entropy(self._epoch.suite.nh)))

    def past_epoch_psk(self, epoch: int, entropy: Entropy) -> PreSharedKey:
        """A proposal of this group's resumption PSK of an epoch (§8.6), with a fresh nonce."""
        nonce = entropy(self._epoch.suite.nh)
        name = PreSharedKeyID.resumption(psks.USAGE_APPLICATION, self.group_id, epoch, nonce)
        return PreSharedKey(name)

    # Sending

    def update(
        self, *, leaf_extensions: Sequence[Extension] | None = None, entropy: Entropy
    ) -> Update:
        """An Update of our own leaf with a fresh encryption key, for `propose`."""
        return sending.own_update(self._epoch, leaf_extensions, entropy)

    def propose(
        self,
        proposal: Proposal,
        *,
        public: bool = False,
        authenticated_data: bytes = b"",
        entropy: Entropy,
    ) -> bytes:
        """A proposal to send, framed as an MLSMessage; it is stored here too."""
        return sending.propose(self._epoch, proposal, authenticated_data, public, entropy)

    def seal(
        self,
        data: bytes,
        authenticated_data: bytes = b"",
        *,
        padding_bytes: int = 0,
        entropy: Entropy,
    ) -> bytes:
        """Application data in a PrivateMessage; uses up a key of our own ratchet.

        Raises MlsError while proposals that were received or proposed wait for a commit (§12.4).
        """
        return sending.seal(self._epoch, data, authenticated_data, padding_bytes, entropy)

    # Committing

    def commit(
        self,
        proposals: Sequence[ProposalOrRef] = (),
        *,
        authenticated_data: bytes = b"",
        public: bool = False,
        tree_extension: bool = True,
        group_info_extensions: Sequence[Extension] = (),
        leaf_extensions: Sequence[Extension] | None = None,
        include_stored: bool = False,
        force_path: bool = True,
        entropy: Entropy,
    ) -> Created:
        """A commit of these proposals, by value or by ProposalRef; raises MlsError.

        The group stays where it is: `Created.staged` leads on. `include_stored` adds references to
        what `receive` and `propose` stored, as far as it can stand in one list with the rest.
        """
        options = CommitOptions(
            authenticated_data=authenticated_data,
            public=public,
            tree_extension=tree_extension,
            group_info_extensions=tuple(group_info_extensions),
            leaf_extensions=None if leaf_extensions is None else tuple(leaf_extensions),
            force_path=force_path,
        )
        items = list(proposals)
        if include_stored:
            items += [ProposalRef(one) for one in stored.committable(self._epoch, items)]
        made = make_commit(self._epoch, items, options, entropy)
        return self._created(made)

    def stored_references(self) -> list[ProposalRef]:
        """The stored proposals that a commit of ours may refer to: not our own Updates, not our
        own removal, of several for one leaf the last Remove, else the last Update (§12.2)."""
        return [ProposalRef(one) for one in stored.committable(self._epoch)]

    def stage(self, message: bytes) -> Staged:
        """Where a commit leads, with every check of RFC 9420 done; raises MlsError.

        Nothing changes here: several commits of one parent may be staged side by side, and one
        commit twice.
        """
        body = decode_message(message)
        outcome = staging.stage(self._epoch, staging.open_message(self._epoch, body))
        return self._staged(outcome)

    def _staged(self, outcome: Outcome) -> Staged:
        after = outcome.after
        group = None if after is None else Group(after)
        return Staged.of(outcome, self, group)

    def _created(self, made: Made) -> Created:
        return Created(made.message, made.welcome, self._staged(made.outcome))

    def leave_for_next(self, used: MessageKey | None) -> None:
        """What `Staged.merge` does to its parent: once only, and the commit's key goes."""
        if self._superseded:
            raise StateError(Check.STALE)
        self._superseded = True
        if used is not None:
            self._epoch.secret_tree.consume(used)

    def receive(self, message: bytes) -> Application | StoredProposal:
        """Opens application data, or stores a proposal; raises MlsError and changes nothing."""
        verified = staging.open_message(self._epoch, decode_message(message))
        content = verified.content
        if isinstance(content.body, Commit):
            raise FramingError(Check.WIRE_FORMAT, "a commit is staged, not received")
        if isinstance(content.body, bytes):
            leaf = verified.sender.leaf
            assert leaf is not None  # protection refuses application data from outside
            result: Application | StoredProposal = Application(
                leaf, content.body, content.authenticated_data
            )
        else:
            reference = stored.store(self._epoch, verified)
            result = StoredProposal(
                content.body, verified.sender.leaf, reference, content.authenticated_data
            )
        if verified.used is not None:
            self._epoch.secret_tree.consume(verified.used)
        return result

    # Following groups

    def reinitialize(
        self, bundle: KeyPackageBundle, key_packages: Sequence[bytes], *, entropy: Entropy
    ) -> Created:
        """The group that follows this one by its ReInit, with all its members (§11.2).

        `bundle` is for the new group's suite, `key_packages` (framed) are those of all others.
        """
        made = resuming.reinitialize(self._epoch, bundle, key_packages, entropy)
        return Group(made.outcome.before)._created(made)

    def branch(
        self,
        group_id: bytes,
        bundle: KeyPackageBundle,
        key_packages: Sequence[bytes],
        extensions: Sequence[Extension] | None = None,
        *,
        group_info_extensions: Sequence[Extension] = (),
        entropy: Entropy,
    ) -> Created:
        """A new group of some of this one's members (§11.3); extensions default to this one's."""
        made = resuming.branch(
            self._epoch, group_id, bundle, key_packages, extensions, entropy, group_info_extensions
        )
        return Group(made.outcome.before)._created(made)

    # Saving

    def save(self) -> bytes:
        """All of this, secrets included, for `load`."""
        return saving.encode(self._epoch)

    @classmethod
    def load(cls, data: bytes) -> Group:
        """What `save` gave; raises MlsError."""
        return cls(saving.decode(data))
