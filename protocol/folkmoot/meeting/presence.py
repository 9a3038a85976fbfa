"""Who is here, under which name, showing what: as their signed beacons say (architecture §7).

Absence is never departure: a seat that is not heard is shown as away and stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from folkmoot.meeting.beacons import patience
from folkmoot.meeting.epoch_state import EpochState
from folkmoot.meeting.names import clean_name, tags
from folkmoot.meeting.records import Beacon, Showing, Signed
from folkmoot.meeting.witnesses import Known
from folkmoot.wire import codec
from folkmoot.wire.labels import Sign, load_public_key

AWAY_AFTER_S = 5.0
HEARD_S = 3.0  # architecture §6: present is who was heard within 3 s
NOTHING = Showing(0)
FORK_AFTER_S = 3.0  # the same answer for so long before a member changes sides
BEHIND_AFTER_S = 8.0  # missing commits come by repeats within a second or two; then ask at the door


@dataclass(slots=True)
class Member:
    """One seat as others see it."""

    seat: bytes
    key: Ed25519PublicKey
    name: str = ""
    showing: Showing = NOTHING
    heard_at: float | None = None
    beacon_at_ms: int = 0  # the latest of all
    newest_epoch: int = -1
    newest_epoch_at_ms: int = 0  # the latest of those that name that epoch
    patience: float = 1.0  # how rare its beacons are, as there are so many members
    beacon: Beacon | None = None

    def is_news(self, beacon: Beacon) -> bool:
        """Whether this beacon is none that was heard before, nor an earlier one. Times rise while
        an agent lives; one that was started again says nothing before a newer epoch, so that a
        clock that was set back meanwhile does not silence it."""
        if beacon.epoch == self.newest_epoch and beacon.at_ms > self.newest_epoch_at_ms:
            return True
        return beacon.epoch > self.newest_epoch or beacon.at_ms > self.beacon_at_ms

    def hear(self, beacon: Beacon, now: float) -> None:
        """Takes news over."""
        if beacon.epoch > self.newest_epoch:
            self.newest_epoch, self.newest_epoch_at_ms = beacon.epoch, beacon.at_ms
        elif beacon.epoch == self.newest_epoch:
            self.newest_epoch_at_ms = max(self.newest_epoch_at_ms, beacon.at_ms)
        self.beacon_at_ms = max(self.beacon_at_ms, beacon.at_ms)
        self.beacon, self.heard_at = beacon, now
        self.name, self.showing = clean_name(beacon.name), beacon.showing

    def here(self, now: float) -> bool:
        return self.heard_at is not None and now - self.heard_at < AWAY_AFTER_S * self.patience

    def shown(self, now: float) -> tuple[bytes, str, Showing, bool]:
        """What others are shown of it: seat, name, media, and whether it is here."""
        return self.seat, self.name, self.showing, self.here(now)

    def recent(self, now: float) -> bool:
        """Whether it counts as present."""
        return self.heard_at is not None and now - self.heard_at < HEARD_S * self.patience

    def here_in(self, epochs: Container[bytes], now: float) -> bool:
        """Whether it is here, and in one of these epochs (authenticators)."""
        beacon = self.beacon
        return self.here(now) and beacon is not None and beacon.authenticator in epochs


@dataclass(slots=True)
class Presence:
    """The members of the current epoch. `own` is the own seat, which sends beacons and reads
    none.

    `base`: those who voted when most of whom we knew before were last heard where we are. Sides are
    compared by it, as an epoch's roster may be full of those whom somebody let in while a relay
    kept all the others away. `astray`: most of them are elsewhere, and only others are here."""

    own: bytes
    group_id: bytes
    members: dict[bytes, Member] = field(default_factory=dict)
    base: dict[bytes, Member] = field(default_factory=dict)
    astray: bool = False
    _electors: tuple[bytes, ...] = ()
    _astray_since: float | None = None
    _foreign_since: dict[bytes, float] = field(default_factory=dict)
    _ahead_since: float | None = None
    _shown: tuple[tuple[bytes, str, Showing, bool], ...] = ()
    _heard_news: bool = False

    def follow(self, state: EpochState) -> None:
        """Takes over the roster of a new epoch; who stays keeps name and presence."""
        before, self.members = self.members, {}
        for entry in state.roster:
            known = before.get(entry.seat) or self.base.get(entry.seat)
            key = load_public_key(entry.signature_key)
            if known is not None:
                self.members[entry.seat] = known
            elif key is not None:
                self.members[entry.seat] = Member(entry.seat, key)
        rare = patience(len(state.roster))
        for one in (*self.base.values(), *self.members.values()):
            one.patience = rare
        self._electors = state.roll.seats
        if not self.base:
            self.rest()

    def rest(self) -> None:
        """Those who vote here are those whom we know from now on."""
        here = {seat: self.members[seat] for seat in self._electors if seat in self.members}
        self.base, self.astray, self._astray_since = here, False, None

    def trust(self, key: bytes) -> None:
        """Of all who are here we know the one with this key (Ed25519, 32 bytes) alone: who invited
        us."""
        one = {
            seat: member
            for seat, member in self.members.items()
            if member.key.public_bytes_raw() == key
        }
        self.base = one or self.base

    def forget(self, seats: Iterable[bytes]) -> None:
        """These left, or were removed, by what everybody can verify."""
        for seat in seats:
            self.base.pop(seat, None)
        if not self.base:
            self.rest()

    def known(self, held: Container[bytes], now: float) -> Known:
        """Whom we know, for the door; `held`: authenticators of the epochs that we hold."""
        electors = {
            seat: self.members[seat].key
            for seat in self._electors
            if seat in self.members and seat != self.own
        }
        heard = frozenset(seat for seat in electors if self.members[seat].recent(now))
        base = {seat: one.key for seat, one in self.base.items()}
        return Known(electors, heard, base, self.hears_most(held, now))

    def receive(self, body: bytes, states: Iterable[EpochState], now: float) -> Beacon | None:
        """A beacon that is new, and signed by the seat that it names; else None.

        The seat may be of an epoch that we do not follow yet (a newcomer whose commit did not
        settle here), so its key is looked for in all epochs that are heard.
        """
        try:
            signed = codec.decode(Signed.read, body)
            beacon = codec.decode(Beacon.read, signed.content)
        except codec.DecodeError:
            return None
        if beacon.seat == self.own:
            return None
        member = self.members.get(beacon.seat) or self.base.get(beacon.seat)
        if member is not None:
            if not member.is_news(beacon):
                return None
            key: Ed25519PublicKey | None = member.key
        else:
            entries = (state.entry_of(beacon.seat) for state in states)
            entry = next((one for one in entries if one is not None), None)
            key = None if entry is None else load_public_key(entry.signature_key)
        if key is None or not signed.verified(key, Sign.BEACON, self.group_id):
            return None
        if member is not None:
            before = member.shown(now)
            member.hear(beacon, now)
            self._heard_news |= member.shown(now) != before
        return beacon

    def others(self) -> list[Member]:
        """Every member but ourselves."""
        return [one for seat, one in self.members.items() if seat != self.own]

    def names(self, own_name: str) -> dict[bytes, str]:
        """Every seat's name; of one who was not heard yet, that it is not known."""
        return {
            seat: own_name if seat == self.own else (one.name or "somebody")
            for seat, one in self.members.items()
        }

    def tags(self, own_name: str) -> dict[bytes, str]:
        """Every seat's tag, empty where no two names look alike."""
        return tags(self.names(own_name))

    def heard_count(self, now: float) -> int:
        """How many members are here, ourselves included."""
        return 1 + sum(one.here(now) for one in self.members.values())

    def all_here(self, now: float) -> bool:
        """Whether every member is."""
        return self.heard_count(now) >= len(self.members)

    def missed_count(self, now: float) -> int:
        """How many whom we know are not members here, and not heard either."""
        others = (one for seat, one in self.base.items() if seat not in self.members)
        return sum(not one.here(now) for one in others)

    def side_count(self, held: Iterable[bytes], now: float) -> int:
        """How many of those whom we know, ourselves included, are in one of these epochs
        (authenticators)."""
        ours = set(held)
        others = (one for seat, one in self.base.items() if seat != self.own)
        return 1 + sum(one.here_in(ours, now) for one in others)

    def hears_most(self, held: Container[bytes], now: float) -> bool:
        """Whether two thirds or more of those who vote here, ourselves included, are here in these
        epochs. Then nothing has to be asked for, whatever a few say: no other side has as many, and
        a lie of fewer than a third is no reason to look elsewhere."""
        voting = [self.members[seat] for seat in self._electors if seat in self.members]
        here = sum(one.seat == self.own or one.here_in(held, now) for one in voting)
        return 3 * here >= 2 * len(voting)

    def changed(self, now: float) -> bool:
        """Whether names, media or presence have changed since the last call, if only for a moment:
        whoever looked in between was shown that, and has to be told that it is over."""
        shown = tuple(one.shown(now) for one in self.members.values())
        before, self._shown = self._shown, shown
        news, self._heard_news = self._heard_news, False
        return news or shown != before

    def ahead(self, state: EpochState, explained: Iterable[bytes], now: float) -> bool:
        """Whether somebody here is in a later epoch that is out of our reach. `explained` as for
        `lost`."""
        held = set(explained)
        return any(
            one.here(now)
            and one.beacon is not None
            and one.beacon.epoch > state.group.epoch
            and one.beacon.authenticator not in held
            for one in self.members.values()
        )

    def behind(self, state: EpochState, explained: Iterable[bytes], now: float) -> bool:
        """Whether somebody has been ahead for so long that its commits should have come.

        One is enough: of those who came in meanwhile we do not know the keys, so they are no
        majority to us, however many they are."""
        held = set(explained)
        if self.hears_most(held, now) or not self.ahead(state, held, now):
            self._ahead_since = None
        elif self._ahead_since is None:
            self._ahead_since = now
        return self._ahead_since is not None and now - self._ahead_since >= BEHIND_AFTER_S

    def lost(self, state: EpochState, explained: set[bytes], now: float) -> bool:
        """Whether most of those heard are, and have been for a while, in an epoch out of our reach.

        `explained`: authenticators of epochs that we hold. Sides that settled apart are compared by
        how many name them, then by the later epoch, then by the lower authenticator: the same
        answer on both sides, so exactly one of them moves.

        Not by a certificate that one of them holds: it can be committed on the other, too, while
        its motion is open, and if it decided, whoever holds back one commit could draw the larger
        side over to all else that the smaller decided. Nor by a committee, fewer of which would
        have to be corrupted than of all. (See `agreement` for both.)
        """
        well = self.hears_most(explained, now)
        self._look_for_base(explained, well, now)
        recent = [
            one.beacon
            for one in self.members.values()
            if one.beacon is not None and one.recent(now)
        ]
        votes = Counter(one.authenticator for one in recent)
        epochs = {one.authenticator: one.epoch for one in recent}
        ours = 1 + sum(count for name, count in votes.items() if name in explained)
        foreign = {name: count for name, count in votes.items() if name not in explained}
        self._foreign_since = {name: self._foreign_since.get(name, now) for name in foreign}
        for name, count in foreign.items():
            wait = FORK_AFTER_S if epochs[name] == state.group.epoch else BEHIND_AFTER_S
            if now - self._foreign_since[name] < wait:
                continue
            theirs = (-count, -epochs[name], name)
            if not well and theirs < (-ours, -state.group.epoch, state.authenticator):
                return True
        return False

    def _look_for_base(self, held: set[bytes], well: bool, now: float) -> None:
        """Whether those whom we know are here, and if not, whether they are elsewhere."""
        # (Only who is present: nobody else's word counts where it is agreed who comes in.)
        here = sum(
            seat == self.own or (one.recent(now) and one.here_in(held, now))
            for seat, one in self.base.items()
        )
        if 3 * here > 2 * len(self.base):
            self.rest()
            return
        away = sum(
            seat != self.own and one.here(now) and not one.here_in(held, now)
            for seat, one in self.base.items()
        )
        if not well or 2 * away <= len(self.base):
            self._astray_since, self.astray = None, False
        elif self._astray_since is None:
            self._astray_since = now
        elif now - self._astray_since >= BEHIND_AFTER_S:
            self.astray = True
