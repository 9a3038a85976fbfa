"""By what one who knocks knows that an epoch it is offered is the others', and not somebody's own.

Any member can answer at the door, and what a Welcome leads to is judged by nobody: an insider could
make an epoch of its own, in which are the one who knocks, itself and ghosts. So an answer comes
with its *witnesses*: the signed namings by which the electors locked the commit that made the epoch
(see `agreement`). A Welcome's epoch holds a key package that was made a moment ago, so no naming of
it is an old one, and who is locked on it had judged its commit and seen more than two thirds name
it. Whoever settled the commit has them at hand, so nobody waits for them.

Counted are those whom one knew before, under the keys that one knew: whom else an insider brings
along says nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from folkmoot.agreement import Naming
from folkmoot.meeting.records import Signed
from folkmoot.wire import codec
from folkmoot.wire.codec import DecodeError
from folkmoot.wire.labels import Sign

PARENTS_MAX = 9  # whose namings are kept: of as many epochs as are heard
CHILDREN_MAX = 4  # that one elector is remembered to be locked on; an honest one says one or two
# Where few are here, or most of those who are here are not heard, there are not enough witnesses
# however honest they are. The longer one waits, the longer must all relays keep the others away
# from one whom an insider would lead astray; the shorter, the sooner is a small meeting whole.
FEW_AFTER_S = 4.0
NOBODY_AFTER_S = 15.0


class LockedNamings:
    """A member's side: the namings by which the last commits were locked, to be shown at the
    door."""

    def __init__(self) -> None:
        # By parent and seat: round, child, the signed naming.
        self._of: dict[bytes, dict[bytes, tuple[int, bytes, bytes]]] = {}

    def keep(self, naming: Naming, signed: Signed) -> None:
        """One that its elector signed, on an epoch that settled here."""
        if naming.child is None or not naming.locked:
            return
        if naming.parent not in self._of and len(self._of) >= PARENTS_MAX:
            del self._of[next(iter(self._of))]
        locks = self._of.setdefault(naming.parent, {})
        before = locks.get(signed.seat)
        if before is None or before[0] <= naming.round:
            locks[signed.seat] = naming.round, naming.child, signed.encode()

    def of(self, child: bytes) -> tuple[bytes, ...]:
        """Those of the epoch with this authenticator."""
        return tuple(
            data for locks in self._of.values() for _, one, data in locks.values() if one == child
        )


@dataclass(frozen=True, slots=True)
class Known:
    """Whom one who knocks knows. `electors`: the others who vote in its epoch; `heard`: those of
    them whom it hears; `base`: who voted when it last heard most of them (`Presence.base`), itself
    included. Seats (16 bytes) with their keys. `well`: most electors are where it is."""

    electors: Mapping[bytes, Ed25519PublicKey]
    heard: frozenset[bytes]
    base: Mapping[bytes, Ed25519PublicKey]
    well: bool


NOBODY = Known({}, frozenset(), {}, False)


class Witnesses:
    """The side of one who knocks: which electors are locked on what."""

    def __init__(self) -> None:
        self._children: dict[bytes, deque[bytes]] = {}  # by seat

    def hear(self, namings: Iterable[bytes], known: Known, group_id: bytes) -> None:
        """Namings that somebody showed us. Nothing is kept of whom we do not know, so nobody's
        room is taken by another."""
        for data in namings:
            try:
                signed = codec.decode(Signed.read, data)
                naming = codec.decode(Naming.read, signed.content[len(signed.seat) :])
            except DecodeError:
                continue
            seat, child = signed.seat, naming.child
            key = known.base.get(seat) or known.electors.get(seat)
            if key is None or child is None or not naming.locked or seat in self.of(child):
                continue
            if signed.verified(key, Sign.NAMING, group_id):
                self._children.setdefault(seat, deque(maxlen=CHILDREN_MAX)).append(child)

    def of(self, child: bytes) -> set[bytes]:
        """The seats that are locked on the epoch with this authenticator."""
        return {seat for seat, children in self._children.items() if child in children}

    def vouch(self, child: bytes, known: Known, waited_s: float, must: bool) -> bool:
        """Whether to go to this epoch, which was offered `waited_s` ago. `must`: our own is none to
        stay in.

        More than half of those whom we know are enough at once: while fewer than a third lie, most
        of them are honest. Where so many are not here, it takes more than half of those whom we
        hear, and a while in which we could have heard the others."""
        locked = self.of(child)
        based = len(locked & known.base.keys())
        if 2 * based > len(known.base):
            return True
        if known.well and not must:
            return False
        vouching, electors = len(locked & known.electors.keys()), len(known.electors)
        if 2 * vouching > electors:
            # Of those who vote where we are now; perhaps they are none of whom we knew before.
            return 2 * based >= len(known.base) or waited_s >= FEW_AFTER_S
        heard = len(known.heard)
        if heard == 0:
            return waited_s >= NOBODY_AFTER_S
        if 2 * vouching <= heard:
            return False
        one_is_honest = 3 * vouching > electors
        few = 3 * heard <= electors
        soon = one_is_honest or (few and must)
        return waited_s >= (FEW_AFTER_S if soon else NOBODY_AFTER_S)
