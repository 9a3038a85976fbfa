"""The council plane: the newest of what is said again and again, and all of what must arrive."""

from __future__ import annotations

import itertools

from folkmoot.cells import reliable
from folkmoot.cells.council import PLAINTEXT_BYTES
from folkmoot.cells.records import entries_of
from folkmoot.cells.reliable import encode_record
from folkmoot.meeting.council import STATEMENTS_MAX, Council
from folkmoot.meeting.records import ItemKind, RecordKind, item
from folkmoot.wire import codec
from unit.meeting_parts import WALL_S, entropy_of

Heard = list[tuple[ItemKind, bytes]]


def council(name: str) -> Council:
    return Council(entropy_of(f"council {name}"))


def say_all(speaker: Council, listener: Council, now: float = 0.0) -> Heard:
    """What the listener heard of all that the speaker has to say now."""
    heard: Heard = []
    for _ in range(500):
        plaintext = speaker.next_plaintext(now, WALL_S + now)
        assert len(plaintext) <= PLAINTEXT_BYTES
        if not plaintext:
            return heard
        heard += listener.receive(plaintext, now)
    raise AssertionError("there is no end to what is said")


def hear(listener: Council, heard: Heard, now: float) -> list[bytes]:
    """Feeds what was heard back as a meeting does; the new records' bodies."""
    found = []
    for kind, body in heard:
        if kind is ItemKind.LOGGED:
            record = listener.receive_logged(body, now, WALL_S + now)
            if record is not None:
                found.append(record.body)
        elif kind is ItemKind.HAVE:
            listener.receive_have(body, now, WALL_S + now)
    return found


def test_who_has_nothing_to_say_says_nothing() -> None:
    assert council("ada").next_plaintext(0.0, WALL_S) == b""


def test_what_fills_a_cell_leaves_however_much_is_said_besides() -> None:
    """A commit of a large meeting, while each cell has something newer to say."""
    ada, bob = council("ada"), council("bob")
    repeated = encode_record(int(WALL_S), RecordKind.CONTENT, b"r" * 5000)
    ada.log.add(repeated, WALL_S)
    ada.receive_have(_nothing_of(repeated), 5.0, WALL_S + 5.0)
    ada.publish(RecordKind.HANDSHAKE, b"h" * 5000, WALL_S)
    found: list[bytes] = []
    beacons = []
    for beat in range(24):
        now = 6.0 + 0.2 * beat
        ada.state(ItemKind.BEACON, bytes(200))
        heard = bob.receive(ada.next_plaintext(now, WALL_S + now), now)
        beacons.append((ItemKind.BEACON, bytes(200)) in heard)
        found += hear(bob, heard, now)
    assert found == [b"h" * 5000, b"r" * 5000]
    # And the newest is said every other time at least.
    assert all(one or other for one, other in itertools.pairwise(beacons))


def _nothing_of(record: bytes) -> bytes:
    """A have that says that its bucket is empty."""
    bucket = int.from_bytes(record[:4], "big") // reliable.BUCKET_S
    return codec.u32(bucket) + bytes(8) + b"\xff" * 8 + codec.u8(0)


def test_the_newest_of_a_kind_is_said_once() -> None:
    ada, bob = council("ada"), council("bob")
    ada.state(ItemKind.BEACON, b"old")
    ada.state(ItemKind.NAMING, b"round 1", b"\1")
    ada.state(ItemKind.NAMING, b"round 2", b"\2")
    ada.state(ItemKind.BEACON, b"new")
    assert sorted(say_all(ada, bob)) == [
        (ItemKind.BEACON, b"new"),
        (ItemKind.NAMING, b"round 1"),
        (ItemKind.NAMING, b"round 2"),
    ]
    assert say_all(ada, bob) == []


def test_statements_that_wait_are_bounded() -> None:
    ada, bob = council("ada"), council("bob")
    for number in range(STATEMENTS_MAX + 5):
        ada.state(ItemKind.NAMING, bytes((number,)), bytes((number,)))
    # One that waits already is brought up to date all the same.
    ada.state(ItemKind.NAMING, b"new", b"\0")
    heard = say_all(ada, bob)
    assert len(heard) == STATEMENTS_MAX
    assert heard[-1] == (ItemKind.NAMING, b"new")


def test_statements_that_do_not_fit_wait_for_the_next_cell_in_order() -> None:
    ada, bob = council("ada"), council("bob")
    bodies = [bytes((number,)) * 500 for number in range(5)]
    for number, body in enumerate(bodies):
        ada.state(ItemKind.NAMING, body, bytes((number,)))
    first = bob.receive(ada.next_plaintext(0.0, WALL_S), 0.0)
    assert first == [(ItemKind.NAMING, body) for body in bodies[:2]]
    assert say_all(ada, bob) == [(ItemKind.NAMING, body) for body in bodies[2:]]


