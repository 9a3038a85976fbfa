"""A certificate: a motion with enough ballots for it, and whether they are enough (architecture §6,
"Ballots").

**Why every honest member answers alike.** What a certificate is judged by is in the commit that
carries it (the motion, its ballots, the commit's tick) and in that commit's parent (the charter,
the roll, the members' keys), which all who are in the parent agree on. Nothing that a member
remembers has a say: when a ballot came, whether the motion was heard of before, what the clock
shows. So one who joined a second ago judges as one who was there at the opening, and a removal
takes effect at everybody or at nobody.

**The roll of the opening** is what a newcomer cannot know. The motion names it by hash, and the
certificate says in what it differs from the parent's: electors who are *gone* since, and those who
came *later*. Together they must give the roll with that hash, so a committer cannot choose one. Can
the mover? Every ballot signs the motion and so the hash; honest electors answer none whose roll
was not that of an epoch of theirs at the opening (`meeting/motions.py`). A certificate needs more
than two thirds of the larger of both rolls, at least of the parent's as it is: fewer than a third
lying cannot carry a motion with a false roll, and a false roll gains them nothing, as the parent's
roll bounds the threshold from below whatever they claim.

**Once, and in time.** A certificate counts in a commit whose tick is from the motion's opening to
its end. Ticks never fall, so a certificate that is used up cannot be used again later than that;
meanwhile a seat that was removed is not in the tree, and what was amended has another hash. Members
do not name a commit whose tick is far from their clock (`meeting/epochs.py`), so nobody dates one
back. One certificate, and nothing beside it, stands in a commit.

**What only the living can keep.** That an elector answers once, and has one open yes to a removal
at a time, members see to as they count (`meeting/motions.py`): they take each elector's first
answer, and honest committers use no other. In one certificate a second ballot of an elector cannot
be written. But a dishonest elector may sign a yes beside its no, and a dishonest committer may use
it: no commit can show what else was signed. Such electors are among the third that may lie; they
can put their own weight on the side where it counts, and nobody else's.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from folkmoot.governance.ballot import Ballot
from folkmoot.governance.charter import Charter
from folkmoot.governance.evidence import SEAT_BYTES
from folkmoot.governance.motion import MotionKind, SignedMotion
from folkmoot.governance.refusals import Refusal, Rule
from folkmoot.governance.roll import ROLL_MAX, Elector, Roll
from folkmoot.governance.standing import Standing, standing
from folkmoot.wire import codec
from folkmoot.wire.labels import SIGNATURE_BYTES, load_public_key

CERTIFICATE_VERSION = 1


@dataclass(frozen=True, slots=True)
class Certificate:
    """`gone`: electors of the opening who are none in the parent; `later`: the parent's electors
    (seats) who were none at the opening; `ballots`: seat and signature of each yes. All by rising
    seat."""

    moved: SignedMotion
    gone: tuple[Elector, ...]
    later: tuple[bytes, ...]
    ballots: tuple[tuple[bytes, bytes], ...]

    def __post_init__(self) -> None:
        for seats in (
            [one.seat for one in self.gone],
            list(self.later),
            [seat for seat, _ in self.ballots],
        ):
            if any(a >= b for a, b in itertools.pairwise(seats)):
                raise codec.DecodeError("seats out of order, or one twice")

    def encode(self) -> bytes:
        return (
            codec.u8(CERTIFICATE_VERSION)
            + codec.opaque(self.moved.encode())
            + codec.vector(one.encode() for one in self.gone)
            + codec.vector(self.later)
            + codec.vector(seat + signature for seat, signature in self.ballots)
        )

    @classmethod
    def decode(cls, data: bytes) -> Certificate:
        """The certificate of these bytes; raises DecodeError."""
        return codec.decode(cls._read, data)

    @classmethod
    def _read(cls, reader: codec.Reader) -> Certificate:
        version = reader.u8()
        if version != CERTIFICATE_VERSION:
            raise codec.DecodeError(f"a certificate of version {version}")
        moved = codec.decode(SignedMotion.read, reader.opaque())
        gone = reader.vector(Elector.read, items_max=ROLL_MAX)
        later = reader.vector(lambda inner: inner.take(SEAT_BYTES), items_max=ROLL_MAX)
        ballots = reader.vector(
            lambda inner: (inner.take(SEAT_BYTES), inner.take(SIGNATURE_BYTES)),
            items_max=ROLL_MAX,
        )
        return cls(moved, tuple(gone), tuple(later), tuple(ballots))

    @classmethod
    def of(
        cls, moved: SignedMotion, opening: Roll, now: Roll, ballots: Mapping[bytes, Ballot]
    ) -> Certificate:
        """The certificate of these ballots (by seat), for a commit on a parent with the roll
        `now`."""
        return cls(
            moved,
            tuple(one for one in opening.electors if one.seat not in now),
            tuple(seat for seat in now.seats if seat not in opening),
            tuple((seat, ballots[seat].signature) for seat in sorted(ballots)),
        )

    def opening(self, now: Roll) -> Roll | None:
        """The roll of the opening, of which the parent's is `now`; None when what the certificate
        says of the difference is none."""
        if any(one.seat in now for one in self.gone) or any(s not in now for s in self.later):
            return None
        later = frozenset(self.later)
        stayed = [one for one in now.electors if one.seat not in later]
        try:
            return Roll.of([*stayed, *self.gone])
        except codec.DecodeError:
            return None


def check_certificate(
    one: Certificate,
    *,
    group_id: bytes,
    tick: int,
    charter: Charter,
    roll: Roll,
    keys: Mapping[bytes, bytes],
) -> Standing:
    """How the certificate's motion was carried in a commit of `tick`, on a parent with this charter
    and roll, whose members have these Ed25519 `keys` by seat; raises Refusal when it was not."""
    moved, motion = one.moved, one.moved.motion
    if motion.charter_hash != charter.hash:
        raise Refusal(Rule.MOTION_CHARTER)
    opening = one.opening(roll)
    if opening is None or opening.hash != motion.roll_hash:
        raise Refusal(Rule.MOTION_ROLL)
    if not motion.opens <= tick <= motion.ends:
        raise Refusal(Rule.MOTION_TIME)
    mover = load_public_key(keys.get(motion.mover, b""))
    if mover is None or motion.mover not in opening or motion.mover not in roll:
        raise Refusal(Rule.MOTION_MOVER)
    if not moved.verified(mover, group_id):
        raise Refusal(Rule.MOTION_SIGNATURE)
    motion_hash = motion.hash(group_id)
    for seat, signature in one.ballots:
        if motion.kind is MotionKind.REMOVE and seat == motion.subject:
            raise Refusal(Rule.BALLOT_ACCUSED)
        key = load_public_key(keys.get(seat, b""))
        if key is None or seat not in opening or seat not in roll:
            raise Refusal(Rule.BALLOT_VOTER)
        if not Ballot(seat, motion_hash, True, signature).verified(key, group_id):
            raise Refusal(Rule.BALLOT_SIGNATURE)
    stands = standing(charter, motion, opening, roll, [seat for seat, _ in one.ballots])
    if stands is None:
        raise Refusal(Rule.MOTION_IMPOSSIBLE)
    if not stands.carried:
        raise Refusal(Rule.BALLOTS_FEW)
    return stands
