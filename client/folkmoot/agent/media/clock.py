"""Two clock maps: a page's RTP timestamps to `time_us` (with its sender reports, RFC 3550 §6.4.1),
and a remote member's `time_us` to our own time, so that sound and picture stay together from camera
to screen."""

from __future__ import annotations

import time

VOICE_RATE = 48_000  # ticks a second of Opus in RTP (RFC 7587)
PICTURE_RATE = 90_000
TIME_US_MAX = 2**48 - 1
# A stream's clock and ours disagree by more between two packets: the source was interrupted.
STEP_MAX_S = 2.0
# A sender report that puts a picture further from now than this is not believed.
REPORT_ERROR_MAX_S = 10.0
PLAY_ERROR_MAX_S = 3.0  # a member's clock jumped (its agent began anew, or its machine slept)
NTP_UNIX_S = 2_208_988_800  # 1900 to 1970

_STARTED = time.monotonic()


def media_clock() -> float:
    """Seconds since this process began: the one clock of all media that it sends. It does not start
    at the machine's boot, so that nobody can tie two meetings together by it."""
    return time.monotonic() - _STARTED


def ntp_from_unix_us(unix_us: int) -> int:
    """64-bit NTP timestamp of microseconds since 1970."""
    return ((unix_us << 32) // 1_000_000 + (NTP_UNIX_S << 32)) & (2**64 - 1)


def us_from_ntp(ntp: int) -> int:
    return (ntp * 1_000_000) >> 32


class Unwrapper:
    """32-bit RTP timestamps to numbers that go on past the wrap (every 13 hours for pictures)."""

    def __init__(self) -> None:
        self._last: int | None = None

    def extend(self, timestamp: int) -> int:
        if self._last is None:
            self._last = timestamp
        else:
            step = (timestamp - self._last) & 0xFFFFFFFF
            self._last += step - (1 << 32) if step >= 1 << 31 else step
        return self._last


class _Stream:
    """One inbound stream: its timestamps, the anchor that turns them into microseconds, and its
    newest report."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.unwrapper = Unwrapper()
        self.anchor: tuple[int, int] | None = None  # (extended timestamp, microseconds)
        self.last: tuple[int, float] | None = None  # (extended timestamp, our time)
        # (microseconds of the page's wall clock, extended timestamp)
        self.report: tuple[int, int] | None = None

    def at(self, extended: int) -> int:
        assert self.anchor is not None, "at() follows arrived()"
        return self.anchor[1] + (extended - self.anchor[0]) * 1_000_000 // self.rate

    def arrived(self, timestamp: int, now: float) -> int:
        """Extends the timestamp. The anchor is set by the first packet, and again only after an
        interruption: it never follows arrival times, so the stream's own spacing passes through
        exactly."""
        extended = self.unwrapper.extend(timestamp)
        interrupted = False
        if self.last is not None:
            source_s = (extended - self.last[0]) / self.rate
            interrupted = abs(source_s - (now - self.last[1])) > STEP_MAX_S
        if self.anchor is None or interrupted:
            self.anchor = (extended, max(0, int(now * 1_000_000)))
        self.last = (extended, now)
        return extended


class CaptureClock:
    """Voice sets the clock: its time is its sample count. Pictures are put on it by the page's
    sender reports, which tie both streams to the page's wall clock, so the drift of a sound card
    moves both together. Until both streams have reported, pictures go by their arrival."""

    def __init__(self) -> None:
        self._voice = _Stream(VOICE_RATE)
        self._picture = _Stream(PICTURE_RATE)
        self._picture_last_us = -1

    def voice_report(self, ntp: int, timestamp: int) -> None:
        self._report(self._voice, ntp, timestamp)

    def picture_report(self, ntp: int, timestamp: int) -> None:
        self._report(self._picture, ntp, timestamp)

    def _report(self, stream: _Stream, ntp: int, timestamp: int) -> None:
        if stream.last is None:
            return  # a report alone says nothing about where the stream is
        base = stream.last[0]
        step = (timestamp - base + (1 << 31)) & 0xFFFFFFFF
        stream.report = (us_from_ntp(ntp), base + step - (1 << 31))

    def voice_restarts(self) -> None:
        """The page sends voice under a new SSRC: nothing known about the old one holds."""
        self._voice = _Stream(VOICE_RATE)

    def picture_restarts(self) -> None:
        self._picture = _Stream(PICTURE_RATE)

    def voice_us(self, timestamp: int, now: float) -> int:
        return max(0, self._voice.at(self._voice.arrived(timestamp, now))) & TIME_US_MAX

    def picture_us(self, timestamp: int, now: float) -> int:
        extended = self._picture.arrived(timestamp, now)
        time_us = self._picture.at(extended)
        voice, picture = self._voice.report, self._picture.report
        if voice and picture and self._voice.anchor:
            wall_us = picture[0] + (extended - picture[1]) * 1_000_000 // PICTURE_RATE
            ticks = voice[1] + (wall_us - voice[0]) * VOICE_RATE // 1_000_000
            by_reports = self._voice.at(ticks)
            if abs(by_reports - int(now * 1_000_000)) < REPORT_ERROR_MAX_S * 1_000_000:
                time_us = by_reports
        # A first report may move pictures back a little; a decoder wants time to go forward.
        self._picture_last_us = max(time_us, self._picture_last_us + 1, 0)
        return self._picture_last_us & TIME_US_MAX


class PlayClock:
    """One remote member's `time_us` on our clock: a constant difference for all its media, chosen
    at its first frame and again only when its clock jumps, so that what it captured together is
    played together."""

    def __init__(self) -> None:
        self._difference_us: int | None = None

    def local_us(self, time_us: int, now: float) -> int:
        now_us = int(now * 1_000_000)
        difference = self._difference_us
        if difference is None or abs(time_us + difference - now_us) > PLAY_ERROR_MAX_S * 1_000_000:
            difference = self._difference_us = now_us - time_us
        return time_us + difference
