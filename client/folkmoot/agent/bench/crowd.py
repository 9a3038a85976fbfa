"""A group of many members for a benchmark, every node of its tree filled, within seconds.

All of its members live here. What all members of an epoch share is held once, by the founder, and
anybody else is the founder's epoch with that member's own keys: so a tree of 1,000 is filled by
some 500 commits that one member follows, where each of 1,000 would have to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from folkmoot import mls
from folkmoot.mls.crypto import suite_of
from folkmoot.mls.hpke import Entropy
from folkmoot.mls.path import PathKeys

FOUNDER, NEIGHBOUR = 0, 1


def _spread(members: int) -> Iterable[int]:
    """Every second leaf, each far from those before it: the first paths have few nodes below them
    to encrypt to that way, when the leaves are many."""
    bits = max(members - 1, 1).bit_length()
    mirrored = (int(f"{number:0{bits}b}"[::-1], 2) for number in range(1 << bits))
    return (leaf for leaf in mirrored if leaf % 2 == 0 and leaf < members)


class Crowd:
    """`founder` is the group of its first member, who holds all keys that it should."""

    def __init__(
        self,
        suite: int,
        members: int,
        entropy: Entropy,
        *,
        group_id: bytes = b"a benchmark",
        identity: Callable[[int], bytes] = lambda number: number.to_bytes(16, "big"),
        extensions: tuple[mls.Extension, ...] = (),
    ) -> None:
        self.suite, self.entropy = suite, entropy
        self.group_id, self.extensions, self._identity = group_id, extensions, identity
        self._named = 0
        self.bundles = [self.bundle() for _ in range(members)]
        created = self.found()
        assert created.staged.group is not None
        self.founder = created.staged.merge()
        for leaf in _spread(members):
            committer = self.founder if leaf == FOUNDER else self.seat(leaf)
            # In the open: the ratchets of the founder's epoch, which is theirs too, stay unused.
            made = committer.commit(public=True, entropy=entropy)
            staged = made.staged if leaf == FOUNDER else self.founder.stage(made.message)
            self.founder = staged.merge()

    def bundle(self) -> mls.KeyPackageBundle:
        """The key package of somebody new."""
        self._named += 1
        return mls.create_key_package(self.suite, self._identity(self._named), self.entropy)

    def found(self) -> mls.Created:
        """The group of the first member, and its commit that adds all the others."""
        first, *others = self.bundles
        group = mls.Group.create(
            self.suite, self.group_id, first, self.extensions, entropy=self.entropy
        )
        adds = [mls.Add(one.key_package) for one in others]
        # The tree goes beside the Welcome, as in a meeting.
        return group.commit(adds, tree_extension=False, entropy=self.entropy)

    def seat(self, leaf: int) -> mls.Group:
        """The group as a member sees it who has committed nothing yet: it knows its leaf's key."""
        bundle, suite = self.bundles[leaf], suite_of(self.suite)
        key = suite.load_hpke_private(bundle.encryption_private)
        signer = suite.load_signature_private(bundle.signature_private)
        epoch = self.founder._epoch
        return mls.Group(replace(epoch, keys=PathKeys.of_leaf(leaf, key), signer=signer))

    @property
    def neighbour(self) -> mls.Group:
        """The member beside the founder, with ratchets of its own. Of all members it has the most
        to do with the founder's commits: the whole path is above both."""
        return mls.Group.load(self.seat(NEIGHBOUR).save())
