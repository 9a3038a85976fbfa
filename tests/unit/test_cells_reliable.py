"""Anti-entropy: the log's limits, digests, haves, and a lossy meeting that comes to agree."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from folkmoot.cells import reliable, repeats
from folkmoot.cells.council import PLAINTEXT_BYTES
from folkmoot.cells.errors import UsageError
from folkmoot.cells.reliable import RecordLog, decode_have, decode_record, encode_record, record_id
from folkmoot.cells.repeats import Repeat, RepeatScheduler, SayHave
from folkmoot.wire.codec import DecodeError

WALL = 1_800_000_000.0
TICK = int(WALL)
RNG = random.Random(3)


def made(number: int, tick: int = TICK - 100, size: int = 20) -> bytes:
    return encode_record(tick, 7, number.to_bytes(4, "big").ljust(size, b"r"))


def log_of(*items: bytes, arrived: float = WALL - 90) -> RecordLog:
    log = RecordLog()
    for item in items:
        assert log.add(item, arrived)
    return log


def differing(ours: RecordLog, theirs: RecordLog, skew: float = 0.0) -> list[int]:
    return ours.compare(theirs.digest(WALL + skew, RNG.randbytes), WALL)


def test_a_record_is_kept_once() -> None:
    log = RecordLog()
    assert log.add(made(1), WALL)
    assert not log.add(made(1), WALL)
    assert record_id(made(1)) in log
    assert record_id(made(2)) not in log
    assert list(log.records()) == [made(1)]
    assert decode_record(made(1))[:2] == (TICK - 100, 7)


@pytest.mark.parametrize("offset", [-601, 601, -TICK])
def test_ticks_far_off_are_refused(offset: int) -> None:
    log = RecordLog()
    assert not log.add(made(1, TICK + offset), WALL)
    assert len(log) == 0


def test_records_go_after_ten_minutes() -> None:
    log = RecordLog()
    for age in (599, 300, 0, -500):
        assert log.add(made(age + 1000, TICK - age), WALL)
    log.expire(WALL + 2)
    assert len(log) == 3
    log.expire(WALL + 601)
    assert [decode_record(item).tick for item in log.records()] == [TICK + 500]
    log.expire(WALL + 5000)
    assert (len(log), log.size) == (0, 0)


def test_a_full_log_keeps_the_newest_ticks_at_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliable, "RECORDS_MAX", 50)
    items = [made(number, TICK - 300 + number) for number in range(200)]
    logs = []
    for seed in range(3):
        shuffled = items[:]
        random.Random(seed).shuffle(shuffled)
        log = RecordLog()
        for item in shuffled:
            log.add(item, WALL)
        assert len(log) == 50
        logs.append(list(log.records()))
    assert logs == [items[150:]] * 3
    assert log.size == sum(map(len, items[150:]))
    # One that there is no room for is still read, once.
    assert log.add(made(500, TICK - 400), WALL)
    assert not log.add(made(500, TICK - 400), WALL)
    assert list(log.records()) == items[150:]
    assert log.add(made(501, TICK), WALL)
    assert len(log) == 50


def test_records_of_the_future_go_first_from_a_full_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one member fills it with them, and whatever others say is too old to be kept."""
    monkeypatch.setattr(reliable, "RECORDS_MAX", 50)
    log = RecordLog()
    for number in range(500):
        assert log.add(made(number, TICK + reliable.AHEAD_S - number % 400), WALL)
    for number in range(40):
        assert log.add(made(1000 + number, TICK + number % 5), WALL)
        log.add(made(2000 + number, TICK + reliable.AHEAD_S), WALL)
    kept = set(log.records())
    assert {made(1000 + number, TICK + number % 5) for number in range(40)} <= kept
    assert len(kept) == 50
    # An honest clock that is half a minute off is not the future.
    for number in range(50):
        assert log.add(made(3000 + number, TICK + 30), WALL)
    assert sum(made(3000 + number, TICK + 30) in set(log.records()) for number in range(50)) == 50


def test_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliable, "RECORDS_BYTES_MAX", 10_000)
    log = RecordLog()
    for number in range(30):
        log.add(made(number, TICK - 100 + number, size=1000), WALL)
        assert log.size <= 10_000
    assert len(log) == 9


def test_equal_logs_do_not_differ_whatever_the_order_salt_and_age() -> None:
    items = [made(number, TICK - 590 + 20 * number) for number in range(29)]
    ours, theirs = log_of(*items, arrived=WALL - 1), log_of(*reversed(items), arrived=WALL - 1)
    assert differing(ours, theirs) == []
    assert ours.digest(WALL, RNG.randbytes) != ours.digest(WALL, RNG.randbytes)
    for skew in (-30.0, -3.0, 3.0, 30.0):
        assert differing(ours, theirs, skew) == []


