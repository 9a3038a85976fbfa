"""Token buckets and shares."""

from __future__ import annotations

import pytest

from folkmoot.wire.limits import Bucket as TokenBucket
from folkmoot.wire.limits import RelayLimits, share, work_bits


def test_a_bucket_fills_at_its_pace_and_no_higher_than_its_burst() -> None:
    bucket = TokenBucket(pace=10, burst=5, now=100.0)
    assert bucket.take(5, 100.0) == 0
    assert bucket.level(100.2) == pytest.approx(2)
    assert bucket.level(200.0) == 5
    assert bucket.take(8, 200.0) == -3
    assert bucket.level(200.1) == pytest.approx(-2)


def test_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(pace=10, burst=5, now=100.0)
    bucket.take(5, 100.0)
    assert bucket.level(50.0) == 0
    assert bucket.level(100.0) == 0


def test_shares_bound_the_whole() -> None:
    assert share(1000, 0, 400, 10) == 400
    assert share(1000, 4, 400, 10) == 250
    assert share(1000, 1000, 400, 10) == 10


def test_every_limit_of_the_relay_bounds_its_memory() -> None:
    limits = RelayLimits()
    cells = max(limits.rooms_queue_cells, limits.rooms * limits.room_queue_cells_least)
    assert cells * 1152 < 80_000_000
    backlog = max(limits.links_backlog_bytes, limits.links * limits.link_backlog_bytes_least)
    assert backlog < 70_000_000


def test_work_is_asked_from_half_full_on() -> None:
    assert work_bits(0, 1024) == work_bits(511, 1024) == 0
    assert work_bits(512, 1024) == work_bits(767, 1024) == 16
    assert work_bits(768, 1024) == work_bits(1023, 1024) == 18
