"""The bridge between the page and the meeting: WebRTC on this machine, encoded frames in and out,
nothing decoded.

One Bridge serves one connection of one page; a page that was loaded again gets a new Bridge. All
methods are called on the event loop's thread; callbacks come on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiortc.rtp import (
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSrPacket,
    RtpPacket,
)

from folkmoot.agent.media import rtp
from folkmoot.agent.media.clock import CaptureClock, media_clock
from folkmoot.agent.media.dtls import Certificate, DtlsServer, DtlsState
from folkmoot.agent.media.ice import LOOPBACK, IceLite
from folkmoot.agent.media.limiter import Limiter
from folkmoot.agent.media.sdp import (
    PICTURE_TYPE,
    VOICE_TYPE,
    BadAnswer,
    Bitrates,
    OfferWriter,
    Section,
    Transport,
    read_answer,
)
from folkmoot.agent.media.shaper import VoiceShaper
from folkmoot.agent.media.slots import Slots
from folkmoot.agent.media.srtp import Srtp
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind

VOICE_BITRATE = 24_000  # 60 bytes in 20 ms
PICTURE_BITRATE = 400_000
VOICE_PACKET_OVERHEAD = 20_000  # bits a second of headers that a browser counts into its estimate
KEY_FRAME_INTERVAL_S = 0.3  # between requests to the page, and to one remote member
REPORT_INTERVAL_S = 1.0
CHECKS_TIMEOUT_S = 30.0  # browsers check the path every few seconds (RFC 7675)
PENDING_DATAGRAMS_MAX = 64

OnState = Callable[[str, str], None]


class Bridge:
    """A MediaSink of the session. Callbacks: `on_offer(sdp)`: hand this to the page;
    `on_voice(frame)` and `on_picture(frame)`: what the page captured;
    `on_keyframe_wanted_of(member)`: the page cannot show this member before a key frame comes;
    `on_state(state, sentence)`: "connected", "failed" or "gone"."""

    def __init__(
        self,
        *,
        on_offer: Callable[[str], None],
        on_voice: Callable[[EncodedFrame], None],
        on_picture: Callable[[EncodedFrame], None],
        on_keyframe_wanted_of: Callable[[str], None],
        on_state: OnState = lambda state, sentence: None,
        voice_bitrate: int = VOICE_BITRATE,
        picture_bitrate: int = PICTURE_BITRATE,
        loopback_only: bool = False,
        clock: Callable[[], float] = media_clock,
    ) -> None:
        """`loopback_only`: offer 127.0.0.1 alone, which Chromium takes and Firefox never does."""
        self._on_offer = on_offer
        self._on_voice = on_voice
        self._on_picture = on_picture
        self._on_state = on_state
        self._clock = clock
        self._loopback_only = loopback_only
        self._certificate = Certificate()
        self._ice = IceLite(self._datagram, clock=clock)
        self._dtls = DtlsServer(self._certificate, self._ice.send)
        self._srtp: Srtp | None = None
        self._writer = OfferWriter()
        self._shaper = VoiceShaper(voice_bitrate)
        self._picture_bitrate = picture_bitrate
        wall_us = int((time.time() - clock()) * 1_000_000)
        self._slots = Slots(self._send_rtp, self._send_rtcp, on_keyframe_wanted_of, wall_us)
        self._capture = CaptureClock()
        self._voice_in: rtp.InStream | None = None
        self._picture_in: rtp.InStream | None = None
        self._collector = rtp.PictureCollector()
        self._plis_out = Limiter(KEY_FRAME_INTERVAL_S)
        # The offer in flight, and what it offered. It has all the time it wants: before its first
        # answer a page asks its person for the camera.
        self._pending: tuple[str, tuple[Section, ...]] | None = None
        self._stale = False  # what the pending or last offer says is no longer so
        self._fingerprint: bytes | None = None
        self._handles: dict[str, asyncio.TimerHandle] = {}
        self._opening: asyncio.Task[None] | None = None
        self._state = "new"
        self._closed = False

    # ---- what the page's server calls ----

    async def offer(self) -> None:
        """Gives an offer to `on_offer`: a new one, or the pending one once more if the page has not
        answered it."""
        if self._closed:
            return
        if self._opening is None:
            self._opening = asyncio.create_task(
                self._ice.open([LOOPBACK] if self._loopback_only else None)
            )
        await asyncio.shield(self._opening)
        if self._closed:
            return
        if self._pending is not None:
            self._on_offer(self._pending[0])
        else:
            self._make_offer()
        if "reports" not in self._handles:
            self._later("reports", REPORT_INTERVAL_S, self._reports)

    async def answer(self, sdp: str) -> None:
        """Takes the page's answer to the pending offer. Raises BadAnswer (its text is a sentence
        for the person); the page then needs a new Bridge. An answer to nothing is ignored: the page
        got the same offer twice."""
        if self._pending is None or self._closed:
            return
        _, sections = self._pending
        answer = read_answer(sdp, sections)
        if self._fingerprint is not None and (
            (answer.ufrag, answer.fingerprint) != (self._ice.remote_ufrag, self._fingerprint)
        ):
            raise BadAnswer("the page has begun a new connection in the middle of this one")
        self._pending = None
        self._ice.remote_ufrag = answer.ufrag
        if self._fingerprint is None:
            self._fingerprint = answer.fingerprint
            self._dtls.expect(answer.fingerprint)
            self._after_dtls()
        self._slots.answered(sections, answer)
        if self._stale:
            self._make_offer()

    async def close(self) -> None:
        """Ends the connection; no callback comes afterwards."""
        if self._closed:
            return
        self._closed = True
        for name in list(self._handles):
            self._cancel(name)
        self._dtls.close()
        self._srtp = None
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        await self._ice.close()

    def stats(self) -> dict[str, Any]:
        """Counts for tests and for `problem` sentences; nothing in it is content."""
        return {
            "state": self._state,
            "dropped": self._ice.dropped,
            "voice_in": 0 if self._voice_in is None else self._voice_in.packets,
            "picture_in": 0 if self._picture_in is None else self._picture_in.packets,
            "picture_frames_dropped": self._collector.frames_dropped,
            "voice_replaced": self._shaper.replaced,
            "voice_refused": self._shaper.refused,
            "voice_bitrate": self._shaper.bitrate,
            "plis_to_page": self._plis_out.passed,
            "out": self._slots.stats(),
        }

    # ---- MediaSink: what the session calls ----

    def member_added(self, member: str, name: str) -> None:
        if self._slots.add(member):
            self._renegotiate()

    def member_removed(self, member: str) -> None:
        if self._slots.remove(member):
            self._renegotiate()

    def play(self, member: str, frame: EncodedFrame) -> None:
        if self._srtp is not None:
            self._slots.play(member, frame, self._clock())

    def picture_gap(self, member: str) -> None:
        self._slots.gap(member, self._clock())

    def keyframe_wanted(self) -> None:
        """Others need a key frame of the page's camera."""
        self._collector_wants_key()

    def limits(self, voice_bitrate: int, picture_bitrate: int) -> None:
        """Bits a second for each; pictures follow at once, voice with the next offer."""
        self._picture_bitrate = picture_bitrate
        if voice_bitrate != self._shaper.bitrate:
            self._shaper.bitrate = voice_bitrate
            self._renegotiate()
        self._send_remb()

    # ---- offers ----

    def _make_offer(self) -> None:
        sections = self._slots.sections()
        transport = Transport(
            self._ice.ufrag,
            self._ice.password,
            self._certificate.fingerprint,
            self._ice.candidates,
        )
        rates = Bitrates(self._shaper.bitrate, self._picture_bitrate)
        sdp = self._writer.write(transport, sections, rates)
        self._stale = False
        self._pending = (sdp, sections)
        self._on_offer(sdp)

    def _renegotiate(self) -> None:
        """One offer in flight; many changes in one turn of the loop make one offer."""
        self._stale = True
        if self._ice.candidates and not self._closed and "renegotiate" not in self._handles:
            self._later("renegotiate", 0, self._renegotiate_now)

    def _renegotiate_now(self) -> None:
        if self._stale and self._pending is None:
            self._make_offer()

    # ---- from the page ----

    def _datagram(self, data: bytes) -> None:
        """One datagram of the page's, told apart by its first byte (RFC 7983)."""
        if self._closed:
            return
        if 20 <= data[0] <= 63:
            self._dtls.receive(data)
            self._after_dtls()
        elif 128 <= data[0] <= 191 and self._srtp is not None and len(data) >= 12:
            if 192 <= data[1] <= 223:  # RTCP (RFC 5761 §4)
                plain = self._srtp.open_rtcp(data)
                if plain is not None:
                    self._rtcp(plain)
            else:
                plain = self._srtp.open_rtp(data)
                packet = None if plain is None else rtp.parse_rtp(plain)
                if packet is not None and packet.payload_type == VOICE_TYPE:
                    self._voice_packet(packet)
                elif packet is not None and packet.payload_type == PICTURE_TYPE:
                    self._picture_packet(packet)

    def _after_dtls(self) -> None:
        if self._dtls.keys is not None and self._srtp is None:
            self._srtp = Srtp(self._dtls.keys)
            self._cancel("dtls")
            self._tell("connected", "")
            self._collector_wants_key()
        elif self._dtls.state is DtlsState.FAILED:
            self._srtp = None
            self._tell("failed", self._dtls.reason)
        elif self._dtls.state is DtlsState.CLOSED:
            self._srtp = None
            self._tell("gone", "the page closed its connection")
        elif (timeout := self._dtls.timeout()) is not None:
            self._later("dtls", timeout, self._dtls_timer)

    def _dtls_timer(self) -> None:
        self._dtls.handle_timer()
        self._after_dtls()

    def _voice_packet(self, packet: RtpPacket) -> None:
        if self._voice_in is None or self._voice_in.ssrc != packet.ssrc:
            self._voice_in = rtp.InStream(packet.ssrc)
            self._capture.voice_restarts()
        if self._voice_in.step(packet) is None or not packet.payload:
            return
        now = self._clock()
        before = self._shaper.bitrate
        payload = self._shaper.shape(packet.payload)
        time_us = self._capture.voice_us(packet.timestamp, now)
        if self._shaper.bitrate != before:
            self._renegotiate()
        if payload is not None:
            frame = EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (payload,))
            self._on_voice(frame)

    def _picture_packet(self, packet: RtpPacket) -> None:
        if self._picture_in is None or self._picture_in.ssrc != packet.ssrc:
            self._picture_in = rtp.InStream(packet.ssrc)
            self._collector = rtp.PictureCollector()
            self._capture.picture_restarts()
        lost = self._picture_in.step(packet)
        if lost is None:
            return
        now = self._clock()
        collected = self._collector.push(packet, lost)
        if self._collector.wants_key and packet.marker:
            self._collector_wants_key()
        if collected is not None:
            time_us = self._capture.picture_us(collected.timestamp, now)
            self._on_picture(
                EncodedFrame(
                    MediaKind.CAMERA, Codec.VP8, collected.key, time_us, collected.payloads
                )
            )

    def _rtcp(self, data: bytes) -> None:
        now = self._clock()
        for packet in rtp.parse_rtcp(data):
            if isinstance(packet, RtcpSrPacket):
                ntp, timestamp = packet.sender_info.ntp_timestamp, packet.sender_info.rtp_timestamp
                if self._voice_in is not None and packet.ssrc == self._voice_in.ssrc:
                    self._voice_in.sender_report(ntp, now)
                    self._capture.voice_report(ntp, timestamp)
                elif self._picture_in is not None and packet.ssrc == self._picture_in.ssrc:
                    self._picture_in.sender_report(ntp, now)
                    self._capture.picture_report(ntp, timestamp)
            elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_PLI:
                self._slots.page_wants_key(packet.media_ssrc, now)
            elif isinstance(packet, RtcpPsfbPacket) and packet.fmt == RTCP_PSFB_FIR:
                for at in range(0, len(packet.fci) - 7, 8):
                    self._slots.page_wants_key(int.from_bytes(packet.fci[at : at + 4], "big"), now)
            elif isinstance(packet, RtcpRtpfbPacket) and packet.fmt == RTCP_RTPFB_NACK:
                self._slots.page_misses(packet.media_ssrc, packet.lost)

    # ---- to the page ----

    def _send_rtp(self, packet: bytes) -> None:
        sealed = None if self._srtp is None else self._srtp.seal_rtp(packet)
        if sealed is not None:
            self._ice.send(sealed)

    def _send_rtcp(self, packet: bytes) -> None:
        sealed = None if self._srtp is None else self._srtp.seal_rtcp(packet)
        if sealed is not None:
            self._ice.send(sealed)

    def _collector_wants_key(self) -> None:
        """A PLI to the page now, or as soon as the limit lets one through: a request is never
        lost."""
        if self._picture_in is None or self._srtp is None or self._closed:
            return
        now = self._clock()
        wait = self._plis_out.wait_s(now)
        if wait > 0:
            if "pli" not in self._handles:
                self._later("pli", wait, self._collector_wants_key)
            return
        self._plis_out.take(now)
        self._send_rtcp(rtp.pli(self._slots.own_ssrc, self._picture_in.ssrc))

    def _send_remb(self) -> None:
        if self._picture_in is not None:
            budget = self._picture_bitrate + self._shaper.bitrate + VOICE_PACKET_OVERHEAD
            self._send_rtcp(rtp.remb(self._slots.own_ssrc, budget, [self._picture_in.ssrc]))

    def _reports(self) -> None:
        self._later("reports", REPORT_INTERVAL_S, self._reports)
        now = self._clock()
        checked = self._ice.last_check
        if checked is not None and now - checked > CHECKS_TIMEOUT_S:
            self._tell("gone", "the page has not been heard for half a minute")
        if self._srtp is None:
            return
        streams = [stream for stream in (self._voice_in, self._picture_in) if stream is not None]
        infos = [info for stream in streams if (info := stream.report(now)) is not None]
        if infos:
            self._send_rtcp(bytes(RtcpRrPacket(ssrc=self._slots.own_ssrc, reports=infos)))
        self._send_remb()
        self._slots.reports(now)

    # ---- timers and states ----

    def _later(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        self._cancel(name)

        def run() -> None:
            self._handles.pop(name, None)
            call()

        self._handles[name] = asyncio.get_running_loop().call_later(delay_s, run)

    def _cancel(self, name: str) -> None:
        handle = self._handles.pop(name, None)
        if handle is not None:
            handle.cancel()

    def _tell(self, state: str, sentence: str) -> None:
        if state != self._state and not self._closed:
            self._state = state
            self._on_state(state, sentence)