def test_statements_and_records_share_a_cell() -> None:
    ada, bob = council("ada"), council("bob")
    ada.publish(RecordKind.CONTENT, b"r" * 900, WALL_S)
    for number, length in enumerate((400, 900, 100)):
        ada.state(ItemKind.NAMING, bytes((number,)) * length, bytes((number,)))
    first = ada.next_plaintext(0.0, WALL_S)
    assert len(first) <= PLAINTEXT_BYTES
    assert bob.receive(first, 0.0)[0] == (ItemKind.NAMING, b"\0" * 400)
    rest = say_all(ada, bob)
    assert [body[:1] for kind, body in rest if kind is ItemKind.NAMING] == [b"\1", b"\2"]
    assert len([kind for kind, _ in rest if kind is ItemKind.LOGGED]) == 1


def test_a_statement_larger_than_a_cell_comes_whole() -> None:
    ada, bob = council("ada"), council("bob")
    large = bytes(range(256)) * 12
    ada.state(ItemKind.BEACON, large)
    assert say_all(ada, bob) == [(ItemKind.BEACON, large)]


def test_a_full_cell_is_full_to_the_byte() -> None:
    ada = council("ada")
    overhead = len(entries_of(item(ItemKind.NAMING, b"x" * 1000))[0]) - 1000
    ada.state(ItemKind.NAMING, b"x" * (PLAINTEXT_BYTES - overhead))
    assert len(ada.next_plaintext(0.0, WALL_S)) == PLAINTEXT_BYTES
    assert ada.next_plaintext(0.0, WALL_S) == b""


def test_a_published_record_is_new_to_others_once() -> None:
    ada, bob = council("ada"), council("bob")
    ada.publish(RecordKind.CONTENT, b"body", WALL_S)
    heard = say_all(ada, bob)
    assert [kind for kind, _ in heard] == [ItemKind.LOGGED]
    record = bob.receive_logged(heard[0][1], 0.0, WALL_S)
    assert record is not None
    assert tuple(record) == (int(WALL_S), RecordKind.CONTENT, b"body")
    assert bob.receive_logged(heard[0][1], 1.0, WALL_S + 1) is None
    assert ada.receive_logged(heard[0][1], 1.0, WALL_S + 1) is None


def test_the_last_record_of_a_kind_is_repeated() -> None:
    ada, bob = council("ada"), council("bob")
    ada.repeat(RecordKind.FAREWELL)
    assert say_all(ada, bob) == []
    for body in (b"old", b"new"):
        ada.publish(RecordKind.FAREWELL, body, WALL_S)
    ada.publish(RecordKind.CONTENT, b"chat", WALL_S)
    say_all(ada, bob)
    ada.repeat(RecordKind.FAREWELL)
    assert say_all(ada, bob) == [
        (ItemKind.LOGGED, encode_record(int(WALL_S), RecordKind.FAREWELL, b"new"))
    ]


def test_a_lost_record_is_found_by_digests_and_repeated() -> None:
    ada, bob = council("ada"), council("bob")
    ada.publish(RecordKind.CONTENT, b"lost", WALL_S)
    while ada.next_plaintext(0.0, WALL_S):
        pass
    found: list[bytes] = []
    for tenth in range(100, 300):
        now = tenth / 10
        if tenth % 10 == 0:
            bob.receive_digest(ada.digest(WALL_S + now), now, WALL_S + now)
            ada.receive_digest(bob.digest(WALL_S + now), now, WALL_S + now)
        hear(ada, say_all(bob, ada, now), now)
        found += hear(bob, say_all(ada, bob, now), now)
    assert found == [b"lost"]


def test_what_cannot_be_read_is_skipped() -> None:
    ada, bob = council("ada"), council("bob")
    good = entries_of(item(ItemKind.NAMING, b"good"))[0]
    assert bob.receive(entries_of(b"\x63unknown kind")[0] + good, 0.0) == [
        (ItemKind.NAMING, b"good")
    ]
    assert bob.receive(b"\xff" * PLAINTEXT_BYTES, 0.0) == []
    assert ada.receive_logged(b"short", 0.0, WALL_S) is None
    ada.receive_digest(b"no digest", 0.0, WALL_S)
    ada.receive_have(b"no have", 0.0, WALL_S)
    assert say_all(ada, bob, 5.0) == []


def test_a_member_that_fills_the_log_silences_nobody() -> None:
    """Records from ahead of the time push out those of now, which nobody then heard at all."""
    ann, bob = council("ann"), council("bob")
    for number in range(reliable.RECORDS_MAX):
        body = number.to_bytes(2, "big")
        bob.receive_logged(encode_record(int(WALL_S) + 500, 2, body), 0.0, WALL_S)
    assert len(bob.log) == reliable.RECORDS_MAX
    ann.publish(RecordKind.CONTENT, b"hello", WALL_S)
    heard = say_all(ann, bob)
    assert hear(bob, heard, 0.0) == [b"hello"]
    assert len(bob.log) == reliable.RECORDS_MAX
