"""Members' places in the page's connection: who may be sent when, what waits for a key frame, what
is refused."""

from __future__ import annotations

import pytest
from aiortc.rtp import RtcpPacket, RtcpSrPacket, RtpPacket

from folkmoot.agent.media.sdp import Answer, AnswerSection
from folkmoot.agent.media.slots import MEMBERS_MAX, Slots
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.playable import fault_of

KEY = b"\x10\x10\x00\x00\x9d\x01\x2a\x80\x02\xe0\x01key"  # 640 x 480
DELTA = b"\x10\x01delta"


def picture(key: bool, time_us: int = 0) -> EncodedFrame:
    return EncodedFrame(MediaKind.CAMERA, Codec.VP8, key, time_us, (KEY if key else DELTA,))


def voice(time_us: int = 0) -> EncodedFrame:
    return EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (b"\x78" + bytes(59),))


class Page:
    def __init__(self) -> None:
        self.rtp: list[RtpPacket] = []
        self.rtcp: list[bytes] = []
        self.wanted: list[str] = []
        self.slots = Slots(
            lambda data: self.rtp.append(RtpPacket.parse(data)),
            self.rtcp.append,
            self.wanted.append,
            1_700_000_000_000_000,
        )

    def answer(self, *, accepted: bool = True, direction: str = "recvonly") -> None:
        offered = self.slots.sections()
        result = AnswerSection(accepted, direction, ())
        self.slots.answered(offered, Answer("abcd", bytes(32), (result,) * len(offered)))


def ssrc(page: Page, member: str, kind: MediaKind) -> int:
    return next(s.ssrc for s in page.slots.sections() if (s.member, s.kind) == (member, kind))


def test_nothing_is_sent_before_the_page_knows_the_stream() -> None:
    page = Page()
    assert page.slots.add("a")
    assert not page.slots.add("a")
    page.slots.play("a", voice(), 1.0)
    page.slots.play("stranger", voice(), 1.0)
    assert page.rtp == []
    page.answer(direction="inactive")
    page.slots.play("a", voice(), 1.0)
    page.answer(accepted=False)
    page.slots.play("a", voice(), 1.0)
    assert page.rtp == []
    page.answer()
    page.slots.play("a", voice(), 1.0)
    assert [packet.ssrc for packet in page.rtp] == [ssrc(page, "a", MediaKind.VOICE)]
    (report, _) = RtcpPacket.parse(page.rtcp[0])
    assert isinstance(report, RtcpSrPacket)  # at once, so that lip sync does not wait a second


def test_a_picture_waits_for_a_key_frame_and_asks_for_one() -> None:
    page = Page()
    page.slots.add("a")
    page.answer()
    for number in range(20):
        page.slots.play("a", picture(False, number * 40_000), number * 0.04)
    assert page.rtp == []
    assert page.wanted == ["a", "a"]  # once in half a second
    page.slots.play("a", picture(True, 800_000), 0.8)
    page.slots.play("a", picture(False, 840_000), 0.84)
    assert [packet.payload for packet in page.rtp] == [KEY, DELTA]
    page.slots.gap("a", 1.4)
    page.slots.play("a", picture(False, 1_440_000), 1.44)
    assert len(page.rtp) == 2
    assert page.wanted == ["a"] * 3
    page.slots.play("a", picture(True, 1_480_000), 1.48)
    assert [packet.payload for packet in page.rtp] == [KEY, DELTA, KEY]
    numbers = [packet.sequence_number for packet in page.rtp]
    assert [(number - numbers[0]) & 0xFFFF for number in numbers] == [0, 1, 2]


def test_a_gap_of_a_page_that_is_not_there_asks_nobody() -> None:
    page = Page()
    page.slots.add("a")
    page.slots.gap("a", 1.0)
    page.slots.gap("stranger", 1.0)
    assert page.wanted == []


