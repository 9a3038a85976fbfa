"""RTP of the page's connection (RFC 3550, RFC 4585): packets to frames without a jitter buffer
(nothing is reordered between two programs of one machine), and frames to packets of a stream of
their own for each remote member."""

from __future__ import annotations

import secrets
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from aiortc.rtp import (
    RTCP_PSFB_APP,
    RTCP_PSFB_PLI,
    AnyRtcpPacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSourceInfo,
    RtcpSrPacket,
    RtpPacket,
)
from aiortc.rtp import pack_remb_fci as _pack_remb_fci

from folkmoot.agent.media.clock import ntp_from_unix_us
from folkmoot.cells import vp8
from folkmoot.cells.playable import FRAME_BYTES_MAX, FRAME_PAYLOADS_MAX, PAYLOAD_BYTES_MAX

HISTORY_PACKETS = 512  # kept for NACKs, at most 700 KiB for each picture
VOICE_STEP = 960  # ticks in 20 ms
VOICE_GAP_FRAMES_MAX = 50  # a longer silence begins a new talk spurt instead of counting as losses
_RTCP_PACKETS_MAX = 64  # in one compound packet


def parse_rtp(data: bytes) -> RtpPacket | None:
    try:
        return RtpPacket.parse(data)
    except (ValueError, IndexError, struct.error):
        return None


def parse_rtcp(data: bytes) -> list[AnyRtcpPacket]:
    try:
        return RtcpPacket.parse(data)[:_RTCP_PACKETS_MAX]
    except (ValueError, IndexError, struct.error):
        return []


def pli(sender: int, media: int) -> bytes:
    """Picture loss indication: asks the sender of `media` for a key frame (RFC 4585 §6.3.1)."""
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=sender, media_ssrc=media))


def remb(sender: int, bits_per_s: int, media: Sequence[int]) -> bytes:
    """Receiver-estimated maximum bitrate: the only brake on the page's encoders; the sum of `media`
    obeys it."""
    fci = _pack_remb_fci(bits_per_s, list(media))
    return bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_APP, ssrc=sender, media_ssrc=0, fci=fci))


class InStream:
    """What receiver reports say about one inbound stream (RFC 3550 §6.4.1, appendix A.3)."""

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self._first: int | None = None
        self._highest = 0  # extended
        self._reported = (0, 0)  # (expected, received) at the last report
        self._sender_report: tuple[int, float] | None = None  # (middle 32 bits of NTP, our time)

    def step(self, packet: RtpPacket) -> int | None:
        """How many packets were lost before this one; None for a duplicate or one that is late."""
        sequence = packet.sequence_number
        if self._first is None:
            self._first = self._highest = sequence
            lost = 0
        else:
            ahead = (sequence - self._highest) & 0xFFFF
            if ahead == 0 or ahead >= 0x8000:
                return None
            self._highest += ahead
            lost = ahead - 1
        self.packets += 1
        self.octets += len(packet.payload)
        return lost

    def sender_report(self, ntp: int, now: float) -> None:
        self._sender_report = ((ntp >> 16) & 0xFFFFFFFF, now)

    def report(self, now: float) -> RtcpReceiverInfo | None:
        if self._first is None:
            return None
        expected = self._highest - self._first + 1
        lost = max(0, expected - self.packets)
        since = (expected - self._reported[0], self.packets - self._reported[1])
        self._reported = (expected, self.packets)
        fraction = 0 if since[0] <= since[1] else ((since[0] - since[1]) << 8) // since[0]
        lsr, delay = 0, 0
        if self._sender_report is not None:
            lsr = self._sender_report[0]
            delay = min(int((now - self._sender_report[1]) * 65_536), 0xFFFFFFFF)
        return RtcpReceiverInfo(
            ssrc=self.ssrc,
            fraction_lost=min(fraction, 255),
            packets_lost=min(lost, (1 << 23) - 1),
            highest_sequence=self._highest & 0xFFFFFFFF,
            jitter=0,  # there is none to speak of on one machine, and nothing reads it
            lsr=lsr,
            dlsr=delay,
        )


@dataclass(frozen=True, slots=True)
class Collected:
    """A whole picture frame as it came: `timestamp` is the stream's (90 kHz)."""

    key: bool
    timestamp: int
    payloads: tuple[bytes, ...]


