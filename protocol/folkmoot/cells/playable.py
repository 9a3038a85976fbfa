"""What may be given to decoders and files: frames that another member's agent made, judged before
anything of them is decoded.

A decoder believes what a frame says of itself. A key frame of 16,383 by 16,383 in a few bytes makes
it ask for a gigabyte; a packet that plays six times as long as its slot runs away from the others.
So a frame must be what every honest agent makes, and nothing else goes on.
"""

from __future__ import annotations

import enum

from folkmoot.cells import opus, vp8
from folkmoot.cells.frames import VOICE_FRAME_US, Codec, EncodedFrame, MediaKind

VOICE_BYTES_MAX = 400  # far above what a voice slot holds
# Browsers send up to about 1,200; more would not fit the packet buffer of SRTP.
PAYLOAD_BYTES_MAX = 1_300
FRAME_PAYLOADS_MAX = 256
FRAME_BYTES_MAX = 256 << 10  # a key frame of 720p at a high rate has about 100 KiB
TIME_US_MAX = 2**48 - 1
# A decoder holds some eight pictures of 1.5 bytes for each pixel: 25 MB for a camera at its most.
PIXELS_MAX = {MediaKind.CAMERA: 1920 * 1088, MediaKind.SCREEN: 3840 * 2160}
SIDE_MAX = 4096


class Fault(enum.Enum):
    """Why something a member sends is left out. The value ends the sentence for the person."""

    SOUND = "its sound is damaged"
    PICTURE = "its picture is damaged"
    SIZE = "its picture is too large to be shown"
    PACE = "it sends more at once than can be played"
    KEYLESS = "its picture never begins"
    CHAT = "it writes more than can be shown"


def fault_of(frame: EncodedFrame) -> Fault | None:
    """Why this frame may not be played or written to a file; None for a good one."""
    if frame.kind is MediaKind.VOICE:
        good = (
            frame.codec is Codec.OPUS
            and 0 <= frame.time_us <= TIME_US_MAX
            and len(frame.payloads) == 1
            and len(frame.payloads[0]) <= VOICE_BYTES_MAX
            and opus.duration_us(frame.payloads[0]) == VOICE_FRAME_US
        )
        return None if good else Fault.SOUND
    if not (
        frame.codec is Codec.VP8
        and 0 <= frame.time_us <= TIME_US_MAX
        and 0 < len(frame.payloads) <= FRAME_PAYLOADS_MAX
        and max(map(len, frame.payloads)) <= PAYLOAD_BYTES_MAX
        and sum(map(len, frame.payloads)) <= FRAME_BYTES_MAX
    ):
        return Fault.PICTURE
    return _picture_fault(frame)


def _picture_fault(frame: EncodedFrame) -> Fault | None:
    head = vp8.frame_head(frame.payloads)
    if head is None or bool(head[0] & 1) is frame.key:
        return Fault.PICTURE
    if not frame.key:
        return None
    size = vp8.key_frame_size(head)
    if size is None:
        return Fault.PICTURE
    width, height = size
    if max(size) > SIDE_MAX or width * height > PIXELS_MAX[frame.kind]:
        return Fault.SIZE
    return None
