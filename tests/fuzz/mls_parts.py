"""A small group and what was sent in it, made once for all targets of MLS."""

from __future__ import annotations

import random
from collections.abc import Callable

from folkmoot import mls
from fuzz.state import copy_of
from unit.mls_groups import CUSTOM_EXTENSION, CUSTOM_PROPOSAL, World, trio

SUITE = mls.SUITE_X25519_AES128


def entropy() -> Callable[[int], bytes]:
    """The same chance for every input."""
    return random.Random(7).randbytes


class Parts:
    """A group of three, one bundle of a fourth, and what was sent in it; made once."""

    _made: Parts | None = None

    def __init__(self) -> None:
        self.world: World = trio(SUITE)
        for group in self.world.groups.values():
            group.add_psk(b"known", b"psk")
        self.alice, self.bob = self.world.groups["alice"], self.world.groups["bob"]
        self.carol = self.world.groups["carol"]
        self.dave = self.world.bundle("dave")
        package = self.dave.key_package
        chance = self.world.entropy
        self.proposals: list[mls.Proposal] = [
            mls.Add(package),
            mls.Remove(2),
            self.bob.update(entropy=chance),
            self.bob.external_psk(b"known", chance),
            mls.ReInit(b"another", 2, (mls.Extension(CUSTOM_EXTENSION, b"z"),)),
            mls.GroupContextExtensions([mls.RequiredCapabilities((CUSTOM_EXTENSION,)).extension()]),
            mls.Custom(CUSTOM_PROPOSAL, b"x"),
            mls.ExternalInit(bytes(32)),
        ]
        bob = copy_of(self.bob)
        options: list[list[mls.Proposal]] = [
            [],
            [self.proposals[0], self.proposals[6]],
            [self.proposals[1], self.proposals[5]],
            [self.proposals[3]],
        ]
        self.commits = [bob.commit(one, public=True, entropy=chance).message for one in options]
        self.private = bob.commit(options[1], entropy=chance).message
        self.sealed = bob.seal(b"hello", entropy=chance)
        self.proposal = bob.propose(mls.Remove(2), entropy=chance)
        created = copy_of(self.alice).commit(options[1], entropy=chance)
        assert created.welcome is not None
        self.welcome = created.welcome
        self.info = self.alice.group_info()

    @classmethod
    def get(cls) -> Parts:
        if cls._made is None:
            cls._made = cls()
        return cls._made