def test_a_missing_record_is_seen_from_both_sides() -> None:
    ours, theirs = log_of(made(1), made(2), made(3, TICK - 300)), log_of(made(1))
    buckets = [(TICK - 300) // 16, (TICK - 100) // 16]
    assert differing(ours, theirs) == buckets
    assert differing(theirs, ours) == buckets
    assert differing(ours, RecordLog()) == buckets
    assert differing(RecordLog(), ours) == buckets


def test_records_just_made_are_not_compared() -> None:
    for age in (-1, 0, 2):
        assert differing(log_of(made(1, TICK - age), arrived=WALL), RecordLog()) == []
    assert differing(log_of(made(1, TICK - 5), arrived=WALL), RecordLog()) != []
    assert differing(log_of(made(1, TICK + 30), arrived=WALL), RecordLog()) != []


def test_what_is_about_to_expire_is_not_compared() -> None:
    assert differing(log_of(made(1, TICK - 595), arrived=WALL), RecordLog()) == []


def test_the_largest_digest_fits_beside_a_beacon() -> None:
    log = RecordLog()
    for tick in range(TICK - 600, TICK + 600, 8):
        assert log.add(made(tick, tick), WALL)
    digest = log.digest(WALL, RNG.randbytes)
    assert len(digest) <= reliable.DIGEST_BYTES_MAX <= 340
    assert log.compare(digest, WALL) == []
    assert len(RecordLog().digest(WALL, RNG.randbytes)) == 17


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_nothing_from_outside_raises(data: bytes) -> None:
    log = log_of(made(1), made(2))
    log.compare(data, WALL)
    log.missing_for(data, WALL)
    log.lacks(data, WALL)
    log.add(data, WALL)
    scheduler = RepeatScheduler(log, RNG.randbytes)
    scheduler.on_digest(data, WALL, 0.0)
    scheduler.on_have(data, WALL, 0.0)
    scheduler.on_record(data, 0.0)
    try:
        decode_have(data)
    except DecodeError:
        return


def test_a_digest_from_another_time_is_no_work() -> None:
    log = log_of(made(1))
    for shift in (-100_000.0, 100_000.0):
        assert log.compare(RecordLog().digest(WALL + shift, RNG.randbytes), WALL) == []


def test_haves_of_a_large_bucket_cover_it_in_ranges() -> None:
    tick = TICK // 16 * 16 - 160
    items = [made(number, tick) for number in range(300)]
    ours, theirs = log_of(*items), log_of(*items[:250])
    messages = theirs.have(tick // 16)
    assert len(messages) == 2
    assert max(map(len, messages)) + 1 + 2 <= PLAINTEXT_BYTES
    missing = [item for message in messages for item in ours.missing_for(message, WALL)]
    assert sorted(missing) == sorted(items[250:])
    assert [theirs.missing_for(message, WALL) for message in ours.have(tick // 16)] == [[]] * 3
    assert any(theirs.lacks(message, WALL) for message in ours.have(tick // 16))
    assert not any(ours.lacks(message, WALL) for message in messages)
    got = [decode_have(message) for message in ours.have(tick // 16)]
    assert [len(part.ids) for part in got] == [128, 128, 44]
    assert (got[0].lowest, got[-1].highest) == (bytes(8), b"\xff" * 8)


def test_an_empty_bucket_has_a_have_too() -> None:
    (message,) = RecordLog().have((TICK - 100) // 16)
    assert log_of(made(1)).missing_for(message, WALL) == [made(1)]


def test_a_record_still_under_way_is_not_repeated() -> None:
    (message,) = RecordLog().have((TICK - 100) // 16)
    assert log_of(made(1), arrived=WALL - 0.5).missing_for(message, WALL) == []
    assert log_of(made(1), arrived=WALL + 30).missing_for(message, WALL) == [made(1)]


def test_have_messages_that_lie_about_their_order() -> None:
    ids = [bytes([n]) * 8 for n in range(1, 4)]
    head = bytes(4)

    def message(low: bytes, high: bytes, *listed: bytes) -> bytes:
        return head + low + high + bytes([len(listed)]) + b"".join(listed)

    assert len(decode_have(message(bytes(8), b"\xff" * 8, *ids)).ids) == 3
    for bad in (
        message(bytes(8), b"\xff" * 8, ids[1], ids[0]),
        message(bytes(8), b"\xff" * 8, ids[1], ids[1]),
        message(ids[1], b"\xff" * 8, *ids),
        message(bytes(8), ids[1], *ids),
        message(ids[1], ids[0]),
    ):
        with pytest.raises(DecodeError):
            decode_have(bad)


def have_of(log: RecordLog) -> bytes:
    return log.have((TICK - 100) // 16)[0]


def test_one_member_repeats_and_the_others_keep_quiet() -> None:
    log = log_of(made(1))
    scheduler = RepeatScheduler(log, random.Random(1).randbytes)
    scheduler.on_have(have_of(RecordLog()), WALL, 10.0)
    due = scheduler.next_timer()
    assert due is not None
    assert 10.0 <= due <= 10.0 + repeats.DELAY_S_MAX
    assert scheduler.due(due - 0.001) == []
    scheduler.on_record(made(1), due - 0.001)
    assert scheduler.due(due) == []
    assert scheduler.next_timer() is None
    scheduler.on_have(have_of(RecordLog()), WALL, due + 0.1)
    assert scheduler.next_timer() is None
    scheduler.on_have(have_of(RecordLog()), WALL, due + repeats.HOLD_S)
    assert scheduler.due(due + repeats.HOLD_S + 0.6) == [Repeat(made(1))]


def test_whoever_has_the_same_says_it_for_all() -> None:
    scheduler = RepeatScheduler(log_of(made(1)), random.Random(1).randbytes)
    scheduler.on_digest(RecordLog().digest(WALL, RNG.randbytes), WALL, 10.0)
    assert scheduler.next_timer() is not None
    scheduler.on_have(have_of(log_of(made(1))), WALL, 10.0)
    assert scheduler.next_timer() is None


def test_who_lacks_something_lists_what_it_has() -> None:
    ours = log_of(made(1))
    scheduler = RepeatScheduler(ours, random.Random(1).randbytes)
    scheduler.on_have(have_of(log_of(made(1), made(2))), WALL, 10.0)
    assert scheduler.due(11.0) == [SayHave(have_of(ours))]


def test_what_is_scheduled_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "REPEATS_MAX", 5)
    monkeypatch.setattr(repeats, "HELD_MAX", 7)
    log = log_of(*[made(number) for number in range(20)])
    scheduler = RepeatScheduler(log, RNG.randbytes)
    scheduler.on_have(have_of(RecordLog()), WALL, 0.0)
    assert len(scheduler.due(1.0)) == 5
    for number in range(20):
        scheduler.on_record(made(number), 1.0)
    assert len(scheduler._held) == 7


@pytest.mark.parametrize("loss_percent", [0, 20, 50])
@pytest.mark.parametrize("seed", range(4))
def test_a_lossy_meeting_comes_to_agree(seed: int, loss_percent: int) -> None:
    """Ten members, 40 records, each beacon, have and repeat lost with the same chance; the last
    member was away for all of it."""
    rng = random.Random(seed)
    logs = [RecordLog() for _ in range(10)]
    members = [RepeatScheduler(log, rng.randbytes) for log in logs]

    def lost() -> bool:
        return rng.randrange(100) < loss_percent

    for number in range(40):
        item = made(number, TICK - 20 + number // 4)
        for receiver in range(9):
            if receiver == number % 9 or not lost():
                logs[receiver].add(item, WALL - 5)
    repeated = 0
    for step in range(400):
        now = step / 20
        for index, member in enumerate(members):
            sent: list[Repeat | SayHave] = list(member.due(now))
            digest = logs[index].digest(WALL + now, rng.randbytes) if step % 20 == index else None
            for other, scheduler in enumerate(members):
                if digest is not None and other != index and not lost():
                    scheduler.on_digest(digest, WALL + now, now)
                for message in sent:
                    if other == index or lost():
                        continue
                    if isinstance(message, SayHave):
                        scheduler.on_have(message.message, WALL + now, now)
                    else:
                        logs[other].add(message.record, WALL + now)
                        scheduler.on_record(message.record, now)
            repeated += sum(isinstance(message, Repeat) for message in sent)
        if all(len(log) == 40 for log in logs):
            break
    assert all(len(log) == 40 for log in logs), f"seed {seed}: {[len(log) for log in logs]}"
    assert now < (6 if loss_percent < 50 else 15)
    assert repeated <= 40 * (2 if not loss_percent else 8)


def test_our_own_mistakes() -> None:
    with pytest.raises(UsageError):
        encode_record(TICK, 0, bytes(64 << 10))
