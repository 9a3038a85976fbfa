"""Packets become whole frames, frames become packets of streams of their own, and VP8 is read just
far enough."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtcpPacket, RtcpPsfbPacket, RtcpSrPacket, RtpPacket, unpack_remb_fci
from hypothesis import given
from hypothesis import strategies as st

from folkmoot.agent.media import rtp
from folkmoot.agent.media.limiter import Limiter
from folkmoot.agent.media.shaper import BITRATE_MIN, REPLACED_MAX, VoiceShaper
from folkmoot.cells import vp8
from folkmoot.cells.playable import FRAME_PAYLOADS_MAX

KEY = b"\x10\x00" + b"\x9d\x01\x2a" + bytes(5)  # S set, P clear
DELTA = b"\x10\x01delta"
MORE = b"\x00more"


def packet(number: int, payload: bytes, *, stamp: int = 0, marker: bool = False) -> RtpPacket:
    return RtpPacket(96, int(marker), number & 0xFFFF, stamp, 1, payload)


def collect(packets: list[RtpPacket]) -> tuple[list[rtp.Collected], rtp.PictureCollector]:
    stream, collector = rtp.InStream(1), rtp.PictureCollector()
    frames = []
    for one in packets:
        lost = stream.step(one)
        if lost is not None and (frame := collector.push(one, lost)) is not None:
            frames.append(frame)
    return frames, collector


def test_frames_come_out_at_the_marker_with_their_payloads_as_they_were() -> None:
    frames, collector = collect(
        [
            packet(65_534, KEY, stamp=1),
            packet(65_535, MORE, stamp=1, marker=True),
            packet(0, DELTA, stamp=2, marker=True),
        ]
    )
    assert frames == [rtp.Collected(True, 1, (KEY, MORE)), rtp.Collected(False, 2, (DELTA,))]
    assert not collector.wants_key


def test_nothing_comes_out_before_the_first_key_frame() -> None:
    frames, collector = collect([packet(n, DELTA, stamp=n, marker=True) for n in range(3)])
    assert frames == []
    assert collector.wants_key


def test_after_a_gap_nothing_comes_out_before_the_next_key_frame() -> None:
    frames, collector = collect(
        [
            packet(1, KEY, stamp=1, marker=True),
            packet(3, MORE, stamp=2, marker=True),  # its first payload is lost
            packet(4, DELTA, stamp=3, marker=True),
            packet(5, KEY, stamp=4),
            packet(7, MORE, stamp=4, marker=True),  # the key frame is torn, too
            packet(8, DELTA, stamp=5, marker=True),
            packet(9, KEY, stamp=6, marker=True),
            packet(10, DELTA, stamp=7, marker=True),
        ]
    )
    assert [frame.timestamp for frame in frames] == [1, 6, 7]
    assert collector.frames_dropped >= 2


def test_padding_duplicates_and_late_packets_change_nothing() -> None:
    frames, collector = collect(
        [
            packet(1, KEY, stamp=1),
            packet(1, KEY, stamp=1),
            packet(2, b"", stamp=0),
            packet(3, MORE, stamp=1, marker=True),
            packet(2, MORE, stamp=1),
        ]
    )
    assert frames == [rtp.Collected(True, 1, (KEY, MORE))]
    assert not collector.wants_key


def test_a_frame_without_a_marker_is_dropped() -> None:
    frames, collector = collect([packet(1, KEY, stamp=1), packet(2, DELTA, stamp=2, marker=True)])
    assert frames == []
    assert collector.wants_key


def test_frames_have_a_largest_size() -> None:
    many = [packet(1, KEY, stamp=1)]
    many += [packet(n, MORE, stamp=1) for n in range(2, FRAME_PAYLOADS_MAX + 3)]
    many.append(packet(FRAME_PAYLOADS_MAX + 3, MORE, stamp=1, marker=True))
    frames, collector = collect(many)
    assert frames == []
    assert collector.wants_key
    assert collect([packet(1, KEY + bytes(1_400), marker=True)])[0] == []


def test_receiver_reports_count_what_is_missing() -> None:
    stream = rtp.InStream(9)
    assert stream.report(0.0) is None
    for number in (65_533, 65_534, 0, 1):
        assert stream.step(packet(number, b"x")) is not None
    stream.sender_report(0x0123456789ABCDEF, 10.0)
    report = stream.report(10.5)
    assert report is not None
    assert (report.packets_lost, report.highest_sequence) == (1, 65_537)
    assert report.fraction_lost == 256 // 5
    assert (report.lsr, report.dlsr) == (0x456789AB, 32_768)
    again = stream.report(11.0)
    assert again is not None
    assert again.fraction_lost == 0
    assert bytes(again)


def test_an_out_stream_keeps_payloads_and_makes_its_own_numbers() -> None:
    stream = rtp.OutStream(96, 90_000, voice=False)
    packets = stream.pack((KEY, MORE), 1_000_000) + stream.pack((DELTA,), 1_040_000)
    parsed = [RtpPacket.parse(data) for data in packets]
    assert [one.payload for one in parsed] == [KEY, MORE, DELTA]
    assert [one.marker for one in parsed] == [0, 1, 1]
    numbers = [one.sequence_number for one in parsed]
    assert [(after - numbers[0]) & 0xFFFF for after in numbers] == [0, 1, 2]
    assert {one.ssrc for one in parsed} == {stream.ssrc}
    assert (parsed[2].timestamp - parsed[0].timestamp) & 0xFFFFFFFF == 3_600
    assert stream.again(numbers[1]) == packets[1]
    assert stream.again((numbers[0] - 1) & 0xFFFF) is None
    assert stream.again((numbers[2] + 1) & 0xFFFF) is None
    assert stream.resent == 1


def test_the_history_has_an_end_and_survives_the_wrap() -> None:
    stream = rtp.OutStream(96, 90_000, voice=False)
    numbers = []
    for number in range(70_000):
        (data,) = stream.pack((DELTA,), number * 40_000)
        numbers.append(RtpPacket.parse(data).sequence_number)
    for back in (1, 2, rtp.HISTORY_PACKETS):
        again = stream.again(numbers[-back])
        assert again is not None
        assert RtpPacket.parse(again).sequence_number == numbers[-back]
    assert stream.again(numbers[-rtp.HISTORY_PACKETS - 1]) is None


def test_lost_voice_leaves_a_gap_and_a_long_silence_begins_a_new_spurt() -> None:
    stream = rtp.OutStream(111, 48_000, voice=True)
    times = [0, 20_000, 80_000, 10_000_000]
    parsed = [RtpPacket.parse(stream.pack((b"x",), at)[0]) for at in times]
    first = parsed[0]
    assert [(one.sequence_number - first.sequence_number) & 0xFFFF for one in parsed] == [
        0,
        1,
        4,
        5,
    ]
    assert [(one.timestamp - first.timestamp) & 0xFFFFFFFF for one in parsed] == [
        0, 960, 3_840, 480_000,
    ]  # fmt: skip
    assert [one.marker for one in parsed] == [0, 0, 0, 1]
    assert stream.again(first.sequence_number) is None  # voice is never sent again


def test_both_streams_of_a_member_report_one_clock() -> None:
    voice = rtp.OutStream(111, 48_000, voice=True)
    picture = rtp.OutStream(96, 90_000, voice=False)
    captured = 3_000_000
    at = {}
    for stream, name in ((voice, "voice"), (picture, "picture")):
        sent = RtpPacket.parse(stream.pack((KEY,), captured)[0])
        report = RtcpPacket.parse(stream.report(5_000_000, 1_700_000_005_000_000, "seat"))[0]
        assert isinstance(report, RtcpSrPacket)
        rate = 48_000 if name == "voice" else 90_000
        behind = (report.sender_info.rtp_timestamp - sent.timestamp) & 0xFFFFFFFF
        at[name] = report.sender_info.ntp_timestamp / 2**32 - behind / rate
        assert report.sender_info.packet_count == 1
    assert abs(at["voice"] - at["picture"]) < 1e-5
    assert len(voice.report(0, 0, "x" * 64)) % 4 == 0


def test_feedback_is_what_others_read() -> None:
    (loss,) = RtcpPacket.parse(rtp.pli(1, 2))
    assert isinstance(loss, RtcpPsfbPacket)
    assert (loss.fmt, loss.ssrc, loss.media_ssrc) == (1, 1, 2)
    (rate,) = RtcpPacket.parse(rtp.remb(1, 444_000, [2]))
    assert isinstance(rate, RtcpPsfbPacket)
    bits, media = unpack_remb_fci(rate.fci)
    assert media == [2]
    assert abs(bits - 444_000) < 8


@given(st.binary(max_size=120))
def test_noise_is_no_packet_and_never_raises(noise: bytes) -> None:
    rtp.parse_rtp(noise)
    rtp.parse_rtcp(noise)
    vp8.is_key(noise)
    vp8.unpack((noise,))
    vp8.key_frame_size(noise)
    VoiceShaper(24_000).shape(noise)


@given(st.lists(st.tuples(st.binary(max_size=30), st.integers(0, 9), st.booleans()), max_size=30))
def test_a_collector_gives_out_whole_frames_or_nothing(
    parts: list[tuple[bytes, int, bool]],
) -> None:
    packets = [
        packet(number, payload, stamp=stamp, marker=marker)
        for number, (payload, stamp, marker) in enumerate(parts)
    ]
    frames, _ = collect(packets)
    if frames:
        assert frames[0].key
    assert all(vp8.starts_frame(frame.payloads[0]) for frame in frames)


def test_vp8_is_cut_and_put_together() -> None:
    frame = b"\x00\x00\x00\x9d\x01\x2a" + (640).to_bytes(2, "little") + (480).to_bytes(2, "little")
    frame += bytes(range(256)) * 9
    payloads = vp8.pack(frame)
    assert [len(payload) for payload in payloads] == [1_000, 1_000, len(frame) + 3 - 2_000]
    assert [payload[0] for payload in payloads] == [0x10, 0, 0]
    assert vp8.unpack(payloads) == frame
    assert vp8.is_key(payloads[0])
    assert not vp8.is_key(payloads[1])
    assert vp8.key_frame_size(frame) == (640, 480)
    assert vp8.key_frame_size(b"\x01" + frame[1:]) is None
    assert vp8.unpack(payloads[1:]) is None
    assert vp8.unpack(()) is None


@pytest.mark.parametrize(
    ("descriptor", "size"),
    [
        (b"\x10", 1),
        (b"\x90\x80\x11", 3),  # X, I, 7 bits
        (b"\x90\x80\x81\x11", 4),  # X, I, 15 bits
        (b"\x90\xe0\x81\x11\x22\x33", 6),  # X, I, L, T
        (b"\x90\x10\x33", 3),  # X, K
        (b"\x90\x00", 2),
    ],
)
def test_every_form_of_the_descriptor_is_taken_off(descriptor: bytes, size: int) -> None:
    payload = descriptor + b"\x00data"
    assert vp8.descriptor_bytes(payload) == size
    assert vp8.unpack((payload, b"\x80\x00tail")) == b"\x00datatail"
    assert vp8.is_key(payload)
    assert vp8.descriptor_bytes(descriptor) is None


def test_voice_that_fits_passes_and_the_rest_is_replaced() -> None:
    shaper = VoiceShaper(24_000)
    good, large = b"\x78" + bytes(59), b"\x78" + bytes(63)
    assert shaper.shape(large) is None
    assert shaper.shape(good) == good
    for _ in range(REPLACED_MAX - 1):
        assert shaper.shape(large) == good
    assert shaper.bitrate == 24_000  # a few are no reason
    assert shaper.shape(large) == good
    assert shaper.bitrate == 22_000
    for _ in range(100):
        shaper.shape(large)
    assert shaper.bitrate == 22_000  # the page needs time to follow
    for _ in range(5_000):
        shaper.shape(large)
    assert shaper.bitrate == BITRATE_MIN
    padded = b"\x7b\x41\x04" + bytes(57)  # one frame of 20 ms and four bytes of padding
    assert shaper.shape(padded) == padded
    assert shaper.shape(b"\x18" + bytes(20)) is None  # 60 ms
    assert shaper.shape(b"\x79" + bytes(20)) is None  # two frames
    assert shaper.refused == 2


def test_a_limiter_lets_one_pass_in_an_interval() -> None:
    limiter = Limiter(0.5)
    assert [limiter.take(now) for now in (0.0, 0.1, 0.49, 0.5, 0.9, 1.0)] == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    assert limiter.wait_s(1.2) == pytest.approx(0.3)
    assert limiter.passed == 3