def test_the_page_asks_for_key_frames_of_pictures_it_has_seen_only() -> None:
    page = Page()
    page.slots.add("a")
    page.answer()
    camera = ssrc(page, "a", MediaKind.CAMERA)
    page.slots.page_wants_key(camera, 1.0)
    page.slots.page_wants_key(12_345, 1.0)
    assert page.wanted == []
    page.slots.play("a", picture(True), 1.0)
    for number in range(10):
        page.slots.page_wants_key(camera, 2.0 + number / 100)
    assert page.wanted == ["a"]


def test_lost_packets_are_sent_again_and_no_more_than_that() -> None:
    page = Page()
    page.slots.add("a")
    page.answer()
    page.slots.play("a", picture(True), 1.0)
    sent = page.rtp[0]
    page.slots.page_misses(sent.ssrc, [sent.sequence_number, sent.sequence_number + 5])
    page.slots.page_misses(99, [1])
    assert len(page.rtp) == 2
    assert page.rtp[1].serialize() == sent.serialize()
    page.slots.page_misses(sent.ssrc, [sent.sequence_number] * 1_000)
    assert len(page.rtp) <= 2 + 64


def test_sections_are_used_again_with_new_streams() -> None:
    page = Page()
    for member in ("a", "b"):
        page.slots.add(member)
    page.answer()
    before = page.slots.sections()
    old = ssrc(page, "a", MediaKind.CAMERA)
    assert page.slots.remove("a")
    assert not page.slots.remove("a")
    assert [section.direction for section in page.slots.sections()] == [
        "recvonly", "recvonly", "inactive", "inactive", "sendonly", "sendonly",
    ]  # fmt: skip
    page.slots.page_wants_key(old, 1.0)
    page.slots.play("a", voice(), 1.0)
    assert page.rtp == []
    page.slots.add("c")
    after = page.slots.sections()
    assert len(after) == len(before)
    assert [section.member for section in after[2:]] == ["c", "c", "b", "b"]
    assert ssrc(page, "c", MediaKind.CAMERA) != old
    # The offer that is under way still names `a`: its answer must not open `c`.
    page.slots.answered(
        before, Answer("abcd", bytes(32), (AnswerSection(True, "recvonly", ()),) * 6)
    )
    page.slots.play("c", voice(), 1.0)
    assert page.rtp == []


def test_members_have_a_maximum_and_odd_ids_get_a_token() -> None:
    page = Page()
    assert page.slots.add("two words\r\na=candidate:evil")
    section = page.slots.sections()[2]
    assert section.member.isalnum()
    assert sum(page.slots.add(f"m{number}") for number in range(100)) == MEMBERS_MAX - 1


@pytest.mark.parametrize(
    "frame",
    [
        EncodedFrame(MediaKind.VOICE, Codec.VP8, True, 0, (b"x",)),
        EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, ()),
        EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, (b"x", b"y")),
        EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, (b"",)),
        EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 0, (bytes(401),)),
        EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, -1, (b"x",)),
        EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, 1 << 48, (b"x",)),
        EncodedFrame(MediaKind.CAMERA, Codec.H264, True, 0, (KEY,)),
        EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 0, ()),
        EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 0, (KEY, b"")),
        EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 0, (bytes(1_301),)),
        EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 0, (KEY,) * 257),
        EncodedFrame(MediaKind.CAMERA, Codec.VP8, True, 0, (bytes(1_300),) * 202),
    ],
)
def test_what_does_not_keep_the_limits_never_reaches_a_decoder(frame: EncodedFrame) -> None:
    assert fault_of(frame) is not None
    page = Page()
    page.slots.add("a")
    page.answer()
    page.slots.play("a", frame, 1.0)
    assert page.rtp == []
    assert page.slots.stats()["a"]["refused"] == 1


def test_frames_of_screens_wait_for_screens() -> None:
    page = Page()
    page.slots.add("a")
    page.answer()
    page.slots.play("a", EncodedFrame(MediaKind.SCREEN, Codec.VP8, True, 0, (KEY,)), 1.0)
    assert page.rtp == []
    assert fault_of(picture(True)) is None
    assert fault_of(voice()) is None
