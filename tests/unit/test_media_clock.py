"""Timestamps of a page become one clock, and a member's clock becomes ours."""

from __future__ import annotations

import itertools
import random

from folkmoot.agent.media.clock import (
    CaptureClock,
    PlayClock,
    Unwrapper,
    media_clock,
    ntp_from_unix_us,
    us_from_ntp,
)


def test_unwrapping_goes_on_past_the_wrap_and_back() -> None:
    unwrapper = Unwrapper()
    values = [2**32 - 960, 2**32 - 1, 10, 2**32 - 5, 970]
    assert [unwrapper.extend(value) for value in values] == [
        2**32 - 960, 2**32 - 1, 2**32 + 10, 2**32 - 5, 2**32 + 970,
    ]  # fmt: skip


def test_voice_keeps_its_spacing_whatever_the_arrival_and_over_a_wrap() -> None:
    clock = CaptureClock()
    noise = random.Random(1)
    start = 2**32 - 40 * 960
    times = [
        clock.voice_us((start + number * 960) % 2**32, 5.0 + number * 0.02 + noise.random() * 0.3)
        for number in range(100)
    ]
    assert {after - before for before, after in itertools.pairwise(times)} == {20_000}
    assert 5_000_000 <= times[0] < 5_400_000


def test_an_interruption_sets_the_clock_anew() -> None:
    clock = CaptureClock()
    assert clock.voice_us(1_000, 10.0) == 10_000_000
    assert clock.voice_us(1_960, 10.02) == 10_020_000
    # The page slept for a minute, and its timestamps went on where they were.
    assert clock.voice_us(2_920, 70.0) == 70_000_000
    clock.voice_restarts()
    assert clock.voice_us(77, 71.0) == 71_000_000


def test_reports_put_pictures_on_the_clock_of_the_voice() -> None:
    clock = CaptureClock()
    # Both were captured at the same instants; the picture comes 150 ms late through the encoder.
    wall = 1_700_000_000_000_000
    voice_at, picture_at = 12_345, 2**32 - 90_000
    voice = clock.voice_us(voice_at, 20.0)
    before = clock.picture_us(picture_at, 20.15)
    assert before == 20_150_000  # by arrival, as nothing better is known
    clock.voice_report(ntp_from_unix_us(wall), voice_at)
    clock.picture_report(ntp_from_unix_us(wall), picture_at)
    for number in range(1, 60):
        voice = clock.voice_us(voice_at + number * 1_920, 20.0 + number * 0.04)
        picture = clock.picture_us((picture_at + number * 3_600) % 2**32, 20.15 + number * 0.04)
        if number > 4:
            assert abs(picture - voice) <= 25
    assert picture > before


def test_a_sound_card_that_drifts_takes_the_picture_along() -> None:
    clock = CaptureClock()
    wall = 1_700_000_000_000_000
    clock.voice_us(0, 0.0)
    clock.picture_us(0, 0.0)
    for second in range(1, 2_000):
        # 48,005 samples in each second of the page's wall clock: 100 millionths too fast.
        clock.voice_us(second * 48_005, float(second))
        clock.picture_us(second * 90_000, float(second))
        clock.voice_report(ntp_from_unix_us(wall + second * 1_000_000), second * 48_005)
        clock.picture_report(ntp_from_unix_us(wall + second * 1_000_000), second * 90_000)
    voice = clock.voice_us(2_000 * 48_005, 2_000.0)
    picture = clock.picture_us(2_000 * 90_000, 2_000.0)
    assert voice - 2_000_000_000 > 200_000
    assert abs(voice - picture) < 200


def test_a_report_that_cannot_be_true_is_not_believed_and_time_never_goes_back() -> None:
    clock = CaptureClock()
    clock.voice_us(0, 5.0)
    clock.picture_us(0, 5.0)
    clock.voice_report(ntp_from_unix_us(0), 0)
    clock.picture_report(ntp_from_unix_us(10**15), 0)
    times = [clock.picture_us(number * 3_600, 5.0 + number * 0.04) for number in range(1, 5)]
    assert times == [5_040_000, 5_080_000, 5_120_000, 5_160_000]
    clock.picture_report(ntp_from_unix_us(-2_000_000 + 10**6), 0)
    assert clock.picture_us(5 * 3_600, 5.2) > times[-1]


def test_a_report_before_any_packet_says_nothing() -> None:
    clock = CaptureClock()
    clock.voice_report(ntp_from_unix_us(10**15), 5)
    clock.picture_report(ntp_from_unix_us(10**15), 5)
    assert clock.picture_us(9, 1.0) == 1_000_000


def test_ntp_there_and_back() -> None:
    unix_us = 1_700_000_000_123_456
    assert abs(us_from_ntp(ntp_from_unix_us(unix_us)) - 2_208_988_800_000_000 - unix_us) <= 1


def test_a_members_clock_keeps_one_difference_until_it_jumps() -> None:
    clock = PlayClock()
    assert clock.local_us(1_000_000, 50.0) == 50_000_000
    assert clock.local_us(1_020_000, 50.3) == 50_020_000  # late, but in its own time
    assert clock.local_us(900_000, 50.0) == 49_900_000
    assert clock.local_us(5_000, 51.0) == 49_005_000
    assert clock.local_us(10, 60.0) == 60_000_000  # its agent began anew
    assert clock.local_us(20_010, 60.02) == 60_020_000


def test_the_process_clock_does_not_tell_the_uptime_of_the_machine() -> None:
    assert 0 <= media_clock() < 3_600 * 24
