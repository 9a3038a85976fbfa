"""Targets: the page's datagrams, and the frames that remote members' agents made."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from aioice import stun
from aiortc.rtp import (
    RTCP_PSFB_FIR,
    RTCP_PSFB_PLI,
    RTCP_RTPFB_NACK,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    RtpPacket,
)

from folkmoot.agent.media import rtp
from folkmoot.agent.media.bridge import Bridge
from folkmoot.agent.media.dtls import Certificate, DtlsServer, DtlsState
from folkmoot.agent.media.ice import answer_check
from folkmoot.agent.media.recorder import Recorder, file_stem
from folkmoot.agent.media.sdp import Answer, AnswerSection
from folkmoot.agent.media.slots import OWN_SECTIONS, Slots
from folkmoot.cells import picture_format, vp8
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.media import CAMERA, SCREEN
from folkmoot.cells.playable import FRAME_BYTES_MAX, FRAME_PAYLOADS_MAX, PAYLOAD_BYTES_MAX
from folkmoot.wire.codec import DecodeError
from fuzz.target import BrokenPromise, Decoder, Target, script, steps

PASSWORD = "p" * 32
SOURCE = ("127.0.0.1", 4_242)
KEY_FRAME = b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(200)
LATER_FRAME = b"\x31\x00\x00" + bytes(100)


def check(*, nominate: bool = False) -> stun.Message:
    message = stun.Message(
        stun.Method.BINDING,
        stun.Class.REQUEST,
        transaction_id=b"t" * 12,
        attributes={"USERNAME": "ours:theirs", "PRIORITY": 7, "ICE-CONTROLLING": 9},
    )
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    return message


class StunMessage(Decoder):
    """A STUN datagram from any program of this machine: as it came, and with the right
    MESSAGE-INTEGRITY behind it, as the page itself could send it."""

    name = "media.stun"
    bytes_max = 1_100

    def make_seeds(self) -> Sequence[bytes]:
        whole = check()
        whole.add_message_integrity(PASSWORD.encode())
        return [bytes(check(nominate=True)), bytes(whole)]

    def decode(self, data: bytes) -> object:
        found = answer_check(data, SOURCE, "ours", PASSWORD, "theirs")
        if len(data) >= 20:
            head = data[:2] + struct.pack("!H", len(data) - 20 + 24) + data[4:]
            code = hmac.digest(PASSWORD.encode(), head, "sha1")
            signed = head + struct.pack("!HH", 8, 20) + code
            found = answer_check(signed, SOURCE, "ours", PASSWORD, None) or found
        if found is not None:
            reply = stun.parse_message(found.reply)
            assert reply.check_message_integrity(PASSWORD.encode())
        return found


def rtp_packets() -> list[bytes]:
    def packet(number: int, kind: int, payload: bytes, *, marker: bool = False) -> bytes:
        return RtpPacket(
            payload_type=kind,
            marker=int(marker),
            sequence_number=number,
            timestamp=960 * number,
            ssrc=kind,
            payload=payload,
        ).serialize()

    voice = bytes((31 << 3,)) + b"v" * 50
    picture = vp8.pack(KEY_FRAME + bytes(1_200))
    return [
        *(packet(number, 111, voice) for number in range(3)),
        *(
            packet(number, 96, payload, marker=number == len(picture) - 1)
            for number, payload in enumerate(picture)
        ),
        packet(9, 111, b"\0" + b"long" * 60),
    ]


def rtcp_packets(ssrc: int) -> list[bytes]:
    info = RtcpSenderInfo(
        ntp_timestamp=(2_208_988_800 << 32) + 5, rtp_timestamp=960, packet_count=3, octet_count=9
    )
    report = RtcpReceiverInfo(ssrc, 0, 0, 9, 0, 0, 0)
    return [
        bytes(RtcpSrPacket(ssrc=111, sender_info=info, reports=[report])),
        bytes(RtcpSrPacket(ssrc=96, sender_info=info)),
        bytes(RtcpRrPacket(ssrc=5, reports=[report])),
        bytes(RtcpPsfbPacket(fmt=RTCP_PSFB_PLI, ssrc=5, media_ssrc=ssrc)),
        bytes(RtcpPsfbPacket(RTCP_PSFB_FIR, 5, 0, struct.pack("!LL", ssrc, 1))),
        bytes(RtcpRtpfbPacket(fmt=RTCP_RTPFB_NACK, ssrc=5, media_ssrc=ssrc, lost=[1, 2, 9])),
    ]


class Rtp(Decoder):
    """A decrypted RTP packet."""

    name = "media.rtp"
    bytes_max = 1_500

    def make_seeds(self) -> Sequence[bytes]:
        return rtp_packets()

    def decode(self, data: bytes) -> object:
        return rtp.parse_rtp(data)


class Rtcp(Decoder):
    """A decrypted compound RTCP packet."""

    name = "media.rtcp"
    bytes_max = 1_500

    def make_seeds(self) -> Sequence[bytes]:
        packets = rtcp_packets(7)
        return [*packets, b"".join(packets)]

    def decode(self, data: bytes) -> object:
        return rtp.parse_rtcp(data) or None


class _Plain:
    """In place of SRTP: what comes is what the page's browser would have sealed."""

    def open_rtp(self, packet: bytes) -> bytes | None:
        return packet

    open_rtcp = seal_rtp = seal_rtcp = open_rtp


