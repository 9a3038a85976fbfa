"""Witnesses: whose signed namings are kept and shown, and how many of them are enough."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from folkmoot.agreement import Naming
from folkmoot.meeting.door import SIGNED_NAMING_BYTES_MAX
from folkmoot.meeting.records import Signed, sign_statement
from folkmoot.meeting.witnesses import (
    CHILDREN_MAX,
    FEW_AFTER_S,
    NOBODY,
    NOBODY_AFTER_S,
    PARENTS_MAX,
    Known,
    LockedNamings,
    Witnesses,
)
from folkmoot.wire.labels import Sign
from unit.meeting_parts import GROUP, Person, seat_of

PARENT, CHILD, OTHER = b"p" * 32, b"c" * 32, b"o" * 32
NAMES = ("ada", "bob", "cy", "dee", "eve", "fay")


def lock(
    name: str,
    child: bytes | None = CHILD,
    *,
    locked: bool = True,
    number: int = 0,
    parent: bytes = PARENT,
    signer: str = "",
    label: Sign = Sign.NAMING,
    group: bytes = GROUP,
) -> tuple[Naming, Signed]:
    naming = Naming(parent, number, child, locked)
    key = person(signer or name).key
    return naming, sign_statement(key, label, group, seat_of(name) + naming.encode())


def person(name: str) -> Person:
    return Person(name, None)  # type: ignore[arg-type]


def keys(*names: str) -> dict[bytes, Ed25519PublicKey]:
    return {seat_of(name): person(name).key.public_key() for name in names}


def known(
    *electors: str, heard: tuple[str, ...] = (), base: tuple[str, ...] = (), well: bool = False
) -> Known:
    """Of one whose base is itself and all electors, where no other is given."""
    return Known(
        keys(*electors), frozenset(map(seat_of, heard)), keys("me", *(base or electors)), well
    )


def heard(whom: Known, *namings: tuple[Naming, Signed]) -> Witnesses:
    witnesses = Witnesses()
    witnesses.hear([signed.encode() for _, signed in namings], whom, GROUP)
    return witnesses


def test_a_locked_naming_of_one_whom_we_know_is_a_witness() -> None:
    _, signed = lock("ada")
    assert len(signed.encode()) <= SIGNED_NAMING_BYTES_MAX
    assert heard(known("ada", "bob"), lock("ada")).of(CHILD) == {seat_of("ada")}
    only_base = Known({}, frozenset(), keys("ada"), False)
    assert heard(only_base, lock("ada")).of(CHILD) == {seat_of("ada")}


@pytest.mark.parametrize(
    "forged",
    [
        lock("ada", locked=False),
        lock("ada", None, locked=False),
        lock("ada", signer="eve"),
        lock("ada", label=Sign.BEACON),
        lock("ada", group=b"another group..."),
        lock("eve"),
    ],
)
def test_anything_else_is_none(forged: tuple[Naming, Signed]) -> None:
    witnesses = heard(known("ada", "bob"), forged)
    assert witnesses.of(CHILD) == set()
    assert not witnesses._children
    for torn in (b"", b"\0", forged[1].encode()[:-1], forged[1].encode() + b"x"):
        witnesses.hear([torn], known("ada"), GROUP)
    assert not witnesses._children


def test_a_liar_fills_nobody_s_place_but_its_own() -> None:
    many = [lock("eve", bytes((number,)) * 32) for number in range(50)]
    witnesses = heard(known("ada", "eve"), lock("ada"), *many)
    assert witnesses.of(CHILD) == {seat_of("ada")}
    assert len(witnesses._children[seat_of("eve")]) == CHILDREN_MAX


def test_a_member_shows_the_last_lock_of_each() -> None:
    locks = LockedNamings()
    for one in (lock("ada", OTHER), lock("ada", CHILD, number=2), lock("ada", OTHER, number=1)):
        locks.keep(*one)
    locks.keep(*lock("bob"))
    locks.keep(*lock("cy", locked=False))
    assert set(locks.of(CHILD)) == {
        lock("ada", CHILD, number=2)[1].encode(),
        lock("bob")[1].encode(),
    }
    assert locks.of(OTHER) == ()
    for number in range(PARENTS_MAX):
        locks.keep(*lock("ada", OTHER, parent=bytes((number,)) * 32))
    assert locks.of(CHILD) == ()
    assert len(locks.of(OTHER)) == PARENTS_MAX


def enough(whom: Known, *names: str, waited_s: float = 0.0, must: bool = True) -> bool:
    return heard(whom, *map(lock, names)).vouch(CHILD, whom, waited_s, must)


def first_enough(whom: Known, *names: str, must: bool = True) -> float | None:
    """After how many seconds."""
    waits = (0.0, FEW_AFTER_S, NOBODY_AFTER_S, 1e9)
    return next((one for one in waits if enough(whom, *names, waited_s=one, must=must)), None)


@pytest.mark.parametrize("others", range(1, 7))
def test_more_than_half_of_the_others_are_enough_at_once(others: int) -> None:
    for vouching in range(others + 1):
        names = NAMES[:others]
        whom = known(*names, heard=names)
        assert enough(whom, *names[:vouching]) == (2 * vouching > others)


@pytest.mark.parametrize("others", range(2, 7))
def test_fewer_than_a_third_never_lead_anybody_away_while_the_others_are_heard(
    others: int,
) -> None:
    names = NAMES[:others]
    liars = (others - 1) // 3 or 1  # in a meeting of three, too, one
    whom = known(*names, heard=names)
    for must in (True, False):
        assert first_enough(whom, *names[:liars], must=must) is None


def test_where_few_are_here_most_of_those_heard_are_enough_after_a_while() -> None:
    few = known(*NAMES, heard=("ada",))
    assert first_enough(few, "ada") == FEW_AFTER_S
    assert first_enough(few, "ada", must=False) == NOBODY_AFTER_S
    assert first_enough(few, "bob") == FEW_AFTER_S  # it need not be heard itself
    assert first_enough(few) is None
    some = known(*NAMES, heard=("ada", "bob", "cy"))
    assert first_enough(some, "ada", "bob", "cy") == FEW_AFTER_S
    assert first_enough(some, "ada", "bob") == NOBODY_AFTER_S  # perhaps none of them is honest
    assert first_enough(some, "ada") is None
    nobody = known(*NAMES)
    assert first_enough(nobody) == NOBODY_AFTER_S


def test_who_is_well_is_moved_only_by_most_of_whom_it_knew() -> None:
    ghosts = known("dee", "eve", "fay", heard=("dee", "eve", "fay"), base=("ada", "bob"), well=True)
    assert first_enough(ghosts, "dee", "eve", "fay", must=False) is None
    assert first_enough(ghosts, "ada", must=False) is None
    assert first_enough(ghosts, "ada", "bob", must=False) == 0.0
    # One that must have a leaf takes theirs later than that of whom it knew.
    assert first_enough(ghosts, "dee", "eve", "fay") == FEW_AFTER_S


def test_a_newcomer_knows_nobody_but_who_invited_it() -> None:
    assert heard(NOBODY, lock("ada")).of(CHILD) == set()
