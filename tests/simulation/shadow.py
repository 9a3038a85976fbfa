"""A meeting of ghosts beside a real one: what an insider makes of the keys that it holds.

Its members are real machines on the same relays, at the same door, under the same group id; only
the first commit is one that no judge ever saw: it takes out everybody whom the insider does not
want there. Whoever takes a Welcome of theirs sees a roster of ghosts and hears nobody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from folkmoot import mls
from folkmoot.governance.evidence import CommitEvidence
from folkmoot.meeting import Meeting
from folkmoot.meeting.context import make_context
from folkmoot.meeting.door import Side
from folkmoot.meeting.entrance import Entrance
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.founding import make_key_package
from folkmoot.meeting.inside import Inside
from folkmoot.meeting.secrets import EXTENSION_TYPE
from simulation.hostile_member import Hostile
from simulation.meeting_world import WALL_S, Member, World


class Shadow:
    """The branch of the insider `mal`, with so many ghosts; `spared`: who keeps its leaf there."""

    def __init__(
        self, world: World, mal: Member, spared: Sequence[Member], ghosts: int = 4
    ) -> None:
        self.world = world
        self.mal = mal
        self.hostile = Hostile(world, mal)
        _is_sure(self.hostile.inside)
        self.members = self._open({mal.meeting.seat, *(one.meeting.seat for one in spared)}, ghosts)

    def _open(self, stay: set[bytes], ghosts: int) -> list[Member]:
        state, entropy, hostile = self.hostile.state, self.world.entropy, self.hostile
        keys = [entropy(32) for _ in range(ghosts)]
        bundles = [make_key_package(key, entropy) for key in keys]
        secrets = state.secrets.before_commit(hostile.tick, self.mal.meeting.seat, True)
        secrets = replace(secrets, room_root=bytes(32))
        created = state.group.commit(
            [
                *(mls.Remove(one.leaf) for one in state.roster if one.seat not in stay),
                *(mls.Add(one.key_package) for one in bundles),
            ],
            authenticated_data=CommitEvidence(hostile.tick, ()).encode(),
            tree_extension=False,
            group_info_extensions=[mls.Extension(EXTENSION_TYPE, secrets.encode())],
            entropy=entropy,
        )
        own = created.staged.group
        assert own is not None
        assert created.welcome is not None
        first = self.mal.meeting._context.key.private_bytes_raw()
        groups = [own] + [
            mls.Group.join(created.welcome, one, ratchet_tree=own.ratchet_tree()) for one in bundles
        ]
        return [
            self._enter(f"Ghost{number}", key, EpochState(group, after))
            for number, (key, group) in enumerate(zip([first, *keys], groups, strict=True))
            for after in (secrets.after_commit(group.export),)
        ]

    def _enter(self, name: str, key: bytes, state: EpochState) -> Member:
        world = self.world
        entropy = world._fresh(name)
        relays = self.mal.meeting.extension
        assert relays is not None
        context = make_context(
            state.group.group_id, key, relays.relays, world.now, WALL_S + world.now, entropy
        )
        meeting = Meeting(context, name)
        meeting._enter(state, inviter_key=None, now=world.now)
        ghost = world._add(Member(name, meeting, entropy))
        inside = meeting._inside
        assert inside is not None
        _takes_anybody(inside.entrance)
        _is_sure(inside)
        return ghost

    @property
    def codes(self) -> set[str]:
        """Safety codes that its members ever saw."""
        return {one.meeting.safety_code for one in self.members}

    def has(self, member: Member) -> bool:
        """Whether the member is in the meeting of ghosts now."""
        return member.meeting.safety_code in self.codes

    def lie_in_beacons(self) -> None:
        """From now on the insider says in the real meeting that it is in the other."""
        inside = self.hostile.inside
        real = inside.beacons.make

        def make(state: EpochState, *rest: Any) -> Any:
            ghost = self.members[0].meeting._inside
            return real(state if ghost is None else ghost.epochs.current, *rest)

        _patch(inside.beacons, "make", make)

    def answer_nobody(self) -> None:
        """The insider's agent in the real meeting does nothing at the door any more."""
        _patch(self.hostile.inside, "entrance", _Mute(self.hostile.inside.entrance))


class _Mute:
    """A door that hears nothing."""

    def __init__(self, real: Entrance) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def receive(self, *_: Any) -> bool:
        return False


def _takes_anybody(entrance: Entrance) -> None:
    """It readmits whoever knocks with a claim, whatever that one says, and at once; and says that
    it is the largest side there can be."""
    object.__setattr__(entrance, "__class__", _Eager)


class _Eager(Entrance):
    __slots__ = ()

    def _takes_over(self, *_: Any) -> bool:
        return True

    def _is_turn(self, *_: Any) -> bool:
        return True

    def _side(self, now: float) -> Side:
        state = self.epochs.current
        return Side(state.authenticator, state.group.epoch, 0xFFFF)


def _is_sure(inside: Inside) -> None:
    """It never asks where the others are."""
    object.__setattr__(inside, "__class__", _Sure)


class _Sure(Inside):
    needs_leaf = False

    def is_lost(self, now: float) -> bool:
        return False

    def finds_few(self, now: float) -> bool:
        return False

    def is_behind(self, now: float) -> bool:
        return False


def _patch(owner: Any, name: str, value: Any) -> None:
    """Of this one member alone."""
    assert not isinstance(owner, type)
    setattr(owner, name, value)