class Datagrams(Target[None]):
    """The bridge behind SRTP: the steps of a script are the page's datagrams, RTP and RTCP."""

    name = "media.bridge"
    bytes_max = 6_000
    calls = (20_000, 60)
    memory = (1 << 20, 200)
    examples = 30

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._now = 0.0

    def __del__(self) -> None:
        self._loop.close()

    def seeds(self) -> Sequence[bytes]:
        packets = rtp_packets()
        return [
            script(*packets[:3], *rtcp_packets(1)[:2], *packets[3:]),
            script(packets[3], b"".join(rtcp_packets(1)), packets[4]),
            script(*rtcp_packets(1), *packets[:2]),
        ]

    def begin(self) -> None:
        self._now = 5.0

    def feed(self, state: None, data: bytes) -> bool:
        self._loop.run_until_complete(self._talk(steps(data)))
        return True

    async def _talk(self, datagrams: Sequence[bytes]) -> None:
        offers: list[str] = []
        frames: list[EncodedFrame] = []
        bridge = Bridge(
            on_offer=offers.append,
            on_voice=frames.append,
            on_picture=frames.append,
            on_keyframe_wanted_of=lambda member: None,
            clock=lambda: self._now,
        )
        bridge._srtp = _Plain()  # type: ignore[assignment]
        self._add_member(bridge)
        for datagram in datagrams:
            if datagram:
                bridge._datagram(datagram)
            self._now += 0.02
        bridge._reports()
        for frame in frames:
            assert sum(map(len, frame.payloads)) <= FRAME_BYTES_MAX
            assert 0 <= frame.time_us < 1 << 48
        assert len(bridge._collector._payloads) <= FRAME_PAYLOADS_MAX
        await bridge.close()

    def _add_member(self, bridge: Bridge) -> None:
        """Somebody whose picture the page has, so that it may ask for packets and key frames."""
        slots = bridge._slots
        slots.own_ssrc = 5
        slots.add("5eat")
        slot = slots._seats["5eat"].picture
        assert slot.stream is not None
        slots._by_ssrc = {1: ("5eat", slot)}
        slot.stream.ssrc, slot.stream._sequence, slot.live = 1, 0, True
        for frame in _frames(FRAME_SEEDS[0]):
            slots.play("5eat", frame, self._now)
        assert slot.stream.packets


class Dtls(Target[DtlsServer]):
    """What any program of this machine may send in place of the page's handshake."""

    name = "media.dtls"
    bytes_max = 6_000
    memory = (1 << 20, 200)
    examples = 30

    def __init__(self) -> None:
        from unit.test_media_dtls import Client

        self._certificate = Certificate()
        client = Client()
        hello = client.step()
        sent: list[bytes] = []
        server = DtlsServer(self._certificate, sent.append)
        server.receive(hello[0])
        for datagram in sent:
            client.connection.bio_write(datagram)
        self._seeds = [hello[0], script(hello[0], *client.step())]

    def seeds(self) -> Sequence[bytes]:
        return self._seeds

    def begin(self) -> DtlsServer:
        return DtlsServer(self._certificate, lambda datagram: None)

    def feed(self, state: DtlsServer, data: bytes) -> bool:
        for datagram in steps(data):
            if datagram and 20 <= datagram[0] <= 63:
                state.receive(datagram[:1_500])
                state.timeout()
        state.handle_timer()
        return True

    def check(self, state: DtlsServer, data: bytes) -> None:
        assert state.keys is None, "keys without a handshake"
        assert state.state is not DtlsState.CONNECTED
        state.expect(b"f" * 32)
        state.close()


def _frames(data: bytes) -> list[EncodedFrame]:
    """What members' agents made: 0 a voice slot, 1 a picture's body, 2 a screen's."""
    found = []
    for number, step in enumerate(steps(data)):
        kind, body = step[:1], step[1:]
        if kind == b"\0":
            if 0 < len(body) <= 63:
                time_us = 20_000 * number
                found.append(EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (body,)))
            continue
        with contextlib.suppress(DecodeError):
            lane = SCREEN if kind == b"\2" else CAMERA
            found.append(picture_format.decode_body(body, lane))
    return found


