"""Repeats that a whole meeting shares out."""

from __future__ import annotations

import random

from folkmoot.cells.council import PLAINTEXT_BYTES
from folkmoot.cells.fragments import COUNCIL_RECORD_BYTES_MAX
from folkmoot.cells.records import Inbox, unpack
from folkmoot.cells.spread import SPREAD_BYTES_MAX, Spread

LONG = bytes(range(256)) * 200  # 46 fragments


def spread(seed: int, *records: bytes) -> Spread:
    made = Spread(random.Random(seed).randbytes)
    for record in records:
        made.add(record)
    return made


def test_all_of_a_record_is_said_by_one_alone() -> None:
    one, inbox, got = spread(1, LONG, b"short"), Inbox(COUNCIL_RECORD_BYTES_MAX), []
    while plaintext := one.next_plaintext(PLAINTEXT_BYTES):
        assert len(plaintext) <= PLAINTEXT_BYTES
        got += inbox.receive(plaintext, 1.0)
    assert sorted(got) == sorted([LONG, b"short"])
    assert one.size == 0


def test_fifty_who_hear_each_other_say_it_once_together() -> None:
    """A listener has it after as many cells as it has fragments, and a few more: each time all of
    them speak once, not hearing what the others say at that moment."""
    members = [spread(seed, LONG) for seed in range(50)]
    inbox, cells = Inbox(COUNCIL_RECORD_BYTES_MAX), 0
    rounds = 0
    while any(one.size for one in members):
        rounds += 1
        said = [one.next_plaintext(PLAINTEXT_BYTES) for one in members if one.size]
        cells += len(said)
        for plaintext in said:
            inbox.receive(plaintext, 1.0)
            for entry in unpack(plaintext):
                for one in members:
                    one.heard(entry.data)
    assert rounds <= 6  # alone it would be 46
    assert cells <= 4 * 50


def test_what_another_said_is_said_no_more() -> None:
    one, other = spread(1, b"this", b"that"), spread(2, b"this")
    for entry in unpack(other.next_plaintext(PLAINTEXT_BYTES)):
        one.heard(entry.data)
    one.heard(b"something else")
    left = [entry.data for entry in unpack(one.next_plaintext(PLAINTEXT_BYTES))]
    assert left == [b"that"]


def test_what_nobody_said_in_time_is_left_out() -> None:
    one = spread(1)
    one.add(b"soon", 5.0)
    one.add(LONG, 6.0)
    one.add(b"later", 7.0)
    one.forget(6.5)
    assert [entry.data for entry in unpack(one.next_plaintext(PLAINTEXT_BYTES))] == [b"later"]
    assert one.size == 0
    one.add(b"soon", 9.0)
    one.forget(8.0)
    assert one.size == len(b"soon") + 2


def test_what_waits_is_bounded_and_each_entry_waits_once() -> None:
    one = spread(1, b"again", b"again")
    assert one.size == len(b"again") + 2
    for number in range(SPREAD_BYTES_MAX // 1000 + 50):
        one.add(number.to_bytes(4, "big") * 250)
    assert SPREAD_BYTES_MAX - 1100 < one.size <= SPREAD_BYTES_MAX


def test_whatever_comes_and_goes_the_size_is_right() -> None:
    chance = random.Random(5)
    one, waiting = spread(1), set[bytes]()
    for _ in range(2000):
        record = bytes([chance.randrange(40)]) * 30
        what = chance.random()
        if what < 0.5:
            one.add(record)
            waiting.add(record)
        elif what < 0.8:
            one.heard(record)
            waiting.discard(record)
        else:
            waiting -= {entry.data for entry in unpack(one.next_plaintext(64))}
        assert one.size == 32 * len(waiting)
