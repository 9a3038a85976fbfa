"""Which relays a meeting has by number, and what each carries."""

from __future__ import annotations

from dataclasses import replace

from folkmoot.governance import Relay
from folkmoot.meeting.relay_book import (
    FORMER_MAX,
    KNOWN_MAX,
    LEFT_CARRIES_S,
    LEFT_DOOR_S,
    NAMED_MAX,
    RESERVE_AFTER_S,
    RESERVE_FIRST,
    RESERVE_KEPT_S,
    RESERVE_NEXT_S,
    RelayBook,
    RelayUse,
    first_uses,
)
from folkmoot.wire.address import RelayAddress


def relay(number: int, label: str = "") -> Relay:
    return Relay(RelayAddress("192.0.2.1", 1000 + number, number.to_bytes(32, "big")), label)


def relays(*numbers: int) -> tuple[Relay, ...]:
    return tuple(relay(number) for number in numbers)


def watch(book: RelayBook, now: float, *, carried: bool = True, called: bool = False) -> bool:
    return book.watch(carried=carried, misses=False, called=called, now=now)


def test_a_number_stays_with_its_relay() -> None:
    book = RelayBook(relays(1, 2), relays(3))
    before = {one: book[one] for one in (*book.in_use, *book.reserve)}
    book.follow(relays(3, 4), relays(1), 10.0)
    assert all(book[number] == known for number, known in before.items())
    assert [book[one] for one in book.in_use] == list(relays(3, 4))
    book.follow((replace(relay(3), label="ours"),), (), 20.0)
    assert book[book.in_use[0]].label == "ours"
    other = book.beside(relays(4), ())
    assert other.in_use == (3,), "the next meeting goes on with the same numbers"


def test_of_the_reserve_only_doors_are_open() -> None:
    book = RelayBook(relays(1, 2), relays(3, 4))
    assert not watch(book, 0.0)
    assert book.carrying == (0, 1)
    assert book.doors == (0, 1, 2, 3)
    assert not book.calls_reserve


def test_what_each_relay_carries_of_us() -> None:
    book = RelayBook(relays(1, 2, 3), relays(*range(4, 10)))
    assert [one.carries for one in book.uses(True)] == ["room"] * 3 + ["door"] * 3 + [""] * 3
    assert first_uses(relays(*range(1, 10))) == book.uses(True)
    assert [one.carries for one in book.uses(False)] == ["door"] * 6 + [""] * 3, "who knocks"
    watch(book, 0.0, called=True)
    assert [one.carries for one in book.uses(True)[3:]] == ["room"] * RESERVE_FIRST + [""] * 3


def test_a_relay_that_was_left_carries_on_and_keeps_its_door() -> None:
    book = RelayBook(relays(1, 2))
    book.follow(relays(1), (), 10.0)
    assert book.uses(True)[1] == RelayUse(relay(2), "left", "room")
    watch(book, 10.0 + LEFT_CARRIES_S)
    assert book.uses(True)[1] == RelayUse(relay(2), "left", "door")
    watch(book, 10.0 + LEFT_DOOR_S)
    assert len(book.uses(True)) == 1


def test_bare_for_a_while_it_is_opened_and_for_longer_all_of_it() -> None:
    book = RelayBook(relays(1), relays(*range(2, 10)))
    watch(book, 0.0, carried=False)
    assert book.carrying == (0,)
    assert watch(book, RESERVE_AFTER_S, carried=False)
    assert book.calls_reserve
    assert len(book.carrying) == 1 + RESERVE_FIRST
    watch(book, RESERVE_AFTER_S + RESERVE_NEXT_S + 0.01, carried=False)
    assert len(book.carrying) == 1 + 2 * RESERVE_FIRST
    watch(book, RESERVE_AFTER_S + 5 * RESERVE_NEXT_S, carried=False)
    assert len(book.carrying) == 9
    back = RESERVE_AFTER_S + 5 * RESERVE_NEXT_S + 1
    watch(book, back)
    assert not book.calls_reserve
    assert len(book.carrying) == 1 + RESERVE_FIRST, "kept for a while"
    assert watch(book, back + RESERVE_KEPT_S)
    assert book.carrying == (0,)


def test_who_follows_a_call_does_not_call() -> None:
    book = RelayBook(relays(1), relays(2))
    assert watch(book, 0.0, called=True)
    assert book.carrying == (0, 1)
    assert not book.calls_reserve


def test_what_was_left_carries_on_for_a_moment_and_keeps_its_door() -> None:
    book = RelayBook(relays(1, 2))
    assert book.follow(relays(3), (), 100.0)
    assert book.carrying == (2, 0, 1)
    assert watch(book, 100.0 + LEFT_CARRIES_S)
    assert list(book.carrying) == [2]
    assert set(book.doors) == {0, 1, 2}
    assert watch(book, 100.0 + LEFT_DOOR_S)
    assert list(book.doors) == [2]
    assert [one.address.port for one in book.named] == [1003]


def test_who_changes_relays_all_the_time_fills_nothing() -> None:
    book = RelayBook(relays(1))
    for number in range(2, 2 * KNOWN_MAX):
        book.follow(relays(number), (), float(number))
        assert len(book.doors) <= NAMED_MAX + FORMER_MAX
    assert len(book.known) == KNOWN_MAX
    assert book.in_use == (), "those over the number are not used"


def test_an_invite_names_no_more_than_fit() -> None:
    book = RelayBook(relays(1, 2, 3), relays(*range(4, 12)))
    assert len(book.named) == NAMED_MAX
    assert len(book.doors) == NAMED_MAX