class PictureCollector:
    """RTP packets of one VP8 stream to whole frames, given out at the marker bit. After a gap
    nothing comes out before the next key frame, since everything in between refers to what is
    missing; `wants_key` says so."""

    def __init__(self) -> None:
        self.wants_key = True
        self.frames_dropped = 0
        self._payloads: list[bytes] = []
        self._bytes = 0
        self._timestamp: int | None = None

    def push(self, packet: RtpPacket, lost: int) -> Collected | None:
        """`lost`: packets missing before this one, as InStream.step counts them."""
        if lost:
            self._break()
        if not packet.payload:
            return None  # padding, which Chromium sends to probe
        if self._timestamp != packet.timestamp:
            if self._payloads:
                self._break()  # the frame before never got its marker
            self._timestamp = packet.timestamp
        if not self._payloads:
            if not vp8.starts_frame(packet.payload):
                self._break()
                return None
            if self.wants_key and not vp8.is_key(packet.payload):
                if packet.marker:
                    self.frames_dropped += 1
                self._timestamp = None
                return None
        self._payloads.append(packet.payload)
        self._bytes += len(packet.payload)
        if (
            len(packet.payload) > PAYLOAD_BYTES_MAX
            or len(self._payloads) > FRAME_PAYLOADS_MAX
            or self._bytes > FRAME_BYTES_MAX
        ):
            self._break()
            return None
        if not packet.marker:
            return None
        payloads = tuple(self._payloads)
        self._clear()
        key = vp8.is_key(payloads[0])
        self.wants_key = self.wants_key and not key
        return Collected(key, packet.timestamp, payloads)

    def _break(self) -> None:
        if not self.wants_key or self._payloads:
            self.frames_dropped += 1
        self.wants_key = True
        self._clear()

    def _clear(self) -> None:
        self._payloads, self._bytes, self._timestamp = [], 0, None


class OutStream:
    """One remote member's voice or picture on its way to the page: SSRC, sequence numbers and
    timestamps are ours (they begin at random, RFC 3550 §5.1), payloads stay as they came."""

    def __init__(self, payload_type: int, rate: int, *, voice: bool) -> None:
        self.ssrc = secrets.randbits(32)
        self.packets = 0
        self.resent = 0
        self._payload_type = payload_type
        self._rate = rate
        self._voice = voice
        self._octets = 0
        self._sequence = secrets.randbits(15)
        self._offset = secrets.randbits(32)
        self._last_us: int | None = None
        self._history: deque[tuple[int, bytes]] = deque(maxlen=0 if voice else HISTORY_PACKETS)

    def timestamp(self, local_us: int) -> int:
        return (self._offset + local_us * self._rate // 1_000_000) & 0xFFFFFFFF

    def pack(self, payloads: Sequence[bytes], local_us: int) -> list[bytes]:
        """RTP packets of one frame played at `local_us`. Voice frames that are missing leave a gap
        in the sequence numbers, so that the page's own concealment and statistics see them; a
        picture's numbers never have a gap."""
        marker = not self._voice
        if self._voice and self._last_us is not None:
            missing = round((local_us - self._last_us) / 20_000) - 1
            if 0 < missing <= VOICE_GAP_FRAMES_MAX:
                self._sequence = (self._sequence + missing) & 0xFFFF
            elif missing:
                marker = True
        self._last_us = local_us
        timestamp = self.timestamp(local_us)
        packets = []
        for index, payload in enumerate(payloads):
            packet = RtpPacket(
                payload_type=self._payload_type,
                marker=int(marker and index == len(payloads) - 1),
                sequence_number=self._sequence,
                timestamp=timestamp,
                ssrc=self.ssrc,
                payload=payload,
            ).serialize()
            self._history.append((self._sequence, packet))
            self._sequence = (self._sequence + 1) & 0xFFFF
            self.packets += 1
            self._octets += len(payload)
            packets.append(packet)
        return packets

    def again(self, sequence: int) -> bytes | None:
        """The packet with this sequence number, if it is still in the history."""
        if not self._history:
            return None
        behind = (self._history[-1][0] - sequence) & 0xFFFF
        if behind >= len(self._history):
            return None
        number, packet = self._history[-1 - behind]
        if number != sequence:
            return None
        self.resent += 1
        return packet

    def report(self, local_us: int, unix_us: int, cname: str) -> bytes:
        """Sender report and source description for `local_us`, our clock's now, which is `unix_us`
        on the wall's. Both of a member's streams run on one clock, and this is what tells the page
        (lip sync)."""
        info = RtcpSenderInfo(
            ntp_timestamp=ntp_from_unix_us(unix_us),
            rtp_timestamp=self.timestamp(local_us),
            packet_count=self.packets & 0xFFFFFFFF,
            octet_count=self._octets & 0xFFFFFFFF,
        )
        source = RtcpSourceInfo(ssrc=self.ssrc, items=[(1, cname.encode())])
        return bytes(RtcpSrPacket(ssrc=self.ssrc, sender_info=info)) + bytes(
            RtcpSdesPacket([source])
        )
