"""Electors with keys, rolls and certificates for tests of the rules: no group around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from folkmoot.governance import PRESETS, Charter
from folkmoot.governance.ballot import make_ballot
from folkmoot.governance.certificate import Certificate
from folkmoot.governance.motion import MOTION_S, Motion, MotionKind, SignedMotion, sign_motion
from folkmoot.governance.roll import Elector, Roll

GROUP = b"g" * 16
TICK = 1000
CIRCLE = PRESETS["circle"]


def seat(number: int) -> bytes:
    return bytes((number + 1,)) * 16


def key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes((number + 1,)) * 32)


KEYS = {seat(number): key(number).public_key().public_bytes_raw() for number in range(12)}


def everyone(count: int) -> Roll:
    return Roll.everyone(seat(number) for number in range(count))


def in_lines(*lines: Iterable[int]) -> Roll:
    """A roll whose first line is the founder alone."""
    (founder,), *others = (list(line) for line in lines)
    electors = [Elector(seat(founder))]
    electors += [Elector(seat(one), seat(line[0])) for line in others for one in line]
    return Roll.of(electors)


def motion(
    kind: MotionKind = MotionKind.REMOVE,
    subject: bytes | None = None,
    *,
    mover: int = 0,
    charter: Charter = CIRCLE,
    roll: Roll | None = None,
    opens: int = TICK,
    ends: int | None = None,
) -> Motion:
    """A motion to remove member 3 of five, if nothing else is said."""
    return Motion(
        mover=seat(mover),
        kind=kind,
        subject=seat(3) if subject is None else subject,
        charter_hash=charter.hash,
        roll_hash=(everyone(5) if roll is None else roll).hash,
        opens=opens,
        ends=opens + MOTION_S if ends is None else ends,
    )


def moved(one: Motion, group: bytes = GROUP) -> SignedMotion:
    number = next(number for number in range(12) if seat(number) == one.mover)
    return sign_motion(key(number), group, one)


def certificate(
    one: Motion,
    voters: Iterable[int],
    *,
    opening: Roll | None = None,
    now: Roll | None = None,
    group: bytes = GROUP,
    changes: Mapping[int, bytes] | None = None,
) -> Certificate:
    """A certificate of these members' yes; `changes`: signatures to put in place of theirs."""
    roll = everyone(5)
    name = one.hash(group)
    ballots = {seat(n): make_ballot(key(n), group, seat(n), name, True) for n in voters}
    made = Certificate.of(moved(one, group), opening or roll, now or roll, ballots)
    if changes is None:
        return made
    put = {seat(number): signature for number, signature in changes.items()}
    forged = tuple((s, put.get(s, signature)) for s, signature in made.ballots)
    return Certificate(made.moved, made.gone, made.later, forged)
