"""A member who holds all the keys and breaks the rules in the middle of a story, at a moment that
the seed chooses."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot import mls
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import VOICE
from folkmoot.cells.voice import VoicePacker
from folkmoot.governance import Admission
from folkmoot.governance.evidence import (
    TICK_MAX,
    Farewell,
    make_farewell,
    make_readmission,
    make_sponsor,
)
from folkmoot.governance.seat import seat_of_private
from folkmoot.meeting.founding import make_key_package
from folkmoot.meeting.records import RecordKind
from simulation.hostile_member import Hostile, in_seat
from simulation.meeting_world import Member, World

if TYPE_CHECKING:
    from simulation.invariants import Facts

__all__ = ["Insider"]


class Insider:
    """`who` is driven past its own rules; `attack` does one thing that must come to nothing."""

    def __init__(self, world: World, who: Member, chance: random.Random) -> None:
        self.world = world
        self.who = who
        self.chance = chance
        self.hostile = Hostile(world, who)
        self.waiting: list[int] = []  # attacks that it has not tried yet
        self.farewells: dict[bytes, Farewell] = {}  # once said, of leaves that may be gone

    def attack(self, others: list[Member], facts: Facts) -> bool:
        """One attack on one of the others."""
        if not others or self.hostile.inside.needs_leaf:
            return False
        victim = self.chance.choice(others)
        attacks: tuple[Callable[[Member], bool], ...] = (
            self._remove,
            self._remove_forged,
            self._remove_stale,
            self._readmit,
            self._ghost,
            self._sit_down,
            self._two_commits,
            self._from_the_future,
            self._speak_as,
        )
        if not self.waiting:
            # These two make its later commits on the same parent void, so they come last.
            late = [attacks.index(self._two_commits), attacks.index(self._from_the_future)]
            rest = [one for one in range(len(attacks)) if one not in late]
            self.waiting = self.chance.sample(late, 2) + self.chance.sample(rest, len(rest))
        attack = attacks[self.waiting.pop()]
        self.world.note("step", attack.__name__, victim.name.encode())
        done = attack(victim)
        self.world._pump(self.who)
        return done

    def _leaf(self, victim: Member) -> int | None:
        entry = self.hostile.state.entry_of(victim.meeting.seat)
        return None if entry is None else entry.leaf

    def _remove(self, victim: Member) -> bool:
        leaf = self._leaf(victim)
        if leaf is not None:
            self.hostile.commit([mls.Remove(leaf)])
        return leaf is not None

    def _remove_forged(self, victim: Member) -> bool:
        leaf = self._leaf(victim)
        if leaf is None:
            return False
        farewell = self.hostile.farewell_of(victim, self.hostile.key)
        if self.chance.random() < 0.5:
            self.hostile.publish(RecordKind.FAREWELL, farewell.encode())
        self.hostile.commit([mls.Remove(leaf)], [farewell])
        return True

    def _remove_stale(self, victim: Member) -> bool:
        """A farewell that the victim signed for an older leaf of its own, and did not go."""
        leaf, seat = self._leaf(victim), victim.meeting.seat
        entry = self.hostile.state.entry_of(seat)
        if leaf is None or entry is None:
            return False
        old = self.farewells.get(seat)
        if old is None:
            # In an older epoch it had another leaf, for which it once said farewell.
            past = bytes(self.chance.randrange(256) for _ in range(32))
            old = make_farewell(
                victim.meeting._context.key, self.hostile.state.group.group_id, seat, past
            )
            self.farewells[seat] = old
        if self.chance.random() < 0.5:
            self.hostile.publish(RecordKind.FAREWELL, old.encode())
        self.hostile.commit([mls.Remove(leaf)], [old])
        return True

    def _readmit(self, victim: Member) -> bool:
        """Takes the victim's leaf away and sits down in its seat, under a key of one's own."""
        seat = victim.meeting.seat
        entry = self.hostile.state.entry_of(seat)
        if entry is None:
            return False
        bundle = in_seat(seat, self.chance.randbytes(32), self.chance.randbytes)
        group_id = self.hostile.state.group.group_id
        claim = make_readmission(self.hostile.key, group_id, seat, entry.leaf_hash, bundle.ref)
        self.hostile.commit([mls.Remove(entry.leaf), mls.Add(bundle.key_package)], [claim])
        return True

    def _ghost(self, victim: Member) -> bool:
        """Adds one whom nobody let in, or in another's name."""
        bundle = make_key_package(self.chance.randbytes(32), self.chance.randbytes)
        evidence = []
        is_open = victim.meeting.charter.admission is Admission.OPEN
        if is_open or self.chance.random() < 0.5:  # an open door lets anybody in, and needs nobody
            group_id, until = self.hostile.state.group.group_id, self.hostile.tick + 60
            seat, key = victim.meeting.seat, self.hostile.key
            evidence = [make_sponsor(key, group_id, seat, bundle.ref, until)]
        self.hostile.commit([mls.Add(bundle.key_package)], evidence)
        return True

    def _sit_down(self, victim: Member) -> bool:
        """Lets in a guest of its own, as it may, in the seat of one who knocks; if nobody does, of
        somebody who might."""
        admission = victim.meeting.charter.admission
        if admission is Admission.BALLOT:
            return False
        seats = [one.meeting.seat for one in self.world.members if not one.inside]
        seat = seats[0] if seats else seat_of_private(self.chance.randbytes(32))
        bundle = in_seat(seat, self.chance.randbytes(32), self.chance.randbytes)
        group_id, until = self.hostile.state.group.group_id, self.hostile.tick + 60
        own, key = self.who.meeting.seat, self.hostile.key
        sponsor = make_sponsor(key, group_id, own, bundle.ref, until)
        evidence = [] if admission is Admission.OPEN else [sponsor]
        self.hostile.commit([mls.Add(bundle.key_package)], evidence)
        return True

    def _two_commits(self, victim: Member) -> bool:
        self.hostile.commit()
        self.hostile.commit()
        return True

    def _from_the_future(self, victim: Member) -> bool:
        ahead = self.chance.choice((120, 3600, None))
        self.hostile.commit(tick=TICK_MAX if ahead is None else self.hostile.tick + ahead)
        return True

    def _speak_as(self, victim: Member) -> bool:
        """A voice cell under the victim's leaf, which the group's keys allow, signed by another."""
        media, state = self.hostile.inside.media, self.hostile.state
        held, leaf = media._epochs.get(state.authenticator), self._leaf(victim)
        known = None if held is None or leaf is None else held.author(leaf)
        if held is None or leaf is None or known is None:
            return False
        packer, number = VoicePacker(), 2 * self.chance.randrange(100_000, 1 << 29)
        payload = b"\x78I never said this" + self.chance.randbytes(8)  # 20 ms of Opus
        for place in range(2):
            stamp = int(self.world.now * 1_000_000) + place * 20_000
            packer.push(EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, stamp, (payload,)))
        packer._number = number
        key: Ed25519PrivateKey = self.hostile.key
        plaintext = packer.next_plaintext(key, known[0], number)
        for relay in range(len(self.who.meeting.relays)):
            cell = media._keys(held, relay).seal(VOICE, leaf, number, plaintext)
            for room, opened in self.who.rooms.items():
                if opened.relay == relay and opened.slot.name == "VOICE":
                    self.who.meeting._context.send(room, (cell,))
                    break
        return True