def _body(frame: bytes, time_us: int, *, key: bool) -> bytes:
    made = EncodedFrame(MediaKind.CAMERA, Codec.VP8, key, time_us, vp8.pack(frame))
    return b"\1" + (picture_format.encode_body(made) or b"")


FRAME_SEEDS = [
    script(
        b"\0" + bytes((31 << 3,)) + b"v" * 40,
        _body(KEY_FRAME, 5_000, key=True),
        _body(LATER_FRAME, 38_000, key=False),
        b"\0" + b"v" * 63,
    ),
    script(_body(LATER_FRAME, 1 << 47, key=False), _body(KEY_FRAME + bytes(3_000), 9, key=True)),
    script(b"\0v", b"\0" + b"w" * 30, b"\2" + _body(KEY_FRAME, 7, key=True)[1:]),
]


class Vp8(Decoder):
    """Payloads of a VP8 frame by a remote member, as the steps of a script; and the input as a
    frame of our own, which comes apart and together again."""

    name = "media.vp8"
    bytes_max = 3_000

    def make_seeds(self) -> Sequence[bytes]:
        long = b"\x90\x80\x80\x05" + KEY_FRAME  # with a picture id of 15 bits
        return [script(*vp8.pack(KEY_FRAME + bytes(1_200))), script(long, LATER_FRAME), LATER_FRAME]

    def decode(self, data: bytes) -> object:
        payloads = steps(data)
        for payload in payloads:
            size = vp8.descriptor_bytes(payload)
            assert size is None or 1 <= size < len(payload)
            assert not vp8.is_key(payload) or vp8.starts_frame(payload)
        if data and vp8.unpack(vp8.pack(data)) != data:
            raise BrokenPromise("a frame that does not come together again")
        frame = vp8.unpack(payloads)
        if frame is not None:
            size_of = vp8.key_frame_size(frame)
            assert size_of is None or min(size_of) > 0
            assert len(frame) <= len(data)
        return frame


class ToPage(Target[Slots]):
    """Frames of a remote member on their way to the page."""

    name = "media.to_page"
    bytes_max = 6_000
    calls = (8_000, 60)

    def __init__(self) -> None:
        self._sent: list[bytes] = []

    def seeds(self) -> Sequence[bytes]:
        return FRAME_SEEDS

    def begin(self) -> Slots:
        self._sent.clear()
        slots = Slots(self._sent.append, self._sent.append, lambda member: None, 0)
        slots.add("5eat")
        offered = slots.sections()
        taken = tuple(AnswerSection(True, "recvonly", ()) for _ in offered)
        slots.answered(offered, Answer("abcd", bytes(32), taken))
        assert offered[:2] == OWN_SECTIONS
        return slots

    def feed(self, state: Slots, data: bytes) -> bool:
        for number, frame in enumerate(_frames(data)):
            state.play("5eat", frame, 0.02 * number)
        state.reports(1.0)
        return True

    def check(self, state: Slots, data: bytes) -> None:
        assert all(len(packet) <= PAYLOAD_BYTES_MAX + 12 for packet in self._sent)


class Recording(Target[SimpleNamespace]):
    """Frames of a remote member on their way to a file: whatever they hold, the recording goes on
    and can be closed."""

    name = "media.recording"
    bytes_max = 6_000
    calls = (20_000, 60)
    memory = (2 << 20, 200)
    examples = 15

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()

    def seeds(self) -> Sequence[bytes]:
        return FRAME_SEEDS

    def begin(self) -> SimpleNamespace:
        for path in Path(self._folder.name).iterdir():
            path.unlink()
        problems: list[str] = []
        recorder = Recorder(Path(self._folder.name), on_problem=problems.append)
        recorder.finish()  # its thread: here everything is done at once
        return SimpleNamespace(recorder=recorder, problems=problems)

    def feed(self, state: SimpleNamespace, data: bytes) -> bool:
        recorder: Recorder = state.recorder
        name = data[:40].decode("utf-8", "replace")
        assert "/" not in file_stem(name, "5eat")
        recorder._take_in("5eat", name, 0.0)
        for number, frame in enumerate(_frames(data)):
            recorder._take_in("5eat", frame, 0.02 * number)
        recorder._take_in("5eat", EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 9, (b"v",)), 3.0)
        recorder._end("5eat")
        return True

    def check(self, state: SimpleNamespace, data: bytes) -> None:
        (path,) = Path(self._folder.name).iterdir()
        assert path.stat().st_size > 100


TARGETS = (StunMessage, Rtp, Rtcp, Vp8, Datagrams, Dtls, ToPage, Recording)
