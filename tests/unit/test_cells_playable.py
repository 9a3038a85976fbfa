"""What may be given to decoders: only what honest agents make."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from folkmoot.cells import opus, vp8
from folkmoot.cells.frames import Codec, EncodedFrame, MediaKind
from folkmoot.cells.playable import (
    FRAME_PAYLOADS_MAX,
    PAYLOAD_BYTES_MAX,
    TIME_US_MAX,
    Fault,
    fault_of,
)

DELTA = b"\x10\x01delta"
# Versions of the descriptor that browsers send: none, with a picture id of 7 and 15 bits.
DESCRIPTORS = (b"\x10", b"\x90\x80\x05", b"\x90\x80\x85\x01", b"\x90\xe0\x85\x01\x07\x20")


def key_head(width: int, height: int) -> bytes:
    return b"\x50\x01\x00\x9d\x01\x2a" + width.to_bytes(2, "little") + height.to_bytes(2, "little")


def camera(*payloads: bytes, key: bool = True, time_us: int = 0) -> EncodedFrame:
    return EncodedFrame(MediaKind.CAMERA, Codec.VP8, key, time_us, payloads)


def voice(payload: bytes, time_us: int = 0) -> EncodedFrame:
    return EncodedFrame(MediaKind.VOICE, Codec.OPUS, True, time_us, (payload,))


@pytest.mark.parametrize(
    ("packet", "us"),
    [
        (b"\x08" + bytes(40), 20_000),  # SILK, 20 ms, one frame
        (b"\x78" + bytes(59), 20_000),  # hybrid
        (b"\xf8" + bytes(59), 20_000),  # CELT
        (b"\xf8", 20_000),  # nothing in it: lost or silent (§2.1.9)
        (b"\xf0" + bytes(59), 10_000),
        (b"\xf1" + bytes(58), 20_000),  # two of 10 ms
        (b"\xf2\x05" + bytes(50), 20_000),
        (b"\xf2\xfc\x01" + bytes(300), 20_000),  # the first has 256 bytes
        (b"\xfb\x03" + bytes(30), 60_000),
        (b"\xe3\x30" + bytes(48), 120_000),  # 48 of 2.5 ms
        (b"\xfb\x41\x0a" + bytes(50), 20_000),  # padded, as a constant bitrate makes them
        (b"\xfb\x41\xff\x01" + bytes(300), 20_000),
        (b"\xfb\x82\x05" + bytes(20), 40_000),
        (b"\x18" + bytes(40), 60_000),
        # What RFC 6716 §3.4 calls malformed.
        (b"", None),
        (b"\xf1" + bytes(57), None),
        (b"\xf2", None),
        (b"\xf2\xfc", None),
        (b"\xf2\x33" + bytes(50), None),
        (b"\xfb", None),
        (b"\xfb\x00" + bytes(9), None),
        (b"\xfb\x07" + bytes(70), None),  # 140 ms
        (b"\xfb\x02" + bytes(31), None),
        (b"\xfb\x41", None),
        (b"\xfb\x41\xff", None),
        (b"\xfb\x41\x33" + bytes(50), None),
        (b"\xfb\x82\x15" + bytes(20), None),
        (b"\xfb\x83\x05", None),
        (b"\xf8" + bytes(1276), None),
    ],
)
def test_how_long_opus_packets_play(packet: bytes, us: int | None) -> None:
    assert opus.duration_us(packet) == us


@pytest.mark.parametrize(
    "payload", [b"", b"\xf0" + bytes(40), b"\x18" + bytes(40), b"\xe3\x30" + bytes(48), b"\xfb"]
)
def test_sound_that_does_not_fill_its_slot_is_left_out(payload: bytes) -> None:
    assert fault_of(voice(payload)) is Fault.SOUND


@pytest.mark.parametrize("time_us", [-1, TIME_US_MAX + 1])
def test_times_out_of_range_are_left_out(time_us: int) -> None:
    assert fault_of(voice(b"\x78" + bytes(59), time_us)) is Fault.SOUND
    assert fault_of(camera(DELTA, key=False, time_us=time_us)) is Fault.PICTURE


@pytest.mark.parametrize("time_us", [0, TIME_US_MAX])
@pytest.mark.parametrize("descriptor", DESCRIPTORS)
def test_what_honest_agents_make_passes(descriptor: bytes, time_us: int) -> None:
    key = descriptor + key_head(1280, 720) + bytes(900)
    assert fault_of(camera(key, b"\0" + bytes(1000), time_us=time_us)) is None
    assert fault_of(camera(descriptor + b"\x51" + bytes(30), key=False)) is None
    assert fault_of(voice(b"\x78" + bytes(59), time_us)) is None


@pytest.mark.parametrize(
    "size", [(16383, 16383), (16383, 16), (16, 16383), (1920, 1089), (4096, 4096), (65535, 65535)]
)
@pytest.mark.parametrize("cut", [1, 3, 7, 9, 10])
def test_a_key_frame_that_wants_a_gigabyte_is_left_out(size: tuple[int, int], cut: int) -> None:
    """However its head is spread over payloads."""
    head = key_head(*size)
    payloads = (b"\x10" + head[:cut], b"\0" + head[cut:] + bytes(20))
    assert fault_of(camera(*payloads)) is Fault.SIZE


@pytest.mark.parametrize("size", [(0, 480), (640, 0), (0x4000, 480)])
def test_a_key_frame_without_a_size_is_left_out(size: tuple[int, int]) -> None:
    assert fault_of(camera(b"\x10" + key_head(*size) + bytes(20))) is Fault.PICTURE


def test_a_frame_is_what_it_says() -> None:
    huge = b"\x10" + key_head(16383, 16383) + bytes(20)
    assert fault_of(camera(huge, key=False)) is Fault.PICTURE
    assert fault_of(camera(DELTA, key=True)) is Fault.PICTURE
    # A second beginning behind the first: readers disagree about which of them counts.
    small = b"\x10" + key_head(640, 480) + bytes(20)
    assert fault_of(camera(small, huge)) is Fault.PICTURE
    assert fault_of(camera(DELTA, huge, key=False)) is Fault.PICTURE


@pytest.mark.parametrize(
    "payloads",
    [
        (),
        (b"",),
        (DELTA, b""),
        (b"\x10",),  # no VP8 data behind the descriptor
        (b"\x90",),
        (b"\x90\x80",),
        (b"\x90\x80\x85",),
        (b"\x90\xf0\x85\x01\x07",),
        (DELTA, b"\x80"),
        (b"\x00\x01delta",),  # no beginning
        (b"\x11\x01delta",),  # the beginning of another partition
        (DELTA + bytes(PAYLOAD_BYTES_MAX),),
        (DELTA, *[b"\x00x"] * FRAME_PAYLOADS_MAX),
        (DELTA, *[b"\x00" + bytes(PAYLOAD_BYTES_MAX - 1)] * 202),
        (b"\x10" + key_head(640, 480)[:9],),
        (b"\x10" + key_head(640, 480).replace(b"\x9d", b"\x9c"),),
    ],
)
def test_garbage_is_left_out(payloads: tuple[bytes, ...]) -> None:
    for key in (True, False):
        assert fault_of(camera(*payloads, key=key)) is Fault.PICTURE


def test_codecs_that_were_not_agreed_are_left_out() -> None:
    for codec in (Codec.VP9, Codec.H264, Codec.AV1, Codec.OPUS):
        frame = EncodedFrame(MediaKind.CAMERA, codec, False, 0, (DELTA,))
        assert fault_of(frame) is Fault.PICTURE
    for codec in (Codec.VP8, Codec.VP9, Codec.H264, Codec.AV1):
        frame = EncodedFrame(MediaKind.VOICE, codec, True, 0, (b"\x78" + bytes(59),))
        assert fault_of(frame) is Fault.SOUND


def test_a_screen_may_be_larger_than_a_camera() -> None:
    payload = b"\x10" + key_head(3840, 2160) + bytes(20)
    assert fault_of(EncodedFrame(MediaKind.SCREEN, Codec.VP8, True, 0, (payload,))) is None
    assert fault_of(camera(payload)) is Fault.SIZE


@given(
    st.sampled_from([MediaKind.VOICE, MediaKind.CAMERA]),
    st.booleans(),
    st.lists(st.binary(max_size=40), max_size=4),
)
@example(MediaKind.CAMERA, True, [b"\x10\x00\x00\x00\x9d\x01\x2a", b"\x00\xff\x3f\xff\x3f"])
def test_whatever_comes_is_judged(kind: MediaKind, key: bool, payloads: list[bytes]) -> None:
    """What passes has a size that a decoder can hold, and nothing raises."""
    codec = Codec.OPUS if kind is MediaKind.VOICE else Codec.VP8
    if fault_of(EncodedFrame(kind, codec, key, 0, tuple(payloads))) is not None:
        return
    if kind is MediaKind.VOICE:
        assert opus.duration_us(payloads[0]) == 20_000
    elif key:
        whole = vp8.unpack(payloads)
        assert whole is not None
        size = vp8.key_frame_size(whole)
        assert size is not None
        assert size[0] * size[1] <= 1920 * 1088
